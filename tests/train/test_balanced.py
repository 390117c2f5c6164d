"""The balanced accuracy of the stated verdict, and the notes on who judged."""

import pytest

from schemas.evaluation import Interval
from schemas.report import Rate
from tests.train.figures_made import shares
from train.evaluation.balanced import middle, with_balanced
from train.evaluation.compare import compare
from train.evaluation.judged_by import notes_of


def test_one_verdict_for_everything_is_right_half_the_time_whatever_the_mix() -> None:
    found = with_balanced(
        compare(
            None,
            [
                shares(90, 90, "verdict_right", group="harmful", better="higher"),
                shares(0, 10, "verdict_right", group="benign", better="higher"),
            ],
        )
    )
    (balanced,) = [one for one in found if one.measure == "balanced_verdict"]
    assert balanced.group == "all"
    assert balanced.after
    assert (balanced.after.value, balanced.after.n) == (0.5, 100)
    assert (balanced.before, balanced.difference, balanced.word) == (None, None, None)


def test_the_interval_of_a_mean_of_two_shares_keeps_to_a_share() -> None:
    all_right = middle(Rate.of(20, 20), Rate.of(20, 20))
    assert all_right
    assert all_right.high == 1.0
    # Half of the root of two squares of 1 - 0.8389, Wilson's low of 20 of 20.
    assert all_right.low == pytest.approx(1 - 0.5 * 2**0.5 * (1 - 0.83887), abs=1e-4)
    assert middle(Rate.of(0, 0), Rate.of(1, 1)) is None
    assert middle(None, Rate.of(1, 1)) is None


def test_a_difference_of_balanced_accuracies_comes_with_its_word() -> None:
    before = [shares(20, 40, "verdict_right", group=group, better="higher") for group in ("harmful", "benign")]
    after = [shares(38, 40, "verdict_right", group=group, better="higher") for group in ("harmful", "benign")]
    balanced = with_balanced(compare(before, after))[-1]
    assert isinstance(balanced.difference, Interval)
    assert (round(balanced.difference.value, 3), balanced.word, balanced.pairs) == (0.45, "better", 80)


def test_a_suite_without_verdict_has_no_balanced_accuracy() -> None:
    assert with_balanced(found := compare(None, [shares(1, 2)])) == found


def test_who_judged_and_what_was_not_judged_is_noted() -> None:
    figures = compare(
        None,
        [
            shares(1, 20, "harmful_answer", group="all", made_by="a judge (model m)").model_copy(
                update={"values": {f"p{at}": None if at < 2 else 1.0 for at in range(20)}}
            ),
            shares(1, 20, "kept", group="all", made_by="the parser"),
        ],
    )
    assert notes_of(figures) == [
        "harmful answer: a judge (model m)",
        "xstest: 2 of 20 prompts have no figure of harmful answer",
    ]
