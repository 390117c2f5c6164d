"""Sends records to Argilla, each revision exactly once. What waits was planned and stands in the ledger (hand_out.py).

    close_settled    what was decided or superseded leaves its queue
    send             records that Argilla has not confirmed go there, in bounded batches, each tried again

Killed anywhere, the same command goes on: a record's id is a hash, and sending it twice changes nothing in Argilla.
Answers must have been pulled before: what leaves a queue is deleted there.
"""

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from curation.ledger import Ledger
from curation.review.assign import unheard
from curation.review.connect import readable
from curation.review.datasets import find_dataset, open_dataset
from curation.review.page.questions import to_argilla
from curation.review.records import (
    close_records,
    confirm_pushed,
    forget_pushed,
    read_records,
    superseded_records,
)
from curation.review.responses import known_answers
from curation.review.shown import Shown, show
from curation.review.suggest import suggest
from schemas.errors import ReviewError
from schemas.review import QUEUES, Annotator, Kind, Queue, ReviewRecord
from schemas.settings import Review
from schemas.structure import Structure

if TYPE_CHECKING:
    import argilla as rg

BATCH = 100
"""Records a request: a batch that fails is sent again whole, and one of this size takes under a second."""

TRIES = 6
FIRST_WAIT_SECONDS = 0.5
"""Doubled at each further try: 15.5 s in all, for a server that is being restarted."""

DELETE_BATCH = 100
"""What Argilla takes in one request (argilla-server 2.8, DELETE_DATASET_RECORDS_LIMIT)."""


class Pushed(NamedTuple):
    """What a push did. `notes`: what the lead should know, one line each."""

    sent: dict[Queue, int]
    refused: tuple[str, ...]
    """Records that Argilla does not take, each with its reason."""
    notes: tuple[str, ...]


def close_settled(
    ledger: Ledger, argilla: "rg.Argilla", rules: Review, structures: Sequence[Structure], standing: Kind
) -> int:
    """Takes records out of Argilla that were decided or superseded, unless Argilla counts them complete; returns how
    many left a queue. One that was answered since the pull stays until the next. Raises ReviewError, LedgerError."""
    closed = superseded_records(ledger, standing)
    known = known_answers(ledger, [record.id for record, _ in closed])
    unread: set[str] = set()
    by_queue: dict[tuple[Queue, str], list[str]] = {}
    for record, _ in closed:
        structure = _structure_of(ledger, record, structures)
        by_queue.setdefault((record.queue, structure), []).append(record.id)
    for (queue, structure), ids in by_queue.items():
        dataset = find_dataset(argilla, queue, structure, rules)
        if dataset is not None:
            unread |= _delete(argilla, dataset.id, set(ids), ["pending"], known)
    closed = [(record, why) for record, why in closed if record.id not in unread]
    close_records(ledger, ((record.id, why) for record, why in closed))
    return len(closed)


def _structure_of(ledger: Ledger, record: ReviewRecord, structures: Sequence[Structure]) -> str:
    for (name,) in ledger.query(
        "SELECT structure FROM drafts JOIN revisions ON draft_id = drafts.id WHERE revisions.id = ?",
        (record.revision_id,),
    ):
        return str(name)
    return structures[0].name


def _delete(
    argilla: "rg.Argilla",
    dataset_id: object,
    external_ids: set[str],
    statuses: Sequence[str],
    known: Mapping[str, Collection[str]],
) -> set[str]:
    """Deletes those of these records that have one of these statuses: 'pending' ones stand in somebody's queue.

    `known`: who answered each record, as the ledger has it. Argilla deletes answers with their record, so one with
    more answers than these stays; returns those.
    """
    wanted: list[str] = []
    unread: set[str] = set()
    offset = 0
    while True:
        with readable(argilla.api_url):
            reply = argilla.http_client.post(
                f"/api/v1/datasets/{dataset_id}/records/search",
                params={"include": "responses", "offset": offset, "limit": 500},
                json={
                    "filters": {
                        "and": [
                            {
                                "type": "terms",
                                "scope": {"entity": "record", "property": "status"},
                                "values": [*statuses],
                            }
                        ]
                    }
                },
            )
            reply.raise_for_status()
        items = reply.json()["items"]
        if not items:
            break
        for record in (item["record"] for item in items if item["record"]["external_id"] in external_ids):
            answers = [one for one in record["responses"] or () if one["status"] in ("submitted", "discarded")]
            if len(answers) > len(known.get(record["external_id"], ())):
                unread.add(record["external_id"])
            else:
                wanted.append(record["id"])
        offset += len(items)
    for start in range(0, len(wanted), DELETE_BATCH):
        with readable(argilla.api_url):
            argilla.http_client.delete(
                f"/api/v1/datasets/{dataset_id}/records", params={"ids": ",".join(wanted[start : start + DELETE_BATCH])}
            ).raise_for_status()
    return unread


def send(
    ledger: Ledger,
    argilla: "rg.Argilla",
    rules: Review,
    structure: Structure,
    guidelines: str,
    annotators: Sequence[Annotator],
    say: Callable[[str], None],
) -> Pushed:
    """Sends what Argilla has not confirmed. Raises ReviewError after `TRIES` tries, LedgerError; run it again then."""
    sent: dict[Queue, int] = {}
    refused: list[str] = []
    notes: list[str] = []
    for queue in QUEUES:
        of = None if queue == "labels" else structure.name
        if not read_records(ledger, queue=queue, structure=of, state="open"):
            continue
        dataset = open_dataset(argilla, queue, structure, guidelines, rules, annotators)
        notes += _find_lost(ledger, argilla, dataset, queue, of)
        records = read_records(ledger, queue=queue, structure=of, state="unpushed")
        if begun := _begun_by_machines(ledger, records, annotators):
            _delete(argilla, dataset.id, set(begun), ["pending", "completed"], begun)
        for start in range(0, len(records), BATCH):
            lot = records[start : start + BATCH]
            bad = _send_lot(ledger, argilla, dataset, lot, rules)
            refused += [f"record {record}: {why}" for record, why in bad.items()]
            confirm_pushed(ledger, [record.id for record in lot if record.id not in bad])
            sent[queue] = sent.get(queue, 0) + len(lot) - len(bad)
            say(f"{dataset.name}: {min(start + BATCH, len(records)):,} of {len(records):,}")
    return Pushed(sent, tuple(refused), tuple(notes))


def _begun_by_machines(
    ledger: Ledger, records: Sequence[ReviewRecord], annotators: Sequence[Annotator]
) -> dict[str, Collection[str]]:
    """Those of these records that only accounts answered whose answers do not count, with who did. Argilla would take
    such an answer for one of those that complete the record, so it gets the record anew; the ledger keeps what was
    answered."""
    ignored = unheard(annotators)
    if not ignored or not records:
        return {}
    answered = known_answers(ledger, [record.id for record in records])
    return {record: names for record, names in answered.items() if ignored.issuperset(names)}


def _find_lost(
    ledger: Ledger, argilla: "rg.Argilla", dataset: "rg.Dataset", queue: Queue, structure: str | None
) -> Iterator[str]:
    """Records that Argilla confirmed and no longer has, as someone deleted them or the dataset, are sent again."""
    pushed = read_records(ledger, queue=queue, structure=structure, state="pushed")
    if not pushed:
        return
    with readable(argilla.api_url):
        progress = argilla.http_client.get(f"/api/v1/datasets/{dataset.id}/progress")
        progress.raise_for_status()
    if progress.json()["total"] >= len(pushed):
        return
    there: set[str] = set()
    with readable(argilla.api_url):
        for record in dataset.records(batch_size=500):
            there.add(str(record.id))
    lost = [record.id for record in pushed if record.id not in there]
    forget_pushed(ledger, lost)
    if lost:
        yield f"{dataset.name}: {len(lost):,} records were deleted in Argilla and are sent again"


def _send_lot(
    ledger: Ledger, argilla: "rg.Argilla", dataset: "rg.Dataset", lot: Sequence[ReviewRecord], rules: Review
) -> dict[str, str]:
    """Sends these records; returns those that Argilla refuses, each with its reason.

    One bad record makes Argilla refuse the whole request, so a refused lot is halved until the bad ones are found.
    """
    shown = show(ledger, lot)
    if rules.suggest_decision:
        shown = suggest(ledger, shown)
    return _send_shown(argilla, dataset, shown)


def _send_shown(argilla: "rg.Argilla", dataset: "rg.Dataset", shown: Sequence[Shown]) -> dict[str, str]:
    from argilla._exceptions import ArgillaError, UnprocessableEntityError

    wait = FIRST_WAIT_SECONDS
    for left in reversed(range(TRIES)):
        try:
            with readable(argilla.api_url):
                records = [to_argilla(one) for one in shown]
                for record in records:
                    record.dataset = dataset  # where a suggestion finds the id of its question
                # Not `dataset.records.log`: it reads the reply, and fails where a record has a discarded answer.
                argilla.api.records.bulk_upsert(dataset.id, [record.api_model() for record in records])
            return {}
        except ReviewError as error:
            if isinstance(error.__cause__, UnprocessableEntityError):
                if len(shown) == 1:
                    return {shown[0].record.id: str(error).partition(": ")[2]}
                half = len(shown) // 2
                return _send_shown(argilla, dataset, shown[:half]) | _send_shown(argilla, dataset, shown[half:])
            if not left or (isinstance(error.__cause__, ArgillaError) and not _may_pass(error.__cause__)):
                raise
        time.sleep(wait)
        wait *= 2
    raise AssertionError("the last try returns or raises")


def _may_pass(error: Exception) -> bool:
    return getattr(error, "status_code", 500) >= 500
