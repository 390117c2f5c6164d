"""A run's folder is made whole or not at all."""

import resource
from pathlib import Path

import pytest

from exports.dataset import rows_of
from schemas.errors import TrainError
from tests.release_rows import many
from tests.train.records import record
from train.record import create


def test_a_folder_that_does_not_fit_on_the_disk_is_one_line_and_is_not_left_there(tmp_path: Path) -> None:
    rows = rows_of(many(2, 2))
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64, limit[1]))  # Python is told of it as of a full disk, by an error
    try:
        with pytest.raises(TrainError, match=r"cannot be written: .*make room") as told:
            create(tmp_path / "run", record().config, rows, [])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert "\n" not in str(told.value)
    assert not (tmp_path / "run").exists()
    create(tmp_path / "run", record().config, rows, [])


def test_what_is_asked_for_that_is_no_text_leaves_no_half_folder(tmp_path: Path) -> None:
    config = record().config.model_copy(update={"system": ("Be kind.\udcff",)})
    with pytest.raises(TrainError, match=r"cannot be written: .* is no text: .*; take it out of --system") as told:
        create(tmp_path / "run", config, rows_of(many(2, 2)), [])
    assert str(told.value).isprintable()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_inside_a_file_is_not_said_to_be_there(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(TrainError, match=r"x: cannot be made: .*file is a file; choose another --out"):
        create(tmp_path / "file" / "x", record().config, [], [])
    (tmp_path / "there").symlink_to(tmp_path / "gone")
    with pytest.raises(TrainError, match="is there already"):
        create(tmp_path / "there", record().config, [], [])
