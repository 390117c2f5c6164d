"""The rules of checks/ on a row that is published already, a stranger's too: those that its text alone can break.

Left out are rules that compare with the original trace or with labels, which a release need not hold, and those of
form, which exports/promises.py holds every row against.
"""

from collections.abc import Iterator

from curation.checks import RULES
from curation.checks.row import CheckedRow, Rule
from schemas.example import Draft, Piece, Seed, Span, Stage, Trace
from schemas.release import ProvenanceRow, SftRow, StageSpan
from schemas.structure import ANSWER, Pools, Structure

OF_TEXT = frozenset(
    {
        "answer_refuses",
        "assessment_not_one_sentence",
        "verdict_against_branch",
        "solves",
        "drifts_back",
        "gives_steps",
        "answer_complies",
        "self_harm_cold",
        "template_token",
        "tells_of_source",
        "policy_cited",
        "reason_degenerate",
        "reason_unfinished",
        "reason_contradicts",
    }
)


def recheck(row: SftRow, told: ProvenanceRow | None, structure: Structure, pools: Pools) -> Iterator[Rule]:
    """The blocking rules that the row's text breaks. `told`: without it the LLM's reason is not known, and what is
    asked of a reason is not asked. The row is one assistant message, and of this structure."""
    draft = _draft(row, told)
    checked = CheckedRow(
        draft=draft,
        seed=Seed(id="", family=row.family, prompt=row.instruction, source=row.source, category=row.category or None),
        trace=Trace(id="", seed_id="", text="", answer=""),
        label=None,
        structure=structure,
        pools=pools,
        author="person",
    )
    for rule in RULES:
        asked = rule.name in OF_TEXT and rule.branch in (None, row.label)
        if asked and (draft.reason is not None or not rule.name.startswith("reason_")) and rule.find(checked):
            yield rule


def _draft(row: SftRow, told: ProvenanceRow | None) -> Draft:
    completion = row.completion[0].content
    stages = tuple(_stage(span, row, told) for span in row.spans)
    reasons = [
        written.span.of(completion)
        for stage in stages
        if any(piece.origin == "drawn" for piece in stage.pieces)
        for written in stage.pieces
        if written.origin == "written"
    ]
    return Draft(
        id="",
        seed_id="",
        trace_id="",
        structure=row.structure,
        branch=row.label,
        branch_from="dataset",
        reason=reasons[0] if len(reasons) == 1 else None,
        completion=completion,
        stages=stages,
    )


def _stage(span: StageSpan, row: SftRow, told: ProvenanceRow | None) -> Stage:
    place = Span(start=span.start, end=span.end)
    pieces = tuple(
        Piece(span=piece.span, origin=piece.origin, source_start=piece.source_start, wording=piece.wording)
        for piece in (told.pieces if told else ())
        if piece.stage == span.name
    )
    if not pieces and span.name == ANSWER and row.label == "harmful":
        # Nobody says who wrote it, so it is read as if a person had: it has to decline.
        pieces = (Piece(span=place, origin="person"),)
    return Stage(name=span.name, span=place, pieces=pieces)
