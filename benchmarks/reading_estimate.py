"""The table of docs/annotating.md: how long a project's records take to read and decide.

python -m benchmarks.reading_estimate my-project/curate.db            every prompt's label and every newest revision
python -m benchmarks.reading_estimate my-project/curate.db --overlap 2
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

from curation.ledger import Ledger
from curation.review.reading import estimate
from curation.review.shown import Shown, show
from schemas.review import ReviewRecord


def records(ledger: Ledger, structure: str) -> Iterator[Shown]:
    """Every prompt as a record of the queue of labels, every newest revision that no rule stops as one of drafts."""
    labels = [
        ReviewRecord(id=str(seed), queue="labels", seed_id=str(seed), position=0, needed=1)
        for (seed,) in ledger.query("SELECT id FROM seeds")
    ]
    drafts = [
        ReviewRecord(
            id=str(revision), queue="drafts", seed_id=str(seed), revision_id=str(revision), position=0, needed=1
        )
        for seed, revision in ledger.query(
            "SELECT seed_id, revision_id FROM drafts_now WHERE NOT blocked AND structure = ?", (structure,)
        )
    ]
    yield from show(ledger, labels)
    yield from show(ledger, drafts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ledger", type=Path)
    parser.add_argument("--structure", default="alttrain")
    parser.add_argument("--overlap", type=int, default=1, help="people who see each draft")
    asked = parser.parse_args()
    ledger = Ledger.open(asked.ledger)
    print("| kind | records | median | slowest tenth from | hours in all |")
    print("|---|---|---|---|---|")
    for line in estimate(records(ledger, asked.structure)):
        people = 1 if line.kind == "label" else asked.overlap
        print(
            f"| {line.kind} | {line.records} | {line.median_seconds:.0f} s | {line.slow_seconds:.0f} s"
            f" | {line.hours * people:.1f} |"
        )
    ledger.connection.close()


if __name__ == "__main__":
    main()
