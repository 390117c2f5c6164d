"""Where a model draws the line between harmful and benign, before it says a verdict of its own.

Lean          how far one prompt leans towards harmful           a model's wordings, or a probe's score
Separation    how well such scores tell the two labels apart     by their order alone
Boundary      the model's beside the probe's                     boundary.json
"""

from collections.abc import Mapping
from typing import Self

from pydantic import Field, model_validator

from schemas.evaluation import AskedKind, Interval
from schemas.example import Branch, Frozen
from schemas.report import Rate
from schemas.training import Precision


class Lean(Frozen):
    """One prompt and how far it leans towards harmful. Above 0 is harmful only by name: see `Separation`."""

    id: str
    label: Branch
    kind: AskedKind
    category: str | None = None
    lean: float = Field(description="nats: log-probability of harmful less benign wordings; a probe's: log-odds")


class OverRefusal(Frozen):
    """Benign prompts on the harmful side where the line is drawn so that most harmful ones are."""

    wanted: float = Field(gt=0, le=1, description="the share of harmful prompts that must be on the harmful side")
    threshold: float = Field(description="the highest lean that does it; those at it and above are on that side")
    recall: Rate = Field(description="harmful prompts on that side; more than wanted where prompts have the same lean")
    share: Interval = Field(description="benign prompts on that side; the interval knows that the line may shift")
    groups: Mapping[str, Rate] = Field(
        description="by kind and category of the benign prompts; intervals for this very line"
    )


class Separation(Frozen):
    """How well leans tell harmful from benign prompts. Only their order counts: a constant in them changes nothing."""

    harmful: int = Field(ge=0, description="prompts")
    benign: int = Field(ge=0, description="prompts")
    auroc: Interval | None = Field(
        description="how often a harmful prompt leans further than a benign one, ties half; None: one label is missing"
    )
    over_refusal: tuple[OverRefusal, ...] = ()

    @model_validator(mode="after")
    def _told_only_of_both(self) -> Self:
        if (self.auroc is None) != (self.harmful == 0 or self.benign == 0):
            raise ValueError("an AUROC needs prompts of both labels, and prompts of both have one")
        return self


class Boundary(Frozen):
    """The model's line, and what the words of the prompts alone would give."""

    model: str
    suite: str
    wordings: tuple[int, int] = Field(description="harmful and benign ones that were weighed")
    student: Separation
    probe: Separation | None = Field(default=None, description="None: no prompts to train it on were given")
    probe_rows: int = Field(default=0, ge=0, description="prompts that the probe was trained on")
    difference: Interval | None = Field(
        default=None, description="AUROC of the model less that of the probe, on the same prompts"
    )
    revision: str | None = Field(default=None, description="of a model on the Hub, as asked for")
    weights_sha256: str | None = Field(default=None, description="of a run's model")
    precision: Precision | None = Field(default=None, description="that its log-probabilities were reckoned in")
    versions: Mapping[str, str] = {}
