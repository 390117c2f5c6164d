"""What was cut and what was put in: between two texts word by word, and between a trace and the draft made of it."""

import re
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from itertools import groupby
from typing import Literal, NamedTuple

from schemas.example import Draft, Trace
from schemas.structure import ANSWER

# A word with the white space behind it, a sign of a script without word breaks, or any other sign.
_WORDS = re.compile(r"[\u2e80-\u9fff\uac00-\ud7af\uff00-\uffef]\s*|\w+\s*|[^\w\s]\s*|\s+")
_SENTENCES = re.compile(r"[^.!?。！？\n]*[.!?。！？\n]+\s*|[^.!?。！？\n]+")

MOST_PAIRS = 600 * 600
"""Of tokens, between which the longest common runs are looked for: some 20 ms. Above it sentences are compared."""


Kind = Literal["same", "cut", "put"]
KEPT: tuple[Kind, ...] = ("same",)
CHANGED: tuple[Kind, ...] = ("cut", "put")


class Run(NamedTuple):
    kind: Kind
    text: str


def compare(old: str, new: str) -> list[Run]:
    """How `old` became `new`, in order. The runs that are not `put` make up `old`, those not `cut` make up `new`."""
    return [*_merged(_compare(old, new))]


def against_trace(draft: Draft, trace: Trace) -> list[Run]:
    """How the trace became the draft's reasoning: what was kept, from the spans; everything else was cut or put in."""
    runs, at = [], 0
    for stage in draft.stages:
        if stage.name == ANSWER:
            continue
        for piece in stage.pieces:
            text, start = piece.span.of(draft.completion), piece.source_start
            if piece.origin == "trace" and start is not None and start >= at:
                runs += [Run("cut", trace.text[at:start]), Run("same", text)]
                at = start + len(text)
            else:
                runs.append(Run("put", text))
        runs.append(Run("put", "\n\n"))
    return [*_merged([*runs[:-1], Run("cut", trace.text[at:])])]


def _compare(old: str, new: str) -> Iterator[Run]:
    for pattern in (_WORDS, _SENTENCES):
        a, b = pattern.findall(old), pattern.findall(new)
        head = _common(a, b)
        tail = _common(a[head:][::-1], b[head:][::-1])
        middle_a, middle_b = a[head : len(a) - tail], b[head : len(b) - tail]
        if len(middle_a) * len(middle_b) <= MOST_PAIRS:
            yield Run("same", "".join(a[:head]))
            yield from _changes(middle_a, middle_b)
            yield Run("same", "".join(a[len(a) - tail :]))
            return
    yield Run("cut", old)
    yield Run("put", new)


def _common(a: Sequence[str], b: Sequence[str]) -> int:
    return next((n for n, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))


def _changes(a: Sequence[str], b: Sequence[str]) -> Iterator[Run]:
    for kind, a1, a2, b1, b2 in SequenceMatcher(None, a, b, autojunk=False).get_opcodes():
        if kind == "equal":
            yield Run("same", "".join(a[a1:a2]))
        else:
            yield Run("cut", "".join(a[a1:a2]))
            yield Run("put", "".join(b[b1:b2]))


def _merged(runs: Sequence[Run] | Iterator[Run]) -> Iterator[Run]:
    """Without empty runs, and between two that are kept one run of each kind, the cut one first."""
    for kept, group in groupby((run for run in runs if run.text), key=lambda run: run.kind == "same"):
        some = [*group]
        for kind in KEPT if kept else CHANGED:
            if text := "".join(run.text for run in some if run.kind == kind):
                yield Run(kind, text)
