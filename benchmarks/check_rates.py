"""The table of docs/checks.md: every rule, what it does, why, and how often it fires on a project's drafts.

python benchmarks/check_rates.py                          the rules alone
python benchmarks/check_rates.py my-project/curate.db     with how often each fires on the newest revisions
python benchmarks/check_rates.py my-project/curate.db --structure no_pu
"""

import argparse
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from curation.checks import ACROSS_ROWS, RULES, Rule

HEADER = ("rule", "branch", "kind", "fires", "why")


class Rate(NamedTuple):
    """On how many drafts a rule fires, of how many."""

    fired: int
    drafts: int


def read_rates(ledger: Path, structure: str) -> dict[str, Rate]:
    """Rates by rule, out of the ledger's view `checks_by_rule`. A rule that never fired has none."""
    with closing(sqlite3.connect(f"{ledger.resolve().as_uri()}?mode=ro", uri=True)) as db:
        rows = db.execute("SELECT rule, revisions, of_drafts FROM checks_by_rule WHERE structure = ?", (structure,))
        return {rule: Rate(fired, drafts) for rule, fired, drafts in rows}


def render(rates: Mapping[str, Rate]) -> str:
    """The table in Markdown, in the order in which the rules run, those across rows last; without rates a dash stands
    for each."""
    never = Rate(0, next((rate.drafts for rate in rates.values()), 0))
    rows: list[tuple[str, ...]] = [HEADER, ("---",) * len(HEADER)]
    for name, branch, does, why in described():
        fired, drafts = rates.get(name, never)
        share = f"{fired} of {drafts}" if drafts else "–"
        rows.append((f"`{name}`", branch, does, share, why))
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def described() -> list[tuple[str, str, str, str]]:
    """(name, branch, kind, why) of every rule."""
    rules: list[tuple[str, str, str, str]] = [
        (rule.name, rule.branch or "both", kind(rule), rule.why) for rule in RULES
    ]
    return rules + [(across.name, "both", "flags", across.why) for across in ACROSS_ROWS]


def kind(rule: Rule) -> str:
    """What a rule does when it fires."""
    if rule.fidelity:
        return "blocks; a note on a person's revision"
    return "blocks" if rule.blocking else "flags"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ledger", nargs="?", type=Path)
    parser.add_argument("--structure", default="alttrain")
    options = parser.parse_args()
    print(render(read_rates(options.ledger, options.structure) if options.ledger else {}))
