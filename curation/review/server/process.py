"""A project's own Argilla: started, found, stopped, backed up. Its state is one folder, argilla/ in the project's.

    server = start_detached(folder, "127.0.0.1", None, say=print)     # Running(url, pid)
    credentials(folder).api_key                                       # the owner's
    stop(folder)

    argilla.db          everything: datasets, records, answers, accounts. Back it up with `backup`, not by copying
    credentials.json    the owner's name, password and key, and what logins are signed with; for your eyes only
    server.lock         locked by the server for as long as it lives
    server.json         its process id and address
    server.log          what went wrong; no key, no password, no text of a record

The lock says whether a server runs: the operating system lets go of it when its holder is gone, however that came. So a
server.json that a killed server left behind deceives nobody, and neither does another process with its number.
"""

import errno
import fcntl
import json
import os
import re
import secrets
import signal
import socket
import sqlite3
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from types import FrameType
from typing import IO, NamedTuple

from curation.review.server.environment import Say, ensure
from schemas.errors import ReviewError

FOLDER = "argilla"
"""The server's folder in a project's folder."""

DATABASE_FILE = "argilla.db"
CREDENTIALS_FILE = "credentials.json"
OWNER = "owner"
HOST = "127.0.0.1"
PORT = 6900
PORTS_TRIED = 100

START_SECONDS = 120.0
"""How long it may take until it answers; it takes 5 to 10 on an idle machine."""

STOP_SECONDS = 15.0
"""How long it may take to end before it is killed."""

ANSWER_SECONDS = 10.0
LOG_BYTES = 5_000_000
"""A longer log is put aside as server.log.1 at the next start."""

KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "TZ")
"""What the server gets of this process's environment."""

ENTRY = "import sys; sys.path.append(sys.argv.pop(1)); from inside.launch import main; main()"


_detached: list["subprocess.Popen[bytes]"] = []
"""Python complains of a child that is let go of while it runs."""


class Running(NamedTuple):
    url: str
    pid: int


class Credentials(NamedTuple):
    """The owner's account; `url` is None while no server runs."""

    url: str | None
    username: str
    password: str
    api_key: str


def serve(folder: Path, host: str, port: int | None, *, say: Say, ready: Callable[[Running], None]) -> None:
    """Serves until this process is told to end (Ctrl-C, SIGTERM) or the server ends by itself.

    `ready` is called once it answers. `port` None: 6900 or the next free one. The server ends with this process, also
    when that is killed.

    Raises ReviewError: one is running already, the port is in use, it does not start, it ended by itself.
    """
    child = _start(folder, host, port, say, detached=False)
    with _signals(child.process):
        try:
            _await(child)
            ready(child.running)
            child.process.wait()
        except KeyboardInterrupt:
            _end(child.process)
            return
    if child.process.returncode != 0:
        raise ReviewError(f"argilla: the server ended by itself: {_last_line(folder)}; run the same command again")


def start_detached(folder: Path, host: str, port: int | None, *, say: Say) -> Running:
    """Starts a server that goes on without this process, and returns when it answers. Raises as `serve` does."""
    child = _start(folder, host, port, say, detached=True)
    try:
        _await(child)
    except BaseException:
        _end(child.process)
        raise
    _detached.append(child.process)
    return child.running


def stop(folder: Path) -> Running | None:
    """Ends the project's server, and returns when it is gone; None: none was running."""
    found = _holder(folder)
    if found is None:
        return None
    for number, patience in ((signal.SIGTERM, STOP_SECONDS), (signal.SIGKILL, STOP_SECONDS)):
        try:
            os.kill(found.pid, number)
        except ProcessLookupError:
            return found
        except PermissionError:
            raise ReviewError(f"argilla: process {found.pid} belongs to another account; stop it from there") from None
        end = time.monotonic() + patience
        while time.monotonic() < end:
            if _holder(folder) is None:
                _detached[:] = [process for process in _detached if process.poll() is None]
                return found
            time.sleep(0.05)
    raise ReviewError(f"argilla: process {found.pid} does not end; look what holds it up")


def running(folder: Path) -> Running | None:
    """The project's server, if there is one and it answers."""
    found = _holder(folder)
    return found if found and _answers(found.url, ANSWER_SECONDS) else None


def credentials(folder: Path) -> Credentials:
    """The owner's account. Made up at random the first time, and kept in a file that only this account can read."""
    path = folder / CREDENTIALS_FILE
    with _telling(folder):
        if not path.exists():
            _make_private(folder)
            made = {
                "username": OWNER,
                "password": secrets.token_urlsafe(16),
                "api_key": f"{OWNER}.{secrets.token_urlsafe(48)}",
                "secret_key": secrets.token_urlsafe(48),
            }
            part = folder / f".{CREDENTIALS_FILE}.{secrets.token_hex(8)}"
            part.touch(mode=0o600)
            part.write_text(json.dumps(made, indent=2) + "\n", "utf-8")
            try:
                path.hardlink_to(part)  # of two processes at once, one makes it and both read it
            except FileExistsError:
                pass
            finally:
                part.unlink()
        try:
            kept = json.loads(path.read_text("utf-8"))
            found = _holder(folder)
            return Credentials(found and found.url, kept["username"], kept["password"], kept["api_key"])
        except (ValueError, KeyError, TypeError):
            raise ReviewError(f"{path}: not the file that was written; remove it, and a new one is made") from None


def backup(folder: Path, file: Path) -> None:
    """Copies the database into a new file, whether the server runs or not: a state that was, nothing half-written.

    Raises ReviewError: nothing to back up, the file is there already, no room or no right to write it.
    """
    source = folder / DATABASE_FILE
    if not source.exists():
        raise ReviewError(f"{source}: no database yet; `curate review serve` makes it")
    if file.exists():
        raise ReviewError(f"{file}: it is there already, and a backup replaces nothing; name another file")
    part = file.with_name(f".{file.name}.{secrets.token_hex(8)}")
    try:
        part.touch(mode=0o600)  # it holds the accounts' keys
        try:
            with closing(sqlite3.connect(source, timeout=30)) as origin, closing(sqlite3.connect(part)) as copy:
                origin.backup(copy)
                # A single file, that can be moved as it is.
                copy.execute("PRAGMA journal_mode = DELETE")
            file.hardlink_to(part)  # unlike a rename, this replaces nothing that came in between
        finally:
            part.unlink()
    except (OSError, sqlite3.Error) as error:
        said = error.strerror if isinstance(error, OSError) else error
        raise ReviewError(f"{file}: the backup could not be written: {said}; name another file or make room") from None


class _Child(NamedTuple):
    process: "subprocess.Popen[bytes]"
    running: Running
    folder: Path


def _start(folder: Path, host: str, port: int | None, say: Say, *, detached: bool) -> _Child:
    python = ensure(say)
    with _telling(folder):
        _make_private(folder)
    with _telling(folder), _lock(folder) as held, closing(bind(host, port)) as bound, _log(folder) as log:
        credentials(folder)  # not before it is known where to listen: they are shown by the start that made them
        (folder / "server.json").unlink(missing_ok=True)
        address = bound.getsockname()
        shown = {"0.0.0.0": HOST, "::": "[::1]"}.get(address[0], f"[{address[0]}]" if ":" in address[0] else address[0])  # noqa: S104
        command = [str(python), "-I", "-c", ENTRY, str(Path(__file__).parent), str(bound.fileno())]
        if not detached:
            command.append("--with-parent")
        say("argilla: starting")
        process = subprocess.Popen(  # noqa: S603 - no shell, no text of others
            command,
            cwd=folder,
            # Neither Argilla's settings of another server nor the keys of model providers are any business of this one.
            env={name: os.environ[name] for name in KEPT if name in os.environ},
            # In a session of its own: Ctrl-C reaches this process, which ends the server in good order.
            start_new_session=True,
            stdin=subprocess.DEVNULL if detached else subprocess.PIPE,
            stdout=log,
            stderr=log,
            pass_fds=[bound.fileno(), held],
            umask=0o077,
        )
        server = Running(f"http://{shown}:{address[1]}", process.pid)
        part = folder / ".server.json"
        part.write_text(json.dumps(server._asdict()) + "\n", "utf-8")
        part.replace(folder / "server.json")
    return _Child(process, server, folder)


def _await(child: _Child) -> None:
    end = time.monotonic() + START_SECONDS
    while child.process.poll() is None and time.monotonic() < end:
        if _answers(child.running.url, 1.0):
            return
        time.sleep(0.1)
    _end(child.process)
    raise ReviewError(
        f"argilla: the server did not start: {_last_line(child.folder)}; more is in {child.folder / 'server.log'}"
    )


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextmanager
def _signals(process: "subprocess.Popen[bytes]") -> Iterator[None]:
    """SIGTERM ends this process as Ctrl-C does: in good order, the server first."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
        assert process.stdin is not None
        process.stdin.close()


@contextmanager
def _lock(folder: Path) -> Iterator[int]:
    """The server's lock, for the child to inherit. Raises ReviewError where another server holds it."""
    with (folder / "server.lock").open("w") as file:
        # A look at the lock (`_holder`) takes it for an instant.
        for _ in range(20):
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                time.sleep(0.02)
        else:
            found = _holder(folder)
            where = f" at {found.url} (process {found.pid})" if found else ""
            raise ReviewError(f"argilla: it is running already{where}; `curate review stop` ends it")
        yield file.fileno()


def _holder(folder: Path) -> Running | None:
    """Who holds the server's lock."""
    try:
        with (folder / "server.lock").open() as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
                return None
            except BlockingIOError:
                return Running(**json.loads((folder / "server.json").read_text("utf-8")))
    except (FileNotFoundError, ValueError, TypeError):
        return None  # never started, or just starting


def _answers(url: str, seconds: float) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/api/v1/version", timeout=seconds) as reply:  # noqa: S310 - our own address
            return "version" in json.load(reply)
    except (OSError, ValueError):
        return False


def bind(host: str, port: int | None) -> socket.socket:
    """A socket of our own to hand to the server: so no other program can take the port in between."""
    for number in [port] if port is not None else range(PORT, PORT + PORTS_TRIED):
        try:
            family, kind, protocol, _, address = socket.getaddrinfo(host, number, type=socket.SOCK_STREAM)[0]
            bound = socket.socket(family, kind, protocol)
        except OSError as error:
            raise ReviewError(
                f"argilla: --host {host}: {error.strerror or error}; name an address of this machine"
            ) from None
        try:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.bind(address)
            bound.listen()
            return bound
        except OSError as error:
            bound.close()
            if error.errno != errno.EADDRINUSE:
                raise ReviewError(f"argilla: {host}, port {number}: {error.strerror}; name another") from None
            if port is not None:
                raise ReviewError(
                    f"argilla: port {port} is in use by another program; name another with --port, or none"
                ) from None
    raise ReviewError(f"argilla: no free port from {PORT} to {PORT + PORTS_TRIED - 1}; name one with --port")


def _make_private(folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)


@contextmanager
def _log(folder: Path) -> Iterator[IO[bytes]]:
    path = folder / "server.log"
    if path.exists() and path.stat().st_size > LOG_BYTES:
        path.replace(folder / "server.log.1")
    path.touch(mode=0o600)
    with path.open("ab") as file:
        yield file


def _last_line(folder: Path) -> str:
    """What the server said last, an error rather than what it said about one."""
    said = [line.strip() for line in (folder / "server.log").read_text("utf-8", "replace").splitlines() if line.strip()]
    errors = [line for line in said[-50:] if re.match(r"[\w.]*(Error|Exception|Changed)\b", line)]
    return next(reversed(errors or said), "it said nothing")[:300]


@contextmanager
def _telling(folder: Path) -> Iterator[None]:
    """Turns a folder that cannot be written into one line."""
    try:
        yield
    except OSError as error:
        raise ReviewError(f"{folder}: {error.strerror or error}; mend its rights or make room there") from None
