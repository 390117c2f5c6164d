"""What a release is made of, out of the ledger: approved revisions with all that they came from, and how it was done.

read_eligible     revisions that may be published, as far as choosing looks at them
read_approved     those that were chosen, each with its pieces, checks and approval
read_evidence     counts of the whole: funnel, agreement, edits, gold
"""

import gc
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

from pydantic import TypeAdapter

from curation.ledger import Ledger
from curation.review.accounts import list_annotators
from curation.review.gold import measure
from curation.review.shown import read_checks, read_drafts, read_seeds, read_traces
from curation.review.status import count_review
from curation.status import count, values
from schemas.example import Draft
from schemas.release import Approval, Approved, Eligible, Evidence, WrittenPiece
from schemas.report import Rate
from schemas.review import Kind
from schemas.settings import Settings
from schemas.structure import Structure


def read_eligible(ledger: Ledger, structure: str, *, unreviewed: bool) -> list[Eligible]:
    """Newest revisions of drafts that stand, not blocked, which persons approved, in order of draft.

    `unreviewed`: also what only machines approved, and what nobody decided yet; never what was rejected, relabelled
    or waits for the adjudicator. An approval of an older revision counts for nothing: it binds that text. One that was
    taken back counts for nothing either, though the ledger says who still stands by it.
    """
    rows = ledger.query(
        """SELECT revision_id, branch, seeds.category, style, source, family, prompt, completion,
            CASE outcome WHEN 'approved' THEN kind ELSE 'nobody' END,
            CASE outcome WHEN 'approved' THEN deciders ELSE '[]' END
        FROM review_now
        JOIN seeds ON seeds.id = seed_id
        JOIN revisions ON revisions.id = revision_id
        WHERE structure = ?1 AND NOT review_now.blocked AND ((outcome = 'approved' AND (kind = 'person' OR ?2))
            OR (outcome = 'waiting' AND ?2))
        ORDER BY review_now.draft_id""",
        (structure, unreviewed),
    )
    answers = _read_answers(ledger, [str(row[0]) for row in rows])
    told = []
    for *row, deciders in rows:
        people, said = json.loads(str(deciders)), answers.get(_draft_of(row[0]), {})
        agreeing = sum(said.get(name, ("", ""))[0] in ("approve", "approve_with_edits") for name in people)
        told.append((*row, len(people), agreeing))
    with _collector_paused():
        return list(values(Eligible, told))


def read_approved(ledger: Ledger, eligible: Iterable[Eligible], *, pseudonyms: bool) -> list[Approved]:
    """These revisions with all that they came from, in order of draft."""
    with _collector_paused():
        return _read_approved(ledger, {one.id: one for one in eligible}, pseudonyms)


@contextmanager
def _collector_paused() -> Iterator[None]:
    """Half a million values without a cycle among them: the collector would walk them again and again, and take two
    thirds of the time (10,000 rows: 5.1 s of the processor with it, 1.8 s without)."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _read_approved(ledger: Ledger, eligible: Mapping[str, Eligible], pseudonyms: bool) -> list[Approved]:
    rows = ledger.query(
        """SELECT revision_id, deciders, answer_right, decided_at FROM review_now
        WHERE revision_id IN (SELECT value FROM JSON_EACH(?)) ORDER BY draft_id""",
        (json.dumps(list(eligible)),),
    )
    ids = [str(row[0]) for row in rows]
    drafts = read_drafts(ledger, ids)
    seeds, labels = read_seeds(ledger, {draft.seed_id for draft in drafts.values()})
    traces = read_traces(ledger, {draft.trace_id for draft in drafts.values()})
    pieces, checks = _read_pieces(ledger, ids), read_checks(ledger, ids)
    answers = _read_answers(ledger, ids)
    edits = _read_edits(ledger, drafts)
    usd = _read_costs(ledger, {draft.trace_id for draft in drafts.values()})
    names = {one.name: one.pseudonym for one in list_annotators(ledger)} if pseudonyms else None

    def published(people: Iterable[str]) -> tuple[str, ...]:
        return tuple(sorted(people if names is None else (names.get(name, "unknown") for name in people)))

    approved = []
    for revision, deciders, right, at in rows:
        draft, chosen = drafts[str(revision)], eligible[str(revision)]
        is_decided = chosen.decided_by != "nobody"
        people = json.loads(str(deciders)) if is_decided else []
        said = answers.get(draft.id, {})
        stages, editors = edits.get(draft.revision_id, ((), ()))
        approved.append(
            Approved(
                seed=seeds[draft.seed_id],
                trace=traces[draft.trace_id],
                draft=draft,
                label_from=labels[draft.seed_id][1],
                pieces=pieces[draft.revision_id],
                checks=checks.get(draft.revision_id, ()),
                approval=Approval(
                    decided_by=chosen.decided_by,
                    deciders=published(people),
                    answers=chosen.answers,
                    agreeing=chosen.agreeing,
                    edited_stages=stages,
                    editors=published(editors),
                    answer_right=bool(right) if is_decided and right is not None else None,
                    guidelines=tuple(sorted({said[name][1] for name in people if name in said and said[name][1]})),
                    at=str(at) if is_decided else None,
                ),
                usd=usd.get(draft.trace_id),
            )
        )
    return approved


def read_evidence(ledger: Ledger, structure: Structure, settings: Settings, approved: Iterable[Approved]) -> Evidence:
    """How the set was made and reviewed, in counts."""
    status = count_review(ledger, structure.name)
    approved = list(approved)
    kinds = Counter(str(kind) for _, kind in ledger.query("SELECT DISTINCT annotator, kind FROM responses"))
    decided: dict[str, dict[Kind, int]] = {
        row.outcome: {"person": row.person, "machine": row.machine} for row in status.revisions
    }
    gold = [one.choices for one in measure(ledger) if one.kind == "person"]
    right, asked = sum(round(rate.value * rate.n) for rate in gold), sum(rate.n for rate in gold)
    versions = {piece.prompt_version for one in approved for piece in one.pieces if piece.prompt_version}
    return Evidence(
        funnel=count(ledger, (structure.name,)),
        structure=structure.name,
        structure_about=structure.about,
        agreement=status.agreement,
        annotators={kind: kinds[kind] for kind in ("person", "machine") if kinds[kind]},
        overlap=settings.review.overlap,
        decided=decided,
        edited=Rate.of(sum(bool(one.approval.edited_stages) for one in approved), len(approved)),
        gold=Rate.of(right, asked),
        prompt_versions=tuple(sorted(versions)),
    )


def _read_pieces(ledger: Ledger, revisions: Iterable[str]) -> dict[str, tuple[WrittenPiece, ...]]:
    rows = ledger.query(
        "SELECT revision_id, stage, start, end, origin, source_start, wording, model, prompt_version"
        " FROM pieces LEFT JOIN calls ON calls.id = call_id"
        " WHERE revision_id IN (SELECT value FROM JSON_EACH(?)) ORDER BY revision_id, position",
        (json.dumps(list(revisions)),),
    )
    names = ("stage", "origin", "source_start", "wording", "model", "prompt_version")
    # One call for all: 50,000 calls of their own take four times as long.
    pieces = TypeAdapter(list[WrittenPiece]).validate_python(
        [
            dict(zip(names, (stage, *told), strict=True)) | {"span": {"start": start, "end": end}}
            for _, stage, start, end, *told in rows
        ]
    )
    found: dict[str, list[WrittenPiece]] = defaultdict(list)
    for (revision, *_), piece in zip(rows, pieces, strict=True):
        found[str(revision)].append(piece)
    return {revision: tuple(told) for revision, told in found.items()}


def _read_answers(ledger: Ledger, revisions: Iterable[str]) -> Mapping[str, dict[str, tuple[str, str]]]:
    """(choice, version of the guidelines) by draft and annotator: of the newest text of the draft that they answered.

    An edit that was final, or that the adjudicator picked, is approved by the answers to the text before it.
    """
    found: dict[str, dict[str, tuple[str, str]]] = defaultdict(dict)
    for draft, name, choice, guidelines in ledger.query(
        "SELECT draft_id, annotator, choice, guidelines FROM responses_now"
        " JOIN review_records ON review_records.id = record_id"
        " JOIN revisions ON revisions.id = revision_id"
        " WHERE purpose = 'review' AND status = 'submitted' AND draft_id IN (SELECT value FROM JSON_EACH(?))"
        " ORDER BY number, answered_at",
        (json.dumps([_draft_of(revision) for revision in revisions]),),
    ):
        found[str(draft)][str(name)] = (str(choice), str(guidelines))
    return found


def _draft_of(revision: object) -> str:
    return str(revision).rpartition(".")[0]


def _read_edits(ledger: Ledger, drafts: Mapping[str, Draft]) -> dict[str, tuple[tuple[str, ...], tuple[str, ...]]]:
    """(stages that differ from the machine's first revision, who edited) of the revisions that were edited."""
    edited = {revision: draft for revision, draft in drafts.items() if draft.revision > 1}
    first = read_drafts(ledger, {f"{draft.id}.1" for draft in edited.values()})
    editors: dict[str, set[str]] = defaultdict(set)
    for draft, author in ledger.query(
        "SELECT draft_id, author FROM revisions WHERE number > 1 AND draft_id IN (SELECT value FROM JSON_EACH(?))",
        (json.dumps([draft.id for draft in edited.values()]),),
    ):
        editors[str(draft)].update(str(author).split(", "))
    return {
        revision: (
            tuple(s.name for s in draft.stages if draft.text(s.name) != first[f"{draft.id}.1"].text(s.name)),
            tuple(editors[draft.id]),
        )
        for revision, draft in edited.items()
    }


def _read_costs(ledger: Ledger, traces: Iterable[str]) -> dict[str, float]:
    rows = ledger.query(
        "SELECT trace_id, SUM(usd) FROM calls WHERE usd NOT NULL AND trace_id IN (SELECT value FROM JSON_EACH(?))"
        " GROUP BY trace_id",
        (json.dumps(list(traces)),),
    )
    return {str(trace): float(str(usd)) for trace, usd in rows}
