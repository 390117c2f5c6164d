"""The engine (curation/model.py) and the ledger that keeps its replies, against a mock server: speed, cost, faults.

    python benchmarks/engine.py                    every scenario, a table
    python benchmarks/engine.py --only faults --json

Each scenario runs in a fresh process against a fresh server and is compared with the floor: a bare aiohttp loop
that sends the same 1,000 requests, has no retries and no checks. Floor and engine take turns, the medians are compared.
"""

import argparse
import asyncio
import json
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
ROWS = 1000
PROMPT = "Somebody asks for a calm and friendly opinion about the weather of last week. " * 10


@dataclass(frozen=True)
class Scenario:
    name: str
    concurrency: int
    server: tuple[str, ...] = ()
    floor: str = "measured"
    """What the span is compared with: the bare loop, or the ideal 1,000 x 200 ms / slots."""
    slots: int | None = None


SCENARIOS = (
    Scenario("clean, 64 at once", 64),
    Scenario("clean, 256 at once", 256),
    Scenario(
        "faults, 64 at once",
        64,
        ("--rate-429=.10", "--rate-500=.05", "--rate-malformed=.03", "--rate-hang=.01", "--seed=0"),
        floor="none",
    ),
    Scenario("32 slots, set to 256", 256, ("--max-concurrency=32",), floor="ideal", slots=32),
)


@dataclass(frozen=True)
class Measured:
    scenario: str
    span_s: float
    ratio: float | None
    good: int
    bad: int
    lost: int
    requests: int
    refused: int
    early: int
    cpu_s: float
    peak_mb: float
    connections: int


def body(row: int) -> dict[str, Any]:
    return {
        "model": "mock-model",
        "messages": [
            {"role": "system", "content": "You judge requests."},
            {"role": "user", "content": f"[[id:{row}]] {PROMPT}"},
        ],
        "max_tokens": 1024,
        "temperature": 0.0,
        "response_format": {"type": "json_object"},
    }


async def ask_with_floor(url: str, concurrency: int) -> dict[str, int]:
    import aiohttp

    good = 0
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=concurrency)) as session:

        async def ask(row: int) -> None:
            nonlocal good
            async with session.post(f"{url}/chat/completions", json=body(row)) as response:
                content = (await response.json())["choices"][0]["message"]["content"]
                good += f"[[id:{row}]]" in json.loads(content)["problem_understanding"]

        await run_rows(ask, concurrency)
    return {"good": good, "bad": ROWS - good, "lost": 0}


async def ask_with_engine(url: str, concurrency: int) -> dict[str, int]:
    from pydantic import BaseModel

    from curation.leases import start_run
    from curation.ledger import Ledger, NewRow
    from curation.model import Models, RowFailed
    from schemas.call import Message, Request
    from schemas.example import Seed
    from schemas.settings import Endpoint

    class Reply(BaseModel):
        understanding: str
        assessment: str
        reason: str
        answer: str

    good = bad = lost = 0
    endpoint = Endpoint(
        base_url=url, model="mock-model", concurrency=concurrency, timeout_seconds=10, max_tokens=1024
    )  # fmt: skip
    seed = Seed(id="s0", family="f", prompt="p", source="benchmark")
    with tempfile.TemporaryDirectory() as folder, Ledger.open(Path(folder) / "curate.db", create=True) as ledger:
        ledger.add([NewRow(seed, None, None)])
        run = start_run(ledger, "benchmark", None)
        async with Models({"mock": endpoint}, ["mock"]) as models:

            async def ask(row: int) -> None:
                nonlocal good, bad, lost
                messages = (
                    Message(role="system", content="You judge requests."),
                    Message(role="user", content=f"[[id:{row}]] {PROMPT}"),
                )
                request = Request(purpose="verdict", prompt_version="benchmark", messages=messages, reply=Reply)
                try:
                    answered = await models.ask(request, partial(ledger.save_call, run, seed.id, None, str(row)))
                except RowFailed:
                    lost += 1
                    return
                right = all(f"[[id:{row}]]" in text for text in answered.value.model_dump().values())  # type: ignore[union-attr]
                good += right
                bad += not right

            await run_rows(ask, models.workers)
    return {"good": good, "bad": bad, "lost": lost}


async def run_rows(ask: Callable[[int], Awaitable[None]], workers: int) -> None:
    rows = iter(range(ROWS))

    async def work() -> None:
        for row in rows:
            await ask(row)

    await asyncio.gather(*(work() for _ in range(workers)))


def run_here(which: str, url: str, concurrency: int) -> None:
    """One run in this process; its counts and what it cost, as JSON on stdout."""
    ask = ask_with_floor if which == "floor" else ask_with_engine
    counts = asyncio.run(ask(url, concurrency))
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(json.dumps(counts | {"cpu_s": used.ru_utime + used.ru_stime, "peak_mb": used.ru_maxrss / 1024}))


@contextmanager
def serve(mock: Path, options: tuple[str, ...]) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen([sys.executable, mock, "--port", str(port), *options], stderr=subprocess.DEVNULL)
    try:
        url = f"http://127.0.0.1:{port}"
        for _ in range(100):
            try:
                get(f"{url}/health")
                break
            except OSError:
                time.sleep(0.05)
        yield url
    finally:
        server.terminate()
        server.wait()


def get(url: str) -> dict[str, Any]:
    with urllib.request.urlopen(url, timeout=10) as reply:
        data: dict[str, Any] = json.load(reply)
        return data


def run_apart(which: str, scenario: Scenario, mock: Path) -> dict[str, Any]:
    with serve(mock, scenario.server) as url:
        command = [sys.executable, __file__, "--run", which, f"{url}/v1", str(scenario.concurrency)]
        done = subprocess.run(command, cwd=ROOT, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(done.stderr)
        result: dict[str, Any] = get(f"{url}/stats") | json.loads(done.stdout)
        return result


def measure(scenario: Scenario, mock: Path, repeat: int) -> Measured:
    floors, runs = [], []
    for _ in range(repeat):
        if scenario.floor == "measured":
            floors.append(run_apart("floor", scenario, mock)["span_s"])
        runs.append(run_apart("engine", scenario, mock))
    span = statistics.median(run["span_s"] for run in runs)
    run = min(runs, key=lambda run: abs(run["span_s"] - span))
    floor = statistics.median(floors) if floors else ROWS * 0.2 / scenario.slots if scenario.slots else None
    return Measured(
        scenario=scenario.name,
        span_s=round(span, 2),
        ratio=round(span / floor, 2) if floor else None,
        good=min(run["good"] for run in runs),
        bad=max(run["bad"] for run in runs),
        lost=max(run["lost"] for run in runs),
        requests=max(run["requests"] for run in runs),
        refused=max(run["outcomes"].get("429", 0) for run in runs),
        early=max(run["early_after_429"] for run in runs),
        cpu_s=round(statistics.median(run["cpu_s"] for run in runs), 2),
        peak_mb=round(max(run["peak_mb"] for run in runs), 1),
        connections=run["connections"],
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mock", type=Path, default=ROOT.parent / "shared/bench/mock_openai.py", metavar="PATH")
    parser.add_argument("--only", default="", metavar="WORD", help="scenarios whose name holds this word")
    parser.add_argument(
        "--repeat", type=int, default=3, metavar="N", help="runs of each; spans are medians, counts worst"
    )
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--run", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run:
        run_here(options.run[0], options.run[1], int(options.run[2]))
        return
    if not options.mock.exists():
        parser.error(f"no mock server at {options.mock}: name it with --mock")
    rows = [asdict(measure(s, options.mock, options.repeat)) for s in SCENARIOS if options.only in s.name]
    if options.json:
        print(json.dumps(rows, indent=2))
        return
    print(f"{'':22}" + "".join(f"{name:>12}" for name in list(rows[0])[1:]))
    for row in rows:
        print(f"{row['scenario']:22}" + "".join(f"{'-' if v is None else v:>12}" for v in list(row.values())[1:]))


if __name__ == "__main__":
    main()
