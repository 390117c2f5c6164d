"""Evaluation: what a model said, how each completion was judged, and what that makes of two models.

Asked      a prompt of a suite                                 train/evaluation/suites
Answered   one completion to it, with what was judged of it    a line of samples.jsonl
Figure     one measure of one group of prompts, by prompt      what a report compares
Compared   a figure before and after, with its paired test     a line of the table
EvalReport all of it                                           report.json
"""

from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from schemas.example import Branch, Frozen
from schemas.report import Rate

AskedKind = Literal["harmful", "hard_benign", "plain_benign", "task"]
"""hard_benign only sounds harmful; a task has a reference to be met."""

Better = Literal["lower", "higher"]
Word = Literal["better", "worse", "no evidence"]


class Asked(Frozen):
    """A prompt of a suite."""

    id: str = Field(description="the suite's own, or a hash of the prompt")
    suite: str
    prompt: str
    kind: AskedKind
    label: Branch | None = Field(default=None, description="None: a task that is neither, by itself benign")
    category: str | None = None
    family: str | None = Field(default=None, description="of near-duplicate prompts, where the suite names it")
    source: str | None = Field(default=None, description="the dataset that it came from, where the suite is a mix")
    reference: str | None = Field(default=None, description="the right answer of a task")
    prefill: str | None = Field(default=None, description="what the thinking is made to begin with, in that attack")
    trained: bool = Field(
        default=False, description="the run trained on it, its family or its source: marked on demand"
    )


class Answered(Frozen):
    """One completion and what was judged of it. `measures` are 0 to 1; None: it could not be judged."""

    id: str = Field(description="of the prompt")
    suite: str
    kind: AskedKind
    label: Branch | None = None
    category: str | None = None
    sample: int = Field(default=0, ge=0, description="several samples of one prompt are not independent")
    completion: str
    withheld: bool = Field(default=False, description="it may be harmful, and `completion` is '' in a file to share")
    stopped: bool = Field(description="by the stop token; else it ran to the limit")
    new_tokens: int = Field(ge=0)
    thinking_tokens: int | None = Field(default=None, description="None: it never opened or never closed its thinking")
    measures: Mapping[str, float | None]


class Figure(Frozen):
    """One measure of one group of prompts. Every value is a mean over the samples of its prompt."""

    suite: str
    group: str = Field(description="'all', a label or kind, a category")
    measure: str = Field(description="kept, exact, refused, complied, harmful_answer, harmful_thought, correct, …")
    better: Better | None = Field(description="None: neither way, such as tokens a query")
    unit: Literal["share", "tokens", "score"] = "share"
    made_by: str = Field(description="the parser, a matcher with its measured precision, a judge by its model")
    values: Mapping[str, float | None] = Field(description="by prompt; None: not judged, and counted as such")


class Interval(Frozen):
    """A mean with its 95 % interval, where values are no yes or no."""

    value: float
    low: float | None = Field(description="None, as `high`: all values are one and the same, which bounds nothing")
    high: float | None
    n: int = Field(ge=0, description="prompts")

    def __str__(self) -> str:
        """e.g. '61.2 (54.1 to 69.9) of 40'."""
        if self.low is None or self.high is None:
            return f"{self.value:,.3g} of {self.n:,}"
        return f"{self.value:,.3g} ({self.low:,.3g} to {self.high:,.3g}) of {self.n:,}"


class Compared(Frozen):
    """A figure of the model, and where there is a baseline its own, each over its judged prompts. The difference is
    over those that both have."""

    suite: str
    group: str
    measure: str
    better: Better | None
    unit: Literal["share", "tokens", "score"]
    made_by: str
    before: Rate | Interval | None = Field(default=None, description="None: no baseline, or nothing judged")
    after: Rate | Interval | None = Field(description="None: nothing was judged")
    unjudged_before: int = Field(default=0, ge=0)
    unjudged_after: int = Field(default=0, ge=0)
    pairs: int = Field(default=0, ge=0, description="prompts judged in both")
    difference: Interval | None = Field(default=None, description="after less before, over the pairs")
    p_value: float | None = Field(default=None, description="McNemar's mid-p for yes or no, else None")
    test: str | None = Field(default=None, description="how the difference was weighed, in words")
    word: Word | None = Field(default=None, description="None: no baseline, or neither way is better")


class ModelAsked(Frozen):
    """A model and how it was asked."""

    name: str = Field(description="as asked for: of a folder the last part only")
    kind: Literal["folder", "hub", "endpoint"]
    revision: str | None = None
    weights_sha256: str | None = None
    temperature: float = 0.0
    samples: int = Field(default=1, ge=1, description="completions a prompt")
    max_tokens: int = Field(ge=1, description="of a completion")
    system: str | None = None
    precision: str | None = Field(default=None, description="asked for; None: bf16 on a GPU that has it, else fp32")
    structure: str | None = Field(default=None, description="that adherence is measured against; None: none")


class PaperRow(Frozen):
    """One line of the paper's tables, in %."""

    variant: str
    structures: tuple[str, ...] = Field(default=(), description="of ours that it is the figure of")
    harmful: float
    over_refusal: float
    reasoning: float


class Beside(Frozen):
    """The paper's rows for a backbone, or for another one where it has none for this one."""

    source: str
    backbone: str
    rows: tuple[PaperRow, ...]
    differences: tuple[str, ...] = Field(description="in sets, judge, decoding and model, a line each")


class EvalReport(Frozen):
    """What an evaluation found: report.json."""

    model: ModelAsked
    baseline: ModelAsked | None = None
    suites: Mapping[str, int] = Field(description="prompts by suite")
    refused_prompts: Mapping[str, int] = Field(
        default={}, description="by suite, left out because the run trained on them, their family or their source"
    )
    trained_prompts: Mapping[str, int] = Field(default={}, description="by suite, the same but asked and marked")
    figures: tuple[Compared, ...]
    notes: tuple[str, ...] = Field(default=(), description="what a reader must know, a line each")
    paper: Beside | None = Field(default=None, description="the paper's figures, where they were asked for")
    versions: Mapping[str, str]
    seconds: float = Field(ge=0)
