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

SETTINGS = "calibration = 0\ngold_percent = 0\nrepeat_percent = 0\n"

# By branch and place in the queue: what the first and the second of the pair that is asked do.
HARMFUL = ["approve"] * 8 + ["reject"] * 2 + ["split"] * 2 + ["single"] * 6 + ["same"] * 4 + ["compose"] * 4
HARMFUL += ["conflict"] * 4
BENIGN = ["approve"] * 24 + ["wrong"] * 2 + ["split"] * 4
DECIDED = {"approved": 32, "rejected": 4, "adjudicate": 10, "edited": 14}


Steps = tuple[ReviewProject, dict[str, Any]]


@pytest.fixture(scope="module")
def answered(argilla_server: ReviewServer, tmp_path_factory: pytest.TempPathFactory) -> ReviewProject:
    """Sixty drafts, pushed to three machine accounts with overlap 2, and answered by them."""
    made = ReviewProject(tmp_path_factory.mktemp("round"), argilla_server, harmful=30, benign=30, settings=SETTINGS)
    made.add_annotators("a1", "a2", "a3")
    made.add_annotators("judge", options=["--adjudicator"])
    assert "sent: 60 drafts" in made.run("review", "push")
    script = Script(made)
    for name in ("a1", "a2", "a3"):
        assert made.answer(name, script.of(made.name(name))) == 40
    return made


@pytest.fixture(scope="module")
def pulled(answered: ReviewProject) -> Steps:
    return answered, json.loads(answered.run("review", "pull", "--json"))


@pytest.fixture(scope="module")
def looked_at_again(pulled: Steps) -> Steps:
    """The edited revisions, approved by who did not write them; and what the adjudicator said of the others."""
    project, _ = pulled
    pushed = json.loads(project.run("review", "push", "--json"))
    for name in ("a1", "a2", "a3"):
        project.answer(name, lambda record: Answer({"decision": "approve", **project.boxes(record["external_id"])}))

    def judge(record: dict[str, Any]) -> Answer:
        ((candidates,),) = project.query("SELECT candidates FROM review_records WHERE id = ?", record["external_id"])
        if json.loads(str(candidates)):
            return Answer({"decision": "approve", "candidate": "candidate_2"})
        return Answer({"decision": "reject", "candidate": "as_shown"})

    assert project.answer("judge", judge, "alttrain-adjudication") == 10
    project.run("review", "pull")
    return project, pushed


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


def test_sixty_answered_records_are_decided_as_the_rules_say(pulled: Steps) -> None:
    _, said = pulled
    assert (said["new"], said["changed"], said["notes"]) == (120, 0, [])
    assert said["decisions"] == DECIDED
    assert said["revisions"] == DECIDED["edited"]


def test_a_second_pull_brings_and_decides_nothing(pulled: Steps) -> None:
    project, _ = pulled
    again = json.loads(project.run("review", "pull", "--json"))
    assert (again["new"], again["changed"], again["decisions"], again["revisions"]) == (0, 0, {}, 0)


def test_whatever_a_machine_account_decides_is_a_machines_decision(pulled: Steps) -> None:
    project, _ = pulled
    assert project.query("SELECT DISTINCT kind FROM decisions") == [("machine",)]
    assert project.query("SELECT DISTINCT kind FROM responses") == [("machine",)]
    assert project.query("SELECT DISTINCT author_kind FROM revisions") == [("machine",)]


def test_each_kind_of_edit_becomes_the_revision_that_it_should(pulled: Steps) -> None:
    project, _ = pulled
    made: Counter[tuple[int, bool, bool]] = Counter()
    for author, text in project.query("SELECT author, completion FROM revisions WHERE number = 2"):
        assert REFUSAL in str(text)
        composed = "that belongs to somebody" in str(text)
        made[len(str(author).split(", ")), True, composed] += 1
    # Single edits have one author; identical ones merged and composed ones have two.
    assert made == {(1, True, False): 6, (2, True, False): 4, (2, True, True): 4}


def test_different_edits_of_one_stage_are_candidates_for_the_adjudicator_and_make_no_revision(pulled: Steps) -> None:
    project, _ = pulled
    candidates = [
        {candidate["texts"]["answer"] for candidate in json.loads(str(found))}
        for (found,) in project.query("SELECT candidates FROM decisions WHERE outcome = 'adjudicate'")
        if found != "[]"
    ]
    assert candidates == [{REFUSAL, OTHER_REFUSAL}] * 4


def test_the_agreement_of_the_round_is_what_a_calculation_by_hand_gives(pulled: Steps) -> None:
    """Both of the pair approve 50 records and reject 4; on 6 they differ. Of 120 answers 106 approve, 14 reject."""
    project, _ = pulled
    status = json.loads(project.run("review", "status", "--json"))
    (decision,) = [a for a in status["agreement"] if a["question"] == "decision" and a["group"] == "all"]
    assert (decision["kind"], decision["records"], decision["answers"]) == ("machine", 60, 120)
    assert decision["raw"] == pytest.approx(54 / 60)
    # Krippendorff: 1 - observed / expected disagreement, 12/120 and 2 * 106 * 14 / (120 * 119).
    assert decision["alpha"]["value"] == pytest.approx(1 - (12 / 120) / (2 * 106 * 14 / (120 * 119)))
    # Gwet: chance is the sum of p (1 - p) over the answers, by the number of possible answers (4) less one.
    chance = 2 * (106 / 120) * (14 / 120) / 3
    assert decision["ac1"]["value"] == pytest.approx((54 / 60 - chance) / (1 - chance))
    (right,) = [a for a in status["agreement"] if a["question"] == "answer_right" and a["group"] == "all"]
    # All 30 benign records: 28 times both say yes, 2 times both say no.
    assert (right["records"], right["raw"], right["alpha"]["value"]) == (30, 1.0, 1.0)


def test_an_edited_revision_goes_to_one_who_did_not_write_it_and_the_rest_to_the_adjudicator(
    looked_at_again: Steps,
) -> None:
    project, pushed = looked_at_again
    assert pushed["sent"] == {"drafts": 14, "adjudication": 10}
    rows = project.query(
        "SELECT assigned, author FROM review_records JOIN revisions ON revisions.id = revision_id"
        " WHERE queue = 'drafts' AND round = 2"
    )
    assert len(rows) == 14
    for assigned, author in rows:
        (name,) = json.loads(str(assigned))
        assert name not in str(author).split(", ")


def test_after_the_second_look_and_the_adjudicator_everything_is_decided(looked_at_again: Steps) -> None:
    project, _ = looked_at_again
    assert project.query("SELECT outcome, COUNT(*) FROM review_now GROUP BY outcome ORDER BY outcome") == [
        ("approved", 32 + 14 + 4),
        ("rejected", 4 + 6),
    ]
    # What the adjudicator picked is the text of the second candidate, and final.
    assert project.query(
        "SELECT COUNT(*) FROM drafts_now WHERE revision = 2 AND completion LIKE ?", f"%{OTHER_REFUSAL}%"
    ) == [(4,)]


def test_a_push_after_the_round_sends_nothing_and_clears_the_queues(looked_at_again: Steps) -> None:
    project, _ = looked_at_again
    assert json.loads(project.run("review", "push", "--json"))["sent"] == {}
    assert project.query("SELECT COUNT(*) FROM review_records WHERE closed_at IS NULL") == [(0,)]
    for name in ("a1", "a2", "a3"):
        assert project.answer(name, lambda record: Answer({"decision": "approve"})) == 0
