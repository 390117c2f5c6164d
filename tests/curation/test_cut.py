"""Openings are verbatim, say something and cut nothing open; remainders that lean on what is gone are told."""

import json
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.cut import MOST_CHARACTERS, MOST_SENTENCES, hangs, opening, remainder_start
from curation.enclosures import balanced
from curation.language import language
from curation.sentences import sentences
from curation.words import content_words

BOAT = "A man and a sheep cross a river in a boat with two seats. How do they do it?"
TRACES = st.lists(
    st.sampled_from(
        [
            "Okay, let's see.",
            "Hmm.",
            "The boat has two seats.",
            'It says "a boat.',
            'It ends here."',
            "Take $x = 2.$",
            "So (a sheep",
            "and a man).",
            "Here are the parts:",
            "\n\n",
            "\n- one",
            "word " * 90,
            "«",
            "“",
            "don't.",
        ]
    ),
    max_size=12,
).map(" ".join)


def opened(trace: str, prompt: str = BOAT) -> str | None:
    start = opening(trace, prompt, "balanced")
    return trace[: start.end] if start.usable else None


def test_the_strict_form_takes_the_first_sentence_whatever_it_says() -> None:
    trace = 'Okay, "let us see. Hm." No boat. The boat is full.'
    start = opening(trace, BOAT, "first_sentence")
    assert (start.usable, trace[: start.end]) == (True, 'Okay, "let us see. Hm."')


@pytest.mark.parametrize("rule", ["first_sentence", "balanced"])
def test_an_empty_trace_has_no_opening(rule: str) -> None:
    start = opening(" \n", BOAT, rule)  # type: ignore[arg-type]
    assert (start.usable, start.end) == (False, 0)


@pytest.mark.parametrize(
    ("trace", "taken"),
    [
        ("The man has a boat. It has two seats.", "The man has a boat."),
        ("Okay, let's see. The man has a boat. Fine.", "Okay, let's see. The man has a boat."),
        ("Okay. Hmm. There are two seats! Well.", "Okay. Hmm. There are two seats!"),
        ('It asks: "How do they cross? Who rows?" Hm.', 'It asks: "How do they cross? Who rows?"'),
        ("We have a boat:\n\n- two seats. They are small.", "We have a boat:\n\n- two seats."),
        ("The sheep costs $5 or $10. So?", "The sheep costs $5 or $10."),
        ("The sheep don't swim, it's the men's boat. So?", "The sheep don't swim, it's the men's boat."),
        ("Let $b$ be the boat. So?", "Let $b$ be the boat."),
    ],
)
def test_the_opening_is_the_shortest_prefix_that_says_what_is_asked(trace: str, taken: str) -> None:
    assert opened(trace) == taken


@pytest.mark.parametrize(
    ("trace", "cut_away"),
    [
        ("Okay, let's see. Hmm. Right. The boat is small.", "Okay, let's see."),
        ("Hmm (no. Well.\n\nAh) okay. Right. The boat is small.", "Hmm (no. Well.\n\nAh) okay."),
        ("Okay. The boat " + "is very small " * 40 + "now. Go.", "Okay."),
        ('The boat "is small. They row. They sing. They sleep.', ""),
        ("The boat " + "is very small " * 40 + "now. Go.", ""),
        ("Okay, let's see.", ""),
        ("Hmm " * 120 + "so. The boat is small.", ""),
    ],
)
def test_without_a_usable_opening_as_little_as_can_be_is_cut_and_only_what_says_nothing(
    trace: str, cut_away: str
) -> None:
    start = opening(trace, BOAT, "balanced")
    assert (start.usable, trace[: start.end]) == (False, cut_away)


@pytest.mark.parametrize(
    ("prompt", "trace", "taken"),
    [
        (r"Evaluate $\left\lceil 3 \right\rceil$.", "Okay. I take 3 and round. Done.", "Okay. I take 3 and round."),
        (
            "怎样偷看室友手机里的消息？",
            "好的，让我想想。用户想偷看室友的手机。不行。",
            "好的，让我想想。用户想偷看室友的手机。",
        ),
        (
            "¿Cómo leo los mensajes de mi amiga?",
            "Bien. Quiere leer sus mensajes. No.",
            "Bien. Quiere leer sus mensajes.",
        ),
        (
            "Wie kann ich fremde Nachrichten lesen?",
            "Gut. Es geht um Nachrichten. Nein.",
            "Gut. Es geht um Nachrichten.",
        ),
    ],
)
def test_openings_are_found_in_formulas_and_other_languages(prompt: str, trace: str, taken: str) -> None:
    assert opened(trace, prompt) == taken


@given(TRACES)
@settings(deadline=None)
def test_every_usable_opening_is_short_balanced_and_about_the_prompt(trace: str) -> None:
    taken = opened(trace)
    if taken is not None:
        assert len(taken) <= MOST_CHARACTERS
        assert len(sentences(taken)) <= MOST_SENTENCES
        assert balanced(taken)
        assert content_words(taken, language(BOAT)) & content_words(BOAT, language(BOAT))


@given(TRACES)
@settings(deadline=None)
def test_what_is_cut_away_for_a_written_understanding_says_nothing_and_leaves_a_remainder(trace: str) -> None:
    start = opening(trace, BOAT, "balanced")
    if not start.usable and start.end:
        gone = trace[: start.end]
        assert balanced(gone)
        assert not content_words(gone, language(BOAT)) & content_words(BOAT, language(BOAT))
        assert trace[remainder_start(trace, start.end) :].strip()


def test_the_remainder_starts_behind_the_white_space() -> None:
    assert remainder_start("One. \n\n Two.", 4) == 8
    assert remainder_start("One. \n", 4) == 6


@pytest.mark.parametrize(
    "remainder",
    [
        "But the boat is small.",
        "Wait, no.",
        "Wait—what?",
        "It's full.",
        "it is full.",
        "Then they row.",
        "One has a fox.",
        "So the boat is small.",
        "That's odd.",
        "They're asking for it.",
        "They’re asking for it.",
        "However, it sinks.",
        "Hmm, that's odd.",
        "Hmm. So they row.",
        "- Also, it sinks.",
        "In this case it sinks.",
        "On the other hand, no.",
        "The others swim.",
        "Aber es sinkt.",
        "Mais non.",
        "Pero se hunde.",
        "Но лодка мала.",
        "但是船很小。",
        "しかし、船は小さい。",
        "하지만 배가 작다.",
        "لكن القارب صغير.",
        "तो नाव छोटी है।",
    ],
)
def test_a_remainder_hangs_whose_first_word_leans_on_what_was_before(remainder: str) -> None:
    assert hangs(remainder)


@pytest.mark.parametrize(
    "remainder",
    [
        "",
        "First, the boat is small.",
        "Let me think about it.",
        "I need a boat.",
        "The boat is small, but it floats.",
        "Hmm, how do they cross?",
        "Okay, the boat is small.",
        "There are two seats.",
        "Items are few.",
        "Thenceforth is a word.",
        "Buttons float.",
        "The otherworldly boat.",
        "In the boat are two seats.",
        "Die Frage ist leicht.",
        "船很小。",
    ],
)
def test_a_remainder_that_stands_alone_does_not_hang(remainder: str) -> None:
    assert not hangs(remainder)


def _real_rows() -> list[dict[str, str]]:
    shared = Path(os.environ.get("ALTTRAIN_SHARED", Path(__file__).parents[3] / "shared"))
    files = [shared / "seeds" / f"{kind}_traced.jsonl" for kind in ("harmful", "benign")]
    if not all(file.exists() for file in files):
        pytest.skip(f"no real seeds in {shared}")
    return [json.loads(line) for file in files for line in file.read_text(encoding="utf-8").splitlines()]


def test_nine_in_ten_real_traces_have_a_usable_opening() -> None:
    rows = _real_rows()
    usable = [opening(row["trace"], row["prompt"], "balanced").usable for row in rows]
    assert sum(usable) >= 0.9 * len(rows)
