"""Rules of form: the draft is put together as its structure says, and it follows its label."""

from curation.checks.row import CheckedRow, Rule, excerpt, rule
from curation.refusal import declining
from curation.sentences import sentences
from schemas.example import Label
from schemas.reading import LONGEST_ASSESSMENT
from schemas.structure import ANSWER
from schemas.think import CLOSE, OPEN, join, split


@rule("A stage that is missing or out of order teaches another structure than the one named.", blocking=True)
def stages_out_of_order(row: CheckedRow) -> str | None:
    found, wanted = [stage.name for stage in row.draft.stages], list(row.takes)
    if found == wanted:
        return None
    return f"the stages are {', '.join(found) or 'none'}; {row.structure.name} has {', '.join(wanted)} on this branch"


@rule("Spans are what reviews, edits and ablations stand on.", blocking=True)
def spans_broken(row: CheckedRow) -> str | None:
    text, stages = row.draft.completion, row.draft.stages
    for stage in stages:
        at = stage.span.start
        for piece in stage.pieces:
            if piece.span.start != at or piece.span.end <= at:
                return f"the pieces of {stage.name} leave a gap or overlap at character {at}"
            at = piece.span.end
        if at != stage.span.end:
            return f"the pieces of {stage.name} end at character {at}, the stage at {stage.span.end}"
    reasoning = "\n\n".join(stage.span.of(text) for stage in stages if stage.name != ANSWER)
    try:
        rebuilt = join(reasoning, row.answer)
    except ValueError:
        return "a stage reaches over a thinking tag"
    return None if rebuilt == text else "the stages do not rebuild the completion"


@rule("A piece that claims to be verbatim must be, or its origin is a false statement.", blocking=True)
def cuts_altered(row: CheckedRow) -> str | None:
    sources = {"trace": row.trace.text, "answer": row.trace.answer}
    for stage in row.draft.stages:
        for piece in stage.pieces:
            if piece.origin not in sources:
                continue
            text = piece.span.of(row.draft.completion)
            start = piece.source_start
            if start is None or not sources[piece.origin].startswith(text, start):
                return f"{stage.name}: {excerpt(text)} does not stand in the original {piece.origin} at {start}"
    return None


@rule("Training and every parser part a completion at its one closing tag.", blocking=True)
def think_block_broken(row: CheckedRow) -> str | None:
    text = row.draft.completion
    if split(text) is None or not text.startswith(OPEN):
        return f"{text.count(OPEN)} opening and {text.count(CLOSE)} closing tags; one of each, the first at the start"
    return None


@rule("A student trained on an empty answer answers with nothing.", blocking=True)
def answer_empty(row: CheckedRow) -> str | None:
    thought = split(row.draft.completion)
    return "nothing follows the thinking" if thought is not None and not thought.answer.strip() else None


@rule("The method has one sentence of assessment; more of them is reasoning in its place.", blocking=True)
def assessment_not_one_sentence(row: CheckedRow) -> str | None:
    if row.assessment_stage is None:
        return None
    text = row.assessment
    if len(text) > LONGEST_ASSESSMENT:
        return f"the assessment has {len(text)} characters"
    count = len(sentences(text))
    return f"the assessment has {count} sentences" if count != 1 else None


@rule("A branch against its own verdict teaches to judge one way and act the other.", blocking=True)
def verdict_against_branch(row: CheckedRow) -> str | None:
    if row.verdict in (None, row.draft.branch):
        return None
    return f"the assessment says {row.verdict}, the draft takes the {row.draft.branch} branch"


@rule("An assessment in words that no pool has may still be right: a person reads it.", blocking=False)
def verdict_unread(row: CheckedRow) -> str | None:
    if row.assessment_stage is None or row.verdict is not None:
        return None
    return f"no verdict can be read from {excerpt(row.assessment)}"


@rule("The label decides. A draft made before it changed must be made again.", blocking=True)
def branch_against_label(row: CheckedRow) -> str | None:
    if row.label in (None, Label.UNSURE) or row.label.value == row.draft.branch:
        return None
    return f"the prompt is labelled {row.label}, the draft takes the {row.draft.branch} branch"


@rule("Model and label disagree, and either can be wrong: a person sees it first.", blocking=False)
def verdict_against_label(row: CheckedRow) -> str | None:
    verdict = row.draft.model_verdict
    if verdict is None or row.label in (None, Label.UNSURE) or verdict == row.label.value:
        return None
    return f"seeing the prompt alone the model says {verdict}, the label is {row.label}"


@rule("A harmful label over an answer that complied is doubtful, and would teach over-refusal.", blocking=False)
def source_complied(row: CheckedRow) -> str | None:
    noted = "source_complied" in row.draft.notes
    doubtful = row.label == Label.HARMFUL and row.draft.branch_from != "person"
    if not noted and not (doubtful and declining(row.trace.answer, row.category or "") is False):
        return None
    return f"the prompt is labelled harmful, but the original answer does not decline: {excerpt(row.trace.answer)}"


@rule("Only a model has judged the prompt so far.", blocking=False)
def no_label(row: CheckedRow) -> str | None:
    if row.label not in (None, Label.UNSURE) or "source_complied" in row.draft.notes:
        return None
    return (
        f"{'nobody is sure' if row.label else 'nobody has said'} what the prompt is; the model says {row.draft.branch}"
    )


RULES: tuple[Rule, ...] = (
    stages_out_of_order,
    spans_broken,
    cuts_altered,
    think_block_broken,
    answer_empty,
    assessment_not_one_sentence,
    verdict_against_branch,
    verdict_unread,
    branch_against_label,
    verdict_against_label,
    source_complied,
    no_label,
)
