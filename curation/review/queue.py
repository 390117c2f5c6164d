"""In which order a queue is served, and which rows everybody shares first.

    order(waiting, tail, 10, seed)          doubtful ones early, every other place; no two of one category in a row;
                                            never more than 10 harmful ones in a row while benign ones are left
    choose_calibration(waiting, 30, seed)   a few of every kind

Pure, and the same whatever order the rows come in: what looks like chance is a hash of the row and a seed.
"""

import hashlib
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Sequence
from itertools import zip_longest
from typing import NamedTuple

from schemas.example import Branch, identify
from schemas.review import Purpose, Queue


class Waiting(NamedTuple):
    """A revision, or a prompt in the queue of labels, that waits for a record of its own."""

    seed_id: str
    revision_id: str | None = None
    """None: the prompt's label is asked."""
    branch: Branch | None = None
    category: str | None = None
    doubtful: bool = False
    """Flagged by a check, verdict against label, no label, or a harmful label over an answer that complied."""
    purpose: Purpose = "review"
    round: int = 1
    """1: what the machine made; 2: the first edit of it, and so on."""
    writers: frozenset[str] = frozenset()
    """Who wrote this text: never asked about it."""
    already: frozenset[str] = frozenset()
    """Who was shown this draft before. review: they may be asked again; gold: they may not; repeat: only they are."""
    needed: int | None = None
    """Answers that a decision waits for; None: as the rules say, and one from the second round on."""
    serial: int = 0
    """Tells records of the same row, purpose and round apart."""

    @property
    def row(self) -> str:
        return self.revision_id or self.seed_id

    @property
    def harmful(self) -> bool:
        return self.branch == "harmful"


class Tail(NamedTuple):
    """How a queue ends so far: what comes next goes on from here."""

    category: str | None = None
    harmful_run: int = 0
    """How many harmful records stand at the end, one after the other."""


def record_id(queue: Queue, row: str, purpose: Purpose, round: int, serial: int) -> str:
    """The record's id in Argilla. The same row planned twice is the same record."""
    return identify("r", queue, row, purpose, str(round), str(serial))


def order(waiting: Iterable[Waiting], tail: Tail, harmful_in_a_row: int, seed: str) -> list[Waiting]:
    """The rows as they are to be served. Edited revisions come first, then doubtful ones; both share with the rest.

    `harmful_in_a_row` holds as long as benign rows are left, and goes before the rule of categories. A row without a
    category is like no other row. Where edited and doubtful rows are fewer than the others they take every other
    place until they are used up, else the others are spread evenly among them.
    """
    rows = list(waiting)
    urgent = _spread([row for row in rows if row.round > 1 or row.doubtful], seed)
    urgent.sort(key=lambda row: row.round == 1)
    ordinary = _spread([row for row in rows if row.round == 1 and not row.doubtful], seed)
    return _part(_alternate(urgent, ordinary), tail, harmful_in_a_row)


def choose_calibration(waiting: Iterable[Waiting], count: int, seed: str) -> list[Waiting]:
    """At most `count` rows that show every kind: branches, doubtful or not, and categories take turns.

    Only rows of the first round are chosen: an edit is of no use to people who have not agreed on anything yet.
    """
    kinds: dict[tuple[str, bool], dict[str, list[Waiting]]] = defaultdict(lambda: defaultdict(list))
    for row in sorted(waiting, key=lambda row: draw(seed, row)):
        if row.round == 1 and row.purpose == "review":
            kinds[row.branch or "", row.doubtful][row.category or ""].append(row)
    by_kind = [_in_turn([kinds[kind][name] for name in sorted(kinds[kind])]) for kind in sorted(kinds)]
    return _in_turn(by_kind)[:count]


def draw(seed: str, row: Waiting) -> str:
    """What stands for chance: the same for the same row, and no row's tells another's."""
    return identify("r", seed, row.row, row.purpose, str(row.round), str(row.serial))


def fraction(*parts: str) -> float:
    """A number from 0 to 1 out of texts, likewise."""
    digest = hashlib.blake2b("\0".join(parts).encode("utf-8", "surrogatepass"), digest_size=6).digest()
    return int.from_bytes(digest, "big") / 2**48


def _spread(rows: Sequence[Waiting], seed: str) -> list[Waiting]:
    """Every branch and category evenly over the whole: the k-th of n stands at (k + u) / n."""
    groups: dict[tuple[str, str], list[tuple[str, Waiting]]] = defaultdict(list)
    for row in rows:
        groups[row.branch or "", row.category or ""].append((draw(seed, row), row))
    placed = []
    for key, group in groups.items():
        offset = fraction(seed, *key)
        placed += [((k + offset) / len(group), drawn, row) for k, (drawn, row) in enumerate(sorted(group))]
    return [row for _, _, row in sorted(placed, key=lambda item: item[:2])]


def _alternate(urgent: Sequence[Waiting], ordinary: Sequence[Waiting]) -> list[Waiting]:
    step = max(1.0, len(urgent) / len(ordinary)) if ordinary else 1.0
    places = [(float(number), row) for number, row in enumerate(urgent)]
    places += [((number + 0.5) * step, row) for number, row in enumerate(ordinary)]
    return [row for _, row in sorted(places, key=lambda place: place[0])]


def _part(ideal: Sequence[Waiting], tail: Tail, harmful_in_a_row: int) -> list[Waiting]:
    """The rows in nearly this order: at each place stands the first one that may.

    A category that more than half of what is left belongs to goes first: later it could not be parted any more.
    """
    groups: dict[tuple[bool, str | None], deque[int]] = defaultdict(deque)
    for number, row in enumerate(ideal):
        groups[row.harmful, row.category].append(number)
    left = Counter(row.category for row in ideal)
    placed: list[Waiting] = []
    last, run = tail
    for remaining in range(len(ideal), 0, -1):
        choices = [key for key in groups if not key[0]] if run >= harmful_in_a_row else []
        choices = choices or list(groups)
        choices = [key for key in choices if key[1] is None or key[1] != last] or choices
        crowded = [key for key in choices if key[1] is not None and left[key[1]] * 2 > remaining and key[1] != last]
        chosen = min(crowded or choices, key=lambda key: groups[key][0])
        placed.append(ideal[groups[chosen].popleft()])
        if not groups[chosen]:
            del groups[chosen]
        harmful, last = chosen
        left[last] -= 1
        run = run + 1 if harmful else 0
    return placed


def _in_turn(lists: Sequence[Sequence[Waiting]]) -> list[Waiting]:
    """The first of each list, then the second of each, and so on."""
    return [row for turn in zip_longest(*lists) for row in turn if row is not None]
