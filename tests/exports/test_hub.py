"""Push and fetch, against the small Hub of tests/hub_server.py, by huggingface_hub and datasets themselves."""

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from exports.layout import SPLITS, data_path, read_columns
from schemas.errors import UsageError
from tests.exports.release_folder import write
from tests.hub_endpoints import Answer
from tests.hub_repos import Blob, Repo
from tests.hub_server import HubServer, python, serving, times
from tests.pushing import SET, assert_released_once, content, files, push, refused, said
from tests.release_rows import many
from tests.small_release import make_release


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    with serving(monkeypatch) as server:
        yield server


@pytest.fixture
def release(tmp_path: Path) -> Path:
    return make_release(tmp_path / "v1")


@pytest.fixture(autouse=True)
def _said_nothing() -> None:
    said.clear()


@pytest.mark.parametrize("tag", ["", "main", "v 1", "-v", "v1.lock", "a..b", "a/b", "v1\n"])
def test_a_tag_that_git_would_not_take_is_refused_at_once(hub: HubServer, release: Path, tag: str) -> None:
    assert "no name for a release" in refused(partial(push, release, SET, tag=tag), UsageError)
    assert not hub.asked


# What a push does


def test_every_config_that_was_pushed_loads_with_equal_rows(hub: HubServer, tmp_path: Path) -> None:
    release = tmp_path / "v1"
    write(release, many(12, 6), renders=("r1", "qwen3"))
    push(release, SET)
    load = """if True:
        import json, sys
        from datasets import get_dataset_config_names, load_dataset
        names = get_dataset_config_names(sys.argv[1], revision="v1")
        loaded = {name: load_dataset(sys.argv[1], name, revision="v1") for name in names}
        print(json.dumps({name: {split: list(rows) for split, rows in sets.items()} for name, sets in loaded.items()}))
        """
    loading = python(hub, tmp_path / "home", load, SET)
    out, err = loading.communicate(timeout=100)
    assert loading.returncode == 0, err
    assert json.loads(out) == {
        config: {split: read_columns([release / data_path(config, split)]) for split in SPLITS}
        for config in ("default", "provenance", "r1", "qwen3")
    }


def test_a_push_makes_a_private_dataset_with_one_commit_and_its_tag(hub: HubServer, release: Path) -> None:
    result = push(release, SET)
    repo = hub.repos[SET]
    assert_released_once(hub, release)
    assert (repo.private, repo.gated, repo.tags) == (True, False, {"v1": repo.head.sha})
    assert (result.revision, result.url) == (repo.head.sha, f"{hub.url}/datasets/ours/set/tree/v1")
    assert (result.private, result.gated, result.unchanged) == (True, False, False)
    assert set(result.difference.added) == set(files(release))


def test_a_team_may_push_to_a_name_of_its_own(hub: HubServer, release: Path) -> None:
    push(release, "our-team/set")
    assert hub.repos["our-team/set"].private


def test_everyone_may_read_it_only_where_that_was_asked_for(hub: HubServer, release: Path) -> None:
    assert not push(release, SET, private=False).private
    assert not hub.repos[SET].private


def test_gated_readers_have_to_ask(hub: HubServer, release: Path) -> None:
    assert push(release, SET, private=False, gated=True).gated
    assert hub.repos[SET].gated == "auto"


def test_what_was_gated_stays_gated(hub: HubServer, release: Path) -> None:
    hub.repos[SET] = Repo(SET, private=True, gated="manual")
    assert push(release, SET).gated
    assert hub.repos[SET].gated == "manual"


def test_a_private_push_does_not_go_where_everyone_can_read(hub: HubServer, release: Path) -> None:
    hub.repos[SET] = Repo(SET)
    assert "--public" in refused(partial(push, release, SET))
    assert not hub.writes()


def test_a_public_push_opens_no_private_repository(hub: HubServer, release: Path) -> None:
    hub.repos[SET] = Repo(SET, private=True)
    assert push(release, SET, private=False).private
    assert hub.repos[SET].private
    assert "stays so" in "".join(said)


def test_a_push_of_what_is_there_writes_nothing(hub: HubServer, release: Path) -> None:
    first = push(release, SET)
    hub.asked.clear()
    again = push(release, SET)
    assert again.unchanged
    assert again.revision == first.revision
    assert not hub.writes()


def test_a_release_that_was_made_again_is_the_same_release(hub: HubServer, tmp_path: Path) -> None:
    push(make_release(tmp_path / "one" / "v1", made_at="2026-01-01T00:00:00Z"), SET)
    hub.asked.clear()
    assert push(make_release(tmp_path / "two" / "v1", made_at="2026-02-02T00:00:00Z"), SET).unchanged
    assert not hub.writes()


def test_the_next_release_replaces_what_the_last_one_left_and_nothing_else(hub: HubServer, tmp_path: Path) -> None:
    first = make_release(tmp_path / "v1", configs=["default", "r1"], pictures=["old.png", "kept.png"])
    push(first, SET)
    repo = hub.repos[SET]
    repo.commit("main", {"NOTES.md": Blob(b"the owner's")}, message="by hand")
    second = make_release(tmp_path / "v2", ["Another?"], configs=["default"], pictures=["kept.png"])
    hub.asked.clear()
    result = push(second, SET, tag="v2")
    assert content(repo, "v2") == {**files(second), "NOTES.md": b"the owner's"}
    assert content(repo, "v1") == files(first)
    r1 = {f"data/r1/{split}-00000-of-00001.parquet" for split in SPLITS}
    assert set(result.difference.deleted) == {"images/old.png", *r1}
    assert "images/kept.png" not in result.difference.changed
    assert result.difference.left == ("NOTES.md",)
    assert sum("/commit/" in write for write in hub.writes()) == 1


def test_an_older_release_pushed_again_moves_nothing(hub: HubServer, tmp_path: Path, release: Path) -> None:
    push(release, SET)
    push(make_release(tmp_path / "v2", ["Another?"]), SET, tag="v2")
    head = hub.repos[SET].head
    assert push(release, SET).unchanged
    assert hub.repos[SET].head == head


def test_a_tag_is_never_moved_to_another_release(hub: HubServer, tmp_path: Path, release: Path) -> None:
    push(release, SET)
    hub.asked.clear()
    assert "v1 is there and holds another release" in refused(
        partial(push, make_release(tmp_path / "v2", ["Another?"]), SET)
    )
    assert not hub.writes()


def test_two_tags_may_stand_on_one_release(hub: HubServer, release: Path) -> None:
    push(release, SET)
    assert push(release, SET, tag="paper").unchanged
    assert set(hub.repos[SET].tags) == {"v1", "paper"}
    assert_released_once(hub, release)


def test_a_repository_of_something_else_is_left_alone(hub: HubServer, release: Path) -> None:
    hub.repos[SET] = Repo(SET, private=True)
    hub.repos[SET].commit("main", {"data/train.csv": Blob(b"1,2")}, message="another set")
    assert "data/train.csv" in refused(partial(push, release, SET))
    assert not hub.writes()


def test_a_card_that_was_started_on_the_page_is_replaced(hub: HubServer, release: Path) -> None:
    hub.repos[SET] = Repo(SET, private=True)
    hub.repos[SET].commit("main", {"README.md": Blob(b"# soon")}, message="by hand")
    push(release, SET)
    assert content(hub.repos[SET], "v1") == files(release)


def test_a_dry_run_says_all_and_writes_nothing(hub: HubServer, tmp_path: Path, release: Path) -> None:
    result = push(release, SET, gated=True, dry_run=True)
    assert "would make ours/set, private and gated" in said
    assert all(any(line.startswith(f"would add {path},") for line in said) for path in files(release))
    assert (result.revision, result.private, result.gated) == (None, True, True)
    push(release, SET)
    second = make_release(tmp_path / "v2", ["Another?"], configs=["default"])
    hub.asked.clear()
    result = push(second, SET, tag="v2", gated=True, dry_run=True)
    assert "would gate ours/set" in said
    assert "would delete data/r1/test-00000-of-00001.parquet" in said
    assert set(result.difference.changed) >= {"README.md", "manifest.json"}
    assert not hub.writes()


def test_rows_that_nobody_decided_are_asked_for_again(hub: HubServer, tmp_path: Path) -> None:
    release = make_release(tmp_path / "v1", unreviewed=2)
    assert "2 of 6 rows" in refused(partial(push, release, SET))
    assert not hub.asked
    push(release, SET, allow_unreviewed=True)
    assert_released_once(hub, release)


def test_harmful_traces_go_only_where_readers_have_to_ask_before_a_byte_does(hub: HubServer, tmp_path: Path) -> None:
    release = make_release(tmp_path / "v1", harmful_traces=True)
    assert "--gated" in refused(partial(push, release, SET))
    assert not hub.writes()
    push(release, SET, gated=True)
    assert hub.repos[SET].gated == "manual"
    writes = hub.writes()
    assert writes[:2] == ["POST /api/repos/create", "PUT /api/datasets/ours/set/settings"]


def test_harmful_traces_stay_here_if_the_hub_does_not_gate(hub: HubServer, tmp_path: Path) -> None:
    hub.fault = times(9, "PUT", "/settings", Answer(200, {}))
    line = refused(partial(push, make_release(tmp_path / "v1", harmful_traces=True), SET, gated=True))
    assert "did not gate" in line
    assert not [write for write in hub.writes() if "preupload" in write or "commit" in write]


# The folder


def test_what_is_not_the_release_that_it_says_it_is_stays_here(hub: HubServer, release: Path) -> None:
    (release / "images" / "composition.png").write_bytes(b"another")
    assert "images/composition.png: not what manifest.json says" in refused(partial(push, release, SET))
    (release / "images" / "composition.png").unlink()
    assert "composition.png: No such file" in refused(partial(push, release, SET))
    (release / "manifest.json").write_text("{}")
    assert "not a release's" in refused(partial(push, release, SET))
    (release / "manifest.json").unlink()
    assert "no release is there" in refused(partial(push, release, SET))
    assert "no release is there" in refused(partial(push, release / "README.md", SET))
    assert not hub.asked


@pytest.mark.parametrize("path", ["../secret", "/etc/hostname", "a/../../secret", "link", ""])
def test_a_manifest_cannot_send_what_lies_outside_of_the_release(hub: HubServer, release: Path, path: str) -> None:
    (release.parent / "secret").write_text("mine")
    (release / "link").symlink_to(release.parent / "secret")
    manifest = json.loads((release / "manifest.json").read_text("utf-8"))
    manifest["files"].append({"path": path, "sha256": "0" * 64, "size_bytes": 4})
    (release / "manifest.json").write_text(json.dumps(manifest), "utf-8")
    assert "is no file inside a release" in refused(partial(push, release, SET))
    assert not hub.asked


def test_files_that_are_not_of_the_release_are_left_out_and_named(hub: HubServer, release: Path) -> None:
    of_release = files(release)
    (release / "notes.txt").write_text("mine alone")
    push(release, SET)
    assert content(hub.repos[SET], "v1") == of_release
    assert "notes.txt" in "".join(said)
