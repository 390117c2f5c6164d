"""What the small Hub of hub_server.py keeps: repositories that behave as git's do, in memory.

repo = Repo("org/name", private=True)
commit = repo.commit("main", {"README.md": b"…"}, deleted=(), message="first", lfs=frozenset())
repo.tags["v1"] = commit.sha
repo.at("v1").files["README.md"].content
"""

import hashlib
import itertools
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

MADE_AT = "2026-01-01T00:00:00.000Z"
"""Of everything: no test asks when."""


@dataclass(frozen=True)
class Blob:
    content: bytes
    lfs: bool = False

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()

    @property
    def oid(self) -> str:
        """Git's name for it: of the pointer where the content is kept apart."""
        stored = self.content
        if self.lfs:
            stored = (
                f"version https://git-lfs.github.com/spec/v1\noid sha256:{self.sha256}\nsize {len(stored)}\n".encode()
            )
        return hashlib.sha1(b"blob %d\0" % len(stored) + stored).hexdigest()

    @property
    def etag(self) -> str:
        return self.sha256 if self.lfs else self.oid


@dataclass(frozen=True)
class Commit:
    sha: str
    parent: str | None
    message: str
    files: Mapping[str, Blob]


@dataclass
class Repo:
    name: str
    private: bool = False
    gated: str | bool = False
    branches: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    commits: dict[str, Commit] = field(default_factory=dict)
    stored: dict[str, bytes] = field(default_factory=dict)
    """Large files by sha256, whether a commit has them yet or not."""

    def __post_init__(self) -> None:
        attributes = b"*.parquet filter=lfs diff=lfs merge=lfs -text\n"
        self.commit("main", {".gitattributes": Blob(attributes)}, message="initial commit")

    @property
    def owner(self) -> str:
        return self.name.split("/")[0]

    @property
    def head(self) -> Commit:
        return self.commits[self.branches["main"]]

    @property
    def history(self) -> list[Commit]:
        """Of the main branch, newest first."""
        return self.before(self.head)

    def before(self, commit: Commit) -> list[Commit]:
        found = [commit]
        while found[-1].parent:
            found.append(self.commits[found[-1].parent])
        return found

    def at(self, revision: str) -> Commit | None:
        """By branch, tag or sha, as `refs/heads/…` too."""
        short = revision.removeprefix("refs/heads/").removeprefix("refs/tags/")
        return self.commits.get(self.branches.get(short) or self.tags.get(short) or revision)

    def commit(self, branch: str, added: Mapping[str, Blob], *, deleted: Iterable[str] = (), message: str) -> Commit:
        parent = self.commits.get(self.branches.get(branch, ""))
        files = {**(parent.files if parent else {}), **added}
        for path in deleted:
            del files[path]
        told = {
            "files": {path: blob.oid for path, blob in sorted(files.items())},
            "parent": parent.sha if parent else None,
            "message": message,
            "number": len(self.commits),
        }
        sha = hashlib.sha1(json.dumps(told).encode()).hexdigest()
        self.commits[sha] = Commit(sha, parent.sha if parent else None, message, files)
        self.branches[branch] = sha
        return self.commits[sha]


def file_entry(path: str, blob: Blob) -> dict[str, Any]:
    """A file as `tree` and `paths-info` tell of it."""
    entry: dict[str, Any] = {"type": "file", "oid": blob.oid, "size": len(blob.content), "path": path}
    if blob.lfs:
        entry["lfs"] = {"oid": blob.sha256, "size": len(blob.content), "pointerSize": 134}
    return entry


def folder_entry(path: str, commit: Commit) -> dict[str, Any]:
    inside = sorted((name, blob.oid) for name, blob in commit.files.items() if name.startswith(path + "/"))
    return {"type": "directory", "oid": hashlib.sha1(repr(inside).encode()).hexdigest(), "size": 0, "path": path}


def tree(commit: Commit, folder: str, *, recursive: bool) -> list[dict[str, Any]] | None:
    """What is in a folder ('' is the root), sorted by path; None where there is no such folder."""
    start = folder + "/" if folder else ""
    inside = [path for path in commit.files if path.startswith(start)]
    if folder and not inside:
        return None
    folders = {above for path in inside for above in _folders(path) if above.startswith(start)}
    entries = [file_entry(path, commit.files[path]) for path in inside]
    entries += [folder_entry(path, commit) for path in folders]
    if not recursive:
        entries = [entry for entry in entries if "/" not in entry["path"].removeprefix(start)]
    return sorted(entries, key=lambda entry: str(entry["path"]))


def paths_info(commit: Commit, paths: Iterable[str]) -> list[dict[str, Any]]:
    """Files and folders of these names; what is not there is left out, as the Hub has it."""
    folders = set(itertools.chain.from_iterable(map(_folders, commit.files)))
    wanted = [path.strip("/") for path in paths]
    return [file_entry(path, commit.files[path]) for path in wanted if path in commit.files] + [
        folder_entry(path, commit) for path in wanted if path in folders
    ]


def _folders(path: str) -> Iterator[str]:
    parts = path.split("/")
    return ("/".join(parts[:depth]) for depth in range(1, len(parts)))
