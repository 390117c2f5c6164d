"""`curate audit` by rules: 1,000 traces in at most 5 s, and how often the rules are right.

    python benchmarks/audit.py              1,000 traces out of ../shared/seeds, to the finished report
    python benchmarks/audit.py --accuracy   the rules on tests/data/labelled_traces.jsonl, both halves
    python benchmarks/audit.py --accuracy --write     the same, kept as train/audit/accuracy.json

The mix is that of the seeds: 425 traces of 300 to 23,000 characters, each at most three times, every time another text,
so that nothing that is remembered helps. Times are wall clock and processor time of this process, imports left out.
"""

import argparse
import json
import time
from pathlib import Path

from curation.sentences import sentences
from train.audit.accuracy import STATED, LabelledTrace, measure, written
from train.audit.audit import Given, audit_trace, report
from train.audit.segments import segment

ROOT = Path(__file__).resolve().parent.parent
SEEDS = ROOT.parent / "shared" / "seeds"
LABELLED = ROOT / "tests" / "data" / "labelled_traces.jsonl"
TRACES, GOAL_SECONDS = 1000, 5.0


def labelled() -> list[LabelledTrace]:
    return [LabelledTrace.model_validate_json(line) for line in LABELLED.read_text("utf-8").splitlines()]


def accuracy(write: bool) -> None:
    found = measure(labelled(), sentences)
    for one in found:
        print(f"{one.part}: {one.traces} traces; sentences {one.sentences}, recognised {one.recognised}, "
              f"solved {one.solved}")  # fmt: skip
    if write:
        STATED.write_bytes(written(found))


def speed(kinds: list[str]) -> None:
    rows = [
        json.loads(line) for kind in kinds for line in (SEEDS / f"{kind}_traced.jsonl").read_text("utf-8").splitlines()
    ]
    given = [
        Given(
            f"{n}", f"{n}", "", "harmful", None, f"{rows[n % len(rows)]['trace']} ({n})", rows[n % len(rows)]["answer"]
        )
        for n in range(TRACES)
    ]
    sentences(given[0].thought)  # loads what is loaded once
    wall, processor = time.perf_counter(), time.process_time()
    found = [audit_trace(one, segment(one.thought, sentences(one.thought))) for one in given]
    report(found, source="seeds")
    wall, processor = time.perf_counter() - wall, time.process_time() - processor
    characters = sum(len(one.thought) for one in given)
    print(
        f"{'+'.join(kinds)}: {TRACES:,} traces, {characters:,} characters: {wall:.1f} s, {processor:.1f} s of "
        f"processor (goal {GOAL_SECONDS:.0f} s)"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--accuracy", action="store_true")
    parser.add_argument("--write", action="store_true")
    asked = parser.parse_args()
    if asked.accuracy:
        accuracy(asked.write)
    elif SEEDS.is_dir():
        speed(["harmful", "borderline"])
        speed(["harmful", "borderline", "benign"])
    else:
        print(f"{SEEDS} is not here: nothing to time")
