"""What a release consists of, counted from its rows. The card's tables and its pictures stand on these numbers alone.

tally(approved).categories     Split("privacy", harmful=112, benign=3), ...     each row in exactly one of them
tally(approved).origins        characters by where they came from, by label
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from statistics import median
from typing import NamedTuple

from schemas.example import Branch, Origin
from schemas.markdown import public_name
from schemas.release import Approved, DecidedBy, WrittenPiece
from schemas.report import Funnel
from schemas.structure import ANSWER, BRANCHES

UNNAMED = "none"
"""Stands for rows without a category, and without a style."""

ORIGINS: Mapping[Origin, str] = {
    "trace": "cut from the original reasoning",
    "answer": "the original answer",
    "drawn": "drawn from a pool of wordings",
    "written": "written by a model",
    "person": "typed by a person",
}

DECIDERS: Mapping[DecidedBy, str] = {"person": "a person", "machine": "a machine account", "nobody": "nobody"}


class Split(NamedTuple):
    """How many rows of each label have something in common."""

    name: str
    harmful: int
    benign: int

    @property
    def total(self) -> int:
        return self.harmful + self.benign


class Lengths(NamedTuple):
    """Characters of one part of the rows of one label: half of them have at most `middle`, nine in ten `most_have`."""

    label: Branch
    part: str
    rows: int
    middle: float
    most_have: int
    longest: int


class Writer(NamedTuple):
    """A model, and what of the rows it wrote."""

    model: str
    rows: int
    characters: int


class Tally(NamedTuple):
    labels: Split
    categories: tuple[Split, ...]
    styles: tuple[Split, ...]
    sources: tuple[Split, ...]
    deciders: tuple[Split, ...]
    lengths: tuple[Lengths, ...]
    completions: Mapping[Branch, Sequence[int]]
    """Characters of every completion, by label."""
    origins: Mapping[Origin, Mapping[Branch, int]]
    """Characters inside stages and answers. What joins them, tags and line ends, came from nowhere."""
    thinkers: tuple[Writer, ...]
    """Models that wrote the original traces; characters are those that were cut from these."""
    writers: tuple[Writer, ...]
    """Models that wrote what is written in the rows."""

    @property
    def rows(self) -> int:
        return self.labels.total

    @property
    def characters(self) -> int:
        """In stages and answers."""
        return sum(count for labels in self.origins.values() for count in labels.values())

    @property
    def unreviewed(self) -> int:
        """Rows without a person's decision."""
        return sum(row.total for row in self.deciders if row.name != "person")


def tally(approved: Sequence[Approved]) -> Tally:
    """Counts rows. Names of sources and models are without folders and servers."""
    return Tally(
        labels=_split("rows", approved),
        categories=_splits(approved, lambda one: one.seed.category or UNNAMED),
        styles=_splits(approved, lambda one: one.seed.style or UNNAMED),
        sources=_splits(approved, lambda one: public_name(one.seed.source)),
        deciders=_splits(approved, lambda one: one.approval.decided_by, DECIDERS),
        lengths=tuple(_lengths(approved)),
        completions={
            label: sorted(len(one.draft.completion) for one in approved if one.label == label) for label in BRANCHES
        },
        origins=_origins(approved),
        thinkers=_writers(approved, ("trace", "answer"), lambda one, _: one.trace.model),
        writers=_writers(approved, ("written",), lambda _, piece: piece.model),
    )


class Step(NamedTuple):
    """A step of the way from prompts to rows, and how many came through it."""

    name: str
    rows: int


def steps(funnel: Funnel, structure: str, eligible: int, rows: int) -> tuple[Step, ...]:
    """From prompts to the rows of a release. `eligible`: what it could have been made of."""
    made = next((counts for counts in funnel.structures if counts.structure == structure), None)
    return (
        Step("prompts", funnel.seeds.total),
        Step("original traces to them", funnel.traces.total),
        *(
            (
                Step("rewritten as drafts", made.drafts),
                Step("past every blocking check", made.passing + made.flagged),
            )
            if made
            else ()
        ),
        Step("could be released", eligible),
        Step("in this release", rows),
    )


def name_category(category: str) -> str:
    """As a reader wants it: 'self-harm', 'intellectual property'."""
    return "self-harm" if category == "self_harm" else category.replace("_", " ")


def _split(name: str, approved: Iterable[Approved]) -> Split:
    labels = Counter(one.label for one in approved)
    return Split(name, labels["harmful"], labels["benign"])


def _splits(
    approved: Sequence[Approved], name: Callable[[Approved], str], order: Iterable[str] | None = None
) -> tuple[Split, ...]:
    """By name: in the order given, else the commonest first and rows without a name last."""
    groups: dict[str, list[Approved]] = {}
    for one in approved:
        groups.setdefault(name(one), []).append(one)
    splits = [_split(group, rows) for group, rows in groups.items()]
    if order is not None:
        places = {group: place for place, group in enumerate(order)}
        return tuple(sorted(splits, key=lambda row: places[row.name]))
    return tuple(sorted(splits, key=lambda row: (row.name == UNNAMED, -row.total, row.name)))


def _lengths(approved: Sequence[Approved]) -> Iterable[Lengths]:
    parts: Mapping[str, Callable[[Approved], int]] = {
        "prompt": lambda one: len(one.seed.prompt),
        "reasoning": lambda one: sum(
            stage.span.end - stage.span.start for stage in one.draft.stages if stage.name != ANSWER
        ),
        "answer": lambda one: len(one.draft.text(ANSWER)),
        "completion": lambda one: len(one.draft.completion),
    }
    for label in BRANCHES:
        rows = [one for one in approved if one.label == label]
        for part, measure in parts.items() if rows else ():
            sizes = sorted(map(measure, rows))
            nine_in_ten = sizes[-(-len(sizes) * 9 // 10) - 1]
            yield Lengths(label, part, len(sizes), median(sizes), nine_in_ten, sizes[-1])


def _origins(approved: Iterable[Approved]) -> dict[Origin, dict[Branch, int]]:
    counts: dict[Origin, dict[Branch, int]] = {origin: dict.fromkeys(BRANCHES, 0) for origin in ORIGINS}
    for one in approved:
        for piece in one.pieces:
            counts[piece.origin][one.label] += piece.span.end - piece.span.start
    return counts


def _writers(
    approved: Iterable[Approved], origins: tuple[Origin, ...], model: Callable[[Approved, WrittenPiece], str | None]
) -> tuple[Writer, ...]:
    rows: Counter[str] = Counter()
    characters: Counter[str] = Counter()
    for one in approved:
        wrote: Counter[str] = Counter()
        for piece in one.pieces:
            if piece.origin in origins:
                wrote[public_name(model(one, piece) or "not named")] += piece.span.end - piece.span.start
        rows.update(wrote.keys())
        characters.update(wrote)
    return tuple(Writer(name, rows[name], characters[name]) for name in sorted(rows, key=lambda n: (-rows[n], n)))
