"""Argilla's page in a real browser, used as an annotator uses it.

    with open_browser() as browser:
        page = AnnotatorPage(browser, url)
        page.log_in("ann", PASSWORD)
        page.open_queue(dataset_id)
        page.choose("decision", "approve")
        page.fill("reasoning", "I stop here.")
        page.mark("unsafe_detail", "the words")
        page.submit()
        page.assert_harmless()

Debian's chromium does it, through Playwright. Only synchronous tests can use this: Playwright runs a loop of its own.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Dialog, Locator, Request, sync_playwright

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
)
PAGES_OWN_FONTS = "fonts.googleapis.com"
"""The page asks for fonts there; the embedded server's policy lets none of it through."""

needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed: the page is not tested")

_BOX = """(element, words) => {
    const text = element.firstChild, start = text.data.indexOf(words), range = new Range();
    if (start < 0) return null;
    range.setStart(text, start);
    range.setEnd(text, start + words.length);
    const lines = [...range.getClientRects()], first = lines[0], last = lines[lines.length - 1];
    return [first.left, first.top + first.height / 2, last.right, last.top + last.height / 2];
}"""


@contextmanager
def open_browser() -> Iterator[Browser]:
    """A browser with a fresh profile."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[*FLAGS])
        yield browser
        browser.close()


class AnnotatorPage:
    """One tab. It notes what a record must never bring about: dialogs, errors, requests to anywhere else."""

    def __init__(self, browser: Browser, url: str, *, width: int = 1400, height: int = 1600) -> None:
        self.url = url
        self.tab = browser.new_page(viewport={"width": width, "height": height})
        self.noted: list[str] = []
        self.tab.on("dialog", self._note_dialog)
        self.tab.on("console", self._note_message)
        self.tab.on("request", self._note_request)
        self.tab.on("pageerror", lambda error: self.noted.append(f"error: {error}"))

    def log_in(self, username: str, password: str) -> None:
        self.tab.goto(f"{self.url}/sign-in")
        self.tab.fill("input[name=Username]", username)
        self.tab.fill("input[name=Password]", password)
        self.tab.click("button[type=submit]")
        self.tab.wait_for_url(lambda url: "sign-in" not in url)

    def open_queue(self, dataset_id: str) -> None:
        """The first record that waits for this annotator."""
        self.tab.goto(f"{self.url}/dataset/{dataset_id}/annotation-mode")
        self.field("Prompt").wait_for()

    def next_record(self) -> None:
        before = self.field_text("Prompt")
        self.tab.keyboard.press("ArrowRight")
        self._await_other_prompt(before)

    def field(self, title: str) -> Locator:
        """The content of the field with this title."""
        component = self.tab.locator(".text_field_component", has=self.tab.get_by_text(title, exact=True))
        return component.locator("[id^=fields-content-]").first

    def field_text(self, title: str) -> str:
        """The text in the field's part of the document, to the character."""
        # The page's templates indent; what belongs to the field stands in the one element inside.
        return str(self.field(title).locator("xpath=./*[1]").evaluate("element => element.textContent"))

    def box(self, stage: str) -> Locator:
        return self.tab.locator(f'[aria-label="Question: text_{stage}"] [contenteditable]')

    def box_text(self, stage: str) -> str:
        return str(self.box(stage).evaluate("element => element.textContent"))

    def fill(self, stage: str, text: str) -> None:
        """Types in a box, over what stands there; '' empties it."""
        self.box(stage).click()
        self.tab.keyboard.press("Control+A")
        self.tab.keyboard.press("Backspace")
        for number, line in enumerate(text.split("\n")):
            if number:
                self.tab.keyboard.press("Enter")
            self.tab.keyboard.insert_text(line)

    def append(self, stage: str, text: str) -> None:
        """Types behind what stands in a box, key by key."""
        self.box(stage).click()
        self.tab.keyboard.press("Control+End")
        self.tab.keyboard.type(text)

    def comment(self, text: str) -> None:
        self.tab.locator('[aria-label="Question: comment"] [contenteditable]').click()
        self.tab.keyboard.insert_text(text)

    def choose(self, question: str, *values: str) -> None:
        for value in values:
            self.tab.locator(f'label[for="{question}_{value}"]').click()

    def mark(self, problem_title: str, words: str) -> None:
        """Marks words in the field of the span question, with the mouse."""
        self.tab.locator('[aria-label="Question: spans"]').get_by_text(problem_title, exact=True).click()
        text = self.tab.locator('.text_field_component[name="own_text"] p').first
        text.scroll_into_view_if_needed()
        where = text.evaluate(_BOX, words)
        assert where is not None, f"{words!r} is not in the text to mark in"
        left, top, right, bottom = where
        self.tab.mouse.move(left + 1, top)
        self.tab.mouse.down()
        self.tab.mouse.move(right - 1, bottom, steps=5)
        self.tab.mouse.up()

    def submit(self) -> None:
        with self.tab.expect_response(
            lambda response: "/responses" in response.url and response.request.method == "POST"
        ):
            self.tab.get_by_role("button", name="Submit").first.click()

    def assert_harmless(self) -> None:
        """Nothing of a record ran, and nothing was asked for elsewhere. Hostile texts of tests set `window.broken`."""
        assert self.noted == []
        assert self.tab.evaluate("window.broken") is None

    def _await_other_prompt(self, before: str) -> None:
        for _ in range(100):
            if self.field_text("Prompt") != before:
                return
            self.tab.wait_for_timeout(50)
        raise AssertionError("no other record came")

    def _note_dialog(self, dialog: Dialog) -> None:
        self.noted.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def _note_message(self, message: ConsoleMessage) -> None:
        if message.type == "error" and PAGES_OWN_FONTS not in message.text:
            self.noted.append(f"console: {message.text}")

    def _note_request(self, request: Request) -> None:
        there, here = urlsplit(request.url), urlsplit(self.url)
        if there.scheme not in ("data", "blob") and there.netloc not in (here.netloc, PAGES_OWN_FONTS):
            self.noted.append(f"request: {request.url}")
