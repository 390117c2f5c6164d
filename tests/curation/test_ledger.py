"""The ledger's promises, each on a real file."""

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from curation.database import APPLICATION_ID, MIGRATIONS
from curation.ledger import Ledger, NewRow
from schemas.call import Call
from schemas.errors import LedgerError
from schemas.example import (
    CheckResult,
    Draft,
    Failure,
    Label,
    LabelEvent,
    Piece,
    Seed,
    Span,
    Stage,
    Trace,
    draft_id,
    seed_id,
    trace_id,
)
from schemas.think import join

CALL = Call(
    purpose="verdict",
    prompt_version="verdict-0",
    endpoint="gpt",
    model="m",
    outcome="ok",
    raw="{}",
    tokens_in=10,
    tokens_out=5,
    usd=0.001,
    latency_seconds=0.2,
    attempts=2,
)


def row(
    number: int, *, label: Label | None = Label.HARMFUL, declines: bool | None = True, answer: str = "No."
) -> NewRow:
    prompt = f"prompt {number}"
    seed = Seed(id=seed_id("test", prompt), family="", prompt=prompt, source="test", category="privacy")
    trace = Trace(id=trace_id(seed.id, "text", answer, None), seed_id=seed.id, text="text", answer=answer)
    return NewRow(seed, trace, declines, label)


def draft(of: NewRow, structure: str = "alttrain", reason: str = "it hurts someone") -> Draft:
    assert of.trace is not None
    text = f"harmful because {reason}"
    start = join("", "").index("\n") + 1
    piece = Piece(span=Span(start=start, end=start + len(text)), origin="written")
    return Draft(
        id=draft_id(of.trace.id, structure),
        seed_id=of.seed.id,
        trace_id=of.trace.id,
        structure=structure,
        branch="harmful",
        branch_from="dataset",
        reason=reason,
        completion=join(text, "No."),
        stages=(Stage(name="assessment", span=piece.span, pieces=(piece,)),),
        notes=("bridged",),
    )


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(tmp_path / "curate.db", create=True) as opened:
        yield opened


def ids(ledger: Ledger) -> list[str]:
    return [candidate.id for candidate in ledger.candidates("alttrain")]


def test_the_same_row_twice_is_counted_and_not_doubled(ledger: Ledger) -> None:
    assert ledger.add([row(1), row(2)], "test") == (2, 2, 0, 2)
    assert ledger.add([row(1), row(2), row(3)], "test") == (1, 1, 2, 1)
    assert len(ids(ledger)) == 3


def test_a_draft_comes_back_as_it_was_saved(ledger: Ledger) -> None:
    ledger.add([row(1)], "test")
    run = ledger.start_run("generate", "alttrain")
    call = ledger.save_call(run, row(1).seed.id, ids(ledger)[0], "key", CALL)
    made = draft(row(1))
    result = CheckResult(rule="one_sentence", blocking=True, reason="two sentences")
    assert ledger.save_draft(run, made, [result], "gpt", {made.written()[0]: call})
    assert ledger.draft(made.id) == made
    assert ledger.query("SELECT blocked FROM revisions") == [(1,)]
    assert ledger.query("SELECT call_id FROM pieces") == [(call,)]


def test_two_runs_share_the_rows_and_never_take_the_same_one(tmp_path: Path, ledger: Ledger) -> None:
    ledger.add([row(n) for n in range(10)], "test")
    with Ledger.open(tmp_path / "curate.db") as other:
        first, second = ledger.start_run("generate", "alttrain"), other.start_run("generate", "alttrain")
        one = ledger.lease(first, "alttrain", ids(ledger)[:6])
        two = other.lease(second, "alttrain", ids(ledger))
        assert len(one) == 6
        assert len(two) == 4
        assert not set(one) & set(two)


def test_a_row_that_is_done_or_failed_is_not_leased_again(ledger: Ledger) -> None:
    ledger.add([row(1), row(2), row(3)], "test")
    run = ledger.start_run("generate", "alttrain")
    everything = ids(ledger)
    done, failed, waiting = (ledger.load([trace])[0] for trace in everything)
    made = next(r for r in (row(1), row(2), row(3)) if r.seed.id == done.seed.id)
    ledger.save_draft(run, draft(made), [], "gpt", {})
    ledger.save_failure(run, "alttrain", failed, Failure(kind="refused", reason="said no"))
    assert ledger.lease(run, "alttrain", everything) == [waiting.trace.id]
    assert ledger.clear_failures("alttrain", [failed.trace.id]) == 1
    assert ledger.lease(run, "alttrain", everything) == [failed.trace.id]


def test_two_runs_that_lost_track_of_each_other_never_leave_a_row_both_drafted_and_failed(ledger: Ledger) -> None:
    ledger.add([row(1), row(2)], "test")
    run = ledger.start_run("generate", "alttrain")
    works = {work.seed.id: work for work in ledger.load(ids(ledger))}
    refused = Failure(kind="refused", reason="said no")
    for number, failure_first in ((1, True), (2, False)):
        work = works[row(number).seed.id]
        if failure_first:
            ledger.save_failure(run, "alttrain", work, refused)
        ledger.save_draft(run, draft(row(number)), [], "gpt", {})
        if not failure_first:
            ledger.save_failure(run, "alttrain", work, refused)
    assert ledger.query("SELECT (SELECT COUNT(*) FROM drafts), (SELECT COUNT(*) FROM failures_now)") == [(2, 0)]


def test_ending_a_run_gives_its_leases_back(ledger: Ledger) -> None:
    ledger.add([row(1)], "test")
    run = ledger.start_run("generate", "alttrain")
    assert ledger.lease(run, "alttrain", ids(ledger))
    ledger.end_run(run, "done")
    assert ledger.lease(ledger.start_run("generate", "alttrain"), "alttrain", ids(ledger))


def test_the_leases_of_a_killed_process_are_free_at_once_and_those_of_a_living_one_are_not(
    tmp_path: Path, ledger: Ledger
) -> None:
    ledger.add([row(n) for n in range(4)], "test")
    script = (
        "import sys, time; from pathlib import Path; from curation.ledger import Ledger\n"
        "ledger = Ledger.open(Path(sys.argv[1])); run = ledger.start_run('generate', 'alttrain')\n"
        "ledger.lease(run, 'alttrain', [c.id for c in ledger.candidates('alttrain')]); print('ready', flush=True)\n"
        "time.sleep(60)"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path / "curate.db")], stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    with holder.stdout:
        holder.stdout.readline()
        run = ledger.start_run("generate", "alttrain")
        assert ledger.drop_dead_leases() == 0
        assert ledger.lease(run, "alttrain", ids(ledger)) == []
        os.kill(holder.pid, signal.SIGKILL)
        holder.wait()
    assert ledger.drop_dead_leases() == 1
    assert len(ledger.lease(run, "alttrain", ids(ledger))) == 4


def test_the_newest_human_label_wins_and_then_the_datasets(ledger: Ledger) -> None:
    ledger.add([row(1)], "test")
    seed = row(1).seed.id

    def label() -> tuple[Label | None, str | None]:
        work = ledger.load(ids(ledger))[0]
        return work.label, work.label_from

    def say(what: Label, origin: str) -> None:
        ledger.add_label(LabelEvent.model_validate({"seed_id": seed, "label": what, "origin": origin, "author": "x"}))

    assert label() == (Label.HARMFUL, "dataset")
    say(Label.BENIGN, "model")
    assert label() == (Label.HARMFUL, "dataset")
    say(Label.BENIGN, "person")
    assert label() == (Label.BENIGN, "person")
    say(Label.HARMFUL, "person")
    assert label() == (Label.HARMFUL, "person")
    say(Label.UNSURE, "person")
    assert label() == (None, None)


def test_a_harmful_label_over_an_answer_that_complied_counts_as_none_until_a_person_decides(ledger: Ledger) -> None:
    ledger.add([row(1, declines=False)], "test")
    work = ledger.load(ids(ledger))[0]
    assert (work.label, work.source_complied) == (None, True)
    ledger.add_label(LabelEvent(seed_id=work.seed.id, label=Label.HARMFUL, origin="person", author="ann"))
    work = ledger.load(ids(ledger))[0]
    assert (work.label, work.label_from, work.source_complied) == (Label.HARMFUL, "person", False)


def test_a_good_reply_is_found_again_and_a_bad_one_or_another_endpoints_is_not(ledger: Ledger) -> None:
    ledger.add([row(1)], "test")
    run = ledger.start_run("generate", "alttrain")
    seed = row(1).seed.id
    call = ledger.save_call(run, seed, None, "good", CALL)
    ledger.save_call(run, seed, None, "bad", CALL.model_copy(update={"outcome": "invalid"}))
    assert ledger.find_reply("good", ["own", "gpt"]) == (call, "{}")
    assert ledger.find_reply("good", ["own"]) is None
    assert ledger.find_reply("bad", ["gpt"]) is None


def test_the_same_reason_in_many_drafts_is_flagged_and_unflagged_when_it_no_longer_holds(ledger: Ledger) -> None:
    rows = [row(n) for n in range(4)]
    ledger.add(rows, "test")
    run = ledger.start_run("generate", "alttrain")
    for number, of in enumerate(rows):
        ledger.save_draft(run, draft(of, reason="the same" if number < 3 else "its own"), [], "gpt", {})
    assert ledger.flag_repeated_reasons("alttrain", 3) == 3
    assert ledger.flag_repeated_reasons("alttrain", 4) == 0
    assert ledger.query("SELECT COUNT(*) FROM check_results") == [(0,)]


def test_a_bad_row_of_a_file_is_listed_once_however_often_the_file_is_read(ledger: Ledger) -> None:
    for _ in range(2):
        ledger.add_failure("add", Failure(kind="bad_row", reason="no prompt"), place="a.jsonl:3")
    assert ledger.query("SELECT place, reason FROM failures_now") == [("a.jsonl:3", "no prompt")]


def test_a_transaction_that_fails_leaves_nothing_behind(ledger: Ledger) -> None:
    ledger.add([row(1)], "test")

    def fail_half_way() -> None:
        with ledger.transaction() as db:
            db.execute("DELETE FROM labels")
            db.execute("INSERT INTO labels (seed_id, label, origin, author, at) VALUES ('none','benign','rule','','')")

    with pytest.raises(sqlite3.IntegrityError):
        fail_half_way()
    assert ledger.query("SELECT COUNT(*) FROM labels") == [(1,)]


def test_a_full_disk_is_one_clear_line_and_nothing_half_written(ledger: Ledger) -> None:
    pages = ledger.query("PRAGMA page_count")[0][0]
    ledger.query(f"PRAGMA max_page_count = {int(str(pages)) + 2}")
    with pytest.raises(LedgerError, match="the disk is full; nothing half-written is left"):
        ledger.add([row(n, answer="x" * 2000) for n in range(50)], "test")
    assert ledger.query("SELECT (SELECT COUNT(*) FROM seeds), (SELECT COUNT(*) FROM traces)") == [(0, 0)]


def test_a_locked_file_is_one_clear_line(tmp_path: Path, ledger: Ledger) -> None:
    with Ledger.open(tmp_path / "curate.db") as other:
        other.connection.execute("BEGIN IMMEDIATE")
        ledger.query("PRAGMA busy_timeout = 10")
        with pytest.raises(LedgerError, match="locked by another program"):
            ledger.add([row(1)], "test")


def test_a_file_from_a_newer_version_is_one_clear_line(tmp_path: Path, ledger: Ledger) -> None:
    ledger.query(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    with pytest.raises(LedgerError, match=r"made by a newer version .* upgrade"):
        Ledger.open(tmp_path / "curate.db")


def test_a_missing_file_a_foreign_one_and_no_sqlite_file_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="no ledger here"):
        Ledger.open(tmp_path / "none.db")
    with closing(sqlite3.connect(tmp_path / "other.db")) as other:
        other.execute("CREATE TABLE t (x)")
    with pytest.raises(LedgerError, match="not a ledger of curate"):
        Ledger.open(tmp_path / "other.db")
    (tmp_path / "text.db").write_text("hello " * 500)
    with pytest.raises(LedgerError, match="not an SQLite file"):
        Ledger.open(tmp_path / "text.db")


def test_a_ledger_says_what_it_is_to_whoever_opens_it(ledger: Ledger) -> None:
    assert ledger.query("PRAGMA application_id") == [(APPLICATION_ID,)]
    assert ledger.query("PRAGMA journal_mode") == [("wal",)]
    assert ledger.query("PRAGMA foreign_keys") == [(1,)]


def test_every_view_can_be_read(ledger: Ledger) -> None:
    for (name,) in ledger.query("SELECT name FROM sqlite_master WHERE type = 'view'"):
        ledger.query(f"SELECT * FROM {name}")
