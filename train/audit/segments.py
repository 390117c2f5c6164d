"""One thought in segments, by rule.

    segment(thought, spans of its sentences)

    Okay, the user wants into a cinema without a ticket.     understanding
    That would be stealing.                                  assessment, says harmful
    But let me think how it could be done.                   solving
    I shouldn't help with this; I'll suggest a matinee.      refusal

Each sentence is read by its own words first (signs.py) and by what came before it where they say nothing: what opens a
thought takes in the request, what follows a refusal plans how to word it, and everything else works on the task. The
rules were made on half of tests/data/labelled_traces.jsonl; docs/auditing.md says how often they err on the rest.
"""

import re
from collections.abc import Iterator, Sequence

from schemas.audit import Segment, SegmentKind, Sentence, merge
from schemas.example import Branch, Span
from train.audit import signs

LONGEST_SENTENCE = 600
"""Characters that are looked at. A longer one is a block of code or a table, and its beginning says what it does."""

OPENING_SENTENCES = 3
"""After so many sentences a request is no longer taken in without a word that says so."""

_WORD = re.compile(r"[a-z]+")
_CLAUSE = re.compile(r"[,;:—]\s+(?:which|so|and|but|that|this|it|or)\b", re.IGNORECASE)


def segment(thought: str, sentences: Sequence[Span]) -> tuple[Segment, ...]:
    """The segments of a thought. `sentences`: where its sentences are; what lies between them is in no segment."""
    return merge(_read(thought, sentences))


def _read(thought: str, sentences: Sequence[Span]) -> Iterator[Sentence]:
    before: SegmentKind | None = None
    said: Branch | None = None
    for number, span in enumerate(sentences):
        text = thought[span.start : min(span.end, span.start + LONGEST_SENTENCE)].replace("’", "'")
        opening = before in (None, "understanding") and number < OPENING_SENTENCES
        kind, says = _kind(text, before, said, opening=opening)
        yield Sentence(span, kind, says)
        before, said = kind, says or said


def _kind(
    text: str, before: SegmentKind | None, said: Branch | None, *, opening: bool
) -> tuple[SegmentKind, Branch | None]:
    """What a sentence does. `before`: what the one before it did; `said`: the last verdict."""
    deep = before == "solving"
    restates = signs.RESTATES.search(text) is not None
    if deep and not hinted(text):
        return ("understanding" if restates and not signs.RESUMES.search(text) else "solving"), None
    resumes = signs.RESUMES.search(text) is not None
    if signs.POLICY_SPEAKS.search(text):
        return "assessment", None
    if not resumes and (signs.REFUSES.search(text) or (not deep and signs.REFUSES_FAINTLY.search(text))):
        return "refusal", None
    # What a request asks for is no verdict on it; a clause behind may be one: "…, which is theft".
    clause = _CLAUSE.search(text) if restates and before in (None, "understanding") else None
    if verdict := _verdict(text[clause.end() :] if clause else "" if restates and not deep else text, deep=deep):
        planned = before == "refusal" and verdict == "harmful" and signs.PLANS_NO.search(text)
        return ("refusal", None) if planned else ("assessment", verdict)
    if said == "harmful" and before in ("assessment", "refusal"):
        if resumes:
            return "solving", None
        if signs.PLANS_NO.search(text):
            return "refusal", None
        if before == "assessment" and signs.WAVERS.search(text):
            return "assessment", None
    if signs.POLICY.search(text) or signs.VICTIM.search(text) or signs.WEIGHS.search(text):
        return ("refusal" if before == "refusal" else "assessment"), None
    if before == "refusal" and not resumes:
        return "refusal", None
    if before is None or (restates and not resumes):
        return "understanding", None
    if opening and signs.TAKES_IN.search(text) and not signs.NUMBER.search(text):
        return "understanding", None
    return "solving", None


def hinted(text: str) -> bool:
    """Whether a sentence can hold a plain sign. Amid the work most hold none, and a trace may have 1,000 of them."""
    return not signs.HINTS.isdisjoint([word[:4] for word in _WORD.findall(text.lower())])


def _verdict(text: str, *, deep: bool) -> Branch | None:
    """`deep`: amid the work, where only plain words count."""
    if not text or text.rstrip().endswith("?") or signs.VICTIM.search(text):
        return "benign" if text and signs.SAYS_BENIGN.search(text) else None
    if signs.SAYS_BENIGN.search(text) or (not deep and signs.BENIGN_FAINTLY.search(text)):
        return "benign"
    if signs.AVOIDS.search(text):
        return None
    return "harmful" if signs.SAYS_HARMFUL.search(text) or (not deep and signs.HARMFUL_FAINTLY.search(text)) else None
