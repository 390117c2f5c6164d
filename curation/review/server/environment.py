"""The virtual environment of argilla-server: made once from a lock file, kept in the cache, shared by all projects.

    python = ensure(print)        # the interpreter in it; a minute the first time, a millisecond afterwards

argilla-server pins versions that the rest of this project cannot live with, so it has an environment of its own. The
lock names every package with the hashes of its files: what is installed is what was tested, from whichever index.

An environment cannot be moved once it is made, so it is made at its final place, under a lock that the operating system
lets go of when its holders are gone, and a marker file says that it is whole. Without the marker it is made anew.
"""

import fcntl
import hashlib
import importlib.util
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from curation.embedded import cache_folder
from curation.pip import last_error
from schemas.errors import ReviewError

LOCK_FILE = Path(__file__).parent / "requirements.lock"
PYTHONS = ((3, 11), (3, 12), (3, 13))
"""Versions for which every package of the lock has a wheel."""

SIZE = "580 MB"
MARKER = ".whole"

Say = Callable[[str], None]


def ensure(say: Say, lock_file: Path = LOCK_FILE) -> Path:
    """The interpreter of the environment, which is made if it is not there yet; `say` gets a line at every step.

    Raises ReviewError: no fitting Python, no pip, no network, no room.
    """
    python = _interpreter()
    folder = _folder(lock_file)
    inner = folder / "bin" / "python"
    try:
        # The marker alone is not enough: the Python that an environment was made from may have been removed since.
        if (folder / MARKER).exists() and inner.exists():
            return inner
        folder.parent.mkdir(parents=True, exist_ok=True)
        with _alone(folder, say) as held:
            if (folder / MARKER).exists() and inner.exists():
                return inner
            say(f"argilla-server: making its environment in {folder} (once; about {SIZE}, one or two minutes)")
            _remove(folder)
            _make(python, folder, held)
            _install(inner, lock_file, held, say)
            (folder / MARKER).touch()
    except OSError as error:
        raise ReviewError(
            f"argilla-server: its environment cannot be kept in {folder}: {error.strerror or error}; "
            "make room there, or set ALTTRAIN_CACHE to another folder"
        ) from None
    say("argilla-server: its environment is ready")
    return inner


def _folder(lock_file: Path) -> Path:
    digest = hashlib.sha256(lock_file.read_bytes()).hexdigest()
    return cache_folder() / f"argilla-server-{digest[:16]}"


def _interpreter() -> str:
    """This Python where it fits, else the newest one on the path that does."""
    if sys.version_info[:2] in PYTHONS:
        return sys.executable
    for major, minor in reversed(PYTHONS):
        if found := shutil.which(f"python{major}.{minor}"):
            return found
    raise ReviewError(
        f"argilla-server: it needs Python 3.11, 3.12 or 3.13, and this is {sys.version_info.major}."
        f"{sys.version_info.minor}; install python3.13 beside it, or name an Argilla of your own in curate.toml"
    )


@contextmanager
def _alone(folder: Path, say: Say) -> Iterator[int]:
    """Holds the environment's lock. Yields its file descriptor: children that inherit it hold the lock too, so a pip
    that outlives a killed parent is waited for rather than disturbed."""
    with folder.with_name(f"{folder.name}.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("argilla-server: another process is making its environment; waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield file.fileno()


def _remove(folder: Path) -> None:
    """A marker outlives nothing that it vouches for: it goes first."""
    (folder / MARKER).unlink(missing_ok=True)
    if folder.exists():
        shutil.rmtree(folder)


def _make(python: str, folder: Path, held: int) -> None:
    """An empty environment. Without a pip of its own: Debian's python3 has no ensurepip to put one there, and ours can
    install into it."""
    command = [python, "-I", "-m", "venv", "--without-pip", str(folder)]
    done = subprocess.run(  # noqa: S603 - no shell, no text of others
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", pass_fds=[held]
    )
    if done.returncode != 0:
        said = last_error(done.stderr + done.stdout)
        raise ReviewError(f"argilla-server: no virtual environment could be made with {python}: {said}")


def _install(inner: Path, lock_file: Path, held: int, say: Say) -> None:
    if importlib.util.find_spec("pip") is None:
        raise ReviewError(
            f"argilla-server: it is installed by pip, which is missing here; {sys.executable} -m ensurepip"
        )
    packages = len(re.findall(r"^[\w.-]+==", lock_file.read_text("utf-8"), re.MULTILINE))
    command = [sys.executable, "-I", "-m", "pip", "--python", str(inner), "install", "--disable-pip-version-check"]
    command += ["--no-input", "--no-cache-dir", "--progress-bar=off"]
    command += ["--no-deps", "--only-binary=:all:", "--require-hashes", "--requirement", str(lock_file)]
    with tempfile.TemporaryFile("w+") as said:
        child = subprocess.Popen(  # noqa: S603 - no shell, no text of others
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=said, text=True, pass_fds=[held]
        )
        assert child.stdout is not None
        fetched = 0
        with child:
            try:
                for line in child.stdout:
                    fetched += line.startswith("Collecting ")
                    if line.startswith("Collecting ") and fetched % 20 == 0:
                        say(f"argilla-server: fetched {fetched} of {packages} packages")
                    elif line.startswith("Installing collected packages"):
                        say("argilla-server: installing them")
            except BaseException:
                child.terminate()
                raise
        if child.returncode != 0:
            said.seek(0)
            raise ReviewError(
                f"argilla-server: pip could not install it: {last_error(said.read())}; "
                "check the network and pip's settings, and run the same command again"
            )
