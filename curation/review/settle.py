"""Answers become decisions, and decisions what follows from them: a revision, a label, a case for the adjudicator.

It looks at every answered revision each time, so it may be killed and run again: what was decided already is decided
the same, and nothing is written twice.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from typing import NamedTuple

from curation.checks import CheckedRow, check
from curation.ledger import Ledger, insert_revision, now
from curation.reference import samples_agree
from curation.review.assign import is_heard
from curation.review.decide import (
    Asked,
    LabelDecision,
    adjudicate_failed_edit,
    approve_edited,
    decide,
    decide_label,
)
from curation.review.records import is_newest, writers_of
from curation.review.responses import (
    AnsweredRecord,
    insert_decision,
    insert_label,
    insert_label_decision,
    newest_decision,
    newest_label_decision,
    read_answered,
)
from curation.review.revise import revise
from curation.review.shown import read_drafts
from schemas.example import CheckResult, Draft, Failure
from schemas.review import Candidate, Decision, Kind, Response
from schemas.settings import Review
from schemas.structure import Pools, Structure


class House(NamedTuple):
    """What a project decides by."""

    rules: Review
    structure: Callable[[str], Structure]
    """By name."""
    pools: Pools
    standing: Kind
    """Whose answers the project waits for: machine accounts decide only where it has no person."""
    benign_max_tokens: int


class Settled(NamedTuple):
    """What came of the answers in this run."""

    decisions: Mapping[str, int]
    """Revisions by the outcome that is new."""
    revisions: int
    """New ones, that edits made."""
    labels: int
    """Label events."""


class _Revised(NamedTuple):
    draft: Draft
    results: tuple[CheckResult, ...]


def settle(ledger: Ledger, house: House) -> Settled:
    """Decides everything that the answers in the ledger allow. Raises LedgerError."""
    outcomes: Counter[str] = Counter()
    revisions, labels = 0, _settle_labels(ledger, house)
    for revision, group in groupby(read_answered(ledger, labels=False), key=lambda one: one.revision_id or ""):
        records = list(group)
        seed = records[0].seed_id
        decision, responses, offered = _decide(ledger, house, revision, records)
        revised = _revise(ledger, house, revision, decision) if decision.outcome == "edited" else None
        if isinstance(revised, Failure):
            decision, revised = adjudicate_failed_edit(decision, responses, revised.reason, offered), None
        if _is_known(ledger, decision):
            continue
        with ledger.transaction() as db:
            if not is_newest(ledger, revision) or _is_known(ledger, decision):  # another pull was here since
                continue
            insert_decision(db, seed, decision)
            if revised:
                author = ", ".join(decision.candidates[0].authors)
                insert_revision(db, revised.draft, revised.results, author, decision.kind, {}, now())
                if decision.final:
                    insert_decision(db, seed, approve_edited(decision, revised.draft.revision_id))
            if decision.outcome == "relabelled" and decision.label:
                insert_label(db, seed, decision.label, decision.kind, decision.deciders, f"said of {revision}")
        revisions += revised is not None
        labels += decision.outcome == "relabelled"
        outcomes[decision.outcome] += 1
    return Settled(outcomes, revisions, labels)


def _decide(
    ledger: Ledger, house: House, revision: str, records: Sequence[AnsweredRecord]
) -> tuple[Decision, tuple[Response, ...], tuple[Candidate, ...]]:
    """The adjudicator's word where there is one, else what the annotators' answers come to; the newest record first.

    With it the answers that it rests on, and the edits that these had to choose from.
    """
    writers = writers_of(ledger, revision)
    newest_first = sorted(reversed(records), key=lambda record: record.queue != "adjudication")
    for record in newest_first:
        responses = _heard(record, house)
        assert record.branch is not None, "a revision is of a draft"
        asked = Asked(
            revision_id=revision,
            branch=record.branch,
            round=record.round,
            needed=record.needed,
            writers=writers,
            queue=record.queue,
            candidates=record.candidates,
        )
        decision = decide(asked, responses, house.rules)
        if decision.outcome != "waiting":
            break
    return decision, responses, record.candidates


def _heard(record: AnsweredRecord, house: House) -> tuple[Response, ...]:
    return tuple(response for response in record.responses if is_heard(response.kind, house.standing))


def _is_known(ledger: Ledger, decision: Decision) -> bool:
    last = newest_decision(ledger, decision.revision_id, decision.kind)
    if last is None:
        return decision.outcome == "waiting"
    # Whether an edit is final shows in what was made of it, so the ledger does not keep it.
    return decision.model_copy(update={"final": False}) == last


def _revise(ledger: Ledger, house: House, revision: str, decision: Decision) -> _Revised | Failure:
    """The edited revision with its check results, or what stops it."""
    draft = read_drafts(ledger, [revision])[revision]
    revised = revise(draft, decision.candidates[0].texts, decision.kind)
    if isinstance(revised, Failure):
        return revised
    (work,) = ledger.load([draft.trace_id], draft.structure)
    agreed = samples_agree(work.trace.answer, work.other_answers)
    results = check(
        CheckedRow(
            draft=revised,
            seed=work.seed,
            trace=work.trace,
            label=work.label,
            structure=house.structure(draft.structure),
            pools=house.pools,
            author=decision.kind,
            answer_verified=agreed if decision.answer_right is None else decision.answer_right,
            benign_max_tokens=house.benign_max_tokens,
        )
    )
    for result in results:
        if result.blocking:
            return Failure(kind=result.rule, reason=f"{result.rule}: {result.reason}")
    return _Revised(revised, results)


def _settle_labels(ledger: Ledger, house: House) -> int:
    """Makes the label events that the answers in the queue of labels come to; returns how many are new."""
    made = 0
    for one in read_answered(ledger, labels=True):
        decided = decide_label(one.needed, _heard(one, house))
        if decided.label is None:
            continue
        if _is_label_known(ledger, one.seed_id, decided):
            continue
        with ledger.transaction() as db:
            if _is_label_known(ledger, one.seed_id, decided):  # another pull was here since
                continue
            insert_label_decision(db, one.seed_id, decided.label, decided.kind, decided.reasons, decided.deciders)
        made += 1
    return made


def _is_label_known(ledger: Ledger, seed: str, decided: LabelDecision) -> bool:
    return newest_label_decision(ledger, seed, decided.kind) == (decided.label, decided.deciders)
