"""Rules of the harmful branch: it stops, says no, and gives nothing away. The wordings looked for are English; in
other languages only the form is checked (steps, code), and `language` of the row is for a person to judge."""

from curation.checks.row import CheckedRow, Rule, excerpt, rule
from curation.language import language
from curation.refusal import declining
from schemas.example import Category
from schemas.phrases import any_of
from schemas.refusing import supports
from schemas.structure import ANSWER

_SOLVES = any_of(
    r"\bhere(?:'s| is| are) (?:how(?! i\b)|the steps|some (?:ways|methods|steps)|what you (?:can|need))\b",
    r"\bhere(?:'s| is) a (?:way|plan|method|guide)\b",
    r"\b(?:one|another|the (?:best|easiest|simplest|first)) (?:way|method|option|approach|trick)"
    r" (?:to (?:\w{1,15} ){1,5}?)?(?:is|was|would|could|might) (?:be )?to\b",
    r"\b(?:you|they|one) (?:can|could|should|need to|would|might) (?:first|start|begin|try|simply|just|use)\b",
    r"\bto do (?:this|that|so|it), (?:you|they|one|i)\b",
    r"\b(?:first|next|then|finally),? (?:you|they|one) (?:can|could|should|need|would|must|will)\b",
)
_SETS_OUT = any_of(
    r"\b(?:let me|let's|i(?:'ll| will| can| could| should| need to| have to)) (?:now )?"
    r"(?:work out|figure out|list|outline|write out|draft|think (?:about|of|through)|start by|begin by|explain|describe"
    r"|provide|show|plan|go through) "
    r"(?:how (?:they|one|someone)|how to (?!support|help|keep|comfort|reply|respond|answer|say|word|decline|refuse)"
    r"|(?:(?:the|some|possible) )?(?:ways|steps|methods?|details|plan)"
    r"|a (?:plan|method|guide|step)|step|instructions)\b",
)
_NEGATED = any_of(
    r"\b(?:not|never|no|won't|can't|cannot|don't|without|instead of|rather than|refuse to|decline to)"
    r" (?:\w{1,12} ){0,4}\Z"
)
_DRIFTS_BACK = any_of(
    r"\b(?:however|but|still|nevertheless|nonetheless|that said|although|even so|yet|then again|on the other hand),?"
    r" (?:since|because|as|given that|if) (?:the user|they|he|she|it(?:'s| is)|this is|you)\b",
    r"\bi (?:could|can|might|may|should) still (?:help|answer|give|provide|share|explain|try|offer some|write|describe"
    r"|mention|outline|list|solve|suggest how)\b",
    r"\b(?:but|however|though),? (?:maybe|perhaps|possibly) (?:i|it|this|they|the user|he|she|there)\b",
    r"\b(?:wait|hmm|hold on|actually),? (?:maybe|perhaps|but (?:maybe|what if|if|since|i (?:can|could)))\b",
    r"\bon second thought|\blet me reconsider|\bmaybe i(?:'m| am) being too\b|\bif i think about it again\b",
    r"\b(?:for|as) (?:purely )?(?:educational|research|academic|fictional) purposes,? (?:i|let|here|it)\b",
    r"\bi(?:'ll| will) (?:help|answer|do it|go ahead|comply|try|provide it|give it) anyway\b",
    r"\banyway,? (?:here|let me|let's)\b|\bjust this once\b|\bi guess (?:i can|it's (?:fine|ok(?:ay)?))\b",
)
_STEP = any_of(r"^[^\S\n]{0,8}[*_#]{0,4}(?:step )?\d{1,2}[.):]")
_STEP_ONE, _STEP_TWO = any_of(r"\bstep (?:1|one)\b"), any_of(r"\bstep (?:2|two)\b")


@rule("The point of the branch is that solving never starts.", blocking=True, branch="harmful")
def solves(row: CheckedRow) -> str | None:
    if found := _SOLVES.search(row.own_reasoning):
        return f"the reasoning works on the task: {excerpt(row.own_reasoning, found.start())}"
    text = row.after_understanding
    for found in _SETS_OUT.finditer(text):
        if not _NEGATED.search(text, max(0, found.start() - 60), found.start()):
            return f"the reasoning sets out to work on the task: {excerpt(text, found.start())}"
    return None


@rule(
    "Hesitation that drifts back to the request is what jailbreaks pull at (arXiv 2505.15404).",
    blocking=True,
    branch="harmful",
)
def drifts_back(row: CheckedRow) -> str | None:
    found = _DRIFTS_BACK.search(row.after_understanding)
    return f"the reasoning wavers: {excerpt(row.after_understanding, found.start())}" if found else None


@rule(
    "Steps and code are the detail that must not be in such a row, whatever they are about.",
    blocking=True,
    branch="harmful",
)
def gives_steps(row: CheckedRow) -> str | None:
    text = f"{row.own_reasoning}\n\n{row.answer}"
    if "```" in text:
        return "the draft holds a block of code"
    steps = [found.start() for found in _STEP.finditer(text)]
    if len(steps) > 1:
        return f"the draft lists steps: {excerpt(text, steps[0])}"
    first = _STEP_ONE.search(text)
    return f"the draft lists steps: {excerpt(text, first.start())}" if first and _STEP_TWO.search(text) else None


@rule("A harmful row whose answer does not say no teaches to comply.", blocking=True, branch="harmful")
def answer_complies(row: CheckedRow) -> str | None:
    stage = row.draft.stage(ANSWER)
    if stage is None or all(piece.origin == "drawn" for piece in stage.pieces):
        return None
    complied = declining(row.answer, row.category or "") is False
    return f"the answer does not decline: {excerpt(row.answer)}" if complied else None


@rule(
    "Nobody can tell by rule whether an answer in this language declines: a person reads it.",
    blocking=False,
    branch="harmful",
)
def answer_unread(row: CheckedRow) -> str | None:
    if declining(row.answer, row.category or "") is not None:
        return None
    return f"the answer is in {language(row.answer)}, and no rule knows how that language says no"


@rule("A person in danger may be behind it: always seen by a human.", blocking=False)
def self_harm(row: CheckedRow) -> str | None:
    if row.seed.category == Category.SELF_HARM:
        return "the prompt is about self-harm"
    if row.category == Category.SELF_HARM:
        return f"the prompt may be about self-harm: {excerpt(row.seed.prompt)}"
    return None


@rule("Self-harm is met with support, never with a cold stop.", blocking=True, branch="harmful")
def self_harm_cold(row: CheckedRow) -> str | None:
    if row.category != Category.SELF_HARM:
        return None
    for stage in row.draft.stages:
        for piece in stage.pieces:
            pool, _, _ = (piece.wording or "").rpartition("/")
            if pool in row.pools and row.pools[pool].categories.get(Category.SELF_HARM):
                return f"{stage.name} has a wording of {pool!r}, which has warmer ones for self-harm"
    if language(row.answer) != "en" or supports(row.answer):
        return None
    return f"the answer is not warm, or points to nobody who can help: {excerpt(row.answer)}"


RULES: tuple[Rule, ...] = (
    solves,
    drifts_back,
    gives_steps,
    answer_complies,
    answer_unread,
    self_harm,
    self_harm_cold,
)
