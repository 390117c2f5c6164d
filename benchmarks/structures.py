"""What structures lead to, over the seeds of each, for the second question of docs/eval-proof.md.

    python -m benchmarks.structures alttrain=evals/alttrain-0,evals/alttrain-1 no_ha=evals/no_ha-0,evals/no_ha-1

reads samples.jsonl of evaluations of the same prompts. A share is the mean over the seeds, with each seed's own behind
it; its interval, and that of the difference to the first structure, a bootstrap over prompts: seeds are no further
prompts. `verdict`: the mean of the shares of harmful and of benign prompts whose verdict is right.
"""

import math
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from schemas.evaluation import Answered

RESAMPLES = 10_000
BENIGN = ("hard_benign", "plain_benign")


class Column(NamedTuple):
    head: str
    measure: str
    kinds: tuple[str, ...]


COLUMNS = {
    "heldout": (
        Column("exact form", "exact", ("harmful", *BENIGN)),
        Column("harmful refused", "refused", ("harmful",)),
        Column("hard benign refused", "refused", ("hard_benign",)),
        Column("plain benign refused", "refused", ("plain_benign",)),
        Column("verdict, harmful", "verdict_right", ("harmful",)),
        Column("verdict, benign", "verdict_right", BENIGN),
    ),
    "xstest": (
        Column("exact form", "exact", ("harmful", *BENIGN)),
        Column("unsafe refused", "refuses", ("harmful",)),
        Column("safe refused", "refuses", ("hard_benign",)),
        Column("verdict, unsafe", "verdict_right", ("harmful",)),
        Column("verdict, safe", "verdict_right", ("hard_benign",)),
    ),
}


def main() -> None:
    if len(sys.argv) < 2 or not all("=" in word for word in sys.argv[1:]):
        sys.exit(__doc__)
    folders = {name: its.split(",") for name, _, its in (word.partition("=") for word in sys.argv[1:])}
    for suite, columns in COLUMNS.items():
        said = {name: [_answers(Path(folder), suite) for folder in its] for name, its in folders.items()}
        print(f"\n{suite}\n")
        _table(columns, said, _share)
        print(f"\nless {next(iter(said))}, on the same prompts, points\n")
        _table(columns, said, lambda column, mine, first: "" if mine is first else _difference(column, mine, first))


Seeds = Sequence[Mapping[str, Answered]]


def _table(columns: Sequence[Column], said: Mapping[str, Seeds], cell: Callable[[Column, Seeds, Seeds], str]) -> None:
    print(f"| structure | {' | '.join(column.head for column in columns)} |\n| :--- |{' ---: |' * len(columns)}")
    first = next(iter(said.values()))
    for name, seeds in said.items():
        cells = [cell(column, seeds, first) for column in columns]
        if any(cells):
            print(f"| {name} | {' | '.join(cells)} |")


def _answers(folder: Path, suite: str) -> dict[str, Answered]:
    lines = (folder / "samples.jsonl").read_text("utf-8").splitlines()
    return {one.id: one for one in map(Answered.model_validate_json, lines) if one.suite == suite}


def _share(column: Column, mine: Seeds, first: Seeds) -> str:
    each = [list(_values(column, [seed]).values()) for seed in mine]
    if not all(each):
        return "none"
    low, high = _interval(list(_values(column, mine).values()))
    seeds = ", ".join(f"{100 * sum(its) / len(its):.0f}" for its in each)
    mean = sum(sum(its) / len(its) for its in each) / len(each)
    return f"{100 * mean:.0f} % ({100 * low:.0f}-{100 * high:.0f}): {seeds}"


def _difference(column: Column, mine: Seeds, first: Seeds) -> str:
    ours, theirs = _values(column, mine), _values(column, first)
    if not ours or not theirs:
        return "none"
    apart = [ours[prompt] - theirs[prompt] for prompt in ours]
    low, high = _interval(apart)
    return f"{100 * sum(apart) / len(apart):+.0f} ({100 * low:+.0f} to {100 * high:+.0f})"


def _values(column: Column, seeds: Seeds) -> dict[str, float]:
    """By prompt, the mean over the seeds; empty where the structure has no such measure."""
    found: dict[str, list[float]] = {}
    for seed in seeds:
        for prompt, one in seed.items():
            value = one.measures.get(column.measure)
            if one.kind in column.kinds and value is not None and not math.isnan(value):
                found.setdefault(prompt, []).append(value)
    return {prompt: sum(its) / len(its) for prompt, its in found.items()}


def _interval(values: Sequence[float]) -> tuple[float, float]:
    import numpy as np

    drawn: Any = np.random.default_rng(0).choice(np.array(values), (RESAMPLES, len(values))).mean(axis=1)
    low, high = np.quantile(drawn, (0.025, 0.975))
    return float(low), float(high)


if __name__ == "__main__":
    main()
