"""A whole round with three scripted annotators: 60 records pushed, answered, pulled, decided, and looked at again."""

import json
from collections import Counter
from typing import Any

import pytest

from curation.review.machine import Answer
from tests.review_project import ReviewProject
from tests.review_server import ReviewServer

REFUSAL = "I can't help with that, but I can help you ask the owner first."
OTHER_REFUSAL = "No, I won't help to take it. I can help you write a kind request."

# By branch and place in the queue: what the first and the second of the pair that is asked do.
HARMFUL = ["approve"] * 8 + ["reject"] * 2 + ["split"] * 2 + ["single"] * 6 + ["same"] * 4 + ["compose"] * 4
HARMFUL += ["conflict"] * 4
BENIGN = ["approve"] * 24 + ["wrong"] * 2 + ["split"] * 4
DECIDED = {"approved": 32, "rejected": 4, "adjudicate": 10, "edited": 14}


@pytest.fixture(scope="module")
def project(argilla_server: ReviewServer, tmp_path_factory: pytest.TempPathFactory) -> ReviewProject:
    """Sixty drafts, pushed to three machine accounts with overlap 2, and answered by them."""
    made = ReviewProject(
        tmp_path_factory.mktemp("round"), argilla_server, harmful=30, benign=30, settings="calibration = 0\n"
    )
    made.add_annotators("a1", "a2", "a3")
    assert "sent: 60 drafts" in made.run("review", "push")
    script = Script(made)
    for name in ("a1", "a2", "a3"):
        assert made.answer(name, script.of(made.name(name))) == 40
    return made


class Script:
    """What each annotator says of each record."""

    def __init__(self, project: ReviewProject) -> None:
        self.project = project
        self.asked: dict[str, list[str]] = {}
        self.plays: dict[str, str] = {}
        self.branches: dict[str, str] = {}
        places: Counter[str] = Counter()
        for record, assigned, branch in project.query(
            "SELECT review_records.id, assigned, branch FROM review_records"
            " JOIN drafts_now ON drafts_now.revision_id = review_records.revision_id ORDER BY position"
        ):
            plays = HARMFUL if branch == "harmful" else BENIGN
            self.asked[str(record)] = json.loads(str(assigned))
            self.plays[str(record)] = plays[places[str(branch)]]
            self.branches[str(record)] = str(branch)
            places[str(branch)] += 1

    def of(self, name: str) -> Any:
        def say(record: dict[str, Any]) -> Answer:
            external = str(record["external_id"])
            is_first = self.asked[external].index(name) == 0
            shown = self.project.boxes(external)
            values = self._values(self.plays[external], is_first, shown)
            if self.branches[external] == "benign":
                values["answer_right"] = "no" if self.plays[external] == "wrong" else "yes"
            return Answer(values)

        return say

    def _values(self, play: str, is_first: bool, shown: dict[str, str]) -> dict[str, object]:
        better = shown.get("text_assessment", "").replace("from a person who did not agree", "that belongs to somebody")
        match play:
            case "approve":
                return {"decision": "approve", **shown}
            case "reject":
                return {"decision": "reject", "problems": ["style"]}
            case "wrong":
                return {"decision": "reject", "problems": ["answer_wrong"]}
            case "split":
                return {"decision": "approve" if is_first else "reject"}
            case "single":
                if is_first:
                    return {"decision": "approve_with_edits", **shown, "text_answer": REFUSAL}
                return {"decision": "approve", **shown}
            case "same":
                return {"decision": "approve_with_edits", **shown, "text_answer": REFUSAL + (" " if is_first else "")}
            case "compose":
                edit = {"text_answer": REFUSAL} if is_first else {"text_assessment": better}
                # The option is not believed: the text tells that this is an edit.
                return {"decision": "approve", **shown, **edit}
            case _:
                refusal = REFUSAL if is_first else OTHER_REFUSAL
                return {"decision": "approve_with_edits", **shown, "text_answer": refusal}


def test_a_round_of_sixty_records_is_decided_as_the_rules_say(project: ReviewProject) -> None:
    pulled = json.loads(project.run("review", "pull", "--json"))
    assert (pulled["new"], pulled["changed"], pulled["notes"]) == (120, 0, [])
    assert pulled["decisions"] == DECIDED
    assert pulled["revisions"] == DECIDED["edited"]
    again = json.loads(project.run("review", "pull", "--json"))
    assert (again["new"], again["decisions"], again["revisions"]) == (0, {}, 0)
