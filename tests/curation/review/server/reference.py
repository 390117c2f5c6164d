"""What Argilla's search has to answer, in plain Python over what a test put in: no SQL, no index, no server code.

A condition is a function of a record and the person who asks; a text query is a tree that is evaluated here and
written out for the server, so that what is compared is meaning and not two parsers.
"""

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, NamedTuple

Status = Literal["draft", "submitted", "discarded"]


class Suggested(NamedTuple):
    value: Any
    score: float | list[float] | None
    agent: str | None
    type: str | None


class Answered(NamedTuple):
    status: Status
    values: dict[str, Any]


@dataclass
class Stored:
    """A record as the test made it. `seen` is what a person sees of each text field, whatever was sent."""

    external_id: str
    sent: dict[str, Any]
    seen: dict[str, str]
    metadata: dict[str, Any]
    suggestions: dict[str, Suggested]
    vector: list[float] | None
    answers: dict[str, Answered] = field(default_factory=dict)
    """By username."""
    id: str = ""
    """This and the times are the server's: known when it has stored the record."""
    inserted_at: datetime = datetime.min
    updated_at: datetime = datetime.min


class Asker(NamedTuple):
    """Whose answers count: `username` None is everybody's."""

    username: str | None
    annotator: bool


@dataclass
class World:
    """A dataset, and what is true of it."""

    records: list[Stored]
    question_types: dict[str, str]
    metadata_types: dict[str, str]
    min_submitted: int

    def status(self, record: Stored) -> str:
        submitted = sum(answer.status == "submitted" for answer in record.answers.values())
        return "completed" if submitted >= self.min_submitted else "pending"

    def queue_order(self, record: Stored) -> tuple[Any, ...]:
        position = record.metadata.get("position") if self.metadata_types.get("position") == "integer" else None
        return position is None, position or 0, record.inserted_at, record.id.replace("-", "")

    def is_for(self, record: Stored, asker: Asker) -> bool:
        assigned = record.metadata.get("assigned")
        if not asker.annotator or self.metadata_types.get("assigned") != "terms" or assigned in (None, []):
            return True
        return asker.username in (assigned if isinstance(assigned, list) else [assigned])

    def waits_for(self, record: Stored, asker: Asker) -> bool:
        if asker.username is None:
            return not record.answers
        return asker.username not in record.answers and self.is_for(record, asker)

    def values(self, record: Stored, scope: dict[str, Any], asker: Asker) -> list[list[Any]]:
        """What a filter looks at, as lists of values: one list for each thing that is looked at by itself."""
        if scope["entity"] == "record":
            name = scope["property"]
            value = self.status(record) if name == "status" else getattr(record, name)
            return [[value]]
        if scope["entity"] == "metadata":
            return [_listed(record.metadata.get(scope["metadata_property"]))]
        if scope["entity"] == "suggestion":
            given = record.suggestions.get(scope["question"])
            if given is None:
                return []
            value = getattr(given, scope["property"])
            filterable = scope["property"] != "value" or self.filterable(scope["question"])
            return [_listed(value) if filterable else []]
        answers = [
            answer for name, answer in record.answers.items() if asker.username is None or asker.username == name
        ]
        if scope.get("property") == "status":
            return [[answer.status] for answer in answers]
        if not self.filterable(scope["question"]):
            return []
        return [_listed(answer.values.get(scope["question"])) for answer in answers]

    def filterable(self, question: str) -> bool:
        return self.question_types[question] in ("rating", "label_selection", "multi_label_selection")

    def passes(self, record: Stored, condition: dict[str, Any], asker: Asker) -> bool:
        scope = condition["scope"]
        found = self.values(record, scope, asker)
        if condition["type"] == "terms":
            wanted = condition["values"]
            if scope["entity"] == "response" and scope.get("property") == "status" and "pending" in wanted:
                if self.waits_for(record, asker):
                    return True
                wanted = [value for value in wanted if value != "pending"]
            return any(_same(value, term) for values in found for value in values for term in wanted)
        low, high = condition.get("ge"), condition.get("le")
        if scope.get("property") in ("inserted_at", "updated_at"):
            low, high = low and datetime.fromisoformat(low), high and datetime.fromisoformat(high)
        return any(
            (low is None or value >= low) and (high is None or value <= high) for values in found for value in values
        )

    def sort_value(self, record: Stored, scope: dict[str, Any], asker: Asker, descending: bool) -> Any:
        values = [value for values in self.values(record, scope, asker) for value in values]
        if not values:
            return None
        if scope["entity"] == "response" and not isinstance(values[0], str):
            return sum(values) / len(values)
        return max(values) if descending else min(values)

    def search(
        self,
        asker: Asker,
        conditions: Sequence[dict[str, Any]] = (),
        text: "Query | None" = None,
        text_field: str | None = None,
        sort: Sequence[dict[str, Any]] = (),
    ) -> list[Stored]:
        """All that pass, in order."""
        found = [record for record in self.records if all(self.passes(record, each, asker) for each in conditions)]
        if text is not None:
            found = [record for record in found if text.finds(_tokens_of(record, text_field))]
        found.sort(key=self.queue_order)
        for order in reversed(sort):
            descending = order["order"] == "desc"
            keyed = [(self.sort_value(record, order["scope"], asker, descending), record) for record in found]
            known = [pair for pair in keyed if pair[0] is not None]
            known.sort(key=lambda pair: pair[0], reverse=descending)
            found = [record for _, record in known] + [record for value, record in keyed if value is None]
        return found

    def nearest(self, found: Sequence[Stored], vector: Sequence[float], *, least: bool) -> list[tuple[Stored, float]]:
        sign = -1 if least else 1
        scored = [(record, (1 + sign * _cosine(record.vector, vector)) / 2) for record in found if record.vector]
        return sorted(scored, key=lambda pair: -round(pair[1], 7))


class Query(NamedTuple):
    """A text query: what it finds, and how it is typed."""

    finds: Callable[[list[list[str]]], bool]
    """Given the words of each field that is searched."""
    typed: str


def phrase(words: Sequence[str], *, prefix: bool = False, typed: str | None = None) -> Query:
    """Words side by side in one field; `prefix`: the last may go on."""
    wanted = [word.lower() for word in words]

    def stands(tokens: list[str], at: int) -> bool:
        there = tokens[at : at + len(wanted)]
        if len(there) < len(wanted) or there[:-1] != wanted[:-1]:
            return False
        return there[-1].startswith(wanted[-1]) if prefix else there[-1] == wanted[-1]

    def finds(fields: list[list[str]]) -> bool:
        return any(stands(tokens, at) for tokens in fields for at in range(len(tokens)))

    written = typed or (words[0] if len(words) == 1 else f'"{" ".join(words)}"')
    return Query(finds, f"{written}*" if prefix else written)


def both(left: Query, right: Query) -> Query:
    return Query(lambda fields: left.finds(fields) and right.finds(fields), f"({left.typed} {right.typed})")


def either(left: Query, right: Query) -> Query:
    return Query(lambda fields: left.finds(fields) or right.finds(fields), f"({left.typed} | {right.typed})")


def without(query: Query) -> Query:
    return Query(lambda fields: not query.finds(fields), f"-{query.typed}")


def _tokens_of(record: Stored, name: str | None) -> list[list[str]]:
    texts = record.seen.values() if name is None else [record.seen.get(name, "")]
    # Han characters and signs of later Unicodes are words of their own.
    return [re.findall(r"[一-鿿🌧]|[^\W_一-鿿]+", text.lower()) for text in texts]


def _listed(value: Any) -> list[Any]:
    return [] if value is None else list(value) if isinstance(value, list) else [value]


def _same(value: Any, term: str) -> bool:
    if isinstance(value, str):
        return value == term
    try:
        return float(value) == float(term)
    except ValueError:
        return False


def _cosine(one: Sequence[float] | None, other: Sequence[float]) -> float:
    assert one is not None
    lengths = math.sqrt(math.fsum(x * x for x in one)) * math.sqrt(math.fsum(x * x for x in other))
    return math.fsum(x * y for x, y in zip(one, other, strict=True)) / lengths if lengths else 0.0
