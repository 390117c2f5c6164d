"""What may not be cut open, and what only looks as if it might not."""

import pytest

from curation.enclosures import balanced, find_enclosed


@pytest.mark.parametrize(
    "text",
    [
        "Don't ask: it's the girls' tea, the '90s weren't kind, and 'twas cold.",
        'It is a 6" pipe, and "a pipe" it is.',
        "He pays $5, she pays $10, and US$ 20 are left.",
        "Half of \\$5 is less.",
        "Solve $x + 1 = 2$ and $$y = 3$$ and \\(a\\) and \\[b\\].",
        "For every x in [0, 1) and y in (0, 1].",
        "We can a) swim or b) row.",
        "That is fun :) and this is not :(",
        "f(g(h(x))) is {a: [1, 2]}.",
        "Run `a[0] = '('` and\n```\nprint(\")\n```\nthen stop.",
        "He said “a (small) boat” and ‘don’t’.",
        "« Où ? » „Hier.“ »Dort.« 「はい」『本』（注）",
        "**Bold** and 2**3 ** 4",
        "It says ``so'' in LaTeX.",
    ],
)
def test_closed_marks_apostrophes_and_money_are_balanced(text: str) -> None:
    assert balanced(text)


@pytest.mark.parametrize(
    "text",
    [
        'He wrote "tell me more.',
        "He wrote “tell me more.",
        "He wrote 'tell me more.",
        "tell me more” he wrote.",
        "A boat (with two seats.",
        "with two seats) it is.",
        "A set {1, 2 of (three}.",
        "Let $x + 1 be.",
        "Let $$x + 1 be.",
        "Let \\(x + 1 be.",
        "Let \\[x + 1 be.",
        "So \\begin{cases} a",
        "Call `print now.",
        "Look:\n```\nprint(1)",
        "**Step one is",
        "« Où est le bateau ?",
        "「船に乗れますか",
        "（注",
    ],
)
def test_an_open_quotation_bracket_formula_or_code_is_not_balanced(text: str) -> None:
    assert not balanced(text)


def test_money_is_no_formula() -> None:
    assert [run[0] for run in find_enclosed("She has $5 and he has $10, so $x$ is $15.")] == ["$x$"]


def test_only_the_outermost_run_is_found() -> None:
    assert [run[0] for run in find_enclosed('Say "it (or $x$) is" (or "not").')] == ['"it (or $x$) is"', '(or "not")']
