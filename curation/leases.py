"""Runs, and the rows that each holds: two runs at once share the work and never a row.

run = start_run(ledger, "generate", "alttrain")
for trace in lease(ledger, run, "alttrain", ids):
    …                                                 saving its draft or failure gives the row back
end_run(ledger, run, "done")
"""

import os
import socket
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from curation.ledger import SEED_COLUMNS, Ledger, now, read_seed, release_row
from schemas.example import Label, Seed

LEASE_SECONDS = 120.0
"""A run that has not said for so long that it is alive has lost its leases."""


class Untraced(NamedTuple):
    """A seed that original traces are asked for."""

    seed: Seed
    label: Label | None
    missing: int
    asked: int
    """Replies to it so far: what tells the next sample from those before."""


def start_run(ledger: Ledger, command: str, structure: str | None) -> int:
    """The number of a new run of this process."""
    at = now()
    with ledger.transaction() as db:
        cursor = db.execute(
            "INSERT INTO runs (command, structure, host, pid, started_at, heartbeat_at) VALUES (?,?,?,?,?,?)",
            (command, structure, socket.gethostname(), os.getpid(), at, at),
        )
    assert cursor.lastrowid is not None
    return cursor.lastrowid


def heartbeat(ledger: Ledger, run: int) -> None:
    """Says that the run is alive."""
    with ledger.transaction() as db:
        db.execute("UPDATE runs SET heartbeat_at = ? WHERE id = ?", (now(), run))


def end_run(ledger: Ledger, run: int, outcome: str) -> None:
    """Gives back every lease of the run."""
    with ledger.transaction() as db:
        db.execute("DELETE FROM leases WHERE run_id = ?", (run,))
        db.execute("UPDATE runs SET ended_at = ?, outcome = ? WHERE id = ?", (now(), outcome, run))


def drop_dead_leases(ledger: Ledger) -> int:
    """Frees the rows of runs that were killed: their process is gone, or they were silent for LEASE_SECONDS."""
    stale = (datetime.now(UTC) - timedelta(seconds=LEASE_SECONDS)).isoformat(timespec="seconds")
    with ledger.transaction() as db:
        holders = db.execute(
            "SELECT id, host, pid, heartbeat_at FROM runs WHERE id IN (SELECT run_id FROM leases)"
        ).fetchall()
        dead = [
            (run,)
            for run, host, pid, beat in holders
            if beat < stale or (host == socket.gethostname() and not _is_alive(pid))
        ]
        db.executemany("DELETE FROM leases WHERE run_id = ?", dead)
    return len(dead)


def lease(ledger: Ledger, run: int, task: str, ids: Sequence[str]) -> list[str]:
    """Those traces that nobody else holds and that are not done or failed; they are this run's now."""
    leased = []
    with ledger.transaction() as db:
        for row_id in ids:
            taken = db.execute(
                "INSERT OR IGNORE INTO leases SELECT ?2, ?1, ?3"
                " WHERE NOT EXISTS (SELECT 1 FROM drafts WHERE trace_id = ?2 AND structure = ?1 AND retired_at IS NULL)"
                " AND NOT EXISTS"
                " (SELECT 1 FROM failures WHERE task = ?1 AND trace_id = ?2 AND cleared_at IS NULL)",
                (task, row_id, run),
            ).rowcount
            if taken:
                leased.append(row_id)
    return leased


def lease_seed(ledger: Ledger, run: int, seed: str, wanted: int) -> Untraced | None:
    """Makes a seed this run's to trace. None: it has `wanted` traces by now, it failed, or another run holds it."""
    with ledger.transaction() as db:
        leased = db.execute(
            "INSERT OR IGNORE INTO leases SELECT ?1, 'trace', ?2"
            " WHERE (SELECT COUNT(*) FROM usable_traces WHERE seed_id = ?1) < ?3 AND NOT EXISTS"
            " (SELECT 1 FROM failures WHERE task = 'trace' AND seed_id = ?1 AND cleared_at IS NULL)",
            (seed, run, wanted),
        ).rowcount
        if not leased:
            return None
        *columns, have, asked = db.execute(
            f"SELECT {SEED_COLUMNS},"  # noqa: S608
            " (SELECT COUNT(*) FROM usable_traces WHERE seed_id = seeds.id),"
            " (SELECT COUNT(*) FROM calls WHERE seed_id = seeds.id AND purpose = 'trace')"
            " FROM seeds WHERE id = ?",
            (seed,),
        ).fetchone()
        (label,) = db.execute("SELECT label FROM seed_labels WHERE seed_id = ?", (seed,)).fetchone()
    return Untraced(read_seed(columns), Label(label) if label else None, wanted - have, asked)


def release(ledger: Ledger, run: int, task: str, row_id: str) -> None:
    """Gives one row back."""
    with ledger.transaction() as db:
        release_row(db, run, task, row_id)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
