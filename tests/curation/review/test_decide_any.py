"""What must hold of a decision whatever was answered, in whatever order."""

from collections.abc import Sequence
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from curation.review.decide import Asked, adjudicate_failed_edit, decide, decide_label
from schemas.example import Label
from schemas.review import AnswerRight, Choice, Decision, Problem, Response, candidate_key
from schemas.settings import Review
from tests.curation.review.answers import X, Y

STAGES = ("understanding", "assessment", "reasoning", "answer")
TEXTS = st.dictionaries(st.sampled_from(STAGES), st.sampled_from(["", "X.", "Y."]), max_size=2)


@st.composite
def many_answers(draw: st.DrawFn) -> list[Response]:
    return [
        Response(
            record_id="r1",
            annotator=name,
            kind="machine" if name.startswith("m") else "person",
            status=draw(st.sampled_from(["submitted"] * 5 + ["skipped"])),
            choice=draw(st.sampled_from([Choice.APPROVE] * 3 + list(Choice))),
            label=draw(st.sampled_from(Label)),
            answer_right=draw(st.sampled_from([None, *AnswerRight, AnswerRight.YES])),
            problems=tuple(
                draw(st.sampled_from([(), (), (), (), (Problem.STYLE,), (Problem.LABEL,), (Problem.UNSAFE,)]))
            ),
            texts=draw(TEXTS),
            candidate=draw(st.sampled_from([None, "as_shown", candidate_key(1), candidate_key(2), "gone"])),
            answered_at=f"2026-01-01T10:{draw(st.integers(10, 14))}:00+00:00",
        )
        for name in draw(st.lists(st.sampled_from(["a1", "a2", "a3", "a4", "m1", "m2"]), unique=True))
    ]


ASKED = st.builds(
    Asked,
    revision_id=st.just("d1.1"),
    branch=st.sampled_from(["harmful", "benign"]),
    round=st.integers(1, 4),
    needed=st.integers(1, 4),
    writers=st.sampled_from([(), ("a1",), ("a1", "a2")]),
    queue=st.sampled_from(["drafts", "calibration", "adjudication"]),
    candidates=st.sampled_from([(), (X,), (X, Y)]),
)
RULE_SETS = st.builds(Review, edit_needs_second_look=st.booleans(), rounds=st.integers(1, 3))


@given(ASKED, many_answers(), RULE_SETS, st.randoms(use_true_random=False))
def test_the_order_of_the_answers_changes_nothing(
    asked: Asked, answers: list[Response], rules: Review, random: Random
) -> None:
    shuffled = list(answers)
    random.shuffle(shuffled)
    decision = decide(asked, answers, rules)
    assert decide(asked, shuffled, rules) == decision
    assert decide_label(asked.needed, shuffled) == decide_label(asked.needed, answers)
    if decision.outcome == "edited":
        assert adjudicate_failed_edit(decision, shuffled, "") == adjudicate_failed_edit(decision, answers, "")


@given(ASKED, many_answers(), RULE_SETS)
def test_no_machines_answer_makes_or_changes_a_persons_decision(
    asked: Asked, answers: list[Response], rules: Review
) -> None:
    persons = [answer for answer in answers if answer.kind == "person"]
    with_machines, without = decide(asked, answers, rules), decide(asked, persons, rules)
    if with_machines.kind == "person":
        assert with_machines == without
    if without.outcome != "waiting":
        assert with_machines == without
    label, label_without = decide_label(asked.needed, answers), decide_label(asked.needed, persons)
    if label.kind == "person" or label_without.label is not None:
        assert label == label_without


def approving(answers: Sequence[Response], decision: Decision) -> list[Response]:
    return [
        answer
        for answer in answers
        if answer.annotator in decision.deciders
        and answer.status == "submitted"
        and answer.choice in (Choice.APPROVE, Choice.EDIT)
        and Problem.LABEL not in answer.problems
    ]


@given(ASKED.filter(lambda asked: asked.queue != "adjudication"), many_answers(), RULE_SETS)
def test_a_composed_edit_holds_each_authors_edit_exactly_and_no_stage_was_edited_in_two_ways(
    asked: Asked, answers: list[Response], rules: Review
) -> None:
    decision = decide(asked, answers, rules)
    if decision.outcome != "edited":
        return
    (composed,) = decision.candidates
    edits = {answer.annotator: dict(answer.texts) for answer in approving(answers, decision) if answer.texts}
    assert composed.authors == tuple(sorted(edits))
    assert all(edit.items() <= composed.texts.items() for edit in edits.values())
    assert set(composed.texts) == {stage for edit in edits.values() for stage in edit}
    for stage in composed.texts:
        assert len({edit[stage] for edit in edits.values() if stage in edit}) == 1


@given(ASKED, many_answers(), RULE_SETS)
def test_a_decision_is_whole(asked: Asked, answers: list[Response], rules: Review) -> None:
    decision = decide(asked, answers, rules)
    assert decision.reasons
    assert all(reason and "\n" not in reason for reason in decision.reasons)
    assert (len(decision.candidates) == 1) if decision.outcome == "edited" else not decision.final
    assert (decision.label is not None) == (decision.outcome == "relabelled")
    assert set(decision.deciders) <= {answer.annotator for answer in answers}
    if decision.outcome in ("approved", "rejected", "relabelled"):
        assert not decision.candidates
    if decision.outcome == "approved" and asked.queue != "adjudication" and rules.edit_needs_second_look:
        assert not asked.writers or {a.annotator for a in approving(answers, decision)} - set(asked.writers)
    if decision.outcome == "approved" and asked.branch == "benign":
        assert decision.answer_right is not False
