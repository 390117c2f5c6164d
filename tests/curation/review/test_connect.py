"""Every trouble on the way to Argilla is one line that says how to mend it, and holds no key and no password."""

import logging
import socket
import traceback
from pathlib import Path
from typing import Any

import pytest

from curation.review.connect import Address, address, connect, readable
from schemas.errors import ReviewError
from schemas.settings import Review
from tests.fake_argilla import CUT, Answer, FakeArgilla
from tests.review_server import ReviewServer

KEY = "owner.a-secret-that-must-not-leak"


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEAM_KEY", KEY)


def own(url: str) -> Review:
    return Review(api_url=url, api_key_env="TEAM_KEY")


def refused(settings: Review, project: Path = Path()) -> str:
    with pytest.raises(ReviewError) as caught:
        connect(project, settings)
    line = str(caught.value)
    assert "\n" not in line
    assert KEY not in "".join(traceback.format_exception(caught.value))
    return line


def test_a_client_of_the_team_s_own_argilla_sends_the_key_and_only_to_an_argilla() -> None:
    with FakeArgilla() as fake:
        assert connect(Path(), own(fake.url)).api_url == fake.url
        assert fake.keys == [None, KEY, KEY]
    with FakeArgilla(version=(404, "<html>")) as fake:
        refused(own(fake.url))
        assert KEY not in fake.keys


DOES_NOT_LEAK = {"detail": {"code": "c", "params": {"errors": [{"loc": ["body"], "msg": "bad", "input": KEY}]}}}


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ({"me": (401, {"detail": "Could not validate credentials"})}, "the key in TEAM_KEY is not one"),
        ({"me": (403, {"detail": "no"})}, "the key in TEAM_KEY has no right to do this (403)"),
        ({"me": (500, "<html>" + KEY)}, "an error of its own (500)"),
        ({"me": (503, "")}, "not ready (503)"),
        ({"me": (429, "")}, "patience (429)"),
        ({"me": (307, "")}, "sends to another address"),
        ({"me": (422, DOES_NOT_LEAK)}, "it refuses (422): body: bad"),
        ({"me": (422, {"detail": "a\nreason"})}, "it refuses (422): a reason"),
        ({"me": (418, f"<html>{KEY}")}, "it refuses (418): no reason is given"),
        ({"me": CUT}, "the connection broke off"),
        ({"me": (200, "<html>")}, "no Argilla answers there"),
        ({"me": (200, {"hello": "world"})}, "no Argilla answers there"),
        ({"version": CUT}, "the connection broke off"),
        ({"version": (302, "")}, "sends to another address"),
        ({"version": (502, "")}, "not ready (502)"),
        ({"version": (404, {"detail": "Not Found"})}, "no Argilla answers there"),
        ({"version": (200, "<html>welcome</html>")}, "no Argilla answers there"),
        ({"version": (200, ["2.8.0"])}, "no Argilla answers there"),
        ({"version": (200, {"version": "1.29.1"})}, "Argilla 1.29.1 is too old: 2.8 or newer is needed"),
        ({"version": (200, {"version": "new"})}, "no Argilla answers there"),
    ],
)
def test_what_a_server_says_becomes_one_line(answers: dict[str, Answer], said: str) -> None:
    with FakeArgilla(**answers) as fake:
        line = refused(own(fake.url))
        assert line.startswith(f"{fake.url}: ")
        assert said in line


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ((401, {"detail": "no"}), "the key is not one of this Argilla's (401)"),
        ((403, {"detail": "no"}), "has no right to do this (403)"),
        ((404, {"detail": {"code": "c", "params": {"detail": "Dataset not found"}}}), "(404): Dataset not found"),
        ((409, {"detail": "not unique"}), "(409): not unique"),
        ((400, {"detail": {"code": "c", "params": {"message": "bad"}}}), "(400): bad"),
        ((422, DOES_NOT_LEAK), "(422): body: bad"),
        ((413, ""), "too large"),
        ((500, KEY), "an error of its own (500)"),
        ((504, ""), "not ready (504)"),
        (CUT, "the connection broke off"),
    ],
)
def test_what_the_sdk_raises_later_becomes_one_line(other: Answer, said: str) -> None:
    with FakeArgilla(other=other) as fake:
        argilla = connect(Path(), own(fake.url))
        with pytest.raises(ReviewError) as caught, readable(fake.url):
            argilla.workspaces.list()
    assert str(caught.value).startswith(f"{fake.url}: ")
    assert said in str(caught.value)
    assert KEY not in str(caught.value)


def test_a_server_that_is_not_there_is_said_at_once() -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        line = refused(own(f"http://127.0.0.1:{reserved.getsockname()[1]}"))
    assert "no server answers there" in line


def test_a_server_without_tls_is_told_from_one_that_is_not_there() -> None:
    with FakeArgilla() as fake:
        line = refused(own(fake.url.replace("http", "https")))
    assert "TLS" in line


@pytest.mark.parametrize("value", [None, "", "  "])
def test_a_key_that_is_not_set_is_named(monkeypatch: pytest.MonkeyPatch, value: str | None) -> None:
    if value is None:
        monkeypatch.delenv("TEAM_KEY")
    else:
        monkeypatch.setenv("TEAM_KEY", value)
    assert "TEAM_KEY is not set" in refused(own("http://127.0.0.1:1"))


def test_a_key_that_no_header_takes_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEAM_KEY", f"{KEY}\u200b\nsecond line")
    assert "is no API key" in refused(own("http://127.0.0.1:1"))


def test_an_address_does_not_show_its_key() -> None:
    assert KEY not in repr(address(Path(), own("http://127.0.0.1:1")))
    assert KEY not in str(Address("http://127.0.0.1:1", KEY, "TEAM_KEY"))


def test_without_a_running_server_the_command_that_starts_it_is_named(tmp_path: Path) -> None:
    assert "curate review serve --detach" in refused(Review(), tmp_path)


def test_bugs_and_lines_that_are_ready_stay_as_they_are() -> None:
    with pytest.raises(ZeroDivisionError), readable("http://x"):
        _ = 1 / 0
    with pytest.raises(ReviewError, match=r"^ready$"), readable("http://x"):
        raise ReviewError("ready")


def test_the_embedded_argilla_is_found_by_its_folder(argilla_server: ReviewServer) -> None:
    argilla = connect(argilla_server.folder.parent, Review())
    assert (argilla.api_url, argilla.me.username) == (argilla_server.url, "owner")


def test_the_sdk_keeps_quiet(argilla_server: ReviewServer, capfd: pytest.CaptureFixture[str]) -> None:
    argilla = connect(argilla_server.folder.parent, Review())
    capfd.readouterr()
    assert argilla.workspaces("no-such-workspace") is None  # the SDK warns of it; warnings are errors here
    assert argilla.users("no-such-user") is None
    logging.getLogger("argilla.sdk").info("chatter")
    assert capfd.readouterr() == ("", "")


def test_a_password_that_argilla_refuses_is_not_repeated(argilla_server: ReviewServer) -> None:
    import argilla as rg

    client: Any = connect(argilla_server.folder.parent, Review())
    with pytest.raises(ReviewError, match=r"422.*password") as caught, readable(client.api_url):
        rg.User(username="u1", password="hunter", client=client).create()
    assert "hunter" not in str(caught.value)
