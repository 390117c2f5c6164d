"""What a rule looks at, and what a rule is."""

import functools
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from curation.refusal import harm_category
from schemas.example import Branch, Draft, Label, Seed, Trace
from schemas.reading import read
from schemas.structure import ANSWER, Pools, Structure, Take, TakeRemainder, TakeTrace, assesses, understands

WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")


@dataclass(frozen=True)
class CheckedRow:
    """One revision of a draft, with all that it came from.

    `label`: the label that the draft was made under, None where it had none. `answer_verified`: whether k samples
    agree or a person says that the answer is right; None where nobody looked, and of no weight where the answer can be
    compared with a reference. `benign_max_tokens`: from the settings.
    """

    draft: Draft
    seed: Seed
    trace: Trace
    label: Label | None
    structure: Structure
    pools: Pools
    author: Literal["machine", "person"] = "machine"
    answer_verified: bool | None = None
    benign_max_tokens: int = 2048

    @functools.cached_property
    def takes(self) -> dict[str, Take]:
        """Where each stage of this branch, and the answer, takes its text from, in order."""
        return dict(self.structure.takes(self.draft.branch))

    @functools.cached_property
    def assessment_stage(self) -> str | None:
        """The stage of this branch that says harmful or benign, None where it has none."""
        return next((name for name, take in self._stages if assesses(take, self.pools)), None)

    @functools.cached_property
    def assessment(self) -> str:
        return self.draft.text(self.assessment_stage) if self.assessment_stage is not None else ""

    @functools.cached_property
    def understanding(self) -> str:
        return "\n\n".join(self.draft.text(name) for name, take in self._stages if understands(take))

    @functools.cached_property
    def category(self) -> str | None:
        """How the prompt is met: its category, or self-harm wherever it may be about that."""
        return harm_category(self.seed)

    @functools.cached_property
    def answer(self) -> str:
        return self.draft.text(ANSWER)

    @functools.cached_property
    def own_reasoning(self) -> str:
        """The reasoning that the structure stands for. On the harmful branch a control keeps the original trace on
        purpose: what that says is no fault of the draft."""
        return self._reasoning()

    @functools.cached_property
    def after_understanding(self) -> str:
        """`own_reasoning` less what only says what is asked: from the assessment on."""
        return self._reasoning(but=frozenset(name for name, take in self._stages if understands(take)))

    @functools.cached_property
    def new_text(self) -> str:
        """What the LLM wrote or a person typed, run by run."""
        return "\n".join(
            piece.span.of(self.draft.completion)
            for stage in self.draft.stages
            for piece in stage.pieces
            if piece.origin in ("written", "person")
        )

    @functools.cached_property
    def reason(self) -> str | None:
        """Why the prompt is harmful or harmless: the clause in the drawn wording, else the LLM's own assessment."""
        return self.draft.reason if self.draft.reason is not None else (self.assessment or None)

    @functools.cached_property
    def verdict(self) -> Branch | None:
        """What the assessment says, read back from the text; None where it says nothing that can be read."""
        if self.assessment_stage is None:
            return None
        return read(self.draft.completion, self.structure, self.pools).verdict

    @functools.cached_property
    def prompt_words(self) -> str:
        return words_of(self.seed.prompt)

    @property
    def _stages(self) -> tuple[tuple[str, Take], ...]:
        """The stages of this branch's reasoning, in order, and where each takes its text from."""
        return self.structure.takes(self.draft.branch)[:-1]

    def _reasoning(self, but: frozenset[str] = frozenset()) -> str:
        kept = (TakeTrace, TakeRemainder) if self.draft.branch == "harmful" else ()
        return "\n\n".join(
            stage.span.of(self.draft.completion)
            for stage in self.draft.stages
            if stage.name not in but | {ANSWER} and not isinstance(self.takes.get(stage.name), kept)
        )


Find = Callable[[CheckedRow], str | None]


@dataclass(frozen=True)
class Rule:
    """`find` gives the reason why a row breaks the rule, or None. A blocking rule keeps the row out of review and
    release, any other one shows it to a person first. `fidelity`: it binds the machine; a person may change the text,
    so on a person's revision it is a note."""

    name: str
    find: Find
    why: str
    blocking: bool
    branch: Branch | None
    fidelity: bool

    def blocks(self, author: Literal["machine", "person"]) -> bool:
        return self.blocking and not (self.fidelity and author == "person")


def rule(why: str, *, blocking: bool, branch: Branch | None = None, fidelity: bool = False) -> Callable[[Find], Rule]:
    """Makes a rule of a function, named after it. `why` is one line for the table in docs/checks.md."""

    def make(find: Find) -> Rule:
        return Rule(find.__name__, find, why, blocking, branch, fidelity)

    return make


def excerpt(text: str, start: int = 0, end: int | None = None) -> str:
    """A piece of a text in quotation marks, on one line and at most 80 characters long."""
    piece = " ".join(text[start:end][:400].split())
    return f'"{piece}"' if len(piece) <= 80 else f'"{piece[:79]}…"'


def words_of(text: str) -> str:
    """The words of a text in lower case, with one blank before, between and after them, to look for runs of words."""
    spelled = text.casefold().replace("’", "'")
    return f" {' '.join(WORD.findall(spelled))} "
