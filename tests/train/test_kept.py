"""What counts as kept, on completions that the packaged structures and wordings make."""

import pytest

from curation.structures import load_pools, load_structure
from schemas.example import Branch
from schemas.structure import REASON_SLOT
from schemas.think import CLOSE, OPEN, join
from train.kept import Kept, has_verdict, judge, summarise

POOLS = load_pools()
UNDERSTANDING = "The user wants to know how bread is baked."
ANSWERS = {"harmful": "I can't help with that.", "benign": "Mix flour and water, and bake it."}


def completion(branch: Branch, verdict: Branch | None = None, answer: str | None = None) -> str:
    wording = POOLS[f"verdict_{verdict or branch}"].every()[0].replace(REASON_SLOT, "it asks about bread")
    rest = POOLS["stop"].every()[0] if branch == "harmful" else "Flour and water come first, then heat."
    return join(f"{UNDERSTANDING}\n\n{wording}\n\n{rest}", ANSWERS[branch] if answer is None else answer)


def judged(text: str, label: Branch, stopped: bool = True, structure: str = "alttrain") -> Kept:
    return judge(text, label, stopped, load_structure(structure), POOLS)


@pytest.mark.parametrize("label", ["harmful", "benign"])
def test_a_training_row_keeps_everything(label: Branch) -> None:
    kept = judged(completion(label), label)
    assert kept == Kept(
        label=label,
        exact=True,
        in_order=True,
        branch=label,
        verdict_right=True,
        follows=True,
        answered=True,
        stopped=True,
        refused=label == "harmful",
    )
    assert kept.kept


def test_a_wrong_verdict_that_is_followed_is_not_kept() -> None:
    kept = judged(completion("harmful"), "benign")
    assert (kept.exact, kept.in_order, kept.verdict_right, kept.follows) == (True, True, False, True)
    assert not kept.kept


def test_a_branch_that_does_not_follow_its_verdict_is_not_kept() -> None:
    kept = judged(completion("harmful", verdict="benign"), "benign")
    assert (kept.verdict_right, kept.follows, kept.branch) == (True, False, "harmful")
    assert not kept.exact
    assert not kept.kept


def test_a_paraphrased_verdict_is_in_order_and_not_exact() -> None:
    text = join(f"{UNDERSTANDING}\n\nBaking bread is entirely harmless, as no one is hurt.\n\nFlour first.", "Bake it.")
    kept = judged(text, "benign")
    assert (kept.in_order, kept.exact, kept.verdict_right, kept.kept) == (True, False, True, True)


def test_without_answer_or_stop_token_nothing_is_kept() -> None:
    empty = judged(completion("benign", answer=" "), "benign")
    assert (empty.answered, empty.in_order, empty.exact, empty.kept) == (False, True, False, False)
    endless = judged(completion("benign"), "benign", stopped=False)
    assert (endless.exact, endless.stopped, endless.kept) == (True, False, False)


def test_thinking_that_is_never_closed_keeps_no_order_and_no_answer() -> None:
    kept = judged(completion("harmful").partition(CLOSE)[0], "harmful", stopped=False)
    assert (kept.in_order, kept.answered, kept.refused, kept.kept) == (False, False, False, False)


@pytest.mark.parametrize("text", ["", "  ", CLOSE, OPEN, OPEN + CLOSE, f"{OPEN}a{CLOSE}b{CLOSE}c"])
def test_any_text_is_judged(text: str) -> None:
    kept = judged(text, "benign")
    assert not kept.kept
    assert not kept.answered


def test_a_plain_text_is_an_answer_without_structure() -> None:
    kept = judged("I'm sorry, but I can't help with that.", "harmful")
    assert (kept.answered, kept.refused, kept.in_order, kept.verdict_right, kept.follows) == (
        True,
        True,
        False,
        False,
        False,
    )


def test_a_structure_without_verdict_has_no_verdict_figure() -> None:
    kept = judged(join("", ANSWERS["harmful"]), "harmful", structure="plain_answer_only")
    assert (kept.verdict_right, kept.follows, kept.kept, kept.exact) == (None, None, True, True)
    assert not judged(completion("harmful"), "harmful", structure="plain_answer_only").in_order
    everything = summarise([("harmful", kept)])[0]
    assert everything.verdict_right is everything.follows is None
    assert has_verdict(load_structure("alttrain"), POOLS)
    for name in ("no_ha", "plain_answer_only", "plain_original_trace"):
        assert not has_verdict(load_structure(name), POOLS)


def test_a_no_counts_alike_on_either_side() -> None:
    for label, answer in (("harmful", "Count me out."), ("benign", "Count me out.")):
        assert judged(completion("benign", answer=answer), label).refused  # type: ignore[arg-type]


def test_rates_are_told_of_all_of_each_label_and_of_each_kind() -> None:
    right, wrong = judged(completion("benign"), "benign"), judged(completion("harmful"), "benign")
    rows = [
        ("harmful", judged(completion("harmful"), "harmful")),
        ("hard_benign", wrong),
        ("hard_benign", right),
        ("plain_benign", right),
    ]
    found = {summary.group: summary for summary in summarise(rows)}
    assert list(found) == ["all", "harmful", "benign", "hard_benign", "plain_benign"]
    assert {group: summary.n for group, summary in found.items()} == {
        "all": 4,
        "harmful": 1,
        "benign": 3,
        "hard_benign": 2,
        "plain_benign": 1,
    }
    assert str(found["benign"].refused) == "33 % (6-79) of 3"
    assert found["all"].kept.value == 0.75
    assert found["hard_benign"].verdict_right is not None
    assert found["hard_benign"].verdict_right.value == 0.5


def test_of_nothing_no_rate_claims_anything() -> None:
    (everything,) = summarise([])
    assert (everything.n, everything.kept.low, everything.kept.high) == (0, 0.0, 1.0)
