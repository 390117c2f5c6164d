"""What evaluations found of an ablation's runs: the paper's Table 5 for a model of one's own.

    | structure | runs |                   harmful |              over-refusal | reasoning | kept | thinking tokens |
    | untrained |      |                    62.5 % |                     4.2 % | …
    | alttrain  |    3 | 8.1 % (5.0-12.5, sd 3.9)  | …

A figure is the mean over the runs of a structure, with the least, the most and the standard deviation over their seeds.
Seeds are no sample of prompts: how sure a figure is for one run stands in that run's own report, over prompts.
"""

from collections.abc import Sequence
from statistics import mean, stdev
from typing import get_args

from schemas.ablation import Ablation, Evaluated
from schemas.evaluation import EvalReport
from schemas.markdown import inline, table
from train.evaluation.headlines import LABELS, Name, headlines, tell_headline

NAMES: tuple[Name, ...] = get_args(Name)
UNTRAINED = "untrained"


def evaluated(report: EvalReport, structure: str | None, seed: int | None = None) -> Evaluated:
    """The figures of one report. `structure`: of the run; None: it is of the model before any training."""
    found = headlines(report.figures)
    by = dict.fromkeys(told for one in found.values() for told in one.by)
    return Evaluated.model_validate(
        {"structure": structure, "seed": seed, "by": tuple(by)} | {name: one.after for name, one in found.items()}
    )


def evaluation_lines(plan: Ablation) -> list[str]:
    """The table, a row a structure, and below it what was measured by what: markdown that reads as plain text too."""
    if not plan.evaluated:
        return ["Not evaluated yet."]
    before = [one for one in plan.evaluated if one.structure is None]
    rows = [_row(UNTRAINED, "", before)] if before else []
    for structure in plan.structures:
        own = [one for one in plan.evaluated if one.structure == structure]
        rows.append(_row(structure, str(len(own)), own))
    several = any(int(row[1] or 0) > 1 for row in rows)
    by = dict.fromkeys(told for one in plan.evaluated for told in one.by)
    return [
        *table(["structure", "runs", *(LABELS[name] for name in NAMES)], rows),
        "",
        "Means over suites"
        + (", then over seeds, with the least, the most and the standard deviation over seeds" if several else "")
        + ". Seeds are not n: intervals over prompts are in the reports of the runs.",
        "",
        *(f"- {inline(told, 300)}" for told in by),
    ]


def _row(structure: str, runs: str, found: Sequence[Evaluated]) -> list[str]:
    return [structure, runs, *(_spread(name, [getattr(one, name) for one in found]) for name in NAMES)]


def _spread(name: Name, values: Sequence[float | None]) -> str:
    """e.g. '8.1 % (5.0-12.5, sd 3.9)'."""
    known = [value for value in values if value is not None]
    if not known:
        return "–"
    told = tell_headline(name, mean(known))
    if len(known) == 1:
        return told
    scale, digits = (1, 0) if name == "thinking_tokens" else (100, 1)
    low, high, sd = (f"{value * scale:,.{digits}f}" for value in (min(known), max(known), stdev(known)))
    return f"{told} ({low}-{high}, sd {sd})"
