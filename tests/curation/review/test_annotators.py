"""`curate review annotators` with a real Argilla: accounts are made, adopted, taken out, and no password is kept."""

import itertools
import json
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner, Result

from curation.cli import curate
from curation.ledger import Ledger
from curation.review.accounts import find_annotator, list_annotators, new_pseudonym, save_annotator
from curation.review.annotators import prepare_annotators, workspace_of
from curation.review.server.process import FOLDER
from schemas.errors import CurateError, ReviewError, UsageError
from schemas.review import Annotator
from tests.review_server import PASSWORD, ReviewServer

_numbers = itertools.count()


@pytest.fixture
def workspace() -> str:
    return f"team-{next(_numbers)}"


@pytest.fixture
def project(tmp_path: Path, argilla_server: ReviewServer, workspace: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project that reaches the tests' Argilla as a team's own, in a workspace that no other test has."""
    monkeypatch.setenv("TEAM_KEY", argilla_server.api_key)
    assert CliRunner().invoke(curate, ["init", str(tmp_path / "p")]).exit_code == 0
    settings = f'[review]\napi_url = "{argilla_server.url}"\napi_key_env = "TEAM_KEY"\nworkspace = "{workspace}"\n'
    (tmp_path / "p" / "curate.toml").write_text(settings)
    return tmp_path / "p"


Call = Callable[..., Result]


@pytest.fixture
def call(project: Path) -> Call:
    def run(*words: str) -> Result:
        return CliRunner().invoke(curate, ["-C", str(project), "review", "annotators", *words])

    return run


@pytest.fixture
def name() -> str:
    return f"a-{next(_numbers)}"


def logs_in(server: ReviewServer, name: str, password: str) -> bool:
    return httpx.post(f"{server.url}/api/v1/token", data={"username": name, "password": password}).is_success


def made(result: Result) -> dict[str, str | None]:
    assert result.exit_code == 0, result.output
    return {one["name"]: one["password"] for one in json.loads(result.stdout)}


def workspaces_of(server: ReviewServer, name: str) -> set[str]:
    users = {user["username"]: user for user in server.owner.get("/api/v1/users")["items"]}
    found = server.owner.get(f"/api/v1/users/{users[name]['id']}/workspaces")["items"]
    return {one["name"] for one in found}


def role_of(server: ReviewServer, name: str) -> str:
    users = {user["username"]: user["role"] for user in server.owner.get("/api/v1/users")["items"]}
    return str(users[name])


def failure(result: Result, kind: type[CurateError]) -> str:
    assert isinstance(result.exception, kind), result.output
    return str(result.exception)


def test_an_account_logs_in_with_the_password_that_is_shown_once_and_kept_nowhere(
    argilla_server: ReviewServer, project: Path, workspace: str, call: Call, name: str
) -> None:
    passwords = made(call("add", name, f"{name}-b", "--opt-out", "self_harm", "--json"))
    for who, password in passwords.items():
        assert password is not None
        assert logs_in(argilla_server, who, password)
        assert role_of(argilla_server, who) == "annotator"
        assert workspaces_of(argilla_server, who) == {workspace}
    kept = b"".join(path.read_bytes() for path in project.rglob("*") if path.is_file())
    kept += (argilla_server.folder / "server.log").read_bytes()
    assert not any(str(password).encode() in kept for password in passwords.values())
    with Ledger.open(project / "curate.db") as ledger:
        accounts = list_annotators(ledger)
    assert [(one.name, one.kind, one.role, one.opted_out) for one in accounts] == [
        (who, "person", "annotator", ("self_harm",)) for who in sorted(passwords)
    ]
    assert len({one.pseudonym for one in accounts}) == 2
    assert not any(name in one.pseudonym for one in accounts)


def test_on_a_terminal_each_password_is_shown_with_a_warning(
    argilla_server: ReviewServer, call: Call, name: str
) -> None:
    result = call("add", name)
    (line,) = [line for line in result.stdout.splitlines() if line.startswith(name)]
    assert logs_in(argilla_server, name, line.split("password: ")[1])
    assert "kept nowhere" in result.stderr
    assert argilla_server.url in result.stdout


def test_an_account_that_argilla_has_is_adopted_and_keeps_its_password(
    argilla_server: ReviewServer, workspace: str, call: Call, name: str
) -> None:
    argilla_server.new_annotator(argilla_server.new_workspace(), username=name, role="admin")
    result = call("add", name)
    assert "adopted: it keeps the password it has" in result.stdout
    assert "kept nowhere" not in result.stderr
    assert logs_in(argilla_server, name, PASSWORD)
    assert role_of(argilla_server, name) == "admin"
    assert workspace in workspaces_of(argilla_server, name)
    assert made(call("add", name, "--json")) == {name: None}


def test_an_adjudicator_has_a_workspace_of_their_own_and_no_look_at_answers(
    argilla_server: ReviewServer, workspace: str, call: Call, name: str
) -> None:
    made(call("add", name, "--adjudicator", "--json"))
    assert workspaces_of(argilla_server, name) == {workspace_of(workspace, "adjudicator")}
    assert role_of(argilla_server, name) == "annotator"


def test_a_machine_stays_one(project: Path, call: Call, name: str) -> None:
    made(call("add", name, "--machine", "--json"))
    assert "take another name for an annotator" in failure(call("add", name), UsageError)
    with Ledger.open(project / "curate.db") as ledger:
        found = find_annotator(ledger, name)
    assert found is not None
    assert found.kind == "machine"


def test_who_was_deactivated_is_out_and_comes_back_with_pseudonym_and_password(
    argilla_server: ReviewServer, workspace: str, project: Path, call: Call, name: str
) -> None:
    password = made(call("add", name, "--json"))[name]
    before = json.loads(call("list", "--json").stdout)
    assert call("deactivate", name).exit_code == 0
    assert call("deactivate", name).exit_code == 0
    assert workspaces_of(argilla_server, name) == set()
    assert [one["active"] for one in json.loads(call("list", "--json").stdout)] == [False]
    assert "inactive" in call("list").stdout
    assert made(call("add", name, "--json")) == {name: None}
    assert workspaces_of(argilla_server, name) == {workspace}
    assert json.loads(call("list", "--json").stdout) == before
    assert logs_in(argilla_server, name, str(password))


def test_a_new_password_replaces_the_old_one_and_the_account_stays_the_same(
    argilla_server: ReviewServer, call: Call, name: str
) -> None:
    old = made(call("add", name, "--json"))[name]
    ids = {user["username"]: user["id"] for user in argilla_server.owner.get("/api/v1/users")["items"]}
    new = json.loads(call("reset-password", name, "--json").stdout)["password"]
    assert logs_in(argilla_server, name, new)
    assert not logs_in(argilla_server, name, str(old))
    assert ids == {user["username"]: user["id"] for user in argilla_server.owner.get("/api/v1/users")["items"]}


def test_the_password_of_more_than_an_annotator_is_left_alone(
    argilla_server: ReviewServer, call: Call, name: str
) -> None:
    argilla_server.new_annotator(argilla_server.new_workspace(), username=name, role="admin")
    call("add", name)
    assert "role admin" in failure(call("reset-password", name), ReviewError)
    assert logs_in(argilla_server, name, PASSWORD)


def test_an_account_deleted_in_argilla_is_marked_and_can_be_made_again(
    argilla_server: ReviewServer, call: Call, name: str
) -> None:
    made(call("add", name, "--json"))
    users = {user["username"]: user["id"] for user in argilla_server.owner.get("/api/v1/users")["items"]}
    argilla_server.owner.http.delete(f"/api/v1/users/{users[name]}").raise_for_status()
    assert [one["missing_in_argilla"] for one in json.loads(call("list", "--json").stdout)] == [True]
    assert "deleted in Argilla" in call("list").stdout
    assert "annotators add" in failure(call("reset-password", name), ReviewError)
    assert made(call("add", name, "--json"))[name]


def test_without_argilla_the_list_shows_what_the_ledger_knows(project: Path, call: Call) -> None:
    with Ledger.open(project / "curate.db") as ledger:
        save_annotator(ledger, Annotator(name="a1", pseudonym="annotator-0001", opted_out=("sexual",)))
    (project / "curate.toml").write_text("")
    result = call("list", "--json")
    assert [(one["name"], one["missing_in_argilla"]) for one in json.loads(result.stdout)] == [("a1", None)]
    assert "is not running" in result.stderr
    assert "a1" in call("list").stdout


def test_opting_out_needs_no_argilla_and_can_be_undone(project: Path, call: Call) -> None:
    with Ledger.open(project / "curate.db") as ledger:
        save_annotator(ledger, Annotator(name="a1", pseudonym="annotator-0001"))
        (project / "curate.toml").write_text("")
        assert "self_harm, sexual" in call("opt-out", "a1", "sexual", "self_harm").stdout
        assert call("opt-out", "a1", "sexual", "--undo").exit_code == 0
        assert [one.opted_out for one in list_annotators(ledger)] == [("self_harm",)]
    assert "did you mean 'sexual'" in failure(call("opt-out", "a1", "sxual"), UsageError)
    assert "no annotator 'a2'" in failure(call("opt-out", "a2", "sexual"), UsageError)


@pytest.mark.parametrize("there", ["A1", "a1@example.org", "ä1"])
def test_a_name_that_a_teams_own_argilla_has_can_be_adopted(tmp_path: Path, there: str) -> None:
    with Ledger.open(tmp_path / "curate.db", create=True) as ledger:
        assert [one.name for one in prepare_annotators(ledger, [there])] == [there]


@pytest.mark.parametrize("wrong", ["", "a 1", "a,b", "a" * 101, "a\n", "a\x1b"])
def test_a_name_that_cannot_be_is_told_before_anything_is_made(tmp_path: Path, name: str, wrong: str) -> None:
    with (
        Ledger.open(tmp_path / "curate.db", create=True) as ledger,
        pytest.raises(UsageError, match="no space or comma"),
    ):
        prepare_annotators(ledger, [name, wrong])


def test_a_key_without_the_right_is_told_in_one_line(
    argilla_server: ReviewServer, call: Call, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = argilla_server.new_annotator(argilla_server.new_workspace())
    monkeypatch.setenv("TEAM_KEY", person.get("/api/v1/me")["api_key"])
    assert "no right" in failure(call("add", name), ReviewError)


def test_the_embedded_argilla_is_used_where_no_other_is_named(
    argilla_server: ReviewServer, project: Path, workspace: str, name: str
) -> None:
    (project / "curate.toml").write_text(f'[review]\nworkspace = "{workspace}"\n')
    (project / FOLDER).symlink_to(argilla_server.folder)
    result = CliRunner().invoke(curate, ["-C", str(project), "review", "annotators", "add", name, "--json"])
    assert logs_in(argilla_server, name, str(made(result)[name]))


def test_pseudonyms_are_never_given_twice(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "curate.db", create=True) as ledger:
        for number in range(300):  # of 65,536: chance alone would repeat one in every second try
            save_annotator(ledger, Annotator(name=f"a{number}", pseudonym=new_pseudonym(ledger)))
        assert len({one.pseudonym for one in list_annotators(ledger)}) == 300
