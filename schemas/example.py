"""Seeds, traces, drafts: the values that travel from a source file to a published row.

    Seed   a prompt                                          s3f0c…
    Trace  the original reasoning and answer to a seed       t91aa…   a seed may have several
    Draft  a trace rewritten into one structure              d07be…   one a structure
           each text it ever had is a revision               d07be….1, d07be….2

Ids are derived from content, so the same row read twice is the same row.
"""

import hashlib
from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Frozen(BaseModel):
    """A value: immutable, and an unknown field is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Label(StrEnum):
    HARMFUL = "harmful"
    BENIGN = "benign"
    UNSURE = "unsure"


Branch = Literal["harmful", "benign"]
"""Which side of the conditional reasoning a draft takes; also what a verdict can say."""


class Category(StrEnum):
    """The eight categories of harm, as STAR-1 (arXiv 2504.01903) divides them. Benign rows may have none of these."""

    ILLICIT = "illicit"
    PRIVACY = "privacy"
    INTELLECTUAL_PROPERTY = "intellectual_property"
    HARASSMENT = "harassment"
    VIOLENCE = "violence"
    MISINFORMATION = "misinformation"
    SELF_HARM = "self_harm"
    SEXUAL = "sexual"


LabelOrigin = Literal["dataset", "model", "person", "rule"]


class LabelEvent(Frozen):
    """Someone or something said what a prompt is. Labels are events: nothing overwrites an earlier one."""

    seed_id: str
    label: Label
    origin: LabelOrigin
    author: str = Field(description="dataset name, endpoint and model, annotator, or rule")
    note: str = ""


class Seed(Frozen):
    """A prompt, single-turn text, with what its source says about it."""

    id: str
    family: str = Field(description="shared by near-duplicate prompts; computed once and carried to the release")
    prompt: str
    source: str = Field(description="dataset or file the row came from, e.g. 'UCSC-VLAA/STAR-1:HarmBench'")
    source_id: str | None = Field(default=None, description="the row's own id in its source")
    license: str | None = None
    category: str | None = Field(
        default=None, description="a Category where the source's name maps to one, else its own"
    )
    style: Literal["vanilla", "adversarial"] | None = Field(
        default=None, description="adversarial: wrapped in an attack's framing; None: the source does not say"
    )
    reference: str | None = Field(default=None, description="the known right answer, where the source has one")


class Trace(Frozen):
    """What a reasoning model once thought and answered: the raw material that a draft is cut from."""

    id: str
    seed_id: str
    text: str = Field(description="the reasoning, without tags")
    answer: str
    model: str | None = None


class Span(Frozen):
    """A half-open range of characters (Python str offsets, not bytes and not tokens)."""

    start: int = Field(ge=0)
    end: int = Field(ge=0)

    def of(self, text: str) -> str:
        return text[self.start : self.end]


Origin = Literal["trace", "answer", "written", "drawn", "person"]
"""Cut from the original trace or answer; written by the LLM; drawn from a pool; typed by a person."""


class Piece(Frozen):
    """A run of characters of one origin. Pieces cover their stage without gap or overlap."""

    span: Span
    origin: Origin
    source_start: int | None = Field(
        default=None, description="trace, answer: where the run starts in that original text, in characters"
    )
    wording: str | None = Field(
        default=None, description="drawn: pool and number, e.g. 'stop/4' or 'refusal.privacy/0'"
    )


class Stage(Frozen):
    """One stage of the altered reasoning, or the answer (`name == "answer"`), as a span of the completion."""

    name: str
    span: Span
    pieces: tuple[Piece, ...]


class Draft(Frozen):
    """One revision of a trace's rewrite. `completion` is the raw text with thinking and answer."""

    id: str
    revision: int = Field(default=1, ge=1)
    seed_id: str
    trace_id: str
    structure: str
    branch: Branch
    branch_from: Literal["person", "dataset", "model"] = Field(description="whose label or verdict chose the branch")
    model_verdict: Branch | None = Field(default=None, description="the blind verdict; None where it was not asked")
    reason: str | None = Field(default=None, description="the LLM's reason, as it stands in the text")
    completion: str
    stages: tuple[Stage, ...]
    notes: tuple[str, ...] = Field(default=(), description="what assembly had to do, e.g. 'bridged', 'no_label'")

    @property
    def revision_id(self) -> str:
        return f"{self.id}.{self.revision}"

    def stage(self, name: str) -> Stage | None:
        return next((stage for stage in self.stages if stage.name == name), None)

    def text(self, name: str) -> str:
        """The text of a stage, empty where this branch has no such stage."""
        stage = self.stage(name)
        return stage.span.of(self.completion) if stage else ""

    def written(self) -> tuple[str, ...]:
        """Every run of characters that the LLM wrote, in order."""
        return tuple(
            piece.span.of(self.completion)
            for stage in self.stages
            for piece in stage.pieces
            if piece.origin == "written"
        )


class Example(Frozen):
    """An approved draft: the revision that was approved, and the seed and trace it came from."""

    seed: Seed
    trace: Trace
    draft: Draft


class Failure(Frozen):
    """A row that could not be made, as data: it is listed, counted and can be retried."""

    kind: str = Field(description="a stable name, e.g. 'refused', 'filtered', 'invalid_reply', 'timeout'")
    reason: str = Field(description="one line for a person")


class CheckResult(Frozen):
    """One rule that fired on one revision."""

    rule: str
    blocking: bool
    reason: str = Field(description="in words, about this row")


def identify(kind: Literal["s", "t", "d", "f", "r"], *parts: str | None) -> str:
    """An id out of content: a letter and 16 hex digits (64 bits: 100,000 rows collide with chance 3e-10).

    Parts are length-prefixed, so ("ab", "c") and ("a", "bc") differ; None differs from "".
    """
    digest = hashlib.blake2b(digest_size=8)
    for part in parts:
        data = b"" if part is None else part.encode("utf-8", "surrogatepass")
        digest.update(b"%d:" % (-1 if part is None else len(data)) + data)
    return kind + digest.hexdigest()


def seed_id(source: str, prompt: str) -> str:
    return identify("s", source, prompt)


def trace_id(seed: str, text: str, answer: str, model: str | None) -> str:
    return identify("t", seed, text, answer, model)


def draft_id(trace: str, structure: str, retired: int = 0) -> str:
    """`retired`: how many drafts of this trace and structure a newer label has retired before."""
    return identify("d", trace, structure, *([str(retired)] if retired else []))
