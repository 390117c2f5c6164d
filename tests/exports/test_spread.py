import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from exports.embed import GRID
from exports.spread import spread


def _around_topics(rows: int, topics: int, seed: int) -> NDArray[np.int16]:
    chance = np.random.default_rng(seed)
    points = chance.normal(size=(topics, 24))[chance.integers(0, topics, rows)] + 0.4 * chance.normal(size=(rows, 24))
    vectors: NDArray[np.int16] = np.rint(points * GRID / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.int16)
    return vectors


def _farthest_first(vectors: NDArray[np.int16], groups: list[str | None], most: dict[str | None, int]) -> list[int]:
    """The same the slow way: all distances, after every row."""
    products = vectors.astype(np.int64) @ vectors.astype(np.int64).T
    left, taken = dict(most), list[int]()
    while any(left.values()):
        open_rows = [row for row, group in enumerate(groups) if left.get(group) and row not in taken]
        taken.append(min(open_rows, key=lambda row: (max((products[row, one] for one in taken), default=0), row)))
        left[groups[taken[-1]]] -= 1
    return taken


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 400), st.integers(1, 20), st.integers(0, 1000), st.floats(0.01, 1), st.integers(1, 3))
def test_every_row_taken_is_the_farthest_from_those_before(
    rows: int, topics: int, seed: int, share: float, sources: int
) -> None:
    vectors = _around_topics(rows, topics, seed)
    groups: list[str | None] = [None if place % sources == 0 else f"source {place % sources}" for place in range(rows)]
    most = {group: max(1, int(groups.count(group) * share)) for group in set(groups)}
    taken, near = spread(vectors, groups, most)
    assert taken == _farthest_first(vectors, groups, most)
    products = vectors.astype(np.int64) @ vectors[taken].astype(np.int64).T
    assert near.tolist() == products.max(axis=1).tolist()  # exact, in float32


def test_of_equally_far_rows_the_first_is_taken() -> None:
    vectors = np.eye(300, dtype=np.int16) * GRID
    assert spread(vectors, [None] * 300, {None: 200})[0] == list(range(200))


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 300), st.integers(1, 40), st.integers(0, 1000), st.floats(0.01, 1), st.integers(1, 3))
def test_of_rows_in_the_same_words_the_same_are_taken(
    rows: int, wordings: int, seed: int, share: float, sources: int
) -> None:
    chance = np.random.default_rng(seed)
    vectors = _around_topics(wordings, wordings, seed)[chance.integers(0, wordings, rows)]
    groups: list[str | None] = [f"source {place % sources}" for place in range(rows)]
    most = {group: max(1, int(groups.count(group) * share)) for group in set(groups)}
    assert spread(vectors, groups, most)[0] == _farthest_first(vectors, groups, most)


def test_each_topic_is_met_before_any_is_met_twice() -> None:
    topics = np.repeat(np.eye(10, dtype=np.int16) * GRID, 50, axis=0)
    taken, _ = spread(topics, [None] * 500, {None: 10})
    assert {row // 50 for row in taken} == set(range(10))
