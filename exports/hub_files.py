"""What a release folder means to be on the Hub, what is there, and what is between the two: by hash, file by file.

manifest, meant = read_release(Path("releases/v1"), say)
there = look(hub, "main")
find_difference(meant, there, paths_of(earlier_release(hub, there))).deleted
"""

import hashlib
import shutil
import tempfile
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from huggingface_hub import CommitOperationAdd, CommitOperationDelete
from huggingface_hub.hf_api import RepoFile
from pydantic import ValidationError

from exports.dataset import file_sha256
from exports.hub_connection import Hub, Say, ask
from exports.layout import CARD, MANIFEST
from schemas.errors import ReleaseError
from schemas.release import Manifest

ATTRIBUTES = ".gitattributes"
"""The Hub's own, in every repository: which files it keeps apart."""


class Meant(NamedTuple):
    """A file that is to be there."""

    file: Path
    size: int
    sha256: str


class There(NamedTuple):
    """What is there, at one commit."""

    revision: str
    files: Mapping[str, RepoFile]


class Difference(NamedTuple):
    """What a commit has to do, by path."""

    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    deleted: tuple[str, ...] = ()
    """Of the push before; this one does not have them."""
    left: tuple[str, ...] = ()
    """What no push put there stays."""

    @property
    def all(self) -> tuple[str, ...]:
        return (*self.added, *self.changed, *self.deleted)


def read_release(folder: Path, say: Say) -> tuple[Manifest, dict[str, Meant]]:
    """The manifest, and by path the files it lists, itself, and the card.

    Raises ReleaseError: it is no release, or not what its manifest says it is.
    """
    try:
        manifest = Manifest.model_validate_json((folder / MANIFEST).read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        raise ReleaseError(f"{folder}: no release is there: it has no {MANIFEST}; `curate export` makes one") from None
    except OSError as error:
        raise ReleaseError(f"{folder / MANIFEST}: {error.strerror}") from None
    except ValidationError as error:
        where = ".".join(map(str, error.errors()[0]["loc"])) or "it is no JSON"
        raise ReleaseError(f"{folder / MANIFEST}: not a release's ({where}); export it again") from None
    listed = {one.path: one.sha256 for one in manifest.files}
    meant = {path: _meant(folder, path) for path in dict.fromkeys([*listed, MANIFEST, CARD])}
    if edited := [path for path, sha256 in listed.items() if path != MANIFEST and meant[path].sha256 != sha256]:
        raise ReleaseError(
            f"{folder}: {some(edited)}: not what {MANIFEST} says; a release is not edited: export it again"
        )
    others = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()} - set(meant)
    if others:
        say(f"{folder}: not of the release, and left out: {some(others)}")
    return manifest, meant


def look(hub: Hub, revision: str) -> There:
    info = hub.api.repo_info(hub.repo, repo_type=hub.kind, revision=revision)
    if info.sha is None:
        raise ReleaseError(f"{hub.endpoint}: no Hub answers there: it names no commit of {hub.repo}")
    listed = hub.api.list_repo_tree(hub.repo, revision=info.sha, recursive=True, repo_type=hub.kind)
    return There(info.sha, {one.path: one for one in listed if isinstance(one, RepoFile)})


def earlier_release(hub: Hub, there: There) -> Manifest | None:
    """The manifest that is there; None where there is none, or something else of that name."""
    if MANIFEST not in there.files:
        return None
    with tempfile.TemporaryDirectory() as nearby:
        _download_one(hub, there.revision, MANIFEST, Path(nearby))
        try:
            return Manifest.model_validate_json((Path(nearby) / MANIFEST).read_bytes())
        except ValidationError:
            return None


def paths_of(earlier: Manifest | None) -> set[str]:
    return {one.path for one in earlier.files} if earlier else set()


def find_difference(meant: Mapping[str, Meant], there: There, ours: Collection[str] = ()) -> Difference:
    """`ours`: paths that a push before this one put there. No other file is ever deleted."""
    others = set(there.files) - set(meant) - {ATTRIBUTES}
    return Difference(
        added=tuple(path for path in meant if path not in there.files),
        changed=tuple(path for path in meant if path in there.files and not _equal(meant[path], there.files[path])),
        deleted=tuple(sorted(others & set(ours))),
        left=tuple(sorted(others - set(ours))),
    )


def equal_releases(one: Manifest, other: Manifest) -> bool:
    """Equal but for the time that they were made at."""
    return one.model_copy(update={"made_at": other.made_at}) == other


def commit(hub: Hub, meant: Mapping[str, Meant], there: There, difference: Difference, message: str) -> str:
    """Commits a difference on top of what is there; gives the commit. Raises ReleaseError where it lacks a file."""
    send = [*difference.added, *difference.changed]
    hub.say(f"{hub.repo}: sending {amount(meant[path].size for path in send)}")
    made = hub.api.create_commit(
        hub.repo,
        [
            *(CommitOperationAdd(path, meant[path].file) for path in send),
            *(CommitOperationDelete(path, is_folder=False) for path in difference.deleted),
        ],
        commit_message=message,
        repo_type=hub.kind,
        parent_commit=there.revision,
    )
    missing = find_difference(meant, look(hub, made.oid))
    if missing.all:
        raise ReleaseError(f"{hub.repo}: the Hub left out {some(missing.all)}; does a .gitignore there keep them away?")
    return made.oid


def download(hub: Hub, revision: str, paths: Sequence[str], folder: Path) -> None:
    """Takes files down, from the Hub itself whatever is in a cache. Raises ReleaseError."""
    for path in paths:
        ask(hub, partial(_download_one, hub, revision, path, folder))
    shutil.rmtree(folder / ".cache", ignore_errors=True)  # the client's notes


def some(paths: Iterable[str], most: int = 3) -> str:
    """The first few, for a message."""
    listed = sorted(paths)
    return ", ".join(listed[:most]) + (f" and {len(listed) - most} more" if len(listed) > most else "")


def amount(sizes: Iterable[int | None]) -> str:
    known = [size or 0 for size in sizes]
    return f"{len(known)} files, {sum(known) / 1e6:,.1f} MB"


def _meant(folder: Path, path: str) -> Meant:
    parts = PurePosixPath(path).parts
    plain = path == "/".join(parts) and "\\" not in path and not {"/", "..", ".git"} & set(parts)
    file = folder / path
    # A manifest is data: it must not make us send what lies elsewhere.
    if not parts or not plain or not file.resolve().is_relative_to(folder.resolve()):
        raise ReleaseError(f"{folder / MANIFEST}: {path!r} is no file inside a release; export it again")
    try:
        return Meant(file, file.stat().st_size, file_sha256(file))
    except OSError as error:
        raise ReleaseError(f"{file}: {error.strerror}; export the release again") from None


def _equal(meant: Meant, there: RepoFile) -> bool:
    if meant.size != there.size:
        return False
    if there.lfs is not None:
        return meant.sha256 == there.lfs.sha256
    # Git's own name for a content, which is all that is told of a small file.
    content = meant.file.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest() == there.blob_id


def _download_one(hub: Hub, revision: str, path: str, folder: Path) -> None:
    # Forced: else the client may hand out a copy that it took down at another time, and that somebody changed.
    hub.api.hf_hub_download(
        hub.repo, path, repo_type=hub.kind, revision=revision, local_dir=folder, force_download=True
    )
