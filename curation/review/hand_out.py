"""Gives rows that wait a record in the ledger, with their place in a queue and who is asked; moves what got stuck."""

from collections.abc import Iterator, Sequence

from curation.ledger import Ledger
from curation.review.assign import Given, adjudicators_of, rebalance, standing
from curation.review.given import read_given
from curation.review.hidden import find_gold, find_repeats
from curation.review.plan import plan
from curation.review.queue import record_id
from curation.review.records import (
    candidates_of,
    insert_records,
    read_records,
    reassign_records,
    waiting_adjudication,
    waiting_drafts,
    waiting_labels,
    writers_of,
)
from curation.review.suggest import stays_blind
from schemas.review import Annotator, Queue, ReviewRecord
from schemas.settings import Review
from schemas.structure import Structure


def plan_records(
    ledger: Ledger,
    rules: Review,
    structure: Structure,
    annotators: Sequence[Annotator],
    queues: Sequence[Queue],
    *,
    every_label: bool,
) -> tuple[str, ...]:
    """Gives every row that waits a record in the ledger, as far as there is room; returns notes for the lead."""
    given = read_given(ledger)
    notes = [*_hand_over(ledger, rules, annotators, given)]
    seed = structure.name
    if "labels" in queues:
        waiting = waiting_labels(ledger, every_label, standing(annotators))
        planned = plan(waiting, given, annotators, rules, queue="labels", seed=seed)
        insert_records(ledger, _with_room(ledger, planned.records, rules))
        notes += planned.notes
    if "drafts" in queues:
        planned = plan(
            waiting_drafts(ledger, structure.name, standing(annotators)),
            given,
            annotators,
            rules,
            gold=find_gold(ledger, structure.name),
            repeats=find_repeats(ledger, structure.name),
            seed=seed,
        )
        records = [record.model_copy(update={"blind": stays_blind(record, rules)}) for record in planned.records]
        insert_records(ledger, _with_room(ledger, records, rules))
        notes += planned.notes
        _hand_over_adjudication(ledger, structure.name, annotators)
        notes += _plan_adjudication(ledger, structure.name, annotators)
    return tuple(dict.fromkeys(notes))


def _hand_over(ledger: Ledger, rules: Review, annotators: Sequence[Annotator], given: Sequence[Given]) -> Iterator[str]:
    """Names another annotator where one skipped a record or left the team."""
    moved = rebalance(given, annotators, rules)
    reassign_records(ledger, {change.record_id: (change.assigned, change.needed) for change in moved.changes})
    if moved.changes:
        yield f"{len(moved.changes):,} records were handed to other annotators"
    if moved.stuck:
        yield f"{len(moved.stuck):,} records have nobody left to answer them: `curate review annotators add NAME`"


def _with_room(ledger: Ledger, planned: Sequence[ReviewRecord], rules: Review) -> Sequence[ReviewRecord]:
    """The first of the planned records that there is room for. The embedded Argilla has room for all; one of the
    team's own shuffles what is open for each annotator, so few are open at a time and get finished first."""
    if rules.api_url is None:
        return planned
    room = max(0, rules.round_size - len(read_records(ledger, state="open")))
    return sorted(planned, key=lambda record: record.position)[:room]


def _hand_over_adjudication(ledger: Ledger, structure: str, annotators: Sequence[Annotator]) -> None:
    """Names the adjudicators of now, where one came or left since a record was given out."""
    changed = {}
    for record in read_records(ledger, queue="adjudication", structure=structure):
        judges = adjudicators_of(annotators, writers_of(ledger, str(record.revision_id)))
        if judges != record.assigned:
            changed[record.id] = (judges, record.needed)
    reassign_records(ledger, changed)


def _plan_adjudication(ledger: Ledger, structure: str, annotators: Sequence[Annotator]) -> Iterator[str]:
    waiting = waiting_adjudication(ledger, structure, standing(annotators))
    position = len(read_records(ledger, queue="adjudication", state="all"))
    insert_records(
        ledger,
        [
            ReviewRecord(
                id=record_id("adjudication", row.row, "review", row.round, row.serial),
                queue="adjudication",
                seed_id=row.seed_id,
                revision_id=row.revision_id,
                round=row.round,
                position=position + number,
                assigned=adjudicators_of(annotators, writers_of(ledger, row.row)),
                needed=1,
                candidates=candidates_of(ledger, row.row),
            )
            for number, row in enumerate(waiting)
        ],
    )
    if waiting and not adjudicators_of(annotators, ()):
        yield (
            f"{len(waiting):,} records wait for an adjudicator: `curate review annotators add NAME --adjudicator`,"
            " or the owner opens them"
        )
