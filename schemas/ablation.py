"""An ablation: the same rows of a release in several structures, each trained from several seeds.

LeftOut       a row that one structure cannot have, so that none is trained on it
AblationRun   what came of one structure from one seed
Evaluated     what an evaluation found of one run, or of the model before any
Ablation      all of it                                       ablation.json in the ablation's folder

An evaluation finds its models by `Ablation.runs`: each names its run's folder, beside ablation.json.
"""

from typing import Literal

from pydantic import Field

from schemas.example import Frozen
from schemas.training import Recipe

ABLATION = "ablation.json"


class LeftOut(Frozen):
    """A row of the release that no structure trains, because one cannot have it."""

    id: str = Field(description="the release's")
    split: Literal["train", "test"]
    structure: str = Field(description="that cannot have it; a row is told once for each of these")
    kind: str = Field(description="no_opening, no_donor, … as curation.derive names it")
    reason: str


class AblationRun(Frozen):
    """A finished run."""

    structure: str
    seed: int = Field(ge=0)
    folder: str = Field(description="the run's, in the ablation's own")
    completion_tokens: int = Field(ge=0, description="trained tokens of all rows, once; the prompts' are not in it")
    completion_tokens_a_row: float = Field(ge=0)
    steps: int = Field(ge=1)
    final_loss: float = Field(description="nats a token")
    seconds: float = Field(ge=0, description="of training; of the last stretch where it was resumed")


class Evaluated(Frozen):
    """The figures of the paper's tables for one model, each a mean over the suites that have it; None: none has."""

    structure: str | None = Field(description="None: the model before any training")
    seed: int | None = None
    harmful: float | None = Field(default=None, ge=0, le=1)
    over_refusal: float | None = Field(default=None, ge=0, le=1)
    reasoning: float | None = Field(default=None, ge=0, le=1)
    kept: float | None = Field(default=None, ge=0, le=1, description="of its structure's form")
    thinking_tokens: float | None = Field(default=None, ge=0, description="a prompt")
    by: tuple[str, ...] = Field(default=(), description="of each suite the measure, and who judged")


class Ablation(Frozen):
    """The same prompts in the same order and number of optimizer steps, in several structures from several seeds."""

    release: str = Field(description="as it was asked for: a folder, or org/name@revision")
    release_sha256: str = Field(description="the hash of the release's rows")
    release_structure: str = Field(description="that the rows were approved in; the others are derived from it")
    preset: str
    model: str
    recipe: Recipe
    structures: tuple[str, ...] = Field(min_length=1)
    seeds: tuple[int, ...] = Field(min_length=1)
    rows: int = Field(ge=1, description="trained in each structure")
    test_rows: int = Field(ge=0)
    steps: int = Field(ge=1, description="optimizer steps of every run")
    left_out: tuple[LeftOut, ...] = ()
    runs: tuple[AblationRun, ...] = Field(default=(), description="those that are finished")
    evaluated: tuple[Evaluated, ...] = ()

    @property
    def wanted(self) -> list[tuple[str, int]]:
        """Structure and seed of all its runs, finished or not, in the order in which they are trained."""
        return [(structure, seed) for seed in self.seeds for structure in self.structures]


def folder_of(structure: str, seed: int) -> str:
    """The name of a run's folder."""
    return f"{structure}-{seed}"
