"""A release: what a published dataset promises, and all that making one needs to know.

Eligible    what choosing looks at of a revision that may be released       the ledger gives it
Approved    a chosen one of these, with where everything in it came from    the ledger gives it
Evidence    how the whole set was made and reviewed, in counts              the ledger gives it, the card tells it
SftRow      a published row of the config `default`
Provenance  the row of the same id in the config `provenance`
Rendered    the row of the same id as plain strings, in a config such as `r1`
Manifest    hashes of every file and of the row set, versions, settings     the release's own word on itself
"""

from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from schemas.example import Branch, CheckResult, Draft, Frozen, Origin, Seed, Span, Trace
from schemas.report import Agreement, Funnel, Rate
from schemas.review import Kind

DecidedBy = Kind | Literal["nobody"]
"""nobody: exported without any decision, which has to be allowed."""


class Eligible(Frozen):
    """A revision that may be released, in as little as is needed to choose: a release takes one of many."""

    id: str = Field(description="the published row's: the revision's")
    label: Branch
    category: str | None
    style: Literal["vanilla", "adversarial"] | None
    source: str
    family: str
    prompt: str
    completion: str
    decided_by: DecidedBy
    answers: int = Field(ge=0, description="that the decision rests on")
    agreeing: int = Field(ge=0, description="of these: that say the same as the decision")


def words_of(prompt: str) -> str:
    """What makes a prompt: one that differs in case and blanks alone is the same, and stands in a release once."""
    return " ".join(prompt.casefold().split())


class WrittenPiece(Frozen):
    """A run of characters of the completion, where it came from, and what wrote it."""

    stage: str
    span: Span
    origin: Origin
    source_start: int | None = Field(default=None, description="trace, answer: offset in that original text")
    wording: str | None = Field(default=None, description="drawn: pool and number")
    model: str | None = Field(default=None, description="written: as its server names it")
    prompt_version: str | None = Field(default=None, description="written: name and content hash of the prompt")


class Approval(Frozen):
    """Who let this very text pass. Annotators stand here by pseudonym, unless the project's settings say by name."""

    decided_by: DecidedBy
    deciders: tuple[str, ...] = Field(default=(), description="sorted")
    answers: int = Field(default=0, ge=0, description="that the decision rests on")
    agreeing: int = Field(default=0, ge=0, description="of these: that say the same as the decision")
    edited_stages: tuple[str, ...] = Field(default=(), description="whose text is not the machine's first one")
    editors: tuple[str, ...] = Field(default=(), description="who wrote edits, sorted")
    answer_right: bool | None = Field(default=None, description="benign: what people said of the final answer")
    guidelines: tuple[str, ...] = Field(default=(), description="versions in force when it was answered")
    at: str | None = Field(default=None, description="UTC, ISO 8601")


class Approved(Frozen):
    """A revision that is released, and all that the release tells of it."""

    seed: Seed
    trace: Trace
    draft: Draft
    label_from: str | None = Field(description="whose label the prompt has: person, dataset; None: nobody's")
    pieces: tuple[WrittenPiece, ...]
    checks: tuple[CheckResult, ...] = Field(description="flags; what a rule blocks is never approved")
    approval: Approval
    usd: float | None = Field(
        default=None, description="what replies about its trace cost, for any structure; None: no prices"
    )

    @property
    def id(self) -> str:
        """The published row's id: the revision's."""
        return self.draft.revision_id

    @property
    def label(self) -> Branch:
        return self.draft.branch


class Evidence(Frozen):
    """How the set was made and reviewed, for the card. No annotator's name is in it; the funnel's names of sources,
    endpoints and models are as the project has them, and the card shortens or drops them."""

    funnel: Funnel
    structure: str
    structure_about: str
    agreement: tuple[Agreement, ...] = ()
    annotators: Mapping[Kind, int] = Field(default_factory=dict, description="accounts that answered, by kind")
    overlap: int = Field(ge=1)
    decided: Mapping[str, Mapping[Kind, int]] = Field(
        default_factory=dict, description="revisions ever decided, by outcome and kind"
    )
    edited: Rate = Field(description="share of the rows of the release whose text a reviewer changed")
    gold: Rate = Field(
        description="share of persons' answers to hidden records, of any structure, that were right; n 0: none"
    )
    prompt_versions: tuple[str, ...] = ()


class Message(Frozen):
    role: Literal["system", "user", "assistant"]
    content: str


class StageSpan(Frozen):
    """Where a stage stands in `completion[0].content`, in characters; the answer is one too."""

    name: str
    start: int = Field(ge=0)
    end: int = Field(ge=0)


class SftRow(Frozen):
    """A row of the config `default`: TRL's conversational prompt-completion, and the two columns of R1-Act's set."""

    id: str
    prompt: tuple[Message, ...]
    completion: tuple[Message, ...] = Field(description="one assistant turn: thinking inside its tags, then the answer")
    instruction: str
    response: str = Field(description="as SafeChain has it: without the opening tag")
    label: Branch
    category: str
    style: str = Field(description="vanilla, adversarial; '' where the source does not say")
    source: str
    license: str
    structure: str
    spans: tuple[StageSpan, ...]
    family: str


class ProvenanceRow(Frozen):
    """Where everything in the row of the same id came from."""

    id: str
    seed_id: str
    trace_id: str
    trace_model: str
    trace_sha256: str
    answer_sha256: str
    trace: str = Field(description="'' for harmful rows, unless they were asked for")
    label_from: str
    model_verdict: str
    pieces: tuple[WrittenPiece, ...]
    flags: tuple[str, ...]
    decided_by: DecidedBy
    deciders: tuple[str, ...]
    answers: int
    agreeing: int
    edited_stages: tuple[str, ...]
    editors: tuple[str, ...]
    answer_right: str = Field(description="yes, no; '' where nobody said")
    guidelines: tuple[str, ...]
    decided_at: str = Field(description="'' where nobody decided")


class RenderedRow(Frozen):
    """The row of the same id as plain strings of one family of chat templates, the stop token at the end."""

    id: str
    prompt: str = Field(description="what the model is given at inference, without the token that begins a text")
    completion: str
    label: Branch


class FileHash(Frozen):
    path: str = Field(description="inside the release, with /")
    sha256: str
    size_bytes: int


class Manifest(Frozen):
    """manifest.json: what the release says of itself."""

    format: int = 1
    name: str = Field(description="of the release, e.g. 'v1'")
    made_at: str = Field(description="UTC, ISO 8601; the only thing that two equal exports differ in")
    versions: Mapping[str, str] = Field(description="of this tool and of pyarrow, which the files' bytes depend on")
    structure: str
    rows: Mapping[str, int] = Field(description="by split")
    by_label: Mapping[str, int]
    unreviewed: int = Field(description="rows without a person's decision")
    harmful_traces: bool
    rows_sha256: str = Field(description="of all rows of all configs, whatever files they stand in")
    seed: int = Field(description="of the selection")
    settings: Mapping[str, str | int | float | bool] = Field(description="an allow-list of export settings")
    files: tuple[FileHash, ...]
