"""The engine, asked over HTTP as the page asks, answers as the plain reference does, whatever is asked."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.curation.review.server import worlds
from tests.curation.review.server.reference import Asker, Query, Stored, World, both, either, phrase, without
from tests.review_server import Person, ReviewServer

Draw = st.DrawFn

WORDS = [word for word in worlds.WORDS if word.isalnum()]
ODD_NAME = 'naïve "name"'


class Place(NamedTuple):
    """A dataset to ask, what is true of it, and who asks."""

    world: World
    dataset: str
    people: dict[str, Person]

    @property
    def names(self) -> list[str]:
        return sorted(self.people)

    def asker(self, name: str | None) -> Asker:
        return Asker(name, bool(name) and str(name).startswith("annotator"))


@pytest.fixture(scope="module", params=["shared out", "for everyone"])
def place(request: pytest.FixtureRequest, argilla_server: ReviewServer) -> Place:
    shared_out = request.param == "shared out"
    return Place(*worlds.make(argilla_server, 7 if shared_out else 8, shared_out=shared_out, count=60))


MANY = settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])
FEW = settings(MANY, max_examples=40)


@st.composite
def conditions(draw: Draw, place: Place) -> dict[str, Any]:
    scope = draw(scopes(place))
    kind = _kind(place, scope)
    if kind == "number":
        numbers = st.sampled_from([-3, -1, 0, 0.1, 0.25, 0.30000000000000004, 1, 2, 5, 1e6])
        if draw(st.booleans()):
            values = draw(st.lists(numbers, min_size=1, max_size=3))
            return {"type": "terms", "scope": scope, "values": [str(value) for value in values]}
        return _range(draw, scope, numbers)
    texts = st.sampled_from(_texts(place, scope))
    ranges = scope["entity"] != "response" or "question" in scope
    if kind == "time" or (ranges and draw(st.integers(0, 4)) == 0):
        return _range(draw, scope, texts)
    return {"type": "terms", "scope": scope, "values": draw(st.lists(texts, min_size=1, max_size=3, unique=True))}


def _range(draw: Draw, scope: dict[str, Any], bounds: st.SearchStrategy[Any]) -> dict[str, Any]:
    low, high = sorted(draw(st.lists(bounds, min_size=2, max_size=2)))
    found = {"type": "range", "scope": scope, "ge": low, "le": high}
    for name in draw(st.sampled_from([(), ("ge",), ("le",)])):
        del found[name]
    return found


@st.composite
def scopes(draw: Draw, place: Place) -> dict[str, Any]:
    entity = draw(st.sampled_from(["record", "metadata", "suggestion", "response"]))
    if entity == "record":
        names = ["id", "external_id", "status", "inserted_at", "updated_at"]
        return {"entity": entity, "property": draw(st.sampled_from(names))}
    if entity == "metadata":
        return {"entity": entity, "metadata_property": draw(st.sampled_from(sorted(place.world.metadata_types)))}
    question = draw(st.sampled_from(sorted(place.world.question_types)))
    if entity == "suggestion":
        return {"entity": entity, "question": question, "property": draw(st.sampled_from(Suggestion))}
    if draw(st.booleans()):
        return {"entity": entity, "property": "status"}
    return {"entity": entity, "question": question}


Suggestion = ["value", "score", "agent", "type"]


def _kind(place: Place, scope: dict[str, Any]) -> str:
    if scope["entity"] == "metadata":
        return "keyword" if place.world.metadata_types[scope["metadata_property"]] == "terms" else "number"
    if scope.get("property") == "score":
        return "number"
    if scope.get("property") in ("inserted_at", "updated_at"):
        return "time"
    if "question" in scope and scope.get("property", "value") == "value":
        return "number" if place.world.question_types[scope["question"]] == "rating" else "keyword"
    return "keyword"


def _texts(place: Place, scope: dict[str, Any]) -> list[str]:
    """What could be looked for there, and something that cannot be found."""
    if scope["entity"] == "record":
        if scope["property"] == "status":
            return ["pending", "completed"]
        values = [getattr(record, scope["property"]) for record in place.world.records]
        return [value if isinstance(value, str) else value.isoformat() for value in values]
    if scope["entity"] == "response" and scope.get("property") == "status":
        return ["pending", "draft", "submitted", "discarded"]
    usernames = [name for name in place.names if name.startswith("annotator")]
    return [*worlds.TERMS, *worlds.LABELS, *worlds.TAGS, "gpt-4o", "human:1", "model", "human", "nobody's", *usernames]


words = st.sampled_from(WORDS)
queries = st.recursive(
    st.one_of(
        words.map(lambda word: phrase([word])),
        words.map(lambda word: phrase([word.upper()])),
        words.map(lambda word: phrase([word[:2]], prefix=True)),
        st.lists(words, min_size=2, max_size=3).map(phrase),
        st.just(phrase(["x", "y"], typed="x<y")),
        st.just(phrase(["天", "气"], typed="天气")),
    ),
    lambda parts: st.one_of(
        st.builds(both, parts, parts), st.builds(either, parts, parts), parts.map(lambda part: without(part))
    ),
    max_leaves=4,
)


class Asked(NamedTuple):
    """One request of the page, or of the owner's SDK where nobody's name is on it."""

    name: str | None
    filters: Sequence[dict[str, Any]] = ()
    text: Query | None = None
    field: str | None = None
    sort: Sequence[dict[str, Any]] = ()
    offset: int = 0
    limit: int = 1000


def requests(place: Place) -> st.SearchStrategy[Asked]:
    orders = st.fixed_dictionaries({"scope": scopes(place), "order": st.sampled_from(["asc", "desc"])})
    return st.builds(
        Asked,
        name=st.sampled_from([*place.names, None]),
        filters=st.lists(conditions(place), max_size=3),
        text=st.none() | queries,
        field=st.sampled_from([None, "prompt", "page", "talk", "parts"]),
        sort=st.lists(orders, max_size=2),
        offset=st.sampled_from([0, 0, 1, 7, 59, 60, 100]),
        limit=st.sampled_from([1, 10, 1000]),
    )


def test_filters_text_sorts_and_pages_answer_as_the_reference_does(place: Place) -> None:
    @MANY
    @given(requests(place))
    def answers_as_the_reference_does(asked: Asked) -> None:
        compare(place, asked)

    answers_as_the_reference_does()


def compare(place: Place, asked: Asked) -> int:
    """How many pass in all."""
    body: dict[str, Any] = {}
    if asked.filters:
        body["filters"] = {"and": asked.filters}
    if asked.text:
        body["query"] = {"text": {"q": asked.text.typed} | ({"field": asked.field} if asked.field else {})}
    if asked.sort:
        body["sort"] = asked.sort
    path = f"/api/v1/{'me/' if asked.name else ''}datasets/{place.dataset}/records/search"
    page = {"offset": asked.offset, "limit": asked.limit}
    got = place.people[asked.name or "owner"].post(path, params=page, json=body)
    wanted = place.world.search(place.asker(asked.name), asked.filters, asked.text, asked.field, asked.sort)
    assert [item["record"]["external_id"] for item in got["items"]] == [
        record.external_id for record in wanted[asked.offset : asked.offset + asked.limit]
    ]
    assert got["total"] == len(wanted)
    return len(wanted)


class Near(NamedTuple):
    """A request for the records that are like one."""

    name: str
    filters: Sequence[dict[str, Any]]
    source: Stored
    by_record: bool
    least: bool
    limit: int


def near_requests(place: Place) -> st.SearchStrategy[Near]:
    return st.builds(
        Near,
        name=st.sampled_from(place.names),
        filters=st.lists(conditions(place), max_size=1),
        source=st.sampled_from([record for record in place.world.records if record.vector]),
        by_record=st.booleans(),
        least=st.booleans(),
        limit=st.integers(1, 100),
    )


def test_the_nearest_come_first_among_those_that_pass(place: Place) -> None:
    @FEW
    @given(near_requests(place))
    def come_first(asked: Near) -> None:
        found = place.world.search(place.asker(asked.name), asked.filters)
        if asked.by_record:
            found = [record for record in found if record is not asked.source]
        assert asked.source.vector is not None
        wanted = place.world.nearest(found, asked.source.vector, least=asked.least)[: asked.limit]
        vector: dict[str, Any] = {"record_id": asked.source.id} if asked.by_record else {"value": asked.source.vector}
        vector |= {"name": "meaning", "order": "least_similar" if asked.least else "most_similar"}
        body: dict[str, Any] = {"query": {"vector": vector}}
        if asked.filters:
            body["filters"] = {"and": asked.filters}
        path = f"/api/v1/me/datasets/{place.dataset}/records/search"
        got = place.people[asked.name].post(path, params={"limit": asked.limit}, json=body)
        assert [item["record"]["external_id"] for item in got["items"]] == [record.external_id for record, _ in wanted]
        scores = [item["query_score"] for item in got["items"]]
        assert scores == pytest.approx([score for _, score in wanted], abs=1e-6)
        assert got["total"] == len(wanted)

    come_first()


def queue(*statuses: str) -> list[dict[str, Any]]:
    """The filters that the page sends for one of its four lists."""
    found = [{"type": "terms", "scope": {"entity": "response", "property": "status"}, "values": list(statuses)}]
    if statuses == ("pending",):
        found.append({"type": "terms", "scope": {"entity": "record", "property": "status"}, "values": ["pending"]})
    return found


def test_each_persons_four_queues_and_their_figures_agree(place: Place) -> None:
    for name, person in place.people.items():
        asker = place.asker(name)
        sizes = {}
        for status in ("pending", "draft", "submitted", "discarded"):
            sizes[status] = compare(place, Asked(name, queue(status), limit=10))
        metrics = person.get(f"/api/v1/me/datasets/{place.dataset}/metrics")["responses"]
        if asker.annotator and "assigned" in place.world.metadata_types:
            assert metrics == {**sizes, "total": sum(sizes.values())}
        else:  # as upstream counts: what this person has not answered, completed by others or not
            answered = sizes["draft"] + sizes["submitted"] + sizes["discarded"]
            total = len(place.world.records)
            assert metrics == {**sizes, "pending": total - answered, "total": total}


def test_everyone_is_served_in_the_same_order(place: Place) -> None:
    orders = []
    for name in place.names:
        found = place.people[name].post(f"/api/v1/me/datasets/{place.dataset}/records/search?limit=1000", json={})
        orders.append([item["record"]["id"] for item in found["items"]])
    assert all(order == orders[0] for order in orders)


def test_the_datasets_progress_counts_what_is_completed(place: Place) -> None:
    statuses = [place.world.status(record) for record in place.world.records]
    progress = place.people["owner"].get(f"/api/v1/datasets/{place.dataset}/progress")
    assert progress["total"] == len(statuses)
    assert progress["completed"] == statuses.count("completed")
    assert progress["pending"] == statuses.count("pending")


def test_metadata_metrics_count_terms_and_span_numbers(place: Place) -> None:
    for each in place.people["owner"].get(f"/api/v1/me/datasets/{place.dataset}/metadata-properties")["items"]:
        lists = [
            place.world.values(record, _metadata(each["name"]), Asker(None, False)) for record in place.world.records
        ]
        values = [value for found in lists for values in found for value in values]
        got = place.people["owner"].get(f"/api/v1/metadata-properties/{each['id']}/metrics")
        if each["settings"]["type"] == "terms":
            counts = sorted(((values.count(term), term) for term in set(values)), key=lambda pair: (-pair[0], pair[1]))
            assert got["total"] == len(values)
            assert got["values"] == [{"term": term, "count": count} for count, term in counts]
        else:
            assert (got["min"], got["max"]) == (pytest.approx(min(values)), pytest.approx(max(values)))


def _metadata(name: str) -> dict[str, Any]:
    return {"entity": "metadata", "metadata_property": name}


TYPED = [
    *('"', "(", ")", "((((", "-", "|", "*", "\\", "~", '""', "a~2", "AND", "'; DROP TABLE records; --", "NEAR(x y)"),
    *('"x', "x\\", "x*y", "\u0000", "x\u0000y", "🌧", "text:x", "^x", "{x}", "?1"),
    *("x" * 5000, "(" * 2000 + "x", "x " * 2000, "-" * 50 + "x", "a | b c | d e -f | " * 200, "-(" * 60 + "x"),
]


@pytest.mark.parametrize("typed", TYPED, ids=lambda typed: ascii(typed[:20]))
def test_nothing_typed_into_the_search_box_is_an_error(place: Place, typed: str) -> None:
    path = f"/api/v1/me/datasets/{place.dataset}/records/search"
    place.people["owner"].post(path, json={"query": {"text": {"q": typed}}})


@pytest.mark.parametrize("sign", ["&&", "🌧", "$&", "&lt;", "'"])
def test_a_word_of_signs_is_found_as_it_is_seen(place: Place, sign: str) -> None:
    path = f"/api/v1/me/datasets/{place.dataset}/records/search?limit=1000"
    typed = "".join(f"\\{character}" for character in sign) if sign == "'" else sign
    got = place.people["owner"].post(path, json={"query": {"text": {"q": typed}}})
    wanted = [record for record in place.world.records if any(sign in text for text in record.seen.values())]
    if any(character.isalnum() for character in sign):  # &lt; is a word with signs: found by its letters
        assert {record.id for record in wanted} <= {item["record"]["id"] for item in got["items"]}
    else:
        assert {item["record"]["id"] for item in got["items"]} == {record.id for record in wanted}
