"""The same approved rows in another structure, for ablations. Pure, and always the same for the same.

    derive(approved, no_ha, pools)    Derived(structure="no_ha", approved=(…), failures={"d07be….1": …})
    common([alttrain, no_ha, …])      of each only the rows that all of them have

Every stage starts from the text that was approved, so that a person's edits go along. Its own text or its wording is
taken anew only where the two structures say otherwise of it: a wording from another pool or by another rule of
drawing, a trace that is parted elsewhere, the reason of another prompt. Nothing is asked of a model. So
`alttrain_paper` keeps the approved assessment, a pool's wording around the LLM's reason, where `curate generate` has
the LLM write the whole sentence; schemas.reading, which looks for free words there, cannot tell the verdict of some.

An approval binds the text that was read. What is derived was read by nobody, and says so.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from curation.assembly import Run, assemble, verbatim
from curation.cut import hangs, opening, remainder_start
from curation.language import language
from curation.refusal import harm_category
from curation.structures import load_structure
from schemas.errors import StructureError
from schemas.example import Branch, Draft, Failure, draft_id
from schemas.release import Approval, Approved, WrittenPiece
from schemas.structure import (
    ANSWER,
    BRANCHES,
    REASON_SLOT,
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
    assesses,
    require_pools,
    understands,
)

KEPT_EDIT = "kept_edit"
"""The note of a draft that keeps an edit where its structure would have taken another text."""


class Derived(NamedTuple):
    """Approved rows in another structure."""

    structure: str
    approved: tuple[Approved, ...]
    """In the order of the rows that they come from."""
    failures: Mapping[str, Failure]
    """By the id of the row that could not be had."""


class _Part(NamedTuple):
    """A run of characters, and what wrote it."""

    run: Run
    model: str | None = None
    prompt_version: str | None = None


_Parts = list[_Part]


class _Lent(NamedTuple):
    """The reason of another row."""

    parts: _Parts
    editors: tuple[str, ...]
    """Who typed in it, by pseudonym."""


def derive(
    approved: Sequence[Approved], structure: Structure, pools: Pools, *, base: Structure | None = None
) -> Derived:
    """The rows in `structure`, in the order given: a draft of its own for each, or the reason why there is none.

    `base`: the structure that the rows are in; None: the packaged one of that name. `pools` holds those of both. Rows
    that are in `structure` already stay what they are.

    Raises StructureError: rows of several structures or of a derived one, a pool that is missing, a stage that only the
    LLM can write.
    """
    names = sorted({one.draft.structure for one in approved})
    if len(names) > 1:
        raise StructureError(f"rows of several structures ({', '.join(names)}) cannot be derived together")
    if names in ([], [structure.name]):
        return Derived(structure.name, tuple(approved), {})
    base = base or load_structure(names[0])
    _require_derivable(structure, base, names[0], pools)
    rows = [_Row(one, structure, base, pools) for one in approved]
    if structure.borrows_reason:
        _lend(rows)
    made: list[Approved] = []
    failures: dict[str, Failure] = {}
    for row in rows:
        derived = _derive(row)
        if isinstance(derived, Failure):
            failures[row.one.id] = derived
        else:
            made.append(derived)
    return Derived(structure.name, tuple(made), failures)


def common(derived: Sequence[Derived]) -> list[tuple[Approved, ...]]:
    """Of each the rows whose trace all of them have, so that every structure trains the same prompts in one order."""
    traces = Counter(one.trace.id for each in derived for one in each.approved)
    return [tuple(one for one in each.approved if traces[one.trace.id] == len(derived)) for each in derived]


def _require_derivable(structure: Structure, base: Structure, rows_in: str, pools: Pools) -> None:
    if base.name != rows_in:
        raise StructureError(f"the rows are in the structure {rows_in}, not in {base.name}")
    if base.derived:
        raise StructureError(f"the rows are derived ones, in {base.name}; derive from those in {base.base}")
    if structure.base not in (None, base.name):
        raise StructureError(f"structure {structure.name}: it takes from rows in {structure.base}, not in {base.name}")
    require_pools(structure, pools)
    require_pools(base, pools)
    for branch in BRANCHES:
        known = dict(base.takes(branch))
        for stage, take in structure.takes(branch):
            if not _is_there(take, known.get(stage), pools):
                raise StructureError(
                    f"structure {structure.name}: the LLM writes its {stage}, which {base.name} has not; make it: "
                    f"curate generate --structure {structure.name}"
                )


def _is_there(take: Take, source: Take | None, pools: Pools) -> bool:
    """Whether approved rows can have what a stage needs of the LLM."""
    if isinstance(take, TakeWritten):
        judged = source is not None and take.field == "assessment" and assesses(source, pools)
        return take == source or judged
    if isinstance(take, TakePool) and take.fill == "reason":
        return isinstance(source, TakePool) and source.fill == "reason"
    return True


@dataclass
class _Row:
    """An approved row on its way into a structure."""

    one: Approved
    structure: Structure
    base: Structure
    pools: Pools
    lent: _Lent | None = None
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        branch, completion = self.one.label, self.one.draft.completion
        self.id = draft_id(self.one.trace.id, self.structure.name)
        self.category = harm_category(self.one.seed)
        self.spoken = language(self.one.seed.prompt)
        self.sources: Mapping[str, Take] = dict(self.base.takes(branch))
        self.parts: dict[str, _Parts] = defaultdict(list)
        for piece in self.one.pieces:
            run = Run(piece.span.of(completion), piece.origin, piece.source_start, piece.wording)
            self.parts[piece.stage].append(_Part(run, piece.model, piece.prompt_version))

    @property
    def draws_anew(self) -> bool:
        return self.structure.draw != self.base.draw

    @property
    def parts_anew(self) -> bool:
        """Whether the trace is parted elsewhere than it was. An understanding that was edited keeps its place."""
        edited = any(_is_edited(self.parts[name]) for name, take in self.sources.items() if understands(take))
        return self.structure.prefix_rule != self.base.prefix_rule and not edited

    def keep_edit(self, parts: _Parts) -> _Parts:
        if KEPT_EDIT not in self.notes:
            self.notes.append(KEPT_EDIT)
        return parts

    def draw(self, pool: str) -> tuple[str, str] | None:
        """(name, wording) that the new draft draws; None where the pool does not speak the prompt's language."""
        if self.pools[pool].language != self.spoken:
            return None
        return self.pools[pool].draw(self.id, self.category, self.structure.draw)


def _derive(row: _Row) -> Approved | Failure:
    one, structure = row.one, row.structure
    stages: list[tuple[str, _Parts]] = []
    for name, take in structure.takes(one.label):
        found = _stage(row, name, take)
        if isinstance(found, Failure):
            return found
        parts = [part for part in found if part.run.text]
        if not parts:
            return Failure(kind="no_stage", reason=f"the approved draft has no text for the stage {name!r}")
        stages.append((name, parts))
    assembled = assemble([(name, [part.run for part in parts]) for name, parts in stages])
    if isinstance(assembled, Failure):
        return assembled
    if structure.borrows_reason:
        row.notes.append("borrowed_reason")
    draft = Draft(
        id=row.id,
        seed_id=one.seed.id,
        trace_id=one.trace.id,
        structure=structure.name,
        branch=one.label,
        branch_from=one.draft.branch_from,
        model_verdict=one.draft.model_verdict,
        reason=_reason(row),
        completion=assembled.completion,
        stages=assembled.stages,
        notes=(*(note for note in one.draft.notes if note != "bridged"), *row.notes),
    )
    pieces = tuple(
        WrittenPiece(
            stage=stage.name,
            span=piece.span,
            origin=piece.origin,
            source_start=piece.source_start,
            wording=piece.wording,
            model=part.model,
            prompt_version=part.prompt_version,
        )
        for stage, (_, parts) in zip(draft.stages, stages, strict=True)
        for piece, part in zip(stage.pieces, parts, strict=True)
    )
    return one.model_copy(
        update={"draft": draft, "pieces": pieces, "checks": (), "approval": _unread(row, draft, pieces)}
    )


def _unread(row: _Row, draft: Draft, pieces: Sequence[WrittenPiece]) -> Approval:
    """Nobody's approval, which still tells whose words are in the text."""
    before = row.one.approval
    typed = {piece.stage for piece in pieces if piece.origin == "person"}
    typed |= {
        name for name in before.edited_stages if draft.text(name) and draft.text(name) == row.one.draft.text(name)
    }
    editors = {*before.editors, *(row.lent.editors if row.lent else ())} if typed else ()
    stages = tuple(stage.name for stage in draft.stages if stage.name in typed)
    return Approval(decided_by="nobody", edited_stages=stages, editors=tuple(sorted(editors)))


def _reason(row: _Row) -> str | None:
    """The reason as it stands in the text: the approved one, the lent one, none where no stage has an assessment."""
    takes = row.structure.takes(row.one.label)
    if not any(assesses(take, row.pools) for _, take in takes):
        return None
    return _text(row.lent.parts) if row.lent else row.one.draft.reason


def _stage(row: _Row, name: str, take: Take) -> _Parts | Failure:
    """The text of one stage, part by part, or why it cannot be had."""
    source, parts, trace = row.sources.get(name), row.parts[name], row.one.trace
    match take:
        case TakePrefix():
            return _prefix(row, take, source, parts)
        case TakeRemainder():
            return _remainder(row, take, source, parts)
        case TakeTrace() if take != source:
            return [_Part(verbatim(trace.text, 0, len(trace.text), "trace"))]
        case TakeAnswer() if take != source and name != ANSWER:
            return [_Part(verbatim(trace.answer, 0, len(trace.answer), "answer"))]
        case TakePool() | TakeRefusal() if take != source or row.draws_anew:
            return _drawn(row, name, take, source, parts)
    return parts


def _prefix(row: _Row, take: TakePrefix, source: Take | None, parts: _Parts) -> _Parts | Failure:
    if take == source:
        return parts
    said = source is not None and understands(source)
    if said and _is_edited(parts):
        return row.keep_edit(parts)
    trace = row.one.trace.text
    start = opening(trace, row.one.seed.prompt, take.rule)
    if start.usable:
        return [_Part(verbatim(trace, 0, start.end, "trace"))]
    if said and all(part.run.origin == "written" for part in parts):
        return parts
    return Failure(kind="no_opening", reason=f"the LLM would have to write the understanding: {start.why}")


def _remainder(row: _Row, take: TakeRemainder, source: Take | None, parts: _Parts) -> _Parts | Failure:
    trace = row.one.trace.text
    before = source if isinstance(source, TakeRemainder) else None
    bridge, rest = (parts[:1], parts[1:]) if before and parts and parts[0].run.origin == "drawn" else ([], parts)
    parted_anew = before is None or row.parts_anew
    if parted_anew:
        start = remainder_start(trace, opening(trace, row.one.seed.prompt, row.structure.prefix_rule).end)
        if before and any(part.run.origin != "trace" for part in rest):
            rest = row.keep_edit(_moved(rest, trace, start))
        else:
            rest = [_Part(verbatim(trace, start, len(trace), "trace"))]
    if not _text(rest).strip():
        return Failure(kind="no_remainder", reason="the trace has nothing after its opening to reason with")
    was_asked = before is not None and before.bridge is not None and not parted_anew
    if take.bridge is None or not (bridge if was_asked else hangs(_text(rest))):
        return rest
    if not bridge or take != source or row.draws_anew:
        drawn = row.draw(take.bridge)
        bridge = [_Part(Run(drawn[1] + " ", "drawn", wording=drawn[0]))] if drawn else []
    row.notes += ["bridged"] * len(bridge)
    return [*bridge, *rest]


def _moved(rest: _Parts, trace: str, start: int) -> _Parts:
    """An edited remainder that begins where the trace is parted now, if its beginning is still the trace's."""
    first = rest[0].run
    if first.origin != "trace" or first.source_start is None:
        return rest
    end = first.source_start + len(first.text)
    if start >= end:
        return rest
    return [_Part(Run(trace[start:end], "trace", source_start=start)), *rest[1:]]


def _drawn(row: _Row, name: str, take: TakePool | TakeRefusal, source: Take | None, parts: _Parts) -> _Parts | Failure:
    """A stage whose wording is drawn anew, or whose reason is lent. What holds no wording stays as it was approved:
    an original refusal, what the LLM wrote in a language that no pool speaks, what an editor put in its place."""
    slotted = isinstance(take, TakePool) and take.fill == "reason"
    lends = isinstance(take, TakePool) and take.reason_of == "another"
    if name == ANSWER or isinstance(source, TakePool | TakeRefusal):
        whole = slotted and _is_slotted(row.one, parts)
        if not whole and (slotted or any(part.run.origin != "drawn" for part in parts)):
            if lends:
                return Failure(
                    kind="no_slot", reason="the assessment is in no pool's wording, so its reason has no place"
                )
            return row.keep_edit(parts) if _is_edited(parts) else parts
    reason = [part for part in parts if part.run.origin != "drawn"] if slotted else []
    if lends:
        if row.lent is None:
            return Failure(kind="no_donor", reason=f"no other {row.one.label} row of another family to lend a reason")
        reason = row.lent.parts
        if isinstance(source, TakePool) and source.pool == take.pool and not row.draws_anew:
            at = next(at for at, part in enumerate(parts) if part.run.origin != "drawn")
            return [*parts[:at], *reason, *(part for part in parts[at:] if part.run.origin == "drawn")]
    drawn = row.draw(take.pool)
    if drawn is None:
        return Failure(kind="no_wording", reason=f"the pool {take.pool!r} has no wording in the prompt's language")
    head, _, tail = drawn[1].partition(REASON_SLOT)
    return [_Part(Run(head, "drawn", wording=drawn[0])), *reason, _Part(Run(tail, "drawn", wording=drawn[0]))]


def _is_edited(parts: _Parts) -> bool:
    return any(part.run.origin == "person" for part in parts)


def _is_slotted(one: Approved, parts: _Parts) -> bool:
    """Whether a stage is a pool's wording around the row's reason, with nothing else in it."""
    reason = [part for part in parts if part.run.origin != "drawn"]
    return one.draft.reason is not None and len(reason) < len(parts) and _text(reason) == one.draft.reason


def _text(parts: _Parts) -> str:
    return "".join(part.run.text for part in parts)


def _lend(rows: Sequence[_Row]) -> None:
    """Gives every row the reason of a row of another family on its branch, every reason to one row at most.

    Near-duplicate prompts are a family, and a reason fits all of them. Families stand one after the other, in an order
    that hangs on nothing but their names; each row takes the reason of the one that is as far on as the largest family
    is long. A row stays without where its family is more than half of the branch.
    """
    reasons: dict[Branch, list[tuple[_Row, _Parts]]] = defaultdict(list)
    for row in rows:
        for name, take in row.structure.takes(row.one.label):
            if isinstance(take, TakePool) and take.reason_of == "another" and _is_slotted(row.one, row.parts[name]):
                parts = [part for part in row.parts[name] if part.run.origin != "drawn"]
                reasons[row.one.label].append((row, parts))
                break
    for on_branch in reasons.values():
        on_branch.sort(key=lambda lender: (_place(lender[0].one.seed.family), lender[0].one.trace.id))
        families = Counter(row.one.seed.family for row, _ in on_branch)
        step = max(families.values())
        for place, (row, _) in enumerate(on_branch):
            lender, parts = on_branch[(place + step) % len(on_branch)]
            if lender.one.seed.family != row.one.seed.family:
                row.lent = _Lent(parts, lender.one.approval.editors if _is_edited(parts) else ())


def _place(family: str) -> bytes:
    return hashlib.blake2b(family.encode("utf-8", "surrogatepass"), digest_size=8).digest()
