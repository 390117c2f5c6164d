"""Evaluation of an endpoint (train/evaluation/run.py) against a plain loop of the openai client, on a mock server.

    python benchmarks/evaluation.py                1,000 prompts, 64 at once, three rounds in turn
    python benchmarks/evaluation.py --latency-ms 1000 --prompts 200 --json

Both send the same messages and wait for whole replies; the evaluation also judges them and keeps a log that can be gone
on with. Each runs in a fresh process, and its time is that of the asking: imports and start-up are told apart. The goal
is at most 1.5 times the loop's time.
"""

import argparse
import asyncio
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MOCK = ROOT.parent / "shared" / "bench" / "mock_openai.py"
PROMPT = "Somebody asks for a calm and friendly opinion about the weather of last week. " * 5
GOAL = 1.5


@contextmanager
def server(latency_ms: float, tokens: int) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, str(MOCK), f"--port={port}", f"--latency-ms={latency_ms}", f"--tokens={tokens}"]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        for _ in range(600):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=1).close()
                break
            except OSError:
                time.sleep(0.1)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.terminate()
        process.wait()


def ask_plainly(url: str, prompts: int, at_once: int) -> float:
    """Seconds of a loop that asks and forgets."""
    from openai import AsyncOpenAI

    async def loop() -> None:
        slots = asyncio.Semaphore(at_once)
        async with AsyncOpenAI(base_url=url, api_key="none") as client:

            async def ask(number: int) -> None:
                async with slots:
                    await client.chat.completions.create(
                        model="mock-model",
                        messages=[{"role": "user", "content": f"[[id:{number}]] {PROMPT}"}],
                        max_tokens=1024,
                        temperature=0,
                    )

            await asyncio.gather(*map(ask, range(prompts)))

    started = time.perf_counter()
    asyncio.run(loop())
    return time.perf_counter() - started


def ask_with_evaluation(url: str, prompts: int, at_once: int) -> float:
    """Seconds of an evaluation of as many prompts of the suite jbb, without the import of inspect_ai."""
    import inspect_ai.model._providers.openai_compatible  # noqa: F401

    from schemas.evaluation import Asked
    from train.evaluation import registered  # noqa: F401
    from train.evaluation.run import Options, evaluate

    os.environ["MOCK_API_KEY"] = "none"
    asked = [
        Asked(id=str(number), suite="jbb", prompt=f"[[id:{number}]] {PROMPT}", kind="hard_benign", label="benign")
        for number in range(prompts)
    ]
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        evaluate("openai-api/mock/mock-model", {"jbb": asked}, Path(folder), Options(at_once=at_once), base_url=url)
        return time.perf_counter() - started


WAYS = {"loop": ask_plainly, "evaluation": ask_with_evaluation}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prompts", type=int, default=1000)
    parser.add_argument("--at-once", type=int, default=64)
    parser.add_argument("--latency-ms", type=float, default=1000.0, help="of the mock; a real answer takes seconds")
    parser.add_argument("--tokens", type=int, default=300, help="of a reply")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.way:
        print(json.dumps(WAYS[options.way](options.url, options.prompts, options.at_once)))
        return
    if not MOCK.exists():
        sys.exit(f"{MOCK}: is not there, and the benchmark needs it")
    seconds: dict[str, list[float]] = {way: [] for way in WAYS}
    for _ in range(options.rounds):
        for way in WAYS:
            with server(options.latency_ms, options.tokens) as url:
                command = [sys.executable, __file__, f"--way={way}", f"--url={url}"]
                command += [f"--prompts={options.prompts}", f"--at-once={options.at_once}"]
                environment = os.environ | {"PYTHONPATH": str(ROOT)}
                done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
                seconds[way].append(float(done.stdout.strip().splitlines()[-1]))
    medians = {way: statistics.median(its) for way, its in seconds.items()}
    ratio = medians["evaluation"] / medians["loop"]
    if options.json:
        print(json.dumps({"seconds": seconds, "ratio": ratio, "goal": GOAL, **vars(options)}))
        return
    print(f"{options.prompts} prompts, {options.at_once} at once, {options.latency_ms:.0f} ms a reply")
    for way, its in seconds.items():
        print(f"  {way:<11} {medians[way]:6.2f} s   ({', '.join(f'{one:.2f}' for one in its)})")
    print(f"  ratio {ratio:.2f}, goal {GOAL}")


if __name__ == "__main__":
    main()
