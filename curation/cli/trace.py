"""`curate trace`: original traces for prompts that have none, or that need a new one."""

import asyncio
import json
from pathlib import Path
from typing import Literal

import click

from curation.budget import Budget
from curation.cli.endpoints import open_models, require_endpoints
from curation.cli.progress import fit
from curation.cli.project import load_settings, open_ledger
from curation.cli.run import describe_cost, oversee
from curation.generate import select
from curation.ledger import Ledger
from curation.model import Models
from curation.record import read_record
from curation.tracing import TASK, Estimate, Progress, Sampling, estimate, trace
from schemas.errors import CurateError, UsageError
from schemas.settings import EMBEDDED, Settings


@click.command("trace")
@click.option("--all-missing", is_flag=True, help="Every prompt without a trace: the default where no --seed is given.")
@click.option("--seed", "seeds", multiple=True, metavar="ID", help="New traces for this prompt, whatever it has.")
@click.option("--samples", type=click.IntRange(1, 64), default=1, show_default=True, help="Traces for each prompt.")
@click.option("--endpoint", "endpoints", multiple=True, help="A reasoning model of curate.toml; several may share.")
@click.option("--temperature", type=click.FloatRange(0, 2), default=0.6, show_default=True, help="Of the sampling.")
@click.option(
    "--max-tokens", type=click.IntRange(16), default=8192, show_default=True, help="Of a reply, thinking too."
)
@click.option("--only", type=click.Choice(["harmful", "benign"]), help="Of the missing ones, those labelled so.")
@click.option("--limit", type=click.IntRange(1), help="At most so many prompts.")
@click.option("--budget", type=click.FloatRange(0, min_open=True), metavar="USD", help="Stop before this is passed.")
@click.option("--max-tokens-total", type=click.IntRange(1), metavar="N", help="Stop before so many tokens are passed.")
@click.option("--retry-failed", is_flag=True, help="Try the prompts again that failed before.")
@click.option("--dry-run", is_flag=True, help="Count prompts, questions, tokens and USD; send nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print the outcome as JSON on standard output.")
@click.pass_obj
def command(
    project: Path,
    all_missing: bool,
    seeds: tuple[str, ...],
    samples: int,
    endpoints: tuple[str, ...],
    temperature: float,
    max_tokens: int,
    only: Literal["harmful", "benign"] | None,
    limit: int | None,
    budget: float | None,
    max_tokens_total: int | None,
    retry_failed: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Ask a reasoning model what it thinks and answers, for prompts that have no trace.

    The model sees the prompt and nothing else. Its reasoning is read from reasoning_content or between thinking tags;
    an answer without reasoning is a failure of the row. Long thinking needs a long timeout_seconds in curate.toml.
    Ctrl-C keeps what is in flight, and the same command goes on where it stopped.

    \b
    Examples:
      curate trace --endpoint r1 --dry-run                how many tokens and USD it would be
      curate trace --endpoint r1                          one trace for every prompt that has none
      curate trace --endpoint r1 --only benign --samples 4
                                                          four of each: do their answers agree?
      curate trace --endpoint r1 --seed s0123456789abcdef
                                                          a new one, e.g. for a prompt that turned out benign
      curate trace --endpoint r1 --max-tokens 16384 --retry-failed
                                                          more room for those that were cut
    """
    settings = load_settings(project)
    names = endpoints or settings.endpoint
    spending = Budget(usd=budget, tokens=max_tokens_total)
    require_endpoints(settings, names, budget=spending)
    _require_reasoning(settings, names)
    if samples > 1 and temperature == 0:
        raise UsageError("--samples with --temperature 0 asks for the same trace again: give a higher temperature")
    sampling = Sampling(temperature, max_tokens)
    with open_ledger(project) as ledger:
        named = _named(ledger, seeds, samples)
        wanted, failed = list(named.items()), 0
        if all_missing or not seeds:
            missing = ledger.seeds_without_trace(samples)
            failed = sum(row.failed for row in missing)
            chosen = select(missing, only=only, retry_failed=retry_failed)
            wanted += [(seed, samples) for seed in chosen if seed not in named]
        wanted = wanted[:limit]
        if not wanted:
            _say_nothing_to_do(failed, as_json=as_json)
            return
        if dry_run:
            _report_estimate(estimate(ledger, wanted, sampling), settings, names[0], as_json=as_json)
            return
        progress = Progress(total=len(wanted))
        again = [seed for seed, _ in wanted if retry_failed or seed in named]
        error = asyncio.run(_run(ledger, settings, names, spending, wanted, again, sampling, progress))
    _report(progress, as_json=as_json)
    if error:
        raise error


def _require_reasoning(settings: Settings, names: tuple[str, ...]) -> None:
    if EMBEDDED in names and settings.embedded is None:
        raise UsageError(
            "the embedded model does not reason: name a reasoning model with --endpoint NAME "
            "([endpoints.NAME] in curate.toml), or one to embed, embedded = 'org/repo:file.gguf'"
        )


def _named(ledger: Ledger, seeds: tuple[str, ...], samples: int) -> dict[str, int]:
    """Those prompts and how many traces each shall have: what it has, and `samples` new ones."""
    ids = dict.fromkeys(read_record(ledger, seed).seed.id for seed in seeds)
    return {seed: ledger.count_traces(seed) + samples for seed in ids}


async def _run(
    ledger: Ledger,
    settings: Settings,
    names: tuple[str, ...],
    budget: Budget,
    wanted: list[tuple[str, int]],
    again: list[str],
    sampling: Sampling,
    progress: Progress,
) -> CurateError | None:
    """Does the run and gives back what stopped it early, if anything did."""
    # No fallback: it stands in for a model that writes, and that one need not reason.
    async with open_models(settings, names, budget=budget) as models:
        ledger.clear_failures(TASK, again)
        return await oversee(
            ledger,
            "trace",
            None,
            lambda run, stop: trace(ledger, run, wanted, sampling, models, progress, stop),
            lambda seconds: _describe(progress, models, seconds),
        )


def _describe(progress: Progress, models: Models, seconds: float) -> str:
    parts = [
        f"{progress.done}/{progress.total} prompts",
        f"{progress.traces} traces",
        f"{progress.failed} failed",
        f"{progress.done / seconds if seconds else 0.0:.2f} prompts/s",
        *describe_cost(progress.done, progress.total, models.stats(), seconds),
    ]
    return fit(" · ".join(parts))


def _report(progress: Progress, *, as_json: bool) -> None:
    if as_json:
        summary = {
            "prompts": progress.total,
            "done": progress.done,
            "traces": progress.traces,
            "failed": progress.failed,
            "failures": progress.failures,
        }
        click.echo(json.dumps(summary))
        return
    click.echo(
        f"{progress.traces} new traces; of {progress.total} prompts {progress.done - progress.failed} done, "
        f"{progress.failed} failed, {progress.total - progress.done} not reached"
    )
    if progress.failed:
        click.echo("next: curate failures")


def _say_nothing_to_do(failed: int, *, as_json: bool) -> None:
    if as_json:
        _report(Progress(total=0), as_json=True)
    elif failed:
        click.echo(f"nothing to do but {failed} failed prompts: see `curate failures`, or add --retry-failed")
    else:
        click.echo("nothing to do: no prompt that was asked for is without a trace; --seed ID asks for a new one")


def _report_estimate(guess: Estimate, settings: Settings, name: str, *, as_json: bool) -> None:
    endpoint = settings.endpoints.get(name)
    usd = endpoint.usd(guess.tokens_in, guess.tokens_out) if endpoint else None
    most_usd = endpoint.usd(guess.tokens_in, guess.most_tokens_out) if endpoint else None
    if as_json:
        click.echo(json.dumps(guess._asdict() | {"usd": usd, "most_usd": most_usd, "endpoint": name}))
        return
    click.echo(
        f"{guess.seeds} prompts, {guess.questions} questions, about {guess.tokens_in:,} prompt and "
        f"{guess.tokens_out:,} completion tokens, at most {guess.most_tokens_out:,}"
    )
    price = (
        f"about {usd:.2f} USD at the prices of {name}, at most {most_usd:.2f}"
        if usd is not None
        else f"no prices for {name}"
    )
    click.echo(f"{price}; nothing was sent.")
