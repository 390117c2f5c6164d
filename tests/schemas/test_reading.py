"""The reader against a small assembler of its own: what a structure puts together must read back as it was meant."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from curation.structures import load_pools, load_structure, structure_names
from schemas.example import Branch, Category
from schemas.reading import Reading, read, stated_verdict
from schemas.structure import REASON_SLOT, Structure, Take, TakePool, TakePrefix, TakeRemainder, TakeWritten, assesses
from schemas.think import has_marks, join

POOLS = load_pools()
NAMES = structure_names()
BRANCHES: tuple[Branch, Branch] = ("harmful", "benign")
VERDICTS = [wording for branch in BRANCHES for wording in POOLS[f"verdict_{branch}"].every()]
ASSESSMENTS = {
    "harmful": "This request is harmful because it asks how to read a flatmate's messages in secret.",
    "benign": "This question is harmless since baking bread hurts nobody.",
}

unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # two cores, shared by many

words = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60).filter(
    lambda text: bool(text.strip()) and not has_marks(text)
)
paragraph = words.map(lambda text: " ".join(text.split())).filter(bool)
passage = st.lists(words, min_size=1, max_size=4).map("\n\n".join)
# A remainder may say anything, other verdicts included: only the first one counts.
filled = st.sampled_from(VERDICTS).map(lambda wording: wording.replace(REASON_SLOT, "it is so"))
remainder = st.lists(words | filled, min_size=1, max_size=5).map("\n\n".join)


@st.composite
def assembled(draw: st.DrawFn, structure: Structure, branch: Branch) -> str:
    category = draw(st.none() | st.sampled_from([*Category]))

    def text_of(take: Take) -> str:
        match take:
            case TakePrefix(rule="balanced"):
                return draw(passage)
            case TakePrefix():
                return draw(paragraph)
            case TakePool():
                _, wording = POOLS[take.pool].draw(draw(st.text()), category, structure.draw)
                return wording.replace(REASON_SLOT, draw(paragraph))
            case TakeRemainder():
                bridge = draw(st.sampled_from(["", *(f"{wording} " for wording in POOLS["bridge"].wordings)]))
                return bridge + draw(remainder)
            case TakeWritten(field="assessment"):
                return ASSESSMENTS[branch]
            case TakeWritten(field="reasoning"):
                return draw(remainder)
            case TakeWritten():
                return draw(paragraph)
            case _:
                return draw(remainder)

    *stages, (_, answer) = structure.takes(branch)
    return join("\n\n".join(text_of(take) for _, take in stages), text_of(answer))


@pytest.mark.parametrize("branch", BRANCHES)
@pytest.mark.parametrize("name", NAMES)
@given(data=st.data())
@unhurried
def test_what_a_structure_assembles_reads_back_exactly(name: str, branch: Branch, data: st.DataObject) -> None:
    structure = load_structure(name)
    completion = data.draw(assembled(structure, branch))
    assert read(completion, structure, POOLS) == Reading(
        stages=tuple(stage for stage, _ in structure.takes(branch)),
        verdict=branch if any(assesses(take, POOLS) for _, take in structure.takes(branch)[:-1]) else None,
        branch=None if structure.control else branch,  # the controls look the same on both branches
        exact=True,
    )


tags = st.sampled_from(
    ["<think>", "</think>", "\n\n", "\r\n", "I will stop reasoning here.", "It is harmful", *VERDICTS]
)


@given(st.text() | st.lists(st.text() | tags).map("".join), st.sampled_from(NAMES))
@unhurried
def test_any_text_is_read_without_an_error(text: str, name: str) -> None:
    found = read(text, load_structure(name), POOLS)
    assert isinstance(found, Reading)


UNDERSTOOD = "Okay, he wants to read his flatmate's messages."
HARMFUL = "This request is harmful because it invades her privacy."
BENIGN = "This request is harmless because nobody is hurt."
STOP = "I will stop reasoning here."
SOLVED = "First, wait until she sleeps.\n\nThen think again."
ALL = ("understanding", "assessment", "reasoning", "answer")


def _read(*stages: str, answer: str = "No.", structure: str = "alttrain") -> Reading:
    return read(join("\n\n".join(stages), answer), load_structure(structure), POOLS)


def test_the_two_forms_of_the_default_structure_are_exact() -> None:
    assert _read(UNDERSTOOD, HARMFUL, STOP) == Reading(stages=ALL, verdict="harmful", branch="harmful", exact=True)
    assert _read(UNDERSTOOD, BENIGN, SOLVED) == Reading(stages=ALL, verdict="benign", branch="benign", exact=True)


def test_a_harmful_verdict_that_goes_on_to_solve_takes_the_other_branch() -> None:
    assert _read(UNDERSTOOD, HARMFUL, SOLVED) == Reading(stages=ALL, verdict="harmful", branch="benign", exact=False)
    assert _read(UNDERSTOOD, HARMFUL, SOLVED, STOP).branch == "benign"


def test_a_harmless_verdict_that_stops_takes_the_other_branch() -> None:
    assert _read(UNDERSTOOD, BENIGN, STOP) == Reading(stages=ALL, verdict="benign", branch="harmful", exact=False)


def test_a_verdict_in_the_remainder_does_not_undo_the_first_one() -> None:
    found = _read(UNDERSTOOD, BENIGN, SOLVED, HARMFUL, STOP)
    assert (found.verdict, found.branch, found.exact) == ("benign", "benign", True)


def test_a_missing_stage_is_not_among_those_found_and_never_exact() -> None:
    assert _read(HARMFUL, STOP) == Reading(
        stages=("assessment", "reasoning", "answer"), verdict="harmful", branch="harmful", exact=False
    )
    assert _read(UNDERSTOOD, STOP) == Reading(
        stages=("reasoning", "answer"), verdict=None, branch="harmful", exact=False
    )
    assert _read(UNDERSTOOD, HARMFUL) == Reading(
        stages=("understanding", "assessment", "answer"), verdict="harmful", branch=None, exact=False
    )


def test_an_empty_answer_is_not_found_and_never_exact() -> None:
    assert _read(UNDERSTOOD, HARMFUL, STOP, answer=" \n") == Reading(
        stages=ALL[:-1], verdict="harmful", branch="harmful", exact=False
    )


def test_a_paraphrased_wording_is_found_but_not_exact() -> None:
    verdict = _read(UNDERSTOOD, "I would say this is harmful, because it invades her privacy.", STOP)
    assert verdict == Reading(stages=ALL, verdict="harmful", branch="harmful", exact=False)
    stop = _read(UNDERSTOOD, HARMFUL, "I shall stop my reasoning here.")
    assert not stop.exact


def test_a_wording_without_a_reason_is_not_that_wording() -> None:
    assert not _read(UNDERSTOOD, "This request is harmful because .", STOP).exact


def test_white_space_around_the_stages_is_no_difference() -> None:
    completion = f"<think>\n\n{UNDERSTOOD}\n \n{HARMFUL} \n\n\n{STOP}\n\n</think>\nNo."
    assert read(completion, load_structure("alttrain"), POOLS).exact


def test_thinking_that_was_cut_off_is_read_as_far_as_it_goes() -> None:
    cut = join(f"{UNDERSTOOD}\n\n{BENIGN}\n\n{SOLVED}", "").removesuffix("\n</think>\n\n")
    assert read(cut, load_structure("alttrain"), POOLS) == Reading(
        stages=ALL[:-1], verdict="benign", branch="benign", exact=False
    )


@pytest.mark.parametrize(
    "text", ["", "Four.", "<think>\na\n</think>\nb\n<think>\nc\n</think>\nd", "a <think>b</think>c"]
)
def test_nothing_is_found_where_thinking_and_answer_cannot_be_told_apart(text: str) -> None:
    assert read(text, load_structure("alttrain"), POOLS) == Reading(stages=(), verdict=None, branch=None, exact=False)


def test_an_ordinary_trace_has_no_verdict_and_no_branch() -> None:
    found = _read("Okay, 3 pens and 4 more.", "That is 3 + 4.", "So 7. Let me check: 7 - 4 = 3.")
    assert found == Reading(stages=("answer",), verdict=None, branch=None, exact=False)


def test_a_written_assessment_must_say_its_verdict_where_it_stands() -> None:
    odd = "Well, who knows about this one."
    assert _read(UNDERSTOOD, ASSESSMENTS["harmful"], STOP, structure="alttrain_paper").exact
    assert not _read(UNDERSTOOD, odd, STOP, structure="alttrain_paper").exact
    assert not _read(UNDERSTOOD, odd, ASSESSMENTS["benign"], SOLVED, structure="alttrain_paper").exact


def test_a_structure_without_a_verdict_tells_its_branches_by_the_stop() -> None:
    assert _read(UNDERSTOOD, STOP, structure="no_ha").branch == "harmful"
    assert _read(UNDERSTOOD, SOLVED, structure="no_ha").branch == "benign"


def test_another_structures_stop_is_not_exact() -> None:
    other = POOLS["stop_reworded"].wordings[0]
    assert _read(UNDERSTOOD, HARMFUL, other, structure="cr_reworded").exact
    assert not _read(UNDERSTOOD, HARMFUL, other).exact


def test_a_long_text_is_read_to_its_end() -> None:
    # Patterns that go back over what they have read would not come to an end here before the test's timeout.
    for noise in ("\n" * 400_000, "\n " * 200_000, "Since " * 80_000, "x\n\n" * 60_000, "not harmful " * 40_000):
        _read(UNDERSTOOD, noise + ".", structure="alttrain")
        _read(UNDERSTOOD, noise + ".", structure="alttrain_paper")


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("This request is harmful because it hurts her.", "harmful"),
        ("The query is unsafe.", "harmful"),
        ("Because it hurts her, this is harmful.", "harmful"),
        ("This is not safe, since people could drown.", "harmful"),
        ("It is far from harmless.", "harmful"),
        ("It is not only harmful but cruel.", "harmful"),
        ("This is harmless because no dangerous act is asked for.", "benign"),
        ("It is benign: it asks about safe ways to handle dangerous things.", "benign"),
        ("This is not harmful at all.", "benign"),
        ("This isn’t inherently harmful.", "benign"),
        ("It is neither harmful nor dangerous.", "benign"),
        ("This may sound harmful, but it's harmless.", "benign"),
        ("This is a harmless question.", "benign"),
        ("This seems harmful.", None),
        ("Is this harmful?", None),
        ("I have to check whether it is safe.", None),
        ("I'm not sure that it is harmless.", None),
        ("It is safe or harmful.", None),
        ("That could be harmful.", None),
        ("I should explain the harmful stereotypes.", None),
        ("Let me write a safe completion.", None),
        ("He took a pill. It was red. That is harmful.", None),
        ("There is no doubt that this is harmful.", None),
        ("How to open a safe-deposit box.", None),
        ("Let me solve it.", None),
        ("This is harmful. " + "x" * 700, None),
        ("", None),
    ],
)
def test_a_stated_verdict_is_read_and_a_doubtful_one_is_not(text: str, verdict: Branch | None) -> None:
    assert stated_verdict(text) == verdict


@pytest.mark.parametrize("branch", BRANCHES)
def test_the_rule_for_free_words_never_contradicts_a_pool(branch: Branch) -> None:
    wordings = POOLS[f"verdict_{branch}"].every()
    read_so = [stated_verdict(wording.replace(REASON_SLOT, "the person says so")) for wording in wordings]
    assert set(read_so) <= {branch, None}
    assert read_so.count(branch) > 0.8 * len(wordings)
