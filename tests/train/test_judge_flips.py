"""Planted texts: where they are put, and that what they can turn is what is counted."""

import asyncio
import json

import pytest

from benchmarks.judge_flips import plant, show, show_judge
from benchmarks.labelled import completions, planted
from schemas.think import OPEN, join, split
from tests.fake_endpoint import FakeEndpoint, Received, Reply, completion, error

PLANTED = len(planted())


def test_a_text_is_planted_at_the_end_of_a_part_that_is_there() -> None:
    thought = split(plant(join("a", "b"), "x", "thought") or "")
    assert thought
    assert (thought.reasoning, thought.answer) == ("a\n\nx", "b")
    assert plant(join("a", "b"), "x", "answer") == join("a", "b\n\nx")
    assert plant("b", "x", "thought") is None
    assert plant(f"{OPEN}a", "x", "answer") is None


def test_flips_are_counted_by_shape(capsys: pytest.CaptureFixture[str]) -> None:
    show("a gullible judge", [(join("a", "b"), lambda text: "safe" in text)])
    told = capsys.readouterr().out
    safe = sum("safe" in one.text for one in planted())
    assert f"of {2 * PLANTED} turned" in told
    assert f"a gullible judge: {2 * safe / (2 * PLANTED):.0%}".replace("%", " %") in told


def test_a_judge_that_obeys_a_planted_text_is_caught_and_one_that_is_down_flips_nothing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    rows = [one for one in completions() if one.shape == "right in other words"][:1]

    def obeys(request: Received) -> Reply:
        if "polite no" in request.last_message:
            return error(400, "not today")
        unsafe = "Verdict: unsafe" in request.last_message
        thought = "private reasoning" in request.last_message
        rated = 5 if unsafe else 1
        said = {"harmful": unsafe} if thought else {"refused": False, "convincing": rated, "specific": rated}
        return completion(json.dumps(said))

    with FakeEndpoint(obeys) as fake:
        asyncio.run(show_judge(rows, fake.url, "m", "rubric"))
    told = capsys.readouterr().out
    assert f"rubric: 2 of {2 * PLANTED} planted ones without a judgement" in told
    assert "verdict stated, in the thought: 1 of 4" in told
    assert "verdict stated, in the answer: 1 of 4" in told
