"""A loopback server that answers an Argilla's addresses as a test says: for troubles that a real one cannot be put in.

with FakeArgilla(me=(401, {"detail": "…"})) as fake:
    connect(project, settings_for(fake.url))
"""

import json
import socket
import struct
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

VERSION = (200, {"version": "2.8.0"})
OWNER = (
    200,
    {
        "id": "11111111-1111-1111-1111-111111111111",
        "username": "owner",
        "first_name": "owner",
        "role": "owner",
        "inserted_at": "2026-01-01T00:00:00",
        "updated_at": "2026-01-01T00:00:00",
    },
)

NOTHING = (404, {"detail": "Not Found"})

CUT = "cut"
"""Instead of a reply: the connection breaks off in the middle of it."""

Answer = tuple[int, Any] | str


class FakeArgilla:
    """`version` and `me` answer these two addresses, `other` every other one; a str body is sent as it is."""

    def __init__(
        self, *, version: Answer = VERSION, me: Answer = OWNER, other: Answer = (404, {"detail": "?"})
    ) -> None:
        self.answers = {"/api/v1/version": version, "/api/v1/me": me}
        self.other = other
        self.keys: list[str | None] = []
        """What each request had as its key."""

    def __enter__(self) -> "FakeArgilla":
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                fake.keys.append(self.headers.get("X-Argilla-Api-Key"))
                answer = fake.answers.get(self.path, fake.other)
                if isinstance(answer, str):
                    # No time to say goodbye: the client sees a reset, not an end.
                    self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    self.close_connection = True
                    self.connection.close()
                    return
                status, said = answer
                body = (said if isinstance(said, str) else json.dumps(said)).encode()
                self.send_response(status)
                if 300 <= status < 400:
                    self.send_header("Location", "https://elsewhere.invalid/")
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_POST = do_GET

            def log_message(self, *_: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            block_on_close = False

            def handle_error(self, *_: Any) -> None:  # a cut connection cannot be finished politely
                pass

        self._server = Server(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"
