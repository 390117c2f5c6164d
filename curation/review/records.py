"""The ledger's side of the queues: which revisions wait for review, and which records were made of them.

waiting_drafts, waiting_adjudication, waiting_labels     rows that have no record yet
insert_records, confirm_pushed, close_records            what became of a record
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, cast

from curation.ledger import Ledger, now
from curation.review.queue import Waiting
from schemas.example import Branch
from schemas.review import Candidate, Kind, Queue, ReviewRecord

RECORD_COLUMNS = ", ".join(f"review_records.{name}" for name in ReviewRecord.model_fields)
_LISTS = ("assigned", "candidates")


def waiting_drafts(ledger: Ledger, structure: str, standing: Kind) -> list[Waiting]:
    """Newest revisions, not blocked, of drafts that stand, which no record was made of yet, in order of id.

    `standing`: whose answers the project waits for. Where that is persons', what a machine decided waits again.
    """
    rows = ledger.query(
        """SELECT drafts_now.seed_id, drafts_now.revision_id, drafts_now.branch, drafts_now.category, revision,
            drafts_now.draft_id,
            COALESCE(model_verdict <> drafts_now.branch, 0)
                OR EXISTS (SELECT 1 FROM check_results WHERE check_results.revision_id = drafts_now.revision_id)
                OR EXISTS (SELECT 1 FROM revisions, JSON_EACH(notes) WHERE revisions.id = drafts_now.revision_id
                    AND value IN ('no_label', 'source_complied')),
            (SELECT COUNT(*) FROM review_records AS made
                WHERE made.revision_id = drafts_now.revision_id AND purpose = 'review') AS made
        FROM drafts_now LEFT JOIN decisions_now ON decisions_now.revision_id = drafts_now.revision_id
        WHERE structure = ?1 AND NOT blocked AND CASE COALESCE(decisions_now.kind, '')
            WHEN '' THEN made = 0
            WHEN 'machine' THEN ?2 = 'person' AND NOT EXISTS (SELECT 1 FROM review_records AS open
                WHERE open.revision_id = drafts_now.revision_id AND closed_at IS NULL)
            ELSE 0 END
        ORDER BY drafts_now.draft_id""",
        (structure, standing),
    )
    known = _people_of(ledger, [str(row[5]) for row in rows if int(str(row[4])) > 1])
    return [
        Waiting(
            seed_id=str(seed),
            revision_id=str(revision),
            branch=cast(Branch, branch),
            category=_text(category),
            doubtful=bool(doubtful),
            round=int(str(number)),
            writers=known.get(str(draft), (frozenset(), frozenset()))[0],
            already=known.get(str(draft), (frozenset(), frozenset()))[1],
            serial=int(str(made)),
        )
        for seed, revision, branch, category, number, draft, doubtful, made in rows
    ]


def waiting_adjudication(ledger: Ledger, structure: str, standing: Kind) -> list[Waiting]:
    """Newest revisions that the adjudicator must decide and that stand in no open record for that, in order of id.

    `standing`: as in `waiting_drafts`.
    """
    rows = ledger.query(
        """SELECT review_now.seed_id, revision_id, branch, category,
            (SELECT number FROM revisions WHERE revisions.id = review_now.revision_id),
            (SELECT COUNT(*) FROM review_records AS made
                WHERE made.revision_id = review_now.revision_id AND made.queue = 'adjudication')
        FROM review_now
        WHERE structure = ?1 AND outcome = 'adjudicate' AND (kind = 'person' OR ?2 = 'machine')
            AND NOT EXISTS (SELECT 1 FROM review_records WHERE review_records.revision_id = review_now.revision_id
                AND queue = 'adjudication' AND closed_at IS NULL)
        ORDER BY draft_id""",
        (structure, standing),
    )
    return [
        Waiting(
            str(seed),
            str(revision),
            cast(Branch, branch),
            _text(category),
            doubtful=True,
            round=int(str(number)),
            needed=1,
            serial=int(str(made)),
        )
        for seed, revision, branch, category, number, made in rows
    ]


def waiting_labels(ledger: Ledger, everything: bool, standing: Kind) -> list[Waiting]:
    """Prompts that no person labelled and no record asks about: those without a label or with a doubtful one (the
    answer complied, or a draft's blind verdict says otherwise), or all of them, in order of id.

    `standing`: as in `waiting_drafts`.
    """
    rows = ledger.query(
        """SELECT seeds.id, said.label, seeds.category,
            said.label IS NULL
                OR EXISTS (SELECT 1 FROM trace_labels WHERE trace_labels.seed_id = seeds.id AND source_complied)
                OR EXISTS (SELECT 1 FROM drafts WHERE drafts.seed_id = seeds.id AND retired_at IS NULL
                    AND model_verdict <> branch),
            (SELECT COUNT(*) FROM review_records AS made WHERE made.seed_id = seeds.id AND queue = 'labels')
        FROM seeds JOIN seed_labels AS said ON said.seed_id = seeds.id
        WHERE said.origin IS NOT 'person' AND NOT EXISTS (SELECT 1 FROM review_records
            WHERE review_records.seed_id = seeds.id AND queue = 'labels' AND (closed_at IS NULL OR ? = 'machine'))
        ORDER BY seeds.id""",
        (standing,),
    )
    return [
        Waiting(
            str(seed),
            branch=label if label == "harmful" or label == "benign" else None,
            category=_text(category),
            doubtful=bool(doubtful),
            serial=int(str(made)),
        )
        for seed, label, category, doubtful, made in rows
        if everything or doubtful
    ]


def _people_of(ledger: Ledger, drafts: Sequence[str]) -> dict[str, tuple[frozenset[str], frozenset[str]]]:
    """(who wrote, who answered) of these drafts, whatever the revision."""
    asked = json.dumps(drafts)
    wrote: dict[str, set[str]] = {}
    answered: dict[str, set[str]] = {}
    for draft, author in ledger.query(
        "SELECT draft_id, author FROM revisions WHERE number > 1 AND draft_id IN (SELECT value FROM JSON_EACH(?))",
        (asked,),
    ):
        wrote.setdefault(str(draft), set()).update(str(author).split(", "))
    for draft, annotator in ledger.query(
        "SELECT DISTINCT draft_id, annotator FROM responses JOIN review_records ON review_records.id = record_id"
        " JOIN revisions ON revisions.id = revision_id WHERE draft_id IN (SELECT value FROM JSON_EACH(?))",
        (asked,),
    ):
        answered.setdefault(str(draft), set()).add(str(annotator))
    return {draft: (frozenset(wrote.get(draft, ())), frozenset(answered.get(draft, ()))) for draft in wrote | answered}


def writers_of(ledger: Ledger, revision: str) -> tuple[str, ...]:
    """Annotators whose edits led to a revision, sorted; empty for what the machine made."""
    rows = ledger.query(
        "SELECT author FROM revisions WHERE number > 1 AND draft_id = (SELECT draft_id FROM revisions WHERE id = ?1)"
        " AND number <= (SELECT number FROM revisions WHERE id = ?1)",
        (revision,),
    )
    return tuple(sorted({name for (author,) in rows for name in str(author).split(", ")}))


def is_newest(ledger: Ledger, revision: str) -> bool:
    """Whether a revision is its draft's newest, and the draft stands."""
    return bool(ledger.query("SELECT 1 FROM drafts_now WHERE revision_id = ?", (revision,)))


# -- records


def insert_records(ledger: Ledger, records: Iterable[ReviewRecord]) -> int:
    """Keeps what is about to be pushed; a record that is there already stays as it is. Returns how many are new."""
    at = now()
    with ledger.transaction() as db:
        before = db.total_changes
        db.executemany(
            f"INSERT OR IGNORE INTO review_records ({', '.join(ReviewRecord.model_fields)}, planned_at)"  # noqa: S608
            f" VALUES ({', '.join('?' * len(ReviewRecord.model_fields))}, ?)",
            ((*_columns(record), at) for record in records),
        )
        return db.total_changes - before


def read_records(
    ledger: Ledger,
    *,
    queue: Queue | None = None,
    structure: str | None = None,
    state: Literal["open", "unpushed", "pushed", "all"] = "open",
) -> list[ReviewRecord]:
    """Records in the order in which they are served. `structure`: only of its drafts (the queue of labels has none)."""
    conditions = {
        "open": "closed_at IS NULL",
        "unpushed": "closed_at IS NULL AND pushed_at IS NULL",
        "pushed": "closed_at IS NULL AND pushed_at IS NOT NULL",
        "all": "1",
    }
    rows = ledger.query(
        f"""SELECT {RECORD_COLUMNS} FROM review_records
        WHERE {conditions[state]} AND (?1 IS NULL OR queue = ?1) AND (?2 IS NULL OR (SELECT structure FROM drafts
            WHERE drafts.id = SUBSTR(revision_id, 1, INSTR(revision_id, '.') - 1)) = ?2)
        ORDER BY queue, position, id""",  # noqa: S608
        (queue, structure),
    )
    return [read_record(row) for row in rows]


def find_records(ledger: Ledger, ids: Iterable[str]) -> dict[str, ReviewRecord]:
    """Those of these records that the ledger has, open or not, by id."""
    rows = ledger.query(
        f"SELECT {RECORD_COLUMNS} FROM review_records WHERE id IN (SELECT value FROM JSON_EACH(?))",  # noqa: S608
        (json.dumps(list(ids)),),
    )
    return {record.id: record for record in map(read_record, rows)}


def confirm_pushed(ledger: Ledger, ids: Iterable[str]) -> None:
    """Argilla has these records."""
    at = now()
    with ledger.transaction() as db:
        db.executemany("UPDATE review_records SET pushed_at = ? WHERE id = ?", ((at, record) for record in ids))


def forget_pushed(ledger: Ledger, ids: Iterable[str]) -> None:
    """Argilla has lost these records: they are to be pushed again."""
    with ledger.transaction() as db:
        db.executemany("UPDATE review_records SET pushed_at = NULL WHERE id = ?", ((record,) for record in ids))


def reassign_records(ledger: Ledger, changed: Mapping[str, tuple[tuple[str, ...], int]]) -> None:
    """By record id, its new annotators and how many answers it waits for; such a record is to be sent again."""
    with ledger.transaction() as db:
        db.executemany(
            "UPDATE review_records SET assigned = ?, needed = ?, pushed_at = NULL WHERE id = ?",
            ((json.dumps(names), needed, record) for record, (names, needed) in changed.items()),
        )


def superseded_records(ledger: Ledger, standing: Kind) -> list[tuple[ReviewRecord, str]]:
    """Open records that have no business in a queue any more, each with the reason: a newer revision or label took
    their place, a decision was reached, or a hidden record has its answers.

    `standing`: whose answers the project waits for. Where that is persons', a machine's decision ends nothing.
    """
    rows = ledger.query(
        f"""SELECT {RECORD_COLUMNS},
            CASE WHEN purpose <> 'review' THEN 'answered'
                WHEN review_records.revision_id IS NULL THEN 'labelled'
                WHEN review_now.revision_id IS NULL THEN 'superseded' ELSE 'decided' END
        FROM review_records
        LEFT JOIN review_now ON review_now.revision_id = review_records.revision_id
        WHERE closed_at IS NULL AND CASE
            WHEN purpose <> 'review' THEN needed <=
                (SELECT COUNT(DISTINCT annotator) FROM responses WHERE record_id = review_records.id)
            WHEN review_records.revision_id IS NULL THEN EXISTS (SELECT 1 FROM decisions
                WHERE decisions.seed_id = review_records.seed_id AND decisions.revision_id IS NULL
                AND outcome <> 'waiting' AND (decisions.kind = 'person' OR ?1 = 'machine'))
            WHEN review_now.revision_id IS NULL THEN 1
            WHEN review_now.kind = 'machine' AND ?1 = 'person' THEN 0
            WHEN queue = 'adjudication' THEN outcome NOT IN ('adjudicate', 'waiting')
                OR EXISTS (SELECT 1 FROM responses WHERE record_id = review_records.id)
            ELSE outcome <> 'waiting' END
        ORDER BY queue, position, review_records.id""",  # noqa: S608
        (standing,),
    )
    return [(read_record(row[:-1]), str(row[-1])) for row in rows]


def close_records(ledger: Ledger, closed: Iterable[tuple[str, str]]) -> None:
    """(record id, why) of records that have left their queue."""
    at = now()
    with ledger.transaction() as db:
        db.executemany(
            "UPDATE review_records SET closed_at = ?, closed_why = ? WHERE id = ? AND closed_at IS NULL",
            ((at, why, record) for record, why in closed),
        )


def _columns(record: ReviewRecord) -> tuple[object, ...]:
    data = record.model_dump(mode="json")
    return tuple(json.dumps(data[name]) if name in _LISTS else data[name] for name in ReviewRecord.model_fields)


def read_record(row: Sequence[object]) -> ReviewRecord:
    """A record from its RECORD_COLUMNS."""
    data = dict(zip(ReviewRecord.model_fields, row, strict=True))
    return ReviewRecord.model_validate(data | {name: json.loads(str(data[name])) for name in _LISTS})


def candidates_of(ledger: Ledger, revision: str) -> tuple[Candidate, ...]:
    """The edits that the adjudicator is to choose from, as the decision that counts has them."""
    for (candidates,) in ledger.query("SELECT candidates FROM decisions_now WHERE revision_id = ?", (revision,)):
        return tuple(Candidate.model_validate(candidate) for candidate in json.loads(str(candidates)))
    return ()


def _text(value: object) -> str | None:
    return None if value is None else str(value)
