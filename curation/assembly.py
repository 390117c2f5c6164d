"""Stages become one completion, every run of characters with its place and its origin. Always the same for the same."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

from schemas.example import Draft, Failure, Origin, Piece, Span, Stage
from schemas.structure import ANSWER
from schemas.think import join, offsets


class Run(NamedTuple):
    """A run of characters before its place in the completion is known."""

    text: str
    origin: Origin
    source_start: int | None = None
    wording: str | None = None


class Assembled(NamedTuple):
    completion: str
    stages: tuple[Stage, ...]


def verbatim(text: str, start: int, end: int, origin: Literal["trace", "answer"]) -> Run:
    """A verbatim run without the white space around it, and where it starts in its source."""
    whole = text[start:end]
    bare = whole.lstrip()
    return Run(bare.rstrip(), origin, source_start=start + len(whole) - len(bare))


def assemble(stages: Sequence[tuple[str, Sequence[Run]]]) -> Assembled | Failure:
    """The completion of these stages (name and runs, the answer last), or why it cannot be put together."""
    reasoning = "\n\n".join("".join(run.text for run in runs) for name, runs in stages if name != ANSWER)
    answer = "".join(run.text for name, runs in stages if name == ANSWER for run in runs)
    try:
        completion = join(reasoning, answer)
    except ValueError:
        return Failure(kind="thinking_tags", reason="the trace, its answer or a reply holds a thinking tag itself")
    return Assembled(completion, _place(stages, reasoning))


def _place(stages: Sequence[tuple[str, Sequence[Run]]], reasoning: str) -> tuple[Stage, ...]:
    at, answer_at = offsets(reasoning)
    placed = []
    for name, runs in stages:
        first = at = answer_at if name == ANSWER else at
        pieces = []
        for run in runs:
            span = Span(start=at, end=at + len(run.text))
            pieces.append(Piece(span=span, origin=run.origin, source_start=run.source_start, wording=run.wording))
            at = span.end
        placed.append(Stage(name=name, span=Span(start=first, end=at), pieces=tuple(pieces)))
        at += len("\n\n")
    return tuple(placed)


def runs_of(draft: Draft) -> list[tuple[str, list[Run]]]:
    """The stages of a draft, taken apart: `assemble(runs_of(draft))` is the draft's completion again."""
    return [
        (
            stage.name,
            [Run(p.span.of(draft.completion), p.origin, p.source_start, p.wording) for p in stage.pieces],
        )
        for stage in draft.stages
    ]
