"""How a command prints what it found: rich tables for people, CSV and JSON for programs."""

import csv
import io
import json
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import click
from pydantic import BaseModel

from curation.cli.console import visible
from schemas.errors import UsageError

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

_FORMULA_SIGNS = ("=", "+", "-", "@", "\t")


def open_console() -> "Console":
    """A console for standard output: colours only on a terminal, and square brackets in a text are just that."""
    from rich.console import Console

    return Console(highlight=False, markup=False, emoji=False)


def print_parts(console: "Console", parts: Iterable["RenderableType"]) -> None:
    """Prints the parts one below the other, without the blanks that tables pad their lines with."""
    with console.capture() as captured:
        for part in parts:
            console.print(part)
    text = "\n".join(line.rstrip() for line in captured.get().split("\n"))
    click.echo(text, nl=False, color=console.color_system is not None)


def require_one_form(as_json: bool, as_csv: bool) -> None:
    if as_json and as_csv:
        raise UsageError("give --json or --csv, not both")


def print_csv(header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Rows as CSV. A text that a spreadsheet would take for a formula gets a ' in front; controls are written out."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([_cell(value) for value in row] for row in rows)
    click.echo(out.getvalue(), nl=False)


def print_json(value: BaseModel | Sequence[BaseModel]) -> None:
    """A value or a list of values as JSON in ASCII: exact, and inert on a terminal."""
    data = value.model_dump(mode="json") if isinstance(value, BaseModel) else [v.model_dump(mode="json") for v in value]
    click.echo(json.dumps(data, indent=2))


def _cell(value: object) -> object:
    if not isinstance(value, str):
        return value
    return "'" + visible(value) if value.startswith(_FORMULA_SIGNS) else visible(value)
