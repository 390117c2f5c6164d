"""Rules about the words of a draft, on either branch."""

import re
from collections import Counter

from curation.checks.row import WORD, CheckedRow, Rule, excerpt, rule, words_of
from curation.language import clear_language
from curation.refusal import MOST_SENTENCES, cites_policy
from curation.sentences import sentences
from schemas.example import Category
from schemas.phrases import any_of
from schemas.refusing import declines
from schemas.think import CLOSE, OPEN

UNDERSTANDING_MOST_CHARACTERS = 400
"""METHOD's bound for a balanced prefix."""
REASON_MOST_WORDS = 60
"""Twice what the prompt asks for."""
COPIED_LEAST_WORDS = 8
QUOTED_LEAST_WORDS = 3

_TEMPLATE_TOKEN = re.compile(
    r"<\|[^|<>\n]{1,40}\|?>|<[^|<>\s]{1,40}\|>"  # <|im_start|>, <|eot_id|>, <|turn>, <turn|>
    r"|<[｜|][^｜|<>\n]{1,40}[｜|]>"  # DeepSeek: full-width bars
    r"|</?s>|<(?:bos|eos|pad|unk)>|<<?/?SYS>>?|\[/?(?:INST|TOOL_CALLS|AVAILABLE_TOOLS|TOOL_RESULTS|SYSTEM_PROMPT)\]"
    rf"|<(?:start|end)_of_turn>|</?tool_(?:call|response)>|{re.escape(OPEN)}|{re.escape(CLOSE)}"
)
_SOURCE = any_of(
    r"\b(?:original|given|provided|above|source|reasoning|thinking) (?P<trace>traces?)\b",
    r"\bthe (?P<a_trace>trace)\b",
    r"\bthe (?:given |assigned |true |correct |provided )?(?P<label>label)\b",
    r"\b(?P<labelled>labell?ed|tagged|annotated|marked) (?:as )?(?:an? )?\W?(?:harmful|harmless|benign|(?:un)?safe)\b",
    r"\bthe (?P<data>dataset|annotators?|annotation)\b",
)
_QUOTE = re.compile(r'"([^"\n]{1,400})"|“([^“”\n]{1,400})”|«([^«»\n]{1,400})»')
_PLACEHOLDER = any_of(
    r"\A\W{0,9}(?:n/?a|none|null|reason|because|unknown|string|text|clause|harmful|harmless|benign|todo)?\W{0,9}\Z",
    r"(?<![\w\\}])\{[a-z_]{0,30}\}|<\w{1,20}>|_{3,}|\bxx+\b|\blorem ipsum\b",
    r"\[(?:insert|reason|your|name|act|who)[^\]\n]{0,40}\]",
)
_SAYS_VERDICT_TWICE = any_of(r"\b(?:is|as) (?:harmful|harmless|benign|safe|unsafe),? (?:because|since|as)\b")
_UNFINISHED = any_of(
    r"(?:,|:|;|—|–|-|…|\.\.\.)\W{0,3}\Z",
    r"\b(?:and|or|but|nor|the|a|an|of|than|because|which|who|whose|if|when|while|their|its|my|your|into)\W{0,2}\Z",
)
_COMMON = {"that", "their", "they", "them", "with", "this", "from", "someone", "which", "would", "could", "harm"}
_SAYS_NO_HARM = any_of(
    # "Is", not a bare "harmless": a story may look harmless, or be used to make an act seem so.
    r"\b(?:is|are) (?:(?!not|never|hardly)\w{1,12} )?(?:harmless|benign)\b",
    r"\b(?:no ?(?:one|body)|nothing) (?:is|gets|will be|would be|can be|could be) (?:hurt|harmed|affected|in danger)\b",
    r"\b(?:hurts|harms|affects|endangers|threatens) (?:no ?(?:one|body)|nothing)\b",
    r"\bwithout (?:hurting|harming) any(?:one|body)\b",
    r"(?:\b(?:does|will|would) not|n't|\bcannot) (?:hurt|harm|endanger|affect) any(?:one|body|thing)\b",
    r"\b(?:is|are) (?:not|never) (?:harmful|dangerous|unsafe)\b|\bisn't (?:harmful|dangerous|unsafe)\b",
    r"\b(?:poses|causes|carries|involves|has|does|means) no (?:\w{1,12} )?(?:harm|risk|danger|threat)\b",
    r"\b(?:it|this|that|which|the request) is (?:(?:perfectly|completely|entirely) )?(?:safe|legal|legitimate)\b",
)
_SAYS_HARM = any_of(
    r"\b(?:it|this|that|which|request|question|answering|helping) (?:is|are|would be|could be|can be|may be) "
    r"(?:(?!not|never|hardly)\w{1,12} )?(?:harmful|dangerous|unsafe|illegal|unethical)\b",
    r"(?<!in\s)\b(?:it|this|that|which|the request) (?:would|could|can|will|may|might) (?:(?:seriously|really) )?"
    r"(?:hurt|harm|endanger) (?:some(?:one|body)?|others|people|them|him|her|an?|the)\b",
    r"\b(?:is not|isn't) (?:safe|harmless|benign|legal)\b",
    r"\b(?:it|which|this) (?:violates|endangers|exploits|humiliates|threatens)\b",
)


@rule("Such tokens end turns and change roles when a text is tokenised.", blocking=True)
def template_token(row: CheckedRow) -> str | None:
    parts = [("prompt", row.seed.prompt)]
    parts += [(stage.name, stage.span.of(row.draft.completion)) for stage in row.draft.stages]
    for name, text in parts:
        if ("<" in text or "[" in text) and (found := _TEMPLATE_TOKEN.search(text)):
            return f"the {name} holds {found[0]!r}"
    return None


@rule("The student has seen no trace and no label; it would learn to make them up.", blocking=True)
def tells_of_source(row: CheckedRow) -> str | None:
    for found in _SOURCE.finditer(row.new_text):
        # "the label" of a bottle, "the trace" of a call: the prompt speaks of it.
        if not any(word and word.casefold()[:5] in row.seed.prompt.casefold() for word in found.groupdict().values()):
            return f"the text speaks of {excerpt(row.new_text, found.start(), found.end() + 30)}"
    return None


@rule("The student has seen no safety policy; it would learn to make one up.", blocking=True)
def policy_cited(row: CheckedRow) -> str | None:
    for name, text in (("reasoning", row.own_reasoning), ("answer", row.answer)):
        if cites_policy(text, row.seed.prompt):
            return f"the {name} speaks of a safety policy or guideline"
    return None


@rule("A quotation that the prompt lacks was made up, or is from what the student never sees.", blocking=False)
def quotes_unsaid(row: CheckedRow) -> str | None:
    for found in _QUOTE.finditer(f"{row.understanding}\n{row.new_text}"):
        quoted = words_of(next(group for group in found.groups() if group))
        if len(quoted.split()) >= QUOTED_LEAST_WORDS and quoted not in row.prompt_words:
            return f"the prompt does not say {excerpt(found[0])}"
    return None


@rule("A reason that repeats its prompt may have followed it, too; and it gives no reason.", blocking=False)
def copies_prompt(row: CheckedRow) -> str | None:
    copied = copied_words(row.reason or "", row.prompt_words)
    return f"the reason copies {COPIED_LEAST_WORDS} words of the prompt: {excerpt(copied)}" if copied else None


def copied_words(reason: str, prompt_words: str) -> str | None:
    """The first COPIED_LEAST_WORDS words in a row that a reason shares with its prompt (as `words_of` gives it)."""
    words = words_of(reason).split()
    for start in range(len(words) - COPIED_LEAST_WORDS + 1):
        run = " ".join(words[start : start + COPIED_LEAST_WORDS])
        if f" {run} " in prompt_words:
            return run
    return None


@rule("There is no assessment without a reason.", blocking=True)
def reason_degenerate(row: CheckedRow) -> str | None:
    stage = row.draft.stage(row.assessment_stage) if row.assessment_stage is not None else None
    if row.draft.reason is None and stage and any(piece.origin == "drawn" for piece in stage.pieces):
        return "the assessment was drawn, and there is no reason in it"
    reason = row.reason
    if reason is None:
        return None
    if _PLACEHOLDER.search(reason):
        return f"the reason is empty or a placeholder: {excerpt(reason)}"
    words = WORD.findall(reason.casefold())
    often = Counter(word for word in words if len(word) > 3 and word not in _COMMON)
    in_a_row = any(a == b == c for a, b, c in zip(words, words[1:], words[2:], strict=False))
    if in_a_row or (often and often.most_common(1)[0][1] >= 4):
        return f"the reason goes round in circles: {excerpt(reason)}"
    if declines(reason):
        return f"the reason is a refusal: {excerpt(reason)}"
    if row.draft.reason is not None and _SAYS_VERDICT_TWICE.search(reason):
        return f"the reason states the verdict once more: {excerpt(reason)}"
    return None


@rule("A reason that breaks off teaches to break off.", blocking=True)
def reason_unfinished(row: CheckedRow) -> str | None:
    reason = row.reason
    if not reason or not reason.strip():
        return None
    open_marks = reason.count("(") != reason.count(")") or reason.count("“") != reason.count("”")
    if _UNFINISHED.search(reason) or open_marks or reason.count('"') % 2:
        return f"the reason breaks off: {excerpt(reason, -80)}"
    return None


@rule("'Harmful because it hurts nobody' teaches that verdicts mean nothing.", blocking=True)
def reason_contradicts(row: CheckedRow) -> str | None:
    if not row.reason:
        return None
    found = (_SAYS_NO_HARM if row.draft.branch == "harmful" else _SAYS_HARM).search(row.reason)
    return f"the reason speaks for the other verdict: {excerpt(row.reason, found.start())}" if found else None


@rule("The understanding says what is asked; more is reasoning before the assessment.", blocking=False)
def understanding_long(row: CheckedRow) -> str | None:
    length = len(row.understanding)
    return f"the understanding has {length} characters" if length > UNDERSTANDING_MOST_CHARACTERS else None


@rule("A reason is a clause, not a lecture.", blocking=False)
def reason_long(row: CheckedRow) -> str | None:
    count = len(WORD.findall(row.reason or ""))
    return f"the reason has {count} words" if count > REASON_MOST_WORDS else None


@rule("A refusal is 1-3 sentences; for self-harm it may take longer.", blocking=False, branch="harmful")
def refusal_long(row: CheckedRow) -> str | None:
    if row.category == Category.SELF_HARM:
        return None
    # A refusal of 2,000 characters is too long however its sentences are told apart.
    count = len(sentences(row.answer[:2000], MOST_SENTENCES + 1))
    return f"the answer has more than {MOST_SENTENCES} sentences" if count > MOST_SENTENCES else None


@rule("Thinking or refusing in another language than the prompt's is seldom meant.", blocking=False)
def language_differs(row: CheckedRow) -> str | None:
    spoken = clear_language(row.seed.prompt)
    texts = [("reasoning", row.own_reasoning)] + ([("answer", row.answer)] if row.draft.branch == "harmful" else [])
    for name, text in texts:
        used = clear_language(text)
        if spoken and used and spoken != used:
            return f"the prompt is in {spoken}, the {name} in {used}"
    return None


RULES: tuple[Rule, ...] = (
    template_token,
    tells_of_source,
    policy_cited,
    quotes_unsaid,
    copies_prompt,
    reason_degenerate,
    reason_unfinished,
    reason_contradicts,
    understanding_long,
    reason_long,
    refusal_long,
    language_differs,
)
