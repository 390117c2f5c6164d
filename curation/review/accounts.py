"""Who reviews, as the ledger knows them: name, kind, role, pseudonym, what they opted out of; never a password."""

import json
import secrets
from collections.abc import Iterable

from pydantic import Field

from curation.ledger import Ledger, now
from schemas.example import Frozen
from schemas.review import Annotator

_COLUMNS = "name, kind, role, pseudonym, opted_out, active"


class Workload(Frozen):
    """How much someone has done and has still to do."""

    answered: int = Field(description="records that they answered or skipped")
    waiting: int = Field(description="open records that they are asked about and have not answered")


def list_annotators(ledger: Ledger) -> list[Annotator]:
    """Every account that was ever added, active or not, by name."""
    return [_annotator(row) for row in ledger.query(f"SELECT {_COLUMNS} FROM annotators ORDER BY name")]  # noqa: S608


def find_annotator(ledger: Ledger, name: str) -> Annotator | None:
    rows = ledger.query(f"SELECT {_COLUMNS} FROM annotators WHERE name = ?", (name,))  # noqa: S608
    return _annotator(rows[0]) if rows else None


def save_annotator(ledger: Ledger, annotator: Annotator) -> None:
    """Adds an account, or brings what it opted out of and whether it is active up to date; the rest stays for ever."""
    with ledger.transaction() as db:
        db.execute(
            f"INSERT INTO annotators ({_COLUMNS}, added_at) VALUES (?,?,?,?,?,?,?)"  # noqa: S608
            " ON CONFLICT (name) DO UPDATE SET opted_out = excluded.opted_out, active = excluded.active",
            (
                *(annotator.name, annotator.kind, annotator.role, annotator.pseudonym),
                *(json.dumps(annotator.opted_out), annotator.active, now()),
            ),
        )


def set_active(ledger: Ledger, name: str, active: bool) -> None:
    with ledger.transaction() as db:
        db.execute("UPDATE annotators SET active = ? WHERE name = ?", (active, name))


def set_opt_out(ledger: Ledger, name: str, categories: Iterable[str]) -> None:
    """Records of these categories, and of no others, go to somebody else from now on."""
    with ledger.transaction() as db:
        db.execute("UPDATE annotators SET opted_out = ? WHERE name = ?", (json.dumps(sorted(set(categories))), name))


def new_pseudonym(ledger: Ledger) -> str:
    """A name that tells nothing of the person, e.g. 'annotator-3f9c'; nobody else has it."""
    used = {annotator.pseudonym for annotator in list_annotators(ledger)}
    while (name := f"annotator-{secrets.token_hex(2)}") in used:
        pass
    return name


def known_categories(ledger: Ledger) -> frozenset[str]:
    """Categories that prompts of this project have."""
    return frozenset(
        str(name) for (name,) in ledger.query("SELECT DISTINCT category FROM seeds WHERE category NOT NULL")
    )


def workloads(ledger: Ledger) -> dict[str, Workload]:
    """What everybody has done and has still to do, by name; who has neither is not there."""
    answered = _counts(ledger, "SELECT annotator, COUNT(*) FROM responses_now GROUP BY annotator")
    waiting = _counts(
        ledger,
        "SELECT value, COUNT(*) FROM review_records, JSON_EACH(assigned) WHERE closed_at IS NULL"
        " AND NOT EXISTS (SELECT 1 FROM responses WHERE record_id = review_records.id AND annotator = value)"
        " GROUP BY value",
    )
    return {name: Workload(answered=answered.get(name, 0), waiting=waiting.get(name, 0)) for name in answered | waiting}


def _counts(ledger: Ledger, sql: str) -> dict[str, int]:
    return {str(name): int(str(count)) for name, count in ledger.query(sql)}


def _annotator(row: tuple[object, ...]) -> Annotator:
    name, kind, role, pseudonym, opted_out, active = row
    return Annotator.model_validate(
        {
            "name": name,
            "kind": kind,
            "role": role,
            "pseudonym": pseudonym,
            "opted_out": json.loads(str(opted_out)),
            "active": bool(active),
        }
    )
