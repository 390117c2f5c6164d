"""The project's own Argilla (curation/review/server): start, sending, the page's requests, memory.

    python -m benchmarks.review_server                    10,000 records; about 5 minutes
    python -m benchmarks.review_server --records 1000

The real server over HTTP. Records are as long as drafts are: a prompt, a reasoning of 600 words in two fields, four
texts suggested for editing; each is for two of eight annotators. One process plays all annotators, on the same cores.
"""

import argparse
import random
import statistics
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import httpx

from curation.review.server import environment, process

ANNOTATORS = 8
ANSWERS = 12
"""That each of the eight gives."""

BATCH = 250
EDITS = ("understanding", "assessment", "refusal", "comment")
PASSWORD = "a-password-for-benchmarks"
WORDS = [first + last for first in "bcdfglmnprst" for last in ("ake", "ind", "orm", "ulse", "eather", "onder")]


class Measured(NamedTuple):
    what: str
    value: str
    bar: str


@dataclass
class Spans:
    seconds: list[float] = field(default_factory=list)

    @contextmanager
    def one(self) -> Iterator[None]:
        began = time.monotonic()
        yield
        self.seconds.append(time.monotonic() - began)

    def __str__(self) -> str:
        ordered = sorted(self.seconds)
        middle, late = statistics.median(ordered), ordered[int(len(ordered) * 0.95)]
        return f"{middle * 1000:.0f} ms (95 %: {late * 1000:.0f} ms, n = {len(ordered)})"


class Annotator:
    def __init__(self, owner: httpx.Client, workspace: str, number: int) -> None:
        self.name = f"annotator-{number}"
        account = {"first_name": self.name, "username": self.name, "password": PASSWORD, "role": "annotator"}
        user = checked(owner.post("/api/v1/users", json=account))["id"]
        checked(owner.post(f"/api/v1/workspaces/{workspace}/users", json={"user_id": user}))
        login = {"username": self.name, "password": PASSWORD}
        token = checked(owner.post("/api/v1/token", data=login))["access_token"]
        self.http = httpx.Client(base_url=owner.base_url, headers={"Authorization": f"Bearer {token}"}, timeout=120)

    def next_records(self, dataset: str, spans: Spans) -> list[dict[str, Any]]:
        with spans.one():
            found = search(self.http, dataset, QUEUE)
        return [item["record"] for item in found["items"]]

    def work(self, dataset: str, looks: Spans, answers: Spans) -> None:
        for _ in range(ANSWERS):
            record = self.next_records(dataset, looks)[0]
            values = {"decision": {"value": "approve"}, "refusal": {"value": " ".join(WORDS)}}
            with answers.one():
                body = {"status": "submitted", "values": values}
                checked(self.http.post(f"/api/v1/records/{record['id']}/responses", json=body))


def _terms(value: str, **scope: str) -> dict[str, Any]:
    return {"type": "terms", "scope": scope, "values": [value]}


WAITING = [_terms("pending", entity=entity, property="status") for entity in ("response", "record")]
QUEUE = {"filters": {"and": WAITING}}
"""What the page asks for when it shows the pending records."""

BY_SCORE = {
    "filters": {"and": [_terms("approve", entity="suggestion", question="decision")]},
    "sort": [{"scope": {"entity": "suggestion", "question": "decision", "property": "score"}, "order": "desc"}],
}


def checked(reply: httpx.Response) -> Any:
    assert reply.is_success, reply.text[:500]
    return reply.json() if reply.content else None


def search(http: httpx.Client, dataset: str, body: dict[str, Any]) -> Any:
    asked: dict[str, Any] = {"include": ["responses", "suggestions"], "offset": 0, "limit": 10}
    return checked(http.post(f"/api/v1/me/datasets/{dataset}/records/search", params=asked, json=body))


def set_up(owner: httpx.Client, workspace: str) -> tuple[str, dict[str, str]]:
    """A published dataset without records, and the ids of its questions."""
    body: dict[str, Any] = {"name": "drafts", "workspace_id": workspace, "allow_extra_metadata": True}
    body["distribution"] = {"strategy": "overlap", "min_submitted": 2}
    dataset = checked(owner.post("/api/v1/datasets", json=body))["id"]
    path = f"/api/v1/datasets/{dataset}"
    for name in ("prompt", "reasoning", "original"):
        settings = {"type": "text", "use_markdown": False}
        body = {"name": name, "title": name, "required": True, "settings": settings}
        checked(owner.post(f"{path}/fields", json=body))
    labels = [{"value": label, "text": label} for label in ("approve", "reject", "unsure")]
    settings = {"type": "label_selection", "options": labels}
    body = {"name": "decision", "title": "decision", "required": True, "settings": settings}
    checked(owner.post(f"{path}/questions", json=body))
    for name in EDITS:
        body = {"name": name, "title": name, "required": False, "settings": {"type": "text", "use_markdown": False}}
        checked(owner.post(f"{path}/questions", json=body))
    for name, kind in (("position", "integer"), ("assigned", "terms"), ("category", "terms")):
        body = {"name": name, "title": name, "settings": {"type": kind}, "visible_for_annotators": True}
        checked(owner.post(f"{path}/metadata-properties", json=body))
    checked(owner.put(f"{path}/publish"))
    questions = checked(owner.get(f"{path}/questions"))["items"]
    return dataset, {question["name"]: question["id"] for question in questions}


def make_record(draw: random.Random, number: int, questions: dict[str, str]) -> dict[str, Any]:
    pair = [f"annotator-{(number + step) % ANNOTATORS}" for step in (0, 1 + number // ANNOTATORS % (ANNOTATORS - 1))]
    suggestions: list[dict[str, Any]] = [{"question_id": questions[name], "value": _text(draw, 60)} for name in EDITS]
    suggestions.append({"question_id": questions["decision"], "value": "approve", "score": draw.random()})
    return {
        "external_id": f"r{number}",
        "fields": {
            "prompt": f"{_text(draw, 60)} number{number}",
            "reasoning": f"<div style='color: #123'>{_text(draw, 300)}</div>",
            "original": _text(draw, 300),
        },
        "metadata": {"position": number, "assigned": pair, "category": draw.choice(["a", "b", "c"])},
        "suggestions": suggestions,
    }


def _text(draw: random.Random, words: int) -> str:
    return " ".join(draw.choices(WORDS, k=words))


def resident(pid: int) -> int:
    """The memory of a process, MB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) // 1024


def measure(server: process.Running, key: str, records: int) -> Iterator[Measured]:
    yield Measured("memory, idle", f"{resident(server.pid)} MB", "450 MB")
    owner = httpx.Client(base_url=server.url, headers={"X-Argilla-Api-Key": key}, timeout=120)
    workspace = checked(owner.post("/api/v1/workspaces", json={"name": "review"}))["id"]
    people = [Annotator(owner, workspace, number) for number in range(ANNOTATORS)]
    dataset, questions = set_up(owner, workspace)

    draw, sent = random.Random(0), Spans()
    for first in range(0, records, BATCH):
        items = [make_record(draw, number, questions) for number in range(first, min(first + BATCH, records))]
        with sent.one():
            checked(owner.put(f"/api/v1/datasets/{dataset}/records/bulk", json={"items": items}))
        done = first + len(items)
        if done in (1000, records):
            yield Measured(f"{done:,} records sent", f"{sum(sent.seconds):.1f} s", "12 s" if done <= 1000 else "120 s")

    looks = Spans()
    for _ in range(50):
        people[0].next_records(dataset, looks)
    yield Measured("next records, one annotator", str(looks), "150 ms")

    looks, answers = Spans(), Spans()
    with ThreadPoolExecutor(ANNOTATORS) as together:
        list(together.map(lambda person: person.work(dataset, looks, answers), people))
    yield Measured("next records, eight at once who also answer", str(looks), "600 ms")
    yield Measured("an answer, eight at once", str(answers), "–")

    for what, query in (
        ("a word that most have", "bake"),
        ("three words", "bake rind norm"),
        ("a phrase", '"bake rind"'),
        ("a word that one has", f"number{records // 2}"),
    ):
        looks = Spans()
        for _ in range(20):
            with looks.one():
                search(owner, dataset, {"query": {"text": {"q": query}}})
        yield Measured(f"text search, {what}", str(looks), "500 ms")
    looks = Spans()
    for _ in range(20):
        with looks.one():
            search(owner, dataset, BY_SCORE)
    yield Measured("suggestions filtered and sorted", str(looks), "–")
    yield Measured("memory, at the end", f"{resident(server.pid)} MB", "450 MB")


def main(records: int) -> None:
    environment.ensure(print)
    with tempfile.TemporaryDirectory() as home:
        folder = Path(home) / process.FOLDER
        for what, bar in (("first start", "–"), ("later start", "10 s")):
            process.stop(folder)
            start = Spans()
            with start.one():
                server = process.start_detached(folder, process.HOST, None, say=lambda line: None)
            show(Measured(what, f"{start.seconds[0]:.1f} s", bar))
        try:
            for measured in measure(server, process.credentials(folder).api_key, records):
                show(measured)
        finally:
            process.stop(folder)


def show(measured: Measured) -> None:
    print("| " + " | ".join(measured) + " |", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=10_000)
    print("| | measured | bar |\n| --- | --- | --- |")
    main(parser.parse_args().records)
