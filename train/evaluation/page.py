"""report.html: what an evaluation found as one file, with its charts in it and nothing fetched from elsewhere.

    render(report, pairs)      "<!doctype html>…"

All that others wrote, prompts, completions and names, is escaped by the template's environment, and characters that
would not be seen are written out before (schemas.markdown.visible).
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from schemas.evaluation import Compared, EvalReport, Interval
from schemas.report import Rate
from train.evaluation.headlines import LABELS, headlines, tell_headline
from train.evaluation.pairs import Pair
from train.evaluation.paper import rows_beside
from train.evaluation.table import Line, lines_of, telling
from train.html import templates

MOST_OF_A_TEXT = 6000
"""Characters of a prompt or a completion that are shown."""


class Bar(NamedTuple):
    """A share with its interval, in percent of the chart's width."""

    value: float
    low: float
    high: float


class Row(NamedTuple):
    """One line of a chart."""

    line: Line
    before: Bar | None
    after: Bar | None


class Chart(NamedTuple):
    suite: str
    prompts: int
    rows: list[Row]
    """Of those that a chart has room for; all are in `lines`."""
    lines: list[Line]


def render(report: EvalReport, pairs: Sequence[Pair] = ()) -> str:
    """The page. `pairs`: none of them of a harmful prompt (train/evaluation/pairs.py)."""
    environment = templates(Path(__file__).parent)
    environment.filters["cut"] = _cut
    figures = lines_of(report.figures)
    return environment.get_template("report.html.jinja").render(
        report=report,
        headlines=_headline_rows(report),
        charts=[Chart(suite, n, _rows(report, suite), figures.get(suite, [])) for suite, n in report.suites.items()],
        pairs=pairs,
        beside=rows_beside(report),
    )


def _headline_rows(report: EvalReport) -> list[tuple[str, str, str, str]]:
    """(name, before, after, by what) of each of the five."""
    return [
        (LABELS[name], tell_headline(name, found.before), tell_headline(name, found.after), "; ".join(found.by))
        for name, found in headlines(report.figures).items()
    ]


def _rows(report: EvalReport, suite: str) -> list[Row]:
    shown = [one for one in telling(report.figures) if one.suite == suite and one.unit != "tokens"]
    return [Row(line, _bar(one.before), _bar(one.after)) for one, line in zip(shown, _lines(shown), strict=True)]


def _lines(shown: Sequence[Compared]) -> list[Line]:
    return [line for lines in lines_of(shown).values() for line in lines]


def _bar(found: Rate | Interval | None) -> Bar | None:
    if found is None or not found.n:
        return None
    low, high = (found.value if bound is None else bound for bound in (found.low, found.high))
    return Bar(*(round(100 * min(1.0, max(0.0, value)), 2) for value in (found.value, low, high)))


def _cut(text: str) -> str:
    """In the middle, where it is longer than what is shown."""
    if len(text) <= MOST_OF_A_TEXT:
        return text
    head, tail = text[: MOST_OF_A_TEXT * 2 // 3], text[-MOST_OF_A_TEXT // 3 :]
    return f"{head}\n[… {len(text) - len(head) - len(tail):,} characters are left out here …]\n{tail}"
