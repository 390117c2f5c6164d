"""What people read of a run while it goes."""

from pathlib import Path

import pytest

from curation.cli.console import in_columns
from schemas.errors import TrainError
from tests.train.records import record
from train.progress import Log


def test_lines_of_steps_stand_below_each_other_and_no_text_acts_on_the_terminal(tmp_path: Path) -> None:
    proof = record().proof
    lines: list[str] = []
    log = Log(tmp_path / "log.jsonl", tmp_path, proof, 0.0, lambda line: lines.append(in_columns(line)))
    log.begin(0)
    for step in (1, 15, 300):
        log.step(step, step / 20, {"num_tokens": 2, "loss": 2.5, "learning_rate": 1e-5})
    assert len(lines) == 3
    for column in ("epoch", "loss", "tokens/s", "left"):
        assert len({line.index(column) for line in lines}) == 1, lines
    assert in_columns("GPU\n  of\x1b[2J mine") == r"GPU\n  of\x1b[2J mine"


def test_a_torn_last_line_of_the_log_is_dropped_and_an_earlier_one_is_named(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"

    def log() -> Log:
        return Log(path, tmp_path, record().proof, 0.0, print)

    first = log()
    first.begin(0)
    for step in (1, 2):
        first.step(step, step / 20, {"num_tokens": 2 * step, "loss": 2.5, "learning_rate": 1e-5})
    whole = path.read_text()
    for torn in ('{"step": 3, "epo', "\0\0\0", '{"step": 3}'):
        path.write_text(whole + torn)
        again = log()
        again.begin(2)
        assert again.points == first.points
        assert again.resumed_at == (2,)
    for torn in ('{"step": 3, "epo', "[]", '{"step": "x"}'):
        path.write_text(f"{torn}\n{whole}")
        with pytest.raises(TrainError, match=r"log.jsonl: line 1 is no step of a run; take that line out"):
            log().begin(2)
    path.write_text("")
    with pytest.raises(TrainError, match="holds no step"):
        log().begin(300)
