"""The real page in a real browser: hostile records are shown exactly and run nothing; answers come back exactly."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any
from uuid import UUID

import pytest
from playwright.sync_api import Browser

from curation.review.page.answers import Answered, read_response
from curation.review.page.inert import visible
from curation.review.page.own_text import OwnText
from curation.review.page.questions import FIELD_TITLES, prefilled, settings_for, to_argilla
from curation.review.shown import Shown
from curation.structures import load_structure
from schemas.example import Draft
from schemas.review import AnswerRight, Choice, Problem, Response
from tests import shown_rows
from tests.browser import AnnotatorPage, needs_browser, open_browser
from tests.review_server import PASSWORD, Person, ReviewServer
from tests.shown_rows import LETTERS

pytestmark = [needs_browser, pytest.mark.timeout(300)]

ALTTRAIN = load_structure("alttrain")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_browser() as opened:
        yield opened


@pytest.fixture(scope="module")
def sdk(argilla_server: ReviewServer) -> Iterator[Any]:
    import argilla as rg

    client = rg.Argilla(api_url=argilla_server.url, api_key=argilla_server.api_key)
    yield rg
    client.http_client.close()


@pytest.fixture
def open_queue(argilla_server: ReviewServer, browser: Browser, sdk: Any) -> "OpenQueue":
    return lambda *rows: Queue(argilla_server, browser, sdk, rows)


class Queue:
    """A dataset with these records, one annotator who is logged in, and what they said."""

    def __init__(self, server: ReviewServer, browser: Browser, sdk: Any, rows: Sequence[Shown]) -> None:
        self.rows = {f"r{number}": row for number, row in enumerate(rows)}
        self.server = server
        workspace = server.new_workspace()
        self.ann: Person = server.new_annotator(workspace)
        settings = settings_for("drafts", ALTTRAIN, "# Read this", 2)
        dataset = sdk.Dataset(f"drafts-{workspace}", workspace=UUID(workspace), settings=settings)
        self.dataset = str(dataset.create().id)
        named = [
            row._replace(record=row.record.model_copy(update={"id": record_id})) for record_id, row in self.rows.items()
        ]
        dataset.records.log([to_argilla(row) for row in named])
        self.page = AnnotatorPage(browser, server.url)
        self.page.log_in(self.ann.username, PASSWORD)
        self.page.open_queue(self.dataset)

    def answer(self, record_id: str) -> Response:
        """What was submitted to a record, as it is read from the REST API."""
        found = self.server.owner.get(f"/api/v1/datasets/{self.dataset}/records", params={"include": "responses"})
        record: Any = next(record for record in found["items"] if record["external_id"] == record_id)
        (said,) = record["responses"]
        assert said["status"] == "submitted"
        who = Answered(self.ann.username, "person", 1, "g1", said["updated_at"])
        response = read_response(self.rows[record_id], said["values"], who)
        assert isinstance(response, Response), response
        return response


OpenQueue = Callable[..., Queue]


def draft_of(shown: Shown) -> Draft:
    assert shown.draft is not None
    return shown.draft.draft


def test_a_hostile_record_is_shown_exactly_and_runs_nothing(open_queue: OpenQueue) -> None:
    hostile = shown_rows.hostile()
    draft = draft_of(hostile)
    page = open_queue(hostile).page
    assert page.field_text(FIELD_TITLES["prompt"]) == visible(hostile.seed.prompt)
    stages = page.field(FIELD_TITLES["draft"]).locator(".cu-stage").all()
    assert len(stages) == len(draft.stages)
    for shown, stage in zip(stages, draft.stages, strict=True):
        texts = shown.locator(".cu-text").evaluate_all("elements => elements.map(element => element.textContent)")
        assert "".join(texts) == visible(stage.span.of(draft.completion))
    assert page.field_text(FIELD_TITLES["own_text"]) == OwnText(draft).shown
    for name, text in prefilled(hostile).items():
        assert page.box_text(name) == text
    assert page.tab.locator(".cu img, .cu script, .cu svg, .cu a, .cu iframe, .cu code, .cu h1, .katex").count() == 0
    page.tab.wait_for_timeout(500)
    page.assert_harmless()


def test_folded_texts_open_and_close(open_queue: OpenQueue) -> None:
    hostile = shown_rows.hostile()
    assert hostile.draft is not None
    page = open_queue(hostile).page
    for summary in page.tab.locator(".cu summary").all():
        content = summary.locator("xpath=following-sibling::*[contains(@class, 'cu-text')]")
        assert not content.is_visible()
        summary.click()
        assert content.is_visible()
    original = page.field(FIELD_TITLES["changes"]).locator("details").nth(1).locator(".cu-text")
    assert original.evaluate("element => element.textContent") == visible(hostile.draft.trace.text)
    page.tab.locator(".cu summary").first.click()
    assert not page.tab.locator(".cu details .cu-text").first.is_visible()
    page.assert_harmless()


def test_an_answer_comes_back_to_the_character(open_queue: OpenQueue) -> None:
    hostile, benign = shown_rows.hostile(), shown_rows.benign()
    queue = open_queue(hostile, benign)
    page = queue.page
    page.choose("decision", "approve_with_edits")
    page.choose("problems", "style", "unsafe_detail")
    page.append("assessment", " And <b>x</b> & $y$.")
    page.fill("answer", f"New <think>\n\n  {LETTERS}")
    page.mark("Unsafe detail", "two blanks")
    page.comment("A comment: a<b & c.")
    page.submit()
    said = queue.answer("r0")
    assert said.choice is Choice.EDIT
    assert said.problems == (Problem.UNSAFE, Problem.STYLE)
    assert said.comment == "A comment: a<b & c."
    assert said.texts == {
        "assessment": draft_of(hostile).text("assessment") + " And <b>x</b> & $y$.",
        "answer": f"New <think>\n\n  {LETTERS}",
    }
    (mark,) = said.spans
    assert (mark.span.of(draft_of(hostile).completion), mark.problem) == ("two blanks", "unsafe_detail")
    page.choose("decision", "approve")
    page.choose("answer_right", "yes")
    page.submit()
    plain = queue.answer("r1")
    assert (plain.choice, plain.answer_right, plain.texts) == (Choice.APPROVE, AnswerRight.YES, {})
    page.assert_harmless()


def test_an_emptied_box_is_an_edit_and_one_that_was_typed_back_is_none(open_queue: OpenQueue) -> None:
    rows = [shown_rows.harmful(), shown_rows.edited(), shown_rows.benign()]
    queue = open_queue(*rows)
    page = queue.page
    page.fill("reasoning", "")
    page.fill("answer", shown_rows.REFUSAL)
    page.choose("decision", "reject")
    page.submit()
    assert queue.answer("r0").texts == {"reasoning": ""}
    for stage in ("assessment", "reasoning", "answer"):
        page.fill(stage, "")
    page.choose("decision", "reject")
    page.submit()
    assert queue.answer("r1").texts == {"assessment": "", "reasoning": "", "answer": ""}
    page.fill("reasoning", "All of it anew.\nIn two lines.")
    page.choose("decision", "approve_with_edits")
    page.submit()
    assert queue.answer("r2").texts == {"reasoning": "All of it anew.\nIn two lines."}
    page.assert_harmless()
