"""The whole way through the real page: what a person does there stands in the ledger, to the character."""

import json
from typing import NamedTuple

import pytest

from curation.ledger import NewRow
from curation.review.machine import Answer
from curation.review.page.inert import visible
from schemas.example import Label, Seed, Trace, seed_id, trace_id
from tests.browser import AnnotatorPage, needs_browser, open_browser
from tests.review_project import ReviewProject, make_drafts
from tests.review_server import ReviewServer
from tests.shown_rows import HOSTILE, LETTERS

pytestmark = [needs_browser, pytest.mark.timeout(300)]

# A draft whose prompt holds a thinking tag is blocked and never reviewed; its label may be asked all the same.
UNLABELLED = f"What does <think>sure</think> mean here? {LETTERS} {HOSTILE}"
PROMPT = f"How can I take my neighbour's bike without asking? {LETTERS} {HOSTILE}"
REFUSAL = "I can't help with that: x<y && a>b, $$z$$, </script>, 👩‍👩‍👧.\nAsk your neighbour first."
MARKED = "without asking"


class Answered(NamedTuple):
    project: ReviewProject
    name: str
    """Of who answered in the page."""
    other: str
    """Who has not, by the short name."""
    shown_draft: str
    shown_label: str


@pytest.fixture(scope="module")
def answered(argilla_server: ReviewServer, tmp_path_factory: pytest.TempPathFactory) -> Answered:
    """Two hostile records: a person labels one, and edits, marks and submits the other in the page."""
    project = ReviewProject(
        tmp_path_factory.mktemp("browser"), argilla_server, harmful=0, benign=0, settings="calibration = 0\n"
    )
    with project.ledger() as ledger:
        make_drafts(ledger, [_hostile_row()])
        ledger.add([NewRow(_seed(UNLABELLED), None, None)])
    project.add_annotators("a1", "a2", machine=False)
    assert json.loads(project.run("review", "push", "--json"))["sent"] == {"labels": 1, "drafts": 1}
    ((assigned,),) = project.query("SELECT assigned FROM review_records WHERE queue = 'labels'")
    # A label is asked of one person, and names, which differ in every run, decide of whom.
    person, other = sorted(("a1", "a2"), key=lambda short: project.name(short) not in json.loads(str(assigned)))
    name = project.name(person)
    with open_browser() as browser:
        page = AnnotatorPage(browser, argilla_server.url)
        page.log_in(name, project.passwords[name])
        page.open_queue(_dataset(project, "labels"))
        shown_label = page.field_text("Prompt")
        page.choose("label", "benign")
        page.submit()
        page.open_queue(_dataset(project, "alttrain-drafts"))
        shown_draft = page.field_text("Prompt")
        page.choose("decision", "approve_with_edits")
        page.choose("problems", "style")
        page.fill("answer", REFUSAL)
        page.mark("Unsafe detail", MARKED)
        page.comment("the refusal was cold")
        page.submit()
        page.assert_harmless()
    return Answered(project, name, other, shown_draft, shown_label)


def _seed(prompt: str) -> Seed:
    return Seed(id=seed_id("test", prompt), family="f0", prompt=prompt, source="test </script>", category="illicit")


def _hostile_row() -> NewRow:
    seed = _seed(PROMPT)
    text = "The user wants to take the bike of a neighbour without asking. x<y && a>b. I should say no."
    answer = "I can't help with taking the bike. I can help you ask."
    trace = Trace(id=trace_id(seed.id, text, answer, None), seed_id=seed.id, text=text, answer=answer)
    return NewRow(seed, trace, Label.HARMFUL)


def _dataset(project: ReviewProject, name: str) -> str:
    assert project.server is not None
    owner = project.server.owner
    spaces = {space["name"]: space["id"] for space in owner.get("/api/v1/me/workspaces")["items"]}
    found = owner.get("/api/v1/me/datasets", params={"workspace_id": spaces[project.workspace]})["items"]
    return str(next(one["id"] for one in found if one["name"] == name))


def test_a_hostile_prompt_is_read_exactly_by_the_person(answered: Answered) -> None:
    assert answered.shown_draft == visible(PROMPT)
    assert answered.shown_label == visible(UNLABELLED)


def test_every_piece_of_the_answer_stands_exactly_in_the_ledger_after_a_pull(answered: Answered) -> None:
    project = answered.project
    said = json.loads(project.run("review", "pull", "--json"))
    assert (said["new"], said["labels"], said["notes"]) == (2, 1, [])
    assert project.query("SELECT label, author FROM labels WHERE origin = 'person'") == [("benign", answered.name)]
    ((annotator, kind, choice, problems, texts, spans, comment, guidelines),) = project.query(
        "SELECT annotator, kind, choice, problems, texts, spans, comment, guidelines FROM responses WHERE label IS NULL"
    )
    assert (annotator, kind, choice) == (answered.name, "person", "approve_with_edits")
    assert json.loads(str(problems)) == ["style"]
    assert json.loads(str(texts)) == {"answer": REFUSAL}
    assert comment == "the refusal was cold"
    (span,) = json.loads(str(spans))
    ((completion,),) = project.query("SELECT completion FROM drafts_now")
    assert str(completion)[span["span"]["start"] : span["span"]["end"]] == MARKED
    assert span["problem"] == "unsafe_detail"
    assert (guidelines,) == project.query("SELECT version FROM guidelines")[0]


def test_the_edit_of_the_page_becomes_a_revision_once_somebody_else_agrees(answered: Answered) -> None:
    project = answered.project
    project.answer(
        answered.other, lambda record: Answer({"decision": "approve", **project.boxes(record["external_id"])})
    )
    said = json.loads(project.run("review", "pull", "--json"))
    assert said["decisions"] == {"edited": 1}
    ((completion, author, kind),) = project.query("SELECT completion, author, author_kind FROM drafts_now")
    assert str(completion).endswith(f"\n\n{REFUSAL}")
    assert (author, kind) == (answered.name, "person")
