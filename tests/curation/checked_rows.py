"""Drafts for the tests of the checks: a clean row of either branch, but for what a test gives."""

import dataclasses
from typing import Any

from curation.checks import CheckedRow, check
from curation.structures import load_pools, load_structure
from schemas.example import Branch, Draft, Label, Origin, Piece, Seed, Span, Stage, Trace
from schemas.think import join, offsets

Run = tuple[str, Origin, int | None, str | None]

HARMFUL: dict[str, Any] = {
    "prompt": "How can I read my flatmate's messages without her noticing?",
    "category": "privacy",
    "trace": "Okay, the user wants to read a flatmate's messages in secret. That is snooping. So I should say no.",
    "original_answer": "I can't help with reading someone's messages in secret. Talking to her may help more.",
    "reason": "reading private messages in secret takes away her privacy",
}
BENIGN: dict[str, Any] = {
    "prompt": "A train leaves at 9:00 and takes 3 hours. When does it arrive?",
    "category": None,
    "trace": "Okay, the user asks when the train arrives. It leaves at 9:00. Three hours later it is 12:00.",
    "original_answer": "It arrives at **12:00**.",
    "reason": "it is plain arithmetic about a timetable",
}


def written(text: str) -> list[Run]:
    return [(text, "written", None, None)]


def typed(text: str) -> list[Run]:
    return [(text, "person", None, None)]


def drawn(text: str, wording: str) -> list[Run]:
    return [(text, "drawn", None, wording)]


def row(branch: Branch, *, structure: str = "alttrain", **given: Any) -> CheckedRow:
    """A clean row of the branch, but for what is given: a stage's runs by its name, or any field of the row."""
    texts = {**(HARMFUL if branch == "harmful" else BENIGN), **given}
    trace, original, reason = str(texts["trace"]), str(texts["original_answer"]), str(texts["reason"])
    rest = trace.index(". ") + 2
    slot = "harmful" if branch == "harmful" else "harmless"
    stages: dict[str, list[Run]] = {
        "understanding": [(trace[: rest - 1], "trace", 0, None)],
        "assessment": [
            (f"This request is {slot} because ", "drawn", None, f"verdict_{branch}/0"),
            (reason, "written", None, None),
            (".", "drawn", None, f"verdict_{branch}/0"),
        ],
        "reasoning": drawn(load_pools()["stop"].wordings[0], "stop/0")
        if branch == "harmful"
        else [*drawn("Back to the problem. ", "bridge/0"), (trace[rest:].rstrip(), "trace", rest, None)],
        "answer": [(original, "answer", 0, None)],
    }
    stages = {name: texts.get(name, runs) for name, runs in stages.items() if texts.get(name, runs)}
    seed = Seed(
        id="s1",
        family="f1",
        prompt=str(texts["prompt"]),
        source="tests",
        category=texts["category"],
        reference=texts.get("reference"),
    )
    draft = assemble(stages, branch, reason, structure).model_copy(update=texts.get("draft", {}))
    return CheckedRow(
        draft=draft,
        seed=seed,
        trace=Trace(id="t1", seed_id="s1", text=trace, answer=original),
        label=texts.get("label", Label(branch)),
        structure=load_structure(structure),
        pools=load_pools(),
        author=texts.get("author", "machine"),
        answer_verified=texts.get("answer_verified", True if branch == "benign" else None),
    )


def assemble(stages: dict[str, list[Run]], branch: Branch, reason: str | None, structure: str) -> Draft:
    texts = {name: "".join(run[0] for run in runs) for name, runs in stages.items()}
    answer = texts.pop("answer", "")
    reasoning = "\n\n".join(texts.values())
    at, answer_at = offsets(reasoning)
    placed = []
    for name, runs in stages.items():
        start = at = answer_at if name == "answer" else at
        pieces = []
        for run, origin, source_start, wording in runs:
            span = Span(start=at, end=at + len(run))
            pieces.append(Piece(span=span, origin=origin, source_start=source_start, wording=wording))
            at = span.end
        placed.append(Stage(name=name, span=Span(start=start, end=at), pieces=tuple(pieces)))
        at += 2
    return Draft(
        id="d1",
        seed_id="s1",
        trace_id="t1",
        structure=structure,
        branch=branch,
        branch_from="dataset",
        reason=reason,
        completion=join(reasoning, answer),
        stages=tuple(placed),
    )


def fields_of(whole: CheckedRow) -> dict[str, Any]:
    return {field.name: getattr(whole, field.name) for field in dataclasses.fields(whole)}


def in_place(whole: CheckedRow, old: str, new: str) -> CheckedRow:
    """The row with its completion changed and its spans left as they were."""
    draft = whole.draft.model_copy(update={"completion": whole.draft.completion.replace(old, new, 1)})
    return CheckedRow(**{**fields_of(whole), "draft": draft})


SELF_HARM: dict[str, Any] = {
    "prompt": "How can I skip meals for a week without my wife noticing?",
    "category": "self_harm",
    "trace": "Okay, the user wants to skip meals in secret for a week. That worries me.",
    "original_answer": "I'm worried about you, and I won't help hide this. Could you tell your wife or a doctor?",
    "assessment": drawn("It is harmful, since hiding hunger hurts the one who asks.", "verdict_harmful.self_harm/0"),
    "reasoning": drawn(load_pools()["stop"].categories["self_harm"][0], "stop.self_harm/0"),
}


NEW_NAMES = {"understanding": "grasp", "assessment": "weighing", "reasoning": "course"}


def renamed(whole: CheckedRow) -> CheckedRow:
    """The row in a structure that differs from its own in the names of its stages alone."""
    stages = tuple(rule.model_copy(update={"name": NEW_NAMES[rule.name]}) for rule in whole.structure.stages)
    placed = tuple(
        stage.model_copy(update={"name": NEW_NAMES.get(stage.name, stage.name)}) for stage in whole.draft.stages
    )
    return dataclasses.replace(
        whole,
        structure=whole.structure.model_copy(update={"stages": stages}),
        draft=whole.draft.model_copy(update={"stages": placed}),
    )


def fired(checked: CheckedRow) -> set[str]:
    return {result.rule for result in check(checked)}
