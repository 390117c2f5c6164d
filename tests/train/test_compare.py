"""What a before and an after are evidence of: known values of each method, and what is never claimed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.evaluation import Compared, Interval
from schemas.report import Rate
from tests.train.figures_made import figure, shares
from train.evaluation.compare import compare, mcnemar, mean_interval, paired_interval


def one(before: object, after: object) -> Compared:
    (compared,) = compare([before] if before else None, [after])  # type: ignore[list-item]
    return compared


@pytest.mark.parametrize(
    ("won", "lost", "p"),
    [
        (1, 7, 0.0391),  # airway hyper-responsiveness before and after a transplant: Fagerland and others 2013, mid-p
        (5, 0, 2 / 2**5 - 1 / 2**5),
        (3, 3, 1.0),
        (0, 0, 1.0),
    ],
)
def test_mcnemars_mid_p_is_the_published_one_and_the_same_both_ways(won: int, lost: int, p: float) -> None:
    assert mcnemar(won, lost) == pytest.approx(p, abs=5e-5) == mcnemar(lost, won)


@pytest.mark.parametrize(
    ("table", "low", "high"),
    [
        ((1, 1, 7, 12), -0.507, -0.026),  # the same data; Fagerland, Lydersen and Laake 2014, Newcombe's square-and-add
        ((14, 5, 0, 22), 0.0115, 0.226),  # Altman and others, Statistics with Confidence (2000), table 6.2
    ],
)
def test_the_interval_of_a_paired_difference_is_the_published_one(
    table: tuple[int, int, int, int], low: float, high: float
) -> None:
    found = paired_interval(*table)
    assert [found.low, found.high] == pytest.approx([low, high], abs=5e-4)


@given(st.lists(st.integers(0, 30), min_size=4, max_size=4).filter(any))
def test_the_interval_holds_the_difference_and_turns_round_with_it(table: list[int]) -> None:
    both, won, lost, neither = table
    found, turned = paired_interval(both, won, lost, neither), paired_interval(both, lost, won, neither)
    assert found.low is not None
    assert found.high is not None
    assert -1 <= found.low <= found.value <= found.high <= 1
    assert [turned.low, turned.high] == pytest.approx([-found.high, -found.low])


def test_nothing_of_forty_is_up_to_nine_percent_and_nothing_of_none_says_nothing() -> None:
    rate = one(None, shares(0, 40)).after
    assert isinstance(rate, Rate)
    assert rate.high == pytest.approx(0.0876, abs=1e-4)
    told = one(None, figure([None, None]))
    assert (told.after, told.unjudged_after, told.word) == (None, 2, None)


def test_a_bootstrap_comes_to_what_is_known_of_a_mean_and_is_the_same_each_time() -> None:
    values = [float(value) for value in range(101)]
    found = mean_interval(values)
    assert found == mean_interval(list(reversed(values)))
    # The mean of 0 to 100 has a standard error of 29.15 / sqrt(101) = 2.90, normal for so many.
    assert (found.value, found.n) == (50, 101)
    assert [found.low, found.high] == pytest.approx([50 - 1.96 * 2.90, 50 + 1.96 * 2.90], abs=0.3)


def test_values_that_are_all_the_same_are_not_told_as_certain() -> None:
    assert mean_interval([0.0] * 40, 0.0).high == pytest.approx(0.0876, abs=1e-4)
    assert mean_interval([0.5], 0.0).low == pytest.approx(0.0546, abs=1e-3)
    assert mean_interval([70.0]).low is None


def test_samples_of_a_prompt_are_no_further_n() -> None:
    told = one(None, figure([1 / 3, 2 / 3, 0.0, 1.0]))
    assert isinstance(told.after, Interval)
    assert (told.after.n, told.after.value) == (4, 0.5)


def test_a_word_needs_the_interval_and_turns_with_the_direction() -> None:
    fewer, more = shares(5, 40), shares(25, 40)
    assert one(more, fewer).word == "better"
    assert one(fewer, more).word == "worse"
    assert one(more.model_copy(update={"better": "higher"}), fewer.model_copy(update={"better": "higher"})).word == (
        "worse"
    )
    assert one(more, fewer.model_copy(update={"better": None})).word is None
    assert one(fewer, shares(7, 40)).word == "no evidence"
    assert one(None, fewer).word is None


def test_a_bootstrap_of_five_changes_is_no_evidence_though_all_went_one_way() -> None:
    before, after = [0.5] * 20, [0.5] * 15 + [0.1] * 5
    told = one(figure(before), figure(after))
    assert told.difference is not None
    assert told.difference.high is not None
    assert told.difference.high < 0
    assert told.word == "no evidence"
    assert one(figure(before), figure([0.5] * 14 + [0.1] * 6)).word == "better"


def test_pairs_are_prompts_that_both_have_judged_and_the_others_are_counted_apart() -> None:
    told = one(figure([1, None, 1, 0]), figure([0, 1, None, 0, 1]))
    assert (told.pairs, told.unjudged_before, told.unjudged_after) == (2, 1, 1)
    assert told.before == Rate.of(2, 3)
    assert told.after == Rate.of(2, 4)


def test_what_another_judge_said_is_no_baseline() -> None:
    told = one(shares(5, 40), shares(25, 40, made_by="another judge"))
    assert (told.before, told.pairs, told.word) == (None, 0, None)
