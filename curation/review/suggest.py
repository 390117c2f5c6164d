"""The machine's decision, shown beforehand where a team switches that on. It anchors: a share of records stays blind.

Only blind records count for agreement (`[review] suggest_decision`, `blind_percent`).
"""

from collections.abc import Sequence

from curation.ledger import Ledger
from curation.review.queue import fraction
from curation.review.shown import Shown
from schemas.review import Choice, ReviewRecord
from schemas.settings import Review

_CHOICES = {"approved": Choice.APPROVE, "rejected": Choice.REJECT}


def stays_blind(record: ReviewRecord, rules: Review) -> bool:
    """Whether no decision is suggested on this record: by chance, the same for the same record."""
    return not rules.suggest_decision or fraction("blind", record.id) * 100 < rules.blind_percent


def suggest(ledger: Ledger, shown: Sequence[Shown]) -> list[Shown]:
    """Those of the records that are not blind with what machine accounts decided on their revision; where these said
    nothing, an approval of what no check flags."""
    suggested = []
    for one in shown:
        if one.record.blind or one.draft is None or one.record.queue == "adjudication":
            suggested.append(one)
            continue
        said = ledger.query(
            "SELECT outcome FROM decisions WHERE revision_id = ? AND kind = 'machine' ORDER BY id DESC LIMIT 1",
            (one.record.revision_id,),
        )
        choice = _CHOICES.get(str(said[0][0])) if said else None if one.draft.checks else Choice.APPROVE
        suggested.append(one._replace(suggestion=choice))
    return suggested
