"""A folder under a passing name, beside the place that it gets when it is whole.

An export holds a shared lock on the folder of releases for as long as it writes, and the lock goes with its process,
however that ends. Who gets this lock for itself alone knows that no export is writing: what lies there under a passing
name was left by one that was killed, and is cleared.
"""

import fcntl
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_PASSING = re.compile(r"\..+\.[0-9a-f]{8}\.partial", re.DOTALL)


@contextmanager
def passing_folder(folder: Path) -> Iterator[Path]:
    """A new folder beside `folder`, to be renamed to it; gone in the end if that was not done. Raises OSError."""
    with suppress(FileExistsError):
        folder.parent.mkdir(parents=True)
    held = os.open(folder.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        # OSError: others are at work, or the file system has no locks; then nobody knows what is dead.
        with suppress(OSError):
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _clear(folder.parent)
        with suppress(OSError):
            fcntl.flock(held, fcntl.LOCK_SH)
        passing = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}.partial")
        passing.mkdir()
        try:
            yield passing
        finally:
            shutil.rmtree(passing, ignore_errors=True)
    finally:
        os.close(held)


def _clear(releases: Path) -> None:
    for path in releases.iterdir():
        if _PASSING.fullmatch(path.name) and path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
