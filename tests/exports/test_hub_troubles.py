"""What may go wrong between us and the Hub: what is tried again, and the one line for what is not."""

import logging
import os
import signal
import warnings
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
from huggingface_hub.utils.tqdm import are_progress_bars_disabled

from exports.hub_connection import connect
from schemas.errors import UsageError
from tests.hub_endpoints import Answer, Asked
from tests.hub_endpoints import refused as refusal
from tests.hub_repos import Blob, Repo
from tests.hub_server import (
    CUT,
    HALF_REPLY,
    LOSE_REPLY,
    READER,
    WRITER,
    HubServer,
    Trouble,
    error,
    once,
    python,
    serving,
    times,
)
from tests.pushing import SET, assert_released_once, content, fetch, files, push, refused, said
from tests.small_release import make_release

WRITES = {
    "create": ("POST", "/repos/create"),
    "gate": ("PUT", "/settings"),
    "card": ("POST", "/validate-yaml"),
    "commit": ("POST", "/commit/"),
    "tag": ("POST", "/tag/"),
}
TROUBLES: dict[str, Trouble] = {
    "cut": CUT,
    "lost reply": LOSE_REPLY,
    "500": error(500),
    "a proxy's page": Answer(502, b"<html>Bad gateway</html>", {"Content-Type": "text/html"}),
    "429": error(429, retry_after=0),
}


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


# What passes


@pytest.mark.parametrize("trouble", TROUBLES)
@pytest.mark.parametrize("where", WRITES)
def test_what_the_client_gives_up_at_is_done_all_the_same_and_once(
    hub: HubServer, release: Path, where: str, trouble: str
) -> None:
    method, part = WRITES[where]
    hub.fault = once(method, part, TROUBLES[trouble])
    push(release, SET, gated=True)
    assert_released_once(hub, release)
    assert hub.repos[SET].gated
    assert "trying again" in "".join(said)


@pytest.mark.parametrize("part", ["/whoami-v2", "/api/datasets/ours/set", "/refs"])
@pytest.mark.parametrize("trouble", [CUT, error(503)], ids=["cut", "503"])
def test_a_question_is_asked_again(hub: HubServer, release: Path, part: str, trouble: Trouble) -> None:
    hub.fault = once("GET", part, trouble)
    push(release, SET)
    assert_released_once(hub, release)


@pytest.mark.parametrize(
    ("method", "part", "trouble"),
    [
        ("GET", "/tree/", error(500)),
        ("POST", "/preupload/", CUT),
        ("POST", "/objects/batch", error(500)),
        ("PUT", "/objects/", CUT),
        ("PUT", "/objects/", LOSE_REPLY),
        ("POST", "/lfs/verify", error(500)),
        ("HEAD", "/resolve/", error(500)),
        ("GET", "/resolve/", error(500)),
        ("GET", "/resolve/", HALF_REPLY),
    ],
)
def test_what_the_client_itself_tries_again_passes_too(
    hub: HubServer, release: Path, method: str, part: str, trouble: Trouble
) -> None:
    hub.fault = once(method, part, trouble)
    push(release, SET)
    assert_released_once(hub, release)


@pytest.mark.parametrize("status", [409, 412])
def test_a_commit_that_meets_another_is_tried_again(hub: HubServer, release: Path, status: int) -> None:
    hub.fault = once("POST", "/commit/", error(status, "A commit has happened since. Please refresh and try again."))
    push(release, SET)
    assert_released_once(hub, release)


def test_what_someone_else_pushes_in_between_is_looked_at_too(hub: HubServer, tmp_path: Path, release: Path) -> None:
    push(release, SET)
    repo = hub.repos[SET]
    theirs = make_release(tmp_path / "theirs", ["Theirs?"], pictures=["theirs.png"])

    def fault(asked: Asked) -> Trouble:
        if "/commit/" in asked.path and "NOTES.md" not in repo.head.files:
            added = {path: Blob(content) for path, content in files(theirs).items()}
            repo.commit("main", {**added, "NOTES.md": Blob(b"theirs too")}, message="in between")
        return None

    hub.fault = fault
    second = make_release(tmp_path / "v2", ["Another?"])
    push(second, SET, tag="v2")
    assert content(repo, "v2") == {**files(second), "NOTES.md": b"theirs too"}
    assert [commit.message for commit in repo.history][:3] == ["Release v2", "in between", "Release v1"]


@pytest.mark.parametrize("moment", ["PUT /objects/", "POST /commit/", "POST /tag/", "GET /resolve/"])
def test_a_push_that_was_killed_is_finished_by_the_same_command(
    hub: HubServer, tmp_path: Path, release: Path, moment: str
) -> None:
    code = """if True:
        import sys
        from pathlib import Path
        from exports.hub import push
        push(Path(sys.argv[1]), sys.argv[2], tag="v1", say=print)
        """
    method, part = moment.split()

    def fault(asked: Asked) -> Trouble:
        if asked.method == method and part in asked.path and running.poll() is None:
            os.kill(running.pid, signal.SIGKILL)
            running.wait()
            return CUT
        return None

    hub.fault = fault
    running = python(hub, tmp_path / "home", code, str(release), SET)
    out, err = running.communicate(timeout=100)
    assert running.returncode == -signal.SIGKILL, out + err
    push(release, SET)
    assert_released_once(hub, release)


def test_trouble_that_does_not_pass_is_told_and_the_same_command_goes_on_later(hub: HubServer, release: Path) -> None:
    hub.fault = times(99, "POST", "/commit/", error(500))
    assert "trouble (500); run the same command again" in refused(partial(push, release, SET))
    hub.fault = lambda asked: None
    hub.asked.clear()
    push(release, SET)
    assert_released_once(hub, release)
    assert not [write for write in hub.writes() if write.startswith("PUT")]  # what was uploaded stays


def test_a_long_wait_is_left_to_the_user(hub: HubServer, release: Path) -> None:
    hub.fault = times(99, "POST", "/commit/", error(429, retry_after=3600))
    assert "again in 3600 s" in refused(partial(push, release, SET))
    assert sum("/commit/" in write for write in hub.writes()) == 1


# What does not


def test_a_token_that_the_hub_does_not_know_is_named_not_shown(
    hub: HubServer, release: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    line = refused(partial(push, release, SET))
    assert "does not know this token (401)" in line
    assert "hf_wrong" not in line


def test_a_token_that_may_only_read_is_refused_before_anything_is_made(
    hub: HubServer, release: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", READER)
    assert "may only read" in refused(partial(push, release, SET))
    assert not hub.writes()


def test_a_token_without_the_right_to_write_there_is_told(hub: HubServer, release: Path) -> None:
    hub.fault = times(9, "POST", "/preupload/", error(403, "you must use a token with write access"))
    assert "may not write there (403)" in refused(partial(push, release, SET))


def test_without_a_token_nothing_is_pushed(hub: HubServer, release: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_TOKEN")
    assert "HF_TOKEN is not set" in refused(partial(push, release, SET))
    monkeypatch.setenv("HF_TOKEN", " ")
    assert "HF_TOKEN is not set" in refused(partial(push, release, SET))
    monkeypatch.setenv("HF_TOKEN", "hf_of two lines")
    assert "HF_TOKEN holds no token" in refused(partial(push, release, SET))
    assert not hub.asked


def test_the_token_is_never_told_even_if_the_hub_tells_it(hub: HubServer, release: Path) -> None:
    hub.fault = times(9, "POST", "/commit/", error(400, f"no commit for {WRITER}"))
    assert "no commit for …" in refused(partial(push, release, SET))


def test_no_repr_shows_the_token(hub: HubServer) -> None:
    assert WRITER not in repr(connect(SET, said.append, writes=True))


@pytest.mark.parametrize("private", [True, False])
def test_a_repository_of_someone_else_is_theirs(hub: HubServer, release: Path, private: bool) -> None:
    hub.repos["theirs/set"] = Repo("theirs/set", private=private)
    before = hub.repos["theirs/set"].head
    line = refused(partial(push, release, "theirs/set", private=False))
    assert "belongs to someone else" in line
    assert hub.repos["theirs/set"].head == before
    assert "belongs to someone else" in refused(partial(push, release, "theirs/new"))
    assert set(hub.repos) == {"theirs/set"}


def test_a_gated_repository_that_may_not_be_seen_is_not_made_anew(hub: HubServer, release: Path) -> None:
    hub.fault = times(9, "GET", "/api/datasets/theirs/set", refusal(403, "restricted", code="GatedRepo"))
    assert "it is gated" in refused(partial(push, release, "theirs/set"))
    assert not hub.writes()


@pytest.mark.parametrize("status", [402, 403, 413])
def test_no_room_on_the_hub_is_told_in_its_words(hub: HubServer, release: Path, status: int) -> None:
    hub.fault = times(9, "POST", "/objects/batch", error(status, "Private repository storage limit reached"))
    line = refused(partial(push, release, SET))
    assert "the Hub has no room for it" in line
    assert "storage limit reached" in line


def test_a_card_that_the_hub_refuses_is_told(hub: HubServer, release: Path) -> None:
    reply = Answer(400, {"errors": [{"message": '"license" must be one of'}], "warnings": []})
    hub.fault = times(9, "POST", "/validate-yaml", reply)
    assert '"license" must be one of' in refused(partial(push, release, SET))


def test_what_the_hub_says_of_a_card_is_passed_on(hub: HubServer, release: Path) -> None:
    hub.fault = once("POST", "/validate-yaml", Answer(200, {"errors": [], "warnings": [{"message": "no language"}]}))
    push(release, SET)
    assert "no language" in "".join(said)


def test_files_that_the_hub_leaves_out_are_missed(hub: HubServer, release: Path) -> None:
    def fault(asked: Asked) -> Trouble:
        if "/preupload/" not in asked.path:
            return None
        listed = [
            {"path": one["path"], "uploadMode": "regular", "shouldIgnore": one["path"].endswith(".png"), "oid": None}
            for one in asked.json["files"]
        ]
        return Answer(200, {"files": listed})

    hub.fault = fault
    assert "left out images/composition.png" in refused(partial(push, release, SET))
    assert not hub.repos[SET].tags


def test_a_file_that_comes_back_otherwise_is_noticed(hub: HubServer, release: Path) -> None:
    picture = (release / "images" / "composition.png").read_bytes()

    def fault(asked: Asked) -> Trouble:
        if asked.method == "GET" and asked.path.endswith("composition.png"):
            return Answer(200, picture[:-1] + b"?", {"Content-Type": "image/png"})
        return None

    hub.fault = fault
    assert "images/composition.png came back with another hash" in refused(partial(push, release, SET))


def test_a_tag_that_someone_else_set_meanwhile_is_not_moved(hub: HubServer, release: Path) -> None:
    def fault(asked: Asked) -> Trouble:
        if "/tag/" in asked.path:
            hub.repos[SET].tags["v1"] = hub.repos[SET].history[-1].sha
        return None

    hub.fault = fault
    assert "somebody else set the tag v1" in refused(partial(push, release, SET))


def test_an_address_where_nothing_answers_is_told_at_once(
    hub: HubServer, release: Path, monkeypatch: pytest.MonkeyPatch, unused_tcp_port: int
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", f"http://someone:secret@127.0.0.1:{unused_tcp_port}/")
    for call in (partial(push, release, SET), partial(fetch, SET, None, release / "back")):
        line = refused(call)
        assert f"http://127.0.0.1:{unused_tcp_port}: nothing answers there" in line
        assert "secret" not in line
    assert "trying again" not in "".join(said)


@pytest.mark.parametrize("endpoint", ["hub.example", "http://hub.example:99999"])
def test_an_address_that_is_none_is_told(release: Path, monkeypatch: pytest.MonkeyPatch, endpoint: str) -> None:
    monkeypatch.setenv("HF_ENDPOINT", endpoint)
    monkeypatch.setenv("HF_TOKEN", WRITER)
    assert "HF_ENDPOINT" in refused(partial(push, release, SET), UsageError)


@pytest.mark.parametrize(
    "reply",
    [Answer(200, b"<html>Welcome</html>"), Answer(200, {"welcome": 1}), Answer(404, b"nothing"), Answer(200, [1])],
    ids=["a page", "other JSON", "404", "a list"],
)
def test_an_address_where_no_hub_answers_is_told(hub: HubServer, release: Path, reply: Answer) -> None:
    hub.fault = lambda asked: reply
    assert "is HF_ENDPOINT right?" in refused(partial(push, release, SET))
    assert len(hub.asked) == 1


def test_offline_mode_is_told(hub: HubServer, release: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    assert "HF_HUB_OFFLINE is set" in refused(partial(push, release, SET))


# Quiet


def test_a_push_with_troubles_prints_and_logs_nothing_and_leaves_the_client_as_it_was(
    hub: HubServer, release: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    log = logging.getLogger("huggingface_hub")
    before: tuple[Any, ...] = (log.level, huggingface_hub.get_session().timeout, are_progress_bars_disabled())
    hub.fault = once("POST", "/preupload/", error(500))
    with warnings.catch_warnings(record=True) as caught:
        push(release, SET)
    assert capfd.readouterr() == ("", "")
    assert not caplog.records
    assert not caught
    assert (log.level, huggingface_hub.get_session().timeout, are_progress_bars_disabled()) == before
