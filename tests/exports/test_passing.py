"""A release in the making: what a killed export left is cleared by the next one, and nothing else is."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.exports.release_folder import write
from tests.release_rows import few

WRITING = """
import sys, time
from pathlib import Path
from tests.exports.release_folder import write
from tests.release_rows import few
def wait(folder, contents):
    print(folder.name, flush=True)
    sys.stdin.read()
write(Path(sys.argv[1]), few(), write_card=wait)
"""


@pytest.fixture
def writing(tmp_path: Path) -> Iterator["subprocess.Popen[str]"]:
    """An export to v1 in the midst of writing; it goes on where its input ends."""
    started = subprocess.Popen(
        [sys.executable, "-c", WRITING, str(tmp_path / "v1")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with started:
        assert started.stdout
        name = started.stdout.readline().strip()
        assert (tmp_path / name).is_dir()
        yield started
        started.kill()


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_what_a_killed_export_left_is_cleared_by_the_next_one(tmp_path: Path, writing: "subprocess.Popen[str]") -> None:
    writing.kill()
    writing.wait()
    (left,) = names(tmp_path)
    assert left.endswith(".partial")
    write(tmp_path / "v1", few())
    assert names(tmp_path) == {"v1"}


def test_an_export_that_is_still_writing_is_left_alone_by_another(
    tmp_path: Path, writing: "subprocess.Popen[str]"
) -> None:
    write(tmp_path / "v2", few())
    writing.communicate()
    assert writing.returncode == 0
    assert names(tmp_path) == {"v1", "v2"}


def test_only_folders_of_the_passing_kind_are_cleared(tmp_path: Path) -> None:
    kept = {".v1.0123456.partial", ".v1.0123abcd.part", "v1.0123abcd.partial", ".hidden"}
    for name in (*kept, ".v1.0123abcd.partial"):
        (tmp_path / name / "data").mkdir(parents=True)
    (tmp_path / ".v1.00000000.partial").write_text("a file")
    (tmp_path / ".v1.11111111.partial").symlink_to(tmp_path / ".hidden")
    write(tmp_path / "v9", few())
    assert names(tmp_path) == {*kept, "v9", ".v1.00000000.partial", ".v1.11111111.partial"}
    assert (tmp_path / ".hidden" / "data").is_dir()
