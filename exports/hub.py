"""A release on the Hub: a commit, a tag on it, and the same bytes read back.

    push(Path("releases/v1"), "org/name", tag="v1", say=print)
    fetch("org/name", "v1", Path("downloaded"))

A push compares by hash what is there with what is meant and commits only the difference, so the same command finishes
one that was cut off anywhere, and one that finds everything there commits nothing. A tag is never moved.
"""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, NamedTuple

from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError
from huggingface_hub.hf_api import DatasetInfo, ModelInfo

from exports.dataset import file_sha256
from exports.hub_connection import CONFLICTS, DATASET, FIRST_WAIT_SECONDS, MODEL, Hub, Say, ask, connect
from exports.hub_files import (
    ATTRIBUTES,
    Difference,
    Meant,
    There,
    amount,
    commit,
    download,
    earlier_release,
    equal_releases,
    find_difference,
    look,
    paths_of,
    read_release,
    some,
)
from exports.layout import CARD, MANIFEST
from schemas.errors import ReleaseError
from schemas.hub import MAIN, parse_bare_repo, parse_repo, require_release_name
from schemas.release import Manifest

Info = DatasetInfo | ModelInfo


class PushResult(NamedTuple):
    """What a push did, or what it would do if it was a dry run."""

    repo: str
    tag: str
    revision: str | None
    """The commit that the tag stands on; None where a dry run would have to make one."""
    url: str
    difference: Difference
    private: bool
    gated: bool

    @property
    def unchanged(self) -> bool:
        """All files were there already."""
        return not self.difference.all


def push(
    folder: Path,
    repo: str,
    *,
    tag: str,
    say: Say,
    private: bool = True,
    gated: bool = False,
    allow_unreviewed: bool = False,
    dry_run: bool = False,
    first_wait_seconds: float = FIRST_WAIT_SECONDS,
) -> PushResult:
    """Brings a release folder to the Hub as the dataset `repo`, tags it, downloads what it made and compares hashes.

    A new repository is private unless `private` is False; one that is there keeps its visibility, and a public one is
    refused unless `private` is False. `gated`: who wants to read has to ask; what was gated stays so.
    `dry_run`: asks the Hub and says what would happen; nothing is written there.

    Raises UsageError: `repo`, `tag` or HF_ENDPOINT is nothing of the kind; ReleaseError: the folder is not the release
    it says it is, rows without a person's decision are not allowed, the tag stands on something else, the Hub or the
    network refuses.
    """
    name = parse_bare_repo(repo)
    require_release_name(tag)
    manifest, meant = read_release(folder, say)
    if manifest.unreviewed and not allow_unreviewed:
        rows = f"{manifest.unreviewed} of {sum(manifest.rows.values())} rows have"
        raise ReleaseError(f"{folder}: {rows} no decision of a person; review them, or push with --allow-unreviewed")
    hub = connect(name, say, writes=True, first_wait_seconds=first_wait_seconds)
    readers = _Readers(private, gated, manifest.harmful_traces)
    info = ask(hub, lambda: find(hub))
    _check_readers(hub, info, readers)
    if dry_run:
        return _rehearse(hub, info, readers, manifest, meant, tag)
    info = ask(hub, lambda: _make_ready(hub, readers), again=CONFLICTS)
    result = _bring(hub, info, manifest, meant, tag)
    _compare_back(hub, manifest, meant, result)
    say(f"{result.url}: {len(meant)} files, read back and equal")
    return result


def fetch(
    repo: str,
    revision: str | None,
    folder: Path,
    *,
    say: Say = lambda line: None,
    first_wait_seconds: float = FIRST_WAIT_SECONDS,
) -> Path:
    """Downloads a dataset's files at a revision (None: the newest) into `folder`, which must not hold anything yet.

    Whole or not at all. Needs HF_TOKEN only for what is private or gated. Raises ReleaseError; UsageError as
    `push` does.
    """
    hub = connect(parse_repo(repo).repo, say, writes=False, first_wait_seconds=first_wait_seconds)
    try:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise ReleaseError(f"{folder}: is there already; name a folder that is not, or remove it")
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as nearby:
            there = ask(hub, lambda: look(hub, revision or MAIN), first=True)
            paths = [path for path in there.files if path != ATTRIBUTES]
            say(f"{hub.repo}: downloading {amount(there.files[path].size for path in paths)}")
            whole = Path(nearby) / "whole"
            whole.mkdir()
            download(hub, there.revision, paths, whole)
            whole.replace(folder)
    except OSError as error:
        raise ReleaseError(f"{error.filename or folder}: {error.strerror or error}") from None
    return folder


class _Readers(NamedTuple):
    """Who is to read it."""

    private: bool
    gated: bool
    harmful_traces: bool

    def __str__(self) -> str:
        return ("private" if self.private else "public") + (" and gated" if self.gated else "")

    @property
    def gate(self) -> Literal["auto", "manual"]:
        # A person looks at who asks for harmful text; anything else is to be had for a name.
        return "manual" if self.harmful_traces else "auto"


def find(hub: Hub) -> Info | None:
    """What the Hub tells of the repository; None where there is none."""
    try:
        return hub.api.model_info(hub.repo) if hub.kind == MODEL else hub.api.dataset_info(hub.repo)
    except GatedRepoError:  # the client has it as one that is not there
        raise
    except RepositoryNotFoundError:
        return None


def _check_readers(hub: Hub, info: Info | None, readers: _Readers) -> None:
    """Raises ReleaseError where more people could read it than was asked for."""
    if readers.harmful_traces and not readers.gated and not (info and info.gated):
        raise ReleaseError(
            f"{hub.repo}: the release holds original traces of harmful rows, which go only where readers have to ask:"
            " push with --gated, or export without them"
        )
    if info:
        require_readers(hub, info, readers.private)


def require_readers(hub: Hub, info: Info, private: bool) -> None:
    """Raises ReleaseError where everyone could read what is to be private."""
    if private and not info.private:
        raise ReleaseError(
            f"{hub.repo}: everyone can find it, and this push is to be private: make it private at {hub.page}/settings,"
            " or push with --public"
        )
    if info.private and not private:
        hub.say(f"{hub.repo}: it is private and stays so; {hub.page}/settings opens it")


def _make_ready(hub: Hub, readers: _Readers) -> Info:
    """A repository that is there, and gated where it has to be, before a byte of the release goes to it."""
    info = find(hub)
    if info is None:
        hub.say(f"{hub.repo}: making it, {readers}")
        hub.api.create_repo(hub.repo, repo_type=DATASET, private=readers.private, exist_ok=True)
        info = hub.api.dataset_info(hub.repo)
        _check_readers(hub, info, readers)
    if readers.gated and not info.gated:
        hub.api.update_repo_settings(hub.repo, repo_type=DATASET, gated=readers.gate)
        info = hub.api.dataset_info(hub.repo)
        if not info.gated:
            raise ReleaseError(f"{hub.repo}: the Hub did not gate it; gate it at {hub.page}/settings and push again")
    return info


def _bring(hub: Hub, info: Info, manifest: Manifest, meant: Mapping[str, Meant], tag: str) -> PushResult:
    """Commits what is missing and sets the tag, unless both was done."""
    revision, difference = ask(hub, lambda: _standing(hub, manifest, meant, tag))
    if revision is None:
        revision = ask(hub, lambda: _commit(hub, meant, tag), again=CONFLICTS)
    made = revision
    ask(hub, lambda: _set_tag(hub, tag, made), again=CONFLICTS)
    if difference.left:
        hub.say(f"{hub.repo}: what no release put there stays: {some(difference.left)}")
    url = f"{hub.page}/tree/{tag}"
    return PushResult(hub.repo, tag, revision, url, difference, bool(info.private), bool(info.gated))


def _standing(hub: Hub, manifest: Manifest, meant: Mapping[str, Meant], tag: str) -> tuple[str | None, Difference]:
    """The commit that holds this release, None if there is none yet, and what is between it and the newest or the
    tagged one. Raises ReleaseError where the tag is there and stands on another release."""
    tagged = _tagged(hub, tag)
    if tagged is None:
        there, difference = _at_head(hub, meant)
        return None if difference.all else there.revision, difference
    there = look(hub, tagged)
    earlier = earlier_release(hub, there)
    difference = find_difference(meant, there, paths_of(earlier))
    if difference.all == (MANIFEST,) and earlier is not None and equal_releases(earlier, manifest):
        difference = Difference(left=difference.left)
    if difference.all:
        raise ReleaseError(
            f"{hub.repo}: {tag} is there and holds another release ({some(difference.all)}); a release is never"
            " changed: push under another tag"
        )
    hub.say(f"{hub.repo}: {tag} is there already, with the same files")
    return tagged, difference


def _tagged(hub: Hub, tag: str) -> str | None:
    """The commit that the tag stands on."""
    refs = hub.api.list_repo_refs(hub.repo, repo_type=DATASET)
    return next((ref.target_commit for ref in refs.tags if ref.name == tag), None)


def _at_head(hub: Hub, meant: Mapping[str, Meant]) -> tuple[There, Difference]:
    """Raises ReleaseError where the repository is used for something else."""
    there = look(hub, MAIN)
    earlier = earlier_release(hub, there)
    strange = set(there.files) - {ATTRIBUTES, CARD}
    if earlier is None and strange:
        raise ReleaseError(
            f"{hub.repo}: it holds something else than releases ({some(strange)}); push to another name, or delete"
            " these files there"
        )
    return there, find_difference(meant, there, paths_of(earlier))


def _commit(hub: Hub, meant: Mapping[str, Meant], tag: str) -> str:
    """The commit that holds the release: the newest if it does, else a new one of what is missing."""
    there, difference = _at_head(hub, meant)
    if not difference.all:
        return there.revision
    return commit(hub, meant, there, difference, f"Release {tag}")


def _set_tag(hub: Hub, tag: str, revision: str) -> None:
    tagged = _tagged(hub, tag)
    if tagged is None:
        hub.api.create_tag(hub.repo, tag=tag, revision=revision, repo_type=DATASET)
    elif tagged != revision:
        raise ReleaseError(f"{hub.repo}: somebody else set the tag {tag} meanwhile; look there, and take another tag")


def _compare_back(hub: Hub, manifest: Manifest, meant: Mapping[str, Meant], result: PushResult) -> None:
    """Downloads the revision and compares every file. Raises ReleaseError where one came back otherwise."""
    hub.say(f"{hub.repo}: reading back {amount(one.size for one in meant.values())}")
    assert result.revision
    with tempfile.TemporaryDirectory() as nearby:
        back = Path(nearby)
        download(hub, result.revision, list(meant), back)
        other = [path for path, one in meant.items() if path != MANIFEST and file_sha256(back / path) != one.sha256]
        if not equal_releases(Manifest.model_validate_json((back / MANIFEST).read_bytes()), manifest):
            other.append(MANIFEST)
    if other:
        raise ReleaseError(f"{hub.repo}: {some(other)} came back with another hash; do not use {result.revision}")


def _rehearse(
    hub: Hub, info: Info | None, readers: _Readers, manifest: Manifest, meant: Mapping[str, Meant], tag: str
) -> PushResult:
    revision, difference = None, Difference(added=tuple(meant))
    if info is None:
        hub.say(f"would make {hub.repo}, {readers}")
    else:
        if readers.gated and not info.gated:
            hub.say(f"would gate {hub.repo}")
        revision, difference = ask(hub, lambda: _standing(hub, manifest, meant, tag))
    for verb, paths in (("add", difference.added), ("replace", difference.changed)):
        for path in paths:
            hub.say(f"would {verb} {path}, {meant[path].size:,} bytes")
    for path in difference.deleted:
        hub.say(f"would delete {path}")
    hub.say(f"would tag {revision or 'that'} as {tag}, unless it is so")
    private, gated = (info.private, info.gated) if info else (readers.private, False)
    url = f"{hub.page}/tree/{tag}"
    return PushResult(hub.repo, tag, revision, url, difference, bool(private), bool(gated) or readers.gated)
