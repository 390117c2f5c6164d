"""How many rows of each cell are taken, out of what there is.

    apportion(1000, [90, 10])    [900, 100]

A leaf is what has a number of its own: harmful rows, benign rows that only sound harmful, other benign rows; and of
each, where attacks have a share, those in an attack's framing and those without. A cell is one category of a leaf.
Leaves are filled exactly where that can be done; categories are kept even as far as they go.
"""

from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Literal, NamedTuple

Kind = Literal["harmful", "hard", "easy"]
"""hard: benign, and only sounds harmful; easy: any other benign row."""

Style = Literal["adversarial", "vanilla", "any"]
"""vanilla: not said to be in an attack's framing; any: attacks have no share of their own."""


def apportion(total: int, shares: Sequence[float]) -> list[int]:
    """`total` in proportion to shares, in whole numbers that add up to it.

    The largest remainders are rounded up, the first of equals. Computed in fractions of the shares as they are
    written: of 1,000 rows 55.5 % are 555, whatever binary floats make of it.
    """
    whole = sum(Fraction(str(share)) for share in shares)
    exact = [total * Fraction(str(share)) / whole for share in shares]
    counts = [int(part) for part in exact]
    by_remainder = sorted(range(len(shares)), key=lambda place: counts[place] - exact[place])
    for place in by_remainder[: total - sum(counts)]:
        counts[place] += 1
    return counts


def represent(families: Iterable[Sequence[tuple["Leaf", str]]], wanted: Mapping["Leaf", int], most: int) -> set[str]:
    """Which rows may stand for their families: of each as many as there are, at most `most`.

    In: each family's rows, the best first. A family with rows in several leaves (a harmful prompt and its harmless
    twin) stands in the leaf that needs it: as many leaves are filled as any choice can fill.
    """
    have: Counter[Leaf] = Counter()
    kept: set[str] = set()
    torn: list[tuple[list[tuple[Leaf, str]], list[tuple[Leaf, str]]]] = []
    for rows in families:
        if len(rows) > most and len({leaf for leaf, _ in rows}) > 1:
            torn.append(([], list(rows)))
            continue
        kept.update(row for _, row in rows[:most])
        have.update(leaf for leaf, _ in rows[:most])
    for ours, others in torn:
        for _ in range(most):
            best = max(others, key=lambda row: wanted[row[0]] - have[row[0]])  # the first of equals: the best row
            others.remove(best)
            ours.append(best)
            have[best[0]] += 1
    _exchange(torn, have, wanted)
    return kept.union(row for ours, _ in torn for _, row in ours)


def _exchange(
    torn: Sequence[tuple[list[tuple["Leaf", str]], list[tuple["Leaf", str]]]],
    have: "Counter[Leaf]",
    wanted: Mapping["Leaf", int],
) -> None:
    """Lets families change leaves, in chains, until no leaf that is short can get one from a leaf with too many."""
    swaps: defaultdict[tuple[Leaf, Leaf], dict[int, None]] = defaultdict(dict)

    def pairs(family: int) -> Iterable[tuple[Leaf, Leaf]]:
        ours, others = torn[family]
        return {(new, old): None for new, _ in others for old, _ in ours if new != old}

    for family in range(len(torn)):
        for pair in pairs(family):
            swaps[pair][family] = None
    for short in wanted:
        while have[short] < wanted[short]:
            came: dict[Leaf, Leaf] = {short: short}
            queue = deque([short])
            spare = None
            while queue and spare is None:
                new = queue.popleft()
                for old in wanted:
                    if old not in came and swaps[new, old]:
                        came[old] = new
                        queue.append(old)
                        if have[old] > wanted[old]:
                            spare = old
                            break
            if spare is None:
                break
            old = spare
            while old != short:
                new = came[old]
                family = next(iter(swaps[new, old]))
                for pair in pairs(family):
                    del swaps[pair][family]
                ours, others = torn[family]
                gone = next(row for row in ours if row[0] == old)
                comes = next(row for row in others if row[0] == new)
                ours[ours.index(gone)], others[others.index(comes)] = comes, gone
                for pair in pairs(family):
                    swaps[pair][family] = None
                have[old] -= 1
                have[new] += 1
                old = new


class Leaf(NamedTuple):
    kind: Kind
    style: Style

    @property
    def label(self) -> Literal["harmful", "benign"]:
        return "harmful" if self.kind == "harmful" else "benign"


class Cell(NamedTuple):
    leaf: Leaf
    category: str


class Filling:
    """Numbers of rows by cell and source, which grow one by one within what there is and the cap of a source.

    A row more may need rows of other cells to come from other sources: chains of such changes are searched, so a leaf
    is short only where no choice fills it along with those before it.
    """

    def __init__(self, supply: Mapping[tuple[Cell, str], int], most_of_a_source: int | None) -> None:
        """`supply`: rows there are, by cell and source. Without a most, sources make no difference."""
        totals: Counter[str] = Counter()
        for (_, source), rows in supply.items():
            totals[source] += rows
        self._most = sum(totals.values()) if most_of_a_source is None else most_of_a_source
        self.capped = frozenset(source for source, rows in totals.items() if rows > self._most)
        """Sources that have more than may be taken. The others are not told apart: they stand together as None."""
        self.taken: Counter[tuple[Cell, str | None]] = Counter()
        self.of_source: Counter[str | None] = Counter()
        self._supply: Counter[tuple[Cell, str | None]] = Counter()
        self._sources: defaultdict[Cell, list[str | None]] = defaultdict(list)
        self._cells: defaultdict[Leaf, list[Cell]] = defaultdict(list)
        for (cell, source), rows in sorted(supply.items()):
            key = self.pool(source)
            if (cell, key) not in self._supply:
                self._sources[cell].append(key)
            self._supply[cell, key] += rows
        for cell in self._sources:
            self._cells[cell.leaf].append(cell)
        self._of_cell: Counter[Cell] = Counter()

    def pool(self, source: str) -> str | None:
        """The name under which `source` is counted."""
        return source if source in self.capped else None

    def is_full(self, source: str) -> bool:
        """Whether no row more of `source` may be taken though there is one."""
        return source in self.capped and self.of_source[source] >= self._most

    def of_leaf(self, leaf: Leaf) -> int:
        return sum(self._of_cell[cell] for cell in self._cells[leaf])

    def spare(self, leaf: Leaf) -> int:
        """Rows of `leaf` that are not taken."""
        return sum(self._supply[cell, source] for cell in self._cells[leaf] for source in self._sources[cell]) - (
            self.of_leaf(leaf)
        )

    def fill(self, leaf: Leaf, limit: int) -> None:
        """Takes rows of `leaf` until it has `limit`, or no more can be had; the emptiest category is next."""
        count = self.of_leaf(leaf)
        level = Counter({cell: self._level(cell) for cell in self._cells[leaf]})
        while count < limit and level:
            cell = min(level, key=lambda cell: (level[cell], cell))
            if self._grow(cell, uneven=False):
                count += 1
                level[cell] += 1
            else:
                del level[cell]  # what cannot grow now will not when others have grown
        while count < limit and any(self._grow(cell, uneven=True) for cell in self._cells[leaf]):
            count += 1

    def _level(self, cell: Cell) -> int:
        """Rows of the cell's category so far, in all styles."""
        return sum(
            rows
            for other, rows in self._of_cell.items()
            if other.category == cell.category and other.leaf.kind == cell.leaf.kind
        )

    def _grow(self, start: Cell, *, uneven: bool) -> bool:
        """One row more of `start`; every other cell keeps its number, or with `uneven` every other leaf.

        Searches breadth-first from cell to cell: one gives up a row of a source that is at its cap, and is whole again
        with a row of another source, or of another category.
        """
        came: dict[Cell, tuple[Cell, str | None]] = {}
        seen = {start}
        queue = deque([start])
        while queue:
            cell = queue.popleft()
            free = [source for source in self._sources[cell] if self._supply[cell, source] > self.taken[cell, source]]
            # By share, so that a cell's rows come from its sources as evenly as they are there.
            free.sort(key=lambda source: Fraction(self.taken[cell, source], self._supply[cell, source]))
            for source in free:
                if source is None or self.of_source[source] < self._most:
                    self._take(cell, source, came)
                    return True
            for other in self._sources:
                given = next((source for source in free if self.taken[other, source]), None)
                if other not in seen and given is not None:
                    seen.add(other)
                    came[other] = (cell, given)
                    queue.append(other)
            if uneven:
                for other in self._cells[cell.leaf]:
                    if other not in seen:
                        seen.add(other)
                        came[other] = (cell, None)
                        queue.append(other)
        return False

    def _take(self, cell: Cell, source: str | None, came: Mapping[Cell, tuple[Cell, str | None]]) -> None:
        self.taken[cell, source] += 1
        self.of_source[source] += 1
        self._of_cell[cell] += 1
        while cell in came:
            before, given = came[cell]
            if given is not None:
                self.taken[cell, given] -= 1
                self.taken[before, given] += 1
                self._of_cell[cell] -= 1
                self._of_cell[before] += 1
            cell = before
