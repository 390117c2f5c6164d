"""The ledger's side of the answers: what annotators said, version by version, and what it came to.

save_responses                          what was pulled: a new answer, a new version of one, or nothing new
read_answered, read_responses           what may be decided, with the newest answers to each; the answers alone
insert_decision, insert_label           events, as parts of one transaction with what follows from them
"""

import json
import sqlite3
from collections.abc import Iterable, Sequence
from typing import NamedTuple, cast

from curation.ledger import Ledger, insert_label_event, now
from schemas.example import Branch, Label, LabelEvent, LabelOrigin
from schemas.review import Candidate, Decision, Kind, Queue, Response

_SAID = ("status", "choice", "label", "answer_right", "problems", "texts", "candidate", "spans", "comment")
"""What an answer says: two versions that agree in all of it are one."""

_JSON = ("problems", "texts", "spans")

_COLUMNS = tuple(Response.model_fields)


class Saved(NamedTuple):
    """What came of the answers that were pulled."""

    new: int
    changed: int


def save_responses(ledger: Ledger, responses: Iterable[Response]) -> Saved:
    """Keeps each answer once: one that says what its newest version says is not new, one that differs is a version.

    The version of the responses given is not looked at. All of them or none.
    """
    at = now()
    new = changed = 0
    with ledger.transaction() as db:
        for response in responses:
            said = _columns(response)
            found = db.execute(
                f"SELECT version, {', '.join(_SAID)} FROM responses WHERE record_id = ? AND annotator = ?"  # noqa: S608
                " ORDER BY version DESC LIMIT 1",
                (response.record_id, response.annotator),
            ).fetchone()
            if found and tuple(found[1:]) == tuple(said[name] for name in _SAID):
                continue
            said["version"] = found[0] + 1 if found else 1
            db.execute(
                f"INSERT INTO responses ({', '.join(_COLUMNS)}, pulled_at)"  # noqa: S608
                f" VALUES ({', '.join('?' * len(_COLUMNS))}, ?)",
                (*(said[name] for name in _COLUMNS), at),
            )
            new += not found
            changed += bool(found)
    return Saved(new, changed)


def known_answers(ledger: Ledger, records: Iterable[str]) -> dict[str, dict[str, str]]:
    """When, by the server's clock, everybody gave their newest answer to these records, by record and annotator."""
    known: dict[str, dict[str, str]] = {}
    for record, name, at in ledger.query(
        "SELECT record_id, annotator, answered_at FROM responses_now"
        " WHERE record_id IN (SELECT value FROM JSON_EACH(?))",
        (json.dumps(list(records)),),
    ):
        known.setdefault(str(record), {})[str(name)] = str(at)
    return known


class AnsweredRecord(NamedTuple):
    """A record whose answers count, with them. `revision_id` and `branch` are None where a prompt's label is asked."""

    seed_id: str
    revision_id: str | None
    branch: Branch | None
    record_id: str
    queue: Queue
    round: int
    needed: int
    candidates: tuple[Candidate, ...]
    responses: tuple[Response, ...]


def read_answered(ledger: Ledger, *, labels: bool) -> list[AnsweredRecord]:
    """Records with answers that count: of prompts, or of newest revisions of drafts that stand.

    In order of seed, revision and age of the record. Gold and repeats are not among them, nor are answers to a
    revision that a newer one has superseded: they are kept and decide nothing.
    """
    records = ledger.query(
        """SELECT review_records.seed_id, review_records.revision_id, branch, review_records.id, queue, round, needed,
            candidates
        FROM review_records LEFT JOIN drafts_now ON drafts_now.revision_id = review_records.revision_id
        WHERE purpose = 'review' AND (queue = 'labels') = ? AND (queue = 'labels' OR drafts_now.revision_id IS NOT NULL)
            AND EXISTS (SELECT 1 FROM responses WHERE record_id = review_records.id)
        ORDER BY review_records.seed_id, review_records.revision_id, planned_at, position""",
        (labels,),
    )
    responses = read_responses(ledger, [str(row[3]) for row in records])
    return [
        AnsweredRecord(
            seed_id=str(seed),
            revision_id=None if revision is None else str(revision),
            branch=cast("Branch | None", branch),
            record_id=str(record),
            queue=cast(Queue, queue),
            round=int(str(round_number)),
            needed=int(str(needed)),
            candidates=tuple(Candidate.model_validate(c) for c in json.loads(str(candidates))),
            responses=tuple(responses[str(record)]),
        )
        for seed, revision, branch, record, queue, round_number, needed, candidates in records
    ]


def read_responses(ledger: Ledger, records: Sequence[str]) -> dict[str, list[Response]]:
    """The newest answers to these records, skips too, by record and in order of annotator."""
    responses: dict[str, list[Response]] = {}
    for row in ledger.query(
        f"SELECT {', '.join(_COLUMNS)} FROM responses_now"  # noqa: S608
        " WHERE record_id IN (SELECT value FROM JSON_EACH(?)) ORDER BY record_id, annotator",
        (json.dumps(records),),
    ):
        response = _response(row)
        responses.setdefault(response.record_id, []).append(response)
    return responses


def _columns(response: Response) -> dict[str, object]:
    data = response.model_dump(mode="json")
    return data | {name: json.dumps(data[name], sort_keys=True) for name in _JSON}


def _response(row: Sequence[object]) -> Response:
    data = dict(zip(_COLUMNS, row, strict=True))
    return Response.model_validate(data | {name: json.loads(str(data[name])) for name in _JSON})


# -- decisions


def newest_decision(ledger: Ledger, revision: str, kind: Kind) -> Decision | None:
    """What persons, or machines, decided last on a revision."""
    for outcome, reasons, candidates, label, right, deciders in ledger.query(
        "SELECT outcome, reasons, candidates, label, answer_right, deciders FROM decisions"
        " WHERE revision_id = ? AND kind = ? ORDER BY id DESC LIMIT 1",
        (revision, kind),
    ):
        return Decision.model_validate(
            {
                "revision_id": revision,
                "outcome": outcome,
                "kind": kind,
                "reasons": json.loads(str(reasons)),
                "candidates": json.loads(str(candidates)),
                "label": label,
                "answer_right": None if right is None else bool(right),
                "deciders": json.loads(str(deciders)),
            }
        )
    return None


def insert_decision(db: sqlite3.Connection, seed: str, decision: Decision) -> None:
    """A decision on a revision, as part of an open transaction."""
    data = decision.model_dump(mode="json")
    db.execute(
        "INSERT INTO decisions (seed_id, revision_id, outcome, kind, reasons, candidates, label, answer_right,"
        " deciders, at) VALUES (?,?,?,?,?,?,?,?,?,?)",
        (
            seed,
            decision.revision_id,
            decision.outcome,
            decision.kind,
            *(json.dumps(data[name]) for name in ("reasons", "candidates")),
            data["label"],
            decision.answer_right,
            json.dumps(data["deciders"]),
            now(),
        ),
    )
    if decision.outcome == "waiting":
        # Someone took an answer back: the record is open again, and pushed again in case it had left the queue.
        db.execute(
            "UPDATE review_records SET closed_at = NULL, closed_why = NULL, pushed_at = NULL"
            " WHERE revision_id = ? AND queue <> 'adjudication' AND closed_why = 'decided'",
            (decision.revision_id,),
        )


def newest_label_decision(ledger: Ledger, seed: str, kind: Kind) -> tuple[str, tuple[str, ...]] | None:
    """(label, deciders) of what persons, or machines, decided last on a prompt."""
    for label, deciders in ledger.query(
        "SELECT label, deciders FROM decisions WHERE seed_id = ? AND revision_id IS NULL AND kind = ?"
        " ORDER BY id DESC LIMIT 1",
        (seed, kind),
    ):
        return str(label), tuple(json.loads(str(deciders)))
    return None


def insert_label_decision(
    db: sqlite3.Connection, seed: str, label: Label, kind: Kind, reasons: Sequence[str], deciders: Sequence[str]
) -> None:
    """What a prompt is said to be, as part of an open transaction: the decision and the label event."""
    db.execute(
        "INSERT INTO decisions (seed_id, outcome, kind, reasons, candidates, label, deciders, at)"
        " VALUES (?,'relabelled',?,?,'[]',?,?,?)",
        (seed, kind, json.dumps(list(reasons)), label, json.dumps(list(deciders)), now()),
    )
    insert_label(db, seed, label, kind, deciders, "; ".join(reasons))


def insert_label(
    db: sqlite3.Connection, seed: str, label: Label, kind: Kind, deciders: Sequence[str], note: str
) -> None:
    """A label event, as part of an open transaction. A machine account's is a model's: it is never a person's word."""
    origin: LabelOrigin = "person" if kind == "person" else "model"
    author = ", ".join(deciders)
    insert_label_event(db, LabelEvent(seed_id=seed, label=label, origin=origin, author=author, note=note))
