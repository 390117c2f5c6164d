"""Exactly N of the eligible rows, or which quota lacks how many.

    select(eligible, Release(size=1000), choose_vectors(cache))    Selection: chosen, left_out, quotas, lacking

What is left out, in this order, and each row for the first reason that meets it:

1. benign rows longer than the cap
2. of one prompt all traces but one: with a person's decision first, then the most agreement, then by hash
3. of one family all but the cap: best first as above, but a family stands where a quota needs it
4. of one source all above the cap
5. of each category all but the ones that lie farthest apart

Harmful and benign rows have shares of the size; benign ones are hard (they only sound harmful: a category of harm
under a benign label) or easy; where attacks have a share, harmful, hard and easy rows each have it, or the framing
alone would give the label away. Shares are rounded by largest remainder and hold exactly. Categories are even as far
as they go and never lack.

Where a quota is short, the selection is the nearest there is: what one kind or style lacks comes from its siblings,
so that the label's number holds; a label that is short stays short, and the other is not enlarged for it. `lacking`
says so, and whoever calls decides; hard rows in the place of easy ones are no lack, for their share is a least one.
Caps hold in any case, that of a source as a share of the size that was wanted.

The result depends on the set of rows, the rules and the vectors, not on their order. Where a source's cap binds and
families have rows of several sources, it may miss a choice that would fill one more; else it misses none.
"""

import difflib
import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Literal, NamedTuple

from exports.embed import GRID, Vectors
from exports.quotas import Cell, Filling, Kind, Leaf, Style, apportion, represent
from exports.spread import spread
from exports.tokens import token_counter
from schemas.errors import ReleaseError, UsageError
from schemas.example import Category, Frozen
from schemas.release import Eligible, words_of
from schemas.settings import Release

TOO_LONG = "too long"
OTHER_TRACE = "another trace of the same prompt is preferred"
FAMILY_CAP = "family cap"
SOURCE_CAP = "source cap"
NEAR = "near to a chosen row"
QUOTA_FULL = "not needed: quota full"
REASONS = (TOO_LONG, OTHER_TRACE, FAMILY_CAP, SOURCE_CAP, NEAR, QUOTA_FULL)

PRESETS = ("0.5k", "1k", "3k", "benign-0", "benign-5", "benign-10", "benign-20", "benign-50")

OTHER_CATEGORY = "other"
"""Whatever a source calls its rows that is none of the eight categories counts as one: fifty names of one source
would else have fifty shares."""


def preset(name: str, rules: Release | None = None) -> Release:
    """The rules of a preset: a size that the paper studied, or 1,000 rows with another share of benign ones.

    `rules`: what the preset does not speak of stays as it is there. Raises UsageError with the names there are.
    """
    rows = {"0.5k": 500, "1k": 1000, "3k": 3000}
    rules = rules or Release()
    if name in rows:
        return rules.model_copy(update={"size": rows[name], "harmful_percent": 90.0})
    if name in PRESETS:
        benign = float(name.removeprefix("benign-"))
        return rules.model_copy(update={"size": 1000, "harmful_percent": 100 - benign})
    near = difflib.get_close_matches(name, PRESETS, 1)
    hint = f"; did you mean {near[0]!r}?" if near else "."
    raise UsageError(f"no preset is called {name!r}{hint} There are: {', '.join(PRESETS)}")


def select(eligible: Sequence[Eligible], rules: Release, vectors: Vectors) -> "Selection":
    """Which rows a release takes, and of every other one why it does not.

    `vectors` is asked once, for the prompts of those categories that have more rows than are taken. Raises
    ReleaseError where nothing is approved, UsageError where the tokenizer cannot be had.
    """
    if not eligible:
        raise ReleaseError(
            "no approved rows to choose from: `curate review status` says what waits for review;"
            " `curate review pull` brings decisions in"
        )
    rows = sorted((_candidate(row, rules) for row in eligible), key=_preference)
    assert len({row.id for row in rows}) == len(rows), "a revision is given twice"
    wanted = _wanted(rules)
    left_out: list[LeftOut] = []

    fit = _keep_one_trace(_keep_short(rows, rules, left_out), left_out)
    fit = _keep_representatives(fit, wanted, rules, left_out)
    filling = Filling(Counter((row.cell, row.source) for row in fit), _most_of_a_source(rules))
    _fill(filling, wanted)

    fit.sort(key=lambda row: row.rank)
    chosen = _choose(fit, filling, vectors, rules, left_out)
    return Selection(
        chosen=tuple(row.id for row in fit if row.id in chosen),
        left_out=tuple(sorted(left_out, key=lambda row: (REASONS.index(row.reason), row.id))),
        quotas=_quotas(rows, fit, chosen, wanted),
        lacking=_lacking(rows, chosen, wanted, left_out),
        compared_by=vectors.name,
    )


def _candidate(row: Eligible, rules: Release) -> "_Candidate":
    category = row.category if row.category in _CATEGORIES else None
    kind: Kind = "harmful"
    if row.label == "benign":
        kind = "hard" if category else "easy"
    style: Style = "any"
    if rules.adversarial_percent is not None:
        style = "adversarial" if row.style == "adversarial" else "vanilla"
    rank = hashlib.blake2b(f"{rules.seed}:{row.id}".encode(), digest_size=16).digest()
    return _Candidate(row.id, rank, Cell(Leaf(kind, style), category or OTHER_CATEGORY), row.source, row)


def _preference(candidate: "_Candidate") -> tuple[bool, float, int, bytes]:
    """Sorts the row that is to be kept of several first."""
    row = candidate.row
    agreement = row.agreeing / row.answers if row.answers else 0.0
    return row.decided_by != "person", -agreement, -row.agreeing, candidate.rank


def _wanted(rules: Release) -> dict[Leaf, int]:
    """Rows of each leaf, which add up to the size; zeros too."""
    harmful, benign = apportion(rules.size, [rules.harmful_percent, 100 - rules.harmful_percent])
    hard, easy = apportion(benign, [rules.hard_benign_percent, 100 - rules.hard_benign_percent])
    kinds: dict[Kind, int] = {"harmful": harmful, "hard": hard, "easy": easy}
    percent = rules.adversarial_percent
    if percent is None:
        return {Leaf(kind, "any"): count for kind, count in kinds.items()}
    styles: tuple[Style, Style] = ("adversarial", "vanilla")
    return {
        Leaf(kind, style): part
        for kind, count in kinds.items()
        for style, part in zip(styles, apportion(count, [percent, 100 - percent]), strict=True)
    }


def _most_of_a_source(rules: Release) -> int | None:
    if rules.max_source_percent == 100:
        return None
    return max(1, int(rules.size * Fraction(str(rules.max_source_percent)) / 100))


def _keep_short(rows: "Sequence[_Candidate]", rules: Release, left_out: "list[LeftOut]") -> "list[_Candidate]":
    count = token_counter(rules.tokenizer)
    kept = []
    for row in rows:
        if row.row.label == "benign" and (tokens := count(row.row.completion)) > rules.benign_max_tokens:
            left_out.append(LeftOut(row.id, TOO_LONG, f"{tokens:,} tokens of at most {rules.benign_max_tokens:,}"))
        else:
            kept.append(row)
    return kept


def _keep_one_trace(rows: "Sequence[_Candidate]", left_out: "list[LeftOut]") -> "list[_Candidate]":
    first: dict[str, _Candidate] = {}
    for row in rows:
        kept = first.setdefault(words_of(row.row.prompt), row)
        if kept is not row:
            left_out.append(LeftOut(row.id, OTHER_TRACE, kept.id))
    return list(first.values())


def _keep_representatives(
    rows: "Sequence[_Candidate]", wanted: Mapping[Leaf, int], rules: Release, left_out: "list[LeftOut]"
) -> "list[_Candidate]":
    families: defaultdict[str, list[tuple[Leaf, str]]] = defaultdict(list)
    for row in rows:
        families[row.row.family].append((row.cell.leaf, row.id))
    kept = represent(families.values(), wanted, rules.max_per_family)
    detail = f"at most {rules.max_per_family} of a family"
    left_out.extend(LeftOut(row.id, FAMILY_CAP, detail) for row in rows if row.id not in kept)
    return [row for row in rows if row.id in kept]


def _fill(filling: Filling, wanted: Mapping[Leaf, int]) -> None:
    """Every leaf up to its number, the scarcest first; then, for what is short, its kind and at last its label."""
    order = sorted(wanted, key=lambda leaf: (filling.spare(leaf) - wanted[leaf], leaf))
    for leaf in order:
        filling.fill(leaf, wanted[leaf])
    for level in ("kind", "label"):
        for leaf in order:
            siblings = [other for other in wanted if getattr(other, level) == getattr(leaf, level)]
            short = sum(wanted[other] - filling.of_leaf(other) for other in siblings)
            filling.fill(leaf, filling.of_leaf(leaf) + short)


def _choose(
    rows: "Sequence[_Candidate]", filling: Filling, vectors: Vectors, rules: Release, left_out: "list[LeftOut]"
) -> set[str]:
    """The rows of each cell that lie farthest apart, as many of each source as were filled in."""
    cells: defaultdict[Cell, list[_Candidate]] = defaultdict(list)
    for row in rows:
        cells[row.cell].append(row)
    counts: defaultdict[Cell, dict[str | None, int]] = defaultdict(dict)
    for (cell, source), count in filling.taken.items():
        counts[cell][source] = count
    crowded = {cell for cell in cells if 0 < sum(counts[cell].values()) < len(cells[cell])}
    # Sorted, so that not even the last bit of an IDF hangs on the order of the input.
    prompts = sorted({row.row.prompt for cell in crowded for row in cells[cell]})
    places = {prompt: place for place, prompt in enumerate(prompts)}
    table = vectors(prompts) if prompts else None

    chosen: set[str] = set()
    for cell, members in cells.items():
        near = [-1.0] * len(members)
        if table is not None and cell in crowded:
            taken, products = spread(
                table[[places[row.row.prompt] for row in members]],
                [filling.pool(row.source) for row in members],
                counts[cell],
            )
            chosen.update(members[place].id for place in taken)
            near = (products / GRID**2).tolist()
        elif sum(counts[cell].values()):
            chosen.update(row.id for row in members)
        for row, nearest in zip(members, near, strict=True):
            if row.id in chosen:
                continue
            if filling.is_full(row.source):
                left_out.append(LeftOut(row.id, SOURCE_CAP, f"at most {rules.max_source_percent:g} % of one source"))
            elif nearest >= vectors.near:
                left_out.append(LeftOut(row.id, NEAR, f"{vectors.name} cosine {nearest:.2f}"))
            else:
                left_out.append(LeftOut(row.id, QUOTA_FULL, ""))
    return chosen


def _quotas(
    rows: "Sequence[_Candidate]", fit: "Sequence[_Candidate]", chosen: set[str], wanted: Mapping[Leaf, int]
) -> "tuple[Quota, ...]":
    want: Counter[tuple[Level, str]] = Counter()
    for leaf, count in wanted.items():
        want.update({(level, name): count for level, name in _names(leaf).items()})

    def count_by_name(some: "Iterable[_Candidate]") -> Counter[tuple[Level, str]]:
        names: Counter[tuple[Level, str]] = Counter()
        for cell, count in Counter(row.cell for row in some).items():
            names.update({(level, name): count for level, name in _names(cell.leaf).items()})
            names["category", f"{KINDS[cell.leaf.kind]}: {cell.category}"] += count
        return names

    had, able, taken = map(count_by_name, (rows, fit, (row for row in fit if row.id in chosen)))
    levels: tuple[Level, ...] = ("label", "kind", "style", "category")
    return tuple(
        Quota(level=key[0], name=key[1], wanted=want.get(key), had=had[key], fit=able[key], taken=taken[key])
        for key in sorted(want.keys() | had.keys(), key=lambda key: (levels.index(key[0]), key[1]))
    )


def _names(leaf: Leaf) -> "dict[Level, str]":
    """What the quotas are called that a leaf is part of."""
    names: dict[Level, str] = {"label": leaf.label, "kind": KINDS[leaf.kind]}
    if leaf.style != "any":
        names["style"] = f"{KINDS[leaf.kind]}, {leaf.style}"
    return names


def _lacking(
    rows: "Sequence[_Candidate]", chosen: set[str], wanted: Mapping[Leaf, int], left_out: "Sequence[LeftOut]"
) -> "tuple[Lacking, ...]":
    leaves = {row.id: row.cell.leaf for row in rows}
    had = Counter(leaves.values())
    taken = Counter(leaves[row] for row in chosen)
    why: defaultdict[Leaf, Counter[str]] = defaultdict(Counter)
    for row in left_out:
        why[leaves[row.id]][row.reason] += 1
    return tuple(
        Lacking(
            quota=list(_names(leaf).values())[-1],
            wanted=count,
            had=had[leaf],
            taken=taken[leaf],
            left_out={reason: why[leaf][reason] for reason in REASONS if why[leaf][reason]},
            of=_PROMPTS[leaf.kind] + (", style = adversarial" if leaf.style == "adversarial" else ""),
            command=_COMMAND.format(leaf.label),
        )
        for leaf, count in wanted.items()
        if taken[leaf] < count and not _is_made_up_for(leaf, wanted, taken)
    )


def _is_made_up_for(leaf: Leaf, wanted: Mapping[Leaf, int], taken: Mapping[Leaf, int]) -> bool:
    """Whether an easy benign row that lacks is a hard one that is there: the share of hard rows is a least one, since
    they are what keeps a model from refusing too much (METHOD: harder benign rows)."""
    benign = [Leaf(kind, leaf.style) for kind in KINDS if kind != "harmful"]
    return leaf.kind == "easy" and sum(taken.get(one, 0) for one in benign) >= sum(wanted[one] for one in benign)


KINDS: Mapping[Kind, str] = {"harmful": "harmful", "hard": "benign, only sounds harmful", "easy": "benign, other"}

_PROMPTS: Mapping[Kind, str] = {
    "harmful": "harmful prompts",
    "hard": "benign prompts with a category of harm",
    "easy": "benign prompts without a category of harm",
}

# Every step works on what the one before left waiting, and does nothing where nothing waits.
_COMMAND = (
    "curate add FILE --label {0} && curate trace --only {0} && curate generate --only {0} && curate review push drafts"
)

_CATEGORIES = frozenset(category.value for category in Category)

Level = Literal["label", "kind", "style", "category"]


class _Candidate(NamedTuple):
    id: str
    rank: bytes
    """A hash of seed and id: the order of whatever nothing else orders."""
    cell: Cell
    source: str
    row: Eligible


class LeftOut(NamedTuple):
    id: str
    reason: str
    """One of REASONS."""
    detail: str
    """What of this row, e.g. '2,310 tokens of at most 2,048'; may be empty."""

    @property
    def text(self) -> str:
        return f"{self.reason} ({self.detail})" if self.detail else self.reason


class Quota(Frozen):
    """A part of the release, in rows."""

    level: Level
    name: str
    wanted: int | None
    """None: even with its siblings as far as they go."""
    had: int
    """Approved."""
    fit: int
    """Of these: neither too long, nor another trace, nor above the cap of a family."""
    taken: int


class Lacking(Frozen):
    """A quota that is short, and how to get what it lacks."""

    quota: str
    wanted: int
    had: int
    taken: int
    left_out: Mapping[str, int]
    """Rows of it that were approved and could not be taken, by reason."""
    of: str
    """Which prompts to add."""
    command: str

    @property
    def rows(self) -> int:
        return self.wanted - self.taken

    @property
    def text(self) -> str:
        """One line for a person."""
        lost = "".join(f", {count:,} left out: {reason}" for reason, count in self.left_out.items())
        return (
            f"{self.quota}: {self.rows:,} of {self.wanted:,} lacking ({self.had:,} approved{lost})."
            f" More {self.of}: {self.command}"
        )


class Selection(Frozen):
    """The rows of a release: every approved one is chosen or left out, for exactly one reason."""

    chosen: tuple[str, ...]
    """Ids, in an order that only the seed changes."""
    left_out: tuple[LeftOut, ...]
    quotas: tuple[Quota, ...]
    lacking: tuple[Lacking, ...]
    compared_by: str
    """What told how near prompts are to each other: the choice hangs on it as on the seed."""

    @property
    def reasons(self) -> dict[str, int]:
        """How many rows were left out for which reason, without those that none was."""
        counts = Counter(row.reason for row in self.left_out)
        return {reason: counts[reason] for reason in REASONS if counts[reason]}
