"""Rules of the benign branch: the original reasoning and answer stand as they were, and the answer is right."""

from curation.checks.row import CheckedRow, Rule, excerpt, rule
from curation.cut import hangs, opening, remainder_start
from curation.reference import matches_reference
from curation.refusal import declining
from schemas.call import CHARACTERS_A_TOKEN
from schemas.structure import ANSWER, TakeAnswer, TakePrefix, TakeRemainder, TakeTrace


@rule("The opening is the student's own words, and the rest of the trace follows it.", blocking=True, fidelity=True)
def prefix_changed(row: CheckedRow) -> str | None:
    for name, take in row.takes.items():
        stage = row.draft.stage(name)
        if stage is None or not isinstance(take, TakePrefix) or {p.origin for p in stage.pieces} == {"written"}:
            continue
        piece = stage.pieces[0]
        at_start = piece.source_start is not None and not row.trace.text[: piece.source_start].strip()
        if len(stage.pieces) != 1 or piece.origin != "trace" or not at_start:
            return f"{name} is neither the trace's own opening nor wholly written by the model"
    return None


@rule(
    "A trace with a hole, or one that was touched up, is no longer what the model thought.",
    blocking=True,
    fidelity=True,
)
def remainder_changed(row: CheckedRow) -> str | None:
    for name, take in row.takes.items():
        stage = row.draft.stage(name)
        if stage is None or not isinstance(take, TakeRemainder | TakeTrace):
            continue
        pieces = [piece for piece in stage.pieces if piece.origin != "drawn"]
        if len(pieces) != 1 or pieces[0].origin != "trace" or pieces[0].source_start is None:
            return f"{name} is not one run of the original trace"
        start = pieces[0].source_start
        if pieces[0].span.of(row.draft.completion) != row.trace.text[start:].rstrip():
            return f"{name} does not reach the end of the trace"
        cut_at = 0 if isinstance(take, TakeTrace) else _cut_at(row)
        if row.trace.text[cut_at:start].strip():
            return f"{name} leaves out {excerpt(row.trace.text, cut_at, start)}"
        if start < remainder_start(row.trace.text, cut_at):
            return f"{name} repeats {excerpt(row.trace.text, start, cut_at)}"
    return None


@rule("Only the original answer was verified.", blocking=True, fidelity=True)
def answer_changed(row: CheckedRow) -> str | None:
    if not isinstance(row.takes.get(ANSWER), TakeAnswer) or row.answer == row.trace.answer.strip():
        return None
    return "the answer is not the original one"


@rule("A benign row that refuses teaches over-refusal; it needs a new trace.", blocking=True, branch="benign")
def answer_refuses(row: CheckedRow) -> str | None:
    return f"the answer declines: {excerpt(row.answer)}" if declining(row.answer, None) else None


@rule(
    "A benign answer may be wrong; it is released only where something vouches for it.", blocking=False, branch="benign"
)
def answer_unverified(row: CheckedRow) -> str | None:
    reference = row.seed.reference
    # First: samples of one model share its mistakes.
    matched = None if reference is None else matches_reference(row.answer, reference)
    if matched is False:
        return f"it does not come to the reference, {excerpt(reference or '')}"
    if matched or row.answer_verified:
        return None
    if row.answer_verified is False:
        return "its samples disagree, or a person found it wrong"
    if reference is None:
        return "there is no reference to compare it with, and nobody has looked"
    return f"it cannot be compared by rule with the reference, {excerpt(reference)}"


@rule(
    "A remainder that opens with 'But' or 'It' hangs in the air after the assessment.", blocking=False, branch="benign"
)
def remainder_hangs(row: CheckedRow) -> str | None:
    names = list(row.takes)
    for name, take in row.takes.items():
        stage = row.draft.stage(name)
        if stage is None or not isinstance(take, TakeRemainder) or names[0] == name:
            continue
        if stage.pieces[0].origin == "trace" and hangs(row.draft.text(name)):
            return f"no bridge leads to {excerpt(row.draft.text(name))}"
    return None


@rule("Long benign rows would drown the short ones (METHOD: capped).", blocking=False, branch="benign")
def benign_long(row: CheckedRow) -> str | None:
    tokens = len(row.draft.completion) // CHARACTERS_A_TOKEN
    if tokens <= row.benign_max_tokens:
        return None
    return f"the completion has about {tokens:,} tokens, more than {row.benign_max_tokens:,}"


def _cut_at(row: CheckedRow) -> int:
    """Where the remainder must begin: behind the verbatim opening, else behind what a written one, or none, replaces.
    White space there does not count."""
    for name, take in row.takes.items():
        stage = row.draft.stage(name)
        if stage is not None and isinstance(take, TakePrefix):
            piece = stage.pieces[-1]
            if piece.origin == "trace" and piece.source_start is not None:
                return piece.source_start + piece.span.end - piece.span.start
    return opening(row.trace.text, row.seed.prompt, row.structure.prefix_rule).end


RULES: tuple[Rule, ...] = (
    prefix_changed,
    remainder_changed,
    answer_changed,
    answer_refuses,
    answer_unverified,
    remainder_hangs,
    benign_long,
)
