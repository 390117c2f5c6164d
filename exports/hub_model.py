"""A trained model on the Hub: one commit of the files that make it, and the same bytes read back.

    check("org/model", say=print)                                     before hours of training
    push_model({"README.md": Path(…), …}, "org/model", say=print)

As with a release (exports/hub.py), a push commits only what is not there: the same command finishes one that was cut
off, and one that finds everything there commits nothing. A newer model takes the place of one that was pushed before:
files of a model that are the older one's alone go, and any other file stays.
"""

import shutil
import tempfile
from collections.abc import Iterable, Mapping
from fnmatch import fnmatch
from pathlib import Path
from typing import NamedTuple

from pydantic import ValidationError

from exports.dataset import file_sha256
from exports.hub import find, require_readers
from exports.hub_connection import CONFLICTS, DATASET, FIRST_WAIT_SECONDS, MODEL, Hub, Say, ask, connect
from exports.hub_files import (
    ATTRIBUTES,
    Difference,
    Meant,
    There,
    amount,
    commit,
    download,
    find_difference,
    look,
    some,
)
from exports.layout import CARD
from schemas.errors import ReleaseError
from schemas.hub import MAIN, parse_bare_repo
from schemas.training import MODEL_FILES, RECORD, RunRecord


class PushedModel(NamedTuple):
    """What a push did."""

    repo: str
    revision: str
    """The commit that holds the model."""
    url: str
    unchanged: bool
    """All files were there already."""
    private: bool


def check(repo: str, *, say: Say, private: bool = True, first_wait_seconds: float = FIRST_WAIT_SECONDS) -> None:
    """Asks the Hub whether a model may be pushed there, and writes nothing.

    Raises UsageError: `repo` or HF_ENDPOINT is nothing of the kind; ReleaseError: no token, or one that may not write
    there; a dataset or a public model is there; the Hub or the network refuses.
    """
    _check(_connect(repo, say, first_wait_seconds), private)


def push_model(
    files: Mapping[str, Path],
    repo: str,
    *,
    say: Say,
    private: bool = True,
    first_wait_seconds: float = FIRST_WAIT_SECONDS,
) -> PushedModel:
    """Brings files, by their paths there, to the Hub as the model `repo`; downloads what it made and compares hashes.

    A new repository is private unless `private` is False; one that is there keeps its visibility. Raises what `check`
    does, and ReleaseError where a file cannot be read, where there is no room to read one back, where the repository
    holds something else than a model of this tool, or where a file comes back otherwise.
    """
    hub = _connect(repo, say, first_wait_seconds)
    _check(hub, private)
    try:
        _require_room(files.values())
        meant = {path: Meant(file, file.stat().st_size, file_sha256(file)) for path, file in files.items()}
    except OSError as error:
        raise ReleaseError(f"{error.filename}: {error.strerror}") from None
    is_private = ask(hub, lambda: _make_ready(hub, private), again=CONFLICTS)
    difference = ask(hub, lambda: _standing(hub, meant))[1]
    revision = ask(hub, lambda: _bring(hub, meant), again=CONFLICTS)
    if difference.left:
        say(f"{hub.repo}: what is no model's stays: {some(difference.left)}")
    _compare_back(hub, revision, meant)
    say(f"{hub.page}: {len(meant)} files, read back and equal")
    return PushedModel(hub.repo, revision, f"{hub.page}/tree/{revision}", not difference.all, is_private)


def licence_of(model: str, say: Say) -> str | None:
    """A model's licence as its card on the Hub names it; None: the model is not there, or its card says nothing."""
    hub = connect(model, say, writes=False, kind=MODEL)
    info = ask(hub, lambda: find(hub))
    matter = info.card_data if info else None
    licence = getattr(matter, "license", None)
    told = getattr(matter, "license_name", None) if licence == "other" else licence
    return told if isinstance(told, str) else None


def is_gated(release: str, say: Say) -> bool:
    """Whether readers of a dataset have to ask for access; False where this token does not see it."""
    hub = connect(release, say, writes=False)
    info = ask(hub, lambda: find(hub))
    return bool(info and info.gated)


def _connect(repo: str, say: Say, first_wait_seconds: float) -> Hub:
    return connect(parse_bare_repo(repo), say, writes=True, first_wait_seconds=first_wait_seconds, kind=MODEL)


def _check(hub: Hub, private: bool) -> None:
    info = ask(hub, lambda: find(hub))
    if info is not None:
        require_readers(hub, info, private)
        return
    assert hub.account
    owner = hub.repo.split("/")[0]
    if owner not in hub.account.namespaces:
        raise ReleaseError(
            f"{hub.repo}: {hub.account.name} may not write there: the token in HF_TOKEN is neither {owner}'s nor a"
            " member's; push elsewhere"
        )
    # The Hub would take both. Whoever gives a release's name means the release, or has mistaken it.
    dataset = hub._replace(kind=DATASET)
    if ask(dataset, lambda: find(dataset)):
        raise ReleaseError(f"{hub.repo}: a dataset has that name ({dataset.page}); name another one for the model")


def _require_room(files: Iterable[Path]) -> None:
    """Before gigabytes are sent: each file comes back into the folder for passing files, one at a time."""
    place, largest = tempfile.gettempdir(), max(file.stat().st_size for file in files)
    if shutil.disk_usage(place).free < largest:
        raise ReleaseError(
            f"{place}: has no room for a file of {largest / 1e9:,.1f} GB, which is read back into it; make room there,"
            " or set TMPDIR to another folder"
        )


def _make_ready(hub: Hub, private: bool) -> bool:
    """A repository that is there; gives whether it is private."""
    info = find(hub)
    if info is None:
        hub.say(f"{hub.repo}: making it, {'private' if private else 'public'}")
        hub.api.create_repo(hub.repo, repo_type=MODEL, private=private, exist_ok=True)
        info = hub.api.model_info(hub.repo)
        require_readers(hub, info, private)
    return bool(info.private)


def _standing(hub: Hub, meant: Mapping[str, Meant]) -> tuple[There, Difference]:
    there = look(hub, MAIN)
    return there, find_difference(meant, there, _ours(hub, there))


def _bring(hub: Hub, meant: Mapping[str, Meant]) -> str:
    """The commit that holds the model: the newest if it does, else a new one."""
    there, difference = _standing(hub, meant)
    return commit(hub, meant, there, difference, "Model") if difference.all else there.revision


def _ours(hub: Hub, there: There) -> set[str]:
    """Files that are an earlier model's. Raises ReleaseError where the repository is used for something else."""
    strange = set(there.files) - {ATTRIBUTES, CARD}
    if not strange:
        return set()
    with tempfile.TemporaryDirectory() as nearby:
        try:
            if RECORD in there.files:
                download(hub, there.revision, [RECORD], Path(nearby))
                RunRecord.model_validate_json((Path(nearby) / RECORD).read_bytes())
                return {path for path in there.files if any(fnmatch(path, one) for one in MODEL_FILES)}
        except ValidationError:
            pass
    raise ReleaseError(
        f"{hub.repo}: it holds something else than models of this tool ({some(strange)}); push to another name, or"
        " delete these files there"
    )


def _compare_back(hub: Hub, revision: str, meant: Mapping[str, Meant]) -> None:
    """Downloads file by file, so that there has to be room for the largest only, and compares hashes."""
    hub.say(f"{hub.repo}: reading back {amount(one.size for one in meant.values())}")
    other = []
    with tempfile.TemporaryDirectory() as nearby:
        back = Path(nearby)
        for path, one in meant.items():
            download(hub, revision, [path], back)
            if file_sha256(back / path) != one.sha256:
                other.append(path)
            (back / path).unlink()
    if other:
        raise ReleaseError(f"{hub.repo}: {some(other)} came back with another hash; do not use {revision}")
