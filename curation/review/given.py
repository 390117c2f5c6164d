"""What planning needs to know of the records that were given out already, out of the ledger."""

from curation.ledger import Ledger
from curation.review.assign import Given
from curation.review.records import RECORD_COLUMNS, read_record


def read_given(ledger: Ledger) -> list[Given]:
    """Every record of the project, open or not, queue by queue in the order in which they are served."""
    answered: dict[str, set[str]] = {}
    skipped: dict[str, set[str]] = {}
    for record_id, annotator, status in ledger.query("SELECT record_id, annotator, status FROM responses_now"):
        answered.setdefault(str(record_id), set()).add(str(annotator))
        if status == "skipped":
            skipped.setdefault(str(record_id), set()).add(str(annotator))
    wrote: dict[str, set[str]] = {}
    for draft, author in ledger.query("SELECT draft_id, author FROM revisions WHERE number > 1"):
        wrote.setdefault(str(draft), set()).update(str(author).split(", "))
    given = []
    for row in ledger.query(
        f"""SELECT {RECORD_COLUMNS}, seeds.category, drafts.branch, drafts.id, closed_at IS NULL
        FROM review_records
        JOIN seeds ON seeds.id = review_records.seed_id
        LEFT JOIN revisions ON revisions.id = review_records.revision_id
        LEFT JOIN drafts ON drafts.id = revisions.draft_id
        ORDER BY queue, position, review_records.id"""  # noqa: S608
    ):
        *columns, category, branch, draft, is_open = row
        record = read_record(columns)
        given.append(
            Given(
                record,
                category=None if category is None else str(category),
                branch="harmful" if branch == "harmful" else "benign" if branch == "benign" else None,
                # An edit's author is not asked about a later edit either: it has their words in it.
                writers=frozenset(wrote.get(str(draft), ())) if record.round > 1 else frozenset(),
                answered=frozenset(answered.get(record.id, ())),
                skipped=frozenset(skipped.get(record.id, ())),
                open=bool(is_open),
            )
        )
    return given
