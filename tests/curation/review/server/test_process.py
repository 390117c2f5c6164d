"""The project's own Argilla as a process: started, found, stopped, killed, backed up, and what it gives away."""

import json
import os
import re
import signal
import socket
import sqlite3
import stat
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from curation.review.server import process
from schemas.errors import ReviewError
from tests import review_server
from tests.project import CURATE
from tests.review_server import PASSWORD, Person, ReviewServer

pytestmark = pytest.mark.usefixtures("argilla_python")
MINUTE = 60


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Path]:
    """In a folder whose name holds what means something in an address or a settings file."""
    folder = tmp_path / "ä project, 100 %(here)s # ?x=1"
    folder.mkdir()
    curate(folder, "init", ".")
    yield folder
    process.stop(folder / process.FOLDER)


def curate(project: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    done = subprocess.run([CURATE, *words], cwd=project, capture_output=True, text=True, timeout=MINUTE)
    assert "Traceback" not in done.stderr, done.stderr
    return done


def kill(folder: Path) -> None:
    found = json.loads((folder / "server.json").read_text())
    os.kill(found["pid"], signal.SIGKILL)
    end = time.monotonic() + MINUTE
    while process.running(folder) is not None:
        assert time.monotonic() < end
        time.sleep(0.05)


def test_the_commands_start_it_say_where_it_is_and_stop_it(project: Path) -> None:
    folder = project / process.FOLDER
    first = curate(project, "review", "serve", "--detach")
    assert first.returncode == 0, first.stderr
    account = process.credentials(folder)
    assert account.url is not None
    for told in (account.url, account.username, account.password, account.api_key, "curate review stop"):
        assert told in first.stdout
    assert (
        httpx.get(f"{account.url}/api/v1/me", headers={"X-Argilla-Api-Key": account.api_key}).json()["role"] == "owner"
    )

    again = curate(project, "review", "serve", "--detach")
    assert again.returncode == 0
    assert f"running already: {account.url}" in again.stdout
    with pytest.raises(ReviewError, match=f"running already at {account.url}"):
        process.start_detached(folder, process.HOST, None, say=print)

    assert "is stopped" in curate(project, "review", "stop").stdout
    assert process.running(folder) is None
    with pytest.raises(httpx.ConnectError):
        httpx.get(account.url)
    assert "not running" in curate(project, "review", "stop").stdout
    assert not (folder / "page").exists()

    later = curate(project, "review", "serve", "--detach")
    assert account.password not in later.stdout
    assert account.api_key not in later.stdout
    assert "argilla/credentials.json" in later.stdout


def test_nobody_else_can_read_what_it_keeps_and_its_log_holds_no_secret(argilla_server: ReviewServer) -> None:
    folder = argilla_server.folder
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    for name in ("credentials.json", "argilla.db", "server.log"):
        assert stat.S_IMODE((folder / name).stat().st_mode) == 0o600
    kept = json.loads((folder / "credentials.json").read_text())
    taken = {"first_name": "x", "username": "owner", "password": "a-secret-in-a-request", "role": "annotator"}
    assert argilla_server.owner.http.post("/api/v1/users", json=taken).status_code == 409
    argilla_server.owner.http.post("/api/v1/token", data={"username": "owner", "password": "a-secret-in-a-request"})
    seen = (folder / "server.log").read_text() + environment_of(json.loads((folder / "server.json").read_text())["pid"])
    for secret in (kept["password"], kept["api_key"], kept["secret_key"], "a-secret-in-a-request"):
        assert secret not in seen
    assert process.credentials(folder) == process.Credentials(
        argilla_server.url, "owner", kept["password"], kept["api_key"]
    )


def environment_of(pid: int) -> str:
    """What other processes can see of one: its environment and its command."""
    files = [Path(f"/proc/{pid}/{name}") for name in ("environ", "cmdline")]
    return "".join(file.read_text() for file in files if file.exists())


def test_it_listens_to_this_machine_alone_and_reaches_for_no_other(argilla_server: ReviewServer) -> None:
    assert argilla_server.url.startswith("http://127.0.0.1:")
    dataset = new_dataset(argilla_server, argilla_server.new_workspace())
    mapping: dict[str, Any] = {"fields": [], "metadata": [], "suggestions": [], "external_id": None}
    body = {
        "name": "a/b",
        "subset": "c",
        "split": "d",
        "mapping": {**mapping, "fields": [{"source": "a", "target": "a"}]},
    }
    refused = argilla_server.owner.http.post(f"/api/v1/datasets/{dataset}/import", json=body)
    assert refused.status_code == 422
    assert "does not reach the Hugging Face Hub" in refused.text


def test_a_port_in_use_is_one_line_and_without_a_port_the_next_is_taken(project: Path) -> None:
    with closing(socket.socket()) as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        done = curate(project, "review", "serve", "--detach", "--port", str(port))
        assert done.returncode == 6
        assert f"port {port} is in use" in done.stderr.splitlines()[-1]
    with closing(socket.socket()) as first:
        first.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            first.bind(("127.0.0.1", process.PORT))
            first.listen()
        except OSError:
            pass  # taken by another program: all the better
        with closing(process.bind(process.HOST, None)) as bound:
            assert process.PORT < bound.getsockname()[1] < process.PORT + process.PORTS_TRIED


@pytest.mark.parametrize("host", ["no.such.host.invalid", "203.0.113.7"])
def test_an_address_that_is_not_this_machines_is_named(project: Path, host: str) -> None:
    done = curate(project, "review", "serve", "--detach", "--host", host)
    assert done.returncode == 6
    assert host in done.stderr.splitlines()[-1]
    # What is shown once is not made by a start that shows nothing.
    assert not (project / process.FOLDER / process.CREDENTIALS_FILE).exists()


def test_where_the_team_has_an_argilla_of_its_own_none_is_started(project: Path) -> None:
    (project / "curate.toml").write_text('[review]\napi_url = "https://argilla.example.org"\napi_key_env = "KEY"\n')
    done = curate(project, "review", "serve", "--detach")
    assert done.returncode == 2
    assert "https://argilla.example.org" in done.stderr.splitlines()[-1]
    assert not (project / process.FOLDER).exists()


def test_outside_a_project_nothing_is_made(tmp_path: Path) -> None:
    for words in (["serve", "--detach"], ["stop"], ["backup", "file.db"]):
        done = curate(tmp_path, "review", *words)
        assert done.returncode == 2
        assert "no project here" in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_in_the_foreground_it_ends_cleanly_when_it_is_told_to(project: Path, number: int) -> None:
    served = subprocess.Popen(
        [CURATE, "review", "serve"], cwd=project, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert served.stdout is not None
    while not served.stdout.readline().startswith("stop"):
        assert served.poll() is None
    found = process.running(project / process.FOLDER)
    assert found is not None
    served.send_signal(number)
    _, error = served.communicate(timeout=MINUTE)
    assert served.returncode == 0
    assert "Traceback" not in error
    assert process.running(project / process.FOLDER) is None
    assert not Path(f"/proc/{found.pid}").exists()


def test_in_the_foreground_it_goes_with_its_command_even_when_that_is_killed(project: Path) -> None:
    served = subprocess.Popen([CURATE, "review", "serve"], cwd=project, stdout=subprocess.PIPE, text=True)
    assert served.stdout is not None
    while not served.stdout.readline().startswith("stop"):
        assert served.poll() is None
    served.kill()
    served.communicate()
    end = time.monotonic() + MINUTE
    while process.running(project / process.FOLDER) is not None:
        assert time.monotonic() < end
        time.sleep(0.1)


def new_dataset(server: ReviewServer, workspace: str, *, min_submitted: int = 2) -> str:
    body: dict[str, Any] = {"name": "drafts", "workspace_id": workspace}
    body["distribution"] = {"strategy": "overlap", "min_submitted": min_submitted}
    dataset = str(server.owner.post("/api/v1/datasets", json=body)["id"])
    settings: dict[str, Any] = {"type": "text", "use_markdown": False}
    body = {"name": "prompt", "title": "prompt", "required": True, "settings": settings}
    server.owner.post(f"/api/v1/datasets/{dataset}/fields", json=body)
    settings = {"type": "label_selection", "options": [{"value": label, "text": label} for label in ("good", "bad")]}
    body = {"name": "verdict", "title": "verdict", "required": True, "settings": settings}
    server.owner.post(f"/api/v1/datasets/{dataset}/questions", json=body)
    server.owner.put(f"/api/v1/datasets/{dataset}/publish")
    return dataset


def add_records(server: ReviewServer, dataset: str, count: int) -> None:
    items = [{"external_id": f"r{number}", "fields": {"prompt": f"prompt {number}"}} for number in range(count)]
    server.owner.put(f"/api/v1/datasets/{dataset}/records/bulk", json={"items": items})


def test_what_was_answered_before_a_kill_is_there_after_it(tmp_path: Path) -> None:
    """Eight people submit while the server is killed: every answer that was confirmed is kept, and counted."""
    server = review_server.start(tmp_path / process.FOLDER)
    workspace = server.new_workspace()
    people = [server.new_annotator(workspace) for _ in range(8)]
    dataset = new_dataset(server, workspace)
    add_records(server, dataset, 60)
    listed = server.owner.get(f"/api/v1/datasets/{dataset}/records?limit=100")["items"]
    confirmed: list[tuple[str, str]] = []

    def submit(person: Person) -> None:
        for record in listed:
            body = {"status": "submitted", "values": {"verdict": {"value": "good"}}}
            try:
                reply = person.http.post(f"/api/v1/records/{record['id']}/responses", json=body)
            except httpx.HTTPError:
                return
            assert reply.status_code == 201, reply.text
            confirmed.append((record["id"], person.id))

    with ThreadPoolExecutor(len(people)) as together:
        done = [together.submit(submit, person) for person in people]
        while len(confirmed) < 40:
            time.sleep(0.01)
        kill(server.folder)
        for each in done:
            each.result()
    password = process.credentials(server.folder).password
    server.close()

    assert process.running(server.folder) is None  # though server.json is still there
    again = review_server.start(server.folder)
    try:
        assert process.credentials(server.folder).password == password
        kept = again.owner.get(f"/api/v1/datasets/{dataset}/records?limit=100&include=responses")["items"]
        answers = [(record["id"], answer["user_id"]) for record in kept for answer in record["responses"]]
        assert set(confirmed) <= set(answers)
        assert len(answers) == len(set(answers))
        assert len(answers) <= len(confirmed) + len(people)
        for record in kept:
            assert record["status"] == ("completed" if len(record["responses"]) >= 2 else "pending")
    finally:
        again.close()


def test_a_first_start_that_is_killed_is_made_good_by_the_next(project: Path) -> None:
    folder = project / process.FOLDER
    starting = subprocess.Popen([CURATE, "review", "serve", "--detach"], cwd=project, stderr=subprocess.PIPE)
    while not (folder / "argilla.db.part").exists():
        assert starting.poll() is None
        time.sleep(0.01)
    time.sleep(0.3)
    os.kill(json.loads((folder / "server.json").read_text())["pid"], signal.SIGKILL)
    starting.communicate()
    assert starting.returncode == 6
    assert curate(project, "review", "serve", "--detach").returncode == 0


def test_a_stale_note_of_a_server_deceives_nobody(tmp_path: Path) -> None:
    """A killed server leaves its process id behind; the system may have given it to another process since."""
    folder = tmp_path / process.FOLDER
    folder.mkdir()
    (folder / "server.lock").touch()
    (folder / "server.json").write_text(json.dumps({"url": "http://127.0.0.1:6900", "pid": os.getpid()}))
    assert process.running(folder) is None
    assert process.stop(folder) is None


def test_a_backup_of_a_running_server_restores_into_one_that_works(argilla_server: ReviewServer, project: Path) -> None:
    workspace = argilla_server.new_workspace()
    ann = argilla_server.new_annotator(workspace)
    dataset = new_dataset(argilla_server, workspace, min_submitted=1)
    add_records(argilla_server, dataset, 5)
    record = argilla_server.owner.get(f"/api/v1/datasets/{dataset}/records")["items"][0]["id"]
    body = {"status": "submitted", "values": {"verdict": {"value": "good"}}}
    ann.post(f"/api/v1/records/{record}/responses", json=body)

    file = project / "monday.db"
    process.backup(argilla_server.folder, file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with pytest.raises(ReviewError, match="it is there already"):
        process.backup(argilla_server.folder, file)
    assert [path.name for path in project.iterdir() if "monday" in path.name] == ["monday.db"]

    folder = project / process.FOLDER
    folder.mkdir()
    file.rename(folder / "argilla.db")
    restored = review_server.start(folder)  # with an owner's password and key of its own
    try:
        kept = restored.owner.get(f"/api/v1/datasets/{dataset}/records?include=responses")["items"]
        assert len(kept) == 5
        assert [answer["user_id"] for each in kept for answer in each["responses"]] == [ann.id]
        login = {"username": ann.username, "password": PASSWORD}
        assert httpx.post(f"{restored.url}/api/v1/token", data=login).status_code == 201
        found = restored.owner.post(
            f"/api/v1/me/datasets/{dataset}/records/search", json={"query": {"text": {"q": "prompt"}}}
        )
        assert found["total"] == 5
    finally:
        restored.close()


@pytest.mark.parametrize("place", ["missing/folder.db", "readonly/file.db"])
def test_a_backup_that_cannot_be_written_is_one_line(argilla_server: ReviewServer, tmp_path: Path, place: str) -> None:
    if place.startswith("readonly"):
        (tmp_path / "readonly").write_text("a file where the folder should be")
    with pytest.raises(ReviewError, match=re.escape(place)):
        process.backup(argilla_server.folder, tmp_path / place)


def test_without_a_database_there_is_nothing_to_back_up(project: Path) -> None:
    done = curate(project, "review", "backup", "file.db")
    assert done.returncode == 6
    assert "curate review serve" in done.stderr
    assert not (project / "file.db").exists()


def test_two_that_make_up_the_owner_at_once_agree(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as together:
        made = list(together.map(lambda _: process.credentials(tmp_path / process.FOLDER), range(8)))
    assert len(set(made)) == 1
    assert len(made[0].password) >= 20
    assert list((tmp_path / process.FOLDER).iterdir()) == [tmp_path / process.FOLDER / "credentials.json"]


def test_credentials_that_are_damaged_are_named(tmp_path: Path) -> None:
    (tmp_path / "credentials.json").write_text("{}")
    with pytest.raises(ReviewError, match="remove it"):
        process.credentials(tmp_path)


def test_the_database_waits_for_writers_and_survives_a_kill_by_its_log(argilla_server: ReviewServer) -> None:
    with closing(sqlite3.connect(argilla_server.folder / "argilla.db")) as db:
        assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
