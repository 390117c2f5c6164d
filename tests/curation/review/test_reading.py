"""How long records take: words at 238 a minute, and what is assumed beside it, by kind."""

import pytest

from curation.assembly import Run
from curation.review.reading import DECIDING_SECONDS, count_words, estimate, kind_of, seconds_of
from tests import shown_rows
from tests.shown_rows import make_draft, make_shown

MINUTE = "word " * 238


def test_a_prompt_of_238_words_takes_a_minute_and_the_decision() -> None:
    assert seconds_of(make_shown(MINUTE, queue="labels")) == pytest.approx(60 + DECIDING_SECONDS["label"])


def test_an_unchanged_remainder_is_skimmed_and_a_benign_answer_read() -> None:
    runs = [("reasoning", [Run(MINUTE.strip(), "trace", 0)]), ("answer", [Run(MINUTE.strip(), "answer", 0)])]
    benign = make_shown("", make_draft(runs, branch="benign"))
    assert seconds_of(benign) == pytest.approx(30 + 60 + DECIDING_SECONDS["benign draft"])


def test_what_is_folded_in_a_harmful_draft_is_not_read() -> None:
    runs = [("reasoning", [Run(MINUTE.strip(), "trace", 0)]), ("answer", [Run(MINUTE.strip(), "drawn")])]
    assert seconds_of(make_shown("", make_draft(runs))) == pytest.approx(60 + DECIDING_SECONDS["harmful draft"])


def test_of_an_edit_what_changed_is_read_too() -> None:
    edited = shown_rows.edited()
    assert edited.draft is not None
    fresh = edited._replace(draft=edited.draft._replace(previous=None))
    # cut: those, pay; put in: everybody, pays for a ticket
    more = 60 * (2 + 5) / 238 + DECIDING_SECONDS["edited draft"] - DECIDING_SECONDS["harmful draft"]
    assert seconds_of(edited) - seconds_of(fresh) == pytest.approx(more)


def test_candidates_are_read() -> None:
    draft = shown_rows.harmful_draft()
    plain = make_shown("?", draft, queue="adjudication")
    disputed = make_shown("?", draft, queue="adjudication", candidates=[{"answer": MINUTE}, {"answer": MINUTE}])
    assert kind_of(plain) == "adjudication"
    assert seconds_of(disputed) - seconds_of(plain) == pytest.approx(120)


@pytest.mark.parametrize(("text", "words"), [("", 0), ("two words", 2), ("你好世界你好", 4), ("ab 你好你 c", 4)])
def test_scripts_without_spaces_are_counted_by_characters(text: str, words: float) -> None:
    assert count_words(text) == pytest.approx(words)


def test_an_estimate_sums_up_by_kind() -> None:
    prompts = [make_shown("word " * (119 * length), queue="labels") for length in range(1, 11)]
    (labels, drafts) = estimate([*prompts, shown_rows.harmful()])
    assert (labels.kind, labels.records, drafts.kind, drafts.records) == ("label", 10, "harmful draft", 1)
    assert labels.median_seconds == pytest.approx(4 + 5.5 * 30)
    assert labels.slow_seconds == pytest.approx(4 + 300)
    assert labels.hours == pytest.approx((10 * 4 + 55 * 30) / 3600)
