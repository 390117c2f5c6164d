"""The audit trail: who said what, when, on which revision, under which guidelines, and what it came to.

Names leave the ledger as pseudonyms, unless the project says otherwise (`[annotators] pseudonyms = false`).
"""

import json
from collections.abc import Mapping

from curation.ledger import Ledger
from curation.review.accounts import list_annotators
from curation.status import values
from schemas.errors import UsageError
from schemas.example import Frozen


class SaidOnce(Frozen):
    """One version of one answer, or one decision, as a row."""

    at: str
    """UTC, ISO 8601: an answer's by Argilla's clock, a decision's by the ledger's."""
    event: str
    """answer, decision."""
    who: str
    """The annotator, or the deciders of a decision, comma-separated."""
    kind: str
    seed_id: str
    revision_id: str | None
    queue: str | None
    purpose: str | None
    version: int | None
    said: str
    """The choice, label or outcome; 'skipped' for a discarded record."""
    answer_right: str | None
    problems: str
    edited: str
    """Names of the stages whose text was changed, comma-separated."""
    comment: str
    guidelines: str | None


def require_row(ledger: Ledger, row: str) -> None:
    """Raises UsageError: no seed, draft or revision has this id."""
    if not ledger.query(
        "SELECT 1 FROM seeds WHERE id = ?1 UNION SELECT 1 FROM drafts WHERE id = ?1"
        " UNION SELECT 1 FROM revisions WHERE id = ?1",
        (row,),
    ):
        raise UsageError(f"no seed, draft or revision {row!r}; `curate show` lists drafts with their ids")


def read_trail(ledger: Ledger, *, row: str | None = None, pseudonyms: bool = True) -> list[SaidOnce]:
    """Everything that was said and decided, oldest first; of one seed, draft or revision where `row` names it.

    With `pseudonyms` every name in `who` is replaced; comments are free text, and left out: they may hold names.
    """
    names = {one.name: one.pseudonym for one in list_annotators(ledger)} if pseudonyms else None
    rows = ledger.query(
        """SELECT answered_at, 'answer', annotator, responses.kind, seed_id, revision_id, queue, purpose, version,
            CASE status WHEN 'skipped' THEN 'skipped' ELSE COALESCE(choice, responses.label) END, answer_right,
            problems, texts, comment, guidelines
        FROM responses JOIN review_records ON review_records.id = record_id
        WHERE ?1 IS NULL OR seed_id = ?1 OR revision_id = ?1 OR revision_id LIKE ?1 || '.%'
        UNION ALL
        SELECT at, 'decision', deciders, kind, seed_id, revision_id, NULL, NULL, NULL,
            CASE WHEN revision_id IS NULL THEN label ELSE outcome END,
            CASE answer_right WHEN 1 THEN 'yes' WHEN 0 THEN 'no' END, '[]', '{}', '', NULL
        FROM decisions
        WHERE ?1 IS NULL OR seed_id = ?1 OR revision_id = ?1 OR revision_id LIKE ?1 || '.%'
        ORDER BY 1, 2, 3""",
        (row,),
    )
    return [
        *values(
            SaidOnce,
            (
                (
                    *(at, event, _who(str(who), names), kind, *between),
                    *(_listed(problems), _listed(texts), "" if pseudonyms else comment, guidelines),
                )
                for at, event, who, kind, *between, problems, texts, comment, guidelines in rows
            ),
        )
    ]


def _who(who: str, names: Mapping[str, str] | None) -> str:
    """Annotators, by pseudonym where there are any; one without a pseudonym is 'unknown', never a name."""
    said = json.loads(who) if who.startswith("[") else [who]
    return ", ".join(name if names is None else names.get(name, "unknown") for name in said)


def _listed(texts: object) -> str:
    return ", ".join(json.loads(str(texts)))
