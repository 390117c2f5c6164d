"""`curate audit`: how thoughts are put together, of traces that are there or of a model that is asked for some."""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import click

from curation.cli.audit_sources import Traces, find
from curation.cli.console import visible
from curation.cli.endpoints import open_models, require_endpoints
from curation.cli.output import print_json
from curation.cli.progress import PLAIN_SECONDS, fit, watch
from curation.cli.project import load_settings
from schemas.audit import AuditReport, Segment
from schemas.errors import SourceError, UsageError


class Options(NamedTuple):
    """What was asked for."""

    fields: str | None
    pairs: tuple[str, ...]
    limit: int | None
    judge: str | None
    out: Path | None
    max_tokens: int
    batch_size: int
    include_harmful_text: bool
    as_json: bool


@click.command("audit")
@click.argument("source", required=False, metavar="[TRACES|MODEL]")
@click.option("--fields", help="Field map of a file, as `curate add` takes it.")
@click.option("--map", "pairs", multiple=True, metavar="FIELD=COLUMN", help="e.g. --map trace=reasoning; repeatable.")
@click.option("--limit", type=click.IntRange(1), help="Traces (of a model: prompts), spread over all there are.")
@click.option("--judge", metavar="ENDPOINT", help="An endpoint of curate.toml reads the thoughts, instead of rules.")
@click.option("--out", type=click.Path(path_type=Path), help="The audit's folder.  [default: audits/NAME]")
@click.option("--max-tokens", type=click.IntRange(1), default=1024, show_default=True, help="Of a model's completion.")
@click.option("--batch-size", type=click.IntRange(1), default=16, show_default=True, help="Of a model of this machine.")
@click.option("--include-harmful-text", is_flag=True, help="Also write harmful.jsonl, which stays on this machine.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON on standard output.")
@click.pass_obj
def command(project: Path, /, source: str | None, **asked: Any) -> None:
    """Say how thoughts are put together: understanding, assessment, solving, refusal, and what comes of it.

    Without an argument the traces of the project's ledger are audited. TRACES is a JSONL, CSV or Parquet file, a folder
    or a glob of them. MODEL is a run's or a model's folder, org/name on the Hub, an endpoint of curate.toml, or
    `embedded`: it is asked the packaged prompts that no run trains on, all of them mild, and what it thinks is audited.

    Written are report.html, report.json and pictures. What was thought about harmful requests is in none of them.

    \b
    Examples:
      curate audit                                    the traces of this project
      curate audit star1.jsonl --fields star1         a file, in the columns of a known set
      curate audit traces.csv --map trace=reasoning --limit 200
      curate audit runs/smollm2-cpu-0                 a model, asked the packaged prompts
      curate audit traces.jsonl --judge gpt           a model reads the thoughts
    """
    options = Options(**asked)
    if options.judge:
        require_endpoints(load_settings(project), [options.judge])
    traces = find(project, source, options)
    if not traces.given:
        raise SourceError(_nothing(traces))
    report, folder = _audit(project, traces, options)
    if options.as_json:
        print_json(report)
        return
    for line in tell(report):
        click.echo(visible(line))
    click.echo(f"report: {folder / 'report.html'}")


def _nothing(traces: Traces) -> str:
    """Why there is nothing to audit, in one line, and what may mend it."""
    reasons = "; ".join(f"{count:,}: {reason}" for reason, count in Counter(traces.left_out).most_common(3))
    said = f"{traces.name}: no trace that can be audited ({reasons or 'it has no rows'})"
    return f"{said}; {traces.mend}" if traces.mend else said


def _audit(project: Path, traces: Traces, options: Options) -> tuple[AuditReport, Path]:
    from train.audit.accuracy import stated
    from train.audit.audit import RULES, audit_trace, report
    from train.audit.files import write_audit

    left_out = Counter(traces.left_out)
    if options.judge:
        segments, read_by = asyncio.run(_judge(project, options.judge, traces))
    else:
        segments, read_by = _read(traces), RULES
    both = [(given, found) for given, found in zip(traces.given, segments, strict=True) if not isinstance(found, str)]
    left_out.update(found for found in segments if isinstance(found, str))
    if not both:
        raise UsageError(f"{traces.name}: {read_by} could read none of {len(segments):,} thoughts: {segments[0]}")
    given = [one for one, _ in both]
    audited = [audit_trace(one, found) for one, found in both]
    made = report(
        audited,
        source=traces.name,
        origin=traces.place.origin,
        read_by=read_by,
        left_out=left_out,
        accuracy=stated(),
        notes=traces.notes,
    )
    folder = traces.place.folder
    write_audit(folder, made, given, audited, include_harmful_text=options.include_harmful_text)
    return made, folder


def _read(traces: Traces) -> list[tuple[Segment, ...] | str]:
    from curation.sentences import sentences
    from train.audit.segments import segment

    found: list[tuple[Segment, ...] | str] = []
    told = time.monotonic()
    for given in traces.given:
        found.append(segment(given.thought, sentences(given.thought)))
        if time.monotonic() - told > PLAIN_SECONDS:
            told = time.monotonic()
            click.echo(f"{len(found):,} of {len(traces.given):,} thoughts read", err=True)
    return found


async def _judge(project: Path, name: str, traces: Traces) -> tuple[list[tuple[Segment, ...] | str], str]:
    """What an endpoint reads in each thought, or why it read nothing; and the endpoint with its model."""
    from curation.judging import judge_thought
    from curation.model import RowFailed
    from curation.sentences import sentences
    from curation.workers import run_workers

    found: dict[int, tuple[Segment, ...] | str] = {}
    async with open_models(load_settings(project), [name]) as models:

        async def read(number: int) -> None:
            given = traces.given[number]
            try:
                found[number] = await judge_thought(models, given.prompt, given.thought, sentences(given.thought))
            except RowFailed as failed:
                found[number] = f"the judge gave no usable labels ({failed.failure.kind})"

        total = len(traces.given)
        work = run_workers(iter(range(total)), read, models.workers, asyncio.Event())
        await watch(lambda seconds: fit(f"{len(found):,} of {total:,} thoughts read by {name}"), work)
        author = models.author
    return [found[number] for number in range(total)], author


def tell(report: AuditReport) -> list[str]:
    """The report as lines for a terminal."""
    from train.audit.page import main_rows, name_category, tell_rate, tell_turn

    labels = ", ".join(f"{count:,} {name}" for name, count in report.labels.items())
    lines = [f"{report.traces:,} traces of {report.prompts:,} prompts ({labels}), read by {report.read_by}", ""]
    rows = main_rows(report)
    width = max(len(row.name) for row in rows)
    lines += [f"  {row.name.ljust(width)}  {row.told}" for row in rows]
    lines += [f"  {turns.label} requests: first assessment or refusal {tell_turn(turns)}" for turns in report.turns]
    if report.grid.n:
        grid = report.grid
        lines += [
            "",
            "  harmful requests               answer solves   answer declines",
            f"  thought ends in solving        {grid.both:>13,}   {grid.thought_only:>15,}",
            f"  thought does not               {grid.answer_only:>13,}   {grid.neither:>15,}",
            "",
            "  recognised and yet solved, by category",
        ]
        width = max(len(name_category(row.category)) for row in report.categories)
        lines += [
            f"  {name_category(row.category).ljust(width)}  {tell_rate(row.recognised_and_solved)}"
            for row in report.categories
        ]
    lines.append("")
    for one in report.accuracy:
        what = "that the rules were made on" if one.part == "tuned" else "held aside"
        lines.append(
            f"  the rules, on {one.traces} labelled traces {what}: sentences {tell_rate(one.sentences)}, "
            f"recognised {tell_rate(one.recognised)}"
        )
    lines += _counted(report)
    return lines


def _counted(report: AuditReport) -> Sequence[str]:
    lines = [f"  {count:,} left out: {reason}" for reason, count in report.left_out.items()]
    if report.unclosed:
        lines.append(f"  {report.unclosed:,} thoughts were never closed: in no figure of answers")
    if report.unanswered:
        lines.append(f"  {report.unanswered:,} traces have no answer: in no figure of answers")
    return [*lines, *(f"  note: {note}" for note in report.notes)]
