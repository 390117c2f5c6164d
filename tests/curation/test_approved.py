"""What may be released, out of the ledger: only what persons approved, as it stands now, with all that it came from."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from curation.approved import read_approved, read_eligible, read_evidence
from curation.ledger import Ledger
from curation.review.accounts import save_annotator
from curation.review.gold import add_gold
from curation.review.hand_out import plan_records
from curation.review.records import read_records
from curation.review.responses import save_responses
from curation.review.settle import House, settle
from curation.structures import load_pools, load_structure
from schemas.release import Approval, Approved, Eligible
from schemas.review import Annotator, AnswerRight, Choice, Kind, Response, ReviewRecord
from schemas.settings import Review, Settings
from tests.review_project import benign_rows, harmful_rows, make_drafts

RULES = Review(calibration=0, gold_percent=0, repeat_percent=0)
REFUSAL = "I can't help with taking it, but I can help you ask for it."


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(tmp_path / "curate.db", create=True) as opened:
        make_drafts(opened, [*harmful_rows(2), *benign_rows(2)])
        yield opened


def plan(ledger: Ledger, kind: Kind = "person") -> list[ReviewRecord]:
    annotators = [Annotator(name=f"{kind}{n}", kind=kind, pseudonym=f"annotator-{n}") for n in range(2)]
    for one in annotators:
        save_annotator(ledger, one)
    plan_records(ledger, RULES, load_structure("alttrain"), annotators, ("drafts",), every_label=False)
    return read_records(ledger)


def answer(ledger: Ledger, record: ReviewRecord, kind: Kind = "person", **said: Any) -> None:
    more = {"choice": Choice.APPROVE, "answer_right": AnswerRight.YES, "guidelines": "g1"} | said
    save_responses(
        ledger,
        [
            Response(record_id=record.id, annotator=name, kind=kind, answered_at="2026-01-01T00:00:00+00:00", **more)
            for name in record.assigned
        ],
    )
    settle(ledger, House(RULES, load_structure, load_pools(), kind, 2048))


def approved(ledger: Ledger, *, unreviewed: bool = False) -> list[Approved]:
    return read_approved(ledger, read_eligible(ledger, "alttrain", unreviewed=unreviewed), pseudonyms=True)


def test_only_what_persons_approved_is_released_unless_more_is_allowed(ledger: Ledger) -> None:
    first, second, third, _ = plan(ledger)
    answer(ledger, first)
    answer(ledger, second, choice=Choice.REJECT)
    answer(ledger, third, choice=Choice.UNSURE)
    assert [one.id for one in approved(ledger)] == [first.revision_id]
    allowed = {one.id: one.approval.decided_by for one in approved(ledger, unreviewed=True)}
    assert allowed[str(first.revision_id)] == "person"
    assert sorted(allowed.values()) == ["nobody", "person"]  # never what was rejected, or waits for the adjudicator


def test_what_is_chosen_by_is_what_is_released(ledger: Ledger) -> None:
    first, second, *_ = plan(ledger)
    answer(ledger, first)
    answer(ledger, second)
    eligible = read_eligible(ledger, "alttrain", unreviewed=True)
    released = read_approved(ledger, eligible, pseudonyms=True)
    assert len(eligible) == 4
    assert eligible == [
        Eligible(
            id=one.id,
            label=one.label,
            category=one.seed.category,
            style=one.seed.style,
            source=one.seed.source,
            family=one.seed.family,
            prompt=one.seed.prompt,
            completion=one.draft.completion,
            decided_by=one.approval.decided_by,
            answers=one.approval.answers,
            agreeing=one.approval.agreeing,
        )
        for one in released
    ]
    assert sorted((one.decided_by, one.answers, one.agreeing) for one in eligible) == [
        *[("nobody", 0, 0)] * 2,
        *[("person", 2, 2)] * 2,
    ]
    assert read_approved(ledger, eligible[1:3], pseudonyms=True) == released[1:3]


def test_what_a_machine_approved_is_not_a_persons_approval(ledger: Ledger) -> None:
    record = plan(ledger, "machine")[0]
    answer(ledger, record, "machine")
    assert approved(ledger) == []
    kinds = {one.id: one.approval.decided_by for one in approved(ledger, unreviewed=True)}
    assert kinds[str(record.revision_id)] == "machine"


def test_an_approval_that_was_taken_back_is_nobodys_and_is_not_released_unasked(ledger: Ledger) -> None:
    record = plan(ledger)[0]
    answer(ledger, record)
    skipped = Response(
        record_id=record.id,
        annotator=record.assigned[0],
        kind="person",
        status="skipped",
        guidelines="g1",
        answered_at="2026-01-02T00:00:00+00:00",
    )
    save_responses(ledger, [skipped])
    settle(ledger, House(RULES, load_structure, load_pools(), "person", 2048))
    assert approved(ledger) == []
    (again,) = [one for one in approved(ledger, unreviewed=True) if one.id == record.revision_id]
    assert again.approval == Approval(decided_by="nobody")


def test_right_answers_to_hidden_records_are_persons_alone(ledger: Ledger) -> None:
    record = plan(ledger)[0]
    assert record.revision_id
    answer(ledger, record)
    add_gold(ledger, record.revision_id, "approve", None, "lead")
    with ledger.transaction() as db:
        db.execute("UPDATE review_records SET purpose = 'gold' WHERE id = ?", (record.id,))
    for kind, asked in (("person", 2), ("machine", 0)):
        with ledger.transaction() as db:
            db.execute("UPDATE responses SET kind = ?", (kind,))
        gold = read_evidence(ledger, load_structure("alttrain"), Settings(), []).gold
        assert (round(gold.value * gold.n), gold.n) == (asked, asked)


def test_an_approval_of_a_revision_that_was_superseded_since_counts_for_nothing(ledger: Ledger) -> None:
    record = next(r for r in plan(ledger) if _is_harmful(ledger, r))
    answer(ledger, record)
    assert [one.id for one in approved(ledger)] == [record.revision_id]
    answer(ledger, record, choice=Choice.EDIT, texts={"answer": REFUSAL})
    assert ledger.query("SELECT COUNT(*) FROM revisions WHERE number = 2") == [(1,)]
    assert approved(ledger) == []


def test_an_approved_row_tells_who_decided_by_pseudonym_what_was_edited_and_where_each_word_came_from(
    ledger: Ledger,
) -> None:
    record = next(r for r in plan(ledger) if _is_harmful(ledger, r))
    rules = House(RULES.model_copy(update={"edit_needs_second_look": False}), load_structure, load_pools(), "person", 9)
    save_responses(
        ledger,
        [
            Response(
                record_id=record.id,
                annotator=name,
                kind="person",
                choice=Choice.EDIT,
                texts={"answer": REFUSAL},
                guidelines="g1",
                answered_at="2026-01-01T00:00:00+00:00",
            )
            for name in record.assigned
        ],
    )
    settle(ledger, rules)
    (one,) = approved(ledger)
    assert one.draft.text("answer") == REFUSAL
    assert one.approval.decided_by == "person"
    assert one.approval.deciders == one.approval.editors == ("annotator-0", "annotator-1")
    assert one.approval.edited_stages == ("answer",)
    # They answered the text before their edit, which made it final.
    assert (one.approval.answers, one.approval.agreeing, one.approval.guidelines) == (2, 2, ("g1",))
    text = one.draft.completion
    assert "".join(p.span.of(text) for p in one.pieces if p.stage == "answer") == REFUSAL
    assert {p.origin for p in one.pieces if p.stage == "answer"} <= {"person", "answer"}
    evidence = read_evidence(ledger, load_structure("alttrain"), Settings(), [one])
    assert (evidence.edited.value, evidence.edited.n) == (1.0, 1)
    assert evidence.annotators == {"person": 2}


def _is_harmful(ledger: Ledger, record: ReviewRecord) -> bool:
    rows = ledger.query("SELECT branch FROM drafts_now WHERE revision_id = ?", (record.revision_id,))
    return rows == [("harmful",)]
