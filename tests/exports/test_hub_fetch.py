"""Fetch: a release of the Hub in a folder, whole or not at all."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import huggingface_hub
import pytest

from schemas.errors import UsageError
from tests.hub_server import STRANGER, WRITER, HubServer, error, serving, times
from tests.pushing import SET, fetch, files, push, refused
from tests.small_release import make_release


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    with serving(monkeypatch) as server:
        yield server


@pytest.fixture
def release(tmp_path: Path) -> Path:
    return make_release(tmp_path / "v1")


def test_a_fetched_revision_is_the_release_and_nothing_else(hub: HubServer, tmp_path: Path, release: Path) -> None:
    push(release, SET)
    push(make_release(tmp_path / "v2", ["Another?"]), SET, tag="v2")
    assert files(fetch(SET, "v1", tmp_path / "deep" / "back")) == files(release)
    assert files(fetch(SET, None, tmp_path / "newest")) == files(tmp_path / "v2")
    sha = hub.repos[SET].tags["v1"]
    (tmp_path / "empty").mkdir()
    assert files(fetch(SET, sha, tmp_path / "empty")) == files(release)
    assert {path.name for path in tmp_path.iterdir()} == {"v1", "v2", "deep", "newest", "empty"}


def test_files_come_from_the_hub_whatever_the_client_kept(
    hub: HubServer, tmp_path: Path, release: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "kept"))
    result = push(release, SET)
    api = huggingface_hub.HfApi(endpoint=hub.url)
    kept = api.hf_hub_download(SET, "README.md", repo_type="dataset", revision=result.revision)
    assert Path(kept).is_relative_to(tmp_path / "kept")
    Path(kept).write_text("changed since")
    assert files(fetch(SET, result.revision, tmp_path / "back")) == files(release)


def test_a_fetch_that_fails_leaves_nothing(hub: HubServer, tmp_path: Path, release: Path) -> None:
    push(release, SET)
    hub.fault = times(99, "GET", "composition.png", error(403, "no"))
    assert refused(partial(fetch, SET, "v1", tmp_path / "back"))
    assert {path.name for path in tmp_path.iterdir()} == {"v1"}


def test_what_is_there_is_not_overwritten(hub: HubServer, release: Path) -> None:
    before = files(release)
    for there in (release, release / "README.md"):
        assert "is there already" in refused(partial(fetch, SET, None, there))
    assert files(release) == before


def test_what_is_not_there_is_told(
    hub: HubServer, tmp_path: Path, release: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    push(release, SET)
    assert "ours/none: no such dataset" in refused(partial(fetch, "ours/none", None, tmp_path / "back"))
    assert "no such revision" in refused(partial(fetch, SET, "v9", tmp_path / "back"))
    assert "write org/name" in refused(partial(fetch, "set", None, tmp_path / "back"), UsageError)
    monkeypatch.setenv("HF_TOKEN", STRANGER)
    assert "may not see it" in refused(partial(fetch, SET, "v1", tmp_path / "back"))
    monkeypatch.delenv("HF_TOKEN")
    assert "HF_TOKEN is not set" in refused(partial(fetch, SET, "v1", tmp_path / "back"))


def test_what_everyone_can_read_needs_no_token_and_what_is_gated_has_to_be_asked_for(
    hub: HubServer, tmp_path: Path, release: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    push(release, SET, private=False)
    monkeypatch.delenv("HF_TOKEN")
    (tmp_path / "of a login").write_text(WRITER)
    monkeypatch.setattr(huggingface_hub.constants, "HF_TOKEN_PATH", str(tmp_path / "of a login"))
    hub.asked.clear()
    assert files(fetch(SET, "v1", tmp_path / "back")) == files(release)
    assert not [asked for asked in hub.asked if "authorization" in asked.headers]
    hub.repos[SET].gated = "manual"
    monkeypatch.setenv("HF_TOKEN", STRANGER)
    assert "it is gated" in refused(partial(fetch, SET, "v1", tmp_path / "again"))


def test_a_folder_that_cannot_be_written_is_told(hub: HubServer, tmp_path: Path, release: Path) -> None:
    push(release, SET)
    (tmp_path / "file").write_text("no folder")
    assert "file" in refused(partial(fetch, SET, "v1", tmp_path / "file" / "back"))
