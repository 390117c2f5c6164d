"""A reasoning structure as data: its stages, and where each one's text comes from on either branch.

    name: alttrain
    stages:
      - name: understanding
        both: {take: prefix, rule: balanced}
      - name: assessment
        harmful: {take: pool, pool: verdict_harmful, fill: reason}
        benign: {take: pool, pool: verdict_benign, fill: reason}
      - name: reasoning
        harmful: {take: pool, pool: stop}
        benign: {take: remainder, bridge: bridge}
    answer:
      harmful: {take: refusal, pool: refusal}
      benign: {take: answer}

So an ablation of the paper is a ten-line file, and a new structure is the user's own.
"""

import hashlib
from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field, TypeAdapter, ValidationError, model_validator

from schemas.errors import StructureError
from schemas.example import Branch, Frozen

ANSWER = "answer"
REASON_SLOT = "{reason}"

TASKS = frozenset({"add", "trace"})
"""What a ledger calls its other work: failures and leases of a structure stand beside these, under its name."""

PrefixRule = Literal["balanced", "first_sentence"]

WrittenField = Literal["understanding", "assessment", "reasoning", "answer"]
"""What the LLM can be asked to write, besides the reason that fills a drawn wording."""


class TakePrefix(Frozen):
    """The opening of the trace, verbatim. `balanced`: 1-3 sentences that say what is asked, else written by the LLM,
    and the sentences that it replaces are cut from the remainder. `first_sentence`: the paper's strict form."""

    take: Literal["prefix"]
    rule: PrefixRule = "balanced"


class TakeRemainder(Frozen):
    """What the trace says after its prefix, verbatim. `bridge`: the pool that leads into a remainder that hangs."""

    take: Literal["remainder"]
    bridge: str | None = None


class TakeTrace(Frozen):
    """The whole original trace."""

    take: Literal["trace"]


class TakeAnswer(Frozen):
    """The original answer."""

    take: Literal["answer"]


class TakeRefusal(Frozen):
    """The original answer where it declines in at most 3 sentences and cites no policy, else drawn by category."""

    take: Literal["refusal"]
    pool: str = "refusal"


class TakeWritten(Frozen):
    """Written by the LLM."""

    take: Literal["written"]
    field: WrittenField


class TakePool(Frozen):
    """Drawn from a pool. `fill: reason`: the wording has a slot for the reason that the LLM writes;
    `reason_of: another` puts the reason of another prompt of the same branch there (an ablation)."""

    take: Literal["pool"]
    pool: str
    fill: Literal["reason"] | None = None
    reason_of: Literal["self", "another"] = "self"


Take = Annotated[
    TakePrefix | TakeRemainder | TakeTrace | TakeAnswer | TakeRefusal | TakeWritten | TakePool,
    Field(discriminator="take"),
]


class Branches(Frozen):
    """Where a stage's text comes from on each branch; None: the branch has no such stage."""

    harmful: Take | None = None
    benign: Take | None = None

    @model_validator(mode="before")
    @classmethod
    def _spread_both(cls, data: Any) -> Any:
        if isinstance(data, dict) and "both" in data:
            if "harmful" in data or "benign" in data:
                raise ValueError("give 'both', or 'harmful' and 'benign', not all of them")
            data = {key: value for key, value in data.items() if key != "both"} | {
                "harmful": data["both"],
                "benign": data["both"],
            }
        return data

    def on(self, branch: Branch) -> Take | None:
        return self.harmful if branch == "harmful" else self.benign


class StageRule(Branches):
    name: str = Field(pattern=r"^[a-z][a-z_]*$")


class Structure(Frozen):
    """A reasoning structure. `derived`: built from another structure's drafts (`base`), for ablations; it cannot be
    published without a review of its own."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    about: str = Field(description="one paragraph for people who choose a structure")
    stages: tuple[StageRule, ...]
    answer: Branches
    draw: Literal["seeded", "first"] = Field(default="seeded", description="first: the same wording in every row")
    derived: bool = False
    base: str | None = Field(default=None, description="derived: the structure whose drafts it takes from")
    control: bool = Field(
        default=False, description="a baseline to compare with; the only kind whose reasoning may be empty"
    )

    @model_validator(mode="after")
    def _consistent(self) -> "Structure":
        if self.name in TASKS:
            raise ValueError(f"{self.name!r} is a task of the ledger: choose another name")
        names = [stage.name for stage in self.stages]
        if len(set(names)) != len(names):
            raise ValueError("two stages share a name")
        if ANSWER in names:
            raise ValueError("'answer' is not a stage of the reasoning: give it under 'answer:'")
        if self.derived != (self.base is not None):
            raise ValueError("'derived: true' and 'base: NAME' go together")
        for branch in BRANCHES:
            if self.answer.on(branch) is None:
                raise ValueError(f"the {branch} branch has no answer")
            if not self.takes(branch)[:-1] and not self.control:
                raise ValueError(
                    f"the {branch} branch has no stage, so its reasoning would be empty; only a 'control: true' may"
                )
        if len(self._prefix_rules()) > 1:
            raise ValueError("the stages of 'take: prefix' differ in their 'rule:'; give one rule for both branches")
        if self.borrows_reason and not self.derived:
            raise ValueError("'reason_of: another' needs 'derived: true' and a base")
        return self

    def takes(self, branch: Branch) -> tuple[tuple[str, Take], ...]:
        """Stage names and sources of a branch in order, the answer last."""
        stages = [(stage.name, stage.on(branch)) for stage in self.stages] + [(ANSWER, self.answer.on(branch))]
        return tuple((name, take) for name, take in stages if take is not None)

    @property
    def borrows_reason(self) -> bool:
        return any(
            isinstance(take, TakePool) and take.reason_of == "another"
            for branch in BRANCHES
            for _, take in self.takes(branch)
        )

    @property
    def tells_harmful_traces(self) -> bool:
        """Whether a harmful row holds what its original trace thought beyond the opening: how to do it, perhaps."""
        return any(isinstance(take, TakeTrace | TakeRemainder) for _, take in self.takes("harmful"))

    @property
    def prefix_rule(self) -> PrefixRule:
        """How a trace is parted; a structure that leaves the understanding out cuts off the same text."""
        return next(iter(self._prefix_rules()), "balanced")

    def _prefix_rules(self) -> set[PrefixRule]:
        return {take.rule for branch in BRANCHES for _, take in self.takes(branch) if isinstance(take, TakePrefix)}


BRANCHES: tuple[Branch, Branch] = ("harmful", "benign")


class Pool(Frozen):
    """Wordings to draw from; `categories` holds those that replace `wordings` for prompts of that category."""

    pool: str = Field(pattern=r"^[a-z][a-z_]*$")
    about: str
    language: str = "en"
    verdict: Branch | None = Field(default=None, description="what a wording of this pool states, where it states one")
    wordings: tuple[str, ...] = Field(min_length=1)
    categories: Mapping[str, tuple[str, ...]] = Field(default_factory=dict)

    def draw(self, draft_id: str, category: str | None, mode: Literal["seeded", "first"]) -> tuple[str, str]:
        """(name, wording), e.g. ("refusal.privacy/3", "I won't …"): the same for the same draft, always."""
        special = self.categories.get(category or "")
        name = f"{self.pool}.{category}" if special else self.pool
        choices = special or self.wordings
        number = 0
        if mode == "seeded":
            digest = hashlib.blake2b(f"{draft_id}/{self.pool}".encode(), digest_size=8).digest()
            number = int.from_bytes(digest, "big") % len(choices)
        return f"{name}/{number}", choices[number]

    def every(self) -> tuple[str, ...]:
        """All wordings, those of the categories too."""
        return self.wordings + tuple(w for special in self.categories.values() for w in special)


Pools = Mapping[str, Pool]


def assesses(take: Take, pools: Pools) -> bool:
    """Whether a stage says harmful or benign, whatever its name; `pools` holds the pools of its structure."""
    if isinstance(take, TakePool):
        return pools[take.pool].verdict is not None
    return isinstance(take, TakeWritten) and take.field == "assessment"


def understands(take: Take) -> bool:
    """Whether a stage says what is asked, whatever its name."""
    return isinstance(take, TakePrefix) or (isinstance(take, TakeWritten) and take.field == "understanding")


def parse_structure(data: object, where: str) -> Structure:
    """A structure out of parsed YAML. Raises StructureError naming the file, the field and what is wrong with it."""
    return _parse(TypeAdapter(Structure), data, where)


def parse_pool(data: object, where: str) -> Pool:
    """A pool out of parsed YAML. Raises StructureError naming the file, the field and what is wrong with it."""
    pool = _parse(TypeAdapter(Pool), data, where)
    for wording in pool.every():
        if not wording or wording != wording.strip() or "\n\n" in wording or wording.count(REASON_SLOT) > 1:
            raise StructureError(
                f"{where}: wording {wording!r}: a wording is one paragraph without white space around it, "
                f"with one {REASON_SLOT} at most"
            )
    slotted = {REASON_SLOT in wording for wording in pool.every()}
    if len(slotted) == 2:
        raise StructureError(
            f"{where}: some wordings hold {REASON_SLOT} and some do not; give all of them the slot, or none"
        )
    return pool


_Parsed = TypeVar("_Parsed")


def _parse(adapter: TypeAdapter[_Parsed], data: object, where: str) -> _Parsed:
    try:
        return adapter.validate_python(data)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the file"
        hint = " (in YAML, a text with ': ' in it needs quotes)" if first["type"] == "string_type" else ""
        raise StructureError(f"{where}: {place}: {first['msg'].removeprefix('Value error, ')}{hint}") from None


def require_pools(structure: Structure, pools: Pools) -> None:
    """Raises StructureError where the structure names a pool that is not there, or a slot that does not fit."""
    for branch in BRANCHES:
        for stage, take in structure.takes(branch):
            wanted = (
                take.pool
                if isinstance(take, TakePool | TakeRefusal)
                else take.bridge
                if isinstance(take, TakeRemainder)
                else None
            )
            if wanted is None:
                continue
            if wanted not in pools:
                known = ", ".join(sorted(pools))
                raise StructureError(
                    f"structure {structure.name}: stage {stage}: no pool {wanted!r} (there are: {known})"
                )
            has_slot = REASON_SLOT in pools[wanted].wordings[0]
            if has_slot != (isinstance(take, TakePool) and take.fill == "reason"):
                raise StructureError(
                    f"structure {structure.name}: stage {stage}: pool {wanted!r} "
                    + ("has a slot for a reason: add 'fill: reason'" if has_slot else "has no slot for a reason")
                )
