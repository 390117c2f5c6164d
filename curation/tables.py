"""Files and datasets as rows of columns, one by one: a row that cannot be parsed is its reason instead.

Nothing here knows what a column means; that is sources.py's.
"""

import csv
import json
import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO, NamedTuple

from schemas.errors import SourceError
from schemas.hub import hub_address

MAX_ROW_BYTES = 1_000_000
"""A longer row is skipped unread, so that no row can fill the memory. The longest real one seen has 25 KB."""

TOO_LONG = f"longer than {MAX_ROW_BYTES / 1e6:.0f} MB, the most that is read of a row"
LONE_RETURN = "a carriage return alone, outside of quotes; if it ends the lines: tr '\\r' '\\n' < FILE > mended"
SUFFIXES = (".jsonl", ".ndjson", ".csv", ".tsv", ".parquet")
"""What is read of a folder. A file named by itself may also be .json, with a row a line."""
HUB_SECONDS = 10.0
"""The longest wait for the Hub's first answer."""
_BATCH = 256

Rows = Iterator[tuple[int, Mapping[str, object] | str]]
"""Line (text files) or number of the row, from 1, with the row by columns, or with the reason why it cannot be read."""


class Table(NamedTuple):
    name: str
    rows: Rows
    dataset: str | None
    """Its id, where it is one on the Hub."""


def open_file(path: Path, name: str) -> Table:
    """The table of a file, by its suffix; `name` is for messages. Reading its rows raises SourceError, as this does."""
    suffix = path.suffix.lower()
    if suffix not in (*SUFFIXES, ".json"):
        raise SourceError(
            f"{name}: files are read that end in {' '.join(SUFFIXES)}; convert it, or rename it if it is one"
        )
    if suffix == ".parquet":
        return Table(name, _read_parquet(path, name), None)
    if suffix in (".csv", ".tsv"):
        return Table(name, _read_csv(path, name, "," if suffix == ".csv" else "\t"), None)
    return Table(name, _read_json_lines(path, name), None)


def open_dataset(dataset: str, revision: str | None, split: str | None) -> Table:
    """A dataset on the Hub, streamed. Raises SourceError where it, the revision or the split cannot be had;
    UsageError where HF_ENDPOINT is no address."""
    name = f"{dataset}@{revision}" if revision else dataset
    _require_hub(name)
    import datasets

    datasets.disable_progress_bars()
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)  # or each of its retries is a line on the screen
    with _reachable(name):
        splits = datasets.load_dataset(dataset, revision=revision, streaming=True)
    chosen = split or ("train" if "train" in splits else next(iter(splits)) if len(splits) == 1 else None)
    if chosen not in splits:
        wanted = f"no split {split!r}" if split else "several splits"
        raise SourceError(f"{name}: {wanted}; choose one with --split: {', '.join(splits)}")
    return Table(f"{name}:{chosen}", _read_dataset(splits[chosen], name), dataset)


def _require_hub(name: str) -> None:
    """Raises SourceError where the Hub gives no answer at all: `datasets` would try again for half a minute."""
    from http.client import HTTPException
    from ssl import SSLError
    from urllib.error import HTTPError, URLError
    from urllib.request import urlopen

    hub_address(os.environ.get("HF_ENDPOINT"))
    from huggingface_hub.constants import ENDPOINT

    try:
        urlopen(ENDPOINT, timeout=HUB_SECONDS).close()  # noqa: S310 (http and https, as huggingface_hub takes it)
    except (HTTPError, SSLError, HTTPException):
        pass  # an answer: what is wrong with it, `datasets` says better
    except OSError as error:
        reason = error.reason if isinstance(error, URLError) else error
        if not isinstance(reason, SSLError):
            raise SourceError(
                f"{name}: no such folder here, and the Hub ({ENDPOINT}) cannot be reached: {reason}; check the network"
            ) from None


def is_undecoded(character: str) -> bool:
    """Whether the character stands for a byte that was not UTF-8."""
    return "\udc80" <= character <= "\udcff"


def _read_json_lines(path: Path, name: str) -> Rows:
    with _open(path, name) as file:
        if file.peek(64).lstrip()[:1] == b"[":
            raise SourceError(
                f"{name}: one JSON array, not a row a line; jq -c '.[]' {path.name} > rows.jsonl makes it so"
            )
        number = 0
        while line := file.readline(MAX_ROW_BYTES + 1):
            number += 1
            if len(line) > MAX_ROW_BYTES:
                while line and not line.endswith(b"\n"):
                    line = file.readline(1 << 16)
                yield number, TOO_LONG
            elif not line.isspace():
                yield number, _parse_json(_decode(line))


def _parse_json(line: str) -> Mapping[str, object] | str:
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        return f"not JSON: {error.msg} at character {error.pos + 1}"
    except RecursionError:
        return "not JSON that can be read: nested too deeply"
    except ValueError as error:  # an integer of thousands of digits
        return f"not JSON that can be read: {error}"
    return row if isinstance(row, dict) else "not a JSON object: a row is {…} on one line"


class _CsvLines:
    """Hands lines to csv.reader, which may take several for one row, and skips a row that grows too long."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.ended = 0
        self.begin_row()

    def begin_row(self) -> None:
        self.start = self.ended + 1
        self.size = self.quotes = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._take(MAX_ROW_BYTES + 1)
        if not line:
            raise StopIteration
        if self.size > MAX_ROW_BYTES:
            # Outside of quotes a line's end is a row's end; an even number of quotes is outside.
            while line and not (line.endswith(b"\n") and self.quotes % 2 == 0):
                line = self._take(1 << 16)
            raise csv.Error(f"{TOO_LONG} (or a quote that is never closed)")
        return _decode(line)

    def _take(self, limit: int) -> bytes:
        line = self.file.readline(limit)
        self.ended += line.endswith(b"\n")
        self.size += len(line)
        self.quotes += line.count(b'"')
        return line


def _read_csv(path: Path, name: str, delimiter: str) -> Rows:
    csv.field_size_limit(max(csv.field_size_limit(), MAX_ROW_BYTES))  # its own limit is 128 KB, less than a long trace
    with _open(path, name) as file:
        lines = _CsvLines(file)
        reader = csv.reader(lines, delimiter=delimiter, strict=True)
        header: list[str] = []
        while True:
            lines.begin_row()
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                said = LONE_RETURN if "new-line character" in str(error) else str(error)
                if not header:
                    raise SourceError(f"{name}: the first line must name the columns: {said}") from None
                yield lines.start, f"not CSV: {said}"
                continue
            if not header:
                header = cells
                if len(set(header)) < len(header):
                    raise SourceError(f"{name}: two columns have the same name; rename one in the first line")
            elif len(cells) == len(header):
                yield lines.start, dict(zip(header, cells, strict=True))
            elif cells:
                yield lines.start, f"{len(cells)} cells where the first line names {len(header)} columns"


def _read_parquet(path: Path, name: str) -> Rows:
    import pyarrow
    from pyarrow import parquet

    try:
        # The buffer makes it read a column piece by piece: without one a whole row group is in memory.
        with parquet.ParquetFile(path, buffer_size=1 << 16) as file:
            columns = file.schema_arrow.names
            if len(set(columns)) < len(columns):
                raise SourceError(f"{name}: two columns have the same name; rename one")
            number = 0
            for batch in file.iter_batches(batch_size=_BATCH, use_threads=False):
                for row in batch.to_pylist():
                    number += 1
                    yield number, row
    except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as error:
        raise SourceError(f"{name}: not a Parquet file that can be read: {_first_line(error)}") from None


def _read_dataset(rows: Iterator[dict[str, object]], name: str) -> Rows:
    with _reachable(name):
        yield from enumerate(rows, 1)


@contextmanager
def _reachable(name: str) -> Iterator[None]:
    from datasets.exceptions import DatasetsError

    try:
        yield
    except (DatasetsError, OSError, ValueError) as error:
        raise SourceError(
            f"{name}: no such folder here, and not to be read from the Hub: {_first_line(error)} "
            "(check the name, the network and, for a set behind a form, HF_TOKEN)"
        ) from None


@contextmanager
def _open(path: Path, name: str) -> Iterator[BufferedReader]:
    """A text file as bytes, after its byte order mark. Raises SourceError where it is not UTF-8 for sure."""
    try:
        with path.open("rb") as file:
            start = file.peek(64)[:64]
            if start.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in start:
                raise SourceError(
                    f"{name}: not UTF-8 text; if it is UTF-16: iconv -f UTF-16 -t UTF-8 {path.name} > mended"
                )
            if start.startswith(b"\xef\xbb\xbf"):
                file.seek(3)
            yield file
    except OSError as error:
        raise SourceError(f"{name}: cannot be read: {error.strerror}") from None


def _decode(line: bytes) -> str:
    # Bytes that are not UTF-8 become characters that no text holds, so that the row is refused and not the file.
    return line.decode("utf-8", "surrogateescape")


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)
