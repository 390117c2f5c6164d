"""Everything that one record of a queue shows, as values: between the ledger, which knows it, and Argilla's page."""

import json
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from pydantic import TypeAdapter

from curation.ledger import SEED_COLUMNS, Ledger, read_seed
from curation.status import values
from schemas.example import CheckResult, Draft, Piece, Seed, Span, Stage, Trace
from schemas.review import Choice, ReviewRecord
from schemas.structure import BRANCHES, Structure

NOBODY_ELSE = "every annotator wrote this text or opted out of its category"
"""Why a revision without a decision stands before the adjudicator."""


class ShownDraft(NamedTuple):
    """A revision to be judged, with all that it came from."""

    draft: Draft
    trace: Trace
    previous: Draft | None
    """The revision that an annotator edited into this one; None for what the machine made."""
    checks: tuple[CheckResult, ...]


class Shown(NamedTuple):
    """A record with its prompt. `draft` is None in the queue of labels."""

    record: ReviewRecord
    seed: Seed
    label: str | None
    """What the prompt is said to be now, and by whom ('person', 'dataset'); None: nobody said."""
    label_from: str | None
    draft: ShownDraft | None = None
    suggestion: Choice | None = None
    """The machine's decision, where the team shows it beforehand; None keeps the record blind."""
    why: tuple[str, ...] = ()
    """adjudication: the reasons of the decision that led here, each one line, without a name."""


class Boxes(NamedTuple):
    """The text boxes of a structure's records: one a stage, and one for the answer, in the order of the stages."""

    stages: tuple[str, ...]


def boxes_of(structure: Structure) -> Boxes:
    """The boxes of both branches together: a stage that a branch lacks has a box that stays empty there."""
    names = [name for branch in BRANCHES for name, _ in structure.takes(branch)]
    return Boxes(tuple(dict.fromkeys(names)))


def read_drafts(ledger: Ledger, revisions: Iterable[str]) -> dict[str, Draft]:
    """These revisions as drafts, by revision id."""
    asked = json.dumps(list(revisions))
    rows = ledger.query(
        "SELECT revision_id, stage, start, end, origin, source_start, wording FROM pieces"
        " WHERE revision_id IN (SELECT value FROM JSON_EACH(?)) ORDER BY revision_id, position",
        (asked,),
    )
    pieces = TypeAdapter(list[Piece]).validate_python(
        [
            {"span": {"start": start, "end": end}, "origin": origin, "source_start": at, "wording": wording}
            for _, _, start, end, origin, at, wording in rows
        ]
    )
    stages: dict[str, dict[str, list[Piece]]] = {}
    for (revision, stage, *_), piece in zip(rows, pieces, strict=True):
        stages.setdefault(str(revision), {}).setdefault(str(stage), []).append(piece)
    drafts = {}
    for revision, *row, notes in ledger.query(
        "SELECT revisions.id, drafts.id, number, seed_id, trace_id, structure, branch, branch_from, model_verdict,"
        " reason, completion, notes FROM revisions JOIN drafts ON drafts.id = draft_id"
        " WHERE revisions.id IN (SELECT value FROM JSON_EACH(?))",
        (asked,),
    ):
        names = ("id", "revision", "seed_id", "trace_id", "structure", "branch", "branch_from", "model_verdict")
        data = dict(zip((*names, "reason", "completion"), row, strict=True))
        made = tuple(
            Stage(
                name=name,
                span=Span(start=pieces[0].span.start, end=pieces[-1].span.end),
                pieces=tuple(pieces),
            )
            for name, pieces in stages[str(revision)].items()
        )
        drafts[str(revision)] = Draft.model_validate(data | {"stages": made, "notes": json.loads(str(notes))})
    return drafts


def show(ledger: Ledger, records: Sequence[ReviewRecord]) -> list[Shown]:
    """Each record with everything that stands in it, in the order given."""
    drafts = read_drafts(ledger, {r.revision_id for r in records if r.revision_id})
    previous = read_drafts(ledger, {f"{d.id}.{d.revision - 1}" for d in drafts.values() if d.revision > 1})
    seeds, labels = read_seeds(ledger, {record.seed_id for record in records})
    traces = read_traces(ledger, {draft.trace_id for draft in drafts.values()})
    checks = read_checks(ledger, drafts)
    shown = []
    for record in records:
        draft = drafts.get(record.revision_id or "")
        label, label_from = labels[record.seed_id]
        shown.append(
            Shown(
                record=record,
                seed=seeds[record.seed_id],
                label=label,
                label_from=label_from,
                draft=None
                if draft is None
                else ShownDraft(
                    draft=draft,
                    trace=traces[draft.trace_id],
                    previous=previous.get(f"{draft.id}.{draft.revision - 1}"),
                    checks=checks.get(draft.revision_id, ()),
                ),
                why=_read_reasons(ledger, draft.revision_id) if draft and record.queue == "adjudication" else (),
            )
        )
    return shown


def _read_reasons(ledger: Ledger, revision: str) -> tuple[str, ...]:
    for (reasons,) in ledger.query("SELECT reasons FROM decisions_now WHERE revision_id = ?", (revision,)):
        return tuple(json.loads(str(reasons)))
    return (NOBODY_ELSE,)


def read_seeds(ledger: Ledger, ids: Iterable[str]) -> tuple[dict[str, Seed], dict[str, tuple[str | None, str | None]]]:
    """Seeds, and what their prompts are said to be now and by whom, by id."""
    seeds, labels = {}, {}
    for *columns, label, origin in ledger.query(
        f"SELECT {SEED_COLUMNS}, label, origin FROM seeds JOIN seed_labels ON seed_id = seeds.id"  # noqa: S608
        " WHERE seeds.id IN (SELECT value FROM JSON_EACH(?))",
        (json.dumps(list(ids)),),
    ):
        seed = read_seed(columns)
        seeds[seed.id] = seed
        labels[seed.id] = (_text(label), _text(origin))
    return seeds, labels


def read_traces(ledger: Ledger, ids: Iterable[str]) -> dict[str, Trace]:
    """Traces, by id."""
    rows = ledger.query(
        "SELECT id, seed_id, text, answer, model FROM traces WHERE id IN (SELECT value FROM JSON_EACH(?))",
        (json.dumps(list(ids)),),
    )
    return {trace.id: trace for trace in values(Trace, rows)}


def read_checks(ledger: Ledger, revisions: Iterable[str]) -> dict[str, tuple[CheckResult, ...]]:
    """Rules that fired, by revision, blocking ones first."""
    found: dict[str, tuple[CheckResult, ...]] = {}
    for revision, *row in ledger.query(
        "SELECT revision_id, rule, blocking, reason FROM check_results"
        " WHERE revision_id IN (SELECT value FROM JSON_EACH(?)) ORDER BY revision_id, blocking DESC, rule",
        (json.dumps(list(revisions)),),
    ):
        found[str(revision)] = (*found.get(str(revision), ()), *values(CheckResult, [row]))
    return found


def _text(value: object) -> str | None:
    return None if value is None else str(value)
