"""The ledger: one SQLite file that holds everything a project knows. Every write is a transaction.

    with Ledger.open(Path("curate.db")) as ledger:
        ledger.add(rows)                                  seeds, traces, labels
        run = start_run(ledger, "generate", "alttrain")   leases.py
        for trace in lease(ledger, run, "alttrain", ids): rows that no other run holds
            ledger.save_draft(run, draft, results, author, writers)

Who works on which row is leases.py's; questions that only look are status.py's and record.py's. The tables and views
are documented in migrations/001_first.sql and docs/ledger.md, for whoever opens the file with sqlite3, Datasette,
DuckDB or polars.
"""

import json
import sqlite3
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Literal, NamedTuple, Self

from curation.database import connect, readable
from schemas.call import Call
from schemas.example import CheckResult, Draft, Failure, Label, LabelEvent, Seed, Trace

SEED_COLUMNS = ", ".join(f"seeds.{name}" for name in Seed.model_fields)


class Work(NamedTuple):
    """A row to be worked on. `label`: what the draft must follow; None: the model's blind verdict decides."""

    seed: Seed
    trace: Trace
    label: Label | None
    label_from: str | None
    source_complied: bool
    other_answers: tuple[str, ...] = ()
    """Of the same prompt's other traces: where samples agree, something vouches for a benign answer."""
    declines: bool | None = None
    """Whether the trace's answer declines, where that was judged (under a dataset's 'harmful')."""
    retired: int = 0
    """Drafts of this trace in the structure that a newer label put on the other branch."""


class Candidate(NamedTuple):
    """What selecting rows needs to know about one."""

    id: str
    label: str | None
    category: str | None
    source: str
    failed: bool
    done: bool = False


class Added(NamedTuple):
    """What `add` did with its rows. `repeated`: rows that brought neither a new prompt nor a new trace."""

    seeds: int
    traces: int
    repeated: int
    labelled: int


class NewRow(NamedTuple):
    seed: Seed
    trace: Trace | None
    label: Label | None


class Unjudged(NamedTuple):
    """A trace of which nobody has said yet whether its answer declines. `category`: what the source says."""

    trace_id: str
    answer: str
    category: str | None


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

    def add(self, rows: Iterable[NewRow]) -> Added:
        """Seeds, traces and what their sources say of them, in one transaction.

        What is there already is looked up for all rows at once: 100,000 rows are a third faster than row by row.
        """
        rows = list(rows)
        at = now()
        seeds: dict[str, Seed] = {}
        traces: dict[str, Trace] = {}
        labels: list[tuple[str, Label, str, str]] = []
        repeated = 0
        with self.transaction() as db:
            known_seeds = self._known("seeds", (row.seed.id for row in rows))
            known_traces = self._known("traces", (row.trace.id for row in rows if row.trace))
            newest = self._newest_labels(known_seeds)
            for seed, trace, label in rows:
                new = seed.id not in known_seeds and seed.id not in seeds
                if new:
                    seeds[seed.id] = seed
                if trace is not None and trace.id not in known_traces and trace.id not in traces:
                    traces[trace.id] = trace
                    new = True
                repeated += not new
                # A source that changes its mind is heard, and one that repeats itself is not.
                if label is not None and newest.get((seed.id, seed.source)) != label:
                    newest[seed.id, seed.source] = label
                    labels.append((seed.id, label, seed.source, at))
            db.executemany(
                "INSERT INTO seeds VALUES (?,?,?,?,?,?,?,?,?,?)",
                (
                    (s.id, s.family, s.prompt, s.source, s.source_id, s.license, s.category, s.style, s.reference, at)
                    for s in seeds.values()
                ),
            )
            db.executemany(
                "INSERT INTO traces VALUES (?,?,?,?,?,NULL,NULL,?)",
                ((t.id, t.seed_id, t.text, t.answer, t.model, at) for t in traces.values()),
            )
            db.executemany("INSERT INTO labels (seed_id, label, origin, author, at) VALUES (?,?,'dataset',?,?)", labels)
        return Added(len(seeds), len(traces), repeated, len(labels))

    def _known(self, table: Literal["seeds", "traces"], ids: Iterable[str]) -> set[str]:
        asked = json.dumps(list(ids))
        found = self.query(f"SELECT id FROM {table} WHERE id IN (SELECT value FROM json_each(?))", (asked,))  # noqa: S608
        return {str(row_id) for (row_id,) in found}

    def _newest_labels(self, seeds: Iterable[str]) -> dict[tuple[str, str], str]:
        """What each dataset last said of these seeds, by (seed, dataset)."""
        said = self.query(
            "SELECT seed_id, author, label FROM labels WHERE origin = 'dataset'"
            " AND seed_id IN (SELECT value FROM json_each(?)) ORDER BY id",
            (json.dumps(list(seeds)),),
        )
        return {(str(seed), str(author)): str(label) for seed, author, label in said}

    def add_label(self, event: LabelEvent) -> None:
        with self.transaction() as db:
            insert_label_event(db, event)

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

    def unjudged(self, after: str, limit: int) -> list[Unjudged]:
        """Traces under a dataset's 'harmful' of which it is not known whether they decline: the first by id, from the
        one after `after` on."""
        rows = self.query(
            """SELECT traces.id, traces.answer, seeds.category FROM traces JOIN seeds ON seeds.id = traces.seed_id
            WHERE traces.declines IS NULL AND traces.id > ? AND EXISTS (SELECT 1 FROM labels
                WHERE labels.seed_id = seeds.id AND labels.origin = 'dataset' AND labels.label = 'harmful')
            ORDER BY traces.id LIMIT ?""",
            (after, limit),
        )
        return [Unjudged(str(trace), str(answer), _text(category)) for trace, answer, category in rows]

    def set_declines(self, judged: Iterable[tuple[str, bool]]) -> None:
        """(trace id, whether its answer declines) pairs; one that was set is left as it is."""
        with self.transaction() as db:
            db.executemany(
                "UPDATE traces SET declines = ? WHERE id = ? AND declines IS NULL",
                ((declines, trace) for trace, declines in judged),
            )

    def add_failure(
        self, task: str, failure: Failure, *, place: str | None = None, seed: str | None = None, run: int | None = None
    ) -> None:
        with self.transaction() as db:
            _insert_failure(db, task, failure, place=place, seed=seed, trace=None, run=run)

    def clear_mended_rows(self, file: str, still: Container[tuple[str, str]]) -> None:
        """Clears the bad rows of a file that has been read again to its end, but those (place, reason) in `still`."""
        with self.transaction() as db:
            bad = db.execute(
                "SELECT id, place, reason FROM failures WHERE task = 'add' AND cleared_at IS NULL"
                " AND (place = ?1 OR place BETWEEN ?1 || ':' AND ?1 || ';')",
                (file,),
            ).fetchall()
            db.executemany(
                "UPDATE failures SET cleared_at = ? WHERE id = ?",
                (
                    (now(), number)
                    for number, place, reason in bad
                    if (place == file or place.removeprefix(f"{file}:").isdecimal()) and (place, reason) not in still
                ),
            )

    # -- rows to work on

    def candidates(self, structure: str) -> list[Candidate]:
        """Every trace and whether it has a draft in this structure, or failed there, in order of id."""
        rows = self.query(
            """SELECT traces.id, trace_labels.label, seeds.category, seeds.source, failures.id IS NOT NULL,
                drafts.id IS NOT NULL
            FROM traces
            JOIN trace_labels ON trace_labels.trace_id = traces.id
            JOIN seeds ON seeds.id = traces.seed_id
            LEFT JOIN failures ON failures.task = ?1 AND failures.trace_id = traces.id AND failures.cleared_at IS NULL
            LEFT JOIN drafts ON drafts.trace_id = traces.id AND drafts.structure = ?1 AND drafts.retired_at IS NULL
            ORDER BY traces.id""",
            (structure,),
        )
        return [
            Candidate(str(row[0]), _text(row[1]), _text(row[2]), str(row[3]), bool(row[4]), bool(row[5]))
            for row in rows
        ]

    def seeds_without_trace(self, samples: int = 1) -> list[Candidate]:
        """Seeds without a usable trace from their source and with fewer than `samples` asked for, leased or not, by
        id. A trace that refuses what a person calls benign is not usable."""
        rows = self.query(
            """SELECT seeds.id, seed_labels.label, seeds.category, seeds.source, failures.id IS NOT NULL
            FROM seeds
            JOIN seed_labels ON seed_labels.seed_id = seeds.id
            LEFT JOIN failures
                ON failures.task = 'trace' AND failures.seed_id = seeds.id AND failures.cleared_at IS NULL
            WHERE (SELECT COUNT(*) FROM usable_traces WHERE usable_traces.seed_id = seeds.id) < ?
            AND NOT EXISTS (SELECT 1 FROM usable_traces WHERE usable_traces.seed_id = seeds.id AND call_id IS NULL)
            ORDER BY seeds.id""",
            (samples,),
        )
        return [Candidate(str(row[0]), _text(row[1]), _text(row[2]), str(row[3]), bool(row[4])) for row in rows]

    def count_traces(self, seed: str) -> int:
        ((count,),) = self.query("SELECT COUNT(*) FROM usable_traces WHERE seed_id = ?", (seed,))
        return int(str(count))

    def retire_drafts(self) -> int:
        """Retires every draft whose trace is labelled for the other branch by now; returns how many.

        `generate` then makes the other branch as a new draft. What failed for a label that is gone may be tried again.
        """
        at = now()
        with self.transaction() as db:
            db.execute(
                "UPDATE failures SET cleared_at = ? WHERE kind = 'needs_trace' AND cleared_at IS NULL"
                " AND (SELECT label FROM trace_labels WHERE trace_labels.trace_id = failures.trace_id) IS NOT 'benign'",
                (at,),
            )
            return db.execute(
                "UPDATE drafts SET retired_at = ? WHERE retired_at IS NULL AND branch <>"
                " (SELECT label FROM trace_labels WHERE trace_labels.trace_id = drafts.trace_id)",
                (at,),
            ).rowcount

    def load(self, trace_ids: Sequence[str], structure: str) -> list[Work]:
        """The rows of these traces for a structure, in the order asked for."""
        marks = ",".join("?" * len(trace_ids))
        rows = self.query(
            f"""SELECT traces.id, traces.text, traces.answer, traces.model, trace_labels.label, trace_labels.origin,
                trace_labels.source_complied, trace_labels.declines, {SEED_COLUMNS}
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
        retired = {
            str(trace): int(str(count))
            for trace, count in self.query(
                f"SELECT trace_id, COUNT(*) FROM drafts WHERE trace_id IN ({marks}) AND structure = ?"  # noqa: S608
                " AND retired_at IS NOT NULL GROUP BY trace_id",
                (*trace_ids, structure),
            )
        }
        work = {}
        for trace, text, answer, model, label, origin, complied, declines, *seed in rows:
            work[str(trace)] = Work(
                seed=read_seed(seed),
                trace=Trace(
                    id=str(trace), seed_id=str(seed[0]), text=str(text), answer=str(answer), model=_text(model)
                ),
                label=Label(str(label)) if label else None,
                label_from=_text(origin) if label else None,
                source_complied=bool(complied),
                other_answers=tuple(other for key, other in answers[str(seed[0])].items() if key != trace),
                declines=None if declines is None else bool(declines),
                retired=retired.get(str(trace), 0),
            )
        return [work[trace_id] for trace_id in trace_ids]

    def clear_failures(self, task: str, row_ids: Iterable[str]) -> int:
        """Lets these failed rows of a task (seeds for 'trace', else traces) be tried again; returns how many."""
        at = now()
        column = "seed_id" if task == "trace" else "trace_id"
        with self.transaction() as db:
            return db.executemany(
                f"UPDATE failures SET cleared_at = ? WHERE task = ? AND {column} = ? AND cleared_at IS NULL",  # noqa: S608
                ((at, task, row_id) for row_id in row_ids),
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
                    (trace.id, trace.seed_id, trace.text, trace.answer, trace.model, declines, number, now()),
                ).rowcount
            )

    def find_reply(self, keys: Iterable[str]) -> tuple[int, str, str] | None:
        """(call, its author, raw text) of a good reply to one of these requests, so that none is paid for twice."""
        for key in keys:
            for call, author, raw in self.query(
                "SELECT id, endpoint || ':' || model, raw FROM calls WHERE request_key = ? AND outcome = 'ok' LIMIT 1",
                (key,),
            ):
                return int(str(call)), str(author), str(raw)
        return None

    def save_draft(
        self, run: int, draft: Draft, results: Sequence[CheckResult], author: str, writers: Mapping[str, int]
    ) -> bool:
        """The draft's first revision with its pieces and check results; gives the row's lease back.

        `author`: the endpoints and models of the run. `writers`: which call wrote which text.
        False where another run was faster (only after its lease had been lost): theirs stays.
        """
        at = now()
        with self.transaction() as db:
            release_row(db, run, draft.structure, draft.trace_id)
            new = db.execute(
                "INSERT OR IGNORE INTO drafts VALUES (?,?,?,?,?,?,?,?,?,NULL)",
                (
                    *(draft.id, draft.seed_id, draft.trace_id, draft.structure, draft.branch, draft.branch_from),
                    *(draft.model_verdict, run, at),
                ),
            ).rowcount
            if new:
                db.execute(
                    "UPDATE failures SET cleared_at = ? WHERE task = ? AND trace_id = ? AND cleared_at IS NULL",
                    (at, draft.structure, draft.trace_id),
                )
                insert_revision(db, draft, results, author, "machine", writers, at)
        return bool(new)

    def save_failure(self, run: int, task: str, work: Work, failure: Failure) -> None:
        """The row's reason for not being made; gives its lease back.

        Nothing is noted where another run has made the draft meanwhile (only after this one's lease had been lost).
        """
        with self.transaction() as db:
            release_row(db, run, task, work.trace.id)
            made = "SELECT 1 FROM drafts WHERE trace_id = ? AND structure = ? AND retired_at IS NULL"
            if db.execute(made, (work.trace.id, task)).fetchone():
                return
            _insert_failure(db, task, failure, place=None, seed=work.seed.id, trace=work.trace.id, run=run)

    def reasons(self, structure: str) -> list[tuple[str, str, str, int | None]]:
        """(branch, family, reason, the call that wrote it) of every unblocked draft in a structure, in order of id."""
        with readable(self.path):
            return self.connection.execute(
                "SELECT branch, seeds.family, reason, (SELECT call_id FROM pieces WHERE origin = 'written'"
                " AND pieces.revision_id = drafts_now.revision_id AND end - start = LENGTH(reason) LIMIT 1)"
                " FROM drafts_now JOIN seeds ON seeds.id = seed_id"
                " WHERE structure = ? AND reason IS NOT NULL AND NOT blocked ORDER BY draft_id",
                (structure,),
            ).fetchall()

    def count_drafts(self, run: int) -> tuple[int, int]:
        """(flagged, blocked): how many drafts of a run some rule flags and none blocks, and how many one blocks."""
        ((flagged, blocked),) = self.query(
            "SELECT COALESCE(SUM(NOT blocked AND EXISTS (SELECT 1 FROM check_results AS fired"
            " WHERE fired.revision_id = revisions.id)), 0), COALESCE(SUM(blocked), 0)"
            " FROM drafts JOIN revisions ON revisions.draft_id = drafts.id AND revisions.number = 1 WHERE run_id = ?",
            (run,),
        )
        return int(str(flagged)), int(str(blocked))

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


def insert_label_event(db: sqlite3.Connection, event: LabelEvent) -> None:
    """A label event, as part of an open transaction."""
    db.execute(
        "INSERT INTO labels (seed_id, label, origin, author, note, at) VALUES (?,?,?,?,?,?)",
        (event.seed_id, event.label, event.origin, event.author, event.note, now()),
    )


def release_row(db: sqlite3.Connection, run: int, task: str, row_id: str) -> None:
    """Gives a row back, where this run still holds it: after a long silence another one may."""
    db.execute("DELETE FROM leases WHERE row_id = ? AND task = ? AND run_id = ?", (row_id, task, run))


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
            now(),
        ),
    )
    assert cursor.lastrowid is not None
    return cursor.lastrowid


def insert_revision(
    db: sqlite3.Connection,
    draft: Draft,
    results: Sequence[CheckResult],
    author: str,
    kind: str,
    writers: Mapping[str, int],
    at: str,
) -> None:
    """A revision with its pieces and check results, as part of an open transaction."""
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
            at,
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
        (task, place, seed, trace, failure.kind, failure.reason, run, now()),
    )


def read_seed(columns: Sequence[object]) -> Seed:
    """A seed out of SEED_COLUMNS."""
    return Seed.model_validate(dict(zip(Seed.model_fields, columns, strict=True)))


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
