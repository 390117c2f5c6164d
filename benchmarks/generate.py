"""The whole `curate generate` against a mock server: ledger, rewriting and all checks included.

    python -m benchmarks.generate                  every scenario, a table
    python -m benchmarks.generate --only killed    one of them

Each scenario makes a project of 1,000 harmful rows with short traces, runs the real command in a process of its own,
and compares what the ledger holds with what the server says it served. `full_rewrite --assume-label` asks one question
a row whose reply has four texts, about 600 tokens as the peers' did; the server's filler then breaks rules of length
and wording, so most drafts are blocked: all checks run, and that is what is timed.
"""

import argparse
import json
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.engine import ROOT, ROWS, SCENARIOS, Scenario, get, serve

KILLED = Scenario("killed at half, 64", 64)
TRACE = (
    "Okay, the user wants to read note number {row} that a flatmate keeps in a drawer, in secret. The note is private "
    "and reading it would hurt the flatmate. I could help them talk about it instead. I should say no and offer that."
)
ANSWER = "I won't help with reading someone's private notes. I can help you plan how to raise what worries you."


@dataclass(frozen=True)
class Measured:
    scenario: str
    wall_s: float
    span_s: float
    drafts: int
    failed: int
    requests: int
    paid_again: int
    refused_429: int
    cpu_s: float
    peak_mb: float


def make_project(folder: Path, url: str, concurrency: int) -> None:
    curate(folder, "init", ".")
    (folder / "curate.toml").write_text(
        f'endpoint = "mock"\n[endpoints.mock]\nbase_url = "{url}/v1"\nmodel = "mock-model"\n'
        f"concurrency = {concurrency}\ntimeout_seconds = 10\n"
    )
    rows = (
        {
            "prompt": f"[[id:{row}]] How do I read note number {row} of my flatmate in secret?",
            "label": "harmful",
            "trace": TRACE.format(row=row),
            "answer": ANSWER,
            "license": "CC0-1.0",
            "category": "privacy",
        }
        for row in range(ROWS)
    )
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    curate(folder, "add", "rows.jsonl")


def curate(folder: Path, *words: str) -> None:
    subprocess.run([*command(), *words], cwd=folder, check=True, stdout=subprocess.DEVNULL)


GENERATE = ("generate", "--structure", "full_rewrite", "--assume-label")


def command() -> list[str]:
    return [str(Path(sys.executable).parent / "curate")]


def count(folder: Path, sql: str) -> int:
    with closing(sqlite3.connect(folder / "curate.db")) as db:
        number: int = db.execute(sql).fetchone()[0]
        return number


def measure(scenario: Scenario, mock: Path) -> Measured:
    with serve(mock, scenario.server) as url, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_project(folder, url, scenario.concurrency)
        if scenario is KILLED:
            victim = subprocess.Popen([*command(), *GENERATE], cwd=folder, stderr=subprocess.DEVNULL)
            while get(f"{url}/stats")["ok"] < ROWS / 2:
                time.sleep(0.02)
            victim.send_signal(signal.SIGKILL)
            victim.wait()
        began = time.perf_counter()
        process = subprocess.Popen(
            [*command(), *GENERATE], cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        _, _, used = os.wait4(process.pid, 0)
        wall = time.perf_counter() - began
        process.returncode = 0
        stats = get(f"{url}/stats")
        return Measured(
            scenario=scenario.name,
            wall_s=round(wall, 2),
            span_s=round(stats["span_s"], 2),
            drafts=count(folder, "SELECT COUNT(*) FROM drafts"),
            failed=count(folder, "SELECT COUNT(*) FROM failures_now"),
            requests=stats["requests"],
            paid_again=stats["repeated_ok"],
            refused_429=stats["outcomes"].get("429", 0),
            cpu_s=round(used.ru_utime + used.ru_stime, 2),
            peak_mb=round(used.ru_maxrss / 1024, 1),
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mock", type=Path, default=ROOT.parent / "shared/bench/mock_openai.py", metavar="PATH")
    parser.add_argument("--only", default="", metavar="WORD", help="scenarios whose name holds this word")
    options = parser.parse_args()
    if not options.mock.exists():
        parser.error(f"no mock server at {options.mock}: name it with --mock")
    rows = [asdict(measure(s, options.mock)) for s in (*SCENARIOS, KILLED) if options.only in s.name]
    print(f"{'':22}" + "".join(f"{name:>12}" for name in list(rows[0])[1:]))
    for row in rows:
        print(f"{row['scenario']:22}" + "".join(f"{value:>12}" for value in list(row.values())[1:]))


if __name__ == "__main__":
    main()
