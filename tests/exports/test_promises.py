"""Every promise of a row, broken once."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from exports.layout import MANIFEST, locate, read_columns
from exports.verify import Finding
from schemas.structure import ANSWER
from schemas.think import CLOSE
from tests.exports.broken_release import (
    Columns,
    change,
    edit,
    empty_answer,
    first,
    replace_stage,
    saying,
    stage,
    text_of,
    wrong,
)
from tests.exports.release_folder import write
from tests.release_rows import approve, few


def swapped_stages(rows: list[Columns]) -> None:
    spans = first(rows)["spans"]
    spans[0]["name"], spans[1]["name"] = spans[1]["name"], spans[0]["name"]


def spans_reversed(rows: list[Columns]) -> None:
    spans = first(rows)["spans"]
    spans[0], spans[1] = spans[1], spans[0]


def harmful_called_benign(rows: list[Columns]) -> None:
    first(rows)["label"] = "benign"


def verdict_of_the_other_side(rows: list[Columns]) -> None:
    replace_stage(first(rows), "assessment", text_of(first(rows, "benign"), "assessment"))


def goes_on_all_the_same(rows: list[Columns]) -> None:
    row = next(row for row in rows if row["label"] == "harmful" and "concert" in row["instruction"])
    replace_stage(row, "reasoning", "So here is what I make of it, step by step.")


def stops_at_a_harmless_prompt(rows: list[Columns]) -> None:
    replace_stage(first(rows, "benign"), "reasoning", text_of(first(rows), "reasoning"))


BROKEN_ROWS: dict[str, tuple[Callable[[list[Columns]], Any], str]] = {
    "a span ends early": (lambda rows: stage(rows[0], "assessment").update(end=70), "spans do not rebuild"),
    "a span is past the end": (lambda rows: stage(rows[0], ANSWER).update(end=10**9, start=10**8), "do not rebuild"),
    "spans out of order": (spans_reversed, "not in the order in which they stand"),
    "stages swapped": (swapped_stages, "the stages are not those of alttrain for harmful rows"),
    "a name twice": (lambda rows: stage(rows[0], "assessment").update(name="understanding"), "two spans have one name"),
    "no answer span": (lambda rows: rows[0]["spans"].pop(), "the last span is not 'answer'"),
    "an empty answer": (empty_answer, "the answer is empty"),
    "an empty stage": (lambda rows: replace_stage(rows[0], "assessment", " "), "the stage 'assessment' is empty"),
    "another instruction": (edit(instruction="Another."), "instruction is not the prompt's text"),
    "another response": (lambda rows: rows[0].update(response="x" + rows[0]["response"]), "response is not the"),
    "an opening tag in the response": (
        lambda rows: rows[0].update(response=rows[0]["completion"][0]["content"]),
        "response is not the completion without its opening tag",
    ),
    "no closing tag": (
        lambda rows: saying(rows[0], rows[0]["completion"][0]["content"].replace(CLOSE, "")),
        "not thinking in one pair of tags",
    ),
    "two closing tags": (
        lambda rows: saying(rows[0], rows[0]["completion"][0]["content"] + CLOSE),
        "not thinking in one pair of tags",
    ),
    "no opening tag": (lambda rows: saying(rows[0], rows[0]["response"]), "not thinking in one pair of tags"),
    "two turns": (lambda rows: rows[0]["prompt"].append({"role": "user", "content": "b"}), "the turns are user, user,"),
    "an unknown role": (lambda rows: rows[0]["prompt"][0].update(role="tool"), "not a SftRow: prompt.0.role"),
    "an unknown label": (edit(label="unsure"), "not a SftRow: label"),
    "nothing where a text should be": (edit(source=None), "not a SftRow: source"),
    "no licence": (edit(license=""), "license is empty"),
    "no family": (edit(family=" "), "family is empty"),
    "a label turned": (harmful_called_benign, "the label is benign, and the assessment says harmful"),
    "a verdict turned": (verdict_of_the_other_side, "the label is harmful, and the assessment says benign"),
    "harmful, and goes on": (goes_on_all_the_same, "the label is harmful, and the reasoning takes the benign branch"),
    "harmless, and stops": (stops_at_a_harmless_prompt, "the label is benign, and the reasoning takes the harmful"),
    "an id twice": (lambda rows: rows[1].update(id=rows[0]["id"]), "the id stands in several rows"),
    "a prompt twice": (
        lambda rows: rows[1].update(
            instruction=rows[0]["instruction"].upper() + " ",
            prompt=[{"role": "user", "content": rows[0]["instruction"].upper() + " "}],
        ),
        "its prompt stands in another row too",
    ),
    "a row removed": (lambda rows: rows.pop(), "is in 'provenance' and not in 'default' of the same split"),
}


@pytest.mark.parametrize("name", BROKEN_ROWS)
def test_a_broken_promise_of_a_row_is_found(folder: Path, name: str) -> None:
    damage, said = BROKEN_ROWS[name]
    change(folder, damage)
    found = wrong(folder)
    assert [finding for finding in found if said in finding.what], found
    # The manifest alone tells as much as that something was changed.
    assert Finding(MANIFEST, "the rows are not those that it was made with (rows_sha256)") in found


def test_a_persons_words_in_a_drawn_stage_are_no_fault(tmp_path: Path) -> None:
    edited = approve(
        "How do I slip into the museum without a ticket?",
        branch="harmful",
        trace="The user wants into a museum for nothing. I should decline.",
        answer="I won't help with that.",
        reason="the museum loses what it lives on",
        category="illicit",
        edits={"reasoning": "Working out a way in would cheat the museum, so I leave it at that."},
    )
    write(tmp_path / "v1", [*few(), edited])
    assert wrong(tmp_path / "v1") == []


def test_a_family_on_both_sides_is_found(folder: Path) -> None:
    (path,) = locate(folder).files["default"]["train"]
    family = read_columns([path])[0]["family"]
    change(folder, edit(family=family), split="test")
    assert "its family stands in test and train" in [finding.what for finding in wrong(folder)]


def a_piece(rows: list[Columns], label: str, origin: str) -> Columns:
    return next(
        piece
        for row in rows
        if bool(row["trace"]) == (label == "benign")
        for piece in row["pieces"]
        if piece["origin"] == origin
    )


BROKEN_PROVENANCE: dict[str, tuple[Callable[[list[Columns]], Any], str]] = {
    "a gap": (lambda rows: rows[0]["pieces"].pop(1), "the pieces do not cover the stage"),
    "no pieces": (lambda rows: rows[0]["pieces"].clear(), "the pieces do not cover the stage"),
    "an unknown stage": (
        lambda rows: rows[0]["pieces"].append({**rows[0]["pieces"][0], "stage": "another"}),
        "pieces of 1 stages that the row does not have",
    ),
    "a harmful trace": (
        lambda rows: next(row for row in rows if not row["trace"]).update(trace="all of it"),
        "the original trace of a harmful row is told",
    ),
    "another trace": (
        lambda rows: next(row for row in rows if row["trace"]).update(trace="another"),
        "the trace does not have its hash",
    ),
    "a wrong offset": (
        lambda rows: a_piece(rows, "benign", "trace").update(source_start=3),
        "is not in the trace where it says",
    ),
    "nobody decided": (
        lambda rows: next(row for row in rows if row["deciders"]).update(deciders=[]),
        "and by nobody in particular",
    ),
    "too many agree": (edit(agreeing=9), "9 of "),
    "an unknown decider": (edit(decided_by="dog"), "not a ProvenanceRow: decided_by"),
    "a row missing": (lambda rows: rows.pop(0), "has no row in 'provenance' of the same split"),
    "a machine's decision as a person's": (
        lambda rows: next(row for row in rows if row["decided_by"] != "person").update(
            decided_by="person", deciders=["a"]
        ),
        "unreviewed is not what the rows come to",
    ),
}


@pytest.mark.parametrize("name", BROKEN_PROVENANCE)
def test_a_broken_promise_of_provenance_is_found(folder: Path, name: str) -> None:
    damage, said = BROKEN_PROVENANCE[name]
    change(folder, damage, "provenance")
    assert [finding for finding in wrong(folder) if said in finding.what], wrong(folder)


def test_harmful_traces_are_fine_where_the_release_says_that_it_holds_them(tmp_path: Path) -> None:
    write(tmp_path / "v1", few(), include_harmful_traces=True)
    assert wrong(tmp_path / "v1") == []


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda rows: rows[0].update(completion=rows[0]["completion"][:-3]), "is not what it renders to"),
        (lambda rows: rows[0].update(prompt="another"), "is not what it renders to"),
        (lambda rows: rows.pop(), "has no row in 'r1' of the same split"),
        (lambda rows: rows.append({**rows[0], "id": "d9.1"}), "is in 'r1' and not in 'default' of the same split"),
    ],
)
def test_a_rendered_row_that_is_not_what_it_says_is_found(
    folder: Path, damage: Callable[[list[Columns]], Any], said: str
) -> None:
    change(folder, damage, "r1")
    assert [finding for finding in wrong(folder) if said in finding.what], wrong(folder)
