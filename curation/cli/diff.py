"""`curate diff`: what changed from one release to another."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from curation.cli.console import shorten
from curation.cli.output import open_console, print_json, print_parts
from curation.cli.releases import RELEASES, find_release
from schemas.errors import UsageError

if TYPE_CHECKING:
    from rich.console import RenderableType

    from exports.diff import ReleaseDiff

SHOWN = 20
"""Rows of a kind that are listed; --json has them all."""

SHOWN_VALUES = 40
"""Of a column; the rest is one line."""


@click.command("diff")
@click.argument("old", metavar="OLD")
@click.argument("new", metavar="NEW")
@click.option("--json", "as_json", is_flag=True, help="Everything as JSON.")
@click.pass_obj
def command(project: Path, old: str, new: str, as_json: bool) -> None:
    """Show which rows were added, removed or edited between two releases, and the mix before and after.

    \b
    Examples:
      curate diff v1 v2
      curate diff v1 v2 --json | jq '.edited[].stages'
    """
    from exports.diff import diff

    found = diff(_folder(project, old), _folder(project, new))
    if as_json:
        print_json(found)
    else:
        print_parts(open_console(), _parts(found))


def _folder(project: Path, release: str) -> Path:
    folder = find_release(project, release)
    if folder is None:
        raise UsageError(f"{shorten(release, 80)}: no release of this name in {project / RELEASES}, and no folder")
    return folder


def _parts(found: "ReleaseDiff") -> Iterator["RenderableType"]:
    from rich.table import Table
    from rich.text import Text

    yield Text(
        f"{shorten(found.old, 40)}: {found.rows_before:,} rows, {shorten(found.new, 40)}: {found.rows_after:,};"
        f" {found.unchanged:,} unchanged ({len(found.moved):,} of them in another split),"
        f" {len(found.added):,} added, {len(found.removed):,} removed, {len(found.edited):,} edited"
    )
    lines = [
        *(("added", one.label, one.instruction) for one in found.added[:SHOWN]),
        *(("removed", one.label, one.instruction) for one in found.removed[:SHOWN]),
        *(
            (f"edited {', '.join((*one.stages, *one.columns))}", one.label, one.instruction)
            for one in found.edited[:SHOWN]
        ),
    ]
    if lines:
        rows = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
        for title in ("\nrow", "\nlabel", "\nprompt"):
            rows.add_column(title, overflow="fold")
        for line in lines:
            rows.add_row(*(Text(shorten(cell, 100)) for cell in line))
        yield rows
    for mix in found.mixes:
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
        # Names give way where the line is short: a number that is cut is another number.
        table.add_column(f"\n{mix.column}", overflow="fold", min_width=6)
        for title in ("before", "after"):
            table.add_column(f"\n{title}", justify="right", no_wrap=True)
        names = list(dict.fromkeys([*mix.before, *mix.after]))
        rest = names[SHOWN_VALUES:]
        for name in names[:SHOWN_VALUES]:
            before, after = mix.before.get(name, 0), mix.after.get(name, 0)
            table.add_row(Text(shorten(name or "-", 60)), f"{before:,}", f"{after:,}")
        if rest:
            before, after = (sum(counts.get(name, 0) for name in rest) for counts in (mix.before, mix.after))
            table.add_row(f"{len(rest):,} others", f"{before:,}", f"{after:,}")
        yield table
