"""Fixtures that several folders of tests share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from curation.review.server.environment import ensure
from schemas.errors import ReviewError
from tests import review_server

BUILD_SECONDS = 900
"""The first test that needs argilla-server's environment may have to make it."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    wanting = (item for item in items if "argilla_python" in getattr(item, "fixturenames", ()))
    if first := next(wanting, None):
        first.add_marker(pytest.mark.timeout(BUILD_SECONDS))


@pytest.fixture(scope="session")
def argilla_python() -> Path:
    """The interpreter of argilla-server's environment, which is made in the cache if it is not there yet."""
    try:
        return ensure(print)
    except ReviewError as error:
        pytest.skip(f"argilla-server's environment cannot be made here: {error}")


@pytest.fixture(scope="session")
def argilla_server(
    argilla_python: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[review_server.ReviewServer]:
    server = review_server.start(tmp_path_factory.mktemp("review") / "argilla")
    yield server
    server.close()
