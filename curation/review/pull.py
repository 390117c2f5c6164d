"""Brings answers from Argilla into the ledger, once each, whatever is run again.

What Argilla holds is read record by record; what cannot be taken is counted and told, and never stops the rest. An
answer that was changed there is a new version here. Saved drafts stay where they are.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from curation.ledger import Ledger
from curation.review.connect import readable
from curation.review.datasets import dataset_name, find_dataset
from curation.review.guidelines import in_force_at, versions_in_force
from curation.review.page.answers import Answered, read_response, skipped_response
from curation.review.records import find_records
from curation.review.responses import Saved, known_answers, save_responses
from curation.review.shown import show
from schemas.review import QUEUES, Annotator, Queue, Response, ReviewRecord
from schemas.settings import Review
from schemas.structure import Structure

if TYPE_CHECKING:
    import argilla as rg

PAGE = 250
"""Records a request: with their fields they are some 10 KB each."""


class Pulled(NamedTuple):
    """What a pull brought. `notes`: what the lead should know, one line each."""

    saved: Saved
    notes: tuple[str, ...]


class _Found(NamedTuple):
    """An answer as Argilla has it."""

    record_id: str
    user_id: str
    status: str
    values: Mapping[str, object] | None
    answered_at: str


def pull(
    ledger: Ledger,
    argilla: "rg.Argilla",
    rules: Review,
    structures: Sequence[Structure],
    annotators: Sequence[Annotator],
    say: Callable[[str], None],
) -> Pulled:
    """Every answer that Argilla has and the ledger has not. Raises ReviewError, LedgerError; run it again after it."""
    accounts = {one.name: one for one in annotators}
    with readable(argilla.api_url):
        names = {str(user.id): str(user.username) for user in argilla.users}
    versions = versions_in_force(ledger)
    trouble: Counter[str] = Counter()
    new = changed = 0
    for queue, structure in _places(structures):
        dataset = find_dataset(argilla, queue, structure.name, rules)
        if dataset is None:
            continue
        for page in _pages(argilla, dataset.id):
            saved = _save(ledger, page, structure, names, accounts, versions, trouble)
            new, changed = new + saved.new, changed + saved.changed
        say(f"{dataset_name(queue, structure.name)}: read")
    return Pulled(Saved(new, changed), tuple(f"{note} ({count:,})" for note, count in sorted(trouble.items())))


def _places(structures: Sequence[Structure]) -> Iterator[tuple[Queue, Structure]]:
    """Every dataset that may hold answers: that of the labels once, the others for each structure."""
    for queue in QUEUES:
        yield from ((queue, structure) for structure in (structures[:1] if queue == "labels" else structures))


def _pages(argilla: "rg.Argilla", dataset_id: object) -> Iterator[list[_Found]]:
    """The answers of a dataset, page by page. Raises ReviewError."""
    offset = 0
    while True:
        with readable(argilla.api_url):
            reply = argilla.http_client.post(
                f"/api/v1/datasets/{dataset_id}/records/search",
                params={"include": "responses", "offset": offset, "limit": PAGE},
                json={
                    "filters": {
                        "and": [
                            {
                                "type": "terms",
                                "scope": {"entity": "response", "property": "status"},
                                "values": ["submitted", "discarded"],
                            }
                        ]
                    },
                    "sort": [{"scope": {"entity": "record", "property": "inserted_at"}, "order": "asc"}],
                },
            )
            reply.raise_for_status()
        items = reply.json()["items"]
        if not items:
            return
        yield [found for item in items for found in _answers_of(item["record"])]
        offset += len(items)


def _answers_of(record: Mapping[str, Any]) -> Iterator[_Found]:
    for response in record.get("responses") or ():
        if response["status"] in ("submitted", "discarded") and record.get("external_id"):
            yield _Found(
                record_id=str(record["external_id"]),
                user_id=str(response["user_id"]),
                status=str(response["status"]),
                values=response.get("values"),
                answered_at=_in_utc(str(response["updated_at"])),
            )


def _in_utc(time: str) -> str:
    """Argilla's times are UTC and do not say so."""
    parsed = datetime.fromisoformat(time)
    return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).astimezone(UTC).isoformat(timespec="microseconds")


def _save(
    ledger: Ledger,
    page: Sequence[_Found],
    structure: Structure,
    names: Mapping[str, str],
    accounts: Mapping[str, Annotator],
    versions: list[tuple[str, str]],
    trouble: Counter[str],
) -> Saved:
    """Keeps what is new on a page; what cannot be kept is counted in `trouble`."""
    records = find_records(ledger, {found.record_id for found in page})
    known = known_answers(ledger, records)
    fresh: list[tuple[_Found, ReviewRecord, Annotator]] = []
    for found in page:
        name = names.get(found.user_id)
        account = accounts.get(name or "")
        record = records.get(found.record_id)
        if record is None:
            trouble["answers to records that the ledger does not have: left in Argilla"] += 1
        elif account is None:
            who = f"by {name!r}, whom the ledger does not know" if name else "by accounts that were deleted"
            mend = f": `curate review annotators add {name}` takes them" if name else ""
            trouble[f"answers {who}{mend}"] += 1
        elif known.get(record.id, {}).get(account.name) != found.answered_at:
            fresh.append((found, record, account))
    shown = {one.record.id: one for one in show(ledger, list({record.id: record for _, record, _ in fresh}.values()))}
    responses: list[Response] = []
    for found, record, account in fresh:
        answered = Answered(
            annotator=account.name,
            kind=account.kind,
            version=1,
            guidelines=in_force_at(versions, found.answered_at),
            answered_at=found.answered_at,
        )
        read = read_response if found.status == "submitted" else skipped_response
        response = read(shown[record.id], found.values, answered)
        if isinstance(response, Response):
            responses.append(response)
        else:
            trouble[f"record {record.id} by {account.name} cannot be taken: {response}"] += 1
    return save_responses(ledger, responses)
