"""A loopback server that speaks chat completions and does with each request what a test says.

with FakeEndpoint([error(429, "slow down"), completion('{"verdict": "benign"}')]) as fake:
    ...                                   # ask fake.url
    assert len(fake.requests) == 2
"""

import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Received:
    path: str
    headers: Mapping[str, str]
    """By lower-case name."""
    body: dict[str, Any]
    arrived: float
    """On time.monotonic's clock."""

    @property
    def last_message(self) -> str:
        return str(self.body["messages"][-1]["content"])


@dataclass(frozen=True)
class Reply:
    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    delay_seconds: float = 0.0
    sent: float = 1.0
    """The share of the body that is sent."""
    hangs: bool = False
    """Then nothing more comes, and the connection stays open. Without, one that was not sent whole is cut."""


def completion(
    content: str | None,
    *,
    finish: str = "stop",
    refusal: str | None = None,
    reasoning: str | None = None,
    usage: tuple[int, int] | None = (100, 20),
    delay_seconds: float = 0.0,
) -> Reply:
    message = {"role": "assistant", "content": content, "refusal": refusal, "reasoning_content": reasoning}
    body: dict[str, Any] = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "model": "served-model",
        "choices": [{"index": 0, "message": message, "finish_reason": finish}],
    }
    if usage:
        body["usage"] = {"prompt_tokens": usage[0], "completion_tokens": usage[1], "total_tokens": sum(usage)}
    return Reply(body=json.dumps(body).encode(), delay_seconds=delay_seconds)


def error(status: int, message: str, *, code: str | None = None, headers: Mapping[str, str] | None = None) -> Reply:
    body = {"error": {"message": message, "type": "error", "param": None, "code": code}}
    return Reply(status=status, body=json.dumps(body).encode(), headers=headers or {})


HANG = Reply(sent=0.0, hangs=True)


def takes_formats(*known: str, then: Reply) -> Callable[[Received], Reply]:
    """A server that knows only these response formats, and says so with a 400 for any other."""

    def reply(request: Received) -> Reply:
        wanted = request.body.get("response_format", {}).get("type")
        if wanted is not None and wanted not in known:
            return error(400, f"response_format: type {wanted!r} is not supported")
        return then

    return reply


class FakeEndpoint:
    """`script` is what to do with each request: a function, or replies in turn of which the last one repeats."""

    def __init__(self, script: Sequence[Reply] | Callable[[Received], Reply]) -> None:
        self._script = script
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._in_flight = 0
        self.most_in_flight = 0
        self.requests: list[Received] = []

    def __enter__(self) -> "FakeEndpoint":
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 30
            disable_nagle_algorithm = True  # else head and body are 40 ms apart

            def do_POST(self) -> None:
                fake._answer(self)

            def do_GET(self) -> None:
                """Of whatever: a list with nothing in it, as a server that serves no model would answer."""
                body = b'{"object": "list", "data": []}'
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            block_on_close = False
            request_queue_size = 512

            def handle_error(self, *_: Any) -> None:  # a client that left is what many tests are about
                pass

        self._server = Server(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        body = json.loads(handler.rfile.read(int(handler.headers["Content-Length"])))
        request = Received(
            handler.path, {name.lower(): value for name, value in handler.headers.items()}, body, time.monotonic()
        )
        with self._lock:
            self.requests.append(request)
            number = len(self.requests) - 1
            self._in_flight += 1
            self.most_in_flight = max(self.most_in_flight, self._in_flight)
        try:
            script = self._script
            reply = script(request) if callable(script) else script[min(number, len(script) - 1)]
            time.sleep(reply.delay_seconds)
        finally:
            with self._lock:
                self._in_flight -= 1
        if reply.hangs and not reply.sent:
            self._closing.wait()
            handler.close_connection = True
            return
        handler.send_response(reply.status)
        for name, value in {"Content-Type": "application/json", **reply.headers}.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(reply.body)))
        handler.end_headers()
        handler.wfile.write(reply.body[: int(len(reply.body) * reply.sent)])
        if reply.hangs:
            self._closing.wait()
        if reply.sent < 1.0:
            handler.close_connection = True
