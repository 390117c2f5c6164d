"""What a single row promises, each in words where it is broken. Pure: rows in, sentences out.

of_row(row)                 spans rebuild the text, its four forms agree, nothing is empty
of_form(row, alttrain, …)   stages and branch are the structure's, and the label's
of_provenance(row, told)    every character has an origin, and no harmful trace is told unasked
"""

from collections.abc import Iterator

from exports.dataset import text_sha256
from schemas.example import Branch
from schemas.reading import read
from schemas.release import ProvenanceRow, SftRow
from schemas.structure import ANSWER, Pools, Structure, TakePool
from schemas.think import OPEN, has_marks, join, split


def of_row(row: SftRow) -> Iterator[str]:
    """What is wrong with a row by itself."""
    roles = [message.role for message in (*row.prompt, *row.completion)]
    if roles != ["user", "assistant"]:
        yield f"the turns are {', '.join(roles) or 'none'}, not one user message and one assistant message"
        return
    for name in ("id", "instruction", "family", "source", "license", "structure"):
        if not getattr(row, name).strip():
            yield f"{name} is empty"
    completion = row.completion[0].content
    if row.instruction != row.prompt[0].content:
        yield "instruction is not the prompt's text"
    if row.response != completion.removeprefix(f"{OPEN}\n"):
        yield "response is not the completion without its opening tag"
    thought = split(completion)
    if thought is None or not completion.startswith(OPEN):
        yield "the completion is not thinking in one pair of tags and an answer after it"
        return
    if not thought.answer.strip():
        yield "the answer is empty"
    yield from _of_spans(row, completion)


def _of_spans(row: SftRow, completion: str) -> Iterator[str]:
    names = [span.name for span in row.spans]
    if len(set(names)) != len(names):
        yield "two spans have one name"
    if not names or names[-1] != ANSWER:
        yield f"the last span is not {ANSWER!r}"
        return
    starts = [span.start for span in row.spans]
    if starts != sorted(starts):
        yield "the stages are not in the order in which they stand"
        return
    texts = [completion[span.start : span.end] for span in row.spans]
    *reasoning, answer = texts
    for name, text in zip(names, texts, strict=True):
        if name != ANSWER and not text.strip():
            yield f"the stage {name!r} is empty"
    if any(map(has_marks, texts)) or join("\n\n".join(reasoning), answer) != completion:
        yield "the spans do not rebuild the completion"


def of_form(row: SftRow, structure: Structure, pools: Pools, edited: bool) -> Iterator[str]:
    """Where the row is not of its structure, or says otherwise than its label. Paraphrased wordings are no fault.

    `edited`: somebody's words may stand in the place of a drawn wording, and any text fits a branch that goes on in
    free words. Then only a drawn wording of the other branch shows that it was taken.
    """
    expected = [name for name, _ in structure.takes(row.label)]
    names = [span.name for span in row.spans]
    if names != expected:
        yield f"the stages are not those of {structure.name} for {row.label} rows: {', '.join(expected)}"
    reading = read(row.completion[0].content, structure, pools)
    taken = reading.branch
    if (
        taken is not None
        and taken != row.label
        and (reading.exact or not edited or _is_known_by_wording(structure, taken, pools))
    ):
        yield f"the label is {row.label}, and the reasoning takes the {taken} branch"
    if reading.verdict not in (None, row.label):
        yield f"the label is {row.label}, and the assessment says {reading.verdict}"


def _is_known_by_wording(structure: Structure, branch: Branch, pools: Pools) -> bool:
    """Whether a branch draws a stage of its reasoning, the verdict aside."""
    return any(
        isinstance(take, TakePool) and pools[take.pool].verdict is None for _, take in structure.takes(branch)[:-1]
    )


def of_provenance(row: SftRow, told: ProvenanceRow, harmful_traces: bool) -> Iterator[str]:
    """Where provenance does not fit its row. `harmful_traces`: the release says that it holds those on purpose."""
    completion = row.completion[0].content if row.completion else ""
    for span in row.spans:
        at = span.start
        for piece in (piece for piece in told.pieces if piece.stage == span.name):
            if piece.span.start != at:
                break
            at = piece.span.end
        if at != span.end:
            yield f"the pieces do not cover the stage {span.name!r}"
    if unknown := {piece.stage for piece in told.pieces} - {span.name for span in row.spans}:
        yield f"pieces of {len(unknown)} stages that the row does not have"
    if told.trace and row.label == "harmful" and not harmful_traces:
        yield "the original trace of a harmful row is told"
    if told.trace:
        if text_sha256(told.trace) != told.trace_sha256:
            yield "the trace does not have its hash"
        for piece in told.pieces:
            start, text = piece.source_start, piece.span.of(completion)
            if piece.origin == "trace" and start is not None and not told.trace.startswith(text, start):
                yield f"a piece of the stage {piece.stage!r} is not in the trace where it says"
    if told.decided_by != "nobody" and not told.deciders:
        yield f"decided by a {told.decided_by}, and by nobody in particular"
    if told.agreeing > told.answers:
        yield f"{told.agreeing} of {told.answers} answers agree"
