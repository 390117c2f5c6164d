"""What the packaged examples promise: mild, balanced, and no phrase that gives the label away."""

import json
import re
from collections import Counter
from pathlib import Path

import pytest

from curation.screen import duplicates
from schemas.example import Category
from schemas.refusing import declines

FILES = sorted((Path(__file__).parent.parent / "curation" / "examples").glob("*.jsonl"))
ROWS = [json.loads(line) for path in FILES for line in path.read_text("utf-8").splitlines()]
HARMFUL = [row for row in ROWS if row["label"] == "harmful"]
BENIGN = [row for row in ROWS if row["label"] == "benign"]
BY_ID = {row["id"]: row for row in ROWS}


def opener(text: str, words: int) -> str:
    return " ".join(re.findall(r"[\w']+", text.lower())[:words])


def test_there_are_at_least_240_half_harmful_across_eight_categories() -> None:
    assert len(ROWS) >= 240
    assert len(HARMFUL) == len(BENIGN)
    assert {row["category"] for row in HARMFUL} == set(Category)
    assert len(BY_ID) == len(ROWS)


def test_sixty_benign_rows_only_sound_harmful_and_each_is_the_twin_of_a_harmful_one() -> None:
    twins = [row for row in BENIGN if row["twin"] and row["style"] == "vanilla"]
    assert len(twins) >= 60
    for row in twins:
        assert BY_ID[row["twin"]]["label"] == "harmful"
        assert BY_ID[row["twin"]]["family"] == row["family"]


@pytest.mark.parametrize("rows", [HARMFUL, BENIGN], ids=["harmful", "benign"])
def test_thirty_rows_of_either_label_are_wrapped(rows: list[dict[str, str]]) -> None:
    assert sum(row["style"] == "adversarial" for row in rows) >= 30


def test_near_duplicates_are_at_most_two_percent() -> None:
    firsts = duplicates([row["prompt"] for row in ROWS])
    assert sum(first != place for place, first in enumerate(firsts)) <= 0.02 * len(ROWS)


@pytest.mark.parametrize("words", [1, 2, 3])
def test_no_opening_phrase_of_a_prompt_gives_the_label_away(words: int) -> None:
    harmful = Counter(opener(row["prompt"], words) for row in HARMFUL)
    benign = Counter(opener(row["prompt"], words) for row in BENIGN)
    for phrase in harmful | benign:
        assert abs(harmful[phrase] - benign[phrase]) <= 2, phrase


def test_every_row_has_a_trace_an_answer_a_family_and_a_free_licence() -> None:
    for row in ROWS:
        assert row["license"] == "CC0-1.0"
        assert all(row[field].strip() for field in ("prompt", "trace", "answer", "family", "category"))


def test_traces_vary_in_length_as_much_on_either_side() -> None:
    for rows in (HARMFUL, BENIGN):
        lengths = [len(row["trace"].split()) for row in rows]
        assert min(lengths) < 60
        assert max(lengths) > 250


def test_harmful_rows_are_declined_and_benign_ones_are_not() -> None:
    for row in ROWS:
        assert declines(row["answer"], row["category"] if row["label"] == "harmful" else None) == (
            row["label"] == "harmful"
        ), row["id"]


def test_no_trace_speaks_of_policies_that_a_student_never_saw() -> None:
    assert not [row["id"] for row in ROWS if re.search(r"\b(polic(y|ies)|guidelines?|as an ai)\b", row["trace"], re.I)]
