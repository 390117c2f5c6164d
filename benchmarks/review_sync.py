"""Pushing drafts to Argilla and pulling the answers back, against the project's own server.

    python -m benchmarks.review_sync                       1,000 drafts, three runs, medians
    python -m benchmarks.review_sync --drafts 10000 --runs 1 --push-only

The real commands in processes of their own, imports included. Drafts are those of generated rows with the lengths of
real ones: a benign trace of some 2,400 characters, a harmful one of 700.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from curation.ledger import NewRow
from curation.review.machine import Answer
from curation.review.server import process
from schemas.example import trace_id
from tests.project import CURATE
from tests.review_project import ReviewProject, benign_rows, harmful_rows, make_drafts

FILLER = (
    "First I look at what is given and what is asked. The room should be dry, and some air should move through it. "
    "If the floor is cold, something soft belongs under the things. Let me check that again with the numbers given. "
)


class Run(NamedTuple):
    push_seconds: float
    again_seconds: float
    pull_seconds: float
    pull_again_seconds: float


def longer(row: NewRow, repeats: int) -> NewRow:
    assert row.trace is not None
    text = f"{row.trace.text} {FILLER * repeats}".strip()
    identity = trace_id(row.seed.id, text, row.trace.answer, None)
    return row._replace(trace=row.trace.model_copy(update={"id": identity, "text": text}))


def timed(folder: Path, *words: str) -> float:
    began = time.monotonic()
    done = subprocess.run([CURATE, "-C", folder, "review", *words], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return time.monotonic() - began


def measure(drafts: int, push_only: bool) -> Run:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        project = ReviewProject(folder, None, harmful=0, benign=0, settings="calibration = 0\n")
        rows = [longer(row, 2) for row in harmful_rows(drafts // 2)]
        rows += [longer(row, 10) for row in benign_rows(drafts - drafts // 2)]
        with project.ledger() as ledger:
            make_drafts(ledger, rows)
        project.run("review", "serve", "--detach")
        try:
            project.add_annotators("a1", "a2")
            push, again = timed(folder, "push"), timed(folder, "push")
            if push_only:
                return Run(push, again, 0.0, 0.0)
            answer = Answer({"decision": "approve", "answer_right": "yes"})
            with ThreadPoolExecutor(2) as both:
                list(both.map(lambda who: project.answer(who, lambda record: answer), ("a1", "a2")))
            pull, pull_again = timed(folder, "pull"), timed(folder, "pull")
            ((answered,),) = project.query("SELECT COUNT(DISTINCT record_id) FROM responses")
            assert answered == drafts, answered
        finally:
            process.stop(folder / process.FOLDER)
    return Run(push, again, pull, pull_again)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--drafts", type=int, default=1_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--push-only", action="store_true")
    arguments = parser.parse_args()
    runs = []
    for number in range(arguments.runs):
        runs.append(measure(arguments.drafts, arguments.push_only))
        print(f"run {number + 1}: {json.dumps(runs[-1]._asdict())}", file=sys.stderr)
    print(f"{arguments.drafts:,} drafts, median of {len(runs)}")
    for title, values in (
        ("push", [run.push_seconds for run in runs]),
        ("push again, nothing to send", [run.again_seconds for run in runs]),
        ("pull, every draft answered by two", [run.pull_seconds for run in runs]),
        ("pull again, nothing new", [run.pull_again_seconds for run in runs]),
    ):
        if any(values):
            print(f"  {title:<36}{statistics.median(values):6.1f} s   ({min(values):.1f}-{max(values):.1f})")


if __name__ == "__main__":
    main()
