"""A dataset card as a reader meets it: on a light page, on a dark one, and on a phone.

python -m benchmarks.card_pictures FOLDER            of the packaged examples; writes card-*.png into FOLDER
python -m benchmarks.card_pictures FOLDER RELEASE    of the release in the folder RELEASE

The page is laid out much as the Hub does it; it is not the Hub's own. Needs chromium.
"""

import sys
import tempfile
from pathlib import Path

from markdown_it import MarkdownIt

from exports.card import write_card
from tests.browser import open_browser
from tests.card_facts import facts, packaged

STYLE = """
:root { --page: #ffffff; --ink: #1f2937; --faint: #6b7280; --line: #e5e7eb; --code: #f3f4f6; --link: #2563eb; }
.dark { --page: #0b0f19; --ink: #d1d5db; --faint: #9ca3af; --line: #1f2937; --code: #151a28; --link: #60a5fa; }
body { background: var(--page); color: var(--ink); margin: 0; }
main { max-width: 830px; margin: 0 auto; padding: 28px 22px; font: 16px/1.6 system-ui, "DejaVu Sans", sans-serif; }
h1, h2, h3 { line-height: 1.25; margin: 1.5em 0 .6em } h1 { font-size: 1.75em } h2 { font-size: 1.35em;
  border-bottom: 1px solid var(--line); padding-bottom: .25em } h3 { font-size: 1.1em }
a { color: var(--link); text-decoration: underline } img { max-width: 100% }
blockquote { border-left: 3px solid var(--line); margin: 1em 0; padding: .1em 1em; color: var(--ink) }
code { background: var(--code); border-radius: 4px; padding: .1em .3em; font-size: .86em }
pre { background: var(--code); border-radius: 8px; padding: .8em 1em; overflow-x: auto; line-height: 1.45 }
pre code { padding: 0 } table { display: block; max-width: 100%; overflow-x: auto; border-collapse: collapse;
  font-size: .92em; line-height: 1.45 }
th, td { border: 1px solid var(--line); padding: .35em .7em } thead th:empty { padding: 0; border: 0 }
"""


def page_of(card: str, dark: bool) -> str:
    body = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    text = body.render(card.split("\n---\n", 1)[1])
    return (
        f'<!doctype html><meta charset="utf-8"><style>{STYLE}</style><body class="{"dark" * dark}"><main>{text}</main>'
    )


def take(release: Path, folder: Path) -> None:
    card = (release / "README.md").read_text("utf-8")
    with open_browser() as browser:
        for name, dark, width in (("light", False, 1000), ("dark", True, 1000), ("phone", False, 390)):
            page = release / f"{name}.html"
            page.write_text(page_of(card, dark), "utf-8")
            tab = browser.new_page(viewport={"width": width, "height": 1200}, device_scale_factor=1)
            tab.goto(page.as_uri())
            tab.screenshot(path=folder / f"card-{name}.png", full_page=True)
            wide = tab.evaluate("document.documentElement.scrollWidth")
            print(f"{name}: {wide} of {width} pixels wide, {tab.evaluate('document.body.scrollHeight')} tall")
            tab.close()
            page.unlink()


def main(folder: str, release: str | None = None) -> None:
    Path(folder).mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as held:
        place = Path(release or held)
        if release is None:
            write_card(place, facts(packaged(), repo="org/mild-set"))
        take(place, Path(folder))


if __name__ == "__main__":
    main(*sys.argv[1:])
