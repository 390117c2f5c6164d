"""Rows that lie far apart: greedy k-centre, the next row is the one farthest from all that were taken before.

(Gonzalez 1985: at most twice as far from its nearest centre as under the best choice is any row; Sener and Savarese,
arXiv 1708.00489, for training sets.)
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_BLOCK = 128
"""Rows that are brought up to date after every row that is taken."""

_PANEL = 4096
"""Rows whose products with all that was taken are in memory at once."""

_UNKNOWN = -(2.0**24)
"""Below every product, and a whole number in float32."""


def spread(
    vectors: "NDArray[np.int16]", groups: Sequence[str | None], most: Mapping[str | None, int]
) -> "tuple[list[int], NDArray[np.float32]]":
    """Which rows to take, in order, and how near every row is to the nearest of them (as products of vectors).

    In: `most` rows of each group, no more than it has. The first row is taken first: whoever orders the rows chooses
    it, and who wins where two are equally far.

    A product is computed only when needed: nearness only grows, so what an old figure already rules out is not looked
    at. In blocks, for a matrix product is many times as fast as its columns. A block ends inside a tie: of prompts in
    one wording tens of thousands may be equally near.
    """
    import numpy as np

    points = vectors.astype(np.float32)
    left = Counter({group: count for group, count in most.items() if count})
    open_ = np.array([left[group] > 0 for group in groups])
    near = np.full(len(points), _UNKNOWN, np.float32)
    known = np.zeros(len(points), np.int64)  # of the taken rows, how many `near` has seen
    taken: list[int] = []

    def refresh(rows: "NDArray[np.intp]") -> None:
        behind = int(known[rows].min(initial=len(taken)))
        if behind < len(taken):
            near[rows] = np.maximum(near[rows], (points[rows] @ points[taken[behind:]].T).max(axis=1))
            known[rows] = len(taken)

    def rank(rows: "NDArray[np.intp]") -> "NDArray[np.int64]":
        """The farthest row is least, and of equally far ones the first."""
        return near[rows].astype(np.int64) * len(points) + rows

    def least(rows: "NDArray[np.intp]", count: int) -> "tuple[NDArray[np.intp], float]":
        """So many of the rows, and the rank that all others have at least."""
        if len(rows) <= count:
            return rows, np.inf
        ranks = rank(rows)
        places = np.argpartition(ranks, count)
        return rows[places[:count]], int(ranks[places[count]])

    size = _BLOCK
    while left:
        rows = np.flatnonzero(open_)
        assert len(rows), "more rows of a group are asked for than it has"
        block, limit = least(rows, size)
        refresh(block)
        block, nearer = least(block, _BLOCK)
        limit = min(limit, nearer)
        size *= 2  # until one of them is the farthest
        while len(block):
            ranks = rank(block)
            row = int(block[ranks.argmin()])
            if ranks.min() >= limit:
                break
            taken.append(row)
            size = _BLOCK
            open_[row] = False
            left[groups[row]] -= 1
            if not left[groups[row]]:
                del left[groups[row]]
                open_ &= np.array([group in left for group in groups])
            block = block[open_[block]]
            refresh(block)
    for start in range(0, len(points), _PANEL):
        refresh(np.arange(start, min(start + _PANEL, len(points))))
    return taken, near
