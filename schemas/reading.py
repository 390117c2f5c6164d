"""Reads stages and verdict back from any completion, ours or a trained model's. It measures; it never decides a label.

    read(completion, alttrain, pools)
    Reading(stages=("understanding", "assessment", "reasoning", "answer"), verdict="benign", ..., exact=True)

The paragraphs of the reasoning are held against the form that each branch has in the structure. A stage drawn from a
pool is one paragraph in one of its wordings; any other stage is one paragraph or more of anything. The first paragraph
in the wording of a verdict parts what comes before it from what follows, so a verdict inside a remainder counts for
nothing. Where the LLM writes the assessment there is no wording to look for: the paragraph in its place must state a
verdict by the rule of `stated_verdict`.

What follows the verdict says which branch was taken, whatever the verdict was: `verdict != branch` is a completion
that does not do as it said.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

from pydantic import Field

from schemas.example import Branch, Frozen
from schemas.structure import (
    ANSWER,
    BRANCHES,
    REASON_SLOT,
    Pool,
    Pools,
    Structure,
    TakePool,
    TakePrefix,
    assesses,
)
from schemas.think import CLOSE, OPEN, split

LONGEST_ASSESSMENT = 600
"""Characters. An assessment is one sentence with a reason of at most 30 words; a longer paragraph is something else."""


class Reading(Frozen):
    """What was found in a completion."""

    stages: tuple[str, ...] = Field(description="names of the stages found, in order, 'answer' last")
    verdict: Branch | None = Field(description="what the assessment says; None: not found, or it cannot be told")
    branch: Branch | None = Field(
        description="the branch whose form the reasoning follows; None: neither, or both have the same form"
    )
    exact: bool = Field(description="every stage of that branch, in order, in the pools' own wordings, and an answer")


def read(completion: str, structure: Structure, pools: Pools) -> Reading:
    """Stages, verdict and branch of a completion, held against a structure whose pools are all there; any text will do.

    What this structure assembled from these pools reads as exact, provided that no paragraph of its understanding is
    in the wording of a verdict, and that an assessment in the LLM's own words is one paragraph that `stated_verdict`
    can read. Thinking that was never closed is read as far as it goes and is not exact. A paraphrased wording is
    found where `stated_verdict` can read it, and is not exact either.
    """
    thought = split(completion)
    if thought:
        reasoning, answer = thought.reasoning, thought.answer.strip()
    elif CLOSE not in completion and completion.lstrip().startswith(OPEN):
        reasoning, answer = completion.lstrip().removeprefix(OPEN), ""
    else:
        return Reading(stages=(), verdict=None, branch=None, exact=False)
    paragraphs = [bare for paragraph in re.split(r"\n\s*\n", reasoning) if (bare := paragraph.strip())]
    forms = {branch: _form(structure, branch, pools) for branch in BRANCHES}
    found = _find_verdict(paragraphs, structure, pools)
    verdict = found.verdict if found else None
    matches = {branch: _match(paragraphs, form, found) for branch, form in forms.items()}
    branch = _branch(matches, verdict)
    # Where no branch is followed, or both have one form, either tells the stages that were found.
    match = matches[branch or verdict or "harmful"]
    judged = found is None or verdict == branch
    return Reading(
        stages=match.stages + ((ANSWER,) if answer else ()),
        verdict=verdict,
        branch=branch,
        exact=match.complete and judged and answer != "",
    )


class _Wordings(NamedTuple):
    """A pool's wordings, taken apart at their slots once for many paragraphs."""

    whole: frozenset[str]
    heads: tuple[str, ...]
    tails: tuple[str, ...]

    @classmethod
    def of(cls, pool: Pool) -> "_Wordings":
        parts = [wording.partition(REASON_SLOT) for wording in pool.every()]
        slotted = [(head, tail) for head, slot, tail in parts if slot]
        return cls(
            frozenset(head for head, slot, _ in parts if not slot),
            tuple(head for head, _ in slotted),
            tuple(tail for _, tail in slotted),
        )

    def hold(self, paragraph: str) -> bool:
        """Whether a paragraph is one of them, with any reason in its slot."""
        if not paragraph.startswith(self.heads):
            return paragraph in self.whole
        return any(
            paragraph.startswith(head)
            and paragraph.endswith(tail)
            and paragraph[len(head) : len(paragraph) - len(tail)].strip()
            for head, tail in zip(self.heads, self.tails, strict=True)
        )


class _Stage(NamedTuple):
    name: str
    wordings: _Wordings | None
    """None: any text."""


class _Form(NamedTuple):
    """What the reasoning of one branch is made of."""

    before: tuple[_Stage, ...]
    assessment: _Stage | None
    after: tuple[_Stage, ...]


class _Found(NamedTuple):
    """The assessment: which paragraph it is, what it says, and whether in a pool's wording."""

    at: int
    verdict: Branch
    in_wording: bool


class _Match(NamedTuple):
    """How far one branch's form fits. `follows`: in what comes after the verdict; `drawn`: wordings found there."""

    stages: tuple[str, ...]
    follows: bool
    complete: bool
    drawn: int


def _form(structure: Structure, branch: Branch, pools: Pools) -> _Form:
    takes = structure.takes(branch)[:-1]
    stages = [
        _Stage(name, _Wordings.of(pools[take.pool]) if isinstance(take, TakePool) else None) for name, take in takes
    ]
    at = next((index for index, (_, take) in enumerate(takes) if assesses(take, pools)), None)
    if at is None:
        return _Form((), None, tuple(stages))
    return _Form(tuple(stages[:at]), stages[at], tuple(stages[at + 1 :]))


def _find_verdict(paragraphs: Sequence[str], structure: Structure, pools: Pools) -> _Found | None:
    takes = [structure.takes(branch)[:-1] for branch in BRANCHES]
    named = {take.pool: pools[take.pool] for part in takes for _, take in part if isinstance(take, TakePool)}
    wordings = [(verdict, _Wordings.of(pool)) for pool in named.values() if (verdict := pool.verdict)]
    for at, paragraph in enumerate(paragraphs):
        for verdict, said in wordings:
            if said.hold(paragraph):
                return _Found(at, verdict, in_wording=True)
    for part in takes:
        for place, (_, take) in enumerate(part):
            if assesses(take, pools):
                # A balanced prefix has up to three sentences, and each may be a paragraph; others have one.
                wide = any(isinstance(other, TakePrefix) and other.rule == "balanced" for _, other in part[:place])
                for at, paragraph in enumerate(paragraphs[place : place + (3 if wide else 1)], place):
                    if stated := stated_verdict(paragraph):
                        return _Found(at, stated, in_wording=False)
    return None


def _match(paragraphs: Sequence[str], form: _Form, found: _Found | None) -> _Match:
    before: Sequence[str] = ()
    after = paragraphs
    if form.assessment and found:
        before, after = paragraphs[: found.at], paragraphs[found.at + 1 :]
    elif form.assessment:
        # Without an assessment to go by, only wordings that end the reasoning can be known again.
        if not form.after or any(stage.wordings is None for stage in form.after):
            return _Match((), follows=False, complete=False, drawn=0)
        after = paragraphs[-len(form.after) :]
    begins, follows = _fits(form.before, before), _fits(form.after, after)
    stages = form.before if begins else ()
    stages += (form.assessment,) if form.assessment and found else ()
    stages += form.after if follows else ()
    assessed = form.assessment is None or (found is not None and (found.in_wording or form.assessment.wordings is None))
    return _Match(
        tuple(stage.name for stage in stages),
        follows,
        complete=begins and follows and assessed,
        drawn=sum(stage.wordings is not None for stage in form.after),
    )


def _branch(matches: dict[Branch, _Match], verdict: Branch | None) -> Branch | None:
    """The branch that was taken. A form with more wordings in it says more than one that any text fits."""
    harmful, benign = matches["harmful"], matches["benign"]
    if not (harmful.follows and benign.follows):
        return "harmful" if harmful.follows else "benign" if benign.follows else None
    if harmful.drawn != benign.drawn:
        return "harmful" if harmful.drawn > benign.drawn else "benign"
    return verdict


def _fits(stages: Sequence[_Stage], paragraphs: Sequence[str]) -> bool:
    """Whether the paragraphs are these stages: one paragraph for a wording, one or more for any text."""
    reached = {0}  # how many stages may be complete so far
    for paragraph in paragraphs:
        onward = {done for done in reached if done and stages[done - 1].wordings is None}
        for done in reached:
            if done < len(stages):
                wordings = stages[done].wordings
                if wordings is None or wordings.hold(paragraph):
                    onward.add(done + 1)
        reached = onward
    return len(stages) in reached


# A verdict is about the request: "harmful stereotypes" and "a safe completion" are about something in it or beyond it.
_MENTION = re.compile(
    r"\b(?:(?P<harmful>harmful|unsafe|dangerous|malicious)|(?P<benign>harmless|benign|safe|innocuous))"
    r"(?=\W*\Z|\s*[.,;:!?)\"”]|\s+(?:because|since|as|given|due|to|for|and|or|nor|but|in|at|here|overall|is|are"
    r"|request|question|query|prompt|task|thing|ask|inquiry|topic)\b)",
    re.I,
)
_REASON = re.compile(r"\b(?:because|since|given\s+that|due\s+to|as\s+(?:it|this|that|they|the|no|there))\b|[:;]", re.I)
_CLAUSE = re.compile(r"[.!?;:]\s|,\s+(?:but|yet|and|so)\b", re.I)
_SOUNDS = re.compile(
    r"\b(?:(?:seem|sound|look|appear)\w*(?:\W+\w+){0,2}|(?:can|could|may|might)\s+(?:\w+\s+)?be)\W+\Z", re.I
)
_NEXT_SENTENCE = re.compile(r"[.!?]\s+[\"“(]?[A-Z]")
_OPEN_QUESTION = re.compile(r"\b(?:whether|if|unless|unclear|unsure|(?:not|n['’]t)\s+(?:sure|clear|certain))\b", re.I)
_NEGATION = re.compile(
    r".*(?:\b(?:not|never|no|non|nothing|without|neither|nor|hardly|cannot|far\s+from)|n['’]t)\b(?P<rest>[^.]*)\Z",
    re.I | re.S,
)
_NEGATED = re.compile(
    r"(?:\W+(?:a|an|any|anything|at|all|in|way|be|been|being|considered|even|itself|really|the|of"
    r"|(?!only|merely|simply)\w+ly))*\W*",
    re.I,
)
_NOT_ONLY = re.compile(r"\W+(?:only|just|merely|simply)\b.*", re.I | re.S)


def stated_verdict(assessment: str) -> Branch | None:
    """The verdict that an English assessment in free words states; None where it says both, neither, or leaves it open.

    The words before the reason ("… because") decide, and only where they name no verdict the whole text. It would
    rather be silent than wrong: "this may sound harmful" and "whether it is safe" state nothing, and three sentences
    are reasoning.
    """
    if len(assessment) > LONGEST_ASSESSMENT or len(_NEXT_SENTENCE.findall(assessment)) > 1:
        return None
    reason = _REASON.search(assessment)
    heads = [assessment[: reason.start()], assessment] if reason else [assessment]
    return next((_verdict_of(head) for head in heads if _MENTION.search(head)), None)


def _verdict_of(text: str) -> Branch | None:
    said: set[Branch] = set()
    for mention in _MENTION.finditer(text):
        before = _CLAUSE.split(text[: mention.start()])[-1]
        if _SOUNDS.search(before):
            continue
        after = re.search(r"[.!?]", text[mention.end() :])
        negation = _NEGATION.search(before)
        rest = negation["rest"] if negation else ""
        negated = negation is not None and not _NOT_ONLY.fullmatch(rest)
        if _OPEN_QUESTION.search(before) or (after and after[0] == "?") or (negated and not _NEGATED.fullmatch(rest)):
            return None
        said.add("harmful" if (mention["harmful"] is not None) != negated else "benign")
    return said.pop() if len(said) == 1 else None
