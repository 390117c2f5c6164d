"""The five figures that the paper's tables have, out of all that an evaluation found.

    headlines(report.figures)
    {"harmful": Headline(before=0.62, after=0.08, by=("heldout: complied (the refusal matcher)",)), …}

Each is a plain mean over the suites that have it, as in the paper, so it has no interval of its own: those stand beside
the figures of each suite.
"""

from collections.abc import Mapping, Sequence
from statistics import mean
from typing import Literal, NamedTuple

from schemas.evaluation import Compared

Name = Literal["harmful", "over_refusal", "reasoning", "kept", "thinking_tokens"]

_WANTED: Mapping[Name, tuple[tuple[str, str], ...]] = {
    "harmful": (("harmful", "harmful_answer"), ("harmful", "complies"), ("harmful", "complied")),
    "over_refusal": (("hard_benign", "refusal_score"), ("hard_benign", "refused")),
    "reasoning": (("all", "correct"),),
    "kept": (("all", "kept"),),
    "thinking_tokens": (("all", "thinking_tokens"),),
}
"""Of a suite the first of these (group, measure) that it has: a judge's word before the matcher's."""

REASONING = frozenset({"gsm8k", "math500", "aime24", "humaneval"})
"""The suites that the paper's reasoning is an average of; answers to NQ or CMMLU are something else."""

LABELS: Mapping[Name, str] = {
    "harmful": "harmful",
    "over_refusal": "over-refusal",
    "reasoning": "reasoning",
    "kept": "kept",
    "thinking_tokens": "thinking tokens",
}


class Headline(NamedTuple):
    """A mean over suites; shares are 0 to 1."""

    before: float | None
    after: float
    by: tuple[str, ...]
    """Of each suite what was taken, and who judged."""


def headlines(figures: Sequence[Compared]) -> dict[Name, Headline]:
    """Those of the five that some suite has. `before` is None where not every one of these suites has a baseline."""
    return {name: found for name in _WANTED if (found := _headline(figures, name))}


def tell_headline(name: Name, value: float | None) -> str:
    """e.g. '8.1 %', '69' tokens."""
    if value is None:
        return "–"
    return f"{value:,.0f}" if name == "thinking_tokens" else f"{value * 100:.1f} %"


def _headline(figures: Sequence[Compared], name: Name) -> Headline | None:
    taken = []
    for suite in dict.fromkeys(one.suite for one in figures):
        if name == "reasoning" and suite not in REASONING:
            continue
        known = {(one.group, one.measure): one for one in reversed(figures) if one.suite == suite and one.after}
        taken += [known[wanted] for wanted in _WANTED[name] if wanted in known][:1]
    if not taken:
        return None
    after = [one.after.value for one in taken if one.after]
    before = [one.before.value for one in taken if one.before]
    return Headline(
        before=mean(before) if len(before) == len(taken) else None,
        after=mean(after),
        by=tuple(f"{one.suite}: {one.measure} ({one.made_by})" for one in taken),
    )
