"""Argilla's page in a real browser: it works under the policy that the server sends, and no record can run a script."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.browser import needs_browser, open_browser
from tests.review_server import PASSWORD, Person, ReviewServer

pytestmark = [needs_browser, pytest.mark.timeout(300)]

RUNS = "window.top.ran = (window.top.ran || 0) + 1"
ATTACKS = [
    f"<img src=x onerror='{RUNS}'>",
    f"<script>{RUNS}</script>",
    f"<b>bold</b><script>{RUNS}</script><iframe srcdoc='<script>{RUNS}</script>'></iframe>",
    f"<svg onload='{RUNS}'></svg><p onmouseover='{RUNS}'>here</p>",
    f"<a href='javascript:{RUNS}'>here</a><form action='javascript:{RUNS}'><button>here</button></form>",
]
TEXT = f"a </script><script>{RUNS}</script> $& $' $` $$ #TEMPLATE# \u2028 <b>b</b> {{{{x}}}} & end"
"""What ends the script that a custom field writes a record into, or is a pattern to it, or a place to fill."""

SHOWS = '<pre id="shown"></pre><script>document.getElementById("shown").textContent = record.fields.parts.text</script>'


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_browser() as found:
        yield found


def open_page(browser: Browser, url: str, *, without_policy: bool = False) -> Page:
    """A page with a profile of its own; `without_policy` as if the server sent no Content-Security-Policy."""
    return browser.new_context(base_url=url, bypass_csp=without_policy).new_page()


class Place:
    """A dataset with a record for each text, and an annotator."""

    def __init__(self, server: ReviewServer, fields: dict[str, Any], records: list[dict[str, Any]]) -> None:
        self.workspace = server.new_workspace()
        self.ann: Person = server.new_annotator(self.workspace)
        owner = server.owner
        self.id = owner.post("/api/v1/datasets", json={"name": "hostile", "workspace_id": self.workspace})["id"]
        path = f"/api/v1/datasets/{self.id}"
        for name, settings in fields.items():
            body = {"name": name, "title": name, "required": False, "settings": settings}
            owner.post(f"{path}/fields", json=body)
        labels = [{"value": label, "text": label} for label in ("good", "bad")]
        for name, settings in {
            "verdict": {"type": "label_selection", "options": labels},
            "edit": {"type": "text", "use_markdown": False},
        }.items():
            body = {"name": name, "title": name, "required": name == "verdict", "settings": settings}
            owner.post(f"{path}/questions", json=body)
        owner.put(f"{path}/publish")
        edit = next(each["id"] for each in owner.get(f"{path}/questions")["items"] if each["name"] == "edit")
        suggestions = [{"question_id": edit, "value": TEXT}]
        items = [{"fields": record, "suggestions": suggestions} for record in records]
        owner.put(f"{path}/records/bulk", json={"items": items})

    def open(self, page: Page) -> None:
        page.goto("/sign-in")
        page.fill("input[name=Username]", self.ann.username)
        page.fill("input[name=Password]", PASSWORD)
        page.click("button[type=submit]")
        page.wait_for_url(lambda url: "sign-in" not in url)
        self.turn_to(page, 1)

    def turn_to(self, page: Page, number: int) -> None:
        page.goto(f"/dataset/{self.id}/annotation-mode?page={number}&status=pending")
        page.get_by_text("verdict").first.wait_for()


def test_a_person_logs_in_reads_edits_and_submits(browser: Browser, argilla_server: ReviewServer) -> None:
    place = Place(
        argilla_server, {"prompt": {"type": "text", "use_markdown": False}}, [{"prompt": "x&lt;y &amp;amp; z"}]
    )
    page = open_page(browser, argilla_server.url)
    asked: list[str] = []
    said: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    place.open(page)
    page.get_by_text("x<y &amp; z").wait_for()
    page.get_by_text("good").first.click()
    with page.expect_response(lambda reply: reply.url.endswith("/responses")):
        page.get_by_role("button", name="Submit").click()
    (record,) = argilla_server.owner.get(f"/api/v1/datasets/{place.id}/records?include=responses")["items"]
    assert record["responses"][0]["values"]["verdict"] == {"value": "good"}
    assert record["responses"][0]["values"]["edit"] == {"value": TEXT}
    assert record["responses"][0]["status"] == "submitted"
    assert record["status"] == "completed"
    assert {url for url in asked if not url.startswith((argilla_server.url, "data:", "blob:"))} == set()
    assert said == []
    page.context.close()


@pytest.mark.parametrize("use_markdown", [False, True])
def test_no_text_of_a_record_runs_a_script(browser: Browser, argilla_server: ReviewServer, use_markdown: bool) -> None:
    settings = {"type": "text", "use_markdown": use_markdown}
    place = Place(argilla_server, {"prompt": settings}, [{"prompt": attack} for attack in ATTACKS])
    page = open_page(browser, argilla_server.url)
    place.open(page)
    for number in range(1, len(ATTACKS) + 1):
        place.turn_to(page, number)
        for frame in page.frames:
            for here in frame.get_by_text("here").all():
                here.click(timeout=2000)
        page.wait_for_timeout(300)
        assert page.evaluate("window.ran") is None, ATTACKS[number - 1]
    page.context.close()


def test_a_custom_field_shows_a_hostile_text_as_it_is(browser: Browser, argilla_server: ReviewServer) -> None:
    """The mend of the page's own code, by itself: without the policy, which stops a custom field's scripts."""
    custom = {"type": "custom", "template": SHOWS, "advanced_mode": True}
    place = Place(argilla_server, {"parts": custom}, [{"parts": {"text": TEXT}}])
    page = open_page(browser, argilla_server.url, without_policy=True)
    place.open(page)
    shown = page.frame_locator("iframe").locator("#shown")
    shown.filter(has_text="end").wait_for()
    assert shown.text_content() == TEXT
    assert page.evaluate("window.ran") is None
    page.context.close()


def test_every_reply_carries_the_policy(argilla_server: ReviewServer) -> None:
    for path in ("/", "/sign-in", "/_nuxt/none.js", "/api/v1/me", "/api/v1/none"):
        headers = argilla_server.owner.http.get(path, headers={"Origin": "https://other.example"}).headers
        policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
        assert policy["default-src"] == "'self'"
        assert "unsafe" not in policy["script-src"]
        assert "http" not in headers["content-security-policy"]
        assert policy["frame-ancestors"] == "'self'"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "same-origin"
        assert "access-control-allow-origin" not in headers
