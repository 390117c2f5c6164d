"""What `curate review status` counts, on a small review whose figures are worked out by hand."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from pydantic import ValidationError

from curation.cli import curate
from curation.leases import start_run
from curation.ledger import Ledger, NewRow, insert_revision, now
from curation.review.accounts import save_annotator
from curation.review.decide import Asked, decide
from curation.review.records import close_records, confirm_pushed, insert_records
from curation.review.responses import insert_decision, insert_label_decision, save_responses
from curation.review.status import count_review, find_pace
from schemas.example import CheckResult, Draft, Label, Seed, Trace
from schemas.report import OutcomeCounts, QueueCounts, ReviewStatus
from schemas.review import Annotator, Candidate, Queue, ReviewRecord
from tests.curation.review.answers import RULES, say
from tests.shown_rows import benign, harmful_draft

# Draft 0-3: decided. 4, 5: in Argilla. 6: planned only. 7: blocked. 8: no record yet. 9: benign, decided by a machine.
ANSWERS = {
    0: "a1 approve; a2 approve",
    1: "a1 approve; a2 reject style",
    2: 'a1 approve; a2 edit reasoning="X."',
    3: "a1 approve; a2 approve; a3 approve",
    4: "a1 reject; a2 skip",
    9: "a1 approve answer:yes; m1 approve answer:yes",
}
PUSHED = (0, 1, 2, 3, 4, 5, 9)
CLOSED = (0, 1, 2, 3)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    CliRunner().invoke(curate, ["init", str(tmp_path / "p")], catch_exceptions=False)
    with Ledger.open(tmp_path / "p" / "curate.db") as opened:
        yield opened


def make(number: int) -> Draft:
    shown = benign().draft
    assert shown is not None
    return (shown.draft if number == 9 else harmful_draft()).model_copy(
        update={"id": f"d{number}", "seed_id": f"s{number}", "trace_id": f"t{number}"}
    )


def add_drafts(ledger: Ledger) -> None:
    run = start_run(ledger, "generate", "alttrain")
    for number in range(10):
        seed = Seed(id=f"s{number}", family="", prompt=f"Prompt {number}?", source="set", category="illicit")
        ledger.add([NewRow(seed, Trace(id=f"t{number}", seed_id=seed.id, text="Okay.", answer="No."), Label.HARMFUL)])
        blocks = [CheckResult(rule="gives_steps", blocking=True, reason="a list")] if number == 7 else []
        ledger.save_draft(run, make(number), blocks, "machine", {})


def record(number: int, queue: Queue = "drafts", name: str = "r", **changes: Any) -> ReviewRecord:
    return ReviewRecord(
        id=f"{name}{number}",
        queue=queue,
        seed_id=f"s{number}",
        revision_id=None if queue == "labels" else f"d{number}.1",
        position=number,
        needed=changes.pop("needed", 2),
        **changes,
    )


def add_answers(ledger: Ledger, answers: Mapping[int, str], name: str = "r") -> None:
    for number, said in answers.items():
        save_responses(ledger, [r.model_copy(update={"record_id": f"{name}{number}"}) for r in say(said)])


@pytest.fixture
def review(ledger: Ledger) -> Ledger:
    add_drafts(ledger)
    for name in ("a1", "a2", "a3", "m1"):
        kind = "machine" if name == "m1" else "person"
        save_annotator(ledger, Annotator(name=name, kind=kind, pseudonym=f"annotator-{name}"))
    insert_records(ledger, [record(number) for number in (*PUSHED, 6)])
    confirm_pushed(ledger, [f"r{number}" for number in PUSHED])
    add_answers(ledger, ANSWERS)
    for number, said in ANSWERS.items():
        draft = make(number)
        decision = decide(Asked(f"d{number}.1", draft.branch, 1, 2), say(said), RULES)
        if decision.outcome == "waiting":
            continue
        with ledger.transaction() as db:
            insert_decision(db, f"s{number}", decision)
            if decision.outcome == "edited":
                insert_revision(db, draft.model_copy(update={"revision": 2}), (), "a2", "person", {}, now())
    close_records(ledger, [(f"r{number}", "decided") for number in CLOSED])
    return ledger


def queue_of(status: ReviewStatus, name: str) -> QueueCounts:
    (found,) = [queue for queue in status.queues if queue.queue == name]
    return found


def test_the_queue_has_each_record_in_one_place(review: Ledger) -> None:
    queue = queue_of(count_review(review, "alttrain"), "drafts")
    # Records 0-3 are done; 4, 5 and 9 wait in Argilla, where 9 has one person's answer; 6 was not pushed.
    assert (queue.records, queue.done, queue.pending, queue.unpushed, queue.superseded) == (8, 4, 3, 1, 0)
    # Persons: 2 + 2 + 2 + 3 + 1 + 1. A machine: 1, on record 9. One skip, on record 4.
    assert (queue.answers_person, queue.answers_machine, queue.skips) == (11, 1, 1)
    # The third answer to record 3.
    assert queue.waste == 1
    # Record 4 lacks 1, record 5 lacks 2, record 6 lacks 2, record 9 lacks 1: the machine's is not waited for.
    assert queue.open_answers == 6


def test_a_project_of_machine_accounts_alone_counts_their_answers(review: Ledger) -> None:
    with review.transaction() as db:
        db.execute("UPDATE annotators SET active = 0 WHERE kind = 'person'")
    status = count_review(review, "alttrain")
    assert (status.annotators, queue_of(status, "drafts").open_answers) == (1, 5)


def test_a_record_that_left_its_queue_without_its_answers_is_superseded_unless_it_was_decided(review: Ledger) -> None:
    close_records(review, [("r5", "superseded"), ("r4", "decided")])
    queue = queue_of(count_review(review, "alttrain"), "drafts")
    assert (queue.done, queue.pending, queue.superseded, queue.open_answers) == (5, 1, 1, 3)


def test_drafts_are_counted_by_outcome_and_by_whose_decision_it_is(review: Ledger) -> None:
    status = count_review(review, "alttrain")
    # Draft 2 is at its second revision, which nobody has decided; 4, 5, 6 and 8 are not decided either; 7 is blocked.
    assert (status.drafts, status.blocked, status.undecided) == (10, 1, 5)
    assert status.decided == (
        OutcomeCounts(outcome="approved", person=2, machine=1),
        OutcomeCounts(outcome="adjudicate", person=1, machine=0),
    )
    assert status.revisions == (
        OutcomeCounts(outcome="approved", person=2, machine=1),
        OutcomeCounts(outcome="edited", person=1, machine=0),
        OutcomeCounts(outcome="adjudicate", person=1, machine=0),
    )


def test_a_decision_that_was_taken_back_is_none(review: Ledger) -> None:
    with review.transaction() as db:
        insert_decision(db, "s0", decide(Asked("d0.1", "harmful", 1, 2), say("a1 approve"), RULES))
    status = count_review(review, "alttrain")
    assert (status.undecided, status.decided[0].person) == (6, 1)
    assert "waiting" not in {row.outcome for row in (*status.decided, *status.revisions)}


def test_a_decision_goes_before_a_check(review: Ledger) -> None:
    with review.transaction() as db:
        insert_decision(db, "s7", decide(Asked("d7.1", "harmful", 1, 2), say("a1 approve; a2 approve"), RULES))
    status = count_review(review, "alttrain")
    assert (status.blocked, status.decided[0].person) == (0, 3)


def test_a_retired_draft_counts_among_the_decisions_and_not_among_the_drafts(review: Ledger) -> None:
    with review.transaction() as db:
        db.execute("UPDATE drafts SET retired_at = 'now' WHERE id = 'd0'")
    status = count_review(review, "alttrain")
    assert (status.drafts, status.decided[0].person, status.revisions[0].person) == (9, 1, 2)


def test_labels_are_counted_by_prompt_persons_before_machines(review: Ledger) -> None:
    insert_records(review, [record(number, "labels", "l", needed=1) for number in (0, 1)])
    add_answers(review, {0: "a1 harmful", 1: "m1 benign"}, "l")
    with review.transaction() as db:
        insert_label_decision(db, "s0", Label.HARMFUL, "person", ("1 harmful",), ("a1",))
        insert_label_decision(db, "s0", Label.BENIGN, "machine", ("1 benign",), ("m1",))
        insert_label_decision(db, "s1", Label.HARMFUL, "machine", ("1 harmful",), ("m1",))
        insert_label_decision(db, "s1", Label.BENIGN, "machine", ("1 benign",), ("m1",))
    status = count_review(review, "alttrain")
    assert status.labels == (
        OutcomeCounts(outcome="harmful", person=1, machine=0),
        OutcomeCounts(outcome="benign", person=0, machine=1),
    )
    labels = queue_of(status, "labels")
    assert (labels.done, labels.hours_left) == (1, None)  # the machine's answer to the other is not waited for
    # A prompt's label is no draft's decision.
    assert status.drafts == 10


def test_agreement_is_that_of_the_hand_calculation(review: Ledger) -> None:
    status = count_review(review, "alttrain")
    (decision,) = [row for row in status.agreement if row.question == "decision" and row.group == "all"]
    # Two persons or more answered records 0 (2 approve), 1 (1 approve, 1 reject), 2 (2 approve: an edit is one) and
    # 3 (3 approve); record 4 has one answer, a rejection, and record 9 one of a person, an approval.
    assert (decision.kind, decision.records, decision.answers) == ("person", 4, 9)
    assert decision.raw == pytest.approx(3 / 4)
    # Alpha over 9 answers, 8 approve and 1 reject: observed 2/9, expected 2 * 8 * 1 / (9 * 8) = 2/9.
    assert decision.alpha.value == pytest.approx(0)
    # AC1: prevalence of approve over six records (1 + 1/2 + 1 + 1 + 0 + 1) / 6 = 3/4, of reject 1/4, on a scale of 4:
    # by chance 2 * 3/16 / 3 = 1/8.
    assert decision.ac1.value == pytest.approx((3 / 4 - 1 / 8) / (7 / 8))
    assert decision.alpha.low is None  # four records are too few for an interval


def test_hidden_records_count_as_work_and_not_as_agreement_or_dispute(review: Ledger) -> None:
    before = count_review(review, "alttrain")
    insert_records(review, [record(0, name="g", purpose="gold"), record(1, name="g", purpose="repeat")])
    confirm_pushed(review, ["g0", "g1"])
    add_answers(review, {0: "a1 approve; a2 reject", 1: "a1 reject; a2 approve"}, "g")
    status = count_review(review, "alttrain")
    assert queue_of(status, "drafts").records == queue_of(before, "drafts").records + 2
    assert (status.agreement, status.disputed, status.decided) == (before.agreement, before.disputed, before.decided)


def test_records_with_a_suggestion_count_as_work_and_not_as_agreement(review: Ledger) -> None:
    before = count_review(review, "alttrain")
    insert_records(review, [record(8, blind=False)])
    add_answers(review, {8: "a1 approve; a2 approve"})
    status = count_review(review, "alttrain")
    assert status.agreement == before.agreement
    assert queue_of(status, "drafts").done == queue_of(before, "drafts").done + 1


def test_two_adjudicators_are_no_dispute(review: Ledger) -> None:
    insert_records(review, [record(8, "adjudication", "j", needed=1)])
    add_answers(review, {8: "a1 approve; a2 reject"}, "j")
    status = count_review(review, "alttrain")
    assert [row.draft_id for row in status.disputed] == ["d1"]
    adjudication = queue_of(status, "adjudication")
    assert (adjudication.waste, adjudication.open_answers, adjudication.hours_left) == (1, 0, 0)


def test_what_annotators_disagree_on_comes_with_its_votes_and_problems(review: Ledger) -> None:
    insert_records(review, [record(8, needed=3)])
    add_answers(review, {8: "a1 approve; a2 reject style; a3 unsure style reason_wrong_or_vague"})
    disputed = count_review(review, "alttrain").disputed
    # No pair agrees in either; the one with three answers comes first.
    assert [(row.draft_id, dict(row.votes), dict(row.problems)) for row in disputed] == [
        ("d8", {"approve": 1, "reject": 1, "unsure": 1}, {"reason_wrong_or_vague": 1, "style": 2}),
        ("d1", {"approve": 1, "reject": 1}, {"style": 1}),
    ]


def test_at_most_ten_disputes_are_listed_the_fewest_agreeing_pairs_first(review: Ledger) -> None:
    insert_records(review, [record(8, name=f"x{n}-") for n in range(11)])
    for n in range(11):
        add_answers(review, {8: "a1 approve; a2 approve; a3 reject"}, f"x{n}-")
    disputed = count_review(review, "alttrain").disputed
    assert (len(disputed), disputed[0].draft_id) == (10, "d1")


def test_what_waits_for_the_adjudicator_comes_with_the_reason_and_the_candidates(review: Ledger) -> None:
    said = 'a1 edit reasoning="X."; a2 edit reasoning="Y."'
    with review.transaction() as db:
        insert_decision(db, "s8", decide(Asked("d8.1", "harmful", 1, 2), say(said), RULES))
    waiting = count_review(review, "alttrain").adjudication
    assert [(row.draft_id, row.reasons[0], row.candidates, row.kind) for row in waiting] == [
        ("d1", "no majority: 1 approve, 1 reject", 0, "person"),
        ("d8", "2 different edits of 'reasoning'", 2, "person"),
    ]


def test_another_structure_has_its_own_figures(review: Ledger) -> None:
    status = count_review(review, "no_ha")
    assert (status.drafts, status.queues, status.agreement, status.adjudication) == (0, (), (), ())
    assert (status.decided, status.revisions, status.disputed) == ((), (), ())


# -- pace


def at(*minutes: float) -> list[str]:
    return [f"2026-01-0{1 + int(m // 1440)}T{int(m // 60) % 24:02}:{int(m % 60):02}:00.000000+00:00" for m in minutes]


def test_the_pace_is_answers_an_hour_without_the_pauses() -> None:
    # Eleven answers, a minute apart, and eleven the next day, two minutes apart: 20 stretches in 10 + 20 minutes.
    morning, next_day = range(11), range(1440, 1462, 2)
    assert find_pace(at(*morning, *next_day)) == pytest.approx(20 / 0.5)


def test_too_few_answers_or_answers_all_at_once_tell_no_pace() -> None:
    assert find_pace(at(*range(10))) is None
    assert find_pace(at(*range(11))) == pytest.approx(60)
    assert find_pace(at(*[5] * 30)) is None
    assert find_pace(()) is None


def test_the_time_left_is_the_open_answers_at_this_pace(review: Ledger) -> None:
    queue = queue_of(count_review(review, "alttrain"), "drafts")
    # `say` gives the answers of a record a minute apart and each record at the same hour: the 11 answers fall on
    # minutes 0 (6 of them), 1 (4) and 2 (1), so 10 stretches take 2 minutes together.
    assert queue.pace == pytest.approx(10 / (2 / 60))
    assert queue.hours_left == pytest.approx(6 / 300)


# -- values


def test_a_status_that_does_not_add_up_cannot_be_built(review: Ledger) -> None:
    status = count_review(review, "alttrain").model_dump()
    with pytest.raises(ValidationError, match="drafts: 11 is not"):
        ReviewStatus.model_validate(status | {"drafts": 11})
    with pytest.raises(ValidationError, match="0 wait for adjudication, 1 were sent"):
        ReviewStatus.model_validate(status | {"adjudication": ()})
    queue = status["queues"][0]
    with pytest.raises(ValidationError, match="records: 9 is not"):
        QueueCounts.model_validate(queue | {"records": 9})
    with pytest.raises(ValidationError, match="waste: 13, of 12"):
        QueueCounts.model_validate(queue | {"waste": 13})


# -- the command


def look(ledger: Ledger, *words: str) -> str:
    result = CliRunner().invoke(
        curate, ["-C", str(ledger.path.parent), "review", "status", *words], catch_exceptions=False
    )
    assert result.exit_code == 0, result.output
    return result.stdout


def test_json_is_the_status_whole(review: Ledger) -> None:
    assert ReviewStatus.model_validate(json.loads(look(review, "--json"))) == count_review(review, "alttrain")


def test_the_tables_say_it_in_lines_of_eighty(review: Ledger) -> None:
    shown = look(review)
    assert max(map(len, shown.splitlines())) <= 80
    for line in (
        r"drafts  8  4  3  1  0",
        r"drafts  11  1  1  1  300  1 min",
        r"approved  2  1  3  30%",
        r"adjudicate  1  0  1  10%",
        r"undecided  5  50%",
        r"edits that became revisions  1  0",
        r"decision  4  9  75%  0.00  0.71",
        r"reject or not  4  9  75%  0.00",
        r"style  4  9  75%  0.00",
        r"all answers the same: understanding_wrong, reason_wrong_or_vague, branch_does_not_follow, unsafe_detail,",
        r"d1  1 approve, 1 reject  1 style",
        r"d1  0  no majority: 1 approve, 1 reject",
        r"Next: curate review push",
    ):
        assert " ".join(line.split()) in " ".join(shown.split()), line


def test_groups_that_tell_nothing_new_are_left_to_json(review: Ledger) -> None:
    assert "harmful drafts" not in look(review)  # every record with two answers is harmful
    insert_records(review, [record(9, "calibration", "c")])
    add_answers(review, {9: "a1 approve; a2 approve"}, "c")
    shown = look(review)
    assert "harmful drafts" in shown
    assert "benign drafts" in shown
    assert "yes or not" not in shown
    assert '"name": "yes"' not in look(review, "--json")


def test_no_annotator_is_named(review: Ledger) -> None:
    for shown in (look(review), look(review, "--json")):
        assert not {"a1", "a2", "a3", "m1", "annotator-a1"} & set(shown.replace('"', " ").split())


def test_texts_of_others_are_inert(review: Ledger) -> None:
    with review.transaction() as db:
        db.execute("UPDATE decisions SET reasons = ? WHERE outcome = 'adjudicate'", (json.dumps(["\x1b[31m[red]x"]),))
    assert r"\x1b[31m[red]x" in look(review)


def test_before_anything_was_pushed_it_says_what_comes_first(ledger: Ledger) -> None:
    assert "Next: curate generate (there are no drafts to review yet)" in look(ledger)
    add_drafts(ledger)
    assert "Next: curate review serve --detach, then curate review annotators add NAME..." in look(ledger)
    save_annotator(ledger, Annotator(name="a1", pseudonym="annotator-0000"))
    assert "Next: curate review push\n" in look(ledger)


def test_the_next_command_follows_what_is_open(review: Ledger) -> None:
    confirm_pushed(review, ["r6"])
    assert "Next: curate review push (the adjudicator has more to decide)" in look(review)
    insert_records(review, [record(1, "adjudication", "j", needed=1, candidates=(Candidate(texts={}, authors=()),))])
    assert "Next: curate review push\n" in look(review)
    confirm_pushed(review, ["j1"])
    assert "Next: curate review pull, when more is answered (5 records wait in Argilla)" in look(review)


def test_when_all_is_decided_it_says_so(ledger: Ledger) -> None:
    add_drafts(ledger)
    save_annotator(ledger, Annotator(name="a1", pseudonym="annotator-0000"))
    with ledger.transaction() as db:
        for number in range(10):
            answers = say("a1 reject; a2 reject")
            insert_decision(db, f"s{number}", decide(Asked(f"d{number}.1", "harmful", 1, 2), answers, RULES))
    assert "Next: all is decided" in look(ledger)


def test_an_unknown_structure_is_one_line(review: Ledger) -> None:
    result = CliRunner().invoke(curate, ["-C", str(review.path.parent), "review", "status", "--structure", "altrain"])
    assert "altrain" in str(result.exception)


def test_it_needs_no_argilla(review: Ledger) -> None:
    code = (
        "import sys; from curation.cli import curate;"
        f"curate(['-C', {str(review.path.parent)!r}, 'review', 'status'], standalone_mode=False);"
        "sys.exit('argilla' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], stdout=subprocess.DEVNULL).returncode == 0
