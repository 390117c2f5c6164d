"""What every run has in common on the command line: its place in the ledger, its progress line, its end."""

import asyncio
from collections.abc import Awaitable, Callable

import click

from curation.cli.progress import duration, stop_on_interrupt, watch
from curation.leases import drop_dead_leases, end_run, start_run
from curation.ledger import Ledger
from curation.model import Stats
from schemas.errors import BudgetReached, CurateError


async def oversee(
    ledger: Ledger,
    command: str,
    structure: str | None,
    work: Callable[[int, asyncio.Event], Awaitable[None]],
    describe: Callable[[float], str],
) -> CurateError | None:
    """Does `work(run, stop)` as a run of the ledger, and gives back what stopped it early, once all is in order.

    `describe(seconds so far)` is the progress line. Raises click.Abort after a Ctrl-C.
    """
    stop = asyncio.Event()
    drop_dead_leases(ledger)
    run = start_run(ledger, command, structure)
    outcome = "bug"
    try:
        with stop_on_interrupt(stop):
            await watch(describe, work(run, stop))
        if stop.is_set():
            outcome = "interrupted"
            raise click.Abort
        outcome = "done"
    except CurateError as error:
        outcome = "budget" if isinstance(error, BudgetReached) else type(error).__name__
        return error
    except asyncio.CancelledError:
        outcome = "interrupted"
        raise click.Abort from None
    finally:
        end_run(ledger, run, outcome)
    return None


def describe_cost(done: int, total: int, stats: Stats, seconds: float) -> list[str]:
    """The parts of a progress line that say what it costs: tokens, USD so far and expected, time left."""
    parts = [f"{stats.tokens_in + stats.tokens_out:,} tokens"]
    if stats.usd is not None:
        parts.append(f"{stats.usd:.4f} USD" + (f" of ~{stats.usd / done * total:.4f}" if done else ""))
    if 0 < done < total:
        parts.append(f"{duration((total - done) * seconds / done)} left")
    return parts
