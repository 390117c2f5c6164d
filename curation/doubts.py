"""Which harmful labels are doubtful: those over an answer that complied."""

from curation.ledger import Ledger
from curation.refusal import declining

LOT = 2000


def judge_answers(ledger: Ledger) -> None:
    """Notes of every trace under a dataset's 'harmful' whether its answer declines: one that complies puts the label
    in doubt. It looks at all that are not judged yet, as the label may have come long after the trace.

    Answers in a language in which `declining` knows no refusals stay unjudged.
    """
    after = ""
    while lot := ledger.unjudged(after, LOT):
        after = lot[-1].trace_id
        # Self-harm that its source does not name as such needs no look here: under any harm concern counts as a no.
        judged = [(row.trace_id, declining(row.answer, row.category or "")) for row in lot]
        ledger.set_declines((trace, declines) for trace, declines in judged if declines is not None)
