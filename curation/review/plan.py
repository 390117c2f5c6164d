"""From rows that wait to ordered, assigned records.

    planned = plan(waiting, given, annotators, rules, gold=find_gold(…), repeats=find_repeats(…))
    planned.records     into the ledger, then into Argilla
    planned.notes       what the lead should know, e.g. "2 annotators are needed for overlap 2, there is 1"

Pure. A row that has its record already is not to be handed in again.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

from curation.review.assign import Given, adjudicators_of, asked, choose_annotators, may_take, tail_of, turns_of
from curation.review.hidden import mix
from curation.review.queue import Waiting, choose_calibration, draw, order, record_id
from curation.review.shown import NOBODY_ELSE
from schemas.review import Annotator, Queue, ReviewRecord
from schemas.settings import Review


class Plan(NamedTuple):
    records: tuple[ReviewRecord, ...]
    """In the order of their places, queue by queue."""
    notes: tuple[str, ...]


class _Place(NamedTuple):
    queue: Queue
    position: int
    row: Waiting


def plan(
    waiting: Iterable[Waiting],
    given: Iterable[Given],
    annotators: Sequence[Annotator],
    rules: Review,
    *,
    queue: Literal["labels", "drafts"] = "drafts",
    gold: Iterable[Waiting] = (),
    repeats: Iterable[Waiting] = (),
    seed: str = "",
) -> Plan:
    """A record for every row, with its place in the queue and who is asked.

    `given`: every record of the project so far. The first `rules.calibration` drafts are everybody's, in a queue of
    their own. New records go behind those that were given out; only an edited revision gets a place among the open
    ones, for one more look finishes it. `gold` and `repeats` are what there is to draw from: few are used.
    """
    rows, given = list(waiting), list(given)
    places: list[_Place] = []
    if queue == "drafts":
        calibration = [one for one in given if one.record.queue == "calibration"]
        shared = choose_calibration(rows, max(0, rules.calibration - len(calibration)), seed)
        start = _next_position(calibration)
        ordered = order(shared, tail_of(calibration), rules.harmful_in_a_row, seed)
        places += [_Place("calibration", position, row) for position, row in enumerate(ordered, start)]
        taken = set(shared)
        rows = [row for row in rows if row not in taken]
    own = [one for one in given if one.record.queue == queue]
    early = _place_edits(rows, own, queue, seed)
    taken = {place.row for place in early}
    start = _next_position(own)
    ordered = order((row for row in rows if row not in taken), tail_of(own), rules.harmful_in_a_row, seed)
    if queue == "drafts":
        team = asked(annotators)
        known = [row for row in gold if any(may_take(one, row) for one in team)]
        again = [row for row in repeats if any(may_take(one, row) for one in team)]
        ordered = mix(ordered, known, again, rules, start=start, tail=tail_of(own), seed=seed)
    places += early
    places += [_Place(queue, position, row) for position, row in enumerate(ordered, start)]
    return _assign(places, given, annotators, rules)


def _next_position(given: Iterable[Given]) -> int:
    return max((one.record.position for one in given), default=-1) + 1


def _place_edits(rows: Iterable[Waiting], own: Sequence[Given], queue: Queue, seed: str) -> list[_Place]:
    """Edited revisions, at every other place from the first record on that nobody has begun, as far as these go."""
    unbegun = [one.record.position for one in own if one.open and not one.answered]
    if not unbegun:
        return []
    edits = sorted((row for row in rows if row.round > 1 and row.purpose == "review"), key=lambda row: draw(seed, row))
    positions = range(min(unbegun), max(unbegun) + 1, 2)
    return [_Place(queue, position, row) for position, row in zip(positions, edits, strict=False)]


def _assign(places: Iterable[_Place], given: Sequence[Given], annotators: Sequence[Annotator], rules: Review) -> Plan:
    # A label takes seconds and a draft a minute: who has many labels to give is not spared drafts for it.
    turns = {
        labels: turns_of(one for one in given if (one.record.queue == "labels") == labels) for labels in (False, True)
    }
    team = asked(annotators)
    to_adjudicate = _next_position(one for one in given if one.record.queue == "adjudication")
    records: list[ReviewRecord] = []
    short: Counter[int] = Counter()
    adjudicated = unasked = 0
    for queue, position, row in places:
        wanted = _wanted(queue, row, rules)
        names = choose_annotators(row, wanted, team, turns[queue == "labels"])
        needed = len(names)
        if not team:
            needed = wanted or rules.overlap
        elif not names and row.purpose != "review":
            continue
        elif not names and queue == "labels":
            unasked += 1
            continue
        elif not names:
            queue, position, needed = "adjudication", to_adjudicate + adjudicated, 1
            names = [*adjudicators_of(annotators, row.writers)]
            adjudicated += 1
        elif wanted and needed < wanted and row.purpose == "review":
            short[wanted] += 1
        records.append(
            ReviewRecord(
                id=record_id(queue, row.row, row.purpose, row.round, row.serial),
                queue=queue,
                seed_id=row.seed_id,
                revision_id=row.revision_id,
                purpose=row.purpose,
                round=row.round,
                position=position,
                assigned=tuple(sorted(names)),
                needed=needed,
            )
        )
    return Plan(tuple(records), tuple(_notes(len(team), short, adjudicated, unasked, len(records))))


def _wanted(queue: Queue, row: Waiting, rules: Review) -> int | None:
    """How many are asked; None: everybody who may be."""
    if queue == "calibration" or row.purpose == "repeat":
        return None
    if row.needed is not None:
        return row.needed
    if row.round > 1:
        return 1
    return rules.label_overlap if queue == "labels" else rules.overlap


def _notes(asked: int, short: Counter[int], adjudicated: int, unasked: int, records: int) -> Iterable[str]:
    if not asked:
        if records:
            yield "there are no annotators: whoever comes is asked; `curate review annotators add NAME` names them"
        return
    for overlap, number in sorted(short.items()):
        if overlap > asked:
            there = "there is 1" if asked == 1 else f"there are {asked}"
            yield f"{overlap} annotators are needed for overlap {overlap}, {there}"
        else:
            yield (
                f"{number:,} of {records:,} records have fewer than {overlap} annotators:"
                " others wrote the text or opted out of its category"
            )
    if adjudicated:
        yield f"{adjudicated:,} of {records:,} records go to the adjudicator: {NOBODY_ELSE}"
    if unasked:
        yield f"{unasked:,} prompts are not asked about: every annotator opted out of their category"
