"""A run's folder: what was asked, what it trains, how far it is, what came of it.

runs/NAME/
  config.json            schemas.training.RunConfig
  rows.jsonl             the very rows that are trained (SftRow), in their order
  test.jsonl             those of the test split
  proof.json             schemas.training.Proof
  checkpoints/           to go on from; one that was being written when the run was stopped is never used
  log.jsonl, loss.csv, loss.png
  samples.jsonl          before and after, benign prompts; with all weights trained, those before as soon as made
  samples.harmful.jsonl  the same of harmful prompts: stays on this machine
  model/                 the adapter, or all weights, with the tokenizer and a card
  record.json            schemas.training.RunRecord, last of all: a run without it is not finished
"""

import json
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from schemas.ablation import ABLATION, Ablation
from schemas.errors import TrainError
from schemas.release import SftRow
from schemas.training import RECORD as RECORD
from schemas.training import RunConfig, RunRecord, Sample

CONFIG, ROWS, TEST, PROOF = "config.json", "rows.jsonl", "test.jsonl", "proof.json"
LOG, SAMPLES, HARMFUL_SAMPLES = "log.jsonl", "samples.jsonl", "samples.harmful.jsonl"
MODEL, CARD, CHECKPOINTS = "model", "README.md", "checkpoints"
COMPLETE = "complete"
"""A file that a checkpoint gets when it has been written to its end."""

_Value = TypeVar("_Value", bound=BaseModel)


def model_in(folder: Path) -> Path:
    """Of a run's folder that of its model; any other folder is taken for a model's own."""
    return folder / MODEL if (folder / MODEL).is_dir() else folder


def create(folder: Path, config: RunConfig, rows: Sequence[SftRow], tests: Sequence[SftRow]) -> None:
    """A new run's folder, whole or not at all. Raises TrainError where there is one of that name, or it cannot be
    written."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir()
    except FileExistsError:
        if not folder.parent.is_dir():
            raise TrainError(f"{folder}: cannot be made: {folder.parent} is a file; choose another --out") from None
        raise TrainError(
            f"{folder}: is there already; go on with it by --resume, or choose another --out for a new run"
        ) from None
    except OSError as error:
        raise TrainError(f"{folder}: cannot be made: {error.strerror}") from None
    try:
        write_lines(folder / ROWS, rows)
        write_lines(folder / TEST, tests)
        write(folder / CONFIG, config)
    except BaseException as error:
        shutil.rmtree(folder, ignore_errors=True)  # half a folder could neither begin nor go on
        if isinstance(error, OSError):
            mend = f"{error.strerror}; make room, or choose another --out"
        elif isinstance(error, ValueError):  # half a surrogate pair, as a system prompt of the command line may hold
            mend = f"what is asked for is no text: {error}; take it out of --system and the names"
        else:
            raise
        raise TrainError(f"{folder}: cannot be written: {mend}") from error


def read_config(folder: Path) -> RunConfig:
    """What the run was asked for. Raises TrainError where `folder` is no run's."""
    return _read(folder / CONFIG, RunConfig)


def require_none(other: Sequence[str], folder: Path) -> None:
    """Raises TrainError where `folder` was begun with other options than those that are asked for now."""
    if other:
        raise TrainError(
            f"{folder}: was begun with other options ({', '.join(other)}); go on with the same, or choose another --out"
        )


def read_record(folder: Path) -> RunRecord | None:
    """What came of the run; None where it is not finished. Raises TrainError for a record that is not one."""
    return _read(folder / RECORD, RunRecord) if (folder / RECORD).exists() else None


def read_ablation(folder: Path) -> Ablation:
    """What an ablation's folder holds. Raises TrainError where it is none."""
    return _read(folder / ABLATION, Ablation)


def read_rows(path: Path) -> list[SftRow]:
    """The rows of `rows.jsonl` or `test.jsonl`. Raises TrainError where the file is not there, or a line is no row."""
    return _read_lines(path, SftRow)


def put(path: Path, data: bytes) -> None:
    """A file, whole or not at all."""
    passing = path.with_name(f".{path.name}.partial")
    passing.write_bytes(data)
    passing.replace(path)


def write(path: Path, value: BaseModel) -> None:
    """A value as JSON."""
    put(path, (value.model_dump_json(indent=2) + "\n").encode())


def write_lines(path: Path, values: Iterable[BaseModel]) -> None:
    """Values as JSON Lines; every character beyond ASCII is escaped, so a line is a line."""
    put(path, "".join(json.dumps(value.model_dump(mode="json")) + "\n" for value in values).encode("ascii"))


def write_samples(folder: Path, samples: Sequence[Sample]) -> None:
    """Samples in two files: what was said to harmful prompts may be harmful, and is kept apart."""
    write_lines(folder / SAMPLES, [one for one in samples if one.label == "benign"])
    write_lines(folder / HARMFUL_SAMPLES, [one for one in samples if one.label == "harmful"])


def read_samples(folder: Path) -> dict[str, Sample]:
    """By row id, those that are there. `after` is empty until the run is finished. Raises TrainError for a line that is
    none."""
    paths = [folder / name for name in (SAMPLES, HARMFUL_SAMPLES) if (folder / name).exists()]
    return {one.id: one for path in paths for one in _read_lines(path, Sample)}


def last_checkpoint(folder: Path) -> Path | None:
    """The newest checkpoint that was written to its end."""
    found = [path for path in _checkpoints(folder) if (path / COMPLETE).exists()]
    return max(found, key=_step_of, default=None)


def drop_broken_checkpoints(folder: Path) -> None:
    """Removes what was being written when the run was stopped."""
    for path in _checkpoints(folder):
        if not (path / COMPLETE).exists():
            shutil.rmtree(path)


def _checkpoints(folder: Path) -> list[Path]:
    return [path for path in (folder / CHECKPOINTS).glob("checkpoint-*") if path.is_dir()]


def _step_of(checkpoint: Path) -> int:
    return int(checkpoint.name.rpartition("-")[2])


def _read(path: Path, kind: type[_Value]) -> _Value:
    return _parse(_bytes(path), kind, str(path))


def _read_lines(path: Path, kind: type[_Value]) -> list[_Value]:
    lines = enumerate(_bytes(path).split(b"\n"), 1)
    return [_parse(line, kind, f"{path}: line {number}") for number, line in lines if line]


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise TrainError(f"{path}: is not there; `curate train RELEASE --preset NAME` makes a run's folder") from None
    except OSError as error:
        raise TrainError(f"{path}: cannot be read: {error.strerror}") from None


def _parse(data: bytes, kind: type[_Value], where: str) -> _Value:
    try:
        return kind.model_validate_json(data)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise TrainError(f"{where}: not a {kind.__name__} of this version: {place}: {first['msg']}") from None
