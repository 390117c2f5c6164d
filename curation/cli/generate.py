"""`curate generate`: the main job. Traces become checked drafts, safe to stop and repeat."""

import asyncio
import json
from pathlib import Path
from typing import Literal

import click

from curation.budget import Budget
from curation.cli.endpoints import is_small, open_models, require_endpoints
from curation.cli.progress import fit
from curation.cli.project import load_settings, open_ledger
from curation.cli.run import describe_cost, oversee
from curation.doubts import judge_answers
from curation.generate import Job, Progress, estimate, generate, select
from curation.ledger import Ledger
from curation.structures import load_pools, load_structure
from schemas.errors import CurateError, UsageError
from schemas.settings import Endpoint, Settings
from schemas.structure import require_pools


@click.command("generate")
@click.option("--structure", help="Another structure than curate.toml's: a name or a YAML file.")
@click.option("--endpoint", "endpoints", multiple=True, help="Another endpoint than curate.toml's; several may share.")
@click.option("--assume-label", is_flag=True, help="Tell the model the label instead of asking for a verdict.")
@click.option("--limit", type=click.IntRange(1), help="Work on at most so many traces.")
@click.option("--sample", type=click.IntRange(1), help="Draw so many, stratified by label, category and source.")
@click.option("--sample-seed", type=int, default=0, show_default=True, help="Another seed draws another sample.")
@click.option("--only", type=click.Choice(["harmful", "benign"]), help="Only traces labelled so.")
@click.option("--budget", type=click.FloatRange(0, min_open=True), metavar="USD", help="Stop before this is passed.")
@click.option("--max-tokens-total", type=click.IntRange(1), metavar="N", help="Stop before so many tokens are passed.")
@click.option("--retry-failed", is_flag=True, help="Try the rows again that failed before.")
@click.option("--dry-run", is_flag=True, help="Count rows, questions, tokens and USD; send nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print the outcome as JSON on standard output.")
@click.pass_obj
def command(
    project: Path,
    structure: str | None,
    endpoints: tuple[str, ...],
    assume_label: bool,
    limit: int | None,
    sample: int | None,
    sample_seed: int,
    only: Literal["harmful", "benign"] | None,
    budget: float | None,
    max_tokens_total: int | None,
    retry_failed: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Rewrite the traces of the ledger into the altered structure.

    Every draft is checked and saved as soon as it is there, with the reply that was paid for. Ctrl-C keeps what is
    in flight; the same command goes on where it stopped, and two at once share the work.

    \b
    Examples:
      curate generate --dry-run               how many tokens and USD it would be
      curate generate --sample 1500           a stratified sample, the same each time
      curate generate --budget 2.50           stops cleanly before 2.50 USD, exit code 3
      curate generate --assume-label          for models too weak to judge
      curate generate --structure no_ha       an ablation; replies already paid for are used again
      curate generate --retry-failed          once more for the rows of `curate failures`
    """
    settings = load_settings(project)
    chosen = load_structure(structure or settings.structure, project)
    pools = load_pools(project)
    require_pools(chosen, pools)
    names = endpoints or settings.endpoint
    job = Job(
        chosen, pools, assume_label, small=is_small(settings, names), benign_max_tokens=settings.benign_max_tokens
    )
    with open_ledger(project) as ledger:
        judge_answers(ledger)  # an `add` that was killed had not come to it
        if retired := ledger.retire_drafts():
            click.echo(f"{retired} drafts are on the branch that a newer label left: made again on the other", err=True)
        candidates = ledger.candidates(chosen.name)
        ids = select(
            candidates,
            only=only,
            sample=sample,
            sample_seed=sample_seed,
            limit=limit,
            retry_failed=retry_failed,
        )
        if chosen.base and not ledger.reasons(chosen.base):
            raise UsageError(
                f"structure {chosen.name} takes its reasons from drafts of {chosen.base}, and there are none: "
                f"run `curate generate --structure {chosen.base}` first"
            )
        if not ids:
            _say_nothing_to_do(ledger, chosen.name, failed=sum(row.failed for row in candidates), as_json=as_json)
            return
        spending = Budget(usd=budget, tokens=max_tokens_total)
        asked = require_endpoints(settings, names, budget=spending)
        if dry_run:
            _dry_run(ledger, ids, job, asked, as_json=as_json)
            return
        progress = Progress(total=len(ids))
        error = asyncio.run(_run(ledger, settings, names, spending, ids, job, progress, retry_failed=retry_failed))
    _report(progress, chosen.name, as_json=as_json)
    if error:
        raise error
    if progress.done < progress.total:
        click.echo("another run holds the rows that were not reached; `curate status` shows how far it is", err=True)


async def _run(
    ledger: Ledger,
    settings: Settings,
    names: tuple[str, ...],
    budget: Budget,
    ids: list[str],
    job: Job,
    progress: Progress,
    *,
    retry_failed: bool,
) -> CurateError | None:
    async with open_models(settings, names, budget=budget, fallback=settings.fallback) as models:

        async def work(run: int, stop: asyncio.Event) -> None:
            if retry_failed:
                ledger.clear_failures(job.structure.name, ids)
            await generate(ledger, run, ids, job, models, progress, stop)

        def describe(seconds: float) -> str:
            parts = [
                f"{progress.done}/{progress.total} done",
                f"{progress.failed} failed",
                f"{progress.flagged} flagged",
                f"{progress.blocked} blocked",
                f"{progress.done / seconds:.1f} rows/s",
                *describe_cost(progress.done, progress.total, models.stats(), seconds),
            ]
            return fit(" · ".join(parts))

        return await oversee(ledger, "generate", job.structure.name, work, describe)


def _report(progress: Progress, structure: str, *, as_json: bool) -> None:
    if as_json:
        summary = {
            "structure": structure,
            "rows": progress.total,
            "drafts": progress.drafts,
            "flagged": progress.flagged,
            "blocked": progress.blocked,
            "failed": progress.failed,
            "failures": progress.failures,
        }
        click.echo(json.dumps(summary))
        return
    passing = progress.drafts - progress.blocked
    click.echo(
        f"{structure}: {progress.drafts} drafts ({passing} pass every blocking check, {progress.flagged} of them "
        f"flagged), {progress.failed} failed, {progress.total - progress.done} not reached"
    )
    if progress.failed:
        click.echo("next: curate failures")


def _say_nothing_to_do(ledger: Ledger, structure: str, *, failed: int, as_json: bool) -> None:
    if as_json:
        _report(Progress(total=0), structure, as_json=True)
    elif failed:
        click.echo(f"nothing to do but {failed} failed rows: see `curate failures`, or add --retry-failed")
    elif not ledger.query("SELECT 1 FROM traces LIMIT 1"):
        click.echo("no traces yet: `curate add FILE` brings some, `curate trace` asks a model for them")
    else:
        click.echo(f"nothing to do: no trace that was asked for is without a draft in {structure}")


def _dry_run(ledger: Ledger, ids: list[str], job: Job, endpoints: dict[str, Endpoint], *, as_json: bool) -> None:
    guess = asyncio.run(estimate(ledger, ids, job, endpoints))
    prices = [price for endpoint in endpoints.values() if (price := endpoint.usd(guess.tokens_in, guess.tokens_out))]
    usd = max(prices) if prices else None
    if as_json:
        click.echo(json.dumps(guess._asdict() | {"usd": usd}))
        return
    click.echo(
        f"{guess.rows} traces, {guess.questions} questions, about {guess.tokens_in:,} prompt and "
        f"{guess.tokens_out:,} completion tokens; {guess.fails_at_once} would fail without a question"
    )
    dearest = " at the dearest endpoint" if len(endpoints) > 1 else ""
    cost = "no prices are set" if usd is None else f"about {usd:.2f} USD{dearest}"
    click.echo(f"{cost}; nothing was sent. A verdict that differs from the label costs a second question.")
