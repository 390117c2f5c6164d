"""Push and fetch as tests call them: what they say is kept, they wait hardly at all, a refusal is looked at closely.

push(release, SET)
assert "is there already" in "".join(said)
assert "no such dataset" in refused(partial(fetch, "ours/none", None, tmp_path / "back"))
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from exports import hub as exports_hub
from schemas.errors import CurateError, ReleaseError
from tests.hub_repos import Repo
from tests.hub_server import READER, STRANGER, WRITER, HubServer

SET = "ours/set"

said: list[str] = []
"""What pushes and fetches said; whoever looks empties it first."""

push = partial(exports_hub.push, tag="v1", say=said.append, first_wait_seconds=0.01)
fetch = partial(exports_hub.fetch, say=said.append, first_wait_seconds=0.01)


def refused(call: Callable[[], object], kind: type[CurateError] = ReleaseError) -> str:
    """The one line of a refusal, behind which nothing shows a token."""
    with pytest.raises(kind) as caught:
        call()
    line = str(caught.value)
    assert "\n" not in line
    assert not [token for token in (WRITER, READER, STRANGER) if token in "".join([line, *said])]
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    return line


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def content(repo: Repo, revision: str) -> dict[str, bytes]:
    commit = repo.at(revision)
    assert commit
    return {path: blob.content for path, blob in commit.files.items() if path != ".gitattributes"}


def assert_released_once(hub: HubServer, release: Path) -> None:
    repo = hub.repos[SET]
    assert content(repo, "v1") == files(release)
    assert [commit.message for commit in repo.history] == ["Release v1", "initial commit"]
