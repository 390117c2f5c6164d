"""Answers in short, as docs/deciding.md writes them, and the revisions they are given to."""

import shlex

from curation.review.decide import Asked, decide
from schemas.review import Candidate, Choice, Decision, Kind, Problem, Response
from schemas.settings import Review

RULES = Review()
CHOICES = {"approve": Choice.APPROVE, "edit": Choice.EDIT, "reject": Choice.REJECT, "unsure": Choice.UNSURE}

HARMFUL = Asked("d1.1", "harmful", 1, 2)
BENIGN = HARMFUL._replace(branch="benign")
EDITED_BY_A1 = Asked("d1.2", "harmful", 2, 1, writers=("a1",))
X, Y = (
    Candidate(texts={"reasoning": "X."}, authors=("a1",)),
    Candidate(texts={"reasoning": "Y."}, authors=("a2",)),
)
DISPUTED = Asked("d1.1", "harmful", 1, 1, queue="adjudication", candidates=(X, Y))


def say(text: str) -> list[Response]:
    """Answers as docs/deciding.md writes them: 'a1 edit reasoning="New."; m1 reject style'. a: a person, m: a machine.

    Later ones were given later.
    """
    answers = []
    for minute, part in enumerate(filter(None, map(str.strip, text.split(";")))):
        name, *words = shlex.split(part)
        said: dict[str, object] = {}
        problems = []
        texts = {}
        for word in words:
            key, is_text, value = word.partition("=")
            if is_text:
                texts[key] = value
            elif word in CHOICES:
                said["choice"] = CHOICES[word]
            elif word == "skip":
                said["status"] = "skipped"
            elif word.startswith("answer:"):
                said["answer_right"] = word.removeprefix("answer:")
            elif word.startswith("picks:"):
                said["candidate"] = word.removeprefix("picks:")
            elif word in ("harmful", "benign", "unsure-label"):
                said["label"] = word.removesuffix("-label")
            else:
                problems.append(Problem(word))
        kind: Kind = "machine" if name.startswith("m") else "person"
        answers.append(
            Response.model_validate(
                {
                    **{"record_id": "r1", "annotator": name, "kind": kind, "problems": problems, "texts": texts},
                    **{"answered_at": f"2026-01-01T10:{minute:02}:00+00:00", **said},
                }
            )
        )
    return answers


def comes_to(answers: str, asked: Asked = HARMFUL, rules: Review = RULES) -> Decision:
    return decide(asked, say(answers), rules)
