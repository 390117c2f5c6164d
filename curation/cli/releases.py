"""The releases of a project: folders in `releases/`, named v1, v2, or as somebody likes."""

import os
from pathlib import Path

from curation.cli.console import shorten
from schemas.errors import UsageError

RELEASES = "releases"


def find_release(project: Path, said: str) -> Path | None:
    """The folder of a release, by its name in the project or by its path; None where there is no such folder.

    Raises UsageError for no name at all, and for a file.
    """
    if not said.strip():
        raise UsageError("'' names no release; give its name, like v1, or its folder")
    places = (project / RELEASES / said, Path(said), project / said)
    if folder := next(filter(is_folder, places), None):
        return folder
    if any(map(os.path.exists, places)):
        raise UsageError(f"{shorten(said, 80)}: a file, not a release; give the folder that a release is")
    return None


def is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # a name that is too long, a folder above that may not be looked into
        return False


def newest_name(project: Path) -> str:
    """The release with the highest number, else the newest folder. Raises UsageError: there is none."""
    made = [path for path in (project / RELEASES).glob("*") if is_folder(path) and not path.name.startswith(".")]
    if not made:
        raise UsageError(f"{project / RELEASES}: no release yet; `curate export` makes one")
    return max(made, key=lambda path: (_number(path), path.stat().st_mtime)).name


def next_name(project: Path) -> str:
    return f"v{max(map(_number, (project / RELEASES).glob('v*')), default=0) + 1}"


def _number(path: Path) -> int:
    """Of v7 it is 7; 0 where the name has none."""
    digits = path.name[1:]
    return int(digits) if path.name.startswith("v") and digits.isascii() and digits.isdigit() else 0
