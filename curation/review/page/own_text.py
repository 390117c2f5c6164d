"""The text that annotators mark passages in: what is the draft's own, with long verbatim cuts left out.

    [shown]       This is harmful because it takes what is not theirs.
                  [… the original reasoning, unchanged: 3,210 characters]
                  12 apples.
    [completion]  the whole raw text

The page counts marks in what it shows, as JavaScript does; `spans` gives them back as spans of the completion.
"""

import re
from collections.abc import Iterator
from typing import Literal, NamedTuple

from curation.review.page.inert import HIDDEN, inert_plain, visible
from schemas.example import Draft, Piece, Span

LONG = 600
"""Characters from which a verbatim text is folded, here and elsewhere on the page."""

MOST = 60_000
"""JavaScript characters in all. A browser parts a text of more than 65,536, and the page then counts in one part."""

_NAMED = re.compile(rf"\r\n|{HIDDEN.pattern}")


class _Run(NamedTuple):
    """Characters that stand for others: `exact`, one for one; `name`, any of them for all; `line`, all for all."""

    shown: Span
    meant: Span
    kind: Literal["exact", "name", "line"]


class OwnText:
    """`shown`: the text as an annotator reads it. `html`: the same for the field, which is not Markdown."""

    def __init__(self, draft: Draft) -> None:
        self._parts: list[str] = []
        self._runs: list[_Run] = []
        self._length = self._units = 0
        for stage in draft.stages:
            if self._parts:
                self._add("\n")
            for piece in stage.pieces:
                self._add_piece(draft, piece)
        self.shown = "".join(self._parts)
        self.html = inert_plain(self.shown)

    def spans(self, start: int, end: int) -> tuple[Span, ...]:
        """What the page's half-open range of `shown` marks in the completion, part by part where text lies between.

        `start` and `end` count UTF-16 units, as the page does; a range that is none, or marks nothing, gives ().
        A mark on a hidden character's name means the character; one that takes in a whole line that stands for a cut
        text means all of that text, and one that only touches it none of it.
        """
        first, last = self._offset(start), self._offset(end)
        return tuple(_joined(self._meant(first, last)))

    def _meant(self, first: int, last: int) -> Iterator[Span]:
        for run in self._runs:
            start, end = max(first, run.shown.start), min(last, run.shown.end)
            if start >= end:
                continue
            if run.kind == "exact":
                shift = run.meant.start - run.shown.start
                yield Span(start=start + shift, end=end + shift)
            elif run.kind == "name" or (start, end) == (run.shown.start, run.shown.end):
                yield run.meant

    def _offset(self, units: int) -> int:
        """Python's offset in `shown` of JavaScript's; half of a pair counts as the whole character."""
        ahead = self.shown.encode("utf-16-le")[: max(0, units) * 2]
        return len(ahead.decode("utf-16-le", "replace"))

    def _add_piece(self, draft: Draft, piece: Piece) -> None:
        text = piece.span.of(draft.completion)
        if piece.origin in ("trace", "answer") and len(text) > LONG:
            source = "reasoning" if piece.origin == "trace" else "answer"
            self._add(f"[… the original {source}, unchanged: {len(text):,} characters]", piece.span, "line")
        elif self._units + _units(visible(text)) > MOST:
            self._add(f"[… {len(text):,} characters, too long to mark passages in]", piece.span, "line")
        else:
            at = 0
            for found in _NAMED.finditer(text):
                self._add(text[at : found.start()], _span(piece.span.start + at, found.start() - at), "exact")
                self._add(visible(found[0]), _span(piece.span.start + found.start(), len(found[0])), "name")
                at = found.end()
            self._add(text[at:], _span(piece.span.start + at, len(text) - at), "exact")

    def _add(self, shown: str, meant: Span | None = None, kind: Literal["exact", "name", "line"] = "exact") -> None:
        if meant is not None:
            self._runs.append(_Run(_span(self._length, len(shown)), meant, kind))
        self._parts.append(shown)
        self._length += len(shown)
        self._units += _units(shown)


def _joined(spans: Iterator[Span]) -> Iterator[Span]:
    held: Span | None = None
    for span in spans:
        if held is not None and held.end == span.start:
            held = Span(start=held.start, end=span.end)
            continue
        if held is not None:
            yield held
        held = span
    if held is not None:
        yield held


def _span(start: int, length: int) -> Span:
    return Span(start=start, end=start + length)


def _units(text: str) -> int:
    return len(text) + sum(character > "\uffff" for character in text)
