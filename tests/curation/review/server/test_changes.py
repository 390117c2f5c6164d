"""What the engine answers goes with what is written, at once: it keeps nothing of its own that could stay behind."""

import sqlite3
import time
from contextlib import closing
from typing import Any

import pytest

from tests.curation.review.server.test_process import add_records, new_dataset
from tests.review_server import Person, ReviewServer

GOOD = {"status": "submitted", "values": {"verdict": {"value": "good"}}}


class Place:
    def __init__(self, server: ReviewServer, count: int = 4) -> None:
        self.server = server
        self.workspace = server.new_workspace()
        self.dataset = new_dataset(server, self.workspace)
        add_records(server, self.dataset, count)
        listed = server.owner.get(f"/api/v1/datasets/{self.dataset}/records")["items"]
        self.ids: list[str] = [record["id"] for record in listed]

    def found(self, text: str) -> list[str]:
        """The external ids of what a text query finds."""
        path = f"/api/v1/me/datasets/{self.dataset}/records/search"
        got = self.server.owner.post(path, json={"query": {"text": {"q": text}}})
        assert got["total"] == len(got["items"])
        return [item["record"]["external_id"] for item in got["items"]]

    def statuses(self) -> list[str]:
        listed = self.server.owner.get(f"/api/v1/datasets/{self.dataset}/records")["items"]
        return [record["status"] for record in listed]

    def answer(self, person: Person, number: int) -> Any:
        return person.post(f"/api/v1/records/{self.ids[number]}/responses", json=GOOD)


@pytest.fixture
def place(argilla_server: ReviewServer) -> Place:
    return Place(argilla_server)


def test_a_changed_text_is_found_by_its_new_words_only(place: Place) -> None:
    assert place.found("1") == ["r1"]
    place.server.owner.http.patch(f"/api/v1/records/{place.ids[1]}", json={"fields": {"prompt": "umbrella"}})
    assert place.found("umbrella") == ["r1"]
    assert place.found("1") == []


def test_a_record_sent_anew_is_found_by_its_new_words_only(place: Place) -> None:
    body = {"items": [{"external_id": "r2", "fields": {"prompt": "umbrella"}}, {"fields": {"prompt": "umbrella too"}}]}
    place.server.owner.put(f"/api/v1/datasets/{place.dataset}/records/bulk", json=body)
    assert place.found("umbrella") == ["r2", None]
    assert place.found("2") == []


def test_what_is_deleted_is_not_found(place: Place) -> None:
    owner = place.server.owner
    owner.http.delete(f"/api/v1/records/{place.ids[0]}").raise_for_status()
    assert place.found("prompt") == ["r1", "r2", "r3"]
    ids = ",".join(place.ids[1:3])
    owner.http.delete(f"/api/v1/datasets/{place.dataset}/records?ids={ids}").raise_for_status()
    assert place.found("prompt") == ["r3"]


def test_a_deleted_dataset_leaves_no_text_behind(place: Place) -> None:
    place.server.owner.http.delete(f"/api/v1/datasets/{place.dataset}").raise_for_status()
    with closing(sqlite3.connect(place.server.folder / "argilla.db")) as db:
        ids = tuple(each.replace("-", "") for each in place.ids)
        assert db.execute("SELECT count(*) FROM curate_text_rows WHERE record_id IN (?, ?, ?, ?)", ids).fetchone() == (
            0,
        )
        assert db.execute("SELECT count(*) FROM curate_text_due").fetchone() == (0,)
        (kept,) = db.execute("SELECT count(*) FROM curate_text").fetchone()
        assert db.execute("SELECT count(*) FROM curate_text_rows").fetchone() == (kept,)


def test_a_record_that_another_program_wrote_is_found(place: Place) -> None:
    with closing(sqlite3.connect(place.server.folder / "argilla.db", timeout=30)) as db, db:
        fields = '{"prompt": "written &amp; beside"}'
        db.execute("UPDATE records SET fields = ? WHERE id = ?", (fields, place.ids[3].replace("-", "")))
    assert place.found('"written beside"') == ["r3"]


def test_a_record_that_cannot_be_shown_spoils_no_search_of_others(place: Place) -> None:
    """A lone surrogate: Argilla cannot send such a text back, and SQLite cannot take it into an index."""
    fields = '{"prompt": "odd \\ud800 one"}'
    with closing(sqlite3.connect(place.server.folder / "argilla.db", timeout=30)) as db, db:
        db.execute("UPDATE records SET fields = ? WHERE id = ?", (fields, place.ids[3].replace("-", "")))
    assert place.found("2") == ["r2"]
    assert Place(place.server).found("prompt") == ["r0", "r1", "r2", "r3"]


def test_the_statuses_follow_when_a_record_needs_fewer_answers(place: Place) -> None:
    """Upstream hands this to a worker of its own; here the server does it by itself."""
    ann = place.server.new_annotator(place.workspace)
    for number in (0, 2):
        place.answer(ann, number)
    assert place.statuses() == ["pending"] * 4
    body = {"distribution": {"strategy": "overlap", "min_submitted": 1}}
    place.server.owner.http.patch(f"/api/v1/datasets/{place.dataset}", json=body).raise_for_status()
    end = time.monotonic() + 20
    while place.statuses() != ["completed", "pending", "completed", "pending"]:
        assert time.monotonic() < end, place.statuses()
        time.sleep(0.1)


def test_an_answer_that_is_taken_back_opens_the_record_again(place: Place) -> None:
    one, two = (place.server.new_annotator(place.workspace) for _ in range(2))
    place.answer(one, 0)
    given = place.answer(two, 0)
    assert place.statuses()[0] == "completed"
    two.http.delete(f"/api/v1/responses/{given['id']}").raise_for_status()
    assert place.statuses()[0] == "pending"


def test_reading_a_queue_writes_nothing(place: Place) -> None:
    """Upstream's way to hide metadata from an annotator put what was left on its way into the database."""
    owner = place.server.owner
    body = {"name": "gold", "title": "gold", "settings": {"type": "terms"}, "visible_for_annotators": False}
    owner.post(f"/api/v1/datasets/{place.dataset}/metadata-properties", json=body)
    items = [{"external_id": "r0", "metadata": {"gold": "yes"}}]
    owner.put(f"/api/v1/datasets/{place.dataset}/records/bulk", json={"items": items})
    ann = place.server.new_annotator(place.workspace)
    with closing(sqlite3.connect(place.server.folder / "argilla.db", timeout=30, isolation_level=None)) as db:
        db.execute("BEGIN IMMEDIATE")  # nobody else can write
        began = time.monotonic()
        shown = ann.post(f"/api/v1/me/datasets/{place.dataset}/records/search", json={})
        assert time.monotonic() - began < 10
        db.execute("ROLLBACK")
    assert all("gold" not in (item["record"]["metadata"] or {}) for item in shown["items"])
    kept = owner.get(f"/api/v1/datasets/{place.dataset}/records")["items"]
    assert kept[0]["metadata"] == {"gold": "yes"}
