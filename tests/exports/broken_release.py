"""Ways to break a release's promises, one at a time, and what `verify` then says with the packaged structures."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from curation.structures import load_pools, load_structure
from exports.layout import locate, read_columns
from exports.verify import Finding, verify
from schemas.structure import ANSWER
from schemas.think import OPEN

STRUCTURES = {"alttrain": load_structure("alttrain")}

Columns = dict[str, Any]


def check(folder: Path) -> list[Finding]:
    return verify(folder, STRUCTURES, load_pools())


def wrong(folder: Path) -> list[Finding]:
    return [finding for finding in check(folder) if not finding.unchecked]


def change(folder: Path, edit: Callable[[list[Columns]], Any], config: str = "default", split: str = "train") -> None:
    """Lets `edit` work on the rows of a split and writes them back."""
    (path,) = locate(folder).files[config][split]
    rows = read_columns([path])
    schema = pq.read_schema(path)
    edit(rows)
    known = schema if all(set(row) == set(schema.names) for row in rows) else None
    pq.write_table(pa.Table.from_pylist(rows, schema=known), path)


def first(rows: Sequence[Columns], label: str = "harmful") -> Columns:
    return next(row for row in rows if row["label"] == label)


def saying(row: Columns, completion: str) -> None:
    row["completion"][0]["content"] = completion
    row["response"] = completion.removeprefix(f"{OPEN}\n")


def stage(row: Columns, name: str) -> Columns:
    return next(span for span in row["spans"] if span["name"] == name)


def text_of(row: Columns, name: str) -> str:
    span = stage(row, name)
    return str(row["completion"][0]["content"][span["start"] : span["end"]])


def replace_stage(row: Columns, name: str, text: str) -> None:
    """Another text in a stage's place, and all spans moved as they have to be."""
    completion, span = row["completion"][0]["content"], stage(row, name)
    saying(row, completion[: span["start"]] + text + completion[span["end"] :])
    moved = len(text) - (span["end"] - span["start"])
    after = span["end"]
    span["end"] += moved
    for other in row["spans"]:
        if other["start"] >= after:
            other["start"] += moved
            other["end"] += moved


def edit(**values: Any) -> Callable[[list[Columns]], None]:
    return lambda rows: rows[0].update(values)


def empty_answer(rows: list[Columns]) -> None:
    replace_stage(first(rows), ANSWER, "")
