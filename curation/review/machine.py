"""A machine account answers its own queue, as the page would: it logs in, takes the next record, submits.

    with log_in(url, "bot", password) as page:
        answer_queue(page, lambda record: Answer({"decision": "approve"}))

`by_checks` is the rule that `curate review answer` uses. It reads the checks alone, so its answers show the flow and
say nothing about the drafts; whatever it decides stays a machine's decision.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from curation.review.connect import readable
from curation.review.shown import Shown
from schemas.errors import ReviewError
from schemas.review import AnswerRight, Choice

if TYPE_CHECKING:
    import httpx

TIMEOUT_SECONDS = 60.0

ATTEMPTS_A_RECORD = 2
"""A record that comes again after so many answers is stuck: the server takes them and shows it all the same."""


class Answer(NamedTuple):
    """What is said of a record: a value by question."""

    values: Mapping[str, object]
    status: Literal["submitted", "discarded"] = "submitted"


@contextmanager
def log_in(url: str, name: str, password: str) -> "Iterator[httpx.Client]":
    """The account's way into the page's own API. Raises ReviewError: server down, name or password wrong."""
    import httpx

    with httpx.Client(base_url=url, timeout=TIMEOUT_SECONDS, transport=httpx.HTTPTransport()) as page:
        with readable(url):
            reply = page.post("/api/v1/token", data={"username": name, "password": password})
            if reply.status_code == 401:
                raise ReviewError(
                    f"{url}: {name}: name or password is wrong; `curate review annotators reset-password`"
                )
            reply.raise_for_status()
        page.headers["Authorization"] = f"Bearer {reply.json()['access_token']}"
        yield page


def datasets_of(page: "httpx.Client") -> dict[str, str]:
    """Name and id of every dataset that the account sees. Raises ReviewError."""
    with readable(str(page.base_url)):
        reply = page.get("/api/v1/me/datasets")
        reply.raise_for_status()
    return {str(found["name"]): str(found["id"]) for found in reply.json()["items"] if found["status"] == "ready"}


def next_records(page: "httpx.Client", dataset: str, limit: int = 10) -> list[dict[str, Any]]:
    """What the page asks for: the first records of the account's pending queue. Raises ReviewError."""
    terms = [
        {"type": "terms", "scope": {"entity": entity, "property": "status"}, "values": ["pending"]}
        for entity in ("response", "record")
    ]
    with readable(str(page.base_url)):
        reply = page.post(
            f"/api/v1/me/datasets/{dataset}/records/search",
            params={"include": ["responses", "suggestions"], "offset": 0, "limit": limit},
            json={"query": {}, "filters": {"and": terms}},
        )
        reply.raise_for_status()
    return [item["record"] for item in reply.json()["items"]]


def submit(page: "httpx.Client", record: str, answer: Answer) -> None:
    """Sends one answer, as the page's Submit and Discard do. Raises ReviewError."""
    with readable(str(page.base_url)):
        page.post(
            f"/api/v1/records/{record}/responses",
            json={"status": answer.status, "values": {name: {"value": value} for name, value in answer.values.items()}},
        ).raise_for_status()


def answer_queue(page: "httpx.Client", dataset: str, say: Callable[[dict[str, Any]], Answer]) -> int:
    """Answers every pending record of the account in a dataset, one by one; returns how many. Raises ReviewError."""
    seen: dict[str, int] = {}
    while records := next_records(page, dataset):
        for record in records:
            seen[record["id"]] = seen.get(record["id"], 0) + 1
            if seen[record["id"]] > ATTEMPTS_A_RECORD:
                raise ReviewError(
                    f"{page.base_url}: record {record['external_id']} stays pending though it was answered"
                )
            submit(page, record["id"], say(record))
    return len(seen)


def by_checks(shown: Shown) -> Answer:
    """Approves a draft that no check flags and leaves the others to somebody who can tell; repeats a prompt's label.

    That nothing vouches for a benign answer is no reason to be unsure: it is a question of its own, left open here.
    """
    said = "by rule: it reads the checks alone"
    if shown.draft is None:
        return Answer({"label": shown.label or "unsure", "comment": said})
    flags = {check.rule for check in shown.draft.checks} - {"answer_unverified"}
    choice = Choice.UNSURE if flags else Choice.APPROVE
    values: dict[str, object] = {"decision": choice.value, "comment": said}
    if shown.draft.draft.branch == "benign":
        values["answer_right"] = AnswerRight.CANNOT_TELL.value
    return Answer(values)
