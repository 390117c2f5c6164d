"""Where argilla-server 2.8.0 is changed at start, and why. Each place is compared with what was read before.

Argilla is feature-frozen and the lock file pins it, so what is changed here will not move by itself. Should it have
moved all the same, the server does not start and says what is not as expected.
"""

import hashlib
import inspect
import sqlite3
import sys
from collections.abc import Callable
from typing import Any

from argilla_server import _app
from argilla_server._version import __version__
from argilla_server.api.handlers.v1.datasets import records as record_handlers
from argilla_server.api.schemas.v1.questions import QuestionSettings
from argilla_server.contexts import datasets
from argilla_server.models import MetadataProperty, Question
from argilla_server.models.metadata_properties import MetadataPropertySettings
from argilla_server.search_engine import SearchEngine
from argilla_server.webhooks.v1 import datasets as dataset_events
from argilla_server.webhooks.v1 import records as record_events
from argilla_server.webhooks.v1 import responses as response_events
from brotli_asgi import BrotliMiddleware
from pydantic import TypeAdapter
from starlette.middleware.gzip import GZipMiddleware

from .engine import SqliteEngine, connect

VERSION = "2.8.0"
READ = {
    "Question.parsed_settings": "5d2f427fe4651063",
    "MetadataProperty.parsed_settings": "263c9f47b2de7832",
    "build_dataset_event": "7152b06a17691224",
    "build_record_event": "97d977a111264526",
    "build_response_event": "86800f9b0da9b161",
    "get_user_dataset_metrics": "cc72a22cc96c7042",
    "_filter_record_metadata_for_user": "37051579176bfa0f",
    "configure_common_middleware": "efad3a2b089c36f5",
}
"""The first digits of the SHA-256 of each source text that was read."""


class Changed(Exception):
    """argilla-server is not the one that these patches were written for."""


def install() -> None:
    """Raises Changed where something is not as expected; nothing is changed then."""
    if __version__ != VERSION:
        raise Changed(f"argilla-server is {__version__}, not {VERSION}")
    events = {
        "build_dataset_event": dataset_events.build_dataset_event,
        "build_record_event": record_events.build_record_event,
        "build_response_event": response_events.build_response_event,
    }
    _compare("Question.parsed_settings", Question.parsed_settings.fget)
    _compare("MetadataProperty.parsed_settings", MetadataProperty.parsed_settings.fget)
    _compare("get_user_dataset_metrics", datasets.get_user_dataset_metrics)
    _compare("_filter_record_metadata_for_user", record_handlers._filter_record_metadata_for_user)
    _compare("configure_common_middleware", _app.configure_common_middleware)
    for name, build in events.items():
        _compare(name, build)
    _keep_adapters()
    _compress_lightly(_app.app)
    record_handlers._filter_record_metadata_for_user = _visible_metadata
    webhooks = connect()
    for build in events.values():
        _replace(build, _unless_nobody_listens(build, webhooks))
    _replace(datasets.get_user_dataset_metrics, _user_metrics(datasets.get_user_dataset_metrics))


def _compare(name: str, function: Callable[..., Any]) -> None:
    digest = hashlib.sha256(inspect.getsource(function).encode()).hexdigest()[:16]
    if digest != READ[name]:
        raise Changed(f"{name} of argilla-server is not the one that was read (it is {digest})")


def _replace(old: Callable[..., Any], new: Callable[..., Any]) -> None:
    """In every module that has imported it by name."""
    for name, module in list(sys.modules.items()):
        if name.startswith("argilla_server"):
            for attribute, value in list(vars(module).items()):
                if value is old:
                    setattr(module, attribute, new)


def _keep_adapters() -> None:
    """Upstream builds a pydantic TypeAdapter, 5 ms, whenever the settings of a question or a metadata property are
    looked at: several times for each record that is written."""
    questions: TypeAdapter[Any] = TypeAdapter(QuestionSettings)
    properties: TypeAdapter[Any] = TypeAdapter(MetadataPropertySettings)
    Question.parsed_settings = property(lambda question: questions.validate_python(question.settings))
    MetadataProperty.parsed_settings = property(lambda own: properties.validate_python(own.settings))


def _compress_lightly(app: Any) -> None:
    """Upstream compresses whatever it sends as far as it goes: a fifth of the time that sending records takes, and no
    gain on one machine. Compressed a little it is still a third of its size for those who are far away."""
    app.user_middleware[:] = [each for each in app.user_middleware if each.cls is not BrotliMiddleware]
    app.add_middleware(GZipMiddleware, minimum_size=1000, compresslevel=1)


async def _visible_metadata(record: Any, user: Any) -> dict[str, Any] | None:
    """Upstream asks the database, for every value of every record that is shown, whether the user is a member of the
    workspace: the search has just made sure of it. Worse, what it has hidden from the user by then is on its way into
    the database with the next such question, and holds its write lock until the reply is sent."""
    metadata: dict[str, Any] | None = record.metadata_
    if metadata is None or user.is_owner:
        return metadata
    known = {each.name: user.role in each.allowed_roles for each in record.dataset.metadata_properties}
    return {name: value for name, value in metadata.items() if known.get(name, user.is_admin)}


class _NoEvent:
    async def notify(self, db: Any) -> list[Any]:
        return []


def _unless_nobody_listens(build: Callable[..., Any], webhooks: sqlite3.Connection) -> Callable[..., Any]:
    """Upstream loads a record's dataset with all its parts, 6 queries, for every record and response that is written,
    to build an event that it drops when it finds no webhook that wants it."""

    async def build_if_wanted(*arguments: Any) -> Any:
        if webhooks.execute("SELECT 1 FROM webhooks WHERE enabled LIMIT 1").fetchone():
            return await build(*arguments)
        return _NoEvent()

    return build_if_wanted


def _user_metrics(metrics: Callable[..., Any]) -> Callable[..., Any]:
    """Upstream counts as pending whatever the user has not answered. Where records are shared out, it is what the
    user's queue holds."""

    async def user_metrics(db: Any, search_engine: SearchEngine, user: Any, dataset: Any) -> dict[str, int]:
        found: dict[str, int] = await metrics(db, search_engine, user, dataset)
        assert isinstance(search_engine, SqliteEngine)
        pending = await search_engine.count_assigned(dataset, user)
        if pending is not None:
            found["pending"] = pending
            found["total"] = sum(found[status] for status in ("pending", "draft", "submitted", "discarded"))
        return found

    return user_metrics
