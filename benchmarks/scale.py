"""What a large project costs: 100,000 seeds added, `curate status` on them, `curate --help`, the checks of a row.

    python -m benchmarks.scale

Every command runs in a process of its own; time and memory are the operating system's accounting of it.
"""

import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from curation.checks import CheckedRow, check
from curation.ledger import Work
from curation.rewrite import rewrite
from curation.sources import SourceRow, read_source
from curation.structures import load_pools, load_structure
from schemas.call import Request

SEEDS = 100_000
WORDS = (
    "how do I write plan bake sell find read mend paint check cook send keep grow clean move open close lend teach "
    "garden bicycle window letter kitchen river station market painting recipe engine ladder ticket blanket pencil "
    "yellow quiet heavy broken friendly early narrow public second simple for with without before after near under "
    "neighbour teacher sister captain doctor student driver baker writer"
).split()


class Used(NamedTuple):
    wall_s: float
    cpu_s: float
    peak_mb: float


def run(folder: Path, *words: str) -> Used:
    began = time.perf_counter()
    command = [str(Path(sys.executable).parent / "curate"), *words]
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, words
    return Used(time.perf_counter() - began, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


def make_rows() -> Iterator[dict[str, str]]:
    draw = random.Random(0)
    for number in range(SEEDS):
        prompt = " ".join(draw.choices(WORDS, k=draw.randint(8, 30))) + f" {number}"
        label = draw.choice(["harmful", "benign"])
        answer = "I can't help with that." if label == "harmful" else "Here is how. " * 20
        yield {
            "prompt": prompt,
            "label": label,
            "source": draw.choice(["one", "two", "three"]),
            "category": draw.choice(["privacy", "illicit", "violence"]),
            "trace": f"The user asks about {prompt}. " + "Then I think about it for a while. " * 30,
            "answer": answer,
        }


async def time_checks() -> list[float]:
    """Milliseconds of CPU that the checks of each packaged example take, on drafts with a plain reason."""
    structure, pools = load_structure("alttrain"), load_pools()
    spent = []
    for row in read_source("packaged"):
        assert isinstance(row, SourceRow)
        assert row.trace is not None

        async def ask(request: Request, row: SourceRow = row) -> object:
            assert request.reply is not None
            why = "somebody would be hurt by it" if row.label == "harmful" else "nobody is hurt by it"
            return request.reply.model_construct(None, reason=why, understanding="The user asks for it.")

        work = Work(row.seed, row.trace, row.label, "dataset", source_complied=False)
        made = await rewrite(work, structure, pools, ask, lambda _: None, assume_label=True, small=False)  # type: ignore[arg-type]
        began = time.process_time()
        check(CheckedRow(made, row.seed, row.trace, row.label, structure, pools))  # type: ignore[arg-type]
        spent.append(1000 * (time.process_time() - began))
    return spent


def main() -> None:
    import asyncio

    def show(what: str, used: Used) -> None:
        print(f"{what:36}{used.wall_s:9.2f} s wall{used.cpu_s:9.2f} s CPU{used.peak_mb:8.0f} MB")

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with (folder / "rows.jsonl").open("w") as out:
            out.writelines(json.dumps(row) + "\n" for row in make_rows())
        run(folder, "init", ".")
        show(f"curate add, {SEEDS:,} seeds", run(folder, "add", "rows.jsonl"))
        for what in ("status", "--help"):
            run(folder, what)
            runs = [run(folder, what) for _ in range(5)]
            show(
                f"curate {what}, median of 5", Used(*(statistics.median(column) for column in zip(*runs, strict=True)))
            )
    spent = asyncio.run(time_checks())
    # The first row also loads what the rules look things up in; it is paid once a process.
    rest = sorted(spent[1:])
    print(
        f"checks of {len(rest)} packaged drafts: {statistics.median(rest):.2f} ms a row, {rest[-3]:.2f} for all but two"
    )


if __name__ == "__main__":
    main()
