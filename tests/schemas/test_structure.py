from collections import Counter
from typing import Any

import pytest

from schemas.errors import StructureError
from schemas.structure import (
    Pool,
    TakePool,
    TakePrefix,
    TakeWritten,
    assesses,
    parse_pool,
    parse_structure,
    require_pools,
    understands,
)

PREFIX = {"take": "prefix"}
STOP = {"take": "pool", "pool": "stop"}


def _structure(**changes: Any) -> dict[str, Any]:
    whole: dict[str, Any] = {
        "name": "mine",
        "about": "for a test",
        "stages": [
            {"name": "understanding", "both": PREFIX},
            {"name": "reasoning", "harmful": STOP, "benign": {"take": "remainder"}},
        ],
        "answer": {"harmful": {"take": "refusal"}, "benign": {"take": "answer"}},
    }
    return whole | changes


def _pool(**changes: Any) -> dict[str, Any]:
    return {"pool": "stop", "about": "for a test", "wordings": ["I stop here.", "No more."]} | changes


def test_both_stands_for_the_two_branches() -> None:
    structure = parse_structure(_structure(), "mine.yaml")
    assert structure.stages[0].on("harmful") == structure.stages[0].on("benign") == TakePrefix(take="prefix")


def test_the_prefix_rule_is_that_of_either_branch_and_balanced_without_a_prefix() -> None:
    for stages, rule in (
        ([{"name": "a", "both": {"take": "remainder"}}], "balanced"),
        ([{"name": "a", "both": PREFIX | {"rule": "first_sentence"}}], "first_sentence"),
        ([{"name": "a", "benign": PREFIX | {"rule": "first_sentence"}}, {"name": "b", "both": STOP}], "first_sentence"),
    ):
        assert parse_structure(_structure(stages=stages), "mine.yaml").prefix_rule == rule


def test_what_a_stage_does_is_told_by_its_take_and_not_by_its_name() -> None:
    pools = {"stop": parse_pool(_pool(), "stop.yaml"), "says": parse_pool(_pool(pool="says", verdict="harmful"), "x")}
    says, stop = TakePool(take="pool", pool="says"), TakePool(take="pool", pool="stop")
    weighs, grasps = (TakeWritten(take="written", field=field) for field in ("assessment", "understanding"))
    prefix = TakePrefix(take="prefix")
    takes = (says, weighs, stop, grasps, prefix)
    assert [assesses(take, pools) for take in takes] == [True, True, False, False, False]
    assert [understands(take) for take in takes] == [False, False, False, True, True]


def test_takes_list_a_branchs_stages_in_order_with_the_answer_last() -> None:
    only_harmful = {"name": "assessment", "harmful": {"take": "pool", "pool": "verdict", "fill": "reason"}}
    structure = parse_structure(_structure(stages=[only_harmful, *_structure()["stages"]]), "mine.yaml")
    assert [name for name, _ in structure.takes("harmful")] == ["assessment", "understanding", "reasoning", "answer"]
    assert [name for name, _ in structure.takes("benign")] == ["understanding", "reasoning", "answer"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"stages": [{"name": "a", "both": PREFIX, "harmful": STOP}]}, "give 'both', or 'harmful' and 'benign'"),
        ({"stages": [{"name": "a", "both": PREFIX}] * 2}, "two stages share a name"),
        ({"stages": [{"name": "answer", "both": PREFIX}]}, "give it under 'answer:'"),
        ({"answer": {"harmful": {"take": "refusal"}}}, "the benign branch has no answer"),
        ({"stages": []}, "the harmful branch has no stage, so its reasoning would be empty"),
        ({"stages": [{"name": "a", "harmful": STOP}]}, "the benign branch has no stage"),
        ({"derived": True}, "'derived: true' and 'base: NAME' go together"),
        ({"base": "alttrain"}, "'derived: true' and 'base: NAME' go together"),
        ({"stages": [{"name": "a", "both": STOP | {"reason_of": "another"}}]}, "needs 'derived: true'"),
        ({"stages": [{"name": "a", "both": {"take": "prefixx"}}]}, "stages.0"),
        ({"stages": [{"name": "a", "both": PREFIX | {"rul": "balanced"}}]}, "rul: Extra inputs"),
        ({"name": "add"}, "'add' is a task of the ledger"),
        ({"name": "trace"}, "'trace' is a task of the ledger"),
        (
            {"stages": [{"name": "a", "harmful": PREFIX | {"rule": "first_sentence"}, "benign": PREFIX}]},
            "give one rule for both branches",
        ),
        ({"draw": "random"}, "draw: Input should be 'seeded' or 'first'"),
    ],
)
def test_a_structure_that_cannot_be_meant_is_refused_in_one_line_that_names_the_file(
    changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(StructureError) as error:
        parse_structure(_structure(**changes), "structures/mine.yaml")
    assert said in str(error.value)
    assert str(error.value).startswith("structures/mine.yaml: ")
    assert "\n" not in str(error.value)


def test_only_a_declared_control_may_have_an_empty_reasoning() -> None:
    control = parse_structure(_structure(stages=[], control=True), "mine.yaml")
    assert [name for name, _ in control.takes("harmful")] == ["answer"]


@pytest.mark.parametrize("data", [None, [], "alttrain", 7])
def test_a_file_that_is_no_mapping_is_refused(data: object) -> None:
    with pytest.raises(StructureError, match=r"mine\.yaml: the file: "):
        parse_structure(data, "mine.yaml")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"wordings": []}, "wordings"),
        ({"wordings": [{"Here it is": "I stop."}]}, "needs quotes"),
        ({"wordings": ["I stop.\n"]}, "white space around it"),
        ({"wordings": ["I stop.\n\nHere."]}, "one paragraph"),
        ({"wordings": [""]}, "one paragraph"),
        ({"wordings": ["As {reason}, {reason}."]}, "one {reason} at most"),
        ({"wordings": ["As {reason}.", "I stop."]}, "all of them the slot, or none"),
        ({"categories": {"privacy": ["As {reason}."]}}, "all of them the slot, or none"),
    ],
)
def test_a_pool_that_cannot_be_used_is_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(StructureError) as error:
        parse_pool(_pool(**changes), "stop.yaml")
    assert said in str(error.value)


def test_the_same_draft_always_draws_the_same_wording_and_others_spread_over_all() -> None:
    pool = Pool(pool="stop", about="", wordings=tuple(f"Stop {n}." for n in range(14)))
    assert pool.draw("d1", None, "seeded") == pool.draw("d1", None, "seeded")
    drawn = Counter(pool.draw(f"d{n}", None, "seeded")[0] for n in range(1400))
    assert len(drawn) == 14
    assert max(drawn.values()) < 2 * min(drawn.values())


def test_mode_first_draws_the_first_wording_for_every_draft() -> None:
    pool = Pool(pool="stop", about="", wordings=("A.", "B."))
    assert {pool.draw(f"d{n}", None, "first") for n in range(20)} == {("stop/0", "A.")}


def test_a_categorys_wordings_replace_the_common_ones_for_its_prompts_alone() -> None:
    pool = Pool(pool="stop", about="", wordings=("A.",), categories={"self_harm": ("Care.",)})
    assert pool.draw("d", "self_harm", "seeded") == ("stop.self_harm/0", "Care.")
    assert pool.draw("d", "privacy", "seeded") == ("stop/0", "A.")
    assert pool.every() == ("A.", "Care.")


def test_a_structure_is_refused_where_a_pool_is_missing_or_the_slot_does_not_fit() -> None:
    plain = parse_pool(_pool(), "stop.yaml")
    slotted = parse_pool(_pool(wordings=["As {reason}."]), "stop.yaml")
    refusal = parse_pool(_pool(pool="refusal"), "refusal.yaml")
    structure = parse_structure(_structure(), "mine.yaml")
    require_pools(structure, {"stop": plain, "refusal": refusal})
    with pytest.raises(StructureError, match=r"stage reasoning: no pool 'stop' \(there are: refusal\)"):
        require_pools(structure, {"refusal": refusal})
    with pytest.raises(StructureError, match="add 'fill: reason'"):
        require_pools(structure, {"stop": slotted, "refusal": refusal})
    filled = TakePool(take="pool", pool="stop", fill="reason")
    stages = [{"name": "assessment", "both": filled.model_dump()}]
    with pytest.raises(StructureError, match="has no slot for a reason"):
        require_pools(parse_structure(_structure(stages=stages), "mine.yaml"), {"stop": plain, "refusal": refusal})


def test_a_bridge_must_be_a_pool_that_is_there() -> None:
    stages = [{"name": "reasoning", "both": {"take": "remainder", "bridge": "bridge"}}]
    with pytest.raises(StructureError, match="no pool 'bridge'"):
        require_pools(parse_structure(_structure(stages=stages), "mine.yaml"), {"refusal": parse_pool(_pool(), "x")})
