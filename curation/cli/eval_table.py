"""An evaluation on the terminal: one aligned table a suite, with the words better and worse in colour."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from curation.cli.console import shorten, visible
from schemas.evaluation import Beside, EvalReport

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

    from train.evaluation.table import Line

WIDE = 118
"""Columns that a line of the table takes whole."""


def parts(report: EvalReport, width: int) -> "list[RenderableType]":
    """A table a suite, the paper's figures where they are asked for, and what a reader must know. `width`: columns of
    the terminal; on a narrow one a figure's interval stands below it."""
    from rich.text import Text

    from train.evaluation.table import lines_of, telling

    figures = lines_of(telling(report.figures))
    shown: list[RenderableType] = [
        _table(
            report,
            f"{suite}, {n:,} prompts",
            figures.get(suite, []),
            narrow=width < WIDE and report.baseline is not None,
        )
        for suite, n in report.suites.items()
    ]
    if report.paper:
        shown += _paper_parts(report, report.paper)
    if report.notes:
        shown.append(Text("\n" + "\n".join(visible(note, one_line=True) for note in report.notes), style="dim"))
    return shown


def _table(report: EvalReport, title: str, lines: "Sequence[Line]", *, narrow: bool) -> "Table":
    from rich.table import Table
    from rich.text import Text

    styles = {"better": "green", "worse": "red"}
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("\n" + shorten(title, 26), min_width=16)
    heads = ("before", "after", "difference") if report.baseline else ("share of prompts (95 %)",)
    for head in heads:
        table.add_column(f"\n{head}")

    def cell(text: str) -> Text:
        return Text(text.replace(" (", "\n(").replace(": ", ":\n").replace(", p ", "\np ") if narrow else text)

    for line in lines:
        what = Text(visible(line.what, one_line=True).replace(", ", "\n" if narrow else ", "))
        if not report.baseline:
            table.add_row(what, cell(line.after))
            continue
        word = Text(f"{line.word} " if line.word else "", style=styles.get(line.word, "dim"))
        table.add_row(what, cell(line.before), cell(line.after), word + cell(line.difference))
    return table


def _paper_parts(report: EvalReport, paper: Beside) -> "list[RenderableType]":
    from rich.table import Table
    from rich.text import Text

    from train.evaluation.paper import NAMES, rows_beside

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column(f"\nBeside the paper ({paper.backbone}, %)", min_width=24)
    for name in NAMES:
        table.add_column("\n" + name.replace("_", "-"), justify="right")
    for row in rows_beside(report):
        table.add_row(*row)
    return [table, Text("\n".join(visible(line, one_line=True) for line in paper.differences), style="dim")]
