"""Agreement: figures worked out by hand, published examples, and whose answers count."""

from collections.abc import Sequence
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.review.agreement import Judged, alphas, coefficients, measure
from schemas.example import Branch
from schemas.report import Agreement
from schemas.review import Purpose, Queue
from tests.curation.review.answers import say


def judge(
    records: Sequence[str],
    branch: Branch | None = "harmful",
    *,
    queue: Queue = "drafts",
    purpose: Purpose = "review",
    category: str | None = None,
    blind: bool = True,
    first: int = 0,
) -> list[Judged]:
    """The answers to each record, as `say` reads them."""
    return [
        Judged(response.model_copy(update={"record_id": f"r{number}"}), queue, purpose, branch, category, blind)
        for number, answers in enumerate(records, first)
        for response in say(answers)
    ]


def find(found: Sequence[Agreement], question: str, group: str = "all", name: str = "") -> Agreement:
    (agreement,) = [one for one in found if (one.question, one.group, one.name) == (question, group, name)]
    return agreement


def measure_all(judged: Sequence[Judged]) -> tuple[Agreement, ...]:
    return measure(judged, draws=200)


FOUR = ("a1 approve; a2 approve", "a1 approve; a2 reject", "a1 reject; a2 reject", "a1 approve; a2 approve")


def test_the_figures_of_four_records_are_those_worked_out_by_hand() -> None:
    decision = find(measure_all(judge(FOUR)), "decision")
    assert (decision.records, decision.answers) == (4, 8)
    # Raw: three of four records agree.
    assert decision.raw == pytest.approx(3 / 4)
    # Alpha: 8 answers, 5 approve and 3 reject. Observed disagreement: the one mixed record gives the pairs (approve,
    # reject) and (reject, approve), each 1 / (2 - 1), of 8: 2/8. Expected: 2 * 5 * 3 / (8 * 7) = 30/56.
    assert decision.alpha.value == pytest.approx(1 - (2 / 8) / (30 / 56))  # 0.5333…
    # AC1 on a scale of 4: prevalences 5/8, 3/8, 0, 0; by chance (5/8 * 3/8 + 3/8 * 5/8) / (4 - 1) = 30/64 / 3 = 10/64.
    assert decision.ac1.value == pytest.approx((3 / 4 - 10 / 64) / (1 - 10 / 64))  # 0.7037…


def test_three_answers_and_a_missing_one_are_those_worked_out_by_hand() -> None:
    records = ("a1 approve; a2 approve; a3 reject", "a1 approve; a2 approve", "a1 reject")
    decision = find(measure_all(judge(records)), "decision")
    assert (decision.records, decision.answers) == (2, 5)
    # Raw: 1 of 3 pairs, 1 of 1; the mean. A record with one answer has no pair.
    assert decision.raw == pytest.approx((1 / 3 + 1) / 2)
    # Alpha: 5 answers, 4 approve, 1 reject. Observed: 2 * (2 * 1) / (3 - 1) = 2, of 5. Expected: 2 * 4 * 1 / (5 * 4).
    assert decision.alpha.value == pytest.approx(1 - (2 / 5) / (8 / 20))  # 0
    # AC1: prevalence of approve (2/3 + 1 + 0) / 3 = 5/9, of reject 4/9; by chance 2 * 20/81 / 3 = 40/243.
    assert decision.ac1.value == pytest.approx((2 / 3 - 40 / 243) / (1 - 40 / 243))


N = 0
KRIPPENDORFF_2011 = (
    (1, 2, 3, 3, 2, 1, 4, 1, 2, N, N, N),
    (1, 2, 3, 3, 2, 2, 4, 1, 2, 5, N, 3),
    (N, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, N),
    (1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, N),
)


def test_the_example_of_krippendorffs_paper_gives_its_alpha_and_gwets_ac1_of_the_same_ratings() -> None:
    """Four observers, twelve units: section C of the paper; the ratings are 'cac.raw4raters' of Gwet's irrCAC."""
    counts = np.array(
        [[sum(row[unit] == value for row in KRIPPENDORFF_2011) for value in range(1, 6)] for unit in range(12)]
    )
    raw, alpha, ac1 = coefficients(counts, 10, 0)
    assert alpha.value == pytest.approx(0.743, abs=0.0005)
    assert raw == pytest.approx(0.8181818)
    assert ac1.value == pytest.approx(0.77544, abs=0.000005)


def test_gwets_worked_example_gives_his_figures() -> None:
    """'cont3x3abstractors' of irrCAC: two abstractors sort 100 pregnancies."""
    table = ((13, 0, 0), (0, 20, 7), (0, 4, 56))
    counts = np.array(
        [
            [(value == one) + (value == other) for value in range(3)]
            for one in range(3)
            for other in range(3)
            for _ in range(table[one][other])
        ]
    )
    raw, alpha, ac1 = coefficients(counts, 1_000, 0)
    assert raw == pytest.approx(0.89)
    assert alpha.value == pytest.approx(0.7972585, abs=5e-8)
    assert ac1.value == pytest.approx(0.8493305, abs=5e-8)
    # His intervals are by formula, ours by resampling: close, not equal.
    assert [alpha.low, alpha.high] == pytest.approx([0.680, 0.914], abs=0.02)
    assert [ac1.low, ac1.high] == pytest.approx([0.764, 0.935], abs=0.02)


@given(st.lists(st.tuples(*[st.integers(0, 3)] * 3), min_size=1, max_size=12))
def test_the_alpha_that_is_drawn_is_the_librarys(rows: list[tuple[int, ...]]) -> None:
    counts = np.array(rows)
    if not (counts.sum(axis=1) >= 2).any():
        return
    _, alpha, _ = coefficients(counts, 1, 0)
    (drawn,) = alphas(counts, np.ones((1, len(rows)), dtype=int))
    assert (np.isnan(drawn) and alpha.value is None) or drawn == pytest.approx(alpha.value)


def test_where_nine_of_ten_say_the_same_alpha_falls_and_ac1_stays() -> None:
    """The figures of docs/deciding.md: 90 both approve, 10 in which one of two rejects."""
    records = ["a1 approve; a2 approve"] * 90 + ["a1 approve; a2 reject"] * 5 + ["a1 reject; a2 approve"] * 5
    decision = find(measure_all(judge(records)), "decision")
    assert decision.raw == pytest.approx(0.90)
    assert decision.alpha.value == pytest.approx(-0.047, abs=0.0005)
    assert decision.ac1.value == pytest.approx(0.897, abs=0.0005)


def test_alpha_is_not_defined_where_everybody_always_said_the_same() -> None:
    decision = find(measure_all(judge(["a1 approve; a2 approve"] * 20)), "decision")
    assert (decision.alpha.value, decision.alpha.low, decision.ac1.value, decision.raw) == (None, None, 1.0, 1.0)


def test_an_interval_needs_ten_records() -> None:
    for copies, known in ((2, False), (3, True)):
        decision = find(measure_all(judge(FOUR * copies)), "decision")
        assert (decision.alpha.low is not None, decision.ac1.high is not None) == (known, known)


def test_an_interval_holds_its_coefficient_and_narrows_with_the_records() -> None:
    few, many = (find(measure_all(judge(FOUR * copies)), "decision").alpha for copies in (10, 100))
    assert few.value is not None
    assert few.low is not None
    assert few.high is not None
    assert many.low is not None
    assert many.high is not None
    assert few.low < few.value < few.high
    assert many.high - many.low < (few.high - few.low) / 2


def test_the_same_answers_in_another_order_give_the_same_figures() -> None:
    judged = judge(FOUR * 5)
    shuffled = list(judged)
    Random(1).shuffle(shuffled)
    assert measure_all(shuffled) == measure_all(judged)


# -- whose answers, to which questions


@pytest.mark.parametrize("left_out", [{"purpose": "gold"}, {"purpose": "repeat"}, {"queue": "adjudication"}])
def test_gold_repeats_and_adjudication_are_left_out(left_out: dict[str, Any]) -> None:
    counted = measure_all(judge(FOUR))
    assert measure_all([*judge(FOUR), *judge(FOUR, first=10, **left_out)]) == counted
    assert measure_all(judge(FOUR, **left_out)) == ()


def test_skips_are_no_answers() -> None:
    assert find(measure_all(judge([*FOUR, "a1 approve; a2 skip"])), "decision").records == 4


def test_persons_and_machines_are_never_mixed() -> None:
    found = measure_all(judge(["a1 approve; m1 reject", "a1 approve; a2 approve; m1 reject; m2 reject"]))
    assert [(one.kind, one.records, one.raw) for one in found if one.question == "decision" and one.group == "all"] == [
        ("person", 1, 1.0),
        ("machine", 1, 1.0),
    ]


def test_records_with_a_suggestion_are_left_out() -> None:
    judged = [*judge(FOUR), *judge(["a1 approve; a2 approve"] * 9, blind=False, first=10)]
    assert find(measure_all(judged), "decision").records == 4


def test_calibration_counts_and_a_record_that_one_person_answered_does_not() -> None:
    assert find(measure_all(judge(FOUR, queue="calibration")), "decision").records == 4
    assert measure_all(judge(["a1 approve"])) == ()


def test_every_question_has_its_agreement() -> None:
    benign = judge(["a1 approve answer:yes; a2 reject answer:no style", "a1 approve; a2 approve answer:yes"], "benign")
    found = measure_all([*benign, *judge(["a1 approve answer:yes; a2 approve answer:yes"], first=5)])
    # Of the answer only benign rows are asked, and in the second of them only one said.
    assert find(found, "answer_right").records == 1
    assert find(found, "style").raw == pytest.approx((0 + 1 + 1) / 3)
    assert find(found, "unsafe_detail").raw == 1.0
    labels = measure_all(judge(["a1 harmful; a2 benign", "a1 benign; a2 benign"], None, queue="labels"))
    assert {one.question for one in labels} == {"label"}
    assert find(labels, "label").raw == 0.5


def test_an_edit_counts_as_an_approval_and_a_wrong_label_as_a_vote_of_its_own() -> None:
    records = ['a1 approve; a2 edit reasoning="X."', "a1 reject label_wrong; a2 reject"]
    assert find(measure_all(judge(records)), "decision").raw == 0.5


def test_there_is_a_figure_for_each_branch_category_and_answer() -> None:
    judged = [
        *judge(["a1 approve; a2 reject"], "harmful", category="privacy"),
        *judge(["a1 approve; a2 approve", "a1 unsure; a2 approve"], "benign", first=5),
    ]
    found = measure_all(judged)
    assert find(found, "decision", "branch", "harmful").raw == 0
    assert find(found, "decision", "branch", "benign").raw == 0.5
    assert find(found, "decision", "category", "privacy").records == 1
    assert find(found, "decision", "category", "none").records == 2
    # One answer against the others: two of three records agree on who rejects.
    assert find(found, "decision", "answer", "reject").raw == pytest.approx(2 / 3)
    assert {one.name for one in found if one.group == "answer"} == {"approve", "reject", "unsure"}
