"""A small Hub on loopback: repositories as huggingface_hub and datasets see them, and what may go wrong.

with HubServer() as hub:
    ...                                      # HF_ENDPOINT=hub.url, HF_TOKEN=WRITER, HF_HUB_DISABLE_XET=1
    hub.fault = once("POST", "/commit/", LOSE_REPLY)
    assert hub.repos["ours/set"].tags == {"v1": hub.repos["ours/set"].head.sha}

The Hub's own store for large files (xet) is not here: clients must have it switched off.
"""

import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

import huggingface_hub.constants
import pytest

from tests.hub_endpoints import Account, Answer, Asked, answer, refused
from tests.hub_repos import Repo

WRITER = "hf_OurWriterMayWriteHere"
READER = "hf_OurReaderMayOnlyRead"
STRANGER = "hf_SomebodyElseWithRights"
TOKENS = {
    WRITER: Account("ours", ("our-team",)),
    READER: Account("ours", ("our-team",), role="read"),
    STRANGER: Account("theirs"),
}

CUT: Literal["cut"] = "cut"
"""The connection breaks before anything was done."""

LOSE_REPLY: Literal["lose reply"] = "lose reply"
"""What was asked for is done; the reply is lost."""

HALF_REPLY: Literal["half reply"] = "half reply"
"""The connection breaks in the middle of the reply's body."""

Trouble = Answer | Literal["cut", "lose reply", "half reply"] | None
Fault = Callable[[Asked], Trouble]


def no_fault(asked: Asked) -> Trouble:
    return None


def once(method: str, part: str, trouble: Trouble) -> Fault:
    """The first request of that method with that in its path goes wrong."""
    return times(1, method, part, trouble)


def times(most: int, method: str, part: str, trouble: Trouble) -> Fault:
    left = [most]
    lock = threading.Lock()

    def fault(asked: Asked) -> Trouble:
        with lock:
            if left[0] and asked.method == method and part in asked.path:
                left[0] -= 1
                return trouble
        return None

    return fault


def error(status: int, message: str = "it hurts", *, retry_after: int | None = None) -> Answer:
    return refused(status, message, headers={} if retry_after is None else {"Retry-After": str(retry_after)})


@contextlib.contextmanager
def serving(monkeypatch: pytest.MonkeyPatch) -> Iterator["HubServer"]:
    """A small Hub that this process finds: its address and a writer's token stand in the environment."""
    # The client reads these two when it is imported, which another test may have done.
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_DISABLE_TELEMETRY", True)
    with HubServer() as hub:
        for name, value in hub.environment().items():
            monkeypatch.setenv(name, value)
        yield hub


def python(hub: "HubServer", home: Path, code: str, *arguments: str) -> subprocess.Popen[str]:
    """A Python of its own that finds the Hub as a user's would, with `home` for what the clients keep."""
    root = Path(__file__).parents[1]
    environment = {**os.environ, **hub.environment(), "HF_HOME": str(home), "PYTHONPATH": str(root)}
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8"
    )


@dataclass
class HubServer:
    tokens: Mapping[str, Account] = field(default_factory=lambda: TOKENS)
    repos: dict[str, Repo] = field(default_factory=dict)
    models: dict[str, Repo] = field(default_factory=dict)
    fault: Fault = no_fault
    asked: list[Asked] = field(default_factory=list)
    """Every request, those that went wrong too."""
    url: str = ""

    def __enter__(self) -> Self:
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 30
            disable_nagle_algorithm = True  # else head and body are 40 ms apart

            def do(self) -> None:
                headers = {name.lower(): value for name, value in self.headers.items()}
                asked = Asked(self.command, self.path, headers, self._body())
                trouble, reply = hub._answered(asked)
                if trouble in (CUT, LOSE_REPLY):
                    self.close_connection = True
                    return
                self.send_response(reply.status)
                for name, value in {"Content-Type": "application/json", **reply.headers}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(reply.body)))
                self.end_headers()
                if self.command == "HEAD":
                    return
                if trouble == HALF_REPLY:
                    self.close_connection = True
                    self.wfile.write(reply.body[: len(reply.body) // 2])
                else:
                    self.wfile.write(reply.body)

            do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do

            def _body(self) -> bytes:
                if self.headers.get("Transfer-Encoding") != "chunked":
                    return self.rfile.read(int(self.headers.get("Content-Length") or 0))
                body = b""
                while size := int(self.rfile.readline(), 16):
                    body += self.rfile.read(size)
                    self.rfile.readline()
                self.rfile.readline()
                return body

            def log_message(self, format: str, *args: object) -> None:
                """Keeps quiet."""

            def finish(self) -> None:
                with contextlib.suppress(OSError):  # a client that left is what many tests are about
                    super().finish()

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            block_on_close = False

            def handle_error(self, request: object, client_address: object) -> None:
                """A client that left is what many tests are about."""

        self._lock = threading.Lock()
        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()

    def writes(self) -> list[str]:
        """What was asked for that could change something, as 'METHOD path'."""
        return [f"{asked.method} {asked.path}" for asked in self.asked if asked.method not in ("GET", "HEAD")]

    def environment(self, token: str = WRITER) -> dict[str, str]:
        """The variables with which a client finds this Hub."""
        return {
            "HF_ENDPOINT": self.url,
            "HF_TOKEN": token,
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
        }

    def _answered(self, asked: Asked) -> tuple[Trouble, Answer]:
        self.asked.append(asked)
        trouble = self.fault(asked)
        if isinstance(trouble, Answer):
            return trouble, trouble
        if trouble == CUT:
            return trouble, Answer()
        with self._lock:
            try:
                return trouble, answer(self, asked)
            except Exception as bug:
                return trouble, refused(501, f"{asked.method} {asked.path}: a bug of this small Hub: {bug!r}")
