"""A project for tests: eight mild rows, one endpoint, and the real `curate` command run in a process of its own."""

import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

from tests.fake_endpoint import Received, Reply, completion

CURATE = Path(sys.executable).parent / "curate"
KEY = "sk-a-secret-that-must-not-leak"
ROWS_FILE = Path(__file__).parent / "data" / "own_tiny.jsonl"
ROWS = [json.loads(line) for line in ROWS_FILE.read_text("utf-8").splitlines()]


def agree(request: Received) -> Reply:
    """Gives the right verdict and a reason, for whichever row is asked about."""
    asked = request.last_message
    label = next(row["kind"] for row in ROWS if row["prompt"] in asked)
    hurt = (
        "it takes something from a person who did not agree" if label == "harmful" else "nobody is hurt by knowing it"
    )
    reply = {"reason": f"{hurt} ({len(asked)} characters)", "understanding": f"The user asks: {asked[-300:-200]}"}
    wanted = json.dumps(request.body.get("response_format", {}))
    fields = [name for name in ("understanding", "verdict", "reason") if f'"{name}"' in wanted]
    return completion(json.dumps({name: (reply | {"verdict": label})[name] for name in fields}))


class Project:
    """A project folder with the eight rows of own_tiny.jsonl and one endpoint, and the command run in it."""

    def __init__(self, folder: Path, url: str, *, settings: str = "", prices: bool = False) -> None:
        self.folder = folder
        self.run("init", ".")
        text = (
            f'endpoint = "fake"\n{settings}\n[endpoints.fake]\nbase_url = "{url}"\nmodel = "m"\nkey_env = "FAKE_KEY"\n'
        )
        text += "timeout_seconds = 20\nconcurrency = 4\n"
        if prices:
            text += "price_input = 10.0\nprice_output = 100.0\nmax_tokens = 100\n"
        (folder / "curate.toml").write_text(text)
        (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
        assert self.run("add", "rows.jsonl").returncode == 0

    def start(self, *words: str, key: str | None = KEY) -> "subprocess.Popen[str]":
        environment = {name: value for name, value in os.environ.items() if name != "FAKE_KEY"}
        if key is not None:
            environment["FAKE_KEY"] = key
        return subprocess.Popen(
            [CURATE, *words],
            cwd=self.folder,
            env=environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def run(self, *words: str, key: str | None = KEY) -> "subprocess.CompletedProcess[str]":
        process = self.start(*words, key=key)
        out, err = process.communicate(timeout=60)
        assert "Traceback" not in err, err
        return subprocess.CompletedProcess(words, process.returncode, out, err)

    def query(self, sql: str) -> list[tuple[object, ...]]:
        with closing(sqlite3.connect(self.folder / "curate.db", timeout=10)) as db:
            return db.execute(sql).fetchall()

    def counts(self) -> dict[str, int]:
        status = self.run("status", "--json")
        assert status.returncode == 0, status.stderr
        return {
            str(table): int(str(self.query(f"SELECT COUNT(*) FROM {table}")[0][0]))
            for table in ("drafts", "failures_now", "calls", "leases")
        }
