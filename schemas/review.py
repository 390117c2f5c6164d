"""Review: what a person (or a machine account) said of one revision, and what several of them come to.

    Response   one annotator's answer to one record, as it was pulled     version 2 is an answer that was changed
    Decision   what the responses to one revision come to                 an event; a later one replaces it

An approval binds one revision. Whether an edit happened is read from the text, never from the chosen option.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Literal, get_args

from pydantic import Field

from schemas.example import Frozen, Label, Span

Kind = Literal["person", "machine"]
"""Of an account, and of a decision: one that needed a machine account's answer never passes for a person's."""

Role = Literal["annotator", "adjudicator"]

Queue = Literal["labels", "calibration", "drafts", "adjudication"]
"""Each is one dataset in Argilla. Calibration is `drafts` with everybody on every record."""

QUEUES: tuple[Queue, ...] = get_args(Queue)

Purpose = Literal["review", "gold", "repeat"]
"""gold: the right answer is known. repeat: shown again to who answered it. Neither counts in a decision."""


class Choice(StrEnum):
    APPROVE = "approve"
    EDIT = "approve_with_edits"
    REJECT = "reject"
    UNSURE = "unsure"


class AnswerRight(StrEnum):
    """Of a benign row's final answer."""

    YES = "yes"
    NO = "no"
    CANNOT_TELL = "cannot_tell"


class Problem(StrEnum):
    UNDERSTANDING = "understanding_wrong"
    REASON = "reason_wrong_or_vague"
    BRANCH = "branch_does_not_follow"
    UNSAFE = "unsafe_detail"
    OVER_REFUSAL = "over_refusal"
    ANSWER = "answer_wrong"
    STYLE = "style"
    LABEL = "label_wrong"


class MarkedSpan(Frozen):
    """A run of characters that an annotator marked, as a span of the revision's completion."""

    span: Span
    problem: str


class Response(Frozen):
    """One annotator's answer to one record. Discarding a record in the page is `skipped`; saved drafts are not here."""

    record_id: str
    annotator: str
    kind: Kind
    version: int = Field(default=1, ge=1, description="1 is the first answer; each change of it is one more")
    status: Literal["submitted", "skipped"] = "submitted"
    choice: Choice | None = Field(default=None, description="drafts: None only where skipped")
    label: Label | None = Field(default=None, description="labels: None only where skipped")
    answer_right: AnswerRight | None = None
    problems: tuple[Problem, ...] = ()
    texts: Mapping[str, str] = Field(
        default_factory=dict,
        description="stage name to the text in its box, where it is not what was shown; '' is a box that was emptied",
    )
    candidate: str | None = Field(
        default=None, description="adjudication: what was picked, AS_SHOWN or the `candidate_key` of one"
    )
    spans: tuple[MarkedSpan, ...] = ()
    comment: str = ""
    guidelines: str = Field(default="", description="version of the guidelines that were in force")
    answered_at: str = Field(description="UTC, ISO 8601, by the server's clock")


Outcome = Literal["waiting", "approved", "edited", "rejected", "relabelled", "adjudicate"]
"""edited: the edits become a new revision, which needs an approval of its own unless the decision is final."""


class Candidate(Frozen):
    """One way to change a revision: the new text of each stage that differs, and who wrote it."""

    texts: Mapping[str, str]
    authors: tuple[str, ...] = Field(description="annotators, sorted; several where identical edits merged")


AS_SHOWN = "as_shown"
"""What an adjudicator picks who leaves the text as it is."""


def candidate_key(number: int) -> str:
    """What a response says of the candidate that was picked: 'candidate_1' is the first of the record's."""
    return f"candidate_{number}"


class ReviewRecord(Frozen):
    """One record in Argilla: a revision (or a prompt, in `labels`) that is shown once, and never updated in place."""

    id: str = Field(description="the record's id in Argilla; a hash, so that it tells annotators nothing")
    queue: Queue
    seed_id: str
    revision_id: str | None = Field(default=None, description="None in `labels`")
    purpose: Purpose = "review"
    round: int = Field(default=1, ge=1, description="1: what the machine made; 2: the first edit of it, and so on")
    position: int = Field(ge=0, description="the order in which the queue is served")
    assigned: tuple[str, ...] = Field(default=(), description="annotators, sorted; empty: whoever comes")
    needed: int = Field(ge=1, description="answers that a decision waits for")
    candidates: tuple[Candidate, ...] = Field(default=(), description="adjudication: the edits to choose from")
    blind: bool = Field(default=True, description="no decision is suggested; only such records count for agreement")


class Annotator(Frozen):
    """An account in Argilla."""

    name: str = Field(
        pattern=r"^[^\s,\x00-\x1f\x7f]{1,100}$",
        description="the username in Argilla, which takes almost any; without a comma, as authors are listed with it",
    )
    kind: Kind = "person"
    role: Role = "annotator"
    pseudonym: str = Field(description="what is published instead of the name, e.g. 'annotator-3f9c'")
    opted_out: tuple[str, ...] = Field(default=(), description="categories that go to others")
    active: bool = True


class Decision(Frozen):
    """What the responses to one revision come to."""

    revision_id: str
    outcome: Outcome
    kind: Kind
    reasons: tuple[str, ...] = Field(default=(), description="in words, each one line: which rule led here")
    candidates: tuple[Candidate, ...] = Field(
        default=(), description="edited: exactly one, composed; adjudicate: those that could not be merged"
    )
    label: Label | None = Field(default=None, description="relabelled: what the prompt is said to be")
    answer_right: bool | None = Field(
        default=None, description="benign: what was said of the answer; None: nobody could"
    )
    deciders: tuple[str, ...] = Field(default=(), description="annotators whose answers were counted, sorted")
    final: bool = Field(
        default=False, description="edited: the new revision is approved with it and needs no look of its own"
    )
