"""The paper's figures beside ours, with what makes the two unlike.

    beside(report, "deepseek-ai/DeepSeek-R1-Distill-Llama-8B", "no_ha")
    Beside(backbone="R1-8B", rows=(PaperRow(variant="untrained", …), PaperRow(variant="without HA", …)), differences=…)

    rows_beside(report)      once the report has it, for a terminal and a page
    [("ours, before", "62.5", "4.2", "–"), ("ours", "8.1", "12.0", "–"), ("the paper, untrained", "83.5", …), …]

Its figures are in paper.yaml. They are averages over six attack sets, XSTest and four sets of problems, by judges that
nobody has run here: near them or far from them says little until the differences are small.
"""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import Field

from schemas.evaluation import Beside, EvalReport, PaperRow
from schemas.example import Frozen
from train.evaluation.headlines import Name, headlines, tell_headline

NAMES: tuple[Name, ...] = ("harmful", "over_refusal", "reasoning")
"""What both have."""


class Backbone(Frozen):
    name: str
    models: tuple[str, ...] = Field(description="Hub ids")
    rows: tuple[PaperRow, ...]


class Paper(Frozen):
    source: str
    harmful_sets: str
    over_refusal_sets: str
    reasoning_sets: str
    decoding: str
    judge: str
    backbones: tuple[Backbone, ...]


@cache
def paper() -> Paper:
    import yaml

    return Paper.model_validate(yaml.safe_load(Path(__file__).with_name("paper.yaml").read_text("utf-8")))


def beside(report: EvalReport, model: str, structure: str | None) -> Beside:
    """What to read `report` beside.

    `model`: the Hub id of the base model, or any name. `structure`: that it was trained in; its own row of the paper
    is shown beside the untrained one, every row where there is none of this structure. A model that is not in the paper
    gets R1-8B's, and is told so.
    """
    known = paper()
    found = next((one for one in known.backbones if model in one.models), None)
    backbone = found or known.backbones[0]
    own = [row for row in backbone.rows if structure in row.structures]
    untrained = [row for row in backbone.rows if row.variant == "untrained"]
    rows = [*untrained, *own] if own else backbone.rows
    return Beside(
        source=known.source,
        backbone=backbone.name,
        rows=tuple(rows),
        differences=tuple(_differences(report, model, found)),
    )


def rows_beside(report: EvalReport) -> list[tuple[str, ...]]:
    """(whose, then in % harmful, over-refusal, reasoning): ours, then the paper's. None where it was not asked for."""
    if report.paper is None:
        return []
    own = headlines(report.figures)

    def ours(whose: str, side: Literal["before", "after"]) -> tuple[str, ...]:
        told = (tell_headline(name, getattr(own[name], side) if name in own else None) for name in NAMES)
        return (whose, *(one.removesuffix(" %") for one in told))

    return [
        *([ours("ours, before", "before")] if report.baseline else []),
        ours("ours", "after"),
        *((f"the paper, {row.variant}", *(f"{getattr(row, name):.1f}" for name in NAMES)) for row in report.paper.rows),
    ]


def _differences(report: EvalReport, model: str, found: Backbone | None) -> Sequence[str]:
    known, asked, own = paper(), report.model, headlines(report.figures)
    lines = []
    if found is None:
        lines.append(f"model: the paper did not train {model}; {known.backbones[0].name} is shown to compare with")
    sets = {
        "harmful": known.harmful_sets,
        "over_refusal": known.over_refusal_sets,
        "reasoning": known.reasoning_sets,
    }
    for name, headline in own.items():
        if name in sets:
            lines.append(f"{name.replace('_', '-')}: here {'; '.join(headline.by)}; the paper: {sets[name]}")
    lines.append(f"judge: ours stand in brackets above; the paper's: {known.judge}")
    drawn = "greedy" if asked.temperature == 0 else f"temperature {asked.temperature:g}, {asked.samples} samples"
    system = "with a system prompt" if asked.system else "without a system prompt"
    lines.append(
        f"decoding: here {drawn}, {asked.max_tokens:,} new tokens at most, {system}; the paper: {known.decoding}"
    )
    return lines
