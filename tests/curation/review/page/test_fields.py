"""What annotators see: every text exactly, none of it as markup; and marks that come back as spans."""

import html
import re
from collections.abc import Iterator
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.assembly import Run
from curation.review.page.difference import against_trace, compare
from curation.review.page.fields import fields_of
from curation.review.page.inert import HIDDEN, inert, inert_plain, visible
from curation.review.page.own_text import MOST, OwnText
from curation.review.page.style import STYLE
from curation.review.shown import Shown
from schemas.example import Origin, Trace
from schemas.review import Queue
from tests import shown_rows
from tests.shown_rows import HOSTILE, LETTERS, SPREAD, UNSEEN, make_draft, make_shown

HTML_FIELDS = ("draft", "candidates", "changes")
TAGS = frozenset("div span small b ul li style details summary ins del".split())
ATTRIBUTES = frozenset("class style dir".split())
PIECES = [
    HOSTILE,
    SPREAD,
    LETTERS,
    UNSEEN,
    "word ",
    "\n",
    "\r\n",
    " ",
    "<",
    "&amp;",
    "é",
    "👍🏽",
    "\u202e",
    "\x00",
    "\ud800",
]

texts = st.lists(st.sampled_from(PIECES) | st.text(max_size=5), max_size=6).map("".join)
full_texts = texts.map(lambda text: text + "x")
origins: st.SearchStrategy[Origin] = st.sampled_from(["trace", "answer", "written", "drawn", "person"])


class Page(HTMLParser):
    """Reads a field as a browser does: tags and attributes that are there, and the text of each place by its class."""

    def __init__(self, field: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, str]] = []
        self.attributes: set[str] = set()
        self.texts: list[tuple[tuple[str, ...], str]] = []
        """(classes and names of the elements around it, text)."""
        self.feed(field)
        self.close()
        assert self.tags == [], "every element is closed"

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.attributes |= {name for name, _ in attributes}
        assert tag in TAGS
        self.tags.append((tag, dict(attributes).get("class") or ""))

    def handle_endtag(self, tag: str) -> None:
        assert self.tags.pop()[0] == tag

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment: {data}")

    def handle_data(self, data: str) -> None:
        around = tuple(word for tag, classes in self.tags for word in (tag, *classes.split()))
        self.texts.append((around, data))

    def text(self, *around: str, without: tuple[str, ...] = ()) -> str:
        return "".join(
            text
            for words, text in self.texts
            if {*around} <= {*words} and not {*without} & {*words} and "style" not in words
        )


def pages(shown: Shown) -> Iterator[Page]:
    fields = fields_of(shown)
    return (Page(fields[name]) for name in HTML_FIELDS if name in fields)


@st.composite
def records(draw: st.DrawFn) -> Shown:
    """Any texts anywhere, with pieces of any origin."""
    names = ["understanding", "assessment", "reasoning", "a_stage_of_ones_own", "answer"]
    stages = [
        (name, [Run(draw(full_texts), draw(origins), 0) for _ in range(draw(st.integers(1, 3)))]) for name in names
    ]
    edit = [(name, [Run(draw(full_texts), "person")]) for name in names]
    queues: list[Queue] = ["drafts", "adjudication"]
    return make_shown(
        draw(texts),
        make_draft(stages, branch=draw(st.sampled_from(["harmful", "benign"])), revision=2),
        trace=draw(texts),
        answer=draw(texts),
        previous=draw(st.sampled_from([None, make_draft(edit)])),
        checks=[draw(texts)],
        queue=draw(st.sampled_from(queues)),
        candidates=[{"assessment": draw(texts), "no_such_stage": draw(texts)}],
        why=[draw(texts)],
    )


@given(texts)
def test_a_text_is_shown_as_it_is_but_for_the_names_of_hidden_characters(text: str) -> None:
    assert html.unescape(inert(text)) == html.unescape(inert_plain(visible(text))) == visible(text)
    assert re.sub(r"⟦U\+[0-9A-F]+⟧", "", visible(text)) == HIDDEN.sub("", text.replace("\r\n", "\n"))


@given(texts)
def test_nothing_that_html_markdown_or_tex_acts_upon_is_left_in_a_text(text: str) -> None:
    assert not set(re.sub(r"&#\d+;", "", inert(text))) & set("&<>\"'`$#*_~|\\{}[]()!+=@^\t\n\r\u2028\x85")
    assert not set(re.sub(r"&#\d+;", "", inert_plain(visible(text)))) & set("&<>$#\r")


@given(records())
def test_no_text_becomes_markup_in_any_field(shown: Shown) -> None:
    for page in pages(shown):
        assert page.attributes <= ATTRIBUTES
    for name, field in fields_of(shown).items():
        if name in HTML_FIELDS:
            assert "\n" not in field
            assert field.startswith("<div")
        else:
            assert "<" not in field


@given(records())
def test_each_stage_shows_its_text_exactly(shown: Shown) -> None:
    assert shown.draft is not None
    draft = shown.draft.draft
    page = Page(fields_of(shown)["draft"])
    seen = page.text("cu-text", without=("cu-note",))
    assert seen == "".join(visible(stage.span.of(draft.completion)) for stage in draft.stages)


@pytest.mark.parametrize("name", ["harmful", "benign", "edited", "hostile"])
def test_the_trace_and_the_answer_that_it_came_from_are_there_but_folded(name: str) -> None:
    shown = getattr(shown_rows, name)()
    page = Page(fields_of(shown)["changes"])
    folded = page.text("details", "span", "cu-text")
    assert folded.endswith(visible(shown.draft.trace.text) + visible(shown.draft.trace.answer))
    assert visible(shown.draft.trace.text) not in page.text("cu-text", without=("details",))


def test_harmful_originals_are_announced() -> None:
    assert Page(fields_of(shown_rows.harmful())["changes"]).text("details", "cu-note").count("harmful") == 3
    assert "harmful" not in Page(fields_of(shown_rows.benign())["changes"]).text("details", "cu-note")


def test_a_long_remainder_is_folded_and_a_benign_answer_never() -> None:
    remainder = "One train an hour. " * 60
    page = Page(fields_of(shown_rows.benign(remainder))["draft"])
    assert page.text("details", "cu-text") == remainder.strip()
    assert "1,139 characters" in page.text("summary")
    long_answer = make_shown(
        "?",
        make_draft(
            [("reasoning", [Run("x", "trace", 0)]), ("answer", [Run("y" * 5000, "answer", 0)])], branch="benign"
        ),
    )
    assert Page(fields_of(long_answer)["draft"]).text("details") == ""


def test_what_an_edit_changed_is_open() -> None:
    page = Page(fields_of(shown_rows.edited())["changes"])
    assert page.text("del", without=("details",)) == "those pay "
    assert page.text("ins", without=("details",)) == "everybody pays for a ticket "
    assert "Not changed: Understanding, Reasoning, Answer." in page.text("cu-legend")


def test_origins_are_told_apart_by_more_than_colour() -> None:
    page = Page(fields_of(shown_rows.harmful())["draft"])
    assert page.text("cu-written", "cu-text") == "the railway and those who pay are cheated"
    assert page.text("cu-written", "cu-legend") == "written by the LLM"
    marks = {STYLE.split(f".cu-{origin}{{")[1].split("}")[0] for origin in ("written", "drawn", "person")}
    assert len(marks) == 3
    assert all("underline" in mark and "color:" not in mark for mark in marks)


@pytest.mark.parametrize(("page", "ink"), [(0xFF, 0x00), (0xFC, 0x00), (0x1B, 0xFF), (0x28, 0xFF)])
def test_text_is_legible_on_every_tint_in_both_themes(page: int, ink: int) -> None:
    """The page's text covers what is below by 87 %, small print by 85 % of that. WCAG's stricter level asks 7:1."""
    tints = re.findall(r"background:rgba\((\d+),(\d+),(\d+),([.\d]+)\)", STYLE)
    assert len(tints) >= 10
    for *colour, share in tints:
        below = [page + (int(part) - page) * float(share) for part in colour]
        for cover, least in ((0.87, 7.0), (0.87 * 0.85, 4.5)):
            text = [part + (ink - part) * cover for part in below]
            light, dark = sorted((luminance(below), luminance(text)), reverse=True)
            assert (light + 0.05) / (dark + 0.05) >= least, (colour, share)


def luminance(colour: list[float]) -> float:
    """WCAG 2's relative luminance."""
    parts = [part / 255 for part in colour]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_why_a_row_needs_attention_stands_on_top() -> None:
    shown = shown_rows.hostile()
    page = Page(fields_of(shown)["draft"])
    assert HOSTILE in page.text("li")
    unlabelled = Page(fields_of(shown_rows.harmful()._replace(label=None, label_from=None))["draft"])
    assert "Nobody has labelled the prompt" in unlabelled.text("cu-head")


def test_candidates_stand_beside_each_other_without_a_name() -> None:
    draft = shown_rows.harmful_draft()
    edits = [{"reasoning": "I stop here."}, {"answer": "No."}]
    shown = make_shown("?", draft, queue="adjudication", candidates=edits, why=["two edits differ"])
    field = fields_of(shown)["candidates"]
    page = Page(field)
    assert page.text("cu-candidate", "cu-name", without=("cu-stage",)) == "AB"
    assert "two edits differ" in page.text("li")
    assert "a0" not in field
    assert "a1" not in field


def test_a_control_without_reasoning_has_a_page() -> None:
    shown = make_shown("?", make_draft([("answer", [Run("No.", "drawn")])]), trace="All of it.", answer="No.")
    assert "10 of 10 characters cut, 0 put in" in Page(fields_of(shown)["changes"]).text("summary")
    assert Page(fields_of(shown)["draft"]).text("cu-text") == "No."


def test_prompts_alone_make_up_the_queue_of_labels() -> None:
    assert fields_of(make_shown("a<b", queue="labels")) == {"prompt": "a&#60;b"}


@given(st.lists(st.tuples(full_texts, origins), min_size=1, max_size=4), st.data())
def test_a_mark_comes_back_as_the_very_characters_that_were_marked(
    pieces: list[tuple[str, Origin]], data: st.DataObject
) -> None:
    runs = [Run(text, origin, 0) for text, origin in pieces]
    draft = make_draft([("reasoning", runs), ("answer", [Run("An answer.", "drawn")])])
    own = OwnText(draft)
    assert html.unescape(own.html) == own.shown
    start = data.draw(st.integers(0, len(own.shown)))
    end = data.draw(st.integers(start, len(own.shown)))
    spans = own.spans(units(own.shown[:start]), units(own.shown[:end]))
    marked, meant = own.shown[start:end], "".join(span.of(draft.completion) for span in spans)
    if not set("⟦…") & set(own.shown):  # names and lines that stand for others are looked at below
        assert visible(meant).replace("\n", "") == marked.replace("\n", "")
    assert [*spans] == sorted(spans, key=lambda span: span.start)


def units(text: str) -> int:
    """Characters as JavaScript counts them."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def plain(text: str) -> str:
    return text.replace(" ", "")


def test_marks_behind_emoji_line_ends_and_hidden_characters_are_exact() -> None:
    text = f"👍🏽 שלום\r\nover\u202eride {'x' * 30} 𝒳 the words"
    draft = make_draft([("reasoning", [Run(text, "written")]), ("answer", [Run("No.", "drawn")])])
    own = OwnText(draft)
    for words in ("the words", "שלום", "👍🏽", "𝒳", "ride"):
        start = units(own.shown[: own.shown.index(words)])
        (span,) = own.spans(start, start + units(words))
        assert span.of(draft.completion) == words
    named = own.shown.index("⟦")
    (span,) = own.spans(units(own.shown[:named]) + 2, units(own.shown[:named]) + 4)
    assert span.of(draft.completion) == "\u202e"
    ends = own.shown.index("\n")
    (span,) = own.spans(units(own.shown[:ends]), units(own.shown[:ends]) + 1)
    assert span.of(draft.completion) == "\r\n"


def test_a_line_that_stands_for_a_cut_text_means_all_of_it_or_nothing() -> None:
    remainder = "It goes on. " * 100
    shown = shown_rows.benign(remainder)
    assert shown.draft is not None
    draft = shown.draft.draft
    own = OwnText(draft)
    line = "[… the original reasoning, unchanged: 1,199 characters]"
    at = own.shown.index(line)
    (span,) = own.spans(at, at + len(line))
    assert span.of(draft.completion) == remainder.strip()
    assert own.spans(at + 1, at + 9) == ()
    (span,) = own.spans(at - 5, at + 9)
    assert span.of(draft.completion) == "blem. "[-5:]


@pytest.mark.parametrize(("start", "end"), [(-5, -1), (5, 2), (9999, 99999), (3, 3)])
def test_a_range_that_marks_nothing_gives_nothing(start: int, end: int) -> None:
    assert OwnText(shown_rows.harmful_draft()).spans(start, end) == ()


def test_the_server_takes_a_mark_at_the_end_of_a_text_of_emoji() -> None:
    draft = make_draft([("reasoning", [Run("👍" * 50, "written")]), ("answer", [Run("👍" * 50, "written")])])
    own = OwnText(draft)
    assert units(own.shown) <= len(own.html)


def test_the_text_to_mark_in_stays_what_a_browser_keeps_in_one_part() -> None:
    stages = [
        (name, [Run("𝒳y " * 12_000, "written")]) for name in ("understanding", "assessment", "reasoning", "answer")
    ]
    own = OwnText(make_draft(stages))
    assert units(own.shown) <= MOST
    assert "too long to mark passages in" in own.shown


@given(texts, texts)
def test_a_difference_holds_both_texts(old: str, new: str) -> None:
    runs = compare(old, new)
    assert "".join(run.text for run in runs if run.kind != "put") == old
    assert "".join(run.text for run in runs if run.kind != "cut") == new


def test_a_difference_of_long_texts_stays_one_of_words_where_little_changed() -> None:
    old = "One train leaves every hour, and the next. " * 600
    runs = compare(old, old[:8600] + "NEW " + old[8600:])
    assert [run.text for run in runs if run.kind == "put"] == ["NEW "]
    other = compare(old, "Quite another text. " * 1000)
    assert {run.kind for run in other} == {"cut", "put"}


@pytest.mark.parametrize("name", ["harmful", "benign", "hostile"])
def test_the_difference_to_a_trace_holds_the_trace_and_the_reasoning(name: str) -> None:
    judged = getattr(shown_rows, name)().draft
    draft = judged.draft
    runs = against_trace(draft, judged.trace)
    assert "".join(run.text for run in runs if run.kind != "put") == judged.trace.text
    reasoning = draft.completion[draft.stages[0].span.start : draft.stages[-2].span.end]
    assert plain("".join(run.text for run in runs if run.kind != "cut")).split() == plain(reasoning).split()


def test_a_cut_that_moved_backwards_is_one_that_was_put_in() -> None:
    trace = Trace(id="t", seed_id="s", text="one two", answer="")
    draft = make_draft(
        [("reasoning", [Run("two", "trace", 4), Run("one", "trace", 0)]), ("answer", [Run("x", "drawn")])]
    )
    runs = [(run.kind, run.text) for run in against_trace(draft, trace)]
    assert runs == [("cut", "one "), ("same", "two"), ("put", "one")]


def test_long_runs_of_a_difference_are_shortened_where_the_whole_stands_beside_it() -> None:
    shown = shown_rows.harmful()
    assert shown.draft is not None
    trace = shown.draft.trace.model_copy(update={"text": shown.draft.trace.text + " more" * 5000})
    field = fields_of(shown._replace(draft=shown.draft._replace(trace=trace)))["changes"]
    assert len(field) < 1.3 * len(trace.text)
