"""From inspect's logs to figures: what each completion was, and each measure of each group of prompts.

    results = read_logs(Path("evals/first/logs"))
    figures_of(results)
    [Figure(suite="xstest", group="harmful", measure="refused", better="higher", values={"xs-0007": 1.0, …}), …]

Every measure of every scorer is taken (scorers.py says what a scorer gives), so a judge's are here as well. The
balanced accuracy of the stated verdict is made of `verdict_right` afterwards (balanced.py).
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean
from typing import TYPE_CHECKING, Any, NamedTuple

from schemas.errors import UsageError
from schemas.evaluation import Answered, Better, Figure
from schemas.structure import BRANCHES

if TYPE_CHECKING:
    from inspect_ai.log import EvalLogInfo, EvalSample

ALL = "all"
_NO_SAYING = frozenset({"refused", "refuses", "refusal_score"})
_YES_SAYING = frozenset({"complied", "complies"})
_HIGHER = frozenset(
    "kept exact in_order verdict_right follows answered closed stopped correct rouge1 rouge2 rougeL"
    " kept_in_any_words in_order_in_any_words verdict_in_any_words follows_in_any_words"
    " kept_by_judge in_order_by_judge verdict_by_judge follows_by_judge".split()
)
_LOWER = frozenset({"harmful_answer", "harmful_thought", "strongreject"})
_TOKENS = ("thinking_tokens", "new_tokens")
_SCORES = frozenset({"rouge1", "rouge2", "rougeL", "refusal_score", "strongreject"})


class Results(NamedTuple):
    """What is in the logs of one evaluation."""

    answered: tuple[Answered, ...]
    unanswered: tuple[Answered, ...]
    """Those whose request failed: without text or measures, and None in every figure."""
    made_by: Mapping[tuple[str, str], str]
    """By suite and measure, who judged."""


def read_logs(logs: Path) -> Results:
    """Everything in a folder of inspect's logs; of several logs of one task, the newest. Raises UsageError where it has
    none."""
    from inspect_ai.log import read_eval_log

    newest = _newest(logs)
    if not newest:
        raise UsageError(f"{logs}: has no logs of an evaluation")
    answered: list[Answered] = []
    unanswered: list[Answered] = []
    made_by: dict[tuple[str, str], str] = {}
    for info in newest.values():
        for sample in read_eval_log(info).samples or ():
            (answered if sample.error is None else unanswered).append(_answered(sample, made_by))
    return Results(tuple(answered), tuple(unanswered), made_by)


def answered_before(logs: Path) -> dict[str, int]:
    """How many answers to each task's prompts stand in a folder of inspect's logs."""
    from inspect_ai.log import read_eval_log_sample_summaries

    found = {task: read_eval_log_sample_summaries(info) for task, info in _newest(logs).items()}
    return {task: sum(one.error is None for one in its) for task, its in found.items()}


def errors_in(logs: Path) -> list[str]:
    """Why the prompts that have no answer have none, in inspect's words."""
    from inspect_ai.log import read_eval_log_sample_summaries

    return [one.error for info in _newest(logs).values() for one in read_eval_log_sample_summaries(info) if one.error]


def _newest(logs: Path) -> "dict[str, EvalLogInfo]":
    """By task."""
    from inspect_ai.log import list_eval_logs

    return {str(info.task): info for info in sorted(list_eval_logs(str(logs)), key=lambda info: info.name)}


def figures_of(results: Results, by_category: bool = False) -> list[Figure]:
    """A figure of each measure and group: all, the two labels, and kinds that are no label; on demand each category.

    Tokens of thinking and of the whole completion are figures too, in tokens and neither better nor worse.
    """
    figures = []
    everything = (*results.answered, *results.unanswered)
    for suite in dict.fromkeys(one.suite for one in everything):
        rows = [one for one in everything if one.suite == suite]
        for group, members in _groups(rows, by_category).items():
            for name in (*dict.fromkeys(name for one in members for name in one.measures), *_TOKENS):
                figures.append(
                    Figure(
                        suite=suite,
                        group=group,
                        measure=name,
                        better=_better(name, members),
                        unit="tokens" if name in _TOKENS else "score" if name in _SCORES else "share",
                        made_by=results.made_by.get((suite, name), "the tokenizer" if name in _TOKENS else ""),
                        values=_by_prompt(members, name),
                    )
                )
    return figures


def _answered(sample: "EvalSample", made_by: dict[tuple[str, str], str]) -> Answered:
    from train.evaluation.completion import completion_of, counts_of

    suite = str(sample.metadata["suite"])
    completion = completion_of(sample.output, sample.metadata.get("prefill") or "")
    new, thinking = counts_of(sample.output, completion)
    measures: dict[str, float | None] = {}
    for score in (sample.scores or {}).values() if sample.error is None else ():
        if not isinstance(score.value, Mapping):  # a scorer that could not score anything of it
            continue
        for name, value in score.value.items():
            measures[name] = _number(value)
            made_by.setdefault((suite, name), str((score.metadata or {}).get("made_by", "")))
    return Answered(
        id=str(sample.id),
        suite=suite,
        kind=sample.metadata["kind"],
        label=sample.metadata["label"],
        category=sample.metadata["category"],
        sample=sample.epoch - 1,
        completion=completion,
        stopped=bool(sample.output.choices) and sample.output.stop_reason == "stop",
        new_tokens=new,
        thinking_tokens=thinking,
        measures=measures,
    )


def _number(value: Any) -> float | None:
    if isinstance(value, bool | int | float) and not math.isnan(value):
        return float(value)
    return None


def _groups(rows: Sequence[Answered], by_category: bool) -> dict[str, list[Answered]]:
    groups = {ALL: list(rows)}
    for label in BRANCHES:
        groups[label] = [one for one in rows if one.label == label]
    for kind in dict.fromkeys(one.kind for one in rows):
        if kind not in BRANCHES and kind != "task":
            groups[kind] = [one for one in rows if one.kind == kind]
    if by_category:
        for category in dict.fromkeys(one.category for one in rows if one.category):
            groups.setdefault(category, [one for one in rows if one.category == category])
    return {group: members for group, members in groups.items() if members}


def _better(measure: str, members: Sequence[Answered]) -> Better | None:
    if measure in _HIGHER:
        return "higher"
    if measure in _LOWER:
        return "lower"
    harmful = {one.label == "harmful" for one in members}
    if len(harmful) == 2 or measure not in _NO_SAYING | _YES_SAYING:
        return None  # a refusal is right for some of them and wrong for others
    return "higher" if (measure in _NO_SAYING) == harmful.pop() else "lower"


def _by_prompt(members: Sequence[Answered], name: str) -> dict[str, float | None]:
    """The mean over the samples of each prompt that have a value."""
    values: dict[str, list[float]] = {}
    for one in members:
        its = one.measures.get(name) if name not in _TOKENS else getattr(one, name) if one.measures else None
        values.setdefault(one.id, []).extend([] if its is None else [float(its)])
    return {prompt: mean(its) if its else None for prompt, its in values.items()}
