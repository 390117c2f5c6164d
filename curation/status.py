"""Questions to the ledger that only look: the funnel, lists of drafts, lists of what failed or was blocked."""

import json
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Literal, TypeVar

from curation.database import readable
from curation.leases import drop_dead_leases
from curation.ledger import Ledger
from schemas.example import Branch, Frozen
from schemas.report import NONE, Funnel, RuleCount, SeedCounts, Spending, StructureCounts, TraceCounts

TASKS = ("add", "trace")
"""What a failure can belong to besides a structure."""

BEGINNING = 200
"""How many characters of a prompt stand in a list."""

_NEWEST = "revisions.number = (SELECT MAX(number) FROM revisions AS newer WHERE newer.draft_id = revisions.draft_id)"


class FailedRow(Frozen):
    """A row that could not be made and was not tried again yet."""

    task: str
    kind: str
    reason: str
    place: str | None
    seed_id: str | None
    trace_id: str | None
    prompt: str | None
    at: str


class BlockedDraft(Frozen):
    """A draft that a blocking rule stopped, once for every such rule."""

    structure: str
    rule: str
    reason: str
    draft_id: str
    branch: Branch
    prompt: str
    at: str


class ListedDraft(Frozen):
    """A draft as a line of a list: its newest revision in short."""

    draft_id: str
    revision: int
    structure: str
    branch: Branch
    state: Literal["passing", "flagged", "blocked"]
    rules: tuple[str, ...]
    category: str | None
    source: str
    prompt: str
    at: str


@contextmanager
def snapshot(ledger: Ledger) -> Iterator[sqlite3.Connection]:
    """The ledger at one moment: what a run writes meanwhile is not seen, so the counts of several queries agree."""
    with readable(ledger.path):
        ledger.connection.execute("BEGIN")
        try:
            yield ledger.connection
        finally:
            ledger.connection.execute("ROLLBACK")


def started_structures(ledger: Ledger) -> tuple[str, ...]:
    """Structures that the ledger has runs, drafts or failures of, in order of name."""
    return tuple(
        str(name)
        for (name,) in ledger.query(
            "SELECT structure FROM drafts UNION SELECT structure FROM runs WHERE structure IS NOT NULL"
            " UNION SELECT task FROM failures WHERE task NOT IN (?, ?) ORDER BY 1",
            TASKS,
        )
    )


def count(ledger: Ledger, structures: Sequence[str]) -> Funnel:
    """Where every row is, now, for these structures. Rows held by runs that were killed count as waiting again."""
    drop_dead_leases(ledger)
    with snapshot(ledger) as db:
        seeds, traces = _count_seeds(db), _count_traces(db)
        failures: dict[str, dict[str, int]] = defaultdict(dict)
        for task, kind, number in db.execute(
            "SELECT task, kind, COUNT(*) FROM failures WHERE cleared_at IS NULL GROUP BY task, kind ORDER BY 3 DESC, 2"
        ):
            failures[task][kind] = number
        return Funnel(
            seeds=seeds,
            traces=traces,
            structures=_count_structures(db, structures, traces.total, failures),
            other_failures={task: sum(failures[task].values()) for task in TASKS},
            spending=_sum_spending(db),
        )


def _count_seeds(db: sqlite3.Connection) -> SeedCounts:
    # No GROUP BY, which would sort 100,000 rows for three groups.
    total, *labelled = db.execute(
        """SELECT COUNT(*), COUNT(*) FILTER (WHERE label = 'harmful'), COUNT(*) FILTER (WHERE label = 'benign'),
            COUNT(*) FILTER (WHERE label = 'unsure'), COUNT(*) FILTER (WHERE label IS NULL)
        FROM seed_labels"""
    ).fetchone()
    by_source: dict[str, int] = defaultdict(int)
    by_category: dict[str, int] = defaultdict(int)
    for source, category, number in db.execute("SELECT source, category, COUNT(*) FROM seeds GROUP BY 1, 2"):
        by_source[source] += number
        by_category[category or NONE] += number
    families, without_family = db.execute(
        "SELECT COUNT(DISTINCT NULLIF(family, '')), COUNT(*) FILTER (WHERE family = '') FROM seeds"
    ).fetchone()
    return SeedCounts(
        total=total,
        by_label=dict(zip(("harmful", "benign", "unsure", NONE), labelled, strict=True)),
        by_source=_largest_first(by_source),
        by_category=_largest_first(by_category),
        families=families,
        without_family=without_family,
    )


def _count_traces(db: sqlite3.Connection) -> TraceCounts:
    (seeds,) = db.execute("SELECT COUNT(*) FROM seeds").fetchone()
    total, seeds_with = db.execute("SELECT COUNT(*), COUNT(DISTINCT seed_id) FROM traces").fetchone()
    (complied,) = db.execute("SELECT COUNT(*) FROM trace_labels WHERE declines = 0 AND source_complied").fetchone()
    return TraceCounts(total=total, seeds_with=seeds_with, seeds_without=seeds - seeds_with, source_complied=complied)


def _count_structures(
    db: sqlite3.Connection, structures: Sequence[str], traces: int, failures: dict[str, dict[str, int]]
) -> tuple[StructureCounts, ...]:
    states: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    branches: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for structure, branch, state, number in db.execute(
        f"""SELECT structure, branch,
            CASE WHEN blocked THEN 'blocked'
                WHEN EXISTS (SELECT 1 FROM check_results WHERE revision_id = revisions.id) THEN 'flagged'
                ELSE 'passing' END,
            COUNT(*)
        FROM drafts JOIN revisions ON revisions.draft_id = drafts.id AND {_NEWEST}
        WHERE retired_at IS NULL
        GROUP BY 1, 2, 3"""  # noqa: S608
    ):
        states[structure][state] += number
        branches[structure][branch] += number
    rules: dict[str, list[RuleCount]] = defaultdict(list)
    for structure, rule, blocking, number in db.execute(
        "SELECT structure, rule, blocking, revisions FROM checks_by_rule ORDER BY blocking DESC, revisions DESC, rule"
    ):
        rules[structure].append(RuleCount(rule=rule, blocking=blocking, drafts=number))
    drafts = dict(db.execute("SELECT structure, COUNT(*) FROM drafts WHERE retired_at IS NULL GROUP BY structure"))
    # A trace with a draft and a failure would be counted once here and twice there, and the sum would tell.
    settled = dict(
        db.execute(
            "SELECT structure, COUNT(*) FROM"
            " (SELECT structure, trace_id FROM drafts WHERE retired_at IS NULL UNION SELECT task, trace_id"
            " FROM failures WHERE cleared_at IS NULL AND trace_id IS NOT NULL) GROUP BY structure"
        )
    )
    leased = dict(db.execute("SELECT task, COUNT(*) FROM leases GROUP BY task"))
    return tuple(
        StructureCounts(
            structure=name,
            traces=traces,
            drafts=drafts.get(name, 0),
            failures=sum(failures[name].values()),
            waiting=traces - settled.get(name, 0),
            in_flight=leased.get(name, 0),
            passing=states[name]["passing"],
            flagged=states[name]["flagged"],
            blocked=states[name]["blocked"],
            by_branch={branch: branches[name][branch] for branch in ("harmful", "benign")},
            rules=tuple(rules[name]),
            failure_kinds=failures[name],
        )
        for name in structures
    )


def _sum_spending(db: sqlite3.Connection) -> tuple[Spending, ...]:
    return tuple(
        Spending(
            endpoint=endpoint,
            model=model,
            calls=calls,
            requests=requests,
            tokens_in=tokens_in,
            tokens_out=tokens_out,
            usd=usd,
            unpriced=unpriced,
        )
        for endpoint, model, calls, requests, tokens_in, tokens_out, usd, unpriced in db.execute(
            "SELECT endpoint, model, COUNT(*), SUM(attempts), SUM(tokens_in), SUM(tokens_out), TOTAL(usd),"
            " SUM(usd IS NULL) FROM calls GROUP BY endpoint, model ORDER BY endpoint, model"
        )
    )


def _largest_first(counts: dict[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def list_failures(ledger: Ledger, task: str | None, kind: str | None) -> list[FailedRow]:
    """Rows that failed, newest first; of one task or kind where these are given."""
    return [
        *values(
            FailedRow,
            ledger.query(
                """SELECT task, kind, reason, place, seed_id, trace_id, SUBSTR(prompt, 1, ?1), at FROM failures_now
            WHERE (?2 IS NULL OR task = ?2) AND (?3 IS NULL OR kind = ?3) ORDER BY id DESC""",
                (BEGINNING, task, kind),
            ),
        )
    ]


def list_blocked(ledger: Ledger, structure: str | None, rule: str | None) -> list[BlockedDraft]:
    """Drafts whose newest revision a blocking rule stopped, by structure and rule, newest first."""
    return [
        *values(
            BlockedDraft,
            ledger.query(
                """SELECT structure, rule, check_results.reason, draft_id, branch, SUBSTR(prompt, 1, ?1), at
            FROM drafts_now JOIN check_results USING (revision_id)
            WHERE blocked AND blocking AND (?2 IS NULL OR structure = ?2) AND (?3 IS NULL OR rule = ?3)
            ORDER BY structure, rule, at DESC, draft_id""",
                (BEGINNING, structure, rule),
            ),
        )
    ]


def list_drafts(
    ledger: Ledger, *, structure: str | None, branch: str | None, rule: str | None, blocked: bool, limit: int
) -> list[ListedDraft]:
    """The newest drafts; of one structure, branch or rule, or only blocked ones, where that is asked for."""
    rows = ledger.query(
        """SELECT draft_id, revision, structure, branch,
            CASE WHEN blocked THEN 'blocked'
                WHEN EXISTS (SELECT 1 FROM check_results WHERE revision_id = drafts_now.revision_id) THEN 'flagged'
                ELSE 'passing' END,
            (SELECT JSON_GROUP_ARRAY(rule) FROM (SELECT rule FROM check_results
                WHERE revision_id = drafts_now.revision_id ORDER BY blocking DESC, rule)),
            category, source, SUBSTR(prompt, 1, ?1), at
        FROM drafts_now
        WHERE (?2 IS NULL OR structure = ?2) AND (?3 IS NULL OR branch = ?3) AND (blocked OR NOT ?5)
            AND (?4 IS NULL OR EXISTS
                (SELECT 1 FROM check_results WHERE revision_id = drafts_now.revision_id AND rule = ?4))
        ORDER BY at DESC, draft_id LIMIT ?6""",
        (BEGINNING, structure, branch, rule, blocked, limit),
    )
    return [*values(ListedDraft, ((*row[:5], json.loads(str(row[5])), *row[6:]) for row in rows))]


_Value = TypeVar("_Value", bound=Frozen)


def values(kind: type[_Value], rows: Iterable[Sequence[object]]) -> tuple[_Value, ...]:
    """Rows whose columns are the fields of `kind`, in order."""
    return tuple(kind.model_validate(dict(zip(kind.model_fields, row, strict=True))) for row in rows)
