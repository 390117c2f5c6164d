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
