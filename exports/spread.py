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
"""Rows that are brought up to date at once."""

_PANEL = 4096
"""Rows whose products with all that was taken are in memory at once."""


def spread(
    vectors: "NDArray[np.int16]", groups: Sequence[str | None], most: Mapping[str | None, int]
) -> "tuple[list[int], NDArray[np.float32]]":
    """Which rows to take, in order, and how near every row is to the nearest of them (as products of vectors).

    In: `most` rows of each group, no more than it has. The first row is taken first: whoever orders the rows chooses
    it, and who wins where two are equally far.

    A product is computed once for a row and a taken row, and only when needed: nearness only grows, so what an old
    figure already rules out is not looked at. In blocks, for a matrix product is many times as fast as its columns.
    """
    import numpy as np

    points = vectors.astype(np.float32)
    left = Counter({group: count for group, count in most.items() if count})
    open_ = np.array([left[group] > 0 for group in groups])
    near = np.full(len(points), -np.inf, np.float32)
    known = np.zeros(len(points), np.int64)  # of the taken rows, how many `near` has seen
    taken: list[int] = []

    def refresh(rows: "NDArray[np.intp]") -> None:
        behind = int(known[rows].min(initial=len(taken)))
        if behind < len(taken):
            near[rows] = np.maximum(near[rows], (points[rows] @ points[taken[behind:]].T).max(axis=1))
            known[rows] = len(taken)

    while left:
        rows = np.flatnonzero(open_)
        assert len(rows), "more rows of a group are asked for than it has"
        limit = np.partition(near[rows], _BLOCK)[_BLOCK] if len(rows) > _BLOCK else np.inf
        block = rows[near[rows] <= limit]  # all that are equal at the limit: outside, everything is nearer
        refresh(block)
        while len(block):
            row = block[near[block].argmin()]
            if near[row] > limit:
                break
            taken.append(int(row))
            open_[row] = False
            left[groups[row]] -= 1
            if not left[groups[row]]:
                del left[groups[row]]
                full = [place for place in block if groups[place] not in left]
                open_ &= np.array([group in left for group in groups])
                block = np.setdiff1d(block, full)
            else:
                block = block[block != row]
            refresh(block)
    for start in range(0, len(points), _PANEL):
        refresh(np.arange(start, min(start + _PANEL, len(points))))
    return taken, near
