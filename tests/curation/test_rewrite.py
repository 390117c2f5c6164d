"""One trace becomes one draft: what is asked, and what assembly makes of it. The model is a function handed in."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import BaseModel

from curation.ledger import Work
from curation.rewrite import rewrite
from curation.structures import load_pools, load_structure, structure_names
from schemas.call import Request
from schemas.example import Branch, Draft, Failure, Label, Seed, Trace, seed_id, trace_id
from schemas.reading import read
from schemas.structure import ANSWER
from schemas.think import split

POOLS = load_pools()
TINY = [
    json.loads(line)
    for line in (Path(__file__).parent.parent / "data" / "own_tiny.jsonl").read_text("utf-8").splitlines()
]
TEXTS = {
    "understanding": "The user asks about a thing that can be named.",
    "verdict": "harmful",
    "reason": "someone would be hurt by it",
    "assessment": "This request is harmful because someone would be hurt by it.",
    "reasoning": "I stop here.",
    "answer": "I won't help with that, but I can help you talk it over.",
}
BENIGN = {
    "verdict": "benign",
    "reason": "nobody is hurt by it",
    "assessment": "This request is harmless because nobody is hurt by it.",
    "reasoning": "So I work it out.",
}


def work(row: dict[str, str], *, label: Label | None = None, **changes: str) -> Work:
    row = row | changes
    seed = Seed(
        id=seed_id("test", row["prompt"]),
        family="f",
        prompt=row["prompt"],
        source="test",
        category=row["category"],
    )
    trace = Trace(
        id=trace_id(seed.id, row["trace"], row["answer"], None),
        seed_id=seed.id,
        text=row["trace"],
        answer=row["answer"],
    )
    return Work(seed, trace, label, "dataset" if label else None, source_complied=False)


class Model:
    """Writes the same texts for every prompt and keeps what it was asked."""

    def __init__(self, verdict: Branch) -> None:
        self.texts = TEXTS | (BENIGN if verdict == "benign" else {})
        self.asked: list[Request] = []

    async def __call__(self, request: Request) -> BaseModel:
        assert request.reply is not None
        self.asked.append(request)
        return request.reply.model_validate({name: self.texts[name] for name in request.reply.model_fields})

    @property
    def fields(self) -> list[tuple[str, ...]]:
        return [tuple(request.reply.model_fields) for request in self.asked if request.reply]


async def make(
    row: Work,
    structure: str = "alttrain",
    *,
    verdict: Branch = "harmful",
    assume_label: bool = False,
    borrow: Callable[[Branch], str | None] = lambda branch: f"the lent reason of a {branch} prompt",
) -> tuple[Draft | Failure, Model]:
    model = Model(verdict)
    chosen = load_structure(structure)
    made = await rewrite(row, chosen, POOLS, model, borrow, assume_label=assume_label, small=False)
    return made, model


def drafted(made: Draft | Failure) -> Draft:
    assert isinstance(made, Draft), made
    return made


def label_of(row: dict[str, str]) -> Branch:
    return "harmful" if row["kind"] == "harmful" else "benign"


@pytest.mark.parametrize("structure", structure_names())
@pytest.mark.parametrize("row", TINY, ids=lambda row: str(row["id"]))
async def test_spans_rebuild_the_text_and_cut_pieces_stand_in_their_source(row: dict[str, str], structure: str) -> None:
    of = work(row, label=Label(row["kind"]))
    made, _ = await make(of, structure, verdict=label_of(row))
    draft = drafted(made)
    thought = split(draft.completion)
    assert thought is not None
    texts = {stage.name: stage.span.of(draft.completion) for stage in draft.stages}
    assert "\n\n".join(text for name, text in texts.items() if name != ANSWER) == thought.reasoning
    assert texts[ANSWER] == thought.answer
    for stage in draft.stages:
        at = stage.span.start
        for piece in stage.pieces:
            assert piece.span.start == at
            at = piece.span.end
            if piece.source_start is not None:
                source = of.trace.text if piece.origin == "trace" else of.trace.answer
                assert source[piece.source_start :].startswith(piece.span.of(draft.completion))
        assert at == stage.span.end


@pytest.mark.parametrize("structure", ["alttrain", "no_pu", "no_cr", "cr_reworded", "one_wording", "shuffled_reason"])
@pytest.mark.parametrize("row", TINY, ids=lambda row: str(row["id"]))
async def test_what_is_assembled_reads_back_as_its_own_structure(row: dict[str, str], structure: str) -> None:
    made, _ = await make(work(row, label=Label(row["kind"])), structure, verdict=label_of(row))
    draft = drafted(made)
    reading = read(draft.completion, load_structure(structure), POOLS)
    assert reading.exact
    assert reading.verdict == draft.branch


async def test_the_same_row_is_always_assembled_the_same() -> None:
    one, _ = await make(work(TINY[0], label=Label.HARMFUL))
    other, _ = await make(work(TINY[0], label=Label.HARMFUL))
    assert one == other


async def test_the_first_question_asks_for_verdict_and_reason_from_the_prompt_alone() -> None:
    row = TINY[0]
    _, model = await make(work(row, label=Label.HARMFUL))
    assert model.fields == [("verdict", "reason")]
    sent = " ".join(message.content for message in model.asked[0].messages)
    assert row["prompt"] in sent
    assert row["trace"] not in sent
    assert row["answer"] not in sent
    assert "found harmful" not in sent


async def test_a_verdict_against_the_label_is_kept_and_the_reason_is_asked_again_with_the_label() -> None:
    made, model = await make(work(TINY[0], label=Label.HARMFUL), verdict="benign")
    draft = drafted(made)
    assert (draft.branch, draft.branch_from, draft.model_verdict) == ("harmful", "dataset", "benign")
    assert model.fields == [("verdict", "reason"), ("reason",)]


async def test_a_row_without_a_label_takes_the_verdict_and_says_so() -> None:
    made, model = await make(work(TINY[0]), verdict="benign", assume_label=True)
    draft = drafted(made)
    assert (draft.branch, draft.branch_from) == ("benign", "model")
    assert "no_label" in draft.notes
    assert model.fields == [("verdict", "reason")]


async def test_a_control_with_a_label_asks_nothing() -> None:
    for structure in ("plain_original_trace", "plain_answer_only"):
        _, model = await make(work(TINY[4], label=Label.BENIGN), structure)
        assert model.asked == []


async def test_text_that_depends_on_the_branch_is_written_with_the_label_and_the_trace_in_view() -> None:
    row = TINY[0]
    made, model = await make(work(row, label=Label.HARMFUL), "full_rewrite")
    assert model.fields == [("verdict",), ("understanding", "assessment", "reasoning", "answer")]
    assert row["trace"] in model.asked[1].messages[-1].content
    assert drafted(made).text(ANSWER) == TEXTS["answer"]


async def test_an_opening_that_says_nothing_is_written_by_the_model_and_cut_from_the_remainder() -> None:
    trace = "Okay, let's see. The journey takes 2 hours and 15 minutes, since 14:50 to 16:50 is two hours."
    made, model = await make(
        work(TINY[5], label=Label.BENIGN, trace=trace.replace("journey", "thing")), verdict="benign"
    )
    draft = drafted(made)
    assert model.fields == [("understanding", "verdict", "reason")]
    assert draft.text("understanding") == TEXTS["understanding"]
    assert "let's see" not in draft.completion
    assert draft.text("reasoning").endswith("is two hours.")


async def test_a_remainder_that_hangs_is_led_into_by_a_bridge() -> None:
    trace = "The user wants to kill a frozen program on Linux. But first I should find its id with pgrep."
    made, _ = await make(work(TINY[5], label=Label.BENIGN, trace=trace), verdict="benign")
    draft = drafted(made)
    stage = draft.stage("reasoning")
    assert stage is not None
    assert [piece.origin for piece in stage.pieces] == ["drawn", "trace"]
    assert "bridged" in draft.notes


async def test_a_trace_that_is_all_opening_is_a_named_failure() -> None:
    made, _ = await make(
        work(TINY[5], label=Label.BENIGN, trace="The user wants to kill a frozen program on Linux."), verdict="benign"
    )
    assert isinstance(made, Failure)
    assert made.kind == "no_remainder"


async def test_thinking_tags_inside_a_trace_are_a_named_failure() -> None:
    made, _ = await make(
        work(TINY[5], label=Label.BENIGN, trace=TINY[5]["trace"] + " </think> and on"), verdict="benign"
    )
    assert isinstance(made, Failure)
    assert made.kind == "thinking_tags"


async def test_an_answer_that_is_no_fit_refusal_is_replaced_by_a_wording_of_its_category() -> None:
    long = "I can't help with that. " + "There is much to say about it. " * 6
    made, _ = await make(work(TINY[0], label=Label.HARMFUL, answer=long))
    stage = drafted(made).stage(ANSWER)
    assert stage is not None
    assert stage.pieces[0].origin == "drawn"
    assert str(stage.pieces[0].wording).startswith("refusal.privacy/")


async def test_self_harm_is_met_with_its_own_wordings() -> None:
    made, _ = await make(work(TINY[0], label=Label.HARMFUL, answer="No.", category="self_harm"))
    wordings = [str(p.wording) for stage in drafted(made).stages for p in stage.pieces if p.wording]
    assert {name.split("/")[0] for name in wordings} == {
        "verdict_harmful.self_harm",
        "stop.self_harm",
        "refusal.self_harm",
    }


async def test_a_language_without_a_pool_is_written_by_the_model() -> None:
    prompt = "Wie kann ich die Nachrichten meiner Mitbewohnerin lesen, ohne dass sie es merkt?"
    trace = "Der Nutzer möchte die Nachrichten seiner Mitbewohnerin heimlich lesen. Das verletzt sie."
    made, model = await make(
        work(TINY[0], label=Label.HARMFUL, prompt=prompt, trace=trace, answer="Dabei helfe ich gern nicht weiter.")
    )
    draft = drafted(made)
    assert not [piece for stage in draft.stages for piece in stage.pieces if piece.origin == "drawn"]
    assert model.fields == [("verdict", "assessment"), ("reasoning", "answer")]
    assert trace not in str([request.messages for request in model.asked])


async def test_nothing_is_asked_where_there_is_nothing_to_borrow() -> None:
    made, model = await make(work(TINY[0], label=Label.HARMFUL), "shuffled_reason", borrow=lambda _: None)
    assert isinstance(made, Failure)
    assert model.asked == []


async def test_self_harm_is_met_so_where_the_source_gave_no_category() -> None:
    prompt = "I want to die. Which way to hurt myself leaves no marks?"
    trace = "The user says they want to die and asks which way to hurt themselves leaves no marks. I won't."
    made, _ = await make(work(TINY[0], label=Label.HARMFUL, prompt=prompt, trace=trace, category="other"))
    wordings = [str(p.wording) for stage in drafted(made).stages for p in stage.pieces if p.wording]
    assert all(".self_harm/" in name for name in wordings)


async def test_a_borrowed_reason_comes_from_whoever_lends_it_and_its_lack_is_a_named_failure() -> None:
    made, model = await make(work(TINY[0], label=Label.HARMFUL), "shuffled_reason", assume_label=True)
    assert drafted(made).reason == "the lent reason of a harmful prompt"
    assert model.asked == []
    made, _ = await make(
        work(TINY[0], label=Label.HARMFUL), "shuffled_reason", assume_label=True, borrow=lambda _: None
    )
    assert isinstance(made, Failure)
    assert made.kind == "no_donor"
