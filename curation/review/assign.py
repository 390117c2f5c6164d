"""Who is asked about which record: balanced rotating pairs, around what people opted out of or wrote themselves.

    team = asked(annotators)                   whose accounts are asked at all
    choose_annotators(row, 2, team, turns)     who of them is asked about a new row
    rebalance(given, annotators, rules)        what changes hands when an annotator comes, goes or skips a record

Machine accounts are asked only in a project without any person: Argilla counts the answers to a record and does not
know whose they are, so that a machine's would fill a person's place.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from typing import NamedTuple

from curation.review.queue import Tail, Waiting, fraction
from schemas.example import Branch
from schemas.review import Annotator, Kind, ReviewRecord
from schemas.settings import Review


class Given(NamedTuple):
    """A record that was planned earlier, and where it stands."""

    record: ReviewRecord
    category: str | None = None
    branch: Branch | None = None
    writers: frozenset[str] = frozenset()
    answered: frozenset[str] = frozenset()
    """Who has answered or skipped it, or saved a draft of an answer."""
    skipped: frozenset[str] = frozenset()
    """Those of them who skipped it: someone else is needed for each."""
    open: bool = True


class Turns(NamedTuple):
    """What makes the sharing fair. It is brought up to date as records are given out."""

    loads: Counter[str]
    """Open records that each annotator has still to answer."""
    pairs: Counter[tuple[str, str]]
    """On how many records two annotators met, open or not; the names are sorted."""


class Change(NamedTuple):
    record_id: str
    assigned: tuple[str, ...]
    needed: int


class Rebalanced(NamedTuple):
    changes: tuple[Change, ...]
    stuck: tuple[str, ...]
    """Records that nobody may take any more: they are the adjudicator's."""


def turns_of(given: Iterable[Given]) -> Turns:
    turns = Turns(Counter(), Counter())
    for one in given:
        turns.pairs.update(combinations(one.record.assigned, 2))
        if one.open:
            turns.loads.update(name for name in one.record.assigned if name not in one.answered)
    return turns


def tail_of(given: Iterable[Given]) -> Tail:
    """How the queue of these records ends."""
    ordered = sorted(given, key=lambda one: -one.record.position)
    run = next((n for n, one in enumerate(ordered) if one.branch != "harmful"), len(ordered))
    return Tail(ordered[0].category, run) if ordered else Tail()


def active(annotators: Iterable[Annotator]) -> list[Annotator]:
    """Those who could take records as they come, sorted by name; adjudicators do not."""
    return sorted(
        (one for one in annotators if one.active and one.role == "annotator"), key=lambda annotator: annotator.name
    )


def standing(annotators: Iterable[Annotator]) -> Kind:
    """Whose answers this project waits for: persons', unless all its accounts are machines'."""
    kinds = {one.kind for one in active(annotators)}
    return "machine" if kinds == {"machine"} else "person"


def is_heard(kind: Kind, awaited: Kind) -> bool:
    """Whether answers of a kind count where those of the kind `awaited` are waited for: a person's always do."""
    return kind == "person" or awaited == "machine"


def asked(annotators: Sequence[Annotator]) -> list[Annotator]:
    """Whose accounts are asked: those of the kind that this project waits for, sorted by name."""
    awaited = standing(annotators)
    return [one for one in active(annotators) if one.kind == awaited]


def unheard(annotators: Sequence[Annotator]) -> frozenset[str]:
    """Whose answers do not count: machine accounts beside persons, who were asked while there was no person."""
    awaited = standing(annotators)
    return frozenset(one.name for one in annotators if not is_heard(one.kind, awaited))


def adjudicators_of(annotators: Sequence[Annotator], writers: Iterable[str]) -> tuple[str, ...]:
    """Who is to settle a text, sorted: nobody who wrote it. None, and so whoever comes, where nobody else is left."""
    judging = {one.name for one in annotators if one.active and one.role == "adjudicator"}
    return tuple(sorted(judging - unheard(annotators) - {*writers}))


def may_take(annotator: Annotator, row: Waiting) -> bool:
    """Whether someone may be asked: not about their own text, not in a category they opted out of."""
    if annotator.name in row.writers or row.category in annotator.opted_out:
        return False
    return row.purpose == "review" or (annotator.name in row.already) == (row.purpose == "repeat")


def choose_annotators(row: Waiting, wanted: int | None, team: Iterable[Annotator], turns: Turns) -> list[str]:
    """`wanted` of the team (None: all who may) to ask about a row; fewer where not so many may take it.

    Those with the fewest open records come first, then pairs that met least, then who knows the draft. `turns` is
    brought up to date.
    """
    chosen = _pick([one.name for one in team if may_take(one, row)], wanted, turns, row)
    _note(turns, (), chosen)
    return chosen


def rebalance(given: Iterable[Given], annotators: Sequence[Annotator], rules: Review) -> Rebalanced:
    """What changes hands after annotators came, went or opted out: of records that are open, never an answer.

    What someone skipped, or left unanswered when they left, goes to others; so does all that machine accounts have,
    once there is a person. Then, as long as someone has two more to answer than another who may take it, a record that
    nobody has begun goes over. Repeats stay with whom they are meant for. While there is no annotator at all,
    everything stays.
    """
    team = asked(annotators)
    if not team:
        return Rebalanced((), ())
    given = list(given)
    shown = _shown(given)
    # As when records are given out: who has many labels to give is not spared drafts for it.
    parts = [
        _rebalance([one for one in given if (one.record.queue == "labels") == labels], shown, team, annotators, rules)
        for labels in (False, True)
    ]
    return Rebalanced(
        tuple(change for part in parts for change in part.changes),
        tuple(record for part in parts for record in part.stuck),
    )


def _rebalance(
    given: Sequence[Given],
    shown: Mapping[str, frozenset[str]],
    team: Sequence[Annotator],
    annotators: Sequence[Annotator],
    rules: Review,
) -> Rebalanced:
    ignored = unheard(annotators)
    opened = sorted(
        (
            one._replace(answered=one.answered - ignored)
            for one in given
            if one.open and one.record.queue != "adjudication" and one.record.purpose != "repeat"
        ),
        key=lambda one: (one.record.position, one.record.id),
    )
    turns = Turns(Counter(), turns_of(given).pairs)
    may: dict[str, list[str]] = {}
    hands: dict[str, list[str]] = {}
    for one in opened:
        row = _row_of(one, shown.get(one.record.seed_id, frozenset()))
        may[one.record.id] = [annotator.name for annotator in team if may_take(annotator, row)]
        stay = one.answered.union(may[one.record.id])
        # Where nobody was named whoever came has answered, and counts.
        hands[one.record.id] = [name for name in one.record.assigned or sorted(one.answered) if name in stay]
        turns.loads.update(name for name in hands[one.record.id] if name not in one.answered)
    for one in opened:
        holders = hands[one.record.id]
        wanted = None
        if one.record.queue != "calibration":
            wanted = max(0, _overlap(one, rules) - len(set(holders) - one.skipped))
        left = [name for name in may[one.record.id] if name not in holders]
        more = _pick(left, wanted, turns, _row_of(one), holders)
        _note(turns, holders, more)
        holders += more
    _even_out([one for one in opened if not one.answered], may, hands, turns)
    changes, stuck = [], []
    for one in opened:
        assigned = tuple(sorted(hands[one.record.id]))
        needed = len(set(assigned) - one.skipped)
        if not needed:
            stuck.append(one.record.id)
        elif (assigned, needed) != (one.record.assigned, one.record.needed):
            changes.append(Change(one.record.id, assigned, needed))
    return Rebalanced(tuple(changes), tuple(stuck))


def _even_out(
    untouched: Sequence[Given], may: Mapping[str, Sequence[str]], hands: Mapping[str, list[str]], turns: Turns
) -> None:
    # In an order that is no one's place in the queue: a newcomer gets early and late records alike.
    records = sorted((one.record for one in untouched if one.record.queue != "calibration"), key=lambda one: one.id)
    moved = True
    while moved:  # each move brings two loads nearer to each other, so there is an end
        moved = False
        for record in records:
            holders = hands[record.id]
            for giver in sorted(holders, key=lambda name: -turns.loads[name]):
                takers = [name for name in may[record.id] if name not in holders]
                taker = min(takers, key=lambda name: (turns.loads[name], name), default=None)
                if taker is not None and turns.loads[giver] - turns.loads[taker] > 1:
                    holders[holders.index(giver)] = taker
                    turns.loads[giver] -= 1
                    turns.loads[taker] += 1
                    moved = True


def _overlap(one: Given, rules: Review) -> int:
    """How many are asked about a record, where there are enough."""
    if one.record.round > 1:
        return 1
    return rules.label_overlap if one.record.queue == "labels" else rules.overlap


def _shown(given: Iterable[Given]) -> dict[str, frozenset[str]]:
    """Who was asked about each seed otherwise than to measure them: they would know its gold again."""
    shown: dict[str, frozenset[str]] = {}
    for one in given:
        if one.record.purpose != "gold":
            seed = one.record.seed_id
            shown[seed] = shown.get(seed, frozenset()) | one.answered | set(one.record.assigned)
    return shown


def _row_of(one: Given, already: frozenset[str] = frozenset()) -> Waiting:
    return Waiting(
        one.record.seed_id,
        one.record.revision_id,
        category=one.category,
        writers=one.writers,
        purpose=one.record.purpose,
        already=already,
    )


def _pick(
    names: Sequence[str], wanted: int | None, turns: Turns, row: Waiting, beside: Iterable[str] = ()
) -> list[str]:
    """`wanted` of these names, or all of them. `beside`: who is asked about the same record already."""
    if wanted is None or wanted >= len(names):
        return list(names)
    # Only the least loaded can be chosen: to look at the others too would cost a large team seconds.
    most = sorted(turns.loads[name] for name in names)[wanted - 1] if wanted else 0
    names = [name for name in names if turns.loads[name] <= most]
    # Among equals chance decides: with any fixed order an even number of annotators falls into pairs that never part.
    chance = {name: fraction(row.row, name) for name in names}
    chosen: list[str] = []
    met = list(beside)
    for _ in range(wanted):
        chosen.append(
            min(
                (name for name in names if name not in chosen),
                key=lambda name: (
                    turns.loads[name],
                    sum(turns.pairs[(name, other) if name < other else (other, name)] for other in met),
                    name not in row.already,
                    chance[name],
                ),
            )
        )
        met.append(chosen[-1])
    return chosen


def _note(turns: Turns, beside: Iterable[str], chosen: Sequence[str]) -> None:
    turns.loads.update(chosen)
    turns.pairs.update(combinations(sorted(chosen), 2))
    turns.pairs.update((min(name, other), max(name, other)) for name in chosen for other in beside)
