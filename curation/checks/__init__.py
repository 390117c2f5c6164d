"""What a machine can reject or flag in a draft: one small named function a rule, told in words about the row.

    form       put together as its structure says, following its label
    harmful    stops, says no, gives nothing away
    benign     reasoning and answer as they were, and right
    text       tokens, talk of what the student never saw, weak reasons, lengths, language

A blocking rule keeps a revision out of review and release; any other shows it to a person first. Why each is which
stands beside it, and in docs/checks.md with how often it fires.
"""

from typing import NamedTuple

from curation.checks import benign, form, harmful, text
from curation.checks.row import CheckedRow, Rule
from schemas.example import CheckResult

__all__ = ["ACROSS_ROWS", "REPEATED_REASON_LEAST", "RULES", "AcrossRows", "CheckedRow", "Rule", "check"]

RULES: tuple[Rule, ...] = form.RULES + harmful.RULES + benign.RULES + text.RULES

REPEATED_REASON_LEAST = 3
"""Prompts whose drafts share a reason word for word, from which on each of these drafts is flagged."""


class AcrossRows(NamedTuple):
    """A rule that no row breaks alone: the ledger finds the rows, and it only flags them."""

    name: str
    why: str


ACROSS_ROWS = (AcrossRows("repeated_reason", "The same reason in many rows is learned by heart."),)


def check(row: CheckedRow) -> tuple[CheckResult, ...]:
    """Every rule that the row breaks, in the order of `RULES`. No rule raises, whatever the texts hold."""
    results = []
    for rule in RULES:
        if rule.branch in (None, row.draft.branch) and (reason := rule.find(row)) is not None:
            results.append(CheckResult(rule=rule.name, blocking=rule.blocks(row.author), reason=reason))
    return tuple(results)
