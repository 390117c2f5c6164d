"""The paper's figures beside ours, with what makes the two unlike.

    beside(report, "deepseek-ai/DeepSeek-R1-Distill-Llama-8B", "no_ha")
    Beside(backbone="R1-8B", rows=(PaperRow(variant="untrained", …), PaperRow(variant="without HA", …)), differences=…)

Its figures are in paper.yaml. They are averages over six attack sets, XSTest and four sets of problems, by judges that
nobody has run here: near them or far from them says little until the differences are small.
"""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

from pydantic import Field

from schemas.evaluation import EvalReport
from schemas.example import Frozen
from train.evaluation.headlines import headlines


class PaperRow(Frozen):
    """One line of the paper's tables, in %."""

    variant: str
    structures: tuple[str, ...] = Field(default=(), description="of ours that it is the figure of")
    harmful: float
    over_refusal: float
    reasoning: float


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


class Beside(Frozen):
    """The paper's rows for a backbone, or for all where it has none for this one."""

    backbone: str
    rows: tuple[PaperRow, ...]
    differences: tuple[str, ...] = Field(description="in sets, judge, decoding and model, a line each")


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
    return Beside(backbone=backbone.name, rows=tuple(rows), differences=tuple(_differences(report, model, found)))


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
