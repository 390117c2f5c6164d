"""The two rows that a card shows: a harmful one, the mildest there is by rule, and a benign one.

Harmful prompts are what a reader of the card did not ask to see. So of the harmful rows one is chosen by its category
and its length, never by chance; where none is of a category that may be shown, its prompt and all that was cut,
written or typed are left out, and what the pools say still shows the structure. A benign row is always shown whole,
one in an attack's framing or of a harsh category only where there is no other.
"""

from collections.abc import Sequence
from itertools import groupby
from typing import NamedTuple

from exports.tally import ORIGINS
from schemas.example import Branch, Category, Stage
from schemas.markdown import Markup, block, code, public_name
from schemas.release import Approved, WrittenPiece

MILD = (
    Category.INTELLECTUAL_PROPERTY,
    Category.MISINFORMATION,
    Category.PRIVACY,
    Category.ILLICIT,
    Category.HARASSMENT,
)
"""Harmful rows of these may be shown, the mildest first. None of violence, sexual content, self-harm, or of a category
that we do not know."""

MOST_PROMPT_CHARACTERS = 400
"""A longer harmful prompt is not shown: nobody can say by rule what stands in it."""


class ShownStage(NamedTuple):
    name: str
    origin: Markup
    """In words."""
    text: Markup


class ShownExample(NamedTuple):
    label: Branch
    prompt: Markup | None
    """None: left out, since no harmful row may be shown whole."""
    stages: tuple[ShownStage, ...]


def choose_examples(approved: Sequence[Approved]) -> tuple[ShownExample, ...]:
    """A harmful and a benign row, each where there is one. The same rows give the same two, in whatever order."""
    harmful = sorted((one for one in approved if one.label == "harmful"), key=_mildness)
    benign = sorted((one for one in approved if one.label == "benign"), key=_plainness)
    return tuple(_show(rows[0]) for rows in (harmful, benign) if rows)


def may_be_shown(one: Approved) -> bool:
    """Whether a row's own words may stand in the card."""
    is_mild = one.seed.category in MILD and len(one.seed.prompt) <= MOST_PROMPT_CHARACTERS
    return one.label == "benign" or (is_mild and one.seed.style != "adversarial")


def _mildness(one: Approved) -> tuple[bool, bool, bool, int, int, str]:
    place = MILD.index(Category(one.seed.category)) if one.seed.category in MILD else len(MILD)
    size = len(one.seed.prompt) + len(one.draft.completion)
    return (not may_be_shown(one), one.approval.decided_by != "person", bool(one.checks), place, size, one.id)


def _plainness(one: Approved) -> tuple[bool, bool, bool, bool, int, str]:
    """Benign rows that only sound harmful come first, for they say most; of these too the mild ones."""
    is_harsh = one.seed.style == "adversarial" or one.seed.category not in (None, *MILD)
    size = len(one.seed.prompt) + len(one.draft.completion)
    unsure = one.approval.decided_by != "person"
    return (is_harsh, unsure, bool(one.checks), one.seed.category is None, size, one.id)


def _show(one: Approved) -> ShownExample:
    shown = may_be_shown(one)
    pieces = {name: list(group) for name, group in groupby(one.pieces, key=lambda piece: piece.stage)}
    stages = tuple(_show_stage(one, stage, pieces.get(stage.name, []), shown) for stage in one.draft.stages)
    return ShownExample(one.label, block(one.seed.prompt) if shown else None, stages)


def _show_stage(one: Approved, stage: Stage, pieces: Sequence[WrittenPiece], shown: bool) -> ShownStage:
    text = one.draft.completion
    if shown:
        told = stage.span.of(text)
    else:
        told = "".join(
            piece.span.of(text) if piece.origin == "drawn" else f"[{piece.span.end - piece.span.start} characters]"
            for piece in pieces
        )
    origins = dict.fromkeys(_origin(piece) for piece in pieces)
    return ShownStage(stage.name, Markup(", ".join(origins)), block(told))


def _origin(piece: WrittenPiece) -> str:
    """e.g. 'drawn from a pool of wordings (`stop/4`)', 'written by a model (`Qwen3-32B`)'."""
    words = ORIGINS[piece.origin]
    if piece.origin == "drawn" and piece.wording:
        return f"{words} ({code(piece.wording)})"
    if piece.origin == "written" and piece.model:
        return f"{words} ({code(public_name(piece.model))})"
    return words
