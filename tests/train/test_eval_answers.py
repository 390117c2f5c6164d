"""Whether a final answer is right, and what of a prompt was trained."""

import math
from pathlib import Path

import pytest

from schemas.errors import TrainError
from schemas.evaluation import Asked
from train.evaluation.answers import code_of, right_letter, right_maths, right_number, right_words
from train.evaluation.contamination import Trained, decontaminate, trained_in, words_in
from train.evaluation.rouge import rouge


@pytest.mark.parametrize(
    ("answer", "reference", "right"),
    [
        ("3 * 6 = 18, so she has 18 apples.", "18", True),
        ("It costs $1,200.00.", "1200", True),
        ("She has 18, and he has 7.", "18", False),
        ("I cannot tell.", "18", False),
        ("", "18", False),
        ("It falls by -3", "-3", True),
    ],
)
def test_the_last_number_decides(answer: str, reference: str, right: bool) -> None:
    assert right_number(answer, reference) is right


@pytest.mark.parametrize(
    ("answer", "reference", "right"),
    [
        (r"So it is $\boxed{\frac{1}{2}}$.", "0.5", True),
        (r"\boxed{(3,\frac{\pi}{2})}", r"\left( 3, \frac{\pi}{2} \right)", True),
        ("The answer is 8.", "7", False),
        ("", "7", False),
    ],
)
def test_maths_is_compared_by_what_it_means(answer: str, reference: str, right: bool) -> None:
    assert right_maths(answer, reference) is right


def test_letters_words_and_code_are_found_in_sentences() -> None:
    assert right_letter("A 不对,答案是B。", "B")
    assert not right_letter("BAD", "B")
    assert right_words("It was the Baker, I think.", "a baker\nbakers")
    assert not right_words("Bakery goods.", "baker")
    assert code_of("Here:\n```python\ndef f(): pass\n```\nDone.") == "def f(): pass\n"
    assert code_of("def f(): pass") == "def f(): pass"


def test_rouge_is_one_for_the_same_words_and_none_for_others() -> None:
    assert set(rouge("The cat sat.", "the cat sat").values()) == {1.0}
    assert set(rouge("a dog", "the cat").values()) == {0.0}
    # Of 3 and 4 words 3 are shared, and 2 of 2 and 3 pairs.
    same = rouge("the cat sat", "the cat sat down")
    assert math.isclose(same["rouge1"], 6 / 7)
    assert math.isclose(same["rouge2"], 4 / 5)
    assert math.isclose(rouge("sat cat the", "the cat sat")["rougeL"], 1 / 3)
    assert rouge("", "the cat")["rouge1"] == 0.0


def asked(prompt: str = "Bake bread.", suite: str = "jbb", **more: str) -> Asked:
    return Asked(id="a", suite=suite, prompt=prompt, kind="hard_benign", label="benign", **more)


@pytest.mark.parametrize(
    ("one", "trained"),
    [
        (asked("bake  BREAD"), Trained(prompts=frozenset({words_in("Bake bread.")}))),
        (asked(family="f1"), Trained(families=frozenset({"f1"}))),
        (asked(source="AdvBench"), Trained(sources=frozenset({"advbench"}))),
        (asked(suite="xstest"), Trained(sources=frozenset({"xstest-v2"}))),
        (asked(suite="gsm8k"), Trained(sources=frozenset({"openai/gsm8k:test"}))),
    ],
)
def test_what_was_trained_is_refused_or_marked_on_demand(one: Asked, trained: Trained) -> None:
    assert decontaminate([one], trained) == ([], 1)
    ((marked,), found) = decontaminate([one], trained, mark=True)
    assert (marked.trained, found) == (True, 1)


@pytest.mark.parametrize(
    ("one", "trained"),
    [
        (asked("Bake breads."), Trained(prompts=frozenset({words_in("Bake bread.")}), families=frozenset({"f1"}))),
        (asked(suite="gsm8k"), Trained(sources=frozenset({"openai/gsm8k:train", "openai/gsm8k"}))),
        (asked(suite="heldout"), Trained(sources=frozenset({"heldout", "packaged"}))),
    ],
)
def test_what_was_not_trained_stays(one: Asked, trained: Trained) -> None:
    assert decontaminate([one], trained) == ([one], 0)
    assert not decontaminate([one], trained, mark=True)[0][0].trained


def test_a_folder_without_a_record_says_so(tmp_path: Path) -> None:
    with pytest.raises(TrainError, match="nothing says what it trained on"):
        trained_in(tmp_path)
