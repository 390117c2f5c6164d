"""`curate review gold`: records whose right answer is known, and how annotators do on them."""

import getpass
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from curation.cli.console import shorten
from curation.cli.output import open_console, print_parts
from curation.cli.project import load_settings, open_ledger

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from curation.review.gold import Gold, Measured

NONE_YET = "No gold yet: `curate review gold fill 20` takes what is decided, `gold add` what you know."


@click.group("gold", invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@click.pass_context
def command(context: click.Context, as_json: bool) -> None:
    """Show the gold, and how each annotator does on it and on repeats. For the lead: it names people.

    A push hides `gold_percent` of gold (5 %) and `repeat_percent` of decided drafts (3 %) among the others. They look
    like any other record and count in no decision. A few answers say little: mind the intervals.

    \b
    Examples:
      curate review gold
      curate review gold --json
      curate review gold fill 20
      curate review gold add d07be1f2a3b4c5d6.1 --choice approve --answer-right yes
    """
    if context.invoked_subcommand:
        return
    from curation.review.gold import list_gold, measure

    project: Path = context.obj
    load_settings(project)
    with open_ledger(project) as ledger:
        gold, measured = list_gold(ledger), measure(ledger)
    if as_json:
        both = {
            "gold": [one.model_dump(mode="json") for one in gold],
            "annotators": [one.model_dump(mode="json") for one in measured],
        }
        click.echo(json.dumps(both, indent=2))
    elif not gold and not measured:
        click.echo(NONE_YET)
    else:
        console = open_console()
        print_parts(console, _parts(console, gold, measured))


@command.command("add")
@click.argument("revision", metavar="ID")
@click.option("--choice", type=click.Choice(["approve", "reject"]), required=True, help="What is right.")
@click.option("--answer-right", type=click.Choice(["yes", "no"]), help="Benign drafts: whether the answer is right.")
@click.pass_obj
def add(project: Path, revision: str, choice: str, answer_right: str | None) -> None:
    """Say what is right about a revision, or about a draft's newest one.

    \b
    Examples:
      curate review gold add d07be1f2a3b4c5d6.1 --choice approve --answer-right yes
      curate review gold add d91c02e4b7f8a6d3 --choice reject
    """
    from curation.review.gold import Right, YesNo, add_gold

    load_settings(project)
    with open_ledger(project) as ledger:
        found = add_gold(
            ledger, revision, cast(Right, choice), cast("YesNo | None", answer_right), author=getpass.getuser()
        )
    click.echo(f"{found} is gold: {choice}")


@command.command("fill")
@click.argument("most", type=click.IntRange(1), metavar="N")
@click.option("--json", "as_json", is_flag=True, help="As a JSON list of revisions.")
@click.pass_obj
def fill(project: Path, most: int, as_json: bool) -> None:
    """Make gold of at most N decisions.

    Adjudicated ones come first, then those that all of the shared first round agreed on. Only persons' decisions are
    taken. Whoever was asked about a draft is never shown it as gold.

    \b
    Examples:
      curate review gold fill 20
    """
    from curation.review.gold import fill_gold

    load_settings(project)
    with open_ledger(project) as ledger:
        found = fill_gold(ledger, most)
    if as_json:
        click.echo(json.dumps(found, indent=2))
    elif found:
        click.echo(f"{len(found):,} more are gold")
    else:
        click.echo("Nothing more to take: no adjudicated or unanimous decision of persons that is not gold already")


def _parts(console: "Console", gold: Sequence["Gold"], measured: Sequence["Measured"]) -> Iterator["RenderableType"]:
    from rich.table import Table
    from rich.text import Text

    if gold:
        table = Table(box=None, pad_edge=False, header_style="bold")
        for name in ("gold", "branch", "choice", "answer", "chosen right"):
            table.add_column(name, no_wrap=True)
        table.add_column("prompt", no_wrap=True)
        width = max(20, console.width - 84)
        for one in gold:
            table.add_row(
                *(one.revision_id, one.branch, one.choice, one.answer_right or "", str(one.choices)),
                shorten(one.prompt, width),
            )
        yield table
    if measured:
        if gold:
            yield Text("")
        table = Table(box=None, pad_edge=False, header_style="bold")
        for name in ("annotator", "kind", "chosen right", "answer judged right", "as before on repeats"):
            table.add_column(name, no_wrap=True)
        for person in measured:
            table.add_row(*(person.name, person.kind, str(person.choices), str(person.answers), str(person.repeats)))
        yield table
