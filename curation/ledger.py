"""The ledger: one SQLite file that holds everything a project knows. Every write is a transaction.

    with Ledger.open(Path("curate.db")) as ledger:
        ledger.add(rows)                                  seeds, traces, labels
        run = ledger.start_run("generate", "alttrain")
        for row in ledger.lease(run, "alttrain", ids):    rows that no other run holds
            ledger.save_draft(run, draft, results, calls)

The tables and views are documented in migrations/001_first.sql and docs/ledger.md, for whoever opens the file
with sqlite3, Datasette, DuckDB or polars.
"""

import json
import os
import socket
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from curation.database import connect, readable
from schemas.call import Call
from schemas.example import CheckResult, Draft, Failure, Label, LabelEvent, Piece, Seed, Span, Stage, Trace

LEASE_SECONDS = 120.0
"""A run that has not said for so long that it is alive has lost its leases."""


class Work(NamedTuple):
    """A row to be worked on. `label`: what the draft must follow; None: the model's blind verdict decides."""

    seed: Seed
    trace: Trace
    label: Label | None
    label_from: str | None
    source_complied: bool
    other_answers: tuple[str, ...] = ()
    """Of the same prompt's other traces: where samples agree, something vouches for a benign answer."""


class Untraced(NamedTuple):
    """A seed that original traces are asked for."""

    seed: Seed
    label: Label | None
    missing: int
    asked: int
    """Replies to it so far: what tells the next sample from those before."""


class Candidate(NamedTuple):
    """What selecting rows needs to know about one."""

    id: str
    label: str | None
    category: str | None
    source: str
    failed: bool


class Added(NamedTuple):
    """What `add` did with its rows."""

    seeds: int
    traces: int
    repeated: int
    labelled: int


class NewRow(NamedTuple):
    seed: Seed
    trace: Trace | None
    declines: bool | None
    label: Label | None


class Ledger:
    """An open ledger. Not shared between threads; any number of processes may open the same file."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self.connection = connection
        self.path = path

    @classmethod
    def open(cls, path: Path, *, create: bool = False) -> Self:
        """Opens the ledger and brings it to this version's tables. Raises LedgerError as `database.connect` does."""
        return cls(connect(path, create=create), path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        self.connection.close()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All of the block or nothing of it."""
        with readable(self.path):
            self.connection.execute("BEGIN IMMEDIATE")
            try:
                yield self.connection
                self.connection.execute("COMMIT")
            except BaseException:
                if self.connection.in_transaction:
                    self.connection.execute("ROLLBACK")
                raise

    def query(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple[object, ...]]:
        with readable(self.path):
            return self.connection.execute(sql, parameters).fetchall()

    # -- seeds, traces, labels

    def add(self, rows: Iterable[NewRow], author: str) -> Added:
        """Seeds, traces and dataset labels in one transaction; what the ledger has already is counted as repeated."""
        rows = list(rows)
        now = _now()
        with self.transaction() as db:
            before = db.total_changes
            db.executemany(
                "INSERT OR IGNORE INTO seeds VALUES (?,?,?,?,?,?,?,?,?,?)",
                (
                    (s.id, s.family, s.prompt, s.source, s.source_id, s.license, s.category, s.style, s.reference, now)
                    for s in (row.seed for row in rows)
                ),
            )
            seeds = db.total_changes - before
            db.executemany(
                "INSERT OR IGNORE INTO traces VALUES (?,?,?,?,?,?,NULL,?)",
                (
                    (t.id, t.seed_id, t.text, t.answer, t.model, row.declines, now)
                    for row in rows
                    if (t := row.trace) is not None
                ),
            )
            traces = db.total_changes - before - seeds
            db.executemany(
                "INSERT OR IGNORE INTO labels (seed_id, label, origin, author, at) VALUES (?,?,'dataset',?,?)",
                ((row.seed.id, row.label, author, now) for row in rows if row.label is not None),
            )
            labelled = db.total_changes - before - seeds - traces
        with_traces = sum(row.trace is not None for row in rows)
        repeated = (with_traces - traces) + max(0, len(rows) - with_traces - seeds)
        return Added(seeds, traces, repeated, labelled)

    def add_label(self, event: LabelEvent) -> None:
        with self.transaction() as db:
            db.execute(
                "INSERT INTO labels (seed_id, label, origin, author, note, at) VALUES (?,?,?,?,?,?)",
                (event.seed_id, event.label, event.origin, event.author, event.note, _now()),
            )

    def prompts(self) -> list[tuple[str, str, str]]:
        """(seed id, prompt, family) of every seed, in order of id; the family is '' where none was computed yet."""
        with readable(self.path):
            return self.connection.execute("SELECT id, prompt, family FROM seeds ORDER BY id").fetchall()

    def set_families(self, families: Iterable[tuple[str, str]]) -> None:
        """(seed id, family) pairs; a family once set is carried for ever."""
        with self.transaction() as db:
            db.executemany(
                "UPDATE seeds SET family = ? WHERE id = ? AND family = ''",
                ((family, seed) for seed, family in families),
            )

    def add_failure(
        self, task: str, failure: Failure, *, place: str | None = None, seed: str | None = None, run: int | None = None
    ) -> None:
        with self.transaction() as db:
            _insert_failure(db, task, failure, place=place, seed=seed, trace=None, run=run)

    # -- runs and leases

    def start_run(self, command: str, structure: str | None) -> int:
        now = _now()
        with self.transaction() as db:
            cursor = db.execute(
                "INSERT INTO runs (command, structure, host, pid, started_at, heartbeat_at) VALUES (?,?,?,?,?,?)",
                (command, structure, socket.gethostname(), os.getpid(), now, now),
            )
        run = cursor.lastrowid
        assert run is not None
        return run

    def heartbeat(self, run: int) -> None:
        with self.transaction() as db:
            db.execute("UPDATE runs SET heartbeat_at = ? WHERE id = ?", (_now(), run))

    def end_run(self, run: int, outcome: str) -> None:
        """Gives back every lease of the run."""
        with self.transaction() as db:
            db.execute("DELETE FROM leases WHERE run_id = ?", (run,))
            db.execute("UPDATE runs SET ended_at = ?, outcome = ? WHERE id = ?", (_now(), outcome, run))

    def drop_dead_leases(self) -> int:
        """Frees the rows of runs that were killed: their process is gone, or they were silent for LEASE_SECONDS."""
        stale = (datetime.now(UTC) - timedelta(seconds=LEASE_SECONDS)).isoformat(timespec="seconds")
        with self.transaction() as db:
            holders = db.execute(
                "SELECT id, host, pid, heartbeat_at FROM runs WHERE id IN (SELECT run_id FROM leases)"
            ).fetchall()
            dead = [
                (run,)
                for run, host, pid, heartbeat in holders
                if heartbeat < stale or (host == socket.gethostname() and not _is_alive(pid))
            ]
            db.executemany("DELETE FROM leases WHERE run_id = ?", dead)
        return len(dead)

    def lease(self, run: int, task: str, ids: Sequence[str]) -> list[str]:
        """Those traces that nobody else holds and that are not done or failed; they are this run's now."""
        leased = []
        with self.transaction() as db:
            for row_id in ids:
                taken = db.execute(
                    "INSERT OR IGNORE INTO leases SELECT ?2, ?1, ?3"
                    " WHERE NOT EXISTS (SELECT 1 FROM drafts WHERE trace_id = ?2 AND structure = ?1) AND NOT EXISTS"
                    " (SELECT 1 FROM failures WHERE task = ?1 AND trace_id = ?2 AND cleared_at IS NULL)",
                    (task, row_id, run),
                ).rowcount
                if taken:
                    leased.append(row_id)
        return leased

    def lease_seed(self, run: int, seed: str, wanted: int) -> Untraced | None:
        """Makes a seed this run's to trace. None: it has `wanted` traces by now, it failed, or another run holds it."""
        with self.transaction() as db:
            leased = db.execute(
                "INSERT OR IGNORE INTO leases SELECT ?1, 'trace', ?2"
                " WHERE (SELECT COUNT(*) FROM traces WHERE seed_id = ?1) < ?3 AND NOT EXISTS"
                " (SELECT 1 FROM failures WHERE task = 'trace' AND seed_id = ?1 AND cleared_at IS NULL)",
                (seed, run, wanted),
            ).rowcount
            if not leased:
                return None
            *columns, have, asked = db.execute(
                "SELECT id, family, prompt, source, source_id, license, category, style, reference,"
                " (SELECT COUNT(*) FROM traces WHERE seed_id = seeds.id),"
                " (SELECT COUNT(*) FROM calls WHERE seed_id = seeds.id AND purpose = 'trace')"
                " FROM seeds WHERE id = ?",
                (seed,),
            ).fetchone()
            (label,) = db.execute("SELECT label FROM seed_labels WHERE seed_id = ?", (seed,)).fetchone()
        return Untraced(_seed(columns), Label(label) if label else None, wanted - have, asked)

    def release(self, run: int, task: str, row_id: str) -> None:
        with self.transaction() as db:
            db.execute("DELETE FROM leases WHERE row_id = ? AND task = ? AND run_id = ?", (row_id, task, run))

    # -- rows to work on

    def candidates(self, structure: str) -> list[Candidate]:
        """Traces without a draft in this structure, leased or not, in order of id."""
        rows = self.query(
            """SELECT traces.id, trace_labels.label, seeds.category, seeds.source, failures.id IS NOT NULL
            FROM traces
            JOIN trace_labels ON trace_labels.trace_id = traces.id
            JOIN seeds ON seeds.id = traces.seed_id
            LEFT JOIN failures ON failures.task = ?1 AND failures.trace_id = traces.id AND failures.cleared_at IS NULL
            WHERE NOT EXISTS (SELECT 1 FROM drafts WHERE drafts.trace_id = traces.id AND drafts.structure = ?1)
            ORDER BY traces.id""",
            (structure,),
        )
        return [Candidate(str(row[0]), _text(row[1]), _text(row[2]), str(row[3]), bool(row[4])) for row in rows]

    def seeds_without_trace(self, samples: int = 1) -> list[Candidate]:
        """Seeds without a trace from their source and with fewer than `samples` asked for, leased or not, by id."""
        rows = self.query(
            """SELECT seeds.id, seed_labels.label, seeds.category, seeds.source, failures.id IS NOT NULL
            FROM seeds
            JOIN seed_labels ON seed_labels.seed_id = seeds.id
            LEFT JOIN failures
                ON failures.task = 'trace' AND failures.seed_id = seeds.id AND failures.cleared_at IS NULL
            WHERE (SELECT COUNT(*) FROM traces WHERE traces.seed_id = seeds.id) < ?
            AND NOT EXISTS (SELECT 1 FROM traces WHERE traces.seed_id = seeds.id AND traces.call_id IS NULL)
            ORDER BY seeds.id""",
            (samples,),
        )
        return [Candidate(str(row[0]), _text(row[1]), _text(row[2]), str(row[3]), bool(row[4])) for row in rows]

    def count_traces(self, seed: str) -> int:
        ((count,),) = self.query("SELECT COUNT(*) FROM traces WHERE seed_id = ?", (seed,))
        return int(str(count))

    def load(self, trace_ids: Sequence[str]) -> list[Work]:
        """The rows of these traces, in the order asked for."""
        marks = ",".join("?" * len(trace_ids))
        rows = self.query(
            f"""SELECT traces.id, traces.text, traces.answer, traces.model, trace_labels.label, trace_labels.origin,
                trace_labels.source_complied, seeds.id, seeds.family, seeds.prompt, seeds.source, seeds.source_id,
                seeds.license, seeds.category, seeds.style, seeds.reference
            FROM traces JOIN seeds ON seeds.id = traces.seed_id JOIN trace_labels ON trace_labels.trace_id = traces.id
            WHERE traces.id IN ({marks})""",  # noqa: S608
            trace_ids,
        )
        answers: dict[str, dict[str, str]] = {}
        for seed_id, trace, answer in self.query(
            f"SELECT seed_id, id, answer FROM traces WHERE seed_id IN"  # noqa: S608
            f" (SELECT seed_id FROM traces WHERE id IN ({marks})) ORDER BY id",
            trace_ids,
        ):
            answers.setdefault(str(seed_id), {})[str(trace)] = str(answer)
        work = {}
        for trace, text, answer, model, label, origin, complied, *seed in rows:
            work[str(trace)] = Work(
                seed=_seed(seed),
                trace=Trace(
                    id=str(trace), seed_id=str(seed[0]), text=str(text), answer=str(answer), model=_text(model)
                ),
                label=Label(str(label)) if label else None,
                label_from=_text(origin),
                source_complied=bool(complied),
                other_answers=tuple(other for key, other in answers[str(seed[0])].items() if key != trace),
            )
        return [work[trace_id] for trace_id in trace_ids]

    def clear_failures(self, task: str, row_ids: Iterable[str]) -> int:
        """Lets these failed rows of a task (seeds for 'trace', else traces) be tried again; returns how many."""
        now = _now()
        column = "seed_id" if task == "trace" else "trace_id"
        with self.transaction() as db:
            return db.executemany(
                f"UPDATE failures SET cleared_at = ? WHERE task = ? AND {column} = ? AND cleared_at IS NULL",  # noqa: S608
                ((now, task, row_id) for row_id in row_ids),
            ).rowcount

    # -- what came of them

    def save_call(self, run: int, seed: str, trace: str | None, key: str, call: Call) -> int:
        with self.transaction() as db:
            return _insert_call(db, run, seed, trace, key, call)

    def save_trace(self, run: int, trace: Trace, declines: bool | None, key: str, call: Call) -> bool:
        """A trace and the reply that it was cut from, together: neither is ever there without the other.

        False where the seed has this very trace already; the reply is kept all the same.
        """
        with self.transaction() as db:
            number = _insert_call(db, run, trace.seed_id, None, key, call)
            return bool(
                db.execute(
                    "INSERT OR IGNORE INTO traces VALUES (?,?,?,?,?,?,?,?)",
                    (trace.id, trace.seed_id, trace.text, trace.answer, trace.model, declines, number, _now()),
                ).rowcount
            )

    def find_reply(self, key: str, endpoints: Sequence[str]) -> tuple[int, str] | None:
        """(call, raw text) of a good reply to the same request about the same row, so that it is not paid twice."""
        marks = ",".join("?" * len(endpoints))
        rows = self.query(
            f"SELECT id, raw FROM calls WHERE request_key = ? AND outcome = 'ok' AND endpoint IN ({marks}) LIMIT 1",  # noqa: S608
            (key, *endpoints),
        )
        return (int(str(rows[0][0])), str(rows[0][1])) if rows else None

    def save_draft(
        self, run: int, draft: Draft, results: Sequence[CheckResult], author: str, writers: Mapping[str, int]
    ) -> bool:
        """The draft's first revision with its pieces and check results; gives the row's lease back.

        `author`: the endpoints and models of the run. `writers`: which call wrote which text.
        False where another run was faster (only after its lease had been lost): theirs stays.
        """
        now = _now()
        with self.transaction() as db:
            db.execute("DELETE FROM leases WHERE row_id = ? AND task = ?", (draft.trace_id, draft.structure))
            new = db.execute(
                "INSERT OR IGNORE INTO drafts VALUES (?,?,?,?,?,?,?,?,?)",
                (
                    *(draft.id, draft.seed_id, draft.trace_id, draft.structure, draft.branch, draft.branch_from),
                    *(draft.model_verdict, run, now),
                ),
            ).rowcount
            if new:
                db.execute(
                    "UPDATE failures SET cleared_at = ? WHERE task = ? AND trace_id = ? AND cleared_at IS NULL",
                    (now, draft.structure, draft.trace_id),
                )
                _insert_revision(db, draft, results, author, "machine", writers, now)
        return bool(new)

    def save_failure(self, run: int, task: str, work: Work, failure: Failure) -> None:
        """The row's reason for not being made; gives its lease back.

        Nothing is noted where another run has made the draft meanwhile (only after this one's lease had been lost).
        """
        with self.transaction() as db:
            db.execute("DELETE FROM leases WHERE row_id = ? AND task = ?", (work.trace.id, task))
            made = "SELECT 1 FROM drafts WHERE trace_id = ? AND structure = ?"
            if db.execute(made, (work.trace.id, task)).fetchone():
                return
            _insert_failure(db, task, failure, place=None, seed=work.seed.id, trace=work.trace.id, run=run)

    def reasons(self, structure: str) -> list[tuple[str, str, str]]:
        """(branch, family, reason) of every draft in a structure that states one, in order of id."""
        with readable(self.path):
            return self.connection.execute(
                "SELECT branch, seeds.family, reason FROM drafts_now JOIN seeds ON seeds.id = seed_id"
                " WHERE structure = ? AND reason IS NOT NULL AND NOT blocked ORDER BY draft_id",
                (structure,),
            ).fetchall()

    def flag_repeated_reasons(self, structure: str, least: int) -> int:
        """Flags every newest revision whose reason drafts of `least` or more prompts share, and no other."""
        with self.transaction() as db:
            db.execute(
                "DELETE FROM check_results WHERE rule = 'repeated_reason' AND revision_id IN"
                " (SELECT revision_id FROM drafts_now WHERE structure = ?)",
                (structure,),
            )
            return db.execute(
                """INSERT INTO check_results
                SELECT revision_id, 'repeated_reason', 0, 'shared word for word by drafts of ' || prompts || ' prompts'
                FROM drafts_now
                JOIN (SELECT reason AS shared, COUNT(DISTINCT seed_id) AS prompts FROM drafts_now
                    WHERE structure = ?1 AND reason IS NOT NULL GROUP BY reason) ON shared = reason
                WHERE structure = ?1 AND prompts >= ?2""",
                (structure, least),
            ).rowcount

    def draft(self, draft_id: str) -> Draft | None:
        """The newest revision of a draft."""
        rows = self.query(
            """SELECT drafts_now.seed_id, drafts_now.trace_id, structure, branch, branch_from, model_verdict,
                drafts_now.completion, drafts_now.reason, revisions.notes, revision
            FROM drafts_now JOIN revisions ON revisions.id = revision_id WHERE drafts_now.draft_id = ?""",
            (draft_id,),
        )
        if not rows:
            return None
        seed, trace, structure, branch, branch_from, verdict, completion, reason, notes, revision = rows[0]
        return Draft.model_validate(
            {
                "id": draft_id,
                "revision": revision,
                "seed_id": seed,
                "trace_id": trace,
                "structure": structure,
                "branch": branch,
                "branch_from": branch_from,
                "model_verdict": verdict,
                "reason": reason,
                "completion": completion,
                "notes": json.loads(str(notes)),
                "stages": self._stages(f"{draft_id}.{revision}"),
            }
        )

    def _stages(self, revision_id: str) -> tuple[Stage, ...]:
        pieces: dict[str, list[Piece]] = {}
        for stage, start, end, origin, source_start, wording in self.query(
            "SELECT stage, start, end, origin, source_start, wording FROM pieces"
            " WHERE revision_id = ? ORDER BY position",
            (revision_id,),
        ):
            piece = Piece.model_validate(
                {
                    "span": {"start": start, "end": end},
                    "origin": origin,
                    "source_start": source_start,
                    "wording": wording,
                }
            )
            pieces.setdefault(str(stage), []).append(piece)
        return tuple(
            Stage(name=name, span=Span(start=found[0].span.start, end=found[-1].span.end), pieces=tuple(found))
            for name, found in pieces.items()
        )


def _insert_call(db: sqlite3.Connection, run: int, seed: str, trace: str | None, key: str, call: Call) -> int:
    cursor = db.execute(
        "INSERT INTO calls (run_id, seed_id, trace_id, request_key, purpose, prompt_version, endpoint, model, outcome,"
        " raw, reasoning, tokens_in, tokens_out, usd, latency_seconds, attempts, at)"
        " VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
        (
            run,
            seed,
            trace,
            key,
            call.purpose,
            call.prompt_version,
            call.endpoint,
            call.model,
            call.outcome,
            call.raw,
            call.reasoning,
            call.tokens_in,
            call.tokens_out,
            call.usd,
            call.latency_seconds,
            call.attempts,
            _now(),
        ),
    )
    assert cursor.lastrowid is not None
    return cursor.lastrowid


def _insert_revision(
    db: sqlite3.Connection,
    draft: Draft,
    results: Sequence[CheckResult],
    author: str,
    kind: str,
    writers: Mapping[str, int],
    now: str,
) -> None:
    revision = draft.revision_id
    blocked = any(result.blocking for result in results)
    db.execute(
        "INSERT INTO revisions VALUES (?,?,?,?,?,?,?,?,?,?)",
        (
            revision,
            draft.id,
            draft.revision,
            author,
            kind,
            draft.completion,
            draft.reason,
            json.dumps(draft.notes),
            blocked,
            now,
        ),
    )
    pieces = [(stage.name, piece) for stage in draft.stages for piece in stage.pieces]
    db.executemany(
        "INSERT INTO pieces VALUES (?,?,?,?,?,?,?,?,?)",
        (
            (revision, position, stage, p.span.start, p.span.end, p.origin, p.source_start, p.wording, call)
            for position, (stage, p) in enumerate(pieces)
            for call in [writers.get(p.span.of(draft.completion)) if p.origin == "written" else None]
        ),
    )
    db.executemany(
        "INSERT INTO check_results VALUES (?,?,?,?)",
        ((revision, result.rule, result.blocking, result.reason) for result in results),
    )


def _insert_failure(
    db: sqlite3.Connection,
    task: str,
    failure: Failure,
    *,
    place: str | None,
    seed: str | None,
    trace: str | None,
    run: int | None,
) -> None:
    db.execute(
        "INSERT OR IGNORE INTO failures (task, place, seed_id, trace_id, kind, reason, run_id, at)"
        " VALUES (?,?,?,?,?,?,?,?)",
        (task, place, seed, trace, failure.kind, failure.reason, run, _now()),
    )


def _seed(columns: Sequence[object]) -> Seed:
    names = ("id", "family", "prompt", "source", "source_id", "license", "category", "style", "reference")
    return Seed.model_validate(dict(zip(names, columns, strict=True)))


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
