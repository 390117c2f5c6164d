"""Figures in words: the lines of a table, the same on a terminal, on a page and under a picture.

lines_of(report.figures)["xstest"][0]
Line(what="refused, hard benign", before="62.5 % (47.0-75.8) of 40", after="12.5 % (5.5-26.1) of 40",
     difference="-50.0 points (-64.3 to -29.7), p < 0.0001", word="better", made_by="the refusal matcher")
"""

from collections.abc import Sequence
from typing import NamedTuple

from schemas.evaluation import Compared, Interval
from schemas.report import Rate

JUDGED = frozenset({"harmful_answer", "harmful_thought", "strongreject", "verdict_right"})
"""Measures that are told by label or kind."""

_FINER = {"refused": "refusal_score", "complied": "complies"}
"""What a suite that tells partial refusals apart has instead."""

FORM = frozenset(
    "kept exact in_order follows answered stopped correct rouge1 rougeL thinking_tokens"
    " kept_in_any_words balanced_verdict balanced_verdict_in_any_words kept_by_judge balanced_verdict_by_judge".split()
)
"""Measures that mean the same of every prompt: told over all."""


class Line(NamedTuple):
    what: str
    before: str
    after: str
    difference: str
    word: str
    made_by: str


def lines_of(figures: Sequence[Compared]) -> dict[str, list[Line]]:
    """By suite, a line for each figure of these."""
    suites: dict[str, list[Line]] = {}
    for one in figures:
        suites.setdefault(one.suite, []).append(
            Line(
                what=name_of(one),
                before=tell(one.before, one.unit, one.unjudged_before),
                after=tell(one.after, one.unit, one.unjudged_after),
                difference=tell_difference(one),
                word=one.word or "",
                made_by=one.made_by,
            )
        )
    return suites


def telling(figures: Sequence[Compared]) -> list[Compared]:
    """Those that a table on a terminal has room for: each measure over the prompts that it is about, once."""
    groups = {(one.suite, one.group) for one in figures}
    measures = {(one.suite, one.measure) for one in figures}
    shown = []
    for one in figures:
        if one.group == "benign" and (one.suite, "hard_benign") in groups:
            continue
        finer = (one.suite, _FINER.get(one.measure, "")) in measures
        if not finer and _is_of_its_group(one):
            shown.append(one)
    return shown


def _is_of_its_group(one: Compared) -> bool:
    if one.measure in FORM:
        return one.group == "all"
    if one.group == "all":
        return False
    if one.measure in ("refused", "refusal_score"):
        return one.group != "harmful"
    if one.measure in ("complied", "complies"):
        return one.group == "harmful"
    return one.measure in JUDGED


def name_of(one: Compared) -> str:
    """e.g. 'refused, hard benign'."""
    measure = one.measure.replace("_", " ")
    return measure if one.group == "all" else f"{measure}, {one.group.replace('_', ' ')}"


def tell(found: Rate | Interval | None, unit: str, unjudged: int = 0) -> str:
    """A figure with its interval and how many prompts it is of. Nothing of some is told by what it may yet be."""
    apart = f", {unjudged:,} not judged" if unjudged else ""
    if found is None or not found.n:
        return f"none judged of {unjudged:,}" if unjudged else "–"
    if isinstance(found, Rate):
        if found.value == 0:
            return f"0 of {found.n:,}: up to {found.high:.1%}{apart}".replace("%", " %")
        if found.value == 1:
            return f"all of {found.n:,}: at least {found.low:.1%}{apart}".replace("%", " %")
    if found.low is None or found.high is None:
        return f"{_number(found.value, unit)} of {found.n:,}{apart}"
    bounds = f"({_number(found.low, unit, bare=True)}-{_number(found.high, unit, bare=True)})"
    return f"{_number(found.value, unit)} {bounds} of {found.n:,}{apart}"


def tell_difference(one: Compared) -> str:
    """e.g. '-50.0 points (-64.3 to -29.7), p 0.0004'; '' without a baseline."""
    found = one.difference
    if found is None:
        return ""
    scale, unit = (100.0, " points") if one.unit == "share" else (1.0, " tokens" if one.unit == "tokens" else "")
    digits = 1 if one.unit in ("share", "tokens") else 3

    def number(value: float) -> str:
        rounded = round(value * scale, digits) + 0.0  # no -0.0
        return f"{rounded:+,.{digits}f}" if rounded else f"{rounded:.{digits}f}"

    told = f"{number(found.value)}{unit}"
    if found.low is not None and found.high is not None:
        told += f" ({number(found.low)} to {number(found.high)})"
    if one.p_value is not None:
        told += f", p {one.p_value:.2g}" if one.p_value >= 0.0001 else ", p < 0.0001"
    return told


def _number(value: float, unit: str, bare: bool = False) -> str:
    if unit == "share":
        return f"{value * 100:.1f}" if bare else f"{value * 100:.1f} %"
    return f"{value:.3f}" if unit == "score" else f"{value:,.1f}"
