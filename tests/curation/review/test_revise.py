"""What an annotator's edit makes of a draft: stages, origins and spans of the new revision."""

from hypothesis import given
from hypothesis import strategies as st

from curation.assembly import Run, assemble, runs_of
from curation.review.revise import plain, revise
from schemas.example import Draft, Failure
from schemas.think import split

STAGES = [
    ("understanding", [Run("The user asks about a lock.", "trace", source_start=4)]),
    (
        "assessment",
        [
            Run("This is harmful because ", "drawn", wording="verdict_harmful/1"),
            Run("it is bad", "written"),
            Run(".", "drawn", wording="verdict_harmful/1"),
        ],
    ),
    ("reasoning", [Run("I stop here.", "drawn", wording="stop/0")]),
    ("answer", [Run("Sorry, no.", "drawn", wording="refusal/0")]),
]


def draft() -> Draft:
    made = assemble(STAGES)
    assert not isinstance(made, Failure)
    return Draft(
        id="d0",
        seed_id="s0",
        trace_id="t0",
        structure="alttrain",
        branch="harmful",
        branch_from="dataset",
        reason="it is bad",
        completion=made.completion,
        stages=made.stages,
    )


def edited(**texts: str) -> Draft:
    made = revise(draft(), texts, "person")
    assert isinstance(made, Draft)
    return made


def runs(of: Draft, stage: str) -> list[tuple[str, str]]:
    return [(run.text, run.origin) for name, found in runs_of(of) if name == stage for run in found]


def test_only_the_words_that_changed_are_the_editors() -> None:
    made = edited(assessment="This is harmful because it takes money.")
    assert runs(made, "assessment") == [
        ("This is harmful because ", "drawn"),
        ("it ", "written"),
        ("takes money", "person"),
        (".", "drawn"),
    ]
    assert made.revision == 2
    assert made.id == draft().id


def test_half_a_word_never_keeps_its_origin() -> None:
    made = edited(assessment="This is harmful because its badness hurts.")
    assert runs(made, "assessment")[1:] == [("its badness hurts", "person"), (".", "drawn")]


def test_a_drawn_wording_that_is_touched_is_the_editors_as_a_whole() -> None:
    assert runs(edited(reasoning="I stop right here."), "reasoning") == [("I stop right here.", "person")]
    made = edited(assessment="It is harmful because it is bad.")
    assert runs(made, "assessment") == [("It is harmful because it is bad.", "person")]
    assert made.reason is None


def test_a_kept_cut_still_points_to_where_it_was_cut() -> None:
    made = edited(understanding="So the user asks about a lock.")
    stage = made.stage("understanding")
    assert stage is not None
    assert [(p.origin, p.source_start) for p in stage.pieces] == [("person", None), ("trace", 7)]


def test_a_reason_that_was_edited_is_the_one_that_stands_in_the_text() -> None:
    assert edited(assessment="This is harmful because it takes money.").reason == "it takes money"
    assert edited(answer="No.").reason == "it is bad"


def test_a_machines_words_count_as_written() -> None:
    made = revise(draft(), {"answer": "Never."}, "machine")
    assert isinstance(made, Draft)
    assert "person" not in {origin for _, origin in runs(made, "answer")}


def test_what_cannot_be_a_revision_says_why() -> None:
    for texts, kind in (
        ({"answer": " \n"}, "emptied"),
        ({"answer": "a </think> b"}, "thinking_tags"),
        ({"solution": "x"}, "no_stage"),
    ):
        made = revise(draft(), texts, "person")
        assert isinstance(made, Failure)
        assert made.kind == kind


@given(st.text(min_size=1), st.text(min_size=1))
def test_the_new_text_stands_exactly_and_its_pieces_cover_it(assessment: str, answer: str) -> None:
    made = revise(draft(), {"assessment": assessment, "answer": answer}, "person")
    if isinstance(made, Failure):
        assert not plain(assessment) or not plain(answer)
        return
    assert made.text("assessment") == plain(assessment)
    assert made.text("answer") == plain(answer)
    assert made.text("understanding") == draft().text("understanding")
    thought = split(made.completion)
    assert thought is not None
    assert thought.answer == plain(answer)
    for stage in made.stages:
        assert [p.span.start for p in stage.pieces] == [stage.span.start, *(p.span.end for p in stage.pieces[:-1])]
        assert stage.pieces[-1].span.end == stage.span.end
