"""Exporting a release from a large ledger: the real command in a process of its own, imports included.

    python -m benchmarks.export                                 1,000 of 10,000 approved, median of 3
    python -m benchmarks.export --approved 100000 --size 10000 --runs 1

Half of the drafts are harmful, of eight things and four categories, half benign; all are approved by two persons.
Prompts are compared by TF-IDF, unless the packages of all-MiniLM-L6-v2 are installed: then the first run fills the
cache and is not counted.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.review_sync import longer
from curation.ledger import Ledger
from tests.project import CURATE
from tests.review_project import benign_rows, harmful_rows, make_drafts

PEAK = "import resource, subprocess, sys; done = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL); "
PEAK += "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024); sys.exit(done.returncode)"


def fill(folder: Path, approved: int) -> None:
    """A project with so many approved drafts."""
    subprocess.run([CURATE, "init", folder], check=True, capture_output=True)
    with Ledger.open(folder / "curate.db") as ledger:
        rows = [longer(row, 2) for row in harmful_rows(approved // 2)]
        rows += [longer(row, 6) for row in benign_rows(approved - approved // 2)]
        for start in range(0, len(rows), 5000):
            make_drafts(ledger, rows[start : start + 5000])
        with ledger.transaction() as db:
            db.execute("UPDATE seeds SET license = 'cc0-1.0'")
            db.execute(
                "INSERT INTO decisions (seed_id, revision_id, outcome, kind, reasons, candidates, answer_right,"
                """ deciders, at) SELECT seed_id, revision_id, 'approved', 'person', '[]', '[]', 1, '["a1", "a2"]',"""
                " '2026-01-01T00:00:00+00:00' FROM drafts_now"
            )


def export(folder: Path, size: int) -> tuple[float, int]:
    """(seconds, peak MB) of the command."""
    command = [str(CURATE), "-C", str(folder), "export", "--size", str(size), "--allow-fewer", "--json"]
    began = time.monotonic()
    done = subprocess.run([sys.executable, "-c", PEAK, *command], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return time.monotonic() - began, int(done.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--approved", type=int, default=10_000)
    parser.add_argument("--size", type=int, default=1_000)
    parser.add_argument("--runs", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "project"
        fill(folder, arguments.approved)
        if arguments.runs > 1:
            export(folder, arguments.size)
        runs = [export(folder, arguments.size) for _ in range(arguments.runs)]
        manifest = json.loads((folder / "releases/v1/manifest.json").read_text())
    seconds, megabytes = [run[0] for run in runs], max(run[1] for run in runs)
    print(f"{sum(manifest['rows'].values()):,} of {arguments.approved:,} approved, median of {len(runs)}")
    print(f"  {statistics.median(seconds):.1f} s ({min(seconds):.1f}-{max(seconds):.1f}), peak {megabytes} MB")


if __name__ == "__main__":
    main()
