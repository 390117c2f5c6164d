"""How far the review is: queues, decisions, agreement, what is disputed and what waits for the adjudicator. Only looks.

No figure is about one annotator: how often each is right is the lead's to know (gold.py).
"""

import json
import sqlite3
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import NamedTuple, cast

from curation.ledger import Ledger
from curation.review.accounts import list_annotators
from curation.review.agreement import Judged, measure
from curation.review.assign import active, is_heard, standing
from curation.review.decide import VOTES, vote_of
from curation.review.responses import read_responses
from curation.status import snapshot
from schemas.example import Branch, Label
from schemas.report import Adjudicated, Disputed, OutcomeCounts, QueueCounts, ReviewStatus
from schemas.review import QUEUES, Kind, Problem, Purpose, Queue, Response

OUTCOMES = ("approved", "edited", "rejected", "relabelled", "adjudicate")
"""All but 'waiting', which is no decision yet."""

PAUSE = timedelta(minutes=10)
"""Where nobody answers for so long, nobody is at work: the time does not count in the pace."""

FEWEST_ANSWERS = 10
"""With fewer the pace says nothing."""

MOST_DISPUTED = 10


class _Record(NamedTuple):
    """A record and the newest answers to it."""

    id: str
    queue: Queue
    purpose: Purpose
    needed: int
    blind: bool
    pushed: bool
    closed: bool
    decided: bool
    """It left its queue since a decision was reached."""
    revision_id: str | None
    draft_id: str | None
    branch: Branch | None
    category: str | None
    responses: tuple[Response, ...]

    def heard(self, kind: Kind) -> list[Response]:
        """The answers that a project which waits for this kind counts: persons' alone, or everybody's."""
        return [r for r in self.responses if r.status == "submitted" and is_heard(r.kind, kind)]


def count_review(ledger: Ledger, structure: str) -> ReviewStatus:
    """Where the review of a structure's drafts is, now. Raises LedgerError."""
    with snapshot(ledger) as db:
        annotators = list_annotators(ledger)
        kind = standing(annotators)
        records = _read_records(ledger, db, structure)
        blocked, undecided, decided = _count_drafts(db, structure)
        return ReviewStatus(
            structure=structure,
            annotators=len(active(annotators)),
            queues=tuple(
                _count_queue(queue, found, kind)
                for queue in QUEUES
                if (found := [record for record in records if record.queue == queue])
            ),
            drafts=blocked + undecided + sum(row.person + row.machine for row in decided),
            blocked=blocked,
            undecided=undecided,
            decided=decided,
            revisions=_count_revisions(db, structure),
            labels=_count_labels(db),
            agreement=measure(
                Judged(response, record.queue, record.purpose, record.branch, record.category, record.blind)
                for record in records
                for response in record.responses
            ),
            disputed=_find_disputed(records, kind),
            adjudication=_list_adjudication(db, structure),
        )


def _read_records(ledger: Ledger, db: sqlite3.Connection, structure: str) -> list[_Record]:
    rows = db.execute(
        """SELECT review_records.id, queue, purpose, needed, blind, pushed_at IS NOT NULL, closed_at IS NOT NULL,
            closed_why IN ('decided', 'labelled') IS TRUE, revision_id, drafts.id, branch, category
        FROM review_records
        JOIN seeds ON seeds.id = review_records.seed_id
        LEFT JOIN revisions ON revisions.id = revision_id
        LEFT JOIN drafts ON drafts.id = draft_id
        WHERE queue = 'labels' OR structure = ?
        ORDER BY review_records.id""",
        (structure,),
    ).fetchall()
    responses = read_responses(ledger, [row[0] for row in rows])
    return [
        _Record(
            *(record, queue, purpose, needed, bool(blind), bool(pushed), bool(closed), bool(decided)),
            *(revision, draft, branch, category, tuple(responses.get(record, ()))),
        )
        for record, queue, purpose, needed, blind, pushed, closed, decided, revision, draft, branch, category in rows
    ]


# -- queues


def _count_queue(queue: Queue, records: Sequence[_Record], kind: Kind) -> QueueCounts:
    heard = {record.id: record.heard(kind) for record in records}
    states: Counter[str] = Counter()
    open_answers = 0
    for record in records:
        missing = record.needed - len(heard[record.id])
        if missing <= 0 or record.decided:
            states["done"] += 1
        elif record.closed:
            states["superseded"] += 1
        else:
            states["pending" if record.pushed else "unpushed"] += 1
            open_answers += missing
    responses = [response for record in records for response in record.responses]
    given = Counter(response.kind for response in responses if response.status == "submitted")
    pace = find_pace(response.answered_at for found in heard.values() for response in found)
    return QueueCounts(
        queue=queue,
        records=len(records),
        done=states["done"],
        pending=states["pending"],
        unpushed=states["unpushed"],
        superseded=states["superseded"],
        answers_person=given["person"],
        answers_machine=given["machine"],
        skips=sum(response.status == "skipped" for response in responses),
        waste=sum(max(0, len(heard[record.id]) - record.needed) for record in records),
        open_answers=open_answers,
        pace=pace,
        hours_left=0.0 if not open_answers else open_answers / pace if pace else None,
    )


def find_pace(times: Iterable[str]) -> float | None:
    """Answers an hour by all together, while anybody is at work. `times`: UTC, ISO 8601.

    Every answer but the first after a pause closes a stretch of work; None where there are too few of them to tell.
    """
    moments = sorted(map(datetime.fromisoformat, times))
    stretches = [gap for one, other in pairwise(moments) if (gap := other - one) <= PAUSE]
    hours = sum(stretches, timedelta()) / timedelta(hours=1)
    return len(stretches) / hours if len(stretches) >= FEWEST_ANSWERS and hours else None


# -- decisions


def _count_drafts(db: sqlite3.Connection, structure: str) -> tuple[int, int, tuple[OutcomeCounts, ...]]:
    """(blocked, undecided, decided by outcome) of the drafts that stand. A decision goes before a check."""
    blocked = undecided = 0
    decided: dict[tuple[str, str], int] = {}
    for outcome, kind, stopped, number in db.execute(
        "SELECT outcome, kind, blocked, COUNT(*) FROM review_now WHERE structure = ? GROUP BY 1, 2, 3", (structure,)
    ):
        if outcome != "waiting":
            decided[outcome, kind] = decided.get((outcome, kind), 0) + number
        elif stopped:
            blocked += number
        else:
            undecided += number
    return blocked, undecided, _by_kind(OUTCOMES, decided)


def _count_revisions(db: sqlite3.Connection, structure: str) -> tuple[OutcomeCounts, ...]:
    rows = db.execute(
        """SELECT outcome, kind, COUNT(*) FROM decisions_now
        JOIN revisions ON revisions.id = revision_id JOIN drafts ON drafts.id = draft_id
        WHERE structure = ? GROUP BY 1, 2""",
        (structure,),
    )
    return _by_kind(OUTCOMES, {(outcome, kind): number for outcome, kind, number in rows})


def _count_labels(db: sqlite3.Connection) -> tuple[OutcomeCounts, ...]:
    rows = db.execute(
        """SELECT label, kind, COUNT(*) FROM (
            SELECT label, kind, ROW_NUMBER() OVER (PARTITION BY seed_id ORDER BY kind = 'person' DESC, id DESC) AS place
            FROM decisions WHERE revision_id IS NULL)
        WHERE place = 1 GROUP BY 1, 2"""
    )
    return _by_kind(tuple(Label), {(label, kind): number for label, kind, number in rows})


def _by_kind(outcomes: Sequence[str], numbers: Mapping[tuple[str, str], int]) -> tuple[OutcomeCounts, ...]:
    rows = (
        OutcomeCounts(
            outcome=outcome, person=numbers.get((outcome, "person"), 0), machine=numbers.get((outcome, "machine"), 0)
        )
        for outcome in outcomes
    )
    return tuple(row for row in rows if row.person or row.machine)


def _list_adjudication(db: sqlite3.Connection, structure: str) -> tuple[Adjudicated, ...]:
    return tuple(
        Adjudicated(
            draft_id=draft,
            revision_id=revision,
            branch=branch,
            category=category,
            kind=kind,
            reasons=tuple(json.loads(reasons)),
            candidates=len(json.loads(candidates)),
            since=at,
        )
        for draft, revision, branch, category, kind, reasons, candidates, at in db.execute(
            """SELECT draft_id, revision_id, branch, category, review_now.kind, reasons, candidates, at
            FROM review_now JOIN decisions_now USING (revision_id)
            WHERE structure = ? AND review_now.outcome = 'adjudicate' ORDER BY at, draft_id""",
            (structure,),
        )
    )


# -- disputes


def _find_disputed(records: Iterable[_Record], kind: Kind) -> tuple[Disputed, ...]:
    """Records whose answers are not all the same vote: those first in which the fewest pairs agree, and of these the
    ones with the most answers."""
    found: dict[tuple[float, int, str, str], Disputed] = {}
    for record in records:
        if record.purpose != "review" or record.queue not in ("calibration", "drafts"):
            continue
        heard = record.heard(kind)
        votes = Counter(map(vote_of, heard))
        if len(votes) < 2:
            continue
        pairs = len(heard) * (len(heard) - 1)
        alike = sum(number * (number - 1) for number in votes.values()) / pairs
        named = Counter(problem for response in heard for problem in response.problems)
        found[alike, -len(heard), str(record.revision_id), record.id] = Disputed(
            draft_id=str(record.draft_id),
            revision_id=str(record.revision_id),
            branch=cast(Branch, record.branch),
            category=record.category,
            votes={vote: votes[vote] for vote in VOTES if votes[vote]},
            problems={problem: named[problem] for problem in Problem if named[problem]},
        )
    return tuple(found[key] for key in sorted(found)[:MOST_DISPUTED])
