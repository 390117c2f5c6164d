"""`curate review trail`: who said what, when, on which revision, under which guidelines."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from curation.cli.console import shorten
from curation.cli.output import open_console, print_csv, print_json, print_parts, require_one_form
from curation.cli.project import load_settings, open_ledger
from curation.review.trail import SaidOnce, read_trail, require_row

if TYPE_CHECKING:
    from rich.table import Table


@click.command("trail")
@click.argument("row", required=False, metavar="[ID]")
@click.option("--json", "as_json", is_flag=True, help="As a JSON list.")
@click.option("--csv", "as_csv", is_flag=True, help="As CSV.")
@click.pass_obj
def command(project: Path, row: str | None, as_json: bool, as_csv: bool) -> None:
    """List every answer and decision, oldest first; of the seed, draft or revision ID where it is given.

    Annotators stand there by pseudonym and without their comments, fit to be shared. `[annotators] pseudonyms = false`
    in curate.toml shows both.

    \b
    Examples:
      curate review trail
      curate review trail d03130407855aed33
      curate review trail --csv > trail.csv
    """
    require_one_form(as_json, as_csv)
    settings = load_settings(project)
    with open_ledger(project) as ledger:
        if row:
            require_row(ledger, row)
        said = read_trail(ledger, row=row, pseudonyms=settings.annotators.pseudonyms)
    if as_json:
        print_json(said)
    elif as_csv:
        print_csv(tuple(SaidOnce.model_fields), (tuple(one.model_dump().values()) for one in said))
    elif said:
        print_parts(open_console(), [_table(said)])
    else:
        click.echo(f"nothing was said{f' on {row}' if row else ''} yet: `curate review pull` brings answers")


def _table(said: list[SaidOnce]) -> "Table":
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for name in ("at", "event", "who", "on", "said"):
        # A pseudonym is as long as 'annotator-3f9c', and stays in one piece.
        table.add_column(
            name, no_wrap=name in ("at", "event", "on"), overflow="fold", min_width=14 if name == "who" else None
        )
    for one in said:
        more = [
            one.answer_right and f"answer right: {one.answer_right}",
            one.problems,
            one.edited and f"edited {one.edited}",
        ]
        told = "; ".join([one.said, *filter(None, more)])
        who = f"{one.who} (machine)" if one.kind == "machine" else one.who
        cells = (one.at[:19].replace("T", " "), one.event, who, one.revision_id or one.seed_id, told)
        table.add_row(*(Text(shorten(cell, 200)) for cell in cells))
    return table
