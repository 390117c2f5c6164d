"""What follows from answers in the ledger: persons before machines, labels, retired drafts. No server is needed."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from curation.ledger import Ledger
from curation.review.accounts import save_annotator
from curation.review.hand_out import plan_records
from curation.review.records import close_records, read_records, superseded_records
from curation.review.responses import insert_decision, save_responses
from curation.review.settle import House, Settled, settle
from curation.review.shown import show
from curation.review.suggest import stays_blind, suggest
from curation.review.trail import read_trail, require_row
from curation.structures import load_pools, load_structure
from schemas.errors import UsageError
from schemas.example import Label
from schemas.review import Annotator, AnswerRight, Choice, Decision, Kind, Problem, Queue, Response, ReviewRecord
from schemas.settings import Review
from tests.review_project import benign_rows, harmful_rows, make_drafts

RULES = Review(calibration=0, gold_percent=0, repeat_percent=0)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(tmp_path / "curate.db", create=True) as opened:
        make_drafts(opened, [*harmful_rows(2), *benign_rows(2)])
        yield opened


def people(kind: Kind, count: int = 2) -> list[Annotator]:
    letter = "a" if kind == "person" else "m"
    return [Annotator(name=f"{letter}{n}", kind=kind, pseudonym=f"{letter}-{n}") for n in range(count)]


def plan(ledger: Ledger, annotators: list[Annotator], *queues: Queue, every: bool = False) -> list[ReviewRecord]:
    structure = load_structure("alttrain")
    plan_records(ledger, RULES, structure, annotators, queues or ("drafts",), every_label=every)
    return read_records(ledger)


def decide(ledger: Ledger, standing: Kind = "person") -> Settled:
    house = House(RULES, load_structure, load_pools(), standing, 2048)
    return settle(ledger, house)


def say(record: ReviewRecord, annotator: str, choice: Choice | None = Choice.APPROVE, **more: Any) -> Response:
    said = {"choice": choice, "answer_right": AnswerRight.YES} | more
    kind = "machine" if annotator.startswith("m") else "person"
    return Response(record_id=record.id, annotator=annotator, kind=kind, answered_at="2026-01-01T00:00:00", **said)


def outcomes(ledger: Ledger) -> dict[str, tuple[object, object]]:
    rows = ledger.query("SELECT revision_id, outcome, kind FROM review_now")
    return {str(revision): (outcome, kind) for revision, outcome, kind in rows}


def test_a_machines_answers_decide_nothing_where_the_project_has_persons(ledger: Ledger) -> None:
    record = plan(ledger, people("person"))[0]
    save_responses(ledger, [say(record, "m0"), say(record, "m1")])
    assert decide(ledger).decisions == {}
    save_responses(ledger, [say(record, "a0")])
    assert decide(ledger).decisions == {}
    save_responses(ledger, [say(record, "a1")])
    assert decide(ledger).decisions == {"approved": 1}
    assert outcomes(ledger)[record.revision_id or ""] == ("approved", "person")
    ((deciders,),) = ledger.query("SELECT deciders FROM decisions")
    assert json.loads(str(deciders)) == ["a0", "a1"]


def test_what_machines_decided_waits_again_once_there_is_a_person(ledger: Ledger) -> None:
    machines = people("machine")
    for record in plan(ledger, machines):
        save_responses(ledger, [say(record, "m0"), say(record, "m1")])
    assert decide(ledger, "machine").decisions == {"approved": 4}
    assert {kind for _, kind in outcomes(ledger).values()} == {"machine"}
    with ledger.transaction() as db:
        db.execute("UPDATE review_records SET closed_at = 'now', closed_why = 'decided'")
    again = [record for record in plan(ledger, [*machines, *people("person")])]
    assert len(again) == 4
    assert {name for record in again for name in record.assigned} == {"a0", "a1"}
    assert superseded_records(ledger, "person") == []
    save_responses(ledger, [say(again[0], "a0", Choice.REJECT), say(again[0], "a1", Choice.REJECT)])
    assert decide(ledger).decisions == {"rejected": 1}
    assert outcomes(ledger)[again[0].revision_id or ""] == ("rejected", "person")


def test_persons_who_take_their_answers_back_leave_a_machines_decision_a_machines(ledger: Ledger) -> None:
    record = plan(ledger, people("machine"))[0]
    save_responses(ledger, [say(record, "m0"), say(record, "m1")])
    decide(ledger, "machine")
    save_responses(ledger, [say(record, "a0"), say(record, "a1")])
    decide(ledger)
    assert outcomes(ledger)[record.revision_id or ""] == ("approved", "person")
    taken_back = say(record, "a0").model_copy(update={"status": "skipped", "choice": None})
    save_responses(ledger, [taken_back])
    assert decide(ledger).decisions == {"waiting": 1}
    assert outcomes(ledger)[record.revision_id or ""] == ("approved", "machine")


def test_a_label_that_the_majority_calls_wrong_is_a_persons_label_and_retires_the_draft(ledger: Ledger) -> None:
    record = next(r for r in plan(ledger, people("person")) if _branch(ledger, r) == "benign")
    wrong = {"problems": (Problem.LABEL,)}
    save_responses(ledger, [say(record, name, Choice.REJECT, **wrong) for name in ("a0", "a1")])
    settled = decide(ledger)
    assert (settled.decisions, settled.labels) == ({"relabelled": 1}, 1)
    assert ledger.query("SELECT label, origin, author FROM labels WHERE origin = 'person'") == [
        ("harmful", "person", "a0, a1")
    ]
    assert ledger.retire_drafts() == 1
    assert decide(ledger).labels == 0
    assert ledger.query("SELECT COUNT(*) FROM labels WHERE origin = 'person'") == [(1,)]


def test_a_label_that_machines_call_wrong_is_no_persons_label_and_retires_nothing(ledger: Ledger) -> None:
    record = next(r for r in plan(ledger, people("machine")) if _branch(ledger, r) == "benign")
    wrong = {"problems": (Problem.LABEL,)}
    save_responses(ledger, [say(record, name, Choice.REJECT, **wrong) for name in ("m0", "m1")])
    decide(ledger, "machine")
    assert ledger.query("SELECT label, origin FROM labels WHERE origin <> 'dataset'") == [("harmful", "model")]
    assert ledger.retire_drafts() == 0


def _branch(ledger: Ledger, record: ReviewRecord) -> str:
    ((branch,),) = ledger.query("SELECT branch FROM drafts_now WHERE revision_id = ?", (record.revision_id,))
    return str(branch)


def test_answers_in_the_queue_of_labels_become_label_events_once(ledger: Ledger) -> None:
    records = plan(ledger, people("person"), "labels", every=True)
    assert {record.queue for record in records} == {"labels"}
    assert len(records) == 4
    first, second = records[:2]
    save_responses(
        ledger,
        [
            say(first, first.assigned[0], label=Label.UNSURE, choice=None, answer_right=None),
            say(second, second.assigned[0], label=Label.HARMFUL, choice=None, answer_right=None),
        ],
    )
    assert decide(ledger).labels == 2
    assert decide(ledger).labels == 0
    said = ledger.query("SELECT label, origin FROM labels WHERE origin = 'person' ORDER BY label")
    assert said == [("harmful", "person"), ("unsure", "person")]
    changed = say(first, first.assigned[0], label=Label.BENIGN, choice=None, answer_right=None)
    save_responses(ledger, [changed])
    assert decide(ledger).labels == 1
    assert ledger.query("SELECT label FROM seed_labels WHERE seed_id = ?", (first.seed_id,)) == [("benign",)]


def test_a_label_that_only_machines_gave_is_asked_of_persons_and_of_no_machine_again(ledger: Ledger) -> None:
    machines = people("machine")
    for record in plan(ledger, machines, "labels", every=True):
        save_responses(ledger, [say(record, "m0", label=Label.HARMFUL, choice=None, answer_right=None)])
    decide(ledger, "machine")
    assert len(superseded_records(ledger, "machine")) == 4
    close_records(ledger, [(record.id, why) for record, why in superseded_records(ledger, "machine")])
    assert plan(ledger, machines, "labels", every=True) == []
    again = plan(ledger, [*machines, *people("person")], "labels", every=True)
    assert len(again) == 4
    assert superseded_records(ledger, "person") == []


def test_an_answer_to_a_revision_that_was_superseded_is_kept_and_decides_nothing(ledger: Ledger) -> None:
    record = next(r for r in plan(ledger, people("person")) if _branch(ledger, r) == "harmful")
    edit = {"texts": {"answer": "I can't help with taking it, but I can help you ask."}}
    save_responses(ledger, [say(record, "a0", Choice.EDIT, **edit), say(record, "a1")])
    assert decide(ledger).revisions == 1
    save_responses(ledger, [say(record, "a1", Choice.REJECT)])
    assert decide(ledger).decisions == {}
    assert ledger.query("SELECT COUNT(*) FROM responses") == [(3,)]


def test_an_edit_that_a_blocking_check_stops_makes_no_revision_and_goes_to_the_adjudicator(ledger: Ledger) -> None:
    record = next(r for r in plan(ledger, people("person")) if _branch(ledger, r) == "harmful")
    edit = {"texts": {"answer": "Sure! Step 1: wait until they sleep. Step 2: take it. Step 3: leave."}}
    save_responses(ledger, [say(record, "a0", Choice.EDIT, **edit), say(record, "a1")])
    settled = decide(ledger)
    assert (settled.decisions, settled.revisions) == ({"adjudicate": 1}, 0)
    ((reasons, candidates),) = ledger.query("SELECT reasons, candidates FROM decisions")
    assert "the edited text is blocked" in str(reasons)
    assert "Step 1" in str(candidates)


def test_a_persons_edit_of_a_verbatim_stage_is_a_note_and_not_a_block(ledger: Ledger) -> None:
    record = next(r for r in plan(ledger, people("person")) if _branch(ledger, r) == "benign")
    edit = {"texts": {"answer": "Put them in a dry room with some air, and cover them loosely."}}
    save_responses(ledger, [say(record, "a0", Choice.EDIT, **edit), say(record, "a1")])
    assert decide(ledger).revisions == 1
    assert ledger.query(
        "SELECT rule, blocking FROM check_results JOIN revisions ON revisions.id = revision_id WHERE number = 2"
        " AND rule = 'answer_changed'"
    ) == [("answer_changed", 0)]
    assert ledger.query("SELECT author, author_kind FROM revisions WHERE number = 2") == [("a0", "person")]


def test_two_pulls_at_once_decide_the_same_once(ledger: Ledger) -> None:
    record = next(r for r in plan(ledger, people("person")) if _branch(ledger, r) == "harmful")
    edit = {"texts": {"answer": "I can't help with taking it, but I can help you ask."}}
    save_responses(ledger, [say(record, "a0", Choice.EDIT, **edit), say(record, "a1")])
    others: list[Settled] = []

    def other_pull_first(statement: str) -> None:
        """After this pull has looked what was decided, before it writes."""
        if statement.startswith("BEGIN") and not others:
            with Ledger.open(ledger.path) as other:
                others.append(decide(other))

    ledger.connection.set_trace_callback(other_pull_first)
    late = decide(ledger)
    assert [(one.decisions, one.revisions) for one in others] == [({"edited": 1}, 1)]
    assert (late.decisions, late.revisions) == ({}, 0)
    assert ledger.query("SELECT outcome FROM decisions") == [("edited",)]
    assert ledger.query("SELECT COUNT(*) FROM revisions WHERE number = 2") == [(1,)]


# -- the audit trail


def add_accounts(ledger: Ledger, annotators: list[Annotator]) -> None:
    for one in annotators:
        save_annotator(ledger, one)


def test_the_trail_tells_who_said_what_when_on_which_revision_under_which_guidelines(ledger: Ledger) -> None:
    annotators = people("person")
    add_accounts(ledger, annotators)
    record = plan(ledger, annotators)[0]
    first = say(record, "a0", guidelines="g1", comment="as a0 I say so").model_copy(
        update={"answered_at": "2026-01-01"}
    )
    save_responses(ledger, [first, say(record, "a1", Choice.REJECT, problems=(Problem.STYLE,), guidelines="g1")])
    decide(ledger)
    answers = [one for one in read_trail(ledger) if one.event == "answer"]
    assert [(one.who, one.said, one.problems, one.revision_id, one.guidelines) for one in answers] == [
        ("a-0", "approve", "", record.revision_id, "g1"),
        ("a-1", "reject", "style", record.revision_id, "g1"),
    ]
    (decision,) = [one for one in read_trail(ledger) if one.event == "decision"]
    assert (decision.who, decision.said, decision.kind) == ("a-0, a-1", "adjudicate", "person")
    assert read_trail(ledger, row=record.revision_id) == read_trail(ledger, row=record.seed_id) == read_trail(ledger)
    assert read_trail(ledger, row="s0") == []


def test_no_name_leaves_the_ledger_where_pseudonyms_are_on(ledger: Ledger) -> None:
    annotators = people("person")
    record = plan(ledger, annotators)[0]
    save_responses(ledger, [say(record, name, comment=f"I am {name}") for name in ("a0", "a1")])
    decide(ledger)
    assert {one.who for one in read_trail(ledger)} == {"unknown", "unknown, unknown"}
    add_accounts(ledger, annotators[:1])
    told = read_trail(ledger)
    # An account that the ledger lost is no reason to print its name.
    assert {one.who for one in told} == {"a-0", "unknown", "a-0, unknown"}
    assert {one.comment for one in told} == {""}
    assert {one.comment for one in read_trail(ledger, pseudonyms=False)} == {"I am a0", "I am a1", ""}


def test_the_trail_of_what_the_ledger_does_not_have_is_one_line(ledger: Ledger) -> None:
    for (row,) in ledger.query("SELECT id FROM seeds UNION SELECT id FROM drafts UNION SELECT id FROM revisions"):
        require_row(ledger, str(row))
    with pytest.raises(UsageError, match="'nope'"):
        require_row(ledger, "nope")


# -- suggestions


def test_where_decisions_are_suggested_a_share_of_the_records_stays_blind(ledger: Ledger) -> None:
    rules = RULES.model_copy(update={"suggest_decision": True, "blind_percent": 30.0})
    records = [
        ReviewRecord(id=f"r{number}", queue="drafts", seed_id="s", position=number, needed=1) for number in range(1000)
    ]
    assert 250 < sum(stays_blind(record, rules) for record in records) < 350
    assert all(stays_blind(record, RULES) for record in records)


def test_only_a_record_that_is_not_blind_shows_a_decision_beforehand(ledger: Ledger) -> None:
    planned = plan(ledger, people("person"))
    shown = show(ledger, planned)
    assert [one.suggestion for one in suggest(ledger, shown)] == [None] * 4
    seeing = show(ledger, [record.model_copy(update={"blind": False}) for record in planned])
    flagged = [bool(one.draft and one.draft.checks) for one in seeing]
    assert [one.suggestion for one in suggest(ledger, seeing)] == [None if flag else Choice.APPROVE for flag in flagged]
    with ledger.transaction() as db:
        decision = Decision(revision_id=str(planned[0].revision_id), outcome="rejected", kind="machine")
        insert_decision(db, planned[0].seed_id, decision)
    assert suggest(ledger, seeing)[0].suggestion is Choice.REJECT
