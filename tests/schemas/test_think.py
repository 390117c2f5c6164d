import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.think import CLOSE, OPEN, has_marks, join, offsets, split

EDGE_CASES = [
    json.loads(line)
    for line in (Path(__file__).parent.parent / "data" / "think_edge_cases.jsonl").read_text("utf-8").splitlines()
]
TEXT = st.text(alphabet=st.one_of(st.characters(), st.sampled_from("\r\n<>/think"))).filter(
    lambda text: not has_marks(text)
)


@pytest.mark.parametrize("case", EDGE_CASES, ids=lambda case: str(case["id"]))
def test_every_edge_case_gives_its_stated_result(case: dict[str, str | None]) -> None:
    completion = case["completion"]
    assert completion is not None
    thought = split(completion)
    if case["trace"] is None:
        assert thought is None
    else:
        assert thought is not None
        assert (thought.reasoning, thought.answer) == (case["trace"], case["answer"])


@given(TEXT, TEXT)
def test_split_gives_back_what_join_was_given(reasoning: str, answer: str) -> None:
    thought = split(join(reasoning, answer))
    assert thought is not None
    assert (thought.reasoning, thought.answer) == (reasoning, answer)


@given(TEXT, TEXT)
def test_offsets_say_where_the_two_texts_start(reasoning: str, answer: str) -> None:
    completion = join(reasoning, answer)
    first, second = offsets(reasoning)
    assert completion[first : first + len(reasoning)] == reasoning
    assert completion[second:] == answer


@given(st.lists(st.sampled_from(["a", "\n", "\r\n", OPEN, CLOSE, " ", "<", "think>"])).map("".join))
def test_split_never_raises_and_leaves_no_tag_behind(completion: str) -> None:
    thought = split(completion)
    if thought:
        assert not has_marks(thought.reasoning)
        assert not has_marks(thought.answer)


@pytest.mark.parametrize("mark", [OPEN, CLOSE])
def test_a_text_that_holds_a_tag_is_not_joined(mark: str) -> None:
    with pytest.raises(ValueError, match="cannot be joined"):
        join(f"quotes {mark} in passing", "Four.")
