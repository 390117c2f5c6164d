"""Everything the ledger knows about one row: its prompt, labels, traces and drafts, who wrote what, and the cost."""

import json
import sqlite3
import sys
from collections.abc import Iterable
from typing import Literal, NamedTuple

from curation.ledger import Ledger
from curation.status import snapshot, values
from schemas.errors import UsageError
from schemas.example import Branch, CheckResult, Failure, Frozen, LabelOrigin, Origin, Seed, Span, Trace

LEAST_PREFIX = 4
"""Characters of an id that must be given, its letter counted."""

CANDIDATES = 5
"""How many of the ids that a beginning fits are named."""


class SaidLabel(Frozen):
    """A label event as it stands in the ledger."""

    label: str
    origin: LabelOrigin
    author: str
    note: str
    at: str


class PaidCall(Frozen):
    """A reply that a row needed, without its text."""

    id: int
    purpose: str
    prompt_version: str
    endpoint: str
    model: str
    outcome: str
    tokens_in: int
    tokens_out: int
    usd: float | None
    latency_seconds: float
    attempts: int
    at: str


class OriginPiece(Frozen):
    """A run of characters of a completion: where it stands, where it came from, and which call wrote it."""

    stage: str
    span: Span
    origin: Origin
    source_start: int | None
    wording: str | None
    call_id: int | None


class DraftRecord(Frozen):
    """One revision of a draft."""

    id: str
    revision: int
    revisions: int
    structure: str
    branch: Branch
    branch_from: Literal["person", "dataset", "model"]
    model_verdict: Branch | None
    author: str
    author_kind: Literal["machine", "person"]
    reason: str | None
    notes: tuple[str, ...]
    blocked: bool
    at: str
    completion: str
    pieces: tuple[OriginPiece, ...]
    checks: tuple[CheckResult, ...]


class DraftName(Frozen):
    id: str
    structure: str


class FailedTask(Frozen):
    """A failure that waits for a retry."""

    task: str
    failure: Failure


class TraceRecord(Frozen):
    """A trace, one of its drafts (None: it has none), and the names of the others."""

    trace: Trace
    declines: bool | None
    label: str | None
    label_from: str | None
    source_complied: bool
    draft: DraftRecord | None
    other_drafts: tuple[DraftName, ...]
    failures: tuple[FailedTask, ...]
    calls: tuple[PaidCall, ...]


class Record(Frozen):
    """A seed and those of its traces that were asked for."""

    seed: Seed
    added_at: str
    label: str | None
    label_from: str | None
    labels: tuple[SaidLabel, ...]
    failures: tuple[FailedTask, ...]
    traces: tuple[TraceRecord, ...]


class Found(NamedTuple):
    """What an id stands for: a seed, and of it one trace, one draft or one revision, where the id is of such a row."""

    seed: str
    trace: str | None = None
    draft: str | None = None
    revision: int | None = None


def read_record(ledger: Ledger, asked: str, structure: str | None = None) -> Record:
    """The record of a seed, trace, draft or revision, by its id, the id's beginning, or its own id in its source.

    `structure`: which draft of a seed or trace to take; else the newest. Raises UsageError: no such row, or several.
    """
    asked = asked.encode(errors="replace").decode()  # a shell can hand over bytes that are no text
    with snapshot(ledger) as db:
        return _read(db, _find(db, asked), structure)


def _find(db: sqlite3.Connection, asked: str) -> Found:
    rows = [*_by_prefix(db, asked, exact=True)] or [
        (seed, Found(seed)) for (seed,) in db.execute("SELECT id FROM seeds WHERE source_id = ?", (asked,))
    ]
    if not rows:
        if len(asked) < LEAST_PREFIX:
            raise UsageError(f"{asked!r}: give at least {LEAST_PREFIX} characters of an id; `curate show` lists drafts")
        rows = [*_by_prefix(db, asked, exact=False)]
    if not rows:
        raise UsageError(f"{asked!r}: no seed, trace, draft or revision has this id; `curate show` lists drafts")
    if len(rows) > 1:
        named = ", ".join(name for name, _ in rows[:CANDIDATES])
        more = f" and {len(rows) - CANDIDATES} more" if len(rows) > CANDIDATES else ""
        raise UsageError(f"{asked!r}: fits {len(rows)} rows, {named}{more}; give one of these ids")
    return rows[0][1]


def _by_prefix(db: sqlite3.Connection, asked: str, *, exact: bool) -> Iterable[tuple[str, Found]]:
    """(id, what it stands for) of the rows whose id is `asked`, or begins so."""
    draft, dot, number = asked.rpartition(".")
    is_revision = bool(dot) and number.isdecimal() and len(number) < 10
    start = draft if is_revision else asked
    between = (start, start if exact else start + chr(sys.maxunicode))
    if is_revision:
        for name, seed, trace, found in db.execute(
            "SELECT revisions.id, seed_id, trace_id, draft_id FROM revisions JOIN drafts ON drafts.id = draft_id"
            " WHERE draft_id BETWEEN ? AND ? AND number = ?",
            (*between, int(number)),
        ):
            yield name, Found(seed, trace, found, int(number))
        return
    for (seed,) in db.execute("SELECT id FROM seeds WHERE id BETWEEN ? AND ?", between):
        yield seed, Found(seed)
    for trace, seed in db.execute("SELECT id, seed_id FROM traces WHERE id BETWEEN ? AND ?", between):
        yield trace, Found(seed, trace)
    for found, seed, trace in db.execute("SELECT id, seed_id, trace_id FROM drafts WHERE id BETWEEN ? AND ?", between):
        yield found, Found(seed, trace, found)


def _read(db: sqlite3.Connection, found: Found, structure: str | None) -> Record:
    columns = "id, family, prompt, source, source_id, license, category, style, reference"
    *seed, added_at, label, label_from = db.execute(
        f"SELECT {columns}, added_at, label, origin FROM seeds JOIN seed_labels ON seed_id = id WHERE id = ?",  # noqa: S608
        (found.seed,),
    ).fetchone()
    traces = (
        [found.trace]
        if found.trace
        else _column(db, "SELECT id FROM traces WHERE seed_id = ? ORDER BY added_at, id", found.seed)
    )
    return Record(
        seed=Seed.model_validate(dict(zip(columns.split(", "), seed, strict=True))),
        added_at=added_at,
        label=label,
        label_from=label_from,
        labels=values(
            SaidLabel,
            db.execute(
                "SELECT label, origin, author, note, at FROM labels WHERE seed_id = ? ORDER BY id", (found.seed,)
            ),
        ),
        failures=_failures(db, "seed_id = ? AND trace_id IS NULL", found.seed),
        traces=tuple(_read_trace(db, trace, found, structure) for trace in traces),
    )


def _read_trace(db: sqlite3.Connection, trace: str, found: Found, structure: str | None) -> TraceRecord:
    seed, text, answer, model, call, declines, label, label_from, complied = db.execute(
        "SELECT traces.seed_id, text, answer, model, call_id, traces.declines, label, origin, source_complied"
        " FROM traces JOIN trace_labels ON trace_id = id WHERE id = ?",
        (trace,),
    ).fetchone()
    drafts = [
        DraftName(id=draft, structure=of)
        for draft, of in db.execute(
            "SELECT draft_id, structure FROM drafts_now WHERE trace_id = ? ORDER BY at DESC, draft_id", (trace,)
        )
    ]
    chosen = next(
        (
            draft.id
            for draft in drafts
            if (draft.id == found.draft if found.draft else structure in (None, draft.structure))
        ),
        None,
    )
    fields = ", ".join(PaidCall.model_fields)
    return TraceRecord(
        trace=Trace(id=trace, seed_id=seed, text=text, answer=answer, model=model),
        declines=declines,
        label=label,
        label_from=label_from,
        source_complied=complied,
        draft=_read_draft(db, chosen, found.revision) if chosen else None,
        other_drafts=tuple(draft for draft in drafts if draft.id != chosen),
        failures=_failures(db, "trace_id = ?", trace),
        calls=values(
            PaidCall,
            db.execute(
                f"SELECT {fields} FROM calls WHERE seed_id = ? AND (trace_id = ? OR id = ?) ORDER BY id",  # noqa: S608
                (seed, trace, call),
            ),
        ),
    )


def _read_draft(db: sqlite3.Connection, draft: str, number: int | None) -> DraftRecord:
    (newest,) = db.execute("SELECT MAX(number) FROM revisions WHERE draft_id = ?", (draft,)).fetchone()
    revision = f"{draft}.{number or newest}"
    columns = (
        *("structure", "branch", "branch_from", "model_verdict"),
        *("author", "author_kind", "reason", "blocked", "completion"),
    )
    *row, notes, at = db.execute(
        f"SELECT {', '.join(columns)}, notes, revisions.at FROM revisions JOIN drafts ON drafts.id = draft_id"  # noqa: S608
        " WHERE revisions.id = ?",
        (revision,),
    ).fetchone()
    pieces = tuple(
        OriginPiece(
            stage=stage,
            span=Span(start=start, end=end),
            origin=origin,
            source_start=source_start,
            wording=wording,
            call_id=call,
        )
        for stage, start, end, origin, source_start, wording, call in db.execute(
            "SELECT stage, start, end, origin, source_start, wording, call_id FROM pieces WHERE revision_id = ?"
            " ORDER BY position",
            (revision,),
        )
    )
    checks = db.execute(
        "SELECT rule, blocking, reason FROM check_results WHERE revision_id = ? ORDER BY blocking DESC, rule",
        (revision,),
    )
    return DraftRecord.model_validate(
        dict(zip(columns, row, strict=True))
        | {"id": draft, "revision": number or newest, "revisions": newest, "notes": json.loads(notes), "at": at}
        | {"pieces": pieces, "checks": values(CheckResult, checks)}
    )


def _failures(db: sqlite3.Connection, condition: str, row_id: str) -> tuple[FailedTask, ...]:
    return tuple(
        FailedTask(task=task, failure=Failure(kind=kind, reason=reason))
        for task, kind, reason in db.execute(
            f"SELECT task, kind, reason FROM failures WHERE {condition} AND cleared_at IS NULL ORDER BY id",  # noqa: S608
            (row_id,),
        )
    )


def _column(db: sqlite3.Connection, sql: str, *parameters: object) -> list[str]:
    return [value for (value,) in db.execute(sql, parameters)]
