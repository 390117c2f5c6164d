"""One trace becomes one draft, or one named failure. Pure but for the model that it is handed.

    what the structure wants written  ->  at most two questions to the model  ->  assembly, always the same

The first question sees the prompt alone: a trace that refuses would give the label away. The second one, with the
label given, is asked only where verdict and label disagree or where the text depends on the branch.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Literal, NamedTuple

from pydantic import BaseModel

from curation.assembly import Run, assemble, verbatim
from curation.cut import Opening, hangs, opening, remainder_start
from curation.language import language
from curation.ledger import Work
from curation.prompts import FIELDS, Field, compose
from curation.refusal import declining, fit_refusal, harm_category
from schemas.call import Request
from schemas.example import Branch, Draft, Failure, draft_id
from schemas.structure import (
    ANSWER,
    BRANCHES,
    REASON_SLOT,
    Pool,
    Pools,
    Structure,
    Take,
    TakeAnswer,
    TakePool,
    TakePrefix,
    TakeRefusal,
    TakeRemainder,
    TakeTrace,
    TakeWritten,
)

Ask = Callable[[Request], Awaitable[BaseModel]]
"""Puts a request to a model and gives the reply that satisfies `request.reply`; raises `model.RowFailed`."""

Borrow = Callable[[Branch], str | None]
"""The reason of another prompt of that branch, for structures that borrow it; None where there is none."""

NEEDS_TRACE: frozenset[Field] = frozenset({"reasoning", "answer"})
DEPENDS_ON_BRANCH: frozenset[Field] = frozenset({"reason", "assessment"})


async def rewrite(
    work: Work, structure: Structure, pools: Pools, ask: Ask, borrow: Borrow, *, assume_label: bool, small: bool
) -> Draft | Failure:
    """The draft of a trace in a structure, or the reason why there is none.

    `assume_label`: a labelled row is not asked for a verdict, for models too weak to give one. `small`: the model
    needs examples in its prompt. Raises what `ask` raises.
    """
    seed, trace, category = work.seed, work.trace, harm_category(work.seed)
    spoken = language(seed.prompt)
    start = opening(trace.text, seed.prompt, structure.prefix_rule)
    wanted = {branch: _wanted(work, structure.takes(branch), pools, start, spoken) for branch in BRANCHES}
    label: Branch | None = _as_branch(work.label)
    if label == "benign" and work.label_from == "person" and (work.declines or declining(trace.answer, None)):
        said = "a person calls the prompt benign and its trace refuses: `curate trace` asks for a new one"
        return Failure(kind="needs_trace", reason=said)
    if label and structure.borrows_reason and borrow(label) is None:
        return _nothing_to_borrow(structure, label)
    rewritten = _rewrites_trace(structure)
    verdict: Branch | None = None
    written: dict[str, str] = {}

    async def put(fields: tuple[Field, ...], given: Branch | None) -> dict[str, str]:
        with_trace = rewritten and bool(NEEDS_TRACE & set(fields))
        request = compose(
            seed.prompt,
            fields,
            label=given,
            trace=trace.text if with_trace else None,
            answer=trace.answer if with_trace else None,
            category=category,
            language=spoken,
            small=small,
        )
        return (await ask(request)).model_dump()

    if label is None or not (assume_label or not wanted[label]):
        shared = set() if rewritten else set(wanted["harmful"]) & set(wanted["benign"])
        written = await put(_in_order(shared | {"verdict"}), None)
        verdict = "harmful" if written.pop("verdict") == "harmful" else "benign"
    branch = label or verdict
    assert branch is not None
    missing = _in_order(
        {f for f in wanted[branch] if f not in written or (f in DEPENDS_ON_BRANCH and verdict != branch)}
    )
    if missing:
        written |= await put(missing, branch)
    reason = borrow(branch) if structure.borrows_reason else written.get("reason")
    if structure.borrows_reason and reason is None:
        return _nothing_to_borrow(structure, branch)
    identity = draft_id(trace.id, structure.name, work.retired)
    material = _Material(work, structure, pools, start, spoken, written, reason, identity)
    return _assemble(material, branch, verdict)


def _nothing_to_borrow(structure: Structure, branch: Branch) -> Failure:
    said = f"no other {branch} draft in {structure.base} to take a reason from: generate that one first"
    return Failure(kind="no_donor", reason=said)


class _Material(NamedTuple):
    """All that assembly draws on."""

    work: Work
    structure: Structure
    pools: Pools
    start: Opening
    spoken: str
    written: Mapping[str, str]
    reason: str | None
    draft_id: str


def _assemble(material: _Material, branch: Branch, verdict: Branch | None) -> Draft | Failure:
    work, structure = material.work, material.structure
    notes = [] if work.label else ["source_complied" if work.source_complied else "no_label"]
    if structure.borrows_reason:
        notes.append("borrowed_reason")
    stages: list[tuple[str, list[Run]]] = []
    for name, take in structure.takes(branch):
        runs = [run for run in _runs(name, take, material) if run.text]
        if isinstance(take, TakeRemainder):
            if not runs:
                return Failure(kind="no_remainder", reason="the trace has nothing after its opening to reason with")
            if runs[0].origin == "drawn":
                notes.append("bridged")
        if runs:
            stages.append((name, runs))
    assembled = assemble(stages)
    if isinstance(assembled, Failure):
        return assembled
    return Draft(
        id=material.draft_id,
        seed_id=work.seed.id,
        trace_id=work.trace.id,
        structure=structure.name,
        branch=branch,
        branch_from=_branch_from(work),
        model_verdict=verdict,
        reason=material.reason,
        completion=assembled.completion,
        stages=assembled.stages,
        notes=tuple(notes),
    )


def _runs(name: str, take: Take, material: _Material) -> list[Run]:
    """The text of one stage, run by run, each with where it came from."""
    trace, start = material.work.trace, material.start
    match take:
        case TakePrefix() if start.usable:
            return [verbatim(trace.text, 0, start.end, "trace")]
        case TakePrefix():
            return [Run(material.written["understanding"], "written")]
        case TakeRemainder():
            rest = verbatim(trace.text, remainder_start(trace.text, start.end), len(trace.text), "trace")
            if take.bridge and hangs(rest.text) and material.pools[take.bridge].language == material.spoken:
                bridge, wording = _draw(take.bridge, material)
                return [Run(bridge + " ", "drawn", wording=wording), rest]
            return [rest]
        case TakeTrace():
            return [verbatim(trace.text, 0, len(trace.text), "trace")]
        case TakeAnswer():
            return [verbatim(trace.answer, 0, len(trace.answer), "answer")]
        case TakeWritten():
            return [Run(material.written[take.field], "written")]
        case TakeRefusal() if fit_refusal(trace.answer, harm_category(material.work.seed)):
            return [verbatim(trace.answer, 0, len(trace.answer), "answer")]
        case TakeRefusal() | TakePool():
            if material.pools[take.pool].language != material.spoken:
                return [Run(material.written[_instead_of_pool(name, material.pools[take.pool])], "written")]
            text, wording = _draw(take.pool, material)
            before, slot, after = text.partition(REASON_SLOT)
            drawn = Run(before, "drawn", wording=wording)
            if not slot:
                return [drawn]
            return [drawn, Run(material.reason or "", "written"), drawn._replace(text=after)]


def _draw(pool: str, material: _Material) -> tuple[str, str]:
    """(text, name) of the wording that this draft draws from a pool."""
    category, mode = harm_category(material.work.seed), material.structure.draw
    name, text = material.pools[pool].draw(material.draft_id, category, mode)
    return text, name


def _wanted(
    work: Work, takes: tuple[tuple[str, Take], ...], pools: Pools, start: Opening, spoken: str
) -> tuple[Field, ...]:
    """What the LLM must write for one branch, in the order of the stages."""
    fields = (_written_for(name, take, work, pools, start, spoken) for name, take in takes)
    return tuple(field for field in fields if field is not None)


def _written_for(name: str, take: Take, work: Work, pools: Pools, start: Opening, spoken: str) -> Field | None:
    match take:
        case TakePrefix() if not start.usable:
            return "understanding"
        case TakeWritten():
            return take.field
        case TakeRefusal() if fit_refusal(work.trace.answer, harm_category(work.seed)):
            return None
        case TakePool() | TakeRefusal() if pools[take.pool].language != spoken:
            return _instead_of_pool(name, pools[take.pool])
        case TakePool(fill="reason", reason_of="self"):
            return "reason"
    return None


def _rewrites_trace(structure: Structure) -> bool:
    """Whether the LLM writes reasoning or answer anew out of the originals, so that it must see them."""
    return any(
        isinstance(take, TakeWritten) and take.field in NEEDS_TRACE
        for branch in BRANCHES
        for _, take in structure.takes(branch)
    )


def _instead_of_pool(stage: str, pool: Pool) -> Field:
    """What the LLM writes where no pool speaks the prompt's language."""
    if stage == ANSWER:
        return "answer"
    return "assessment" if pool.verdict else "reasoning"


def _in_order(fields: set[Field]) -> tuple[Field, ...]:
    return tuple(field for field in FIELDS if field in fields)


def _as_branch(label: str | None) -> Branch | None:
    return "harmful" if label == "harmful" else "benign" if label == "benign" else None


def _branch_from(work: Work) -> Literal["person", "dataset", "model"]:
    return "person" if work.label_from == "person" else "dataset" if work.label_from == "dataset" else "model"
