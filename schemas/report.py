"""Numbers for people: a share with how sure it is, and counts that cannot be built where they do not add up.

A funnel, for example:

    seeds      1000 = 480 harmful + 490 benign + 0 unsure + 30 none
    traces      990, of 900 seeds; 100 seeds have none
    alttrain    990 = 700 drafts + 20 failures + 270 waiting
                700 = 600 passing + 80 flagged + 20 blocked
"""

from collections.abc import Mapping
from math import sqrt
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from schemas.example import Branch, Frozen
from schemas.review import Kind, Queue

NORMAL_95 = 1.959963984540054
"""The 97.5 % quantile of the normal distribution: 95 % lie within so many standard deviations."""


def wilson(share: float, n: int) -> tuple[float, float]:
    """The 95 % score interval of a share of `n`, which is 1 or more."""
    square = NORMAL_95**2
    middle = (share + square / (2 * n)) / (1 + square / n)
    half = NORMAL_95 / (1 + square / n) * sqrt(share * (1 - share) / n + square / (4 * n**2))
    # At the ends the bound is 0 or 1 exactly; floating point would leave 1e-17 of it.
    return 0.0 if share == 0 else middle - half, 1.0 if share == 1 else middle + half


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
        low, high = wilson(hits / n, n)
        return cls(value=hits / n, low=low, high=high, n=n)

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


class Coefficient(Frozen):
    """Agreement beyond chance: 1 is perfect, 0 is what chance gives, below it is worse than chance."""

    value: float | None = Field(le=1, description="None: not defined, since everybody always said the same")
    low: float | None = Field(default=None, description="95 % interval; None: too few records for one")
    high: float | None = None


class Agreement(Frozen):
    """How far annotators agree on one question, over records that two or more of one kind answered."""

    question: str = Field(description="decision, answer_right, label, or one of the problems (named or not)")
    group: Literal["all", "answer", "branch", "category"] = Field(
        description="over which records; answer: over all of them, one answer against the others"
    )
    name: str = Field(default="", description="of the branch, category or answer")
    kind: Kind = Field(description="whose answers: persons' and machines' are never mixed")
    records: int = Field(ge=1, description="with two answers or more")
    answers: int = Field(ge=2, description="to these records")
    raw: float = Field(ge=0, le=1, description="share of the pairs of answers that agree, mean over the records")
    alpha: Coefficient = Field(description="Krippendorff's, nominal")
    ac1: Coefficient = Field(description="Gwet's")


class QueueCounts(Frozen):
    """Where the records of a queue are, hidden ones (gold, repeats) among them."""

    queue: Queue
    records: Count
    done: Count = Field(description="have their answers, or were decided without them")
    pending: Count = Field(description="in Argilla, and waiting for answers")
    unpushed: Count = Field(description="planned, and not in Argilla")
    superseded: Count = Field(description="left the queue before they were done")
    answers_person: Count
    answers_machine: Count
    skips: Count
    waste: Count = Field(description="answers beyond those that were needed")
    open_answers: Count = Field(description="that pending and unpushed records still need")
    pace: float | None = Field(
        ge=0, description="answers an hour by all together, pauses left out; None: too few answers to tell"
    )
    hours_left: float | None = Field(ge=0, description="for the open answers at this pace")

    @model_validator(mode="after")
    def _adding_up(self) -> Self:
        parts = {name: getattr(self, name) for name in ("done", "pending", "unpushed", "superseded")}
        _require_sum(f"{self.queue}: records", self.records, parts)
        _require_at_most(f"{self.queue}: waste", self.waste, self.answers_person + self.answers_machine)
        return self


class OutcomeCounts(Frozen):
    """How often a decision came out so, by whose decision it was."""

    outcome: str
    person: Count
    machine: Count


class Disputed(Frozen):
    """A record over which annotators disagree."""

    draft_id: str
    revision_id: str
    branch: Branch
    category: str | None
    votes: Counts
    problems: Counts = Field(description="how many named each")


class Adjudicated(Frozen):
    """A revision that waits for the adjudicator."""

    draft_id: str
    revision_id: str
    branch: Branch
    category: str | None
    kind: Kind = Field(description="of the decision that sent it there")
    reasons: tuple[str, ...]
    candidates: Count
    since: str = Field(description="UTC, ISO 8601")


class ReviewStatus(Frozen):
    """How far the review of one structure's drafts is, at one moment. No figure is about one annotator."""

    structure: str
    annotators: Count = Field(description="accounts that are active")
    queues: tuple[QueueCounts, ...] = Field(description="those that have records; labels are of every structure")
    drafts: Count = Field(description="that stand, each at its newest revision")
    blocked: Count = Field(description="of these: a check keeps them out of review")
    undecided: Count = Field(description="of these: no decision yet")
    decided: tuple[OutcomeCounts, ...] = Field(description="of these: by outcome")
    revisions: tuple[OutcomeCounts, ...] = Field(
        description="every revision that was ever decided, superseded and retired ones too, by outcome"
    )
    labels: tuple[OutcomeCounts, ...] = Field(description="prompts that were decided, by label")
    agreement: tuple[Agreement, ...]
    disputed: tuple[Disputed, ...] = Field(description="the most disputed first")
    adjudication: tuple[Adjudicated, ...] = Field(description="the oldest first")

    @model_validator(mode="after")
    def _adding_up(self) -> Self:
        decided = {
            f"{row.outcome} by {kind}": getattr(row, kind) for row in self.decided for kind in ("person", "machine")
        }
        _require_sum(
            f"{self.structure}: drafts", self.drafts, {"blocked": self.blocked, "undecided": self.undecided, **decided}
        )
        waiting = sum(row.person + row.machine for row in self.decided if row.outcome == "adjudicate")
        if waiting != len(self.adjudication):
            raise ValueError(f"{self.structure}: {len(self.adjudication)} wait for adjudication, {waiting} were sent")
        return self


def _require_sum(what: str, total: int, parts: Counts) -> None:
    if total != sum(parts.values()):
        told = " + ".join(f"{count} {name}" for name, count in parts.items()) or "nothing"
        raise ValueError(f"{what}: {total} is not {told} = {sum(parts.values())}")


def _require_at_most(what: str, part: int, total: int) -> None:
    if part > total:
        raise ValueError(f"{what}: {part}, of {total}")
