"""The search engine of this Argilla: none of its own. Argilla's SQL tables hold everything, and every question is SQL.

So there is no second store, nothing to index anew and nothing that could drift: the hooks that keep an index do
nothing, but for the full-text index of text.py. Conditions are written in conditions.py and text_query.py.

Everyone is served in the same order, so that records are completed one after the other. Argilla's own engine shuffles
them for each annotator: with an overlap of 2 or 3 nearly none is complete before nearly all are.
"""

import asyncio
import json
import sqlite3
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar
from uuid import UUID

import numpy
from argilla_server.search_engine import (
    FloatMetadataMetrics,
    IntegerMetadataMetrics,
    SearchEngine,
    SearchResponseItem,
    SearchResponses,
    TermsMetrics,
    TextQuery,
)

from . import text, text_query
from .clause import Clause
from .conditions import (
    Question,
    Schema,
    condition,
    default_ordering,
    has_assignments,
    metadata_values,
    ordering,
    waits_for,
)

DATABASE = "argilla.db"
"""In the folder that the server runs in."""

BUSY_SECONDS = 30.0
CACHE_KIB = 8192
"""Of one connection; there are as many as THREADS."""

THREADS = 3
VECTORS_AT_ONCE = 1000

SCHEMA = (
    # All that the queue asks of a record but its texts: rows with long texts are not read for it.
    """CREATE INDEX IF NOT EXISTS curate_queue ON records
        (dataset_id, status, inserted_at, id, updated_at, external_id, metadata)""",
    *text.SCHEMA,
)

_threads = ThreadPoolExecutor(THREADS, thread_name_prefix="search")
_own = threading.local()
Answer = TypeVar("Answer")


def connect() -> sqlite3.Connection:
    connection = sqlite3.connect(DATABASE, timeout=BUSY_SECONDS, isolation_level=None)
    connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.text_factory = lambda raw: raw.decode("utf-8", "replace")
    return connection


async def _ask(question: Callable[[sqlite3.Connection], Answer]) -> Answer:
    """Asks in a thread: SQLite lets go of the interpreter while it works."""

    def ask() -> Answer:
        if not hasattr(_own, "connection"):
            _own.connection = connect()
        return question(_own.connection)

    return await asyncio.get_running_loop().run_in_executor(_threads, ask)


def schema_of(connection: sqlite3.Connection, dataset_id: UUID) -> Schema:
    questions = "SELECT name, id, json_extract(settings, '$.type') FROM questions WHERE dataset_id = ?"
    metadata = "SELECT name, json_extract(settings, '$.type') FROM metadata_properties WHERE dataset_id = ?"
    return Schema(
        {name: Question(id, type) for name, id, type in connection.execute(questions, (dataset_id.hex,))},
        dict(connection.execute(metadata, (dataset_id.hex,)).fetchall()),
    )


@SearchEngine.register("sqlite")
class SqliteEngine(SearchEngine):
    """What argilla_server.search_engine.base asks of an engine."""

    @classmethod
    async def new_instance(cls) -> "SqliteEngine":
        return cls()

    async def close(self) -> None:
        pass

    async def ping(self) -> bool:
        return True

    async def info(self) -> dict[str, str]:
        return {"engine": "sqlite", "version": sqlite3.sqlite_version}

    async def create_index(self, dataset: Any) -> None:
        pass

    async def delete_index(self, dataset: Any) -> None:
        await _ask(text.bring_up_to_date)

    async def configure_metadata_property(self, dataset: Any, metadata_property: Any) -> None:
        pass

    async def configure_index_vectors(self, vector_settings: Any) -> None:
        pass

    async def index_records(self, dataset: Any, records: Iterable[Any]) -> None:
        """Indexes texts when they come, so that the first search does not wait for all of them."""
        await _ask(text.bring_up_to_date)

    async def partial_record_update(self, record: Any, **update: Any) -> None:
        pass

    async def delete_records(self, dataset: Any, records: Iterable[Any]) -> None:
        await _ask(text.bring_up_to_date)

    async def update_record_response(self, response: Any) -> None:
        pass

    async def delete_record_response(self, response: Any) -> None:
        pass

    async def update_record_suggestion(self, suggestion: Any) -> None:
        pass

    async def delete_record_suggestion(self, suggestion: Any) -> None:
        pass

    async def get_dataset_progress(self, dataset: Any) -> dict[str, int]:
        """{"total": n, "pending": n, "completed": n}; a status that no record has is left out."""
        counts = await _ask(
            lambda connection: connection.execute(
                "SELECT status, count(*) FROM records WHERE dataset_id = ? GROUP BY status", (dataset.id.hex,)
            ).fetchall()
        )
        return {"total": sum(count for _, count in counts), **dict(counts)}

    async def get_dataset_user_progress(self, dataset: Any, user: Any) -> dict[str, int]:
        """{"total": n, "submitted": n, "draft": n, "discarded": n}: the user's responses."""
        counts = await _ask(
            lambda connection: connection.execute(
                """SELECT p.status, count(*) FROM responses p JOIN records r ON r.id = p.record_id
                   WHERE r.dataset_id = ? AND p.user_id = ? GROUP BY p.status""",
                (dataset.id.hex, user.id.hex),
            ).fetchall()
        )
        return {"total": sum(count for _, count in counts), **dict(counts)}

    async def count_assigned(self, dataset: Any, user: Any) -> int | None:
        """How many records the user's pending queue holds; None where records are not shared out to this user."""

        def count(connection: sqlite3.Connection) -> int | None:
            schema = schema_of(connection, dataset.id)
            if not has_assignments(user, schema):
                return None
            found = waits_for(user, schema)
            (answer,) = connection.execute(
                f"SELECT count(*) FROM records r WHERE r.dataset_id = ? AND r.status = 'pending' AND {found.sql}",
                (dataset.id.hex, *found.values),
            ).fetchone()
            return int(answer)

        return await _ask(count)

    async def search(
        self,
        dataset: Any,
        query: TextQuery | str | None = None,
        filter: Any = None,
        sort: list[Any] | None = None,
        offset: int = 0,
        limit: int = 100,
        user_id: Any = None,
    ) -> SearchResponses:
        """One page of the records that pass, in order, and how many pass in all. `user_id` shuffles nothing here."""

        def search(connection: sqlite3.Connection) -> SearchResponses:
            schema = schema_of(connection, dataset.id)
            found = _passing(connection, dataset, schema, query, filter)
            orders = [ordering(order, schema) for order in sort or []]
            by = ", ".join([*(order.sql for order in orders), default_ordering(schema)])
            values = (*found.values, *(value for order in orders for value in order.values))
            rows = connection.execute(
                f"SELECT r.id, count(*) OVER () FROM records r WHERE {found.sql} ORDER BY {by} LIMIT ? OFFSET ?",
                (*values, limit, offset),
            ).fetchall()
            total = rows[0][1] if rows else 0
            if not rows and offset:
                counting = f"SELECT count(*) FROM records r WHERE {found.sql}"
                (total,) = connection.execute(counting, found.values).fetchone()
            items = [SearchResponseItem(record_id=UUID(record_id), score=1.0) for record_id, _ in rows]
            return SearchResponses(items=items, total=total)

        return await _ask(search)

    async def similarity_search(
        self,
        dataset: Any,
        vector_settings: Any,
        value: list[float] | None = None,
        record: Any = None,
        query: TextQuery | str | None = None,
        filter: Any = None,
        max_results: int = 100,
        order: str = "most_similar",
        threshold: float | None = None,
    ) -> SearchResponses:
        """The records nearest to a vector by their cosine, of those that pass; scores are (1 + cosine) / 2.

        The record that the vector comes from is left out. Of `least_similar` the score is (1 - cosine) / 2.
        """
        if bool(value) == bool(record):
            raise ValueError("Must provide either vector value or record to compute the similarity search")
        wanted = value or record.vector_value_by_vector_settings(vector_settings)
        if not wanted:
            raise ValueError("Cannot find a vector value to apply with provided info")
        sign = -1.0 if order == "least_similar" else 1.0

        def search(connection: sqlite3.Connection) -> SearchResponses:
            schema = schema_of(connection, dataset.id)
            found = _passing(connection, dataset, schema, query, filter)
            if record is not None:
                found &= Clause("r.id <> ?", (record.id.hex,))
            rows = connection.execute(
                "SELECT r.id, vectors.value FROM records r JOIN vectors ON vectors.record_id = r.id"
                f" WHERE vectors.vector_settings_id = ? AND {found.sql} ORDER BY {default_ordering(schema)}",
                (vector_settings.id.hex, *found.values),
            )
            ids: list[str] = []
            parts = [numpy.empty(0)]
            while some := rows.fetchmany(VECTORS_AT_ONCE):
                ids += [record_id for record_id, _ in some]
                parts.append(_cosines(numpy.array([json.loads(vector) for _, vector in some], float), wanted))
            # Rounded, so that equal vectors stay in the order of the queue, whichever way the sums were made.
            scores = numpy.round((1 + sign * numpy.concatenate(parts)) / 2, 7)
            nearest = numpy.argsort(-scores, kind="stable")[:max_results]
            items = [SearchResponseItem(record_id=UUID(ids[at]), score=float(scores[at])) for at in nearest]
            if threshold is not None:
                items = [item for item in items if item.score >= threshold]
            return SearchResponses(items=items, total=len(items))

        return await _ask(search)

    async def compute_metrics_for(
        self, metadata_property: Any
    ) -> TermsMetrics | IntegerMetadataMetrics | FloatMetadataMetrics:
        """Of terms how often each stands, the most frequent first; of numbers the least and the greatest."""
        kind = metadata_property.settings["type"]
        values = metadata_values(metadata_property.name, kind)
        dataset_id = metadata_property.dataset_id.hex

        def compute(connection: sqlite3.Connection) -> TermsMetrics | IntegerMetadataMetrics | FloatMetadataMetrics:
            rows = f"FROM records r, {values.rows.sql} AND r.dataset_id = ?"
            bound = (*values.rows.values, dataset_id)
            if kind == "terms":
                counts = connection.execute(
                    f"SELECT {values.expression} AS term, count(*) {rows} GROUP BY term ORDER BY 2 DESC, 1",
                    bound,
                ).fetchall()
                return TermsMetrics(
                    total=sum(count for _, count in counts),
                    values=[TermsMetrics.TermCount(term=term, count=count) for term, count in counts],
                )
            least, greatest = connection.execute(
                f"SELECT min({values.expression}), max({values.expression}) {rows}",
                bound,
            ).fetchone()
            metrics = IntegerMetadataMetrics if kind == "integer" else FloatMetadataMetrics
            return metrics(min=least, max=greatest)

        return await _ask(compute)


def _passing(
    connection: sqlite3.Connection, dataset: Any, schema: Schema, query: TextQuery | str | None, filter: Any
) -> Clause:
    """The dataset's records `r` that a text query and a filter let through."""
    found = Clause("r.dataset_id = ?", (dataset.id.hex,))
    if filter is not None:
        found &= condition(filter, schema)
    if query is not None:
        text.bring_up_to_date(connection)
        asked = TextQuery(q=query) if isinstance(query, str) else query
        found &= text_query.condition(asked.q, asked.field)
    return found


def _cosines(vectors: Any, wanted: list[float]) -> Any:
    """Of each row with the vector. Nothing is near to a vector of zeros: its cosine counts as 0."""
    to = numpy.array(wanted, float)
    lengths = numpy.linalg.norm(vectors, axis=1) * numpy.linalg.norm(to)
    return numpy.divide(vectors @ to, lengths, out=numpy.zeros(len(vectors)), where=lengths > 0)
