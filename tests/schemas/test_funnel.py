"""Counts that do not add up cannot be built."""

from typing import Any

import pytest
from pydantic import ValidationError

from schemas.report import Funnel, RuleCount, SeedCounts, Spending, StructureCounts, TraceCounts

SEEDS: dict[str, Any] = {
    "total": 5,
    "by_label": {"harmful": 2, "benign": 2, "unsure": 0, "none": 1},
    "by_source": {"a": 3, "b": 2},
    "by_category": {"privacy": 2, "none": 3},
    "families": 4,
    "without_family": 0,
}
TRACES = {"total": 6, "seeds_with": 4, "seeds_without": 1, "source_complied": 1}
STRUCTURE: dict[str, Any] = {
    "structure": "alttrain",
    "traces": 6,
    "drafts": 3,
    "failures": 1,
    "waiting": 2,
    "in_flight": 1,
    "passing": 1,
    "flagged": 1,
    "blocked": 1,
    "by_branch": {"harmful": 2, "benign": 1},
    "rules": (RuleCount(rule="hangs", blocking=False, drafts=2), RuleCount(rule="empty", blocking=True, drafts=1)),
    "failure_kinds": {"refused": 1},
}
SPENDING = {"endpoint": "a", "model": "m", "calls": 2, "requests": 3, "tokens_in": 4, "tokens_out": 5}
ENTIRE: dict[str, Any] = {"other_failures": {"add": 0, "trace": 0}, "spending": ()}


def test_counts_that_add_up_are_built() -> None:
    spent = Spending.model_validate(SPENDING | {"usd": 0.1, "unpriced": 1})
    Funnel(
        seeds=SeedCounts(**SEEDS),
        traces=TraceCounts(**TRACES),
        structures=(StructureCounts(**STRUCTURE),),
        other_failures={"add": 0, "trace": 0},
        spending=(spent,),
    )


@pytest.mark.parametrize(
    "wrong",
    [
        {"total": 6},
        {"by_label": {"harmful": 5, "none": 1}},
        {"by_source": {"a": 4}},
        {"by_category": {}},
        {"families": 6},
        {"without_family": 2},
    ],
)
def test_seeds_are_the_sum_of_their_labels_sources_and_categories(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        SeedCounts(**SEEDS | wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        {"traces": 7},
        {"failures": 2, "failure_kinds": {"refused": 2}},
        {"waiting": 1},
        {"drafts": 4},
        {"passing": 2},
        {"blocked": 0},
        {"by_branch": {"harmful": 2, "benign": 2}},
        {"failure_kinds": {"refused": 2}},
        {"in_flight": 3},
        {"waiting": -1, "failures": 4},
        {"rules": (RuleCount(rule="empty", blocking=True, drafts=2),)},
        {"rules": (RuleCount(rule="hangs", blocking=False, drafts=3),)},
    ],
)
def test_every_trace_and_every_draft_is_in_exactly_one_place(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        StructureCounts(**STRUCTURE | wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        {"traces": TraceCounts(**TRACES | {"seeds_without": 2})},
        {"traces": TraceCounts(**TRACES | {"total": 7})},
    ],
)
def test_a_structure_has_the_traces_of_the_ledger_and_seeds_have_traces_or_none(wrong: dict[str, Any]) -> None:
    right = {
        "seeds": SeedCounts(**SEEDS),
        "traces": TraceCounts(**TRACES),
        "structures": (StructureCounts(**STRUCTURE),),
    }
    Funnel(**ENTIRE | right)
    with pytest.raises(ValidationError):
        Funnel(**ENTIRE | right | wrong)


def test_calls_without_a_price_are_not_more_than_the_calls() -> None:
    with pytest.raises(ValidationError):
        Spending.model_validate(SPENDING | {"usd": 0.0, "unpriced": 3})
