"""One Argilla for all tests that need one: the real server, in a process of its own, spoken to over HTTP.

    def test_…(argilla_server: ReviewServer) -> None:
        workspace = argilla_server.new_workspace()
        ann = argilla_server.new_annotator(workspace)
        ann.post(f"/api/v1/me/datasets/{dataset}/records/search", json={…})      # as the page does

Tests share the server and nothing on it: each makes workspaces, accounts and datasets of its own.
"""

import itertools
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from curation.review.server import process

PASSWORD = "a-password-for-tests"
_numbers = itertools.count()


@dataclass
class Person:
    """An account, and a client that is logged in as the page logs in."""

    username: str
    id: str
    http: httpx.Client

    def post(self, path: str, **arguments: Any) -> Any:
        return _checked(self.http.post(path, **arguments))

    def put(self, path: str, **arguments: Any) -> Any:
        return _checked(self.http.put(path, **arguments))

    def get(self, path: str, **arguments: Any) -> Any:
        return _checked(self.http.get(path, **arguments))


@dataclass
class ReviewServer:
    folder: Path
    url: str
    api_key: str
    """The owner's."""
    people: list[Person] = field(default_factory=list)

    def __post_init__(self) -> None:
        client = httpx.Client(base_url=self.url, headers={"X-Argilla-Api-Key": self.api_key}, timeout=60)
        me = _checked(client.get("/api/v1/me"))
        self.owner = Person(me["username"], me["id"], client)
        self.people.append(self.owner)

    def new_workspace(self) -> str:
        """The id of an empty workspace."""
        return str(self.owner.post("/api/v1/workspaces", json={"name": f"workspace-{next(_numbers)}"})["id"])

    def new_annotator(self, workspace: str, *, role: str = "annotator", username: str | None = None) -> Person:
        """A member of the workspace; the password is PASSWORD."""
        name = username or f"{role}-{next(_numbers)}"
        account = {"first_name": name, "username": name, "password": PASSWORD, "role": role}
        user = self.owner.post("/api/v1/users", json=account)["id"]
        self.owner.post(f"/api/v1/workspaces/{workspace}/users", json={"user_id": user})
        client = httpx.Client(base_url=self.url, timeout=60)
        token = _checked(client.post("/api/v1/token", data={"username": name, "password": PASSWORD}))["access_token"]
        client.headers["Authorization"] = f"Bearer {token}"
        self.people.append(Person(name, user, client))
        return self.people[-1]

    def close(self) -> None:
        for person in self.people:
            person.http.close()
        process.stop(self.folder)


def start(folder: Path) -> ReviewServer:
    """Raises ReviewError where the environment of the server cannot be made."""
    server = process.start_detached(folder, process.HOST, None, say=print)
    return ReviewServer(folder, server.url, process.credentials(folder).api_key)


def _checked(reply: httpx.Response) -> Any:
    assert reply.is_success, f"{reply.request.method} {reply.request.url}: {reply.status_code} {reply.text[:500]}"
    return reply.json() if reply.content else None
