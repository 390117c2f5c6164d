"""Choosing a release: how long it takes, and how much memory, with all embeddings there.

python -m benchmarks.release_select

10,000 approved rows to 1,000, 100,000 to 10,000; vectors as MiniLM has them (384 numbers, gathered around topics), and
TF-IDF made on the way. Each case in a process of its own, with one thread of BLAS: two that share a busy core spin.
Seconds of the clock and of the processor are medians of three. Nothing is written.
"""

import os
import random
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from exports.embed import GRID, TermVectors, Vectors
from exports.select import select
from schemas.example import Category, identify
from schemas.release import Eligible
from schemas.settings import Release

RUNS = 3
CASES = {
    "1k": (10_000, Release(size=1000)),
    "1k, attacks and sources": (10_000, Release(size=1000, adversarial_percent=30, max_source_percent=15)),
    "10k": (100_000, Release(size=10_000)),
    "10k, attacks and sources": (100_000, Release(size=10_000, adversarial_percent=30, max_source_percent=15)),
    "10k, one category": (100_000, Release(size=10_000)),
}


class TopicVectors:
    """A vector a prompt, near to those of its topic, out of the prompt's place in the table."""

    name = "topics"
    near = 0.7

    def __init__(self, rows: int) -> None:
        chance = np.random.default_rng(0)
        topics = chance.normal(size=(rows // 10, 384)).astype(np.float32)
        self._table = np.empty((rows, 384), np.int16)
        for start in range(0, rows, 1000):
            points = topics[chance.integers(0, len(topics), 1000)] + 0.7 * chance.normal(size=(1000, 384))
            points *= GRID / np.linalg.norm(points, axis=1, keepdims=True)
            self._table[start : start + 1000] = np.rint(points)

    def __call__(self, prompts: Sequence[str]) -> NDArray[np.int16]:
        return self._table[[int(prompt.rsplit(" ", 1)[1]) for prompt in prompts]]


def make_rows(count: int, *, one_category: bool) -> list[Eligible]:
    """Nine of ten harmful; a tenth of the rows are further traces of a prompt, a tenth of prompts share families."""
    chance = random.Random(7)
    words = [f"word{number}" for number in range(3000)]
    categories = [category.value for category in Category]
    rows = []
    for number in range(count):
        prompt = f"{' '.join(chance.choices(words, k=18))} {number if chance.random() < 0.9 else number // 2}"
        harmful = chance.random() < 0.9
        family = identify("f", str(number if chance.random() < 0.9 else number // 2))
        source, style = f"source {chance.choice('aaaabbcdefg')}", chance.choice(("vanilla", "adversarial"))
        category = categories[0] if one_category else chance.choice(categories + [""] * 2 * (not harmful)) or None
        rows.append(
            Eligible(
                id=f"{identify('d', str(number))}.1",
                label="harmful" if harmful else "benign",
                category=category,
                style=style,
                source=source,
                family=family,
                prompt=prompt,
                completion="x" * chance.randrange(400, 10_000 if not harmful else 1000),
                decided_by="person",
                answers=2,
                agreeing=chance.choice((1, 2)),
            )
        )
    return rows


def measure(case: str, kind: str) -> None:
    count, rules = CASES[case]
    rows = make_rows(count, one_category="one category" in case)
    vectors: Vectors = TermVectors() if kind == "TF-IDF" else TopicVectors(count)
    before = _peak_mb()
    clock, processor = [], []
    for _ in range(RUNS):
        start, start_cpu = time.perf_counter(), time.process_time()
        selection = select(rows, rules, vectors)
        clock.append(time.perf_counter() - start)
        processor.append(time.process_time() - start_cpu)
    print(
        f"{case:<26} {kind:<7} {count:>7,} -> {len(selection.chosen):>6,}: {statistics.median(clock):6.2f} s,"
        f" {statistics.median(processor):6.2f} s of processor,"
        f" {_peak_mb():5.0f} MB at most, of these {before:.0f} for the rows and their vectors"
    )


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    if sys.argv[1:]:
        measure(*sys.argv[1:])
        return
    for case in CASES:
        for kind in ("vectors", "TF-IDF"):
            command = [sys.executable, "-m", "benchmarks.release_select", case, kind]
            subprocess.run(command, check=True, env={**os.environ, "OPENBLAS_NUM_THREADS": "1"})


if __name__ == "__main__":
    main()
