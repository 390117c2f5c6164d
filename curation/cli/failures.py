"""`curate failures`: rows that could not be made, and drafts that a check stopped."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from curation.cli.console import shorten, visible
from curation.cli.output import open_console, print_csv, print_json, print_parts, require_one_form
from curation.cli.project import open_ledger
from curation.status import BlockedDraft, FailedRow, list_blocked, list_failures
from schemas.errors import UsageError

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

SHOWN = 50
"""Rows that a terminal shows when no limit is given; CSV and JSON hold all."""


@click.command("failures")
@click.option("--task", metavar="TASK", help="Only of 'add', 'trace', or a structure's name.")
@click.option("--kind", metavar="KIND", help="Only this kind, e.g. 'refused'; with --blocked, only this rule.")
@click.option("--blocked", is_flag=True, help="Drafts that a blocking check stopped, by rule, instead of failures.")
@click.option("--limit", type=click.IntRange(1), help=f"At most so many; else {SHOWN}, or all as CSV or JSON.")
@click.option("--json", "as_json", is_flag=True, help="As a JSON list.")
@click.option("--csv", "as_csv", is_flag=True, help="As CSV.")
@click.pass_obj
def command(
    project: Path,
    task: str | None,
    kind: str | None,
    blocked: bool,
    limit: int | None,
    as_json: bool,
    as_csv: bool,
) -> None:
    """List the rows that could not be made, newest first, each with its kind, its reason and where it is.

    `curate generate --retry-failed` tries them again.

    \b
    Examples:
      curate failures
      curate failures --task add                lines that could not be read
      curate failures --task alttrain --kind refused
      curate failures --blocked                 drafts that a check stopped
      curate failures --csv > failures.csv
    """
    require_one_form(as_json, as_csv)
    if blocked and task in ("add", "trace"):
        raise UsageError(f"--blocked lists drafts, and '{task}' makes none; name a structure with --task, or none")
    rows: Sequence[FailedRow] | Sequence[BlockedDraft]
    with open_ledger(project) as ledger:
        rows = list_blocked(ledger, task, kind) if blocked else list_failures(ledger, task, kind)
    if as_json:
        print_json(rows[:limit])
    elif as_csv:
        fields = tuple((BlockedDraft if blocked else FailedRow).model_fields)
        print_csv(fields, ([getattr(row, field) for field in fields] for row in rows[:limit]))
    elif not rows:
        click.echo(f"{'No draft is blocked' if blocked else 'Nothing failed'}{_among(task, kind)}.")
    else:
        console = open_console()
        print_parts(console, _parts(console, rows, limit or SHOWN))


def _parts(
    console: "Console", rows: Sequence[FailedRow] | Sequence[BlockedDraft], limit: int
) -> Iterator["RenderableType"]:
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    width = max(20, console.width - 24)
    for row in rows[:limit]:
        kind, task = (row.rule, row.structure) if isinstance(row, BlockedDraft) else (row.kind, row.task)
        head = Text.assemble((visible(kind), "red"), "  ", (visible(task), "dim"))
        if isinstance(row, FailedRow) and row.place:
            head.append("  " + visible(row.place, one_line=True))
        body = Text("\n").join([head, Text(visible(row.reason, one_line=True))])
        if row.prompt:
            body.append("\n" + shorten(row.prompt, width), style="dim")
        name = row.draft_id if isinstance(row, BlockedDraft) else row.trace_id or row.seed_id or ""
        table.add_row(Text(visible(name), style="cyan"), body)
        table.add_row()
    yield table
    if len(rows) > limit:
        yield Text(f"… and {len(rows) - limit:,} more (--limit, --csv)\n", style="dim")
    yield Text("By kind", "bold")
    yield _counts(rows)


def _counts(rows: Sequence[FailedRow] | Sequence[BlockedDraft]) -> "RenderableType":
    from rich.table import Table
    from rich.text import Text

    counts = Counter(
        (row.structure, row.rule) if isinstance(row, BlockedDraft) else (row.task, row.kind) for row in rows
    )
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True, min_width=17)
    table.add_column(no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    for (task, kind), number in counts.most_common():
        table.add_row(Text(shorten(task, 30)), Text(shorten(kind, 40)), f"{number:,}")
    return table


def _among(task: str | None, kind: str | None) -> str:
    return (f" in '{visible(task)}'" if task else "") + (f" as '{visible(kind)}'" if kind else "")
