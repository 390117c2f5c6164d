"""What people read of a run while it goes."""

from pathlib import Path

from curation.cli.console import in_columns
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
