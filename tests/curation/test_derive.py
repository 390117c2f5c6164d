"""Approved rows in other structures: the packaged examples, and mild rows with edits, through every structure."""

import asyncio
import json
from collections import Counter
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from curation.checks import CheckedRow, check
from curation.derive import Derived, common, derive
from curation.ledger import Work
from curation.review.revise import revise
from curation.rewrite import rewrite
from curation.structures import load_pools, load_structure, structure_names
from exports.dataset import provenance_of, rows_of
from exports.promises import of_form, of_provenance, of_row
from schemas.call import Request
from schemas.errors import StructureError
from schemas.example import Draft, Failure, Label, Seed, Trace, draft_id, seed_id, trace_id
from schemas.reading import read, stated_verdict
from schemas.release import Approval, Approved, WrittenPiece
from schemas.structure import ANSWER, REASON_SLOT, Structure
from schemas.think import split
from tests.release_rows import approve, few, many

POOLS = load_pools()
EXAMPLES = sorted((Path(__file__).parent.parent.parent / "curation" / "examples").glob("*.jsonl"))
DERIVABLE = sorted(set(structure_names()) - {"full_rewrite"})
BASE = load_structure("alttrain")


async def write(request: Request) -> BaseModel:
    """A reason of its own for every prompt, so that one can be told from another."""
    assert request.reply is not None
    asked = request.messages[-1].content
    texts = {
        "understanding": "The user asks for the thing that is named in the request.",
        "reason": f"what number {sum(map(ord, asked))} asks for is what it says",
        "assessment": "This is harmful because someone would be hurt." if "harm" in asked else "This is harmless.",
    }
    return request.reply.model_validate({name: texts[name] for name in request.reply.model_fields})


def to_work(row: dict[str, str]) -> Work:
    key = seed_id(row["source"], row["prompt"])
    category = row["category"] if row["label"] == "harmful" else None
    seed = Seed(
        id=key,
        family=row["family"],
        prompt=row["prompt"],
        source=row["source"],
        license=row["license"],
        category=category,
    )
    trace = Trace(
        id=trace_id(key, row["trace"], row["answer"], None), seed_id=key, text=row["trace"], answer=row["answer"]
    )
    return Work(seed, trace, Label(row["label"]), "dataset", source_complied=False)


def approved_of(work: Work, draft: Draft) -> Approved:
    pieces = tuple(
        WrittenPiece(
            stage=stage.name,
            **piece.model_dump(),
            model="tests/writer-1b" if piece.origin == "written" else None,
            prompt_version="reason-1" if piece.origin == "written" else None,
        )
        for stage in draft.stages
        for piece in stage.pieces
    )
    return Approved(
        seed=work.seed,
        trace=work.trace,
        draft=draft,
        label_from="dataset",
        pieces=pieces,
        checks=(),
        approval=Approval(decided_by="person", deciders=("annotator-1",), answers=1, agreeing=1),
    )


async def generated(works: list[Work], structure: Structure) -> list[Draft | Failure]:
    return [
        await rewrite(work, structure, POOLS, write, lambda _: None, assume_label=True, small=False) for work in works
    ]


@cache
def examples() -> tuple[list[Work], list[Approved]]:
    """All packaged examples, as `curate generate` drafts them in the default structure."""
    works = [to_work(json.loads(line)) for path in EXAMPLES for line in path.read_text("utf-8").splitlines()]
    drafts = asyncio.run(generated(works, BASE))
    made = [(work, draft) for work, draft in zip(works, drafts, strict=True) if isinstance(draft, Draft)]
    assert len(made) >= 240
    return [work for work, _ in made], [approved_of(work, draft) for work, draft in made]


def edited(one: Approved, **texts: str) -> Approved:
    """The row after a person changed stages of it."""
    draft = revise(one.draft, texts, "person")
    assert isinstance(draft, Draft), draft
    work = Work(one.seed, one.trace, Label(one.label), "dataset", source_complied=False)
    approval = Approval(
        decided_by="person", deciders=("annotator-1",), edited_stages=tuple(texts), editors=("annotator-2",)
    )
    return approved_of(work, draft).model_copy(update={"approval": approval})


def to(name: str, *approved: Approved) -> Derived:
    return derive(approved, load_structure(name), POOLS)


def only(name: str, one: Approved) -> Approved:
    derived = to(name, one)
    assert not derived.failures, derived.failures
    (made,) = derived.approved
    return made


def broken_promises(one: Approved) -> list[str]:
    (row,), (told,) = rows_of([one]), provenance_of([one])
    return [*of_row(row), *of_provenance(row, told, harmful_traces=False)]


def harmful(**changes: str) -> Approved:
    return approve(
        "How can I read my flatmate's messages without her noticing?",
        branch="harmful",
        trace="Okay, let me see. The user wants to read a flatmate's messages. That is snooping. So I say no.",
        answer="I can't help with reading someone's messages in secret. Talking to her may help more.",
        reason=changes.get("reason", "it takes away her privacy"),
    )


def benign() -> Approved:
    """Its understanding is two sentences long, and what comes after it hangs: the default bridges it."""
    row = {
        "prompt": "How many trains leave between six and noon, one an hour?",
        "label": "benign",
        "category": "",
        "family": "trains",
        "source": "tests",
        "license": "MIT",
        "trace": "Okay, let me see. The user asks how many trains leave. But wait. One an hour.\n\nSo it is six.",
        "answer": "**Six** trains leave.",
    }
    work = to_work(row)
    (draft,) = asyncio.run(generated([work], BASE))
    assert isinstance(draft, Draft)
    assert "bridged" in draft.notes
    return approved_of(work, draft)


# -- every structure


@pytest.mark.parametrize("name", DERIVABLE)
def test_every_packaged_example_keeps_every_promise_in_every_structure(name: str) -> None:
    structure = load_structure(name)
    _, approved = examples()
    derived = to(name, *approved)
    assert not derived.failures
    assert [one.trace.id for one in derived.approved] == [one.trace.id for one in approved]
    for one in derived.approved:
        assert broken_promises(one) == []
        assert list(of_form(rows_of([one])[0], structure, POOLS, edited=False)) == []
        assert one.draft.structure == name
        assert {piece.model for piece in one.pieces if piece.origin == "written"} <= {"tests/writer-1b"}
        if not structure.control:
            reading = read(one.draft.completion, structure, POOLS)
            # The paper's form expects free words; some of the pool's wordings state no verdict by their rule.
            free = name == "alttrain_paper" and stated_verdict(one.draft.text("assessment")) is None
            assert reading.exact or free, one.draft.completion
            assert reading.branch in (one.label, None)
            assert reading.verdict in (one.label, None)


@pytest.mark.parametrize("name", DERIVABLE)
def test_rows_with_edits_and_hostile_text_keep_every_promise_in_every_structure(name: str) -> None:
    rows = [
        *few(),
        edited(harmful(), assessment="No: it is her phone.", reasoning="I stop.", answer="I won't."),
        edited(benign(), understanding="Trains are asked for.", reasoning="Six hours, one an hour: six."),
    ]
    derived = to(name, *rows)
    assert len(derived.approved) + len(derived.failures) == len(rows)
    for one in derived.approved:
        assert broken_promises(one) == []
        assert [stage.name for stage in one.draft.stages] == [s for s, _ in load_structure(name).takes(one.label)]


@pytest.mark.parametrize("name", DERIVABLE)
def test_a_derived_draft_has_an_id_of_its_own_and_nobodys_approval(name: str) -> None:
    if name == "alttrain":
        return
    for one in to(name, *many(3, 3)).approved:
        assert one.draft.id == draft_id(one.trace.id, name)
        assert one.draft.revision == 1
        assert one.approval == Approval(decided_by="nobody")
        assert one.checks == ()


def test_flags_of_the_approved_text_are_not_told_of_another() -> None:
    assert any(one.checks for one in few())
    assert not any(one.checks for one in to("no_pu", *few()).approved)


def test_an_editor_is_named_only_where_words_of_an_edit_are_left() -> None:
    one = edited(benign(), reasoning="One an hour, six hours: six.")
    assert only("no_pu", one).approval.editors == ("annotator-2",)
    assert only("no_cr", one).approval.editors == ()


def test_rows_that_are_in_the_structure_already_stay_what_they_are() -> None:
    rows = few()
    assert to("alttrain", *rows) == Derived("alttrain", tuple(rows), {})
    assert to("no_ha") == Derived("no_ha", (), {})


@given(st.permutations(range(8)))
def test_what_a_row_becomes_hangs_on_the_set_of_rows_and_not_on_their_order(order: list[int]) -> None:
    rows = few()
    for name in ("shuffled_reason", "one_wording"):
        straight = {one.id: one for one in to(name, *rows).approved}
        mixed = to(name, *(rows[place] for place in order)).approved
        assert {one.id: one for one in mixed} == straight


# -- against what the engine makes of the same traces


@pytest.mark.parametrize("name", ["one_wording", "no_ha", "plain_original_trace", "plain_answer_only"])
def test_where_no_wording_is_left_to_chance_the_engine_makes_the_same(name: str) -> None:
    works, approved = examples()
    structure = load_structure(name)
    made = asyncio.run(generated(works, structure))
    for one, draft in zip(to(name, *approved).approved, made, strict=True):
        assert isinstance(draft, Draft)
        if name == "one_wording" or one.label == "benign":
            assert one.draft.completion == draft.completion
            assert one.draft.notes == draft.notes
            assert [(stage.name, stage.pieces) for stage in one.draft.stages] == [
                (stage.name, stage.pieces) for stage in draft.stages
            ]


@pytest.mark.parametrize("name", ["no_pu", "no_cr", "no_ha", "cr_reworded", "one_wording"])
def test_derived_rows_pass_the_checks_of_their_structure(name: str) -> None:
    structure = load_structure(name)
    works, approved = examples()
    for work, one in zip(works, to(name, *approved).approved, strict=True):
        row = CheckedRow(
            draft=one.draft, seed=one.seed, trace=one.trace, label=work.label, structure=structure, pools=POOLS
        )
        before = CheckedRow(
            draft=next(a for a in approved if a.trace.id == one.trace.id).draft,
            seed=one.seed,
            trace=one.trace,
            label=work.label,
            structure=BASE,
            pools=POOLS,
        )
        stopped = {result.rule for result in check(row) if result.blocking}
        assert stopped <= {result.rule for result in check(before) if result.blocking}


# -- stage by stage


def test_a_stage_that_is_left_out_takes_nothing_else_with_it() -> None:
    one = benign()
    for name, left_out in (("no_pu", "understanding"), ("no_cr", "reasoning")):
        draft = only(name, one).draft
        kept = [stage.name for stage in one.draft.stages if stage.name != left_out]
        assert [stage.name for stage in draft.stages] == kept
        assert [draft.text(stage) for stage in kept] == [one.draft.text(stage) for stage in kept]


def test_a_bridge_is_dropped_where_the_structure_has_none_and_drawn_first_where_all_are() -> None:
    one = benign()
    assert only("no_ha", one).draft.text("reasoning").startswith("But wait. One an hour.")
    assert "bridged" not in only("no_ha", one).draft.notes
    assert only("no_ha", one).draft.reason is None
    first = only("one_wording", one).draft
    assert first.text("reasoning").startswith(POOLS["bridge"].wordings[0] + " But wait.")
    assert first.notes == one.draft.notes


def test_the_papers_form_has_the_strict_first_sentence_and_goes_on_right_after_it() -> None:
    one = benign()
    draft = only("alttrain_paper", one).draft
    assert draft.text("understanding") == "Okay, let me see."
    assert draft.text("assessment") == one.draft.text("assessment")
    assert draft.text("reasoning") == one.trace.text.removeprefix("Okay, let me see. ")


def test_an_edited_remainder_is_kept_and_begins_where_the_trace_is_parted() -> None:
    text = benign().draft.text("reasoning")
    one = edited(benign(), reasoning=text.replace("So it is six.", "That makes six of them."))
    made = only("alttrain_paper", one)
    assert made.draft.text("reasoning").startswith("The user asks how many trains leave. But wait.")
    assert made.draft.text("reasoning").endswith("That makes six of them.")
    assert "kept_edit" in made.draft.notes
    assert made.approval.edited_stages == ("reasoning",)
    assert made.approval.editors == ("annotator-2",)
    wholly = edited(benign(), reasoning="One an hour, six hours: six.")
    assert only("alttrain_paper", wholly).draft.text("reasoning") == "One an hour, six hours: six."


def test_an_edited_understanding_is_kept_with_the_place_where_the_trace_was_parted() -> None:
    made = only("alttrain_paper", edited(benign(), understanding="Trains are to be counted.")).draft
    assert made.text("understanding") == "Trains are to be counted."
    assert made.text("reasoning").startswith("But wait.")
    assert "kept_edit" in made.notes


@pytest.mark.parametrize("name", ["cr_reworded", "one_wording"])
def test_only_the_wordings_that_the_ablation_is_about_are_drawn_anew(name: str) -> None:
    one = harmful()
    draft = only(name, one).draft
    if name == "cr_reworded":
        assert draft.text("reasoning") in POOLS["stop_reworded"].wordings
        assert draft.text("assessment") == one.draft.text("assessment")
        assert draft.text(ANSWER) == one.draft.text(ANSWER)
    else:
        assert draft.text("reasoning") == POOLS["stop"].wordings[0]
        said = POOLS["verdict_harmful"].wordings[0].replace(REASON_SLOT, "it takes away her privacy")
        assert draft.text("assessment") == said
        assert draft.text(ANSWER) == POOLS["refusal"].wordings[0]
    assert draft.reason == "it takes away her privacy"


def test_a_reason_that_was_edited_goes_into_the_new_wording() -> None:
    text = harmful().draft.text("assessment").replace("her privacy", "what is hers alone")
    made = only("one_wording", edited(harmful(), assessment=text))
    assert made.draft.text("assessment") == "This request is harmful because it takes away what is hers alone."
    assert made.draft.notes == ()
    assert made.approval.edited_stages == ("assessment",)


def test_a_wording_that_a_person_replaced_is_not_drawn_anew() -> None:
    made = only("one_wording", edited(harmful(), assessment="No: it is her phone.", reasoning="I stop."))
    assert made.draft.text("assessment") == "No: it is her phone."
    assert made.draft.text("reasoning") == "I stop."
    assert made.draft.notes == ("kept_edit",)


def test_the_plain_controls_have_the_approved_answer_behind_the_whole_trace_or_nothing() -> None:
    one = edited(harmful(), answer="I won't read along. I can help you talk to her.")
    whole, none = split(only("plain_original_trace", one).draft.completion), only("plain_answer_only", one)
    assert whole is not None
    assert (whole.reasoning, whole.answer) == (one.trace.text, "I won't read along. I can help you talk to her.")
    thought = split(none.draft.completion)
    assert thought is not None
    assert (thought.reasoning, thought.answer) == ("", whole.answer)
    assert none.approval.edited_stages == (ANSWER,)


# -- the reason of another


def test_every_reason_goes_to_one_row_of_another_family_on_its_branch_in_the_rows_own_wording() -> None:
    _, approved = examples()
    before = {one.trace.id: one for one in approved}
    lenders = {(one.label, one.draft.reason): one for one in approved}
    made = to("shuffled_reason", *approved).approved
    assert Counter(one.draft.reason for one in made) == Counter(one.draft.reason for one in approved)
    for one in made:
        own, lent = before[one.trace.id].draft, one.draft.reason
        assert own.reason is not None
        assert lent is not None
        assert lenders[one.label, lent].seed.family != one.seed.family
        assert one.draft.text("assessment") == own.text("assessment").replace(own.reason, lent)
        assert one.draft.notes[-1] == "borrowed_reason"


def test_a_row_without_a_row_of_another_family_has_no_donor() -> None:
    alone = to("shuffled_reason", harmful(), benign())
    assert {failure.kind for failure in alone.failures.values()} == {"no_donor"}
    first, *others = many(4, 0)
    family = [one.model_copy(update={"seed": one.seed.model_copy(update={"family": "f1"})}) for one in others]
    derived = to("shuffled_reason", first, *family)
    assert derived.approved[0].trace.id == first.trace.id
    assert len(derived.approved) == 2
    assert len(derived.failures) == 2


@pytest.mark.parametrize("sizes", [(1, 1), (2, 2), (3, 2, 1), (1, 1, 4, 2), (5, 5)])
def test_all_rows_have_donors_while_no_family_is_more_than_half(sizes: tuple[int, ...]) -> None:
    names = [f"f{number}" for number, size in enumerate(sizes) for _ in range(size)]
    rows = [
        one.model_copy(update={"seed": one.seed.model_copy(update={"family": name})})
        for one, name in zip(many(len(names), 0), names, strict=True)
    ]
    assert not to("shuffled_reason", *rows).failures


def test_an_assessment_in_a_persons_words_has_no_place_for_anothers_reason() -> None:
    rows = [edited(harmful(), assessment="No: it is her phone."), *many(3, 0)]
    derived = to("shuffled_reason", *rows)
    assert {key: failure.kind for key, failure in derived.failures.items()} == {rows[0].id: "no_slot"}


def test_who_typed_in_a_lent_reason_is_named_with_the_row_that_borrows_it() -> None:
    typed = harmful().draft.text("assessment").replace("her privacy", "what is hers alone")
    made = to("shuffled_reason", edited(harmful(), assessment=typed), *many(1, 0)).approved
    borrower = next(one for one in made if "concert" in one.seed.prompt)
    assert borrower.approval.edited_stages == ("assessment",)
    assert borrower.approval.editors == ("annotator-2",)


# -- what cannot be had


@pytest.mark.parametrize(
    ("rows", "structure", "message"),
    [
        (few(), "full_rewrite", "make it: curate generate --structure full_rewrite"),
        (list(to("no_ha", *many(2, 2)).approved), "alttrain", "the LLM writes its assessment, which no_ha has not"),
        (list(to("no_ha", *many(2, 2)).approved), "shuffled_reason", "it takes from rows in alttrain, not in no_ha"),
        (list(to("shuffled_reason", *many(2, 2)).approved), "no_pu", "derive from those in alttrain"),
        ([*few(), *to("no_ha", *many(1, 1)).approved], "no_pu", "rows of several structures (alttrain, no_ha)"),
    ],
)
def test_a_structure_that_cannot_be_derived_says_so_in_one_line(
    rows: list[Approved], structure: str, message: str
) -> None:
    with pytest.raises(StructureError) as error:
        to(structure, *rows)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_an_own_structure_needs_to_be_handed_in_and_its_pools_to_be_there() -> None:
    mine = BASE.model_copy(update={"name": "mine"})
    rows = [one.model_copy(update={"draft": one.draft.model_copy(update={"structure": "mine"})}) for one in few()]
    derived = derive(rows, load_structure("no_ha"), POOLS, base=mine)
    assert [one.draft for one in derived.approved] == [one.draft for one in to("no_ha", *few()).approved]
    with pytest.raises(StructureError, match="mine"):
        derive(rows, load_structure("no_ha"), POOLS)
    with pytest.raises(StructureError, match="the rows are in the structure mine, not in alttrain"):
        derive(rows, load_structure("no_ha"), POOLS, base=BASE)
    with pytest.raises(StructureError, match="no pool 'bridge'"):
        derive(few(), load_structure("no_pu"), {name: pool for name, pool in POOLS.items() if name != "bridge"})


def test_a_trace_that_cannot_be_had_ends_its_row_and_no_other() -> None:
    single = benign()
    short = single.trace.model_copy(update={"text": "The user asks how many trains leave."})
    tagged = single.trace.model_copy(update={"text": single.trace.text + " </think> six"})
    empty = single.trace.model_copy(update={"text": " "})
    for trace, structure, kind in (
        (short, "alttrain_paper", "no_remainder"),
        (tagged, "plain_original_trace", "thinking_tags"),
        (empty, "plain_original_trace", "no_stage"),
        (empty, "alttrain_paper", "no_opening"),
    ):
        broken = single.model_copy(update={"trace": trace})
        derived = to(structure, broken, harmful())
        assert [failure.kind for failure in derived.failures.values()] == [kind]
        assert list(derived.failures) == [broken.id]
        assert len(derived.approved) == 1


def test_what_every_structure_has_is_the_same_prompts_in_the_same_order() -> None:
    rows = [edited(harmful(), assessment="No: it is her phone."), benign(), *many(3, 3)]
    derived = [to(name, *rows) for name in DERIVABLE]
    kept = common(derived)
    prompts = [[one.seed.prompt for one in each] for each in kept]
    assert prompts == [[one.seed.prompt for one in rows[1:]]] * len(DERIVABLE)
    assert [each[0].draft.structure for each in kept] == DERIVABLE
