import difflib
import re
import textwrap
from itertools import combinations
from pathlib import Path

import pytest

from curation.checks import CheckedRow, check
from curation.refusal import fit_refusal
from curation.sentences import sentences
from curation.structures import load_pools, load_structure, structure_names
from schemas.errors import StructureError
from schemas.example import Branch, Category, Draft, Label, Origin, Piece, Seed, Span, Stage, Trace
from schemas.refusing import supports
from schemas.structure import ANSWER, REASON_SLOT, TakePool, require_pools
from schemas.think import join, offsets

POOLS = load_pools()
REASON = "it asks how to read a flatmate's messages without her knowing"
LISTS = {
    pool.pool + (f".{category}" if category else ""): wordings
    for pool in POOLS.values()
    for category, wordings in {"": pool.wordings, **pool.categories}.items()
}
PACKAGED = {
    *("alttrain", "alttrain_paper", "no_pu", "no_ha", "no_cr", "cr_reworded", "one_wording", "shuffled_reason"),
    *("full_rewrite", "plain_original_trace", "plain_answer_only"),
}
UNSEEN = re.compile(
    r"\b(polic(y|ies)|guidelines?|labels?|AI|language model|trace|assistant|dataset|user)\b", re.IGNORECASE
)
COLD = re.compile(
    r"refus|comply|not allowed|illegal|inappropriate|violat|request denied|\bthat's a no\b|turn (this|that) down", re.I
)
SUPPORT = re.compile(r"support|help|care|caring|kind|comfort|safe|compassion|warmth|someone to talk to|alone", re.I)
VERDICT_WORDS = {"harmful": r"\b(harmful|unsafe)\b", "benign": r"\b(harmless|benign|safe)\b"}


def _count_sentences(text: str) -> int:
    return len(sentences(text))


# -- structures


def test_the_packaged_structures_are_those_that_the_ablations_need_and_find_their_pools() -> None:
    assert set(structure_names()) == PACKAGED
    for name in PACKAGED:
        structure = load_structure(name)
        assert structure.name == name
        assert len(structure.about) > 80
        require_pools(structure, POOLS)


def test_an_ablation_differs_from_the_default_in_what_its_name_says_alone() -> None:
    default = load_structure("alttrain")
    same = {"stages": default.stages, "answer": default.answer, "draw": default.draw}

    def differs(name: str) -> set[str]:
        other = load_structure(name)
        return {field for field, value in same.items() if getattr(other, field) != value}

    assert differs("one_wording") == {"draw"}
    for name, left_out in (("no_pu", "understanding"), ("no_cr", "reasoning")):
        assert differs(name) == {"stages"}
        assert load_structure(name).stages == tuple(stage for stage in default.stages if stage.name != left_out)
    assert [stage.name for stage in load_structure("no_ha").stages] == ["understanding", "reasoning"]
    reworded, last = load_structure("cr_reworded"), default.stages[-1]
    assert reworded.stages[:-1] == default.stages[:-1]
    assert reworded.stages[-1].benign == last.benign
    assert reworded.stages[-1].harmful == TakePool(take="pool", pool="stop_reworded")
    assert load_structure("shuffled_reason").base == "alttrain"
    assert load_structure("shuffled_reason").borrows_reason
    assert all(load_structure(name).answer == default.answer for name in PACKAGED - {"full_rewrite"})


def test_an_unknown_name_is_answered_with_the_nearest_one_and_all_of_them() -> None:
    with pytest.raises(StructureError) as error:
        load_structure("altrain")
    assert "did you mean 'alttrain'?" in str(error.value)
    assert "plain_answer_only" in str(error.value)


def _write(folder: Path, name: str, text: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(text, "utf-8")
    return path


MINE = """\
name: mine
about: for a test
stages:
  - {name: reasoning, both: {take: trace}}
answer:
  both: {take: answer}
"""


def test_an_own_structure_is_found_by_name_and_by_path(tmp_path: Path) -> None:
    path = _write(tmp_path / "structures", "mine.yaml", MINE)
    assert load_structure("mine", tmp_path).name == "mine"
    assert load_structure("structures/mine.yaml", tmp_path) == load_structure(str(path))
    assert "mine" in structure_names(tmp_path)
    assert "mine" not in structure_names()


def test_an_own_structure_cannot_take_a_packaged_name(tmp_path: Path) -> None:
    path = _write(tmp_path, "alttrain.yaml", MINE.replace("mine", "alttrain"))
    with pytest.raises(StructureError, match="taken by a packaged structure"):
        load_structure(str(path))


def test_a_file_and_its_structure_have_one_name(tmp_path: Path) -> None:
    _write(tmp_path / "structures", "other.yaml", MINE)
    with pytest.raises(StructureError, match="give the file and the structure one name"):
        load_structure("other", tmp_path)


@pytest.mark.parametrize("base", ["mine", "shuffled_reason"])
def test_a_derived_structure_has_a_base_that_is_not_derived(tmp_path: Path, base: str) -> None:
    _write(tmp_path / "structures", "mine.yaml", f"{MINE}derived: true\nbase: {base}\n")
    with pytest.raises(StructureError, match="is derived itself"):
        load_structure("mine", tmp_path)


def test_a_missing_file_and_an_unknown_base_are_told(tmp_path: Path) -> None:
    with pytest.raises(StructureError, match=r"nowhere\.yaml: no such file"):
        load_structure("nowhere.yaml", tmp_path)
    _write(tmp_path / "structures", "mine.yaml", f"{MINE}derived: true\nbase: alltrain\n")
    with pytest.raises(StructureError, match="did you mean 'alttrain'"):
        load_structure("mine", tmp_path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name: mine\nstages: [\n", r"mine\.yaml:3: not valid YAML"),
        ("name: mine\n\tabout: x\n", r"mine\.yaml:2: not valid YAML"),
        ("name: \x00\n", r"mine\.yaml: not valid YAML"),
        ("about: 2024-13-45\n", r"mine\.yaml: not valid YAML"),
        ("a: !!python/object/apply:os.getcwd []\n", r"mine\.yaml:1: not valid YAML"),
        ("", r"mine\.yaml: the file: "),
        (MINE.replace("take: trace", "take: tracee"), r"mine\.yaml: stages\.0"),
    ],
)
def test_a_file_that_cannot_be_used_is_told_in_one_line_with_its_place(tmp_path: Path, text: str, said: str) -> None:
    path = _write(tmp_path, "mine.yaml", text)
    with pytest.raises(StructureError, match=said) as error:
        load_structure(str(path))
    assert "\n" not in str(error.value)


def test_a_file_in_another_encoding_is_told(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_bytes(MINE.replace("for a test", "für").encode("latin-1"))
    with pytest.raises(StructureError, match="not UTF-8"):
        load_structure(str(path))


# -- pools


def test_a_projects_pool_replaces_the_packaged_one_of_its_name_and_leaves_the_others(tmp_path: Path) -> None:
    _write(tmp_path / "wordings", "a.yaml", "pool: stop\nabout: mine\nwordings: [Enough.]\n")
    _write(tmp_path / "wordings", "b.yaml", "pool: own\nabout: mine\nwordings: [Hm.]\n")
    pools = load_pools(tmp_path)
    assert pools["stop"].every() == ("Enough.",)
    assert pools["own"].every() == ("Hm.",)
    assert pools["bridge"] == POOLS["bridge"]
    assert "own" not in load_pools()


def test_two_files_of_a_project_cannot_hold_one_pool(tmp_path: Path) -> None:
    for name in ("a.yaml", "b.yml"):
        _write(tmp_path / "wordings", name, "pool: stop\nabout: mine\nwordings: [Enough.]\n")
    with pytest.raises(StructureError, match=r"b\.yml: another file of this folder holds the pool 'stop'"):
        load_pools(tmp_path)


def test_a_project_without_own_files_has_the_packaged_ones(tmp_path: Path) -> None:
    assert load_pools(tmp_path) == POOLS
    assert structure_names(tmp_path) == structure_names()


# -- the packaged wordings


def test_self_harm_has_wordings_of_its_own_wherever_a_harmful_row_draws() -> None:
    for pool in ("verdict_harmful", "stop", "stop_reworded", "refusal"):
        assert "self_harm" in POOLS[pool].categories


def test_every_category_has_its_refusals() -> None:
    assert set(POOLS["refusal"].categories) == {str(category) for category in Category}


@pytest.mark.parametrize("name", LISTS)
def test_a_list_has_fourteen_wordings_or_more_and_no_two_alike(name: str) -> None:
    wordings = LISTS[name]
    assert len(wordings) >= 14
    # The short verdicts of verdict_harmful share most of their few words; 0.75 lets them pass.
    for one, other in combinations(wordings, 2):
        assert difflib.SequenceMatcher(None, one, other, autojunk=False).ratio() < 0.75, (one, other)
    for length in (1, 2, 3):
        openers = [" ".join(wording.split()[:length]) for wording in wordings]
        assert max(openers.count(opener) for opener in openers) <= 5 - length + 1


def test_no_wording_is_in_two_lists() -> None:
    every = [wording for wordings in LISTS.values() for wording in wordings]
    assert len(set(every)) == len(every)


@pytest.mark.parametrize("name", LISTS)
def test_a_wording_is_whole_sentences_and_talks_of_nothing_that_the_student_never_saw(name: str) -> None:
    for wording in LISTS[name]:
        assert wording[0].isupper()
        assert wording.endswith((".", "?"))
        assert not re.search(r"  |[*#_<>]|\b(\w+) \1\b", wording)
        assert not UNSEEN.search(wording), wording


@pytest.mark.parametrize("branch", ["harmful", "benign"])
def test_a_verdict_is_one_sentence_with_its_verdict_word_once_and_not_the_other_branchs(branch: Branch) -> None:
    pool = POOLS[f"verdict_{branch}"]
    other = "benign" if branch == "harmful" else "harmful"
    assert pool.verdict == branch
    for wording in pool.every():
        assert wording.count(REASON_SLOT) == 1
        assert _count_sentences(wording.replace(REASON_SLOT, REASON)) == 1
        assert len(re.findall(VERDICT_WORDS[branch], wording, re.I)) == 1, wording
        assert not re.search(VERDICT_WORDS[other], wording, re.I), wording


def test_both_verdicts_use_the_same_frames_word_for_word() -> None:
    def frames(pool: str) -> dict[str, list[str]]:
        words = re.compile("|".join(VERDICT_WORDS.values()), re.I)
        return {
            name: [words.sub("VERDICT", wording) for wording in wordings]
            for name, wordings in {"": POOLS[pool].wordings, **POOLS[pool].categories}.items()
        }

    assert frames("verdict_harmful") == frames("verdict_benign")


@pytest.mark.parametrize("name", [name for name in LISTS if name.startswith(("stop", "bridge"))])
def test_stops_and_bridges_are_one_short_sentence(name: str) -> None:
    for wording in LISTS[name]:
        assert _count_sentences(wording) == 1
        assert len(wording) <= 110


@pytest.mark.parametrize("name", [name for name in LISTS if name.endswith(".self_harm")])
def test_no_wording_about_self_harm_is_cold(name: str) -> None:
    for wording in LISTS[name]:
        assert not COLD.search(wording), wording


@pytest.mark.parametrize("name", ["stop.self_harm", "stop_reworded.self_harm", "refusal.self_harm"])
def test_a_stop_or_refusal_about_self_harm_turns_to_support(name: str) -> None:
    for wording in LISTS[name]:
        assert SUPPORT.search(wording), wording


@pytest.mark.parametrize("name", [name for name in LISTS if name.startswith("refusal")])
def test_a_refusal_declines_in_one_to_three_sentences_and_never_in_one_manner_alone(name: str) -> None:
    category = name.partition(".")[2] or None
    for wording in LISTS[name]:
        assert 1 <= _count_sentences(wording) <= 3, wording
        assert fit_refusal(wording, category), wording
    assert sum("can't" in wording.partition(".")[0] for wording in LISTS[name]) <= len(LISTS[name]) / 2


def test_a_refusal_about_self_harm_names_a_person_a_doctor_and_urgent_help_of_any_country() -> None:
    for wording in LISTS["refusal.self_harm"]:
        assert supports(wording), wording
        assert "doctor" in wording
        assert re.search(r"trust|friend|relative|close to you", wording), wording
        assert re.search(r"crisis line|helpline|emergency", wording), wording
        assert not re.search(r"\d", wording), wording


def _drafted(texts: dict[str, str], named: str, wording: str, category: str | None) -> CheckedRow:
    """A harmful draft of alttrain with one wording of ours in the stage `named`."""
    reasoning = "\n\n".join(text for name, text in texts.items() if name != ANSWER)
    at, answer_at = offsets(reasoning)
    stages = []
    for name, text in texts.items():
        span = Span(start=answer_at if name == ANSWER else at, end=(answer_at if name == ANSWER else at) + len(text))
        origin: Origin = "drawn" if name == named else "written"
        piece = Piece(span=span, origin=origin, wording=wording if name == named else None)
        stages.append(Stage(name=name, span=span, pieces=(piece,)))
        at = span.end + 2
    prompt = "How do I read my flatmate's messages without her knowing?"
    draft = Draft(
        id="d1",
        seed_id="s1",
        trace_id="t1",
        structure="alttrain",
        branch="harmful",
        branch_from="dataset",
        reason=REASON,
        completion=join(reasoning, texts[ANSWER]),
        stages=tuple(stages),
    )
    return CheckedRow(
        draft=draft,
        seed=Seed(id="s1", family="f", prompt=prompt, source="test", category=category),
        trace=Trace(id="t1", seed_id="s1", text=texts["understanding"], answer="No, I won't help with that."),
        label=Label.HARMFUL,
        structure=load_structure("alttrain"),
        pools=POOLS,
    )


@pytest.mark.parametrize(
    ("stage", "pool"), [("assessment", "verdict_harmful"), ("reasoning", "stop"), (ANSWER, "refusal")]
)
def test_no_packaged_wording_is_stopped_by_a_blocking_check(stage: str, pool: str) -> None:
    for category in (None, *(str(category) for category in Category)):
        name = f"{pool}.{category}" if category in POOLS[pool].categories else pool
        for number, wording in enumerate(LISTS[name]):
            warm = LISTS["refusal.self_harm" if category == "self_harm" else "refusal"][0]
            texts = {
                "understanding": "The question is how to read a flatmate's messages without her knowing.",
                "assessment": f"This request is harmful because {REASON}.",
                "reasoning": "I will stop reasoning here.",
                ANSWER: warm,
            } | {stage: wording.replace(REASON_SLOT, REASON)}
            results = check(_drafted(texts, stage, f"{name}/{number}", category))
            assert not [result for result in results if result.blocking], wording


# -- what the documentation says

DOCS = (Path(__file__).parents[2] / "docs" / "structures.md").read_text("utf-8")


def test_the_documentation_lists_every_packaged_structure() -> None:
    table = DOCS.partition("## The packaged ones")[2].partition("## Your own")[0]
    assert set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) == PACKAGED


def test_the_documented_examples_load_as_they_stand(tmp_path: Path) -> None:
    structure, pool = (textwrap.dedent(text) for text in re.findall(r"(?:^(?: {4}.*)?\n)+", DOCS, re.M) if text.strip())
    _write(tmp_path / "structures", "mine.yaml", structure)
    _write(tmp_path / "wordings", "stop.yaml", pool)
    require_pools(load_structure("mine", tmp_path), load_pools(tmp_path))
    assert load_pools(tmp_path)["stop"].wordings[1] == "Enough: I go no further."
