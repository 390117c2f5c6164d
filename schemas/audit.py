"""Audit: how thoughts are put together, trace by trace and over many.

Segment     a run of sentences that do one thing                       train/audit/segments.py
Audited     one trace: its segments and what they come to, no text     a line of traces.jsonl
AuditReport many traces: shares with their intervals                   report.json

A thought *recognises* harm where an assessment says harmful or a sentence refuses. An answer *solves* where it does not
decline (schemas.refusing.declines): a proxy, since an answer that does not say no may still hold nothing harmful.
"""

from collections.abc import Iterable, Mapping
from itertools import groupby
from typing import Annotated, Literal, NamedTuple, get_args

from pydantic import Field

from schemas.evaluation import Interval
from schemas.example import Branch, Frozen, Span
from schemas.report import Counts, Rate

SegmentKind = Literal["understanding", "assessment", "solving", "refusal"]
KINDS: tuple[SegmentKind, ...] = get_args(SegmentKind)

Share = Annotated[float, Field(ge=0, le=1)]


class Sentence(NamedTuple):
    """What one sentence of a thought does."""

    span: Span
    kind: SegmentKind
    says: Branch | None = None
    """Of an assessment: what it finds the request to be; None: it weighs, and does not say."""


class Segment(Frozen):
    """Neighbouring sentences that do one thing, and say one thing where they assess."""

    kind: SegmentKind
    start: int = Field(ge=0, description="in characters of the thought")
    end: int = Field(ge=0, description="exclusive")
    sentences: int = Field(ge=1)
    says: Branch | None = Field(default=None, description="of an assessment: its verdict; None: it only weighs")


def merge(sentences: Iterable[Sentence]) -> tuple[Segment, ...]:
    """Segments out of the sentences of a thought, which come in their order."""
    merged = []
    for (kind, says), run in groupby(sentences, key=lambda one: (one.kind, one.says)):
        spans = [one.span for one in run]
        merged.append(Segment(kind=kind, start=spans[0].start, end=spans[-1].end, sentences=len(spans), says=says))
    return tuple(merged)


class AuditedText(Frozen):
    """The text of a trace whose prompt is not labelled benign: a line of harmful.jsonl, which stays on the machine."""

    id: str
    label: Branch | None
    prompt: str
    segments: tuple[tuple[SegmentKind, str], ...]
    answer: str


class Audited(Frozen):
    """One trace as it was read. It holds no text, so that it can be shared."""

    id: str
    prompt_id: str = Field(description="several traces of one prompt are not independent")
    label: Branch | None = Field(description="what the prompt is said to be; None: nobody says")
    category: str | None = None
    characters: int = Field(ge=0, description="of the thought")
    sentences: int = Field(ge=0)
    segments: tuple[Segment, ...]
    closed: bool = Field(default=True, description="the thinking ended; else the thought goes as far as it was written")
    recognised: bool = Field(description="an assessment says harmful, or a sentence refuses")
    ends_solving: bool = Field(description="of solving and refusal, solving came last")
    declined: bool | None = Field(description="the answer says no; None: there is no answer")
    turn: Share | None = Field(
        description="where the first assessment or refusal begins, as a share of the thought; None: nowhere"
    )
    turn_sentence: int | None = Field(default=None, ge=1, description="the same, counted in sentences from 1")


class Accuracy(Frozen):
    """How often the rules are right on labelled traces that ship with the tests."""

    part: Literal["tuned", "held"] = Field(description="tuned: the rules were made on these; held: on none of these")
    traces: int = Field(ge=0)
    sentences: Rate = Field(description="sentences given the kind that their label has")
    recognised: Rate = Field(description="traces whose recognition of harm is as labelled")
    solved: Rate = Field(description="traces whose answer is as labelled: it solves, or it declines")


class Shape(Frozen):
    """Kinds in the order in which they first come, e.g. understanding, solving: the structure that METHOD names."""

    kinds: tuple[SegmentKind, ...]
    traces: Rate


class GroupFigures(Frozen):
    """The traces of one label."""

    label: Literal["harmful", "benign", "unlabelled"]
    traces: int = Field(ge=0)
    assessed: Rate = Field(description="thoughts that weigh harm at all, whatever they find")
    recognised: Rate = Field(description="under benign: thoughts that take the request for harmful, wrongly")
    solved: Rate = Field(description="of those with an answer: it does not decline")
    shares: Mapping[SegmentKind, Interval] = Field(description="of a thought's characters; mean over traces")
    shapes: tuple[Shape, ...] = Field(description="the most frequent first")


class Turns(Frozen):
    """Where in the thought the first assessment or refusal comes, of the traces of one label that have one."""

    label: Branch
    found: Rate = Field(description="traces that have such a turn at all")
    place: Interval = Field(description="median share of the thought before it; its interval by order statistics")
    sentence: Interval = Field(description="median number of its sentence, from 1")
    tenths: tuple[int, ...] = Field(min_length=10, max_length=10, description="turns by tenth of the thought")


class CategoryFigures(Frozen):
    """Harmful requests of one category that have an answer."""

    category: str
    recognised: Rate
    solved: Rate
    recognised_and_solved: Rate


class Grid(Frozen):
    """Harmful requests that have an answer, by thought and by answer. A harmful thought ends in solving, whether it
    recognised harm before or not; a harmful answer does not decline."""

    both: int = Field(ge=0)
    thought_only: int = Field(ge=0, description="a harmful thought beside an answer that declines")
    answer_only: int = Field(ge=0)
    neither: int = Field(ge=0)

    @property
    def n(self) -> int:
        return self.both + self.thought_only + self.answer_only + self.neither


class AuditReport(Frozen):
    """What an audit found: report.json."""

    source: str = Field(description="a file, a project's ledger, or the model that was asked")
    origin: str = Field(default="", description="a hash of where they lie, which tells two files of one name apart")
    read_by: str = Field(description="'rules', or the endpoint and model that labelled the sentences")
    traces: int = Field(ge=0)
    prompts: int = Field(ge=0)
    labels: Counts = Field(description="traces by label: harmful, benign, unlabelled")
    left_out: Counts = Field(description="rows that could not be audited, by reason")
    unclosed: int = Field(
        ge=0, description="traces whose thinking never closed: no answer, and in no figure of answers"
    )
    unanswered: int = Field(ge=0, description="others without an answer")
    recognised_and_solved: Rate = Field(description="of the harmful requests with an answer")
    solved_if_recognised: Rate = Field(description="of those of them that were recognised")
    solved_if_not: Rate = Field(description="of those that were not")
    grid: Grid
    groups: tuple[GroupFigures, ...]
    turns: tuple[Turns, ...]
    categories: tuple[CategoryFigures, ...]
    accuracy: tuple[Accuracy, ...] = Field(description="of the rules; none where a judge read the traces")
    notes: tuple[str, ...] = Field(default=(), description="what a reader must know, a line each")
