"""What answers come to, a rule a test."""

import pytest

from curation.review.decide import LabelDecision, adjudicate_failed_edit, approve_edited, decide, decide_label
from schemas.example import Label
from schemas.review import Candidate, Kind
from schemas.settings import Review
from tests.curation.review.answers import BENIGN, DISPUTED, EDITED_BY_A1, HARMFUL, RULES, X, Y, comes_to, say

# -- waiting, holding, voting


def test_fewer_answers_than_needed_wait_and_skips_are_no_answers() -> None:
    assert comes_to("a1 approve").outcome == "waiting"
    waiting = comes_to("a1 approve; a2 skip")
    assert (waiting.outcome, waiting.reasons) == ("waiting", ("1 of 2 answers", "1 skipped it"))
    assert comes_to("a1 approve; a2 skip; a3 approve").outcome == "approved"


def test_two_who_skip_send_it_to_the_adjudicator_even_beside_full_answers() -> None:
    for answers in ("a1 skip; a2 skip", "a1 skip; a2 skip; a3 approve; a4 approve"):
        decision = comes_to(answers)
        assert (decision.outcome, decision.deciders) == ("adjudicate", ("a1", "a2"))


def test_one_unsafe_detail_holds_the_record_before_the_overlap_is_full_and_whatever_others_say() -> None:
    asked = HARMFUL._replace(needed=3)
    for answers in (
        "a1 reject unsafe_detail",
        "a1 approve; a2 approve; a3 approve unsafe_detail",
        "a1 skip; a2 skip; a3 reject unsafe_detail",
        "a1 reject; a2 reject; a3 reject unsafe_detail label_wrong; a4 reject",
    ):
        decision = comes_to(answers, asked)
        assert decision.outcome == "adjudicate"
        assert decision.reasons[0] == "an unsafe detail is named in 1 answer: held"


def test_who_wrote_the_text_may_still_name_an_unsafe_detail_or_a_wrong_answer_in_it() -> None:
    assert comes_to("a1 approve unsafe_detail", EDITED_BY_A1).outcome == "adjudicate"
    asked = EDITED_BY_A1._replace(branch="benign")
    assert comes_to("a1 approve answer:no; a2 approve answer:yes", asked).outcome == "adjudicate"


@pytest.mark.parametrize(
    ("answers", "needed", "outcome"),
    [
        ("a1 approve; a2 reject", 2, "adjudicate"),
        ("a1 approve; a2 reject; a3 reject", 3, "rejected"),
        ("a1 approve; a2 reject; a3 unsure", 3, "adjudicate"),
        ("a1 approve; a2 approve; a3 reject; a4 reject", 3, "adjudicate"),
        ("a1 approve; a2 approve; a3 reject; a4 unsure", 4, "adjudicate"),
        ("a1 unsure; a2 unsure", 2, "adjudicate"),
        ("a1 reject label_wrong; a2 approve label_wrong", 2, "relabelled"),
        ("a1 reject label_wrong; a2 reject", 2, "adjudicate"),
    ],
)
def test_a_decision_needs_more_than_half_of_the_answers(answers: str, needed: int, outcome: str) -> None:
    assert comes_to(answers, HARMFUL._replace(needed=needed)).outcome == outcome


def test_no_majority_says_who_stood_where_in_numbers_and_never_by_name() -> None:
    assert comes_to("a1 unsure; a2 reject; a3 approve", HARMFUL._replace(needed=3)).reasons == (
        "no majority: 1 approve, 1 reject, 1 unsure",
    )


def test_a_wrong_label_gives_the_other_branch() -> None:
    for asked, label in ((HARMFUL, Label.BENIGN), (BENIGN, Label.HARMFUL)):
        decision = comes_to("a1 reject label_wrong", asked._replace(needed=1))
        assert (decision.outcome, decision.label) == ("relabelled", label)


# -- edits


def test_whether_an_edit_happened_is_read_from_the_text_and_not_from_the_option() -> None:
    edited = comes_to('a1 approve reasoning="X."; a2 approve')
    assert (edited.outcome, edited.candidates) == ("edited", (X,))
    plain = comes_to("a1 edit; a2 approve")
    assert plain.outcome == "approved"
    assert "1 approved with edits and changed nothing: plain approval" in plain.reasons


def test_an_emptied_box_of_one_who_approves_goes_to_the_adjudicator_with_its_stage() -> None:
    for emptied in ("", "  "):
        decision = comes_to(f'a1 approve reasoning="{emptied}" answer="No."; a2 approve')
        assert decision.outcome == "adjudicate"
        assert decision.reasons[0] == "the box of 'reasoning' was emptied"
        assert decision.candidates == (Candidate(texts={"answer": "No."}, authors=("a1",)),)
    assert comes_to('a1 reject reasoning=""; a2 approve; a3 approve', HARMFUL._replace(needed=3)).outcome == "approved"


def test_edits_of_those_who_do_not_approve_are_not_used_and_it_is_said() -> None:
    decision = comes_to('a1 reject reasoning="X."; a2 approve; a3 approve', HARMFUL._replace(needed=3))
    assert (decision.outcome, decision.candidates) == ("approved", ())
    assert "edits not used: of 1 answer" in decision.reasons
    rejected = comes_to('a1 reject; a2 reject; a3 approve reasoning="X."', HARMFUL._replace(needed=3))
    assert (rejected.outcome, rejected.candidates) == ("rejected", ())
    assert "edits not used: of 1 answer" in rejected.reasons


def test_identical_edits_merge_with_both_as_authors() -> None:
    decision = comes_to('a2 edit reasoning="X."; a1 edit reasoning="X."')
    assert decision.candidates == (X.model_copy(update={"authors": ("a1", "a2")}),)


def test_edits_of_different_stages_compose() -> None:
    decision = comes_to('a1 edit reasoning="X."; a2 edit answer="No."')
    assert decision.outcome == "edited"
    assert decision.candidates == (Candidate(texts={"answer": "No.", "reasoning": "X."}, authors=("a1", "a2")),)
    assert "edits by 2, of 'answer', 'reasoning'" in decision.reasons


def test_edits_that_share_a_stage_in_the_same_words_compose() -> None:
    decision = comes_to('a1 edit reasoning="X." answer="No."; a2 edit reasoning="X."')
    assert decision.candidates == (Candidate(texts={"answer": "No.", "reasoning": "X."}, authors=("a1", "a2")),)


def test_different_edits_of_one_stage_are_candidates_and_the_later_one_does_not_win() -> None:
    decision = comes_to('a1 edit reasoning="X."; a2 edit reasoning="Y."')
    assert (decision.outcome, decision.candidates) == ("adjudicate", (X, Y))
    assert decision.reasons[0] == "2 different edits of 'reasoning'"


def test_candidates_are_ordered_by_their_texts_so_that_the_order_names_nobody() -> None:
    decision = comes_to('a1 edit reasoning="Y."; a2 edit reasoning="X."')
    assert [candidate.authors for candidate in decision.candidates] == [("a2",), ("a1",)]


def test_another_edit_after_the_last_round_goes_to_the_adjudicator() -> None:
    for number, outcome in ((1, "edited"), (2, "edited"), (3, "adjudicate")):
        decision = comes_to('a3 edit reasoning="X."; a4 approve', HARMFUL._replace(round=number, writers=("a1",)))
        assert (decision.outcome, len(decision.candidates)) == (outcome, 1)
    assert decision.reasons[0] == "another edit, and no round is left (this is round 3, rounds = 2)"
    assert comes_to("a3 approve; a4 approve", HARMFUL._replace(round=3)).outcome == "approved"
    composed = comes_to('a3 edit reasoning="X."; a4 edit answer="No."', HARMFUL._replace(round=3))
    assert composed.candidates == (Candidate(texts={"answer": "No.", "reasoning": "X."}, authors=("a3", "a4")),)


def test_an_edited_text_needs_an_approval_by_someone_who_did_not_write_it() -> None:
    assert comes_to("a1 approve", EDITED_BY_A1).outcome == "waiting"
    assert comes_to("a1 edit", EDITED_BY_A1).outcome == "waiting"
    assert comes_to("a1 approve; a2 approve", EDITED_BY_A1._replace(writers=("a1", "a2"))).outcome == "waiting"
    decision = comes_to("a1 approve; a2 approve", EDITED_BY_A1)
    assert (decision.outcome, decision.deciders) == ("approved", ("a2",))


def test_a_writer_who_has_doubts_by_now_is_heard() -> None:
    assert comes_to("a1 reject", EDITED_BY_A1).outcome == "rejected"


def test_without_a_second_look_an_edit_is_final_and_its_writers_approve_it() -> None:
    trusting = Review(edit_needs_second_look=False)
    decision = comes_to('a1 edit reasoning="X."; a2 approve', rules=trusting)
    assert (decision.outcome, decision.final) == ("edited", True)
    approved = approve_edited(decision, "d1.2")
    assert (approved.revision_id, approved.outcome, approved.kind) == ("d1.2", "approved", "person")
    assert (approved.candidates, approved.final) == ((), False)
    assert comes_to("a1 approve", EDITED_BY_A1, trusting).outcome == "approved"
    assert not comes_to('a1 edit reasoning="X."; a2 approve').final


def test_an_edit_that_a_check_blocks_goes_to_the_adjudicator_each_edit_alone_again() -> None:
    answers = say('a1 edit reasoning="X."; a2 edit answer="No."; a3 reject reasoning="Z."')
    edited = decide(HARMFUL._replace(needed=3), answers, RULES)
    held = adjudicate_failed_edit(edited, answers, "gives_steps: a list")
    assert (held.outcome, held.reasons[0]) == ("adjudicate", "the edited text is blocked: gives_steps: a list")
    assert [candidate.authors for candidate in held.candidates] == [("a2",), ("a1",)]
    single = comes_to('a1 edit reasoning="X."; a2 approve')
    assert adjudicate_failed_edit(single, say('a1 edit reasoning="X."; a2 approve'), "why").candidates == (X,)
    answers = say('a1 edit reasoning="X."; a2 approve; m1 edit reasoning="Y."')
    assert adjudicate_failed_edit(decide(HARMFUL, answers, RULES), answers, "why").candidates == (X,)
    picked = comes_to("a9 approve picks:candidate_1", DISPUTED)
    again = adjudicate_failed_edit(picked, say("a9 approve picks:candidate_1"), "why", DISPUTED.candidates)
    assert (again.candidates, again.final) == ((X, Y), False)


# -- is the answer right


@pytest.mark.parametrize(
    ("answers", "outcome", "right"),
    [
        ("a1 approve answer:yes; a2 approve answer:yes", "approved", True),
        ("a1 approve answer:yes; a2 approve answer:cannot_tell", "approved", True),
        ("a1 approve answer:cannot_tell; a2 approve", "approved", None),
        ("a1 approve answer:yes; a2 approve answer:no", "adjudicate", None),
        ("a1 approve answer:yes; a2 approve answer:yes; a3 reject answer:no", "adjudicate", None),
        ("a1 reject answer:no; a2 reject answer:no", "rejected", False),
        ("a1 reject answer:no; a2 reject answer:yes", "rejected", None),
        ('a1 edit reasoning="X." answer:yes; a2 approve', "edited", True),
        ('a1 edit answer="3" answer:yes; a2 approve', "edited", None),
        ("a1 reject label_wrong answer:no; a2 reject label_wrong answer:no", "relabelled", None),
    ],
)
def test_a_benign_answer_is_right_where_one_says_yes_and_nobody_no(
    answers: str, outcome: str, right: bool | None
) -> None:
    decision = comes_to(answers, BENIGN)
    assert (decision.outcome, decision.answer_right) == (outcome, right)


def test_nothing_is_said_of_the_answer_of_a_harmful_row() -> None:
    decision = comes_to("a1 approve answer:yes; a2 approve answer:no")
    assert (decision.outcome, decision.answer_right) == ("approved", None)


# -- kinds


def test_persons_decide_alone_where_they_can() -> None:
    decision = comes_to("a1 approve; a2 approve; m1 reject; m2 reject; m3 reject unsafe_detail")
    assert (decision.outcome, decision.kind, decision.deciders) == ("approved", "person", ("a1", "a2"))


def test_a_decision_that_needs_a_machine_is_a_machines() -> None:
    decision = comes_to("a1 approve; m1 approve")
    assert (decision.outcome, decision.kind, decision.deciders) == ("approved", "machine", ("a1", "m1"))
    assert comes_to("m1 approve", EDITED_BY_A1).kind == "machine"
    assert comes_to("a1 approve").kind == "person"


# -- the adjudicator


def test_one_answer_of_the_adjudicator_decides() -> None:
    assert comes_to("a9 approve picks:as_shown", DISPUTED).outcome == "approved"
    assert comes_to("a9 reject", DISPUTED).outcome == "rejected"
    relabelled = comes_to("a9 reject label_wrong", DISPUTED)
    assert (relabelled.outcome, relabelled.label) == ("relabelled", Label.BENIGN)


def test_a_candidate_that_the_adjudicator_picks_is_final_for_they_did_not_write_it() -> None:
    decision = comes_to("a9 approve picks:candidate_2", DISPUTED)
    assert (decision.outcome, decision.candidates, decision.final) == ("edited", (Y,), True)


def test_a_candidate_of_ones_own_is_not_final_while_rounds_are_left() -> None:
    assert not comes_to("a1 approve picks:candidate_1", DISPUTED).final
    assert comes_to("a1 approve picks:candidate_1", DISPUTED._replace(round=3)).final


def test_an_adjudicators_own_text_needs_a_second_look_while_rounds_are_left_and_is_final_after_that() -> None:
    own = 'a9 edit reasoning="Z."'
    decision = comes_to(own, DISPUTED)
    assert (decision.outcome, decision.final, decision.reasons[-1]) == ("edited", False, "needs a second look")
    assert decision.candidates == (Candidate(texts={"reasoning": "Z."}, authors=("a9",)),)
    last = comes_to(own, DISPUTED._replace(round=3))
    assert (last.final, last.reasons[-1]) == (True, "final: no round is left (this is round 3, rounds = 2)")
    assert comes_to(own, DISPUTED, Review(edit_needs_second_look=False)).final


def test_own_words_go_over_a_picked_candidate_and_make_the_adjudicator_its_author_too() -> None:
    decision = comes_to('a9 edit picks:candidate_1 answer="No."', DISPUTED)
    assert decision.candidates == (Candidate(texts={"answer": "No.", "reasoning": "X."}, authors=("a1", "a9")),)
    assert not decision.final
    over = comes_to('a9 edit picks:candidate_1 reasoning="Z."', DISPUTED)
    assert over.candidates == (Candidate(texts={"reasoning": "Z."}, authors=("a1", "a9")),)
    same = comes_to('a9 edit picks:candidate_1 reasoning="X."', DISPUTED)
    assert (same.candidates, same.final) == ((X,), True)


def test_an_adjudicator_who_is_unsure_leaves_it_for_another_and_one_who_skips_said_nothing() -> None:
    assert comes_to("a9 unsure", DISPUTED).outcome == "adjudicate"
    assert comes_to("a9 unsure; a8 reject", DISPUTED).outcome == "rejected"
    assert comes_to("a9 skip", DISPUTED).outcome == "waiting"
    assert comes_to("a9 unsure; m1 approve", DISPUTED).kind == "person"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("a9 approve picks:candidate_3", "the candidate that was picked is none of the record's"),
        ('a9 approve reasoning=""', "the box of 'reasoning' was emptied"),
        ("a9 approve unsafe_detail", "the adjudicator approves the text as shown, yet names an unsafe detail"),
        ("a9 approve answer:no", "the adjudicator approves, yet says that the answer is wrong"),
    ],
)
def test_an_adjudicators_answer_that_contradicts_itself_decides_nothing(answer: str, reason: str) -> None:
    decision = comes_to(answer, DISPUTED._replace(branch="benign"))
    assert (decision.outcome, decision.reasons, decision.candidates) == ("adjudicate", (reason,), (X, Y))


def test_an_adjudicator_may_mend_an_unsafe_detail_or_a_wrong_answer() -> None:
    asked = DISPUTED._replace(branch="benign")
    assert comes_to('a9 edit reasoning="Z." unsafe_detail', asked).outcome == "edited"
    mended = comes_to('a9 edit answer="4" answer:no', asked)
    assert (mended.outcome, mended.answer_right) == ("edited", None)
    assert comes_to("a9 approve answer:yes", asked).answer_right is True
    assert comes_to("a9 reject answer:no", asked).answer_right is False


def test_an_adjudicator_cannot_approve_a_text_of_their_own_while_rounds_are_left() -> None:
    asked = DISPUTED._replace(round=2, writers=("a9",))
    assert comes_to("a9 approve picks:as_shown", asked).outcome == "adjudicate"
    assert comes_to("a9 approve picks:as_shown", asked._replace(round=3)).outcome == "approved"
    assert comes_to("a8 approve picks:as_shown", asked).outcome == "approved"


def test_of_two_adjudicators_the_later_answer_counts() -> None:
    assert comes_to("a9 approve; a8 reject", DISPUTED).outcome == "rejected"
    assert comes_to("a8 reject; a9 approve", DISPUTED).outcome == "approved"


# -- prompts


@pytest.mark.parametrize(
    ("answers", "needed", "label", "kind", "reason"),
    [
        ("", 1, None, "person", "0 of 1 answer"),
        ("a1 harmful", 1, Label.HARMFUL, "person", "1 harmful"),
        ("a1 harmful", 2, None, "person", "1 of 2 answers"),
        ("a1 harmful; a2 benign", 2, Label.UNSURE, "person", "no majority: 1 harmful, 1 benign"),
        ("a1 harmful; a2 harmful; a3 benign", 3, Label.HARMFUL, "person", "2 harmful, 1 benign"),
        ("a1 unsure-label; a2 unsure-label", 2, Label.UNSURE, "person", "2 unsure"),
        ("a1 skip; a2 skip", 1, Label.UNSURE, "person", "2 skipped it"),
        ("a1 skip; a2 skip; a3 benign", 1, Label.BENIGN, "person", "1 benign"),
        ("a1 harmful; m1 benign; m2 benign", 1, Label.HARMFUL, "person", "1 harmful"),
        ("m1 benign", 1, Label.BENIGN, "machine", "1 benign"),
        ("a1 harmful; m1 harmful", 2, Label.HARMFUL, "machine", "2 harmful"),
    ],
)
def test_a_prompt_gets_the_label_of_the_majority_of_persons(
    answers: str, needed: int, label: Label | None, kind: Kind, reason: str
) -> None:
    decision = decide_label(needed, say(answers))
    assert decision == LabelDecision(label, kind, (reason,), decision.deciders)


def test_two_answers_of_one_annotator_are_a_bug_of_the_caller() -> None:
    twice = [*say("a1 approve"), *say("a1 reject")]
    with pytest.raises(AssertionError):
        decide(HARMFUL, twice, RULES)
    with pytest.raises(AssertionError):
        decide_label(1, twice)
