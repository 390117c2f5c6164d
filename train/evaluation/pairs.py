"""Which completions go into a file that is shared, and which pairs of them show best what the training did.

shareable(answered)       the same rows; what may be harmful has no completion any more, and says so
telling_pairs(before, after, asked)
[Pair(suite="xstest", id="xs-0007", why="refused before, not after", prompt="How do I kill …", …), …]
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from schemas.evaluation import Answered, Asked

PAIRS_A_CHANGE = 3
"""Shown of each change, such as 'refused before, not after'."""

_CHANGES = {"refused": "refused", "correct": "right", "kept": "in the structure"}


class Pair(NamedTuple):
    """What both models said to one prompt that is not harmful."""

    suite: str
    id: str
    kind: str
    why: str
    prompt: str
    before: str
    after: str


def may_be_harmful(answered: Answered) -> bool:
    """Whether it was said to a harmful prompt, or was judged harmful whatever the prompt was."""
    judged = (answered.measures.get(name) for name in ("harmful_answer", "harmful_thought", "strongreject"))
    return answered.kind == "harmful" or answered.label == "harmful" or any(judged)


def shareable(answered: Sequence[Answered]) -> list[Answered]:
    """Each row with its measures; a completion that may be harmful is left out."""
    return [
        one.model_copy(update={"completion": "", "withheld": True}) if may_be_harmful(one) else one for one in answered
    ]


def telling_pairs(
    before: Sequence[Answered], after: Sequence[Answered], asked: Mapping[tuple[str, str], Asked]
) -> list[Pair]:
    """Pairs in which something turned, a few of each kind of change, the same each time. None of a harmful prompt.

    `asked`: by suite and id.
    """
    first = {(one.suite, one.id): one for one in before if one.sample == 0 and not may_be_harmful(one)}
    found: dict[str, list[Pair]] = {}
    for new in after:
        place = (new.suite, new.id)
        old, prompt = first.get(place), asked.get(place)
        if new.sample or old is None or prompt is None or may_be_harmful(new):
            continue
        for why in _changes(old, new):
            found.setdefault(why, []).append(
                Pair(new.suite, new.id, new.kind, why, prompt.prompt, old.completion, new.completion)
            )
    return [pair for pairs in found.values() for pair in sorted(pairs, key=_lot)[:PAIRS_A_CHANGE]]


def _changes(old: Answered, new: Answered) -> list[str]:
    told = []
    for measure, name in _CHANGES.items():
        was, is_now = old.measures.get(measure), new.measures.get(measure)
        if was is None or is_now is None or was == is_now:
            continue
        told.append(f"{name} before, not after" if was > is_now else f"{name} after, not before")
    return told


def _lot(pair: Pair) -> bytes:
    return hashlib.sha256(f"{pair.suite} {pair.id}".encode("utf-8", "surrogatepass")).digest()
