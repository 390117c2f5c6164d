"""What a card is written from, made by hand: rows of tests.release_rows or of the packaged examples, and figures that
add up.

facts(approved)     of these rows
packaged()          the project's own examples as approved rows, with the mix of deciders that a project has
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from exports.card import CardFacts
from schemas.example import Branch
from schemas.release import Approved, Evidence, Manifest
from schemas.report import (
    Agreement,
    Coefficient,
    Funnel,
    Rate,
    RuleCount,
    SeedCounts,
    Spending,
    StructureCounts,
    TraceCounts,
)
from tests.release_rows import PROMPT_VERSION, WRITER, approve

EXAMPLES = Path(__file__).parent.parent / "curation" / "examples"


def facts(approved: Sequence[Approved], **other: Any) -> CardFacts:
    """The facts of a release of these rows; `other` replaces fields of CardFacts."""
    test = len(approved) // 10
    rows = {"train": len(approved) - test} | ({"test": test} if test else {})
    manifest = Manifest(
        name="v1",
        made_at="2026-11-27T10:00:00Z",
        versions={"alttrain": "0.1.0", "pyarrow": "26.0.1"},
        structure="alttrain",
        rows=rows,
        by_label=Counter(one.label for one in approved),
        unreviewed=sum(one.approval.decided_by != "person" for one in approved),
        harmful_traces=False,
        rows_sha256="0" * 64,
        seed=0,
        settings={
            "size": len(approved),
            "harmful_percent": 75.0,
            "tokenizer": "Qwen/Qwen3-8B",
            "compared_by": "TF-IDF",
        },
        files=(),
    )
    held: dict[str, Any] = {
        "manifest": manifest,
        "configs": {"default": tuple(rows), "provenance": tuple(rows)},
        "chosen": tuple(approved),
        "evidence": evidence(len(approved)),
        "left_out": {"its quota is full": 12, "near another row": 5, "longer than 2,048 tokens": 3},
    }
    return CardFacts.model_validate(held | other)


def evidence(rows: int, **other: Any) -> Evidence:
    held: dict[str, Any] = {
        "funnel": funnel(rows),
        "structure": "alttrain",
        "structure_about": "The trace's own opening says what is asked, a drawn sentence states the verdict.",
        "agreement": agreements(),
        "annotators": {"person": 4, "machine": 1},
        "overlap": 2,
        "decided": {
            "approved": {"person": rows, "machine": 9},
            "edited": {"person": 14, "machine": 0},
            "rejected": {"person": 11, "machine": 0},
        },
        "edited": Rate.of(rows // 8, rows),
        "gold": Rate.of(37, 40),
        "prompt_versions": (PROMPT_VERSION,),
    }
    return Evidence.model_validate(held | other)


def agreements() -> tuple[Agreement, ...]:
    def one(question: str, kind: Literal["person", "machine"], raw: float, *found: float) -> Agreement:
        alpha, ac1 = (Coefficient(value=value, low=value - 0.09, high=min(1, value + 0.07)) for value in found)
        return Agreement(
            question=question, group="all", kind=kind, records=96, answers=192, raw=raw, alpha=alpha, ac1=ac1
        )

    return (
        one("decision", "person", 0.88, 0.71, 0.84),
        one("answer_right", "person", 0.93, 0.62, 0.91),
        one("over_refusal", "person", 0.97, 0.44, 0.96),
        one("decision", "machine", 0.81, 0.55, 0.7),
        Agreement(
            question="style",
            group="all",
            kind="person",
            records=96,
            answers=192,
            raw=1.0,
            alpha=Coefficient(value=None),
            ac1=Coefficient(value=1.0, low=1.0, high=1.0),
        ),
    )


def funnel(rows: int) -> Funnel:
    seeds, traces = rows * 2 + 40, rows * 2 + 10
    blocked, flagged = rows // 20, rows // 4
    drafts = traces - 6
    return Funnel(
        seeds=SeedCounts(
            total=seeds,
            by_label={"harmful": rows, "benign": rows, "unsure": 20, "none": 20},
            by_source={"alttrain examples": seeds},
            by_category={"none": seeds},
            families=seeds,
            without_family=0,
        ),
        traces=TraceCounts(total=traces, seeds_with=traces, seeds_without=30, source_complied=0),
        structures=(
            StructureCounts(
                structure="alttrain",
                traces=traces,
                drafts=drafts,
                failures=4,
                waiting=2,
                in_flight=0,
                passing=drafts - flagged - blocked,
                flagged=flagged,
                blocked=blocked,
                by_branch={"harmful": drafts // 2, "benign": drafts - drafts // 2},
                rules=(
                    RuleCount(rule="policy_cited", blocking=True, drafts=blocked),
                    RuleCount(rule="copies_prompt", blocking=False, drafts=flagged),
                    RuleCount(rule="answer_empty", blocking=True, drafts=0),
                ),
                failure_kinds={"refused": 3, "timeout": 1},
            ),
        ),
        other_failures={},
        spending=(
            Spending(
                endpoint="own",
                model=WRITER,
                calls=drafts,
                requests=drafts + 7,
                tokens_in=412 * drafts,
                tokens_out=58 * drafts,
                usd=0.0016 * drafts,
                unpriced=0,
            ),
        ),
    )


def packaged() -> list[Approved]:
    """Every tenth row was decided by a machine account, every twentieth by nobody, every eighth was edited."""
    return list(_approve_all(row for path in sorted(EXAMPLES.glob("*.jsonl")) for row in _read(path)))


def _read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def _approve_all(rows: Iterable[Mapping[str, Any]]) -> Iterable[Approved]:
    for number, row in enumerate(rows):
        trace = row["trace"].replace("\n", " ")
        if ". " not in trace or row["label"] not in ("harmful", "benign"):
            continue
        branch: Branch = row["label"]
        hurt = (
            "someone who did not agree would be hurt by it" if branch == "harmful" else "nobody is hurt by knowing it"
        )
        edit = "I won't help with that. Tell me what you need, and we will find an honest way."
        yield approve(
            row["prompt"],
            branch=branch,
            trace=trace,
            answer=row["answer"],
            reason=f"{hurt}, as number {number} of its kind shows",
            source=row["source"],
            license=row["license"],
            category=row["category"],
            style=row["style"],
            decided_by="machine" if number % 10 == 9 else "nobody" if number % 20 == 0 else "person",
            edits={"answer": edit} if branch == "harmful" and number % 8 == 3 else None,
        )
