"""`curate review status`: how far the review is, and how far the annotators agree."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from curation.cli.console import shorten
from curation.cli.output import open_console, print_json, print_parts
from curation.cli.project import load_settings, open_ledger
from curation.structures import load_structure
from schemas.report import Agreement, Coefficient, OutcomeCounts, QueueCounts, ReviewStatus
from schemas.review import Problem

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

WAITING_SHOWN = 10
"""Lines of what waits for the adjudicator; --json has all."""

_PROBLEMS = frozenset(Problem)

NOTE = "alpha falls where nearly all answers are the same; read AC1 and raw beside it (docs/deciding.md)"


@click.command("status")
@click.option("--structure", metavar="NAME", help="Another structure than curate.toml's.")
@click.option("--json", "as_json", is_flag=True, help="Everything as JSON.")
@click.pass_obj
def command(project: Path, structure: str | None, as_json: bool) -> None:
    """Show how far the review is: queues, decisions, agreement, disputes, and what waits for the adjudicator.

    \b
      records = done + pending + not pushed + superseded      for each queue
      drafts  = blocked + undecided + decided by persons + decided by machines

    The pace is that of all together while anybody is at work; no figure is about one annotator. Answers are as new as
    the last `curate review pull`.

    \b
    Examples:
      curate review status
      curate review status --json | jq '.adjudication[].draft_id'
    """
    from curation.review.status import count_review

    chosen = load_structure(structure or load_settings(project).structure, project)
    with open_ledger(project) as ledger:
        status = count_review(ledger, chosen.name)
    if as_json:
        print_json(status)
    else:
        print_parts(open_console(), _parts(status, structure))


def _parts(status: ReviewStatus, structure: str | None) -> Iterator["RenderableType"]:
    from rich.text import Text

    if status.queues:
        yield _queues_table(status.queues)
    yield _decisions_table(status)
    if status.labels:
        yield _outcomes_table("Prompts by label", status.labels)
    for kind, title in (("person", "Agreement of persons"), ("machine", "Agreement of machines")):
        rows = [row for row in status.agreement if row.kind == kind]
        if rows:
            yield _agreement_table(title, rows)
            if alike := [row.question for row in rows if _is_empty(row)]:
                yield Text(f"all answers the same: {', '.join(alike)}", style="dim")
            yield Text(NOTE, style="dim")
    if status.disputed:
        yield _disputed_table(status)
    if status.adjudication:
        yield _adjudication_table(status)
    yield Text.assemble(("\nNext: ", "bold"), _next(status, structure))


def _table(title: str, *columns: str, first_width: int = 22) -> "Table":
    """A name and numbers; the name gives way where the line is short, for a number that is cut is another number."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column(Text("\n" + title), min_width=first_width)
    for column in columns:
        table.add_column(f"\n{column}", justify="right", no_wrap=True)
    return table


def _queues_table(queues: Sequence[QueueCounts]) -> "Table":
    table = _table("Queue", "records", "done", "pending", "not pushed", "superseded", first_width=12)
    for queue in queues:
        table.add_row(
            queue.queue,
            f"{queue.records:,}",
            f"{queue.done:,}",
            f"{queue.pending:,}",
            f"{queue.unpushed:,}",
            f"{queue.superseded:,}",
        )
    answers = _table("Answers", "persons", "machines", "skips", "waste", "an hour", "time left", first_width=12)
    for queue in queues:
        answers.add_row(
            queue.queue,
            f"{queue.answers_person:,}",
            f"{queue.answers_machine:,}",
            f"{queue.skips:,}",
            f"{queue.waste:,}",
            "-" if queue.pace is None else f"{queue.pace:,.0f}",
            _time_left(queue.hours_left),
        )
    return _stack(table, answers)


def _stack(*tables: "Table") -> "Table":
    from rich.table import Table

    grid = Table.grid()
    for table in tables:
        grid.add_row(table)
    return grid


def _time_left(hours: float | None) -> str:
    """Hours at work, not on the clock: nobody answers by night."""
    if hours is None:
        return "-"
    return f"{hours * 60:.0f} min" if hours < 2 else f"{hours:,.0f} h"


def _decisions_table(status: ReviewStatus) -> "Table":
    from rich.text import Text

    table = _table(f"Drafts of {shorten(status.structure, 30)}", "persons", "machines", "drafts", "share")

    def add(name: str, persons: str, machines: str, number: int, style: str = "") -> None:
        share = f"{number / status.drafts:.0%}" if status.drafts else ""
        table.add_row(Text(name, style=style), persons, machines, f"{number:,}", share)

    styles = {"approved": "green", "rejected": "red", "adjudicate": "yellow"}
    for row in status.decided:
        style = styles.get(row.outcome, "")
        add(f"  {row.outcome}", f"{row.person:,}", f"{row.machine:,}", row.person + row.machine, style)
    add("  undecided", "", "", status.undecided)
    if status.blocked:
        add("  blocked by a check", "", "", status.blocked, "red")
    add("all", "", "", status.drafts, "bold")
    if edited := [row for row in status.revisions if row.outcome == "edited"]:
        table.add_row("edits that became revisions", f"{edited[0].person:,}", f"{edited[0].machine:,}", "", "")
    return table


def _outcomes_table(title: str, rows: Sequence[OutcomeCounts]) -> "Table":
    table = _table(title, "persons", "machines")
    for row in rows:
        table.add_row(f"  {row.outcome}", f"{row.person:,}", f"{row.machine:,}")
    return table


def _agreement_table(title: str, rows: Sequence[Agreement]) -> "Table":
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    table.add_column(Text("\n" + title), no_wrap=True, min_width=23)
    for column in ("records", "answers", "raw", "alpha, 95 %", "AC1, 95 %"):
        table.add_column(f"\n{column}", justify="right", no_wrap=True)
    total = {row.question: row.records for row in rows if row.group == "all"}
    for row in rows:
        if _is_empty(row) or not _is_shown(row, total[row.question]):
            continue
        table.add_row(
            Text(_name(row)),
            f"{row.records:,}",
            f"{row.answers:,}",
            f"{row.raw:.0%}",
            _coefficient(row.alpha),
            _coefficient(row.ac1),
            style="" if row.group == "all" else "dim",
        )
    return table


def _is_empty(row: Agreement) -> bool:
    """A problem that nobody named tells nothing: the others would be lost among such lines."""
    return row.group == "all" and row.question in _PROBLEMS and row.alpha.value is None


def _is_shown(row: Agreement, total: int) -> bool:
    """Not the groups of problems, which would fill pages, nor a group that tells nothing new: --json has them."""
    if row.group == "all":
        return True
    tells = row.alpha.value is not None if row.group == "answer" else row.records < total
    return tells and row.question not in _PROBLEMS


def _name(row: Agreement) -> str:
    if row.group == "all":
        return row.question
    return "  " + {"answer": f"{row.name} or not", "branch": f"{row.name} drafts"}.get(row.group, shorten(row.name, 21))


def _coefficient(found: Coefficient) -> str:
    """E.g. '0.53 -0.12…0.90'; the interval is left out where there are too few records for one."""
    if found.value is None:
        return "not defined"
    interval = "" if found.low is None or found.high is None else f"{found.low:.2f}…{found.high:.2f}"
    return f"{found.value:.2f} {interval:>11}"


def _disputed_table(status: ReviewStatus) -> "Table":
    table = _words_table("Most disputed", "votes", "problems")
    for row in status.disputed:
        table.add_row(row.draft_id, _counted(row.votes), _counted(row.problems))
    return table


def _adjudication_table(status: ReviewStatus) -> "Table":
    from rich.text import Text

    waiting = status.adjudication
    table = _words_table(f"For the adjudicator ({len(waiting):,})", "candidates", "why")
    for row in waiting[:WAITING_SHOWN]:
        table.add_row(row.draft_id, f"{row.candidates:,}", Text(shorten(row.reasons[0], 200)))
    rest = Counter(row.reasons[0] for row in waiting[WAITING_SHOWN:])
    for reason, number in rest.most_common(3):
        table.add_row(f"and {number:,} more", "", Text(shorten(reason, 200)), style="dim")
    return table


def _words_table(title: str, second: str, third: str) -> "Table":
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column(Text("\n" + title), no_wrap=True, min_width=22)
    table.add_column(f"\n{second}", overflow="fold")
    table.add_column(f"\n{third}", overflow="fold")
    return table


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{number} {name}" for name, number in counts.items())


def _next(status: ReviewStatus, structure: str | None) -> str:
    """The command that brings the review one step further."""
    option = f" --structure {structure}" if structure else ""
    if not status.drafts and not status.queues:
        return f"curate generate{option} (there are no drafts to review yet)"
    if not status.annotators:
        return "curate review serve --detach, then curate review annotators add NAME..."
    pending = sum(queue.pending for queue in status.queues)
    sent = {queue.queue: queue.pending + queue.unpushed for queue in status.queues}
    to_push = sum(queue.unpushed for queue in status.queues)
    if to_push or (status.undecided and not sent.get("drafts") and not sent.get("calibration")):
        return f"curate review push{option}"
    if len(status.adjudication) > sent.get("adjudication", 0):
        return f"curate review push{option} (the adjudicator has more to decide)"
    if pending:
        return f"curate review pull, when more is answered ({pending:,} records wait in Argilla)"
    return "all is decided"
