"""What the small Hub answers to each endpoint that huggingface_hub and datasets call, statuses and headers included.

answer(hub, Asked("GET", "/api/datasets/org/name", …)) -> Answer(200, {…})
"""

import base64
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol
from urllib.parse import parse_qs, unquote, urlsplit

import yaml

from tests.hub_repos import MADE_AT, Blob, Commit, Repo, file_entry, paths_info, tree

PAGE_ENTRIES = 50
"""Of a tree: few, so that a small release has several pages."""

LFS_ENDINGS = (".parquet", ".png", ".safetensors")


class Account(NamedTuple):
    name: str
    organizations: tuple[str, ...] = ()
    role: str = "write"
    """What its token may: read, write."""

    def owns(self, repo: str) -> bool:
        return repo.split("/")[0] in (self.name, *self.organizations)


@dataclass(frozen=True)
class Asked:
    method: str
    target: str
    headers: Mapping[str, str]
    """By lower-case name."""
    body: bytes

    @property
    def path(self) -> str:
        """As it was sent: a `/` inside a revision is quoted."""
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, list[str]]:
        return parse_qs(urlsplit(self.target).query)

    @property
    def json(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)
        return found


@dataclass(frozen=True)
class Answer:
    status: int = 200
    content: Any = None
    """bytes as they are; anything else as JSON."""
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def body(self) -> bytes:
        return self.content if isinstance(self.content, bytes) else json.dumps(self.content).encode()


class Hub(Protocol):
    url: str
    tokens: Mapping[str, Account]
    repos: dict[str, Repo]
    models: dict[str, Repo]


def kept(hub: Hub, kind: str) -> dict[str, Repo]:
    return hub.models if kind == "models" else hub.repos


def refused(status: int, message: str, *, code: str = "", headers: Mapping[str, str] | None = None) -> Answer:
    """A refusal as the Hub words one: in the body, and in two headers."""
    said = {"X-Error-Message": message, **({"X-Error-Code": code} if code else {}), **(headers or {})}
    return Answer(status, {"error": message}, said)


def answer(hub: Hub, asked: Asked) -> Answer:
    token = asked.headers.get("authorization", "").removeprefix("Bearer ")
    if token and token not in hub.tokens and not asked.path.startswith("/objects/"):
        return refused(401, "Invalid credentials in Authorization header")
    account = hub.tokens.get(token)
    for method, pattern, reply in _PLAIN:
        if (asked.method, asked.path) == (method, pattern):
            return reply(hub, account, asked)
    if stored := re.fullmatch(r"/objects/(\w+)/([^/]+/[^/]+)/([0-9a-f]{64})", asked.path):
        kept(hub, stored[1])[stored[2]].stored[stored[3]] = asked.body
        return Answer(200, b"")
    for methods, pattern, writes, answered in _OF_A_REPO:
        if asked.method in methods.split() and (match := re.fullmatch(pattern, asked.path)):
            repo = kept(hub, match["kind"] or "models").get(match["repo"])
            parts = {name: unquote(part) for name, part in match.groupdict(default="").items()}
            return _barred(repo, account, writes=writes, parts=parts) or answered(Request(hub, repo, asked, parts))  # type: ignore[arg-type]
    return refused(404, f"{asked.method} {asked.path}: this small Hub has no such endpoint")


class Request(NamedTuple):
    """A request about a repository, which is there and which the account may see."""

    hub: Hub
    repo: Repo
    asked: Asked
    parts: Mapping[str, str]

    @property
    def kind(self) -> str:
        return self.parts["kind"] or "models"

    @property
    def page(self) -> str:
        return f"{self.hub.url}/{'datasets/' if self.kind == 'datasets' else ''}{self.repo.name}"

    @property
    def commit(self) -> Commit:
        found = self.repo.at(self.parts["revision"] or "main")
        assert found  # _barred has looked
        return found


def _barred(repo: Repo | None, account: Account | None, *, writes: bool, parts: Mapping[str, str]) -> Answer | None:
    if repo is None or (repo.private and not (account and account.owns(repo.name))):
        return refused(404 if account else 401, "Repository not found", code="RepoNotFound")
    if writes and (account is None or account.role != "write" or not account.owns(repo.name)):
        return refused(403, "Forbidden: you must use a token with write access to this repository")
    if repo.gated and "path" in parts and not (account and account.owns(repo.name)):
        return refused(403, "Access to dataset is restricted", code="GatedRepo")
    if parts.get("revision") and repo.at(parts["revision"]) is None:
        return refused(404, f"Invalid rev id: {parts['revision']}", code="RevisionNotFound")
    return None


def _whoami(hub: Hub, account: Account | None, asked: Asked) -> Answer:
    if account is None:
        return refused(401, "Invalid username or password.")
    token = {"displayName": "of a test", "role": account.role, "createdAt": MADE_AT}
    organizations = [{"type": "org", "name": name} for name in account.organizations]
    auth = {"type": "access_token", "accessToken": token}
    return Answer(200, {"type": "user", "id": "1", "name": account.name, "orgs": organizations, "auth": auth})


def _validate_yaml(hub: Hub, account: Account | None, asked: Asked) -> Answer:
    front = re.match(r"---\n(.*?)\n---", asked.json["content"], re.DOTALL)
    if front is None:
        return Answer(200, {"errors": [], "warnings": [{"message": "empty or missing yaml metadata in repo card"}]})
    try:
        metadata = yaml.safe_load(front[1])
    except yaml.YAMLError as error:
        return Answer(400, {"errors": [{"message": f"YAML: {error}"}], "warnings": []})
    wrong = [] if isinstance(metadata, dict) else [{"message": "metadata must be a mapping"}]
    return Answer(400 if wrong else 200, {"errors": wrong, "warnings": []})


def _create(hub: Hub, account: Account | None, asked: Asked) -> Answer:
    assert account
    name = f"{asked.json.get('organization') or account.name}/{asked.json['name']}"
    kind = asked.json.get("type", "model")
    if not account.owns(name) or account.role != "write":
        return refused(403, f"You don't have the rights to create a {kind} under the namespace {name.split('/')[0]!r}")
    url = f"{hub.url}/{'datasets/' if kind == 'dataset' else ''}{name}"
    repos = kept(hub, f"{kind}s")
    if name in repos:
        return Answer(409, {"error": f"You already created this {kind} repo", "url": url})
    repos[name] = Repo(name, private=asked.json.get("visibility") == "private")
    return Answer(200, {"url": url, "name": name})


def _info(request: Request) -> Answer:
    repo, commit = request.repo, request.commit
    siblings: list[dict[str, Any]] = []
    for path, blob in sorted(commit.files.items()):
        entry = file_entry(path, blob)
        lfs = entry.get("lfs") and {"size": entry["size"], "sha256": blob.sha256, "pointerSize": 134}
        told = {"blobId": entry["oid"], "size": entry["size"], **({"lfs": lfs} if lfs else {})}
        siblings.append({"rfilename": path, **(told if "blobs" in request.asked.query else {})})
    told = {"id": repo.name, "author": repo.owner, "sha": commit.sha, "lastModified": MADE_AT, "createdAt": MADE_AT}
    more: dict[str, Any] = {
        "private": repo.private,
        "gated": repo.gated,
        "disabled": False,
        "downloads": 0,
        "likes": 0,
        "tags": [],
        "cardData": _front_matter(commit),
    }
    return Answer(200, {**told, **more, "siblings": siblings})


def _front_matter(commit: Commit) -> Any:
    card = commit.files.get("README.md")
    front = re.match(rb"---\n(.*?)\n---", card.content, re.DOTALL) if card else None
    return yaml.safe_load(front[1]) if front else None


def _settings(request: Request) -> Answer:
    wanted = request.asked.json
    if "visibility" in wanted:
        request.repo.private = wanted["visibility"] == "private"
    if "gated" in wanted:
        request.repo.gated = wanted["gated"]
    return Answer(200, {"private": request.repo.private, "gated": request.repo.gated})


def _refs(request: Request) -> Answer:
    def told(kind: str, names: Mapping[str, str]) -> list[dict[str, str]]:
        return [{"name": name, "ref": f"refs/{kind}/{name}", "targetCommit": sha} for name, sha in names.items()]

    repo = request.repo
    return Answer(200, {"branches": told("heads", repo.branches), "tags": told("tags", repo.tags), "converts": []})


def _tag(request: Request) -> Answer:
    if request.asked.method == "DELETE":
        return Answer(200, {"deleted": request.repo.tags.pop(request.parts["revision"])})
    name = request.asked.json["tag"]
    if name in request.repo.tags:
        return refused(409, f"Tag reference {name} exists already")
    request.repo.tags[name] = request.commit.sha
    return Answer(200, {})


def _branch(request: Request) -> Answer:
    name = request.parts["branch"]
    if request.asked.method == "DELETE":
        return Answer(200, {"deleted": request.repo.branches.pop(name, "")})
    if name in request.repo.branches:
        return refused(409, f"Reference {name} exists already")
    start = request.repo.at(request.asked.json.get("startingPoint", "main"))
    if start is None:
        return refused(404, "Invalid rev id", code="RevisionNotFound")
    request.repo.branches[name] = start.sha
    return Answer(200, {})


def _commits(request: Request) -> Answer:
    history = request.repo.before(request.commit)
    return Answer(
        200, [{"id": one.sha, "title": one.message, "message": "", "date": MADE_AT, "authors": []} for one in history]
    )


def _tree(request: Request) -> Answer:
    query = request.asked.query
    entries = tree(request.commit, request.parts["folder"], recursive=query.get("recursive") == ["true"])
    if entries is None:
        return refused(404, "no such folder", code="EntryNotFound")
    start = int(query.get("cursor", ["0"])[0])
    headers = {}
    if start + PAGE_ENTRIES < len(entries):
        address = f"{request.hub.url}{request.asked.path}?recursive=true&cursor={start + PAGE_ENTRIES}"
        headers["Link"] = f'<{address}>; rel="next"'
    last = {"lastCommit": {"id": request.commit.sha, "title": request.commit.message, "date": MADE_AT}}
    page = entries[start : start + PAGE_ENTRIES]
    return Answer(200, [{**entry, **last} for entry in page] if query.get("expand") == ["true"] else page, headers)


def _paths_info(request: Request) -> Answer:
    form = parse_qs(request.asked.body.decode())
    return Answer(200, paths_info(request.commit, form.get("paths", [])))


def _preupload(request: Request) -> Answer:
    files = request.commit.files
    told = []
    for one in request.asked.json["files"]:
        mode = "lfs" if one["path"].endswith(LFS_ENDINGS) else "regular"
        before = files.get(one["path"])
        told.append(
            {"path": one["path"], "uploadMode": mode, "shouldIgnore": False, "oid": before.etag if before else None}
        )
    return Answer(200, {"files": told, "commitOid": request.commit.sha})


def _lfs_batch(request: Request) -> Answer:
    objects = []
    for one in request.asked.json["objects"]:
        told: dict[str, Any] = {"oid": one["oid"], "size": one["size"]}
        if one["oid"] not in request.repo.stored:  # what is there already gets no actions
            address = f"{request.hub.url}/objects/{request.kind}/{request.repo.name}/{one['oid']}"
            verify = f"{request.page}.git/info/lfs/verify"
            told["actions"] = {"upload": {"href": address}, "verify": {"href": verify}}
        objects.append(told)
    return Answer(200, {"transfer": "basic", "objects": objects})


def _lfs_verify(request: Request) -> Answer:
    content = request.repo.stored.get(request.asked.json["oid"])
    right = content is not None and Blob(content).sha256 == request.asked.json["oid"]
    return Answer(200, {}) if right else refused(400, "the uploaded content is not what its name says")


def _commit(request: Request) -> Answer:
    repo, branch = request.repo, request.parts["revision"]
    added: dict[str, Blob] = {}
    deleted: list[str] = []
    header: dict[str, Any] = {}
    for line in request.asked.body.splitlines():
        item = json.loads(line)
        value = item["value"]
        if item["key"] == "header":
            header = value
        elif item["key"] == "file":
            added[value["path"]] = Blob(base64.b64decode(value["content"]))
        elif item["key"] == "lfsFile":
            if value["oid"] not in repo.stored:
                return refused(400, f"{value['path']}: its content was never uploaded")
            added[value["path"]] = Blob(repo.stored[value["oid"]], lfs=True)
        elif item["key"] == "deletedFile":
            deleted.append(value["path"])
        else:
            return refused(400, f"{item['key']}: not taken by this small Hub")
    if header.get("parentCommit", repo.branches.get(branch)) != repo.branches.get(branch):
        return refused(412, "A commit has happened since. Please refresh and try again.")
    if missing := [path for path in deleted if path not in request.commit.files]:
        return refused(404, f"A file with this name doesn't exist: {missing[0]}", code="EntryNotFound")
    made = repo.commit(branch, added, deleted=deleted, message=header["summary"])
    return Answer(200, {"commitUrl": f"{request.page}/commit/{made.sha}", "commitOid": made.sha})


def _resolve(request: Request) -> Answer:
    commit = request.commit
    blob = commit.files.get(request.parts["path"])
    headers = {"X-Repo-Commit": commit.sha}
    if blob is None:
        return refused(404, "Entry not found", code="EntryNotFound", headers=headers)
    headers |= {"ETag": f'"{blob.etag}"', "Accept-Ranges": "bytes", "Content-Type": "application/octet-stream"}
    if blob.lfs:
        headers |= {"X-Linked-Etag": f'"{blob.sha256}"', "X-Linked-Size": str(len(blob.content))}
    wanted = re.fullmatch(r"bytes=(\d*)-(\d*)", request.asked.headers.get("range", ""))
    if wanted is None:
        return Answer(200, blob.content, headers)
    size = len(blob.content)
    first = int(wanted[1]) if wanted[1] else size - int(wanted[2])
    last = min(int(wanted[2]) if wanted[1] and wanted[2] else size - 1, size - 1)
    if first > last:
        return refused(416, "Range not satisfiable", headers={"Content-Range": f"bytes */{size}"})
    headers["Content-Range"] = f"bytes {first}-{last}/{size}"
    return Answer(206, blob.content[first : last + 1], headers)


_PLAIN: list[tuple[str, str, Callable[[Hub, Account | None, Asked], Answer]]] = [
    ("GET", "/api/whoami-v2", _whoami),
    ("POST", "/api/validate-yaml", _validate_yaml),
    ("POST", "/api/repos/create", _create),
]

_NAME = "(?P<repo>[^/]+/[^/]+)"
_API = f"/api/(?P<kind>datasets|models)/{_NAME}"
_PAGE = f"/(?:(?P<kind>datasets)/)?{_NAME}"
_REVISION = "(?P<revision>[^/]+)"

_OF_A_REPO: list[tuple[str, str, bool, Callable[[Request], Answer]]] = [
    ("GET", f"{_API}(?:/revision/{_REVISION})?", False, _info),
    ("PUT", f"{_API}/settings", True, _settings),
    ("GET", f"{_API}/refs", False, _refs),
    ("POST DELETE", f"{_API}/tag/{_REVISION}", True, _tag),
    ("POST DELETE", f"{_API}/branch/(?P<branch>[^/]+)", True, _branch),
    ("GET", f"{_API}/commits/{_REVISION}", False, _commits),
    ("GET", f"{_API}/tree/{_REVISION}(?:/(?P<folder>.+))?", False, _tree),
    ("POST", f"{_API}/paths-info/{_REVISION}", False, _paths_info),
    ("POST", f"{_API}/preupload/{_REVISION}", True, _preupload),
    ("POST", f"{_API}/commit/{_REVISION}", True, _commit),
    ("POST", rf"{_PAGE}\.git/info/lfs/objects/batch", True, _lfs_batch),
    ("POST", rf"{_PAGE}\.git/info/lfs/verify", True, _lfs_verify),
    ("GET HEAD", f"{_PAGE}/resolve/{_REVISION}/(?P<path>.+)", False, _resolve),
]
"""Methods, path, whether it takes the right to write, and what answers."""
