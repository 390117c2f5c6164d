"""A clean stop: what is in flight is finished, nothing new is begun."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from curation import workers
from curation.ledger import Ledger
from curation.workers import run_workers
from schemas.errors import LedgerError


async def test_every_item_is_handled_and_never_more_at_once_than_there_are_workers() -> None:
    at_once = most = 0
    done = []

    async def handle(item: int) -> None:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        await asyncio.sleep(0)
        at_once -= 1
        done.append(item)

    await run_workers(iter(range(20)), handle, 3, asyncio.Event())
    assert sorted(done) == list(range(20))
    assert most == 3


@pytest.mark.parametrize("where", ["handle", "items"])
async def test_a_broken_world_lets_the_rows_in_flight_finish_and_is_raised_then(where: str) -> None:
    finished = []

    def items() -> Iterator[int]:
        yield from range(3)
        if where == "items":
            raise LedgerError("locked")
        yield 3

    async def handle(item: int) -> None:
        if item == 3:
            raise LedgerError("locked")
        await asyncio.sleep(0.05)
        finished.append(item)

    with pytest.raises(LedgerError, match="locked"):
        await run_workers(items(), handle, 4, asyncio.Event())
    assert sorted(finished) == [0, 1, 2]


async def test_a_stop_begins_nothing_new() -> None:
    stop = asyncio.Event()
    begun = []

    async def handle(item: int) -> None:
        begun.append(item)
        stop.set()
        await asyncio.sleep(0.01)

    await run_workers(iter(range(100)), handle, 2, stop)
    assert begun == [0]


async def test_a_bug_is_raised_as_it_is_and_cancels_the_others() -> None:
    cancelled = []

    async def handle(item: int) -> None:
        if item == 0:
            await asyncio.sleep(0.01)
            raise ZeroDivisionError
        try:
            await asyncio.sleep(10)
        except asyncio.CancelledError:
            cancelled.append(item)
            raise

    with pytest.raises(ZeroDivisionError):
        await run_workers(iter(range(3)), handle, 3, asyncio.Event())
    assert sorted(cancelled) == [1, 2]


async def test_a_run_says_that_it_is_alive_even_after_the_ledger_was_locked_for_once(tmp_path: Path) -> None:
    # The period is short here, as a deadline of an endpoint is: the rule is about what comes after a failure.
    period, workers.HEARTBEAT_SECONDS = workers.HEARTBEAT_SECONDS, 0.02
    try:
        with Ledger.open(tmp_path / "curate.db", create=True) as ledger, Ledger.open(tmp_path / "curate.db") as other:
            ledger.query("PRAGMA busy_timeout = 1")
            ledger.query("INSERT INTO runs VALUES (1, 'generate', 's', 'h', 1, 'then', 'then', NULL, NULL)")
            other.connection.execute("BEGIN IMMEDIATE")
            async with workers.keep_alive(ledger, 1):
                await asyncio.sleep(0.1)
                other.connection.execute("ROLLBACK")
                await asyncio.sleep(0.2)
            assert ledger.query("SELECT heartbeat_at FROM runs WHERE id = 1") != [("then",)]
    finally:
        workers.HEARTBEAT_SECONDS = period
