"""What annotators are asked, in Argilla's own objects, and what their answers come to when they are read."""

import json
import threading
import uuid
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.assembly import Run
from curation.review.page.answers import Answered, read_response, skipped_response
from curation.review.page.fields import fields_of
from curation.review.page.own_text import OwnText
from curation.review.page.questions import BOX, differs, metadata_of, prefilled, settings_for, to_argilla
from curation.review.shown import Shown
from curation.structures import load_structure
from schemas.review import QUEUES, AnswerRight, Choice, Problem, Queue, Response
from tests import shown_rows
from tests.shown_rows import OPENING, REFUSAL, STOP, harmful_draft, make_draft, make_shown

WHO = Answered("ann", "person", 1, "g1", "2026-01-01T10:00:00+00:00")
ASSESSMENT = "This request is harmful because the railway and those who pay are cheated."
FILLED = {"text_assessment": ASSESSMENT, "text_reasoning": STOP, "text_answer": REFUSAL}


ALTTRAIN = load_structure("alttrain")


class Me(BaseHTTPRequestHandler):
    """As much of Argilla as the SDK asks for before it makes settings: who am I."""

    def do_GET(self) -> None:
        body = json.dumps({"id": str(uuid.uuid4()), "username": "owner", "first_name": "o", "role": "owner"}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def sdk() -> Iterator[Any]:
    """The SDK, with a client to be its default."""
    import argilla as rg

    server = ThreadingHTTPServer(("127.0.0.1", 0), Me)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    client = rg.Argilla(api_url=f"http://127.0.0.1:{server.server_port}", api_key="k")
    yield rg
    client.http_client.close()
    server.shutdown()
    server.server_close()


def said(**values: object) -> dict[str, dict[str, object]]:
    """An answer as the REST API gives it."""
    return {name: {"value": value} for name, value in values.items()}


def read(shown: Shown, values: Mapping[str, object]) -> Response:
    response = read_response(shown, values, WHO)
    assert isinstance(response, Response), response
    return response


def refused(shown: Shown, values: Mapping[str, object]) -> str:
    reason = read_response(shown, values, WHO)
    assert isinstance(reason, str)
    assert "\n" not in reason
    return reason


# What is asked


@pytest.mark.usefixtures("sdk")
@pytest.mark.parametrize("queue", QUEUES)
def test_every_queue_has_settings_that_argilla_takes(queue: Queue) -> None:
    settings = settings_for(queue, ALTTRAIN, "# Read", 2)
    settings.validate()
    assert settings.distribution.min_submitted == 2
    assert settings.guidelines == "# Read"
    for question in settings.questions:
        assert len(question.description or "") <= 1000
        assert len(question.title) <= 500


@pytest.mark.usefixtures("sdk")
@pytest.mark.parametrize("queue", QUEUES)
def test_only_the_decision_must_be_given(queue: Queue) -> None:
    required = {question.name for question in settings_for(queue, ALTTRAIN, "x", 1).questions if question.required}
    assert required == {"labels": {"label"}, "adjudication": {"candidate", "decision"}}.get(queue, {"decision"})


@pytest.mark.usefixtures("sdk")
def test_the_options_are_those_of_the_schema() -> None:
    questions = settings_for("drafts", ALTTRAIN, "x", 1).questions
    assert questions["decision"].labels == [*Choice]
    assert questions["answer_right"].labels == [*AnswerRight]
    assert questions["problems"].labels == questions["spans"].labels == [*Problem]
    assert all(problem.value.split("_")[0] in questions["problems"].description.lower() for problem in Problem)


@pytest.mark.usefixtures("sdk")
@pytest.mark.parametrize("name", ["alttrain", "full_rewrite", "plain_answer_only"])
def test_each_stage_and_the_answer_have_a_box(name: str) -> None:
    wanted = load_structure(name)
    boxes = [q.name for q in settings_for("drafts", wanted, "x", 1).questions if q.name.startswith("text_")]
    assert boxes == [f"text_{stage.name}" for stage in wanted.stages] + ["text_answer"]


@pytest.mark.usefixtures("sdk")
@pytest.mark.parametrize("queue", QUEUES)
def test_who_a_record_is_assigned_to_and_hints_at_a_label_are_hidden(queue: Queue) -> None:
    hidden = {one.name for one in settings_for(queue, ALTTRAIN, "x", 1).metadata if not one.visible_for_annotators}
    hints = {"category", "source", "style", "current_label", "round"} if queue == "labels" else set()
    assert hidden == {"position", "assigned"} | hints


@pytest.mark.usefixtures("sdk")
@pytest.mark.parametrize("queue", QUEUES)
@pytest.mark.parametrize("name", ["harmful", "benign", "edited", "hostile"])
def test_a_record_fits_the_settings_of_its_queue(queue: Queue, name: str) -> None:
    shown: Shown = getattr(shown_rows, name)()
    shown = shown._replace(
        record=shown.record.model_copy(update={"queue": queue}), draft=None if queue == "labels" else shown.draft
    )
    settings = settings_for(queue, ALTTRAIN, "x", 1)
    record = to_argilla(shown)
    assert record.id == shown.record.id
    assert {*record.fields} == {field.name for field in settings.fields}
    assert {*record.metadata} <= {one.name for one in settings.metadata}
    assert {one.question_name for one in record.suggestions} <= {question.name for question in settings.questions}


@pytest.mark.usefixtures("sdk")
def test_no_decision_is_suggested_unless_the_team_wants_it() -> None:
    shown = shown_rows.harmful()
    assert {one.question_name: one.value for one in to_argilla(shown).suggestions} == FILLED
    shown = shown._replace(suggestion=Choice.REJECT)
    assert {one.question_name: one.value for one in to_argilla(shown).suggestions} == FILLED | {"decision": "reject"}


def test_a_box_is_filled_where_the_text_is_our_own_and_empty_where_it_was_cut() -> None:
    assert {*prefilled(shown_rows.harmful())} == {"assessment", "reasoning", "answer"}
    assert {*prefilled(shown_rows.benign())} == {"assessment"}
    assert {*prefilled(shown_rows.benign("But six."))} == {"assessment", "reasoning"}
    refusal = make_draft([("reasoning", [Run(STOP, "drawn")]), ("answer", [Run(REFUSAL, "answer", 0)])])
    assert prefilled(make_shown("?", refusal))["answer"] == REFUSAL
    long = "It goes on. " * 100
    typed = make_draft([("reasoning", [Run("I ", "person"), Run(long, "trace", 0)]), ("answer", [Run("6.", "answer")])])
    assert prefilled(make_shown("?", typed.model_copy(update={"branch": "benign"}))) == {"reasoning": f"I {long}"}


@pytest.mark.usefixtures("sdk")
def test_text_that_no_database_takes_is_replaced_and_that_is_no_edit() -> None:
    broken = make_shown(
        "a\x00\ud800", make_draft([("reasoning", [Run("b\x00\ud800", "written")]), ("answer", [Run("c", "drawn")])])
    )
    record = to_argilla(broken)
    sent = json.dumps([record.fields.to_dict(), [one.value for one in record.suggestions]], ensure_ascii=False)
    assert "\\u0000" not in sent
    assert sent.encode("utf-8")
    values = said(decision="approve", spans=[], text_reasoning="b\ufffd\ufffd", text_answer="c")
    assert read(broken, values).texts == {}


def test_a_gold_record_looks_like_any_other() -> None:
    shown = shown_rows.harmful()
    gold = shown._replace(record=shown.record.model_copy(update={"purpose": "gold"}))
    assert metadata_of(gold) == metadata_of(shown)
    assert fields_of(gold) == fields_of(shown)


# What someone changed in the page


@pytest.mark.usefixtures("sdk")
@pytest.mark.parametrize("queue", QUEUES)
def test_settings_fit_themselves_whatever_their_guidelines(queue: Queue) -> None:
    assert differs(settings_for(queue, ALTTRAIN, "y", 2), settings_for(queue, ALTTRAIN, "x", 2)) is None


@pytest.mark.usefixtures("sdk")
@pytest.mark.parametrize(
    ("found", "wanted", "told"),
    [
        (("drafts", "no_cr", 2), ("drafts", "alttrain", 2), "question 'text_reasoning' is gone"),
        (("drafts", "alttrain", 2), ("drafts", "no_cr", 2), "question 'text_reasoning' was added"),
        (("drafts", "alttrain", 3), ("drafts", "alttrain", 2), "answers that complete a record: 3 instead of 2"),
        (("labels", "alttrain", 2), ("drafts", "alttrain", 2), "field 'draft' is gone"),
    ],
)
def test_what_was_changed_is_named(found: tuple[Queue, str, int], wanted: tuple[Queue, str, int], told: str) -> None:
    has, needs = (settings_for(queue, load_structure(name), "x", least) for queue, name, least in (found, wanted))
    assert differs(has, needs) == told


def test_changed_options_are_named(sdk: Any) -> None:
    found, wanted = settings_for("labels", ALTTRAIN, "x", 1), settings_for("labels", ALTTRAIN, "x", 1)
    found.questions = [sdk.LabelQuestion("label", ["harmful", "benign"]), sdk.TextQuestion("comment", required=False)]
    assert differs(found, wanted) == "question 'label': options changed"
    found.questions = [sdk.TextQuestion("label"), sdk.TextQuestion("comment")]
    assert differs(found, wanted) == "question 'label': type and options changed"


# What answers come to


def test_a_plain_approval_touches_no_text() -> None:
    response = read(shown_rows.harmful(), said(decision="approve", spans=[], **FILLED))
    assert response == Response(
        record_id="r1",
        annotator="ann",
        kind="person",
        choice=Choice.APPROVE,
        guidelines="g1",
        answered_at=WHO.answered_at,
    )


def test_edits_are_read_from_the_texts_and_not_from_the_choice() -> None:
    edited = FILLED | {"text_reasoning": "I stop here.", "text_understanding": "Someone wants to ride for free."}
    response = read(shown_rows.harmful(), said(decision="approve", **edited))
    assert response.texts == {"reasoning": "I stop here.", "understanding": "Someone wants to ride for free."}
    assert read(shown_rows.harmful(), said(decision="approve_with_edits", **FILLED)).texts == {}


@given(st.sampled_from(["", " ", "\n", "\r\n", "\t"]), st.sampled_from(["", "\n", "\n\n", " \r\n"]))
def test_outer_white_space_and_line_ends_are_no_edit(before: str, after: str) -> None:
    draft = make_draft([("reasoning", [Run("one\r\ntwo", "written")]), ("answer", [Run(REFUSAL, "drawn")])])
    values = said(decision="approve", text_reasoning=f"{before}one\ntwo{after}", text_answer=REFUSAL)
    assert read(make_shown("?", draft), values).texts == {}


@pytest.mark.parametrize("line_end", ["\r\n", "\r"])
def test_line_ends_that_a_page_makes_one_are_no_edit(line_end: str) -> None:
    draft = make_draft([("reasoning", [Run(f"one{line_end}two", "written")]), ("answer", [Run(REFUSAL, "drawn")])])
    values = said(decision="approve", text_reasoning="one\ntwo", text_answer=REFUSAL)
    assert read(make_shown("?", draft), values).texts == {}


def test_the_own_text_of_a_verbatim_stage_typed_into_its_empty_box_is_no_edit() -> None:
    shown = shown_rows.benign()
    assert shown.draft is not None
    draft = shown.draft.draft
    assert "answer" not in prefilled(shown)
    boxes = {BOX + stage: text for stage, text in prefilled(shown).items()}
    assert read(shown, said(decision="approve", text_answer=f"{draft.text('answer')}\n", **boxes)).texts == {}
    typed = read(shown, said(decision="approve", text_answer="Another answer.", **boxes)).texts
    assert typed == {"answer": "Another answer."}


def test_a_box_that_was_filled_and_is_missing_was_emptied() -> None:
    page = said(decision="reject", text_assessment=ASSESSMENT, text_answer=REFUSAL, spans=[])
    assert read(shown_rows.harmful(), page).texts == {"reasoning": ""}
    emptied = read(shown_rows.harmful(), said(decision="reject", **(FILLED | {"text_reasoning": "  "})))
    assert emptied.texts == {"reasoning": ""}
    everything = read(shown_rows.harmful(), said(decision="reject", spans=[]))
    assert everything.texts == {"assessment": "", "reasoning": "", "answer": ""}


def test_an_answer_without_spans_and_boxes_is_not_the_pages_and_touches_no_text() -> None:
    assert read(shown_rows.harmful(), said(decision="approve", comment="fine")).texts == {}


def test_a_box_of_a_stage_that_the_record_lacks_must_stay_empty() -> None:
    assert "no_such" in refused(shown_rows.harmful(), said(decision="approve", text_no_such="text", **FILLED))
    assert read(shown_rows.harmful(), said(decision="approve", text_no_such=" ", **FILLED)).texts == {}


def test_everything_that_was_said_is_there() -> None:
    shown = shown_rows.benign()
    assert shown.draft is not None
    own = OwnText(shown.draft.draft)
    start = own.shown.index("a timetable")
    values = said(
        decision="reject",
        answer_right="cannot_tell",
        problems=["style", "unsafe_detail"],
        spans=[{"start": start, "end": start + 11, "label": "style"}],
        comment=" A comment.\n",
        text_assessment="Nobody is hurt.",
    )
    response = read(shown, values)
    assert response.answer_right is AnswerRight.CANNOT_TELL
    assert response.problems == (Problem.UNSAFE, Problem.STYLE)
    assert response.comment == "A comment."
    (mark,) = response.spans
    assert (mark.span.of(shown.draft.draft.completion), mark.problem) == ("a timetable", "style")


def test_a_benign_approval_need_not_say_that_the_answer_is_right_and_then_vouches_for_nothing() -> None:
    assert read(shown_rows.benign(), said(decision="approve")).answer_right is None


def test_a_label_is_read() -> None:
    shown = make_shown("?", queue="labels")
    response = read(shown, said(label="unsure", comment="Depends."))
    assert (response.label, response.choice, response.comment) == ("unsure", None, "Depends.")
    assert "label" in refused(shown, said(comment="Depends."))


def test_a_candidate_that_the_record_shows_can_be_picked_and_no_other() -> None:
    edits = [{"reasoning": "I stop."}, {"reasoning": "I stop here."}]
    shown = make_shown("?", harmful_draft(), queue="adjudication", candidates=edits)
    assert read(shown, said(candidate="as_shown", decision="approve")).candidate == "as_shown"
    assert read(shown, said(candidate="candidate_2", decision="approve")).candidate == "candidate_2"
    assert refused(shown, said(candidate="candidate_3", decision="approve")) == (
        "candidate 'C' was picked, and the record shows A, B"
    )
    assert "candidate None" in refused(shown, said(decision="approve"))


@pytest.mark.parametrize(
    ("values", "told"),
    [
        (said(), "'decision' was not answered"),
        (said(decision="maybe"), "'decision' has no option 'maybe'"),
        (said(decision=["approve"]), "'decision' holds no text"),
        (said(decision="approve", problems="style"), "'problems' holds no list"),
        (said(decision="approve", problems=[{}]), "'problems' has no option {}"),
        (said(decision="approve", answer_right="si"), "'answer_right' has no option 'si'"),
        (said(decision="approve", text_answer=3), "'text_answer' holds no text"),
        (said(decision="approve", spans=[{"start": 1}]), "a marked passage is not told by start, end and label"),
        (said(decision="approve", spans=[{"start": 1, "end": 2, "label": "x"}]), "'spans' has no option 'x'"),
    ],
)
def test_an_answer_that_cannot_be_taken_says_why(values: Mapping[str, object], told: str) -> None:
    assert refused(shown_rows.harmful(), values) == told


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from([*Choice, *Problem]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
names = st.sampled_from(
    "decision answer_right problems spans comment candidate label text_reasoning text_answer text_x x".split()
)


@given(st.none() | st.dictionaries(names, json_values | st.fixed_dictionaries({"value": json_values})) | json_values)
def test_no_answer_makes_reading_raise(values: Any) -> None:
    adjudication = make_shown("?", harmful_draft(), queue="adjudication", candidates=[{"reasoning": OPENING}])
    for shown in (shown_rows.harmful(), make_shown("?", queue="labels"), adjudication):
        assert isinstance(read_response(shown, values, WHO), Response | str)
        assert skipped_response(shown, values, WHO).status == "skipped"


def test_of_a_skipped_record_only_the_comment_counts() -> None:
    response = skipped_response(shown_rows.harmful(), said(decision="approve", comment="Too much for me."), WHO)
    assert (response.status, response.choice, response.comment) == ("skipped", None, "Too much for me.")
