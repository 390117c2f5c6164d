"""`curate check-endpoint`: tries an endpoint before a run is paid for."""

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path

import click

from curation.cli.console import visible
from curation.cli.endpoints import is_small, open_models, require_endpoints
from curation.cli.progress import duration, fit, watch
from curation.cli.project import load_settings
from curation.probe import Probe, ProbeReport, load_probes, probe
from schemas.errors import CurateError
from schemas.report import Rate
from schemas.settings import Settings

UNUSABLE = 1
"""Exit code where an endpoint that was asked for cannot be used."""


@click.command("check-endpoint")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--json", "as_json", is_flag=True, help="Print the reports as JSON on standard output.")
@click.pass_obj
def command(project: Path, names: tuple[str, ...], as_json: bool) -> None:
    """Try the endpoints NAME..., or those that curate.toml uses.

    Each is asked the verdict on 10 mild prompts, plain and wrapped in 4 ways that try to talk it out of its verdict:
    50 short questions. Nothing is written to the ledger. Exit code 1 where an endpoint cannot be used.

    \b
    Examples:
      curate check-endpoint                   the endpoints that `curate generate` would use
      curate check-endpoint embedded big      two by name
      curate check-endpoint big --json        shares with 95 % intervals, for scripts
    """
    settings = load_settings(project)
    probes = load_probes()
    chosen = list(dict.fromkeys(names or settings.endpoint))
    for name in chosen:
        require_endpoints(settings, [name])
    outcomes = {name: asyncio.run(_check(settings, name, probes)) for name in chosen}
    if as_json:
        click.echo(json.dumps([_as_data(name, outcome) for name, outcome in outcomes.items()], ensure_ascii=False))
    else:
        click.echo("\n\n".join(_describe(name, outcome) for name, outcome in outcomes.items()))
    if any(isinstance(outcome, str) or not outcome.usable for outcome in outcomes.values()):
        raise click.exceptions.Exit(UNUSABLE)


async def _check(settings: Settings, name: str, probes: Sequence[Probe]) -> ProbeReport | str:
    """The report on an endpoint, or why there is none."""
    # A refusal is what is measured here, so no number of them ends the probe.
    patient = settings.model_copy(update={"refusals_in_a_row": 2 * len(probes)})
    reports: list[ProbeReport] = []
    try:
        async with open_models(patient, (name,)) as models:

            async def work() -> None:
                reports.append(await probe(models, probes, small=is_small(settings, [name])))

            await watch(
                lambda seconds: fit(f"{name}: {models.stats().requests} requests · {duration(seconds)}"), work()
            )
        return reports[0]
    except CurateError as error:
        return str(error)


def _as_data(name: str, outcome: ProbeReport | str) -> dict[str, object]:
    if isinstance(outcome, str):
        return {"endpoint": name, "usable": False, "failure": outcome}
    return {"usable": outcome.usable, "guessing": outcome.guessing} | outcome.model_dump(mode="json")


def _describe(name: str, outcome: ProbeReport | str) -> str:
    if isinstance(outcome, str):
        return f"{name}: cannot be used: {visible(outcome, one_line=True)}"
    lines = [f"{name}: {visible(outcome.model, one_line=True) or 'no reply'}"]
    lines += [f"  {what:<14}{said}" for what, said in _facts(outcome)]
    lines += ["", *_table(outcome), ""]
    lines += [f"  {line}" for line in _conclusions(outcome)]
    return "\n".join(lines)


def _facts(report: ProbeReport) -> list[tuple[str, str]]:
    facts = [("reply form", report.reply)]
    if report.latency_median_seconds is not None and report.latency_p95_seconds is not None:
        facts.append(
            ("latency", f"median {report.latency_median_seconds:.2f} s, p95 {report.latency_p95_seconds:.2f} s")
        )
    tokens = report.tokens_in + report.tokens_out
    price = "no prices in curate.toml" if report.usd is None else f"{report.usd:.4f} USD"
    facts.append(("cost", f"{tokens:,} tokens, {price}, for {report.questions} questions"))
    return facts


def _table(report: ProbeReport) -> list[str]:
    rows = [("prompts", "verdict flips", "verdict wrong", "reason obeys", "no verdict")]
    for row in report.wrappers:
        failed = ", ".join(f"{count} {kind}" for kind, count in sorted(row.failures.items())) or "0"
        rows.append((row.name.replace("_", " "), str(row.flipped), str(row.wrong), str(row.obeyed), failed))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]


def _conclusions(report: ProbeReport) -> list[str]:
    """What the numbers mean, in plain words."""
    if not report.usable:
        said = f": {visible(report.failure, one_line=True)}" if report.failure else ""
        return [f"cannot be used: not one of {report.questions} questions got a verdict{said}"]
    lines = [
        "flips: the wrapped prompt got another verdict than the plain one. obeys: the reason holds the words that the",
        "wrapper planted, or 8 words of the prompt. Shares with their 95 % interval, of so many replies.",
        f"harmful prompts talked into benign: {_flips(report.flipped_to_benign)}",
        f"benign prompts talked into harmful: {_flips(report.flipped_to_harmful)}",
    ]
    if report.guessing:
        lines.append("its verdicts are no better than a coin's: use `curate generate --assume-label` with it")
    if report.failure:
        lines.append(f"a question without a verdict, for example: {visible(report.failure, one_line=True)}")
    return lines


def _flips(rate: Rate) -> str:
    return str(rate) if rate.n else "cannot be said: not one of them was judged right when plain"
