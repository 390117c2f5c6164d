"""A loopback server before a real one: it passes every request on, but for those that a test wants to go wrong.

with FaultProxy(server.url, fault) as proxy:      # fault(request) -> None | Refuse(…) | LOSE_REPLY | CUT
    …                                             # use proxy.url instead
"""

import contextlib
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Literal, NamedTuple, Self

import httpx


class Passing(NamedTuple):
    """A request on its way."""

    method: str
    path: str
    body: str


class Refuse(NamedTuple):
    """Answered so, and not passed on."""

    status: int
    detail: str


CUT: Literal["cut"] = "cut"
"""The connection breaks before anything was passed on."""

LOSE_REPLY: Literal["lose reply"] = "lose reply"
"""The request is passed on and done; its reply is lost."""

Fault = Callable[[Passing], "Refuse | Literal['cut', 'lose reply'] | None"]


@dataclass
class FaultProxy:
    target: str
    fault: Fault
    passed: list[Passing] = field(default_factory=list)

    def __enter__(self) -> Self:
        proxy = self
        self.client = httpx.Client(base_url=self.target, timeout=60)

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                request = Passing(self.command, self.path, self.rfile.read(length).decode())
                fault = proxy.fault(request)
                if isinstance(fault, Refuse):
                    self._send(fault.status, f'{{"detail": "{fault.detail}"}}'.encode())
                    return
                if fault != CUT:
                    headers = {k: v for k, v in self.headers.items() if k.lower() not in ("host", "content-length")}
                    headers["Accept-Encoding"] = "identity"
                    reply = proxy.client.request(self.command, self.path, content=request.body, headers=headers)
                    proxy.passed.append(request)
                if fault is not None:
                    self.close_connection = True
                    self.connection.close()
                    return
                self._send(reply.status_code, reply.content)

            def _send(self, status: int, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer

            def log_message(self, format: str, *args: object) -> None:
                """Keeps quiet."""

            def finish(self) -> None:
                with contextlib.suppress(OSError):  # the connection was cut on purpose
                    super().finish()

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.client.close()
