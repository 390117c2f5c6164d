"""How long records take to read and decide, estimated from the lengths of their texts: so that teams can plan days.

Measured: silent reading of English non-fiction, 238 words a minute (Brysbaert 2019, "How many words do we read per
minute? A review and meta-analysis of reading rate", Journal of Memory and Language 109, 104047).
Assumed: all else below. A team's own calibration round tells it better; second languages read more slowly.
"""

import re
from collections.abc import Iterable
from statistics import median
from typing import Literal, NamedTuple, get_args

from curation.review.page.difference import compare
from curation.review.page.own_text import LONG
from curation.review.shown import Shown, ShownDraft
from schemas.structure import ANSWER

WORDS_PER_MINUTE = 238.0
SKIMMED = 2.0
"""Assumed: how much faster a benign draft's folded, unchanged reasoning is read. A harmful draft's is not opened."""

CHARACTERS_A_WORD = 1.5
"""Assumed, for scripts that put no spaces between words."""

Kind = Literal["label", "harmful draft", "benign draft", "edited draft", "adjudication"]

DECIDING_SECONDS: dict[Kind, float] = {
    "label": 4.0,
    "harmful draft": 10.0,
    "benign draft": 20.0,
    "edited draft": 10.0,
    "adjudication": 25.0,
}
"""Assumed: to think, choose and submit, for benign drafts also to check the answer; no typing of edits."""

_UNSPACED = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]")


class Estimate(NamedTuple):
    """Of the records of one kind, each read by one person."""

    kind: Kind
    records: int
    median_seconds: float
    slow_seconds: float
    """One record in ten takes longer."""
    hours: float
    """For all of them."""


def estimate(records: Iterable[Shown]) -> tuple[Estimate, ...]:
    """An estimate for each kind that is there. Multiply `hours` by how many people see each record."""
    seconds: dict[Kind, list[float]] = {}
    for shown in records:
        seconds.setdefault(kind_of(shown), []).append(seconds_of(shown))
    return tuple(
        Estimate(kind, len(of), median(of), sorted(of)[(len(of) * 9) // 10], sum(of) / 3600)
        for kind in get_args(Kind)
        if (of := seconds.get(kind))
    )


def seconds_of(shown: Shown) -> float:
    """How long one person takes for one record."""
    words = count_words(shown.seed.prompt)
    if shown.draft is not None:
        words += _words_of_draft(shown.draft)
    for candidate in shown.record.candidates:
        words += sum(map(count_words, candidate.texts.values()))
    return DECIDING_SECONDS[kind_of(shown)] + 60 * words / WORDS_PER_MINUTE


def kind_of(shown: Shown) -> Kind:
    if shown.draft is None:
        return "label"
    if shown.record.queue == "adjudication":
        return "adjudication"
    if shown.draft.previous is not None:
        return "edited draft"
    return "harmful draft" if shown.draft.draft.branch == "harmful" else "benign draft"


def count_words(text: str) -> float:
    spaced, unspaced = _UNSPACED.subn(" ", text)
    return len(spaced.split()) + unspaced / CHARACTERS_A_WORD


def _words_of_draft(judged: ShownDraft) -> float:
    """Words at reading speed: the page's open texts whole, folded ones as `SKIMMED` says, the changes of an edit."""
    draft, words = judged.draft, 0.0
    for stage in draft.stages:
        for piece in stage.pieces:
            text = piece.span.of(draft.completion)
            folded = piece.origin in ("trace", "answer") and len(text) > LONG
            if not folded or (stage.name == ANSWER and draft.branch == "benign"):
                words += count_words(text)
            elif draft.branch == "benign":
                words += count_words(text) / SKIMMED
        if judged.previous is not None:
            runs = compare(judged.previous.text(stage.name), draft.text(stage.name))
            words += sum(count_words(run.text) for run in runs if run.kind != "same")
    return words
