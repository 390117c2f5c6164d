"""A sound release, and copies of it to be broken."""

import shutil
from pathlib import Path

import pytest

from tests.exports.release_folder import write
from tests.release_rows import few, many


@pytest.fixture(scope="session")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("releases") / "v1"
    write(folder, [*few(), *many(10, 10)], renders=("r1", "qwen3"))
    return folder


@pytest.fixture
def folder(sound: Path, tmp_path: Path) -> Path:
    """A release of the test's own, to be broken."""
    return Path(shutil.copytree(sound, tmp_path / "v1"))
