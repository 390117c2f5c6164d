"""Numbers for people: a share with how sure it is, and counts that cannot be built where they do not add up.

A funnel, for example:

    seeds      1000 = 480 harmful + 490 benign + 0 unsure + 30 none
    traces      990, of 900 seeds; 100 seeds have none
    alttrain    990 = 700 drafts + 20 failures + 270 waiting
                700 = 600 passing + 80 flagged + 20 blocked
"""

from collections.abc import Mapping
from math import sqrt
from typing import Annotated, Self

from pydantic import Field, model_validator

from schemas.example import Frozen

NORMAL_95 = 1.959963984540054
"""The 97.5 % quantile of the normal distribution: 95 % lie within so many standard deviations."""


class Rate(Frozen):
    """How often something was so, with its 95 % Wilson score interval."""

    value: float = Field(ge=0, le=1, description="a share; 0 where n is 0, and then the interval says nothing: 0 to 1")
    low: float = Field(ge=0, le=1)
    high: float = Field(ge=0, le=1)
    n: int = Field(ge=0, description="of how many")

    @classmethod
    def of(cls, hits: int, n: int) -> Self:
        """`hits` of `n`. Wilson (1927): unlike value +- 1.96 errors, it holds for few rows and near 0 and 1."""
        if not 0 <= hits <= n:
            raise ValueError(f"{hits} of {n} is no share")
        if n == 0:
            return cls(value=0.0, low=0.0, high=1.0, n=0)
        share, square = hits / n, NORMAL_95**2
        middle = (share + square / (2 * n)) / (1 + square / n)
        half = NORMAL_95 / (1 + square / n) * sqrt(share * (1 - share) / n + square / (4 * n**2))
        # At the ends the bound is 0 or 1 exactly; floating point would leave 1e-17 of it.
        low = 0.0 if hits == 0 else middle - half
        high = 1.0 if hits == n else middle + half
        return cls(value=share, low=low, high=high, n=n)

    def __str__(self) -> str:
        """e.g. '12 % (5-25) of 40'; '-' where nothing was observed."""
        if not self.n:
            return "-"
        return f"{self.value:.0%} ({self.low * 100:.0f}-{self.high * 100:.0f}) of {self.n}".replace("%", " %", 1)


Count = Annotated[int, Field(ge=0)]
Counts = Mapping[str, Count]

NONE = "none"
"""Stands for 'no label' and 'no category' among the names that are counted."""


class SeedCounts(Frozen):
    total: Count
    by_label: Counts = Field(description="what prompts are said to be now: harmful, benign, unsure, none")
    by_source: Counts
    by_category: Counts
    families: Count = Field(description="groups of near-duplicate prompts")
    without_family: Count = Field(description="not compared with the others yet")

    @model_validator(mode="after")
    def _adding_up(self) -> Self:
        for name, counts in (("label", self.by_label), ("source", self.by_source), ("category", self.by_category)):
            _require_sum(f"seeds by {name}", self.total, counts)
        _require_at_most("families", self.families, self.total - self.without_family)
        return self


class TraceCounts(Frozen):
    total: Count
    seeds_with: Count
    seeds_without: Count
    source_complied: Count = Field(
        description="traces that answer what their dataset calls harmful: unlabelled until a person decides"
    )

    @model_validator(mode="after")
    def _adding_up(self) -> Self:
        _require_at_most("seeds with a trace", self.seeds_with, self.total)
        _require_at_most("source_complied", self.source_complied, self.total)
        return self


class RuleCount(Frozen):
    """How many newest revisions a rule fired on."""

    rule: str
    blocking: bool
    drafts: Count


class StructureCounts(Frozen):
    """Every trace is in exactly one place, and so is every draft."""

    structure: str
    traces: Count
    drafts: Count
    failures: Count
    waiting: Count
    in_flight: Count = Field(description="of those that wait: held by a run that is at work")
    passing: Count = Field(description="no rule fired")
    flagged: Count = Field(description="a rule fired, none that blocks: for a reviewer to look at first")
    blocked: Count = Field(description="a blocking rule fired: kept out of review and release")
    by_branch: Counts
    rules: tuple[RuleCount, ...]
    failure_kinds: Counts

    @model_validator(mode="after")
    def _adding_up(self) -> Self:
        _require_sum(
            f"{self.structure}: traces",
            self.traces,
            {"drafts": self.drafts, "failures": self.failures, "waiting": self.waiting},
        )
        _require_sum(
            f"{self.structure}: drafts",
            self.drafts,
            {"passing": self.passing, "flagged": self.flagged, "blocked": self.blocked},
        )
        _require_sum(f"{self.structure}: drafts by branch", self.drafts, self.by_branch)
        _require_sum(f"{self.structure}: failures by kind", self.failures, self.failure_kinds)
        _require_at_most(f"{self.structure}: in flight", self.in_flight, self.waiting)
        for rule in self.rules:
            most = self.blocked if rule.blocking else self.flagged + self.blocked
            _require_at_most(f"{self.structure}: drafts where {rule.rule} fired", rule.drafts, most)
        return self


class Spending(Frozen):
    """What the replies of one model on one endpoint cost."""

    endpoint: str
    model: str
    calls: Count
    requests: Count = Field(description="HTTP requests, retries included")
    tokens_in: Count
    tokens_out: Count
    usd: float = Field(ge=0, description="of the calls that had a price")
    unpriced: Count = Field(description="calls that had none")

    @model_validator(mode="after")
    def _adding_up(self) -> Self:
        _require_at_most(f"{self.endpoint}: calls without a price", self.unpriced, self.calls)
        return self


class Funnel(Frozen):
    """Where every row of a ledger is, at one moment."""

    seeds: SeedCounts
    traces: TraceCounts
    structures: tuple[StructureCounts, ...]
    other_failures: Counts = Field(description="rows that could not be added ('add') or traced ('trace')")
    spending: tuple[Spending, ...]

    @model_validator(mode="after")
    def _adding_up(self) -> Self:
        _require_sum(
            "seeds", self.seeds.total, {"with a trace": self.traces.seeds_with, "without": self.traces.seeds_without}
        )
        for structure in self.structures:
            if structure.traces != self.traces.total:
                raise ValueError(
                    f"{structure.structure}: {structure.traces} traces, the ledger has {self.traces.total}"
                )
        return self


def _require_sum(what: str, total: int, parts: Counts) -> None:
    if total != sum(parts.values()):
        told = " + ".join(f"{count} {name}" for name, count in parts.items()) or "nothing"
        raise ValueError(f"{what}: {total} is not {told} = {sum(parts.values())}")


def _require_at_most(what: str, part: int, total: int) -> None:
    if part > total:
        raise ValueError(f"{what}: {part}, of {total}")
