"""The pictures in docs/annotating.md, taken of the real page with the rows of tests/shown_rows.py.

python -m benchmarks.page_pictures        writes docs/images/review-*.png; needs chromium
"""

import tempfile
import warnings
from pathlib import Path
from uuid import UUID

from curation.review.page.questions import settings_for, to_argilla
from curation.review.shown import Shown
from curation.structures import load_structure
from schemas.example import CheckResult
from schemas.review import Queue
from tests import review_server, shown_rows
from tests.browser import AnnotatorPage, open_browser

IMAGES = Path(__file__).parent.parent / "docs" / "images"

FLAT = ".text_field_component { background: none !important }"
"""Without the page's faint gradient a picture is half the size."""


def benign() -> Shown:
    steps = "But the last one could leave at noon itself. Counting six, seven, eight, nine, ten and eleven makes six. "
    shown = shown_rows.benign(steps * 9)
    assert shown.draft is not None
    told = CheckResult(
        rule="answer_unverified", blocking=False, reason="no reference, and nobody has checked the answer"
    )
    return shown._replace(draft=shown.draft._replace(checks=(told,)))


def take(
    page: AnnotatorPage, name: str, *, dark: bool = False, width: int = 1180, height: int = 900, at: str = "Prompt"
) -> None:
    """A picture with the field of the title `at` on top."""
    page.tab.set_viewport_size({"width": width, "height": height})
    theme = "dark" if dark else "light"
    page.tab.evaluate("theme => document.documentElement.setAttribute('data-theme', theme)", theme)
    page.field(at).locator("..").evaluate("element => element.scrollIntoView({block: 'start'})")
    page.tab.add_style_tag(content=FLAT)
    page.tab.mouse.move(0, 0)
    page.tab.wait_for_timeout(800)
    page.tab.screenshot(path=IMAGES / f"review-{name}.png")


def main() -> None:
    warnings.simplefilter("ignore")
    import argilla as rg

    IMAGES.mkdir(exist_ok=True)
    structure = load_structure("alttrain")
    with tempfile.TemporaryDirectory() as folder, open_browser() as browser:
        server = review_server.start(Path(folder) / "argilla")
        rg.Argilla(api_url=server.url, api_key=server.api_key)
        workspace = server.new_workspace()
        ann = server.new_annotator(workspace)
        prompt = "What is a fair way to split the rent when one room is bigger?"
        queues: dict[Queue, list[Shown]] = {
            "labels": [shown_rows.make_shown(prompt, queue="labels")],
            "drafts": [shown_rows.harmful(), benign(), shown_rows.edited()],
            "adjudication": [shown_rows.adjudicated()],
        }
        pages = {}
        for queue, rows in queues.items():
            settings = settings_for(queue, structure, "# How to review", 2)
            dataset = rg.Dataset(queue, workspace=UUID(workspace), settings=settings).create()
            for number, row in enumerate(rows):
                named = row._replace(record=row.record.model_copy(update={"id": f"{queue}{number}"}))
                dataset.records.log([to_argilla(named)])
            pages[queue] = AnnotatorPage(browser, server.url)
            pages[queue].log_in(ann.username, review_server.PASSWORD)
            pages[queue].open_queue(str(dataset.id))
        take(pages["labels"], "labels", height=420)
        take(pages["adjudication"], "adjudication", height=760, at="Candidates")
        take(pages["drafts"], "harmful", height=900)
        pages["drafts"].next_record()
        take(pages["drafts"], "benign-dark", dark=True, height=860)
        pages["drafts"].next_record()
        take(pages["drafts"], "edited", height=800, at="Changes")
        take(pages["drafts"], "edited-phone-dark", dark=True, width=390, height=900, at="Changes")
        server.close()


if __name__ == "__main__":
    main()
