"""Held-out prompts: openings that training has not seen, the same on either side, and no near-duplicates."""

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from curation.screen import families
from curation.sources import SourceRow, read_source
from train.heldout import HeldOut, held_out

PACKAGED: list[dict[str, Any]] = [
    json.loads(line)
    for path in sorted((Path(__file__).parents[2] / "curation" / "examples").glob("*.jsonl"))
    for line in path.read_text("utf-8").splitlines()
]
OWN = held_out(())


def opener(prompt: str, words: int = 1) -> str:
    return " ".join(re.findall(r"[\w']+", prompt.lower())[:words])


def test_there_are_twelve_pairs_and_48_plain_ones_each_with_an_id_of_its_own() -> None:
    assert Counter(prompt.kind for prompt in OWN) == {"harmful": 12, "hard_benign": 12, "plain_benign": 48}
    assert len({prompt.id for prompt in [*OWN, *held_out((), PACKAGED)]}) == len(OWN) + len(PACKAGED)
    assert all((prompt.label == "harmful") == (prompt.kind == "harmful") for prompt in OWN)
    assert all(prompt.license == "CC0-1.0" and prompt.new_wording for prompt in OWN)


def test_no_packaged_example_opens_with_the_same_word() -> None:
    seen = {opener(row["prompt"]) for row in PACKAGED}
    assert not [prompt.prompt for prompt in OWN if opener(prompt.prompt) in seen]


def test_twins_share_family_and_opening_so_that_no_phrase_gives_the_label_away() -> None:
    twins: dict[str, list[HeldOut]] = {}
    for prompt in OWN:
        if prompt.kind != "plain_benign":
            twins.setdefault(prompt.family, []).append(prompt)
    for one, other in twins.values():
        assert {one.label, other.label} == {"harmful", "benign"}
        assert one.category == other.category is not None
        assert opener(one.prompt, 2) == opener(other.prompt, 2)


def test_none_is_near_a_packaged_example_or_another_but_its_twin() -> None:
    prompts = [row["prompt"] for row in PACKAGED]
    firsts = families([*prompts, *(prompt.prompt for prompt in OWN)])
    for place, prompt in enumerate(OWN, len(prompts)):
        near = firsts[place]
        assert near >= len(prompts), prompt.prompt
        assert OWN[near - len(prompts)].family == prompt.family


def test_packaged_examples_come_with_the_families_that_a_release_names() -> None:
    released = [row.seed for row in read_source("packaged") if isinstance(row, SourceRow)]
    packaged = {prompt.prompt: prompt for prompt in held_out((), PACKAGED) if not prompt.new_wording}
    assert {seed.prompt: seed.family for seed in released} == {
        prompt.prompt: prompt.family for prompt in packaged.values()
    }
    kinds = Counter(prompt.kind for prompt in packaged.values())
    assert kinds == {"harmful": 128, "hard_benign": 96, "plain_benign": 32}


@pytest.mark.parametrize("label", ["harmful", "benign"])
def test_with_one_twin_trained_neither_is_held_out(label: str) -> None:
    trained = [prompt for prompt in held_out((), PACKAGED) if prompt.kind == "hard_benign"][20]
    left = held_out({trained.family}, PACKAGED)
    assert not [prompt for prompt in left if prompt.family == trained.family and prompt.label == label]
    assert len(left) == len(OWN) + len(PACKAGED) - 2
