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
from curation.leases import drop_dead_leases, end_run, lease, start_run
from curation.ledger import Ledger, NewRow, Unjudged
from curation.record import DraftRecord, read_record
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


def row(number: int, *, label: Label | None = Label.HARMFUL, answer: str = "No.") -> NewRow:
    prompt = f"prompt {number}"
    seed = Seed(id=seed_id("test", prompt), family="", prompt=prompt, source="test", category="privacy")
    trace = Trace(id=trace_id(seed.id, "text", answer, None), seed_id=seed.id, text="text", answer=answer)
    return NewRow(seed, trace, label)


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
    assert ledger.add([row(1), row(2)]) == (2, 2, 0, 2)
    assert ledger.add([row(1), row(2), row(3)]) == (1, 1, 2, 1)
    assert len(ids(ledger)) == 3


def test_a_row_is_repeated_where_it_brings_neither_a_new_prompt_nor_a_new_trace(ledger: Ledger) -> None:
    ledger.add([row(1)._replace(trace=None)])
    assert ledger.add([row(2), row(1)._replace(trace=None)]) == (1, 1, 1, 1)
    assert ledger.add([row(1)]) == (0, 1, 0, 0)
    assert ledger.add([row(1, answer="Another."), row(1), row(1)]) == (0, 1, 2, 0)


def test_a_source_that_changes_its_mind_is_heard_and_one_that_repeats_itself_is_not(ledger: Ledger) -> None:
    said = (Label.HARMFUL, Label.HARMFUL, Label.BENIGN, Label.BENIGN, Label.HARMFUL)
    assert [ledger.add([row(1, label=label)]).labelled for label in said] == [1, 0, 1, 0, 1]
    assert ledger.query("SELECT label, author FROM labels ORDER BY id") == [
        ("harmful", "test"),
        ("benign", "test"),
        ("harmful", "test"),
    ]
    assert ledger.query("SELECT label FROM seed_labels") == [("harmful",)]


def test_answers_wait_to_be_judged_only_under_a_harmful_label_of_a_dataset(ledger: Ledger) -> None:
    ledger.add([row(1), row(2, label=Label.BENIGN), row(3, label=None)])
    ledger.add_label(LabelEvent(seed_id=row(3).seed.id, label=Label.HARMFUL, origin="person", author="ann"))
    (waiting,) = ledger.unjudged("", 10)
    one, two = (of.trace.id for of in (row(1), row(2)) if of.trace)
    assert waiting == Unjudged(one, "No.", "privacy")
    assert ledger.unjudged(waiting.trace_id, 10) == []
    ledger.add([row(2)])
    assert {trace.trace_id for trace in ledger.unjudged("", 10)} == {one, two}
    ledger.set_declines([(waiting.trace_id, False)])
    assert {trace.trace_id for trace in ledger.unjudged("", 10)} == {two}


def test_a_draft_comes_back_as_it_was_saved(ledger: Ledger) -> None:
    ledger.add([row(1)])
    run = start_run(ledger, "generate", "alttrain")
    call = ledger.save_call(run, row(1).seed.id, ids(ledger)[0], "key", CALL)
    made = draft(row(1))
    result = CheckResult(rule="one_sentence", blocking=True, reason="two sentences")
    assert ledger.save_draft(run, made, [result], "gpt", {made.written()[0]: call})
    (trace,) = read_record(ledger, made.id).traces
    kept = trace.draft
    assert kept
    assert kept.model_dump(include={*Draft.model_fields}) == made.model_dump(include={*DraftRecord.model_fields})
    assert [(piece.stage, piece.span, piece.origin, piece.call_id) for piece in kept.pieces] == [
        ("assessment", made.stages[0].span, "written", call)
    ]
    assert kept.checks == (result,)
    assert kept.blocked


def test_two_runs_share_the_rows_and_never_take_the_same_one(tmp_path: Path, ledger: Ledger) -> None:
    ledger.add([row(n) for n in range(10)])
    with Ledger.open(tmp_path / "curate.db") as other:
        first, second = start_run(ledger, "generate", "alttrain"), start_run(other, "generate", "alttrain")
        one = lease(ledger, first, "alttrain", ids(ledger)[:6])
        two = lease(other, second, "alttrain", ids(ledger))
        assert len(one) == 6
        assert len(two) == 4
        assert not set(one) & set(two)


def test_a_row_that_is_done_or_failed_is_not_leased_again(ledger: Ledger) -> None:
    ledger.add([row(1), row(2), row(3)])
    run = start_run(ledger, "generate", "alttrain")
    everything = ids(ledger)
    done, failed, waiting = (ledger.load([trace], "alttrain")[0] for trace in everything)
    made = next(r for r in (row(1), row(2), row(3)) if r.seed.id == done.seed.id)
    ledger.save_draft(run, draft(made), [], "gpt", {})
    ledger.save_failure(run, "alttrain", failed, Failure(kind="refused", reason="said no"))
    assert lease(ledger, run, "alttrain", everything) == [waiting.trace.id]
    assert ledger.clear_failures("alttrain", [failed.trace.id]) == 1
    assert lease(ledger, run, "alttrain", everything) == [failed.trace.id]


def test_two_runs_that_lost_track_of_each_other_never_leave_a_row_both_drafted_and_failed(ledger: Ledger) -> None:
    ledger.add([row(1), row(2)])
    run = start_run(ledger, "generate", "alttrain")
    works = {work.seed.id: work for work in ledger.load(ids(ledger), "alttrain")}
    refused = Failure(kind="refused", reason="said no")
    for number, failure_first in ((1, True), (2, False)):
        work = works[row(number).seed.id]
        if failure_first:
            ledger.save_failure(run, "alttrain", work, refused)
        ledger.save_draft(run, draft(row(number)), [], "gpt", {})
        if not failure_first:
            ledger.save_failure(run, "alttrain", work, refused)
    assert ledger.query("SELECT (SELECT COUNT(*) FROM drafts), (SELECT COUNT(*) FROM failures_now)") == [(2, 0)]


def test_saving_a_row_gives_back_only_the_own_lease(tmp_path: Path, ledger: Ledger) -> None:
    ledger.add([row(1), row(2)])
    drafted, failed = (ledger.load([trace], "alttrain")[0] for trace in ids(ledger))
    slow, fast = start_run(ledger, "generate", "alttrain"), start_run(ledger, "generate", "alttrain")
    lease(ledger, fast, "alttrain", ids(ledger))
    made = next(of for of in (row(1), row(2)) if of.seed.id == drafted.seed.id)
    ledger.save_draft(slow, draft(made), [], "gpt", {})
    ledger.save_failure(slow, "alttrain", failed, Failure(kind="refused", reason="said no"))
    assert ledger.query("SELECT run_id, COUNT(*) FROM leases") == [(fast, 2)]


def test_ending_a_run_gives_its_leases_back(ledger: Ledger) -> None:
    ledger.add([row(1)])
    run = start_run(ledger, "generate", "alttrain")
    assert lease(ledger, run, "alttrain", ids(ledger))
    end_run(ledger, run, "done")
    assert lease(ledger, start_run(ledger, "generate", "alttrain"), "alttrain", ids(ledger))


def test_the_leases_of_a_killed_process_are_free_at_once_and_those_of_a_living_one_are_not(
    tmp_path: Path, ledger: Ledger
) -> None:
    ledger.add([row(n) for n in range(4)])
    script = (
        "import sys, time; from pathlib import Path; from curation.leases import lease, start_run\n"
        "from curation.ledger import Ledger\n"
        "ledger = Ledger.open(Path(sys.argv[1])); run = start_run(ledger, 'generate', 'alttrain')\n"
        "lease(ledger, run, 'alttrain', [c.id for c in ledger.candidates('alttrain')]); print('ready', flush=True)\n"
        "time.sleep(60)"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path / "curate.db")], stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    with holder.stdout:
        holder.stdout.readline()
        run = start_run(ledger, "generate", "alttrain")
        assert drop_dead_leases(ledger) == 0
        assert lease(ledger, run, "alttrain", ids(ledger)) == []
        os.kill(holder.pid, signal.SIGKILL)
        holder.wait()
    assert drop_dead_leases(ledger) == 1
    assert len(lease(ledger, run, "alttrain", ids(ledger))) == 4


def test_the_newest_human_label_wins_and_then_the_datasets(ledger: Ledger) -> None:
    ledger.add([row(1)])
    seed = row(1).seed.id

    def label() -> tuple[Label | None, str | None]:
        work = ledger.load(ids(ledger), "alttrain")[0]
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
    assert ledger.query("SELECT label, origin FROM trace_labels") == [(None, "person")]


def test_a_harmful_label_over_an_answer_that_complied_counts_as_none_until_a_person_decides(ledger: Ledger) -> None:
    ledger.add([row(1)])
    ledger.set_declines([(ids(ledger)[0], False)])
    work = ledger.load(ids(ledger), "alttrain")[0]
    assert (work.label, work.source_complied) == (None, True)
    ledger.add_label(LabelEvent(seed_id=work.seed.id, label=Label.HARMFUL, origin="person", author="ann"))
    work = ledger.load(ids(ledger), "alttrain")[0]
    assert (work.label, work.label_from, work.source_complied) == (Label.HARMFUL, "person", False)


def test_a_good_reply_is_found_again_and_a_bad_one_is_not(ledger: Ledger) -> None:
    ledger.add([row(1)])
    run = start_run(ledger, "generate", "alttrain")
    seed = row(1).seed.id
    call = ledger.save_call(run, seed, None, "good", CALL)
    ledger.save_call(run, seed, None, "bad", CALL.model_copy(update={"outcome": "invalid"}))
    assert ledger.find_reply(["other", "good"]) == (call, "gpt:m", "{}")
    assert ledger.find_reply(["bad"]) is None


def test_the_same_reason_in_many_drafts_is_flagged_and_unflagged_when_it_no_longer_holds(ledger: Ledger) -> None:
    rows = [row(n) for n in range(4)]
    ledger.add(rows)
    run = start_run(ledger, "generate", "alttrain")
    for number, of in enumerate(rows):
        ledger.save_draft(run, draft(of, reason="the same" if number < 3 else "its own"), [], "gpt", {})
    assert ledger.flag_repeated_reasons("alttrain", 3) == 3
    assert ledger.flag_repeated_reasons("alttrain", 4) == 0
    assert ledger.query("SELECT COUNT(*) FROM check_results") == [(0,)]


def test_a_bad_row_of_a_file_is_listed_once_however_often_the_file_is_read(ledger: Ledger) -> None:
    for _ in range(2):
        ledger.add_failure("add", Failure(kind="bad_row", reason="no prompt"), place="a.jsonl:3")
    assert ledger.query("SELECT place, reason FROM failures_now") == [("a.jsonl:3", "no prompt")]


def test_rows_of_a_file_that_was_mended_are_cleared_and_no_others(ledger: Ledger) -> None:
    places = ("a.jsonl:1", "a.jsonl:2", "a.jsonl", "a.jsonl:b:2", "a.jsonl2:1", "b.jsonl:1")
    for place in places:
        ledger.add_failure("add", Failure(kind="bad_row", reason="no prompt"), place=place)
    ledger.clear_mended_rows("a.jsonl", {("a.jsonl:2", "no prompt")})
    assert {place for (place,) in ledger.query("SELECT place FROM failures_now")} == {*places[1:2], *places[3:]}
    ledger.clear_mended_rows("a.jsonl", {("a.jsonl:2", "another reason")})
    assert {place for (place,) in ledger.query("SELECT place FROM failures_now")} == {*places[3:]}


def test_a_transaction_that_fails_leaves_nothing_behind(ledger: Ledger) -> None:
    ledger.add([row(1)])

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
        ledger.add([row(n, answer="x" * 2000) for n in range(50)])
    assert ledger.query("SELECT (SELECT COUNT(*) FROM seeds), (SELECT COUNT(*) FROM traces)") == [(0, 0)]


def test_a_locked_file_is_one_clear_line(tmp_path: Path, ledger: Ledger) -> None:
    with Ledger.open(tmp_path / "curate.db") as other:
        other.connection.execute("BEGIN IMMEDIATE")
        ledger.query("PRAGMA busy_timeout = 10")
        with pytest.raises(LedgerError, match="locked by another program"):
            ledger.add([row(1)])


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


@pytest.mark.parametrize("journal", ["DELETE", "WAL"])
def test_a_file_that_is_not_ours_is_left_as_it_is(tmp_path: Path, journal: str) -> None:
    path = tmp_path / "curate?#1.db"
    with closing(sqlite3.connect(path)) as other:
        other.execute(f"PRAGMA journal_mode = {journal}")
        other.execute("CREATE TABLE t (x)")
    before = path.read_bytes()
    for create in (False, True):
        with pytest.raises(LedgerError, match="not a ledger of curate"):
            Ledger.open(path, create=create)
    assert path.read_bytes() == before


def test_a_ledger_is_opened_while_another_program_writes_to_it(tmp_path: Path, ledger: Ledger) -> None:
    ledger.add([row(1)])
    with Ledger.open(tmp_path / "curate.db") as other:
        assert other.query("SELECT COUNT(*) FROM seeds") == [(1,)]


def test_a_ledger_says_what_it_is_to_whoever_opens_it(ledger: Ledger) -> None:
    assert ledger.query("PRAGMA application_id") == [(APPLICATION_ID,)]
    assert ledger.query("PRAGMA journal_mode") == [("wal",)]
    assert ledger.query("PRAGMA foreign_keys") == [(1,)]


def test_every_view_can_be_read(ledger: Ledger) -> None:
    for (name,) in ledger.query("SELECT name FROM sqlite_master WHERE type = 'view'"):
        ledger.query(f"SELECT * FROM {name}")
