"""Every example of docs/deciding.md comes to what the page says."""

import re
from pathlib import Path

import pytest

from curation.review.decide import Asked
from schemas.review import Decision
from schemas.settings import Review
from tests.curation.review.answers import DISPUTED, HARMFUL, comes_to

PAGE = Path(__file__).parents[3] / "docs" / "deciding.md"
ROW = re.compile(
    r"^\| (?P<asked>[^|]*) \| (?P<answers>`[^|]*`|) \| (?P<decision>[^|]*) \| (?P<reason>[^|]*) \|$", re.MULTILINE
)
EXAMPLES = [found.groups() for found in ROW.finditer(PAGE.read_text("utf-8"))] if PAGE.exists() else []


def parse_asked(text: str) -> tuple[Asked, Review]:
    """E.g. 'benign, needs 3, round 3, written by a1, no second look, adjudication of a1 reasoning="X."'."""
    asked, look = HARMFUL, True
    for part in filter(None, text.replace("`", "").split(", ")):
        words = part.split()
        if part == "benign":
            asked = asked._replace(branch="benign")
        elif words[0] == "needs":
            asked = asked._replace(needed=int(words[1]))
        elif words[0] == "round":
            asked = asked._replace(round=int(words[1]))
        elif part.startswith("written by "):
            asked = asked._replace(writers=tuple(words[2:]), round=2, needed=1)
        elif part == "no second look":
            look = False
        elif part == "adjudication":
            asked = DISPUTED
        else:
            raise ValueError(part)
    return asked, Review(edit_needs_second_look=look)


def told(decision: Decision) -> str:
    """A decision as the page writes it."""
    words: list[str] = [decision.outcome, f"({decision.kind})"]
    if decision.label:
        words.append(decision.label)
    if decision.answer_right is not None:
        words.append("answer right" if decision.answer_right else "answer wrong")
    for candidate in decision.candidates:
        words += [f'{stage}="{text}"' for stage, text in sorted(candidate.texts.items())]
        words.append("by " + " ".join(candidate.authors))
    return " ".join([*words, *(["final"] if decision.final else [])])


@pytest.mark.parametrize(("asked", "answers", "decision", "reason"), EXAMPLES)
def test_every_example_of_the_page_comes_to_what_it_says(asked: str, answers: str, decision: str, reason: str) -> None:
    given_asked, rules = parse_asked(asked)
    found = comes_to(answers.replace("`", ""), given_asked, rules)
    assert (told(found), found.reasons[0]) == (decision.replace("`", ""), reason)


def test_the_page_has_examples() -> None:
    assert len(EXAMPLES) > 25
