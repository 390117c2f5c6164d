from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain, combinations
from typing import TypeVar

from hypothesis import given, settings
from hypothesis import strategies as st

from exports.quotas import Cell, Filling, Leaf, represent

T = TypeVar("T")
LEAVES = [Leaf("harmful", "any"), Leaf("easy", "any")]
CELLS = [Cell(leaf, category) for leaf in LEAVES for category in ("privacy", "violence")]
SOURCES = ["a", "b", "c"]
SUPPLY = st.dictionaries(st.tuples(st.sampled_from(CELLS), st.sampled_from(SOURCES)), st.integers(1, 4))


def subsets(some: Sequence[T]) -> Iterator[tuple[T, ...]]:
    return chain.from_iterable(combinations(some, count) for count in range(len(some) + 1))


@settings(max_examples=300, deadline=None)
@given(supply=SUPPLY, cap=st.integers(1, 5), limits=st.tuples(st.integers(0, 8), st.integers(0, 8)))
def test_leaves_are_as_full_as_sources_and_their_caps_allow(
    supply: dict[tuple[Cell, str], int], cap: int, limits: tuple[int, int]
) -> None:
    filling = Filling(supply, cap)
    for leaf, limit in zip(LEAVES, limits, strict=True):
        filling.fill(leaf, limit)
    had = Counter[tuple[Leaf, str]]()
    for (cell, source), rows in supply.items():
        had[cell.leaf, source] += rows
    # By the cut of least capacity (Ford and Fulkerson), over every choice of leaves and sources on its near side.
    best = min(
        sum(limit for leaf, limit in zip(LEAVES, limits, strict=True) if leaf not in leaves)
        + sum(cap if source in sources else sum(had[leaf, source] for leaf in leaves) for source in SOURCES)
        for leaves in subsets(LEAVES)
        for sources in subsets(SOURCES)
    )
    assert sum(map(filling.of_leaf, LEAVES)) == best
    for leaf, limit in zip(LEAVES, limits, strict=True):
        assert filling.of_leaf(leaf) == sum(count for (cell, _), count in filling.taken.items() if cell.leaf == leaf)
        assert filling.of_leaf(leaf) <= limit
    by_source = Counter[str | None]()
    for (_, pool), count in filling.taken.items():
        assert count >= 0
        by_source[pool] += count
    assert all(by_source[source] <= cap for source in SOURCES)
    for key, count in filling.taken.items():
        cell, pool = key
        there = sum(rows for (other, name), rows in supply.items() if other == cell and filling.pool(name) == pool)
        assert count <= there


KINDS = [Leaf("harmful", "any"), Leaf("hard", "any"), Leaf("easy", "any")]
FAMILIES = st.lists(st.lists(st.sampled_from(KINDS), min_size=1, max_size=3), max_size=8)


@settings(max_examples=300, deadline=None)
@given(families=FAMILIES, numbers=st.tuples(*[st.integers(0, 5)] * 3), most=st.integers(1, 2))
def test_families_stand_where_they_fill_as_much_as_any_choice_can(
    families: list[list[Leaf]], numbers: tuple[int, int, int], most: int
) -> None:
    rows = [[(leaf, f"{at}/{place}") for place, leaf in enumerate(family)] for at, family in enumerate(families)]
    wanted = dict(zip(KINDS, numbers, strict=True))
    kept = represent(rows, wanted, most)
    reachable: set[tuple[int, ...]] = {(0, 0, 0)}
    for family in rows:
        assert len([row for _, row in family if row in kept]) == min(most, len(family))
        choices = [[leaf for leaf, _ in some] for some in combinations(family, min(most, len(family)))]
        reachable = {
            tuple(min(top, have + choice.count(leaf)) for (leaf, top), have in zip(wanted.items(), state, strict=True))
            for state in reachable
            for choice in choices
        }
    have = Counter(leaf for family in rows for leaf, row in family if row in kept)
    assert sum(min(have[leaf], wanted[leaf]) for leaf in KINDS) == max(map(sum, reachable))


def test_a_family_makes_room_where_another_can_take_its_place() -> None:
    harmful, hard, easy = KINDS
    rows = [[(harmful, "1"), (hard, "1 hard")], *([(harmful, f"{n}"), (easy, f"{n} easy")] for n in (2, 3, 4))]
    kept = represent(rows, {harmful: 2, hard: 1, easy: 1}, 1)
    assert "1 hard" in kept
    assert len([row for row in kept if row.endswith("easy")]) == 1
