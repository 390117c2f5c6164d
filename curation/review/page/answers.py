"""From what Argilla's REST API gives of an answer to what an annotator said: a Response, or why there is none.

{"decision": {"value": "approve"}, "text_assessment": {"value": "This request …"}, …}
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple, TypeVar

from curation.review.page.fields import letter_of
from curation.review.page.own_text import OwnText
from curation.review.page.questions import BOX, CANDIDATES, prefilled
from curation.review.revise import plain
from curation.review.shown import Shown
from schemas.example import Draft, Label
from schemas.review import AS_SHOWN, AnswerRight, Choice, Kind, MarkedSpan, Problem, Response, candidate_key

_Option = TypeVar("_Option", bound=StrEnum)


class Answered(NamedTuple):
    """Who answered, and when: what stands beside the values of an answer."""

    annotator: str
    kind: Kind
    version: int
    guidelines: str
    answered_at: str
    """UTC, ISO 8601, by the server's clock."""


class _UnfitError(Exception):
    """Why an answer cannot be taken, in one line."""


def read_response(shown: Shown, values: object, answered: Answered) -> Response | str:
    """A submitted answer. A str is the one-line reason why it cannot be taken; no value makes it raise.

    Which boxes were edited is read from their texts: the same but for outer white space and line ends is no edit, nor
    is the stage's own text typed into a box that was empty beforehand. The page
    sends every box that holds something, leaves out an emptied one, and always sends `spans`. So in an answer with
    `spans` or any box, a box that was filled beforehand and is missing was emptied (''); an answer with neither is
    none of the page's, and touches no text. `answer_right` is None where it was not said, on a benign row too: such
    an answer vouches for nothing.
    """
    said = _Said(values)
    try:
        comment = said.text("comment")
        if shown.draft is None:
            label = said.one("label", Label)
            return _response(shown, answered, label=_required(label, "label"), comment=comment)
        draft = shown.draft.draft
        return _response(
            shown,
            answered,
            choice=_required(said.one("decision", Choice), "decision"),
            answer_right=said.one("answer_right", AnswerRight),
            problems=said.several("problems", Problem),
            texts=_texts(shown, draft, said),
            candidate=_candidate(shown, said),
            spans=_spans(draft, said),
            comment=comment,
        )
    except _UnfitError as error:
        return str(error)


def skipped_response(shown: Shown, values: object, answered: Answered) -> Response:
    """A record that the annotator discarded. Of what was filled in only the comment counts."""
    try:
        comment = _Said(values).text("comment")
    except _UnfitError:
        comment = ""
    return _response(shown, answered, status="skipped", comment=comment)


def _response(shown: Shown, answered: Answered, **said: object) -> Response:
    return Response.model_validate({"record_id": shown.record.id, **answered._asdict(), **said})


def _required(value: _Option | None, question: str) -> _Option:
    if value is None:
        raise _UnfitError(f"{question!r} was not answered")
    return value


def _texts(shown: Shown, draft: Draft, said: "_Said") -> dict[str, str]:
    before = {stage.name: "" for stage in draft.stages} | prefilled(shown)
    typed = said.texts()
    if not typed and not said.holds("spans"):
        return {}
    changed = {}
    for stage in {**before, **typed}:
        text, old = plain(typed.get(stage, "")), before.get(stage)
        if old is None:
            if text:
                raise _UnfitError(f"text was typed in the box {stage!r}, and this record has no such stage")
        elif text != plain(old) and not (text and text == plain(draft.text(stage))):
            changed[stage] = text
    return changed


def _candidate(shown: Shown, said: "_Said") -> str | None:
    if shown.record.queue != "adjudication":
        return None
    picked = said.any_text("candidate")
    numbers = range(1, len(shown.record.candidates) + 1)
    if picked in {AS_SHOWN, *map(candidate_key, numbers)}:
        return picked
    there = ", ".join(map(letter_of, numbers)) or "none"
    raise _UnfitError(f"candidate {CANDIDATES.get(picked or '', picked)!r} was picked, and the record shows {there}")


def _spans(draft: Draft, said: "_Said") -> tuple[MarkedSpan, ...]:
    marked = said.marks()
    if not marked:
        return ()
    own = OwnText(draft)
    return tuple(
        MarkedSpan(span=span, problem=problem) for start, end, problem in marked for span in own.spans(start, end)
    )


class _Said:
    """The values of an answer, each checked when it is asked for."""

    def __init__(self, values: object) -> None:
        self._values: Mapping[str, object] = values if isinstance(values, Mapping) else {}

    def _value(self, question: str) -> object:
        entry = self._values.get(question)
        return entry.get("value") if isinstance(entry, Mapping) else entry

    def holds(self, question: str) -> bool:
        return question in self._values

    def any_text(self, question: str) -> str | None:
        value = self._value(question)
        if value is None or isinstance(value, str):
            return value
        raise _UnfitError(f"{question!r} holds no text")

    def text(self, question: str) -> str:
        return (self.any_text(question) or "").strip()

    def texts(self) -> dict[str, str]:
        """What stands in every box that was sent."""
        names = [name for name in self._values if name.startswith(BOX)]
        return {name.removeprefix(BOX): self.any_text(name) or "" for name in names}

    def one(self, question: str, options: type[_Option]) -> _Option | None:
        value = self.any_text(question)
        return None if value is None else _option(question, value, options)

    def several(self, question: str, options: type[_Option]) -> tuple[_Option, ...]:
        chosen = [_option(question, value, options) for value in self._list(question)]
        return tuple(option for option in options if option in chosen)

    def marks(self) -> list[tuple[int, int, str]]:
        return [_mark(entry) for entry in self._list("spans")]

    def _list(self, question: str) -> Sequence[object]:
        value = self._value(question)
        if value is None or isinstance(value, list):
            return value or []
        raise _UnfitError(f"{question!r} holds no list")


def _option(question: str, value: object, options: type[_Option]) -> _Option:
    if isinstance(value, str) and value in {*options}:
        return options(value)
    raise _UnfitError(f"{question!r} has no option {value!r}")


def _mark(entry: object) -> tuple[int, int, str]:
    match entry:
        case {"start": int(start), "end": int(end), "label": str(label)}:
            return start, end, _option("spans", label, Problem)
    raise _UnfitError("a marked passage is not told by start, end and label")
