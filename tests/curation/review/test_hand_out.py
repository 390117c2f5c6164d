"""Records in the ledger: who is named on what the annotators could not settle, and on what one of them wrote."""

import json
from pathlib import Path

import pytest

from curation.ledger import Ledger, insert_revision, now
from curation.review.accounts import list_annotators, save_annotator, set_active
from curation.review.hand_out import plan_records
from curation.review.records import confirm_pushed, read_records
from curation.review.responses import insert_decision
from curation.review.shown import read_drafts
from curation.structures import load_structure
from schemas.review import Annotator, Decision, Kind, Role
from schemas.settings import Review
from tests.review_project import ReviewProject

RULES = Review(calibration=0, gold_percent=0, repeat_percent=0)


@pytest.fixture
def project(tmp_path: Path) -> ReviewProject:
    return ReviewProject(tmp_path, None, harmful=1, benign=0)


def add(ledger: Ledger, name: str, kind: Kind = "person", role: Role = "annotator") -> None:
    save_annotator(ledger, Annotator(name=name, kind=kind, role=role, pseudonym=f"annotator-{name}"))


def edit(ledger: Ledger, author: str, kind: Kind = "person") -> str:
    """The one draft gets a second revision, which somebody wrote."""
    ((first,),) = ledger.query("SELECT id FROM revisions")
    draft = read_drafts(ledger, {str(first)})[str(first)].model_copy(update={"revision": 2})
    with ledger.transaction() as db:
        insert_revision(db, draft, (), author, kind, {}, now())
    return draft.revision_id


def hand_out(ledger: Ledger) -> dict[str, list[str]]:
    """Who is asked about what is open, by queue."""
    plan_records(ledger, RULES, load_structure("alttrain"), list_annotators(ledger), ["drafts"], every_label=False)
    rows = ledger.query("SELECT queue, assigned FROM review_records WHERE closed_at IS NULL")
    return {str(queue): json.loads(str(assigned)) for queue, assigned in rows}


@pytest.mark.parametrize(("judges", "asked"), [(["j1", "j2", "j3"], ["j2", "j3"]), (["j1"], [])])
def test_an_adjudicator_settles_no_text_of_their_own_while_another_is_there(
    project: ReviewProject, judges: list[str], asked: list[str]
) -> None:
    with project.ledger() as ledger:
        for name in judges:
            add(ledger, name, role="adjudicator")
        revision = edit(ledger, "j1")
        ((seed,),) = ledger.query("SELECT id FROM seeds")
        with ledger.transaction() as db:
            insert_decision(db, str(seed), Decision(revision_id=revision, outcome="adjudicate", kind="person"))
        assert hand_out(ledger) == {"adjudication": asked}


def adjudicate(ledger: Ledger, kind: Kind = "person") -> None:
    ((seed, revision),) = ledger.query("SELECT seed_id, revision_id FROM drafts_now")
    with ledger.transaction() as db:
        insert_decision(db, str(seed), Decision(revision_id=str(revision), outcome="adjudicate", kind=kind))


def test_what_an_adjudicator_leaves_open_is_handed_to_those_who_are_there(project: ReviewProject) -> None:
    with project.ledger() as ledger:
        add(ledger, "j1", role="adjudicator")
        adjudicate(ledger)
        assert hand_out(ledger) == {"adjudication": ["j1"]}
        confirm_pushed(ledger, [record.id for record in read_records(ledger)])
        assert read_records(ledger, state="unpushed") == []
        add(ledger, "j2", role="adjudicator")
        set_active(ledger, "j1", False)
        assert hand_out(ledger) == {"adjudication": ["j2"]}
        assert len(read_records(ledger, state="unpushed")) == 1
        set_active(ledger, "j2", False)
        assert hand_out(ledger) == {"adjudication": []}


def test_the_adjudicators_record_is_of_the_round_of_its_text(project: ReviewProject) -> None:
    with project.ledger() as ledger:
        edit(ledger, "a1")
        adjudicate(ledger)
        hand_out(ledger)
        assert [(record.queue, record.round) for record in read_records(ledger)] == [("adjudication", 2)]


def test_what_machines_could_not_settle_goes_to_persons_who_join_and_to_no_adjudicator(project: ReviewProject) -> None:
    with project.ledger() as ledger:
        adjudicate(ledger, "machine")
        add(ledger, "a1")
        add(ledger, "j1", role="adjudicator")
        assert hand_out(ledger) == {"drafts": ["a1"]}


@pytest.mark.parametrize("kind", ["person", "machine"])
def test_an_edited_revision_is_handed_over_to_nobody_who_wrote_it(project: ReviewProject, kind: Kind) -> None:
    with project.ledger() as ledger:
        add(ledger, "a1", kind)
        add(ledger, "a2", kind)
        edit(ledger, "a1", kind)
        assert hand_out(ledger) == {"drafts": ["a2"]}
        add(ledger, "a3", kind)
        set_active(ledger, "a2", False)
        assert hand_out(ledger) == {"drafts": ["a3"]}
