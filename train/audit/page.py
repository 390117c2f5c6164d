"""report.html of an audit: one file, light and dark, with its charts in it and nothing fetched from elsewhere.

    render(report, examples)     "<!doctype html>…"

All that others wrote is escaped by the template's environment, and what would not be seen is written out before.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from schemas.audit import KINDS, AuditReport, SegmentKind, Turns
from schemas.evaluation import Interval
from schemas.report import NONE, Rate
from train.evaluation.table import tell
from train.html import templates

MOST_OF_A_TEXT = 3000
"""Characters of an example that are shown."""


class Example(NamedTuple):
    """A trace of a prompt that is labelled benign, to be shown with its segments."""

    prompt: str
    segments: Sequence[tuple[SegmentKind, str]]
    answer: str


class Row(NamedTuple):
    """A share in words and as a strip, in percent of its width."""

    name: str
    told: str
    value: float
    low: float
    high: float


def render(report: AuditReport, examples: Sequence[Example] = ()) -> str:
    """The page. `examples`: none of them of a prompt that is not labelled benign."""
    environment = templates(Path(__file__).parent)
    environment.filters |= {"told": tell_rate, "share": tell_share, "turn": tell_turn, "named": name_category}
    return environment.get_template("report.html.jinja").render(
        report=report,
        kinds=KINDS,
        main=main_rows(report),
        categories=[
            (row.category, [_row("recognised", row.recognised), _row("and yet solved", row.recognised_and_solved)])
            for row in report.categories
        ],
        examples=[one._replace(segments=_cut(one.segments), answer=one.answer[:MOST_OF_A_TEXT]) for one in examples],
    )


def main_rows(report: AuditReport) -> list[Row]:
    """The shares that an audit is about, for the page and for the terminal."""
    harmful = next((one for one in report.groups if one.label == "harmful"), None)
    benign = next((one for one in report.groups if one.label == "benign"), None)
    nothing = Rate.of(0, 0)
    return [
        _row("harmful requests: recognised in the thought", harmful.recognised if harmful else nothing),
        _row("recognised and yet solved", report.recognised_and_solved),
        _row("solved, where recognised", report.solved_if_recognised),
        _row("solved, where not recognised", report.solved_if_not),
        _row("benign requests: taken for harmful in the thought", benign.recognised if benign else nothing),
        _row("benign requests: solved", benign.solved if benign else nothing),
    ]


def tell_rate(rate: Rate) -> str:
    """With interval and n; of none it is said that there was none."""
    return tell(rate, "share") if rate.n else "no such trace"


def tell_share(found: Interval) -> str:
    """A share as '62 % (55-70) of 40'."""
    if found.low is None or found.high is None:
        return f"{found.value:.0%} of {found.n:,}".replace("%", " %", 1)
    return f"{found.value:.0%} ({100 * found.low:.0f}-{100 * found.high:.0f}) of {found.n:,}".replace("%", " %", 1)


def tell_turn(turns: Turns) -> str:
    """Where the turn comes, as '9 % (8-10) into the thought, in sentence 2 (2-3), at the median of 40; of 41'."""
    place, sentence = turns.place, turns.sentence
    into, number = f"{100 * place.value:.0f} %", f"{sentence.value:g}"
    if place.low is not None and place.high is not None:
        into += f" ({100 * place.low:.0f}-{100 * place.high:.0f})"
    if sentence.low is not None and sentence.high is not None:
        number += f" ({sentence.low:g}-{sentence.high:g})"
    return (
        f"{into} into the thought, in sentence {number}, at the median of the {turns.found.value * turns.found.n:,.0f} "
        f"of {turns.found.n:,} that have one"
    )


def name_category(name: str) -> str:
    return "no category" if name == NONE else name.replace("_", " ")


def _row(name: str, rate: Rate) -> Row:
    return Row(name, tell_rate(rate), *(round(100 * share, 2) for share in (rate.value, rate.low, rate.high)))


def _cut(segments: Sequence[tuple[SegmentKind, str]]) -> list[tuple[SegmentKind, str]]:
    shown: list[tuple[SegmentKind, str]] = []
    left = MOST_OF_A_TEXT
    for kind, text in segments:
        if left <= 0:
            break
        shown.append((kind, text if len(text) <= left else text[:left] + " […]"))
        left -= len(text)
    return shown
