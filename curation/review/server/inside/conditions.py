"""The filters and sorts that the page can ask for, as SQL over Argilla's own tables.

What they mean is what Argilla's Elasticsearch engine makes of them (search_engine/commons.py):

- A value is a number (ratings, integers, floats, scores) or a keyword (labels, terms, agents, types, statuses). Answers
  to text, ranking and span questions are neither: no filter finds them, no sort moves them.
- A property with several values passes a filter if one of them does. In an ascending sort its least counts, in a
  descending one its greatest.
- Records without the value come last in a sort, whichever way it goes.
- A filter on responses looks at one response at a time, that of the user where there is one.
"""

import re
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, NamedTuple
from uuid import UUID

from argilla_server.errors.future import UnprocessableEntityError
from argilla_server.search_engine import (
    AndFilter,
    Filter,
    MetadataFilterScope,
    Order,
    RangeFilter,
    RecordFilterScope,
    ResponseFilterScope,
    SuggestionFilterScope,
    TermsFilter,
)

from .clause import ALWAYS, NEVER, Clause, one_of

Kind = Literal["number", "keyword", "time", "id"]

QUESTION_KINDS: dict[str, Kind] = {
    "rating": "number",
    "label_selection": "keyword",
    "multi_label_selection": "keyword",
}
METADATA_KINDS: dict[str, Kind] = {"integer": "number", "float": "number", "terms": "keyword"}
RECORD_KINDS: dict[str, Kind] = {
    "id": "id",
    "external_id": "keyword",
    "status": "keyword",
    "inserted_at": "time",
    "updated_at": "time",
}

POSITION = "position"
"""An integer metadata property of this name says in which order records are served."""

ASSIGNED = "assigned"
"""A terms metadata property of this name holds the usernames of the annotators that a record is for."""


class Question(NamedTuple):
    id: str
    type: str


class Schema(NamedTuple):
    """What a dataset asks and holds, by name."""

    questions: dict[str, Question]
    metadata: dict[str, str]
    """The type of each property."""


class Values(NamedTuple):
    """The values that records `r` have of something: an expression over the rows of a FROM with its WHERE."""

    expression: str
    kind: Kind
    rows: Clause

    def have(self, test: Clause) -> Clause:
        return Clause(f"EXISTS (SELECT 1 FROM {self.rows.sql} AND {test.sql})", self.rows.values + test.values)

    def aggregate(self, function: str) -> Clause:
        return Clause(f"(SELECT {function}({self.expression}) FROM {self.rows.sql})", self.rows.values)


def condition(filter: Filter, schema: Schema) -> Clause:
    """The records that pass a filter. Raises UnprocessableEntityError for one that makes no sense."""
    if isinstance(filter, AndFilter):
        found = ALWAYS
        for part in filter.filters:
            found &= condition(part, schema)
        return found
    scope = filter.scope
    if isinstance(scope, RecordFilterScope):
        return _test(f"r.{scope.property}", RECORD_KINDS[scope.property], filter)
    if isinstance(scope, ResponseFilterScope) and scope.question is None:
        if scope.property != "status" or not isinstance(filter, TermsFilter):
            raise UnprocessableEntityError("responses can be filtered by the terms of their status, or by a question")
        return _has_status(filter.values, scope.user, schema)
    values = _values(scope, schema)
    return NEVER if values is None else values.have(_test(values.expression, values.kind, filter))


def ordering(order: Order, schema: Schema) -> Clause:
    """A term of ORDER BY."""
    descending = order.order == "desc"
    scope = order.scope
    if isinstance(scope, RecordFilterScope):
        found = Clause(f"r.{scope.property}")
    elif isinstance(scope, ResponseFilterScope) and scope.question is None and scope.property is None:
        raise UnprocessableEntityError("responses can be sorted by their status, or by a question")
    elif (values := _values(scope, schema)) is None:
        found = Clause("NULL")
    elif isinstance(scope, ResponseFilterScope) and values.kind == "number":
        found = values.aggregate("avg")
    else:
        found = values.aggregate("max" if descending else "min")
    return Clause(f"{found.sql} {'DESC' if descending else 'ASC'} NULLS LAST", found.values)


def default_ordering(schema: Schema) -> str:
    """The order in which everyone is served, and in which records stand that a sort leaves level."""
    position = ""
    if schema.metadata.get(POSITION) == "integer":
        position = f"json_extract(r.metadata, '$.{POSITION}') ASC NULLS LAST, "
    return f"{position}r.inserted_at, r.id"


def waits_for(user: Any, schema: Schema) -> Clause:
    """The records that a user has not answered, and that are for this user."""
    found = Clause("NOT EXISTS (SELECT 1 FROM responses p WHERE p.record_id = r.id AND p.user_id = ?)", (user.id.hex,))
    if has_assignments(user, schema):
        # For everyone where it names nobody. One look at the JSON, since this is what a queue spends its time on.
        mine = f"""(SELECT coalesce(max(v.value = ?), 1) FROM json_each(r.metadata, '$.{ASSIGNED}') v
                    WHERE v.type <> 'null')"""
        found &= Clause(mine, (user.username,))
    return found


def metadata_values(name: str, type: str) -> Values:
    """The values of a metadata property; `type` is Argilla's: terms, integer or float."""
    values = _elements(METADATA_KINDS[type], "", _member("r.metadata", name), ALWAYS)
    assert values is not None
    return values


def has_assignments(user: Any, schema: Schema) -> bool:
    """Whether records are shared out to this user: owners and admins see all of them."""
    return bool(user.is_annotator) and schema.metadata.get(ASSIGNED) == "terms"


def _has_status(statuses: list[str], user: Any, schema: Schema) -> Clause:
    """Pending is what has no response: of this user, or of anyone where no user asks."""
    given = [str(status) for status in statuses if status != "pending"]
    found = _statuses(user).have(one_of("p.status", given))
    if len(given) == len(statuses):
        return found
    return found | (waits_for(user, schema) if user else ~_statuses(None).have(ALWAYS))


def _statuses(user: Any) -> Values:
    own = _own_responses(user)
    return Values("p.status", "keyword", Clause(f"responses p WHERE {own.sql}", own.values))


def _own_responses(user: Any) -> Clause:
    own = Clause("p.record_id = r.id")
    return own if user is None else own & Clause("p.user_id = ?", (user.id.hex,))


def _values(scope: Any, schema: Schema) -> Values | None:
    """What a filter or sort looks at; None: nothing that could be looked for."""
    if isinstance(scope, MetadataFilterScope):
        type = schema.metadata.get(scope.metadata_property)
        return None if type is None else metadata_values(scope.metadata_property, type)
    if isinstance(scope, ResponseFilterScope) and scope.question is None:
        return _statuses(scope.user)
    question = schema.questions.get(scope.question)
    if question is None:
        return None
    kind = QUESTION_KINDS.get(question.type)
    if isinstance(scope, ResponseFilterScope):
        member = _member('p."values"', scope.question, ".value")
        return _elements(kind, "responses p, ", member, _own_responses(scope.user))
    assert isinstance(scope, SuggestionFilterScope), scope
    own = Clause("s.record_id = r.id AND s.question_id = ?", (question.id,))
    if scope.property in ("agent", "type"):
        column = f"s.{scope.property}"
        return Values(column, "keyword", Clause(f"suggestions s WHERE {own.sql} AND {column} IS NOT NULL", own.values))
    if scope.property == "score":
        return _elements("number", "suggestions s, ", Clause("json_each(s.score) v"), own)
    return _elements(
        kind if scope.property == "value" else None, "suggestions s, ", Clause("json_each(s.value) v"), own
    )


def _elements(kind: Kind | None, tables: str, member: Clause, own: Clause) -> Values | None:
    """The elements of a JSON value that are of the kind."""
    if kind is None:
        return None
    if kind == "number":
        expression, typed = "v.value", "v.type IN ('integer', 'real')"
    else:
        expression = "CASE WHEN v.type IN ('true', 'false') THEN v.type ELSE CAST(v.value AS TEXT) END"
        typed = "v.type <> 'null'"
    rows = Clause(f"{tables}{member.sql} WHERE {own.sql} AND {typed}", member.values + own.values)
    return Values(expression, kind, rows)


def _member(column: str, name: str, then: str = "") -> Clause:
    """The elements of one member of a JSON object: of a list its items, else the value itself."""
    if name.isascii() and name.isprintable() and not set(name) & set('"\\'):
        return Clause(f"json_each({column}, ?) v", (f'$."{name}"{then}',))
    # SQLite compares a path with the text of the JSON as it is written, where such characters stand escaped.
    inner = f"""SELECT CASE WHEN type IN ('array', 'object') THEN value WHEN type IN ('true', 'false', 'null') THEN type
                ELSE json_quote(value) END FROM json_each({column}) WHERE key = ?"""
    return Clause(f"json_each(({inner}), '${then}') v", (name,))


def _test(expression: str, kind: Kind, filter: TermsFilter | RangeFilter) -> Clause:
    if isinstance(filter, TermsFilter):
        values = [_parsed(value, kind) for value in filter.values]
        return one_of(expression, [value for value in values if value is not None])
    found = ALWAYS
    for sign, bound in ((">=", filter.ge), ("<=", filter.le)):
        if bound is not None:
            value = _parsed(bound, kind, latest=sign == "<=")
            if value is None:
                raise UnprocessableEntityError(f"{bound!r} is no value to compare with here")
            found &= Clause(f"{expression} {sign} ?", (value,))
    return found


def _parsed(value: str | float, kind: Kind, *, latest: bool = False) -> str | float | None:
    """A value as the database holds it; None: no such value can be there."""
    if kind == "keyword":
        return str(value)
    try:
        if kind == "number":
            return float(value)
        if kind == "id":
            return UUID(str(value)).hex
        return _moment(value, latest=latest)
    except (ValueError, OverflowError):
        return None


def _moment(value: str | float, *, latest: bool) -> str:
    """A time as Argilla's tables hold it, in UTC. Of a day or a minute it is the first moment, or the `latest`."""
    text = str(value)
    if isinstance(value, float) or text.isdecimal():
        moment, left_open = datetime.fromtimestamp(float(value) / 1000, UTC), timedelta(0)
    else:
        moment = datetime.fromisoformat(re.sub("[zZ]$", "+00:00", text))
        clock = text[10:]
        seconds = re.match(r".\d\d:\d\d:\d\d(\.)?", clock)
        if not clock:
            left_open = timedelta(days=1)
        elif seconds is None:
            left_open = timedelta(minutes=1)
        else:
            left_open = timedelta(0) if seconds[1] else timedelta(seconds=1)
    if moment.tzinfo is not None:
        moment = moment.astimezone(UTC).replace(tzinfo=None)
    if latest and left_open:
        moment += left_open - timedelta(microseconds=1)
    return moment.isoformat(" ", "microseconds")
