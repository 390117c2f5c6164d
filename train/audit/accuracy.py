"""How often the rules are right, measured on labelled traces: `python benchmarks/audit.py --accuracy`.

    measure(labelled, sentences)     (Accuracy(part="tuned", …), Accuracy(part="held", …))
    stated()                         the same figures as a report prints them: accuracy.json, which a test holds to it

A line of tests/data/labelled_traces.jsonl, written for this project (CC0):

    {"id": "t03", "part": "tuned", "prompt": …, "label": "harmful", "sentences": [["understanding", "…"], …],
     "answer": …, "recognised": true, "solved": false}
"""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter

from schemas.audit import Accuracy, SegmentKind
from schemas.example import Branch, Frozen, Span
from schemas.report import Rate
from train.audit.audit import Given, audit_trace
from train.audit.segments import segment

STATED = Path(__file__).with_name("accuracy.json")
_ACCURACIES = TypeAdapter(tuple[Accuracy, ...])


class LabelledTrace(Frozen):
    """A trace whose sentences a person has labelled."""

    id: str
    part: Literal["tuned", "held"]
    style: str
    prompt: str
    label: Branch
    category: str | None
    sentences: tuple[tuple[SegmentKind, str], ...]
    answer: str
    recognised: bool
    solved: bool

    def given(self) -> Given:
        """The trace as one text, a blank between its sentences."""
        thought = " ".join(text for _, text in self.sentences)
        return Given(self.id, self.id, self.prompt, self.label, self.category, thought, self.answer)


def measure(labelled: Iterable[LabelledTrace], split: Callable[[str], Sequence[Span]]) -> tuple[Accuracy, ...]:
    """The rules against the labels, for each part. `split`: finds the sentences, as it does for any trace; a labelled
    sentence counts as read right where its middle character is in a segment of its kind."""
    rows = list(labelled)
    return tuple(_measure(part, [row for row in rows if row.part == part], split) for part in ("tuned", "held"))


def _measure(
    part: Literal["tuned", "held"], rows: Sequence[LabelledTrace], split: Callable[[str], Sequence[Span]]
) -> Accuracy:
    sentences: list[bool] = []
    recognised: list[bool] = []
    solved: list[bool] = []
    for row in rows:
        given = row.given()
        found = audit_trace(given, segment(given.thought, split(given.thought)))
        recognised.append(found.recognised == row.recognised)
        solved.append((found.declined is False) == row.solved)
        start = 0
        for kind, text in row.sentences:
            middle = start + len(text) // 2
            sentences.append(any(one.start <= middle < one.end and one.kind == kind for one in found.segments))
            start += len(text) + 1
    return Accuracy(
        part=part,
        traces=len(rows),
        sentences=Rate.of(sum(sentences), len(sentences)),
        recognised=Rate.of(sum(recognised), len(recognised)),
        solved=Rate.of(sum(solved), len(solved)),
    )


def stated() -> tuple[Accuracy, ...]:
    """The figures that ship with the rules."""
    return _ACCURACIES.validate_json(STATED.read_bytes())


def written(found: tuple[Accuracy, ...]) -> bytes:
    """Figures as accuracy.json holds them."""
    return _ACCURACIES.dump_json(found, indent=2) + b"\n"
