"""Where the rows of a release stand, and their form as Parquet.

    v1/
      README.md                                       the card; its front matter names configs, splits and files
      manifest.json                                   schemas.release.Manifest
      data/default/train-00000-of-00001.parquet       SftRow
      data/default/test-00000-of-00001.parquet
      data/provenance/train-00000-of-00001.parquet    ProvenanceRow
      data/r1/train-00000-of-00001.parquet            RenderedRow, where that rendering was asked for

Equal rows give equal bytes from one version of pyarrow, and an equal `rows_sha256` from any files.
"""

import hashlib
import io
import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from schemas.errors import ReleaseError
from schemas.release import ProvenanceRow, RenderedRow, SftRow

DEFAULT = "default"
PROVENANCE = "provenance"
SPLITS = ("train", "test")
CARD = "README.md"
MANIFEST = "manifest.json"

FRONT_MATTER = re.compile(r"\ufeff?---[ \t]*\r?\n(.*?)\r?\n---[ \t]*(?:\r?\n|\Z)", re.S)
"""What a card begins with."""

Row = SftRow | ProvenanceRow | RenderedRow

_TEXTS = pa.list_(pa.string())
_SPAN = [("start", pa.int64()), ("end", pa.int64())]
_MESSAGES = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))
_PIECES = pa.list_(
    pa.struct(
        [
            ("stage", pa.string()),
            ("span", pa.struct(_SPAN)),
            ("origin", pa.string()),
            ("source_start", pa.int64()),
            ("wording", pa.string()),
            ("model", pa.string()),
            ("prompt_version", pa.string()),
        ]
    )
)
_OTHER_TYPES: Mapping[type[Row], Mapping[str, pa.DataType]] = {
    SftRow: {
        "prompt": _MESSAGES,
        "completion": _MESSAGES,
        "spans": pa.list_(pa.struct([("name", pa.string()), *_SPAN])),
    },
    ProvenanceRow: {
        "pieces": _PIECES,
        "flags": _TEXTS,
        "deciders": _TEXTS,
        "answers": pa.int64(),
        "agreeing": pa.int64(),
        "edited_stages": _TEXTS,
        "editors": _TEXTS,
        "guidelines": _TEXTS,
    },
    RenderedRow: {},
}


class Located(NamedTuple):
    """What a release folder holds, by what its card says, or where there is none by where files stand."""

    files: Mapping[str, Mapping[str, tuple[Path, ...]]]
    """By config, then split."""
    front_matter: Mapping[str, Any] | None
    """Of the card; None: there is no card, or none in it that can be read."""
    problems: tuple[tuple[str, str], ...]
    """Where and what, each one line."""


def data_path(config: str, split: str) -> str:
    """Where the rows of a config and split stand, relative to the release's folder."""
    return f"data/{config}/{split}-00000-of-00001.parquet"


def front_matter_configs(splits: Mapping[str, Iterable[str]]) -> list[dict[str, Any]]:
    """What the card's front matter says under `configs:`; `splits`: config to its splits, in the order to be shown."""
    return [
        {
            "config_name": config,
            "data_files": [{"split": split, "path": f"data/{config}/{split}-*"} for split in names],
        }
        for config, names in splits.items()
    ]


def arrow_schema(kind: type[Row]) -> pa.Schema:
    """The columns of a row's kind, in its fields' order. What is not named above is text."""
    other = _OTHER_TYPES[kind]
    return pa.schema([(name, other.get(name, pa.string())) for name in kind.model_fields])


def as_columns(row: Row) -> dict[str, Any]:
    """A row as Parquet gives it back: plain values by column."""
    return row.model_dump(mode="json")


def to_parquet(rows: Sequence[Row], kind: type[Row]) -> bytes:
    """A Parquet file of these rows. Raises ReleaseError for a text that is not Unicode (half a surrogate pair)."""
    columns = [as_columns(row) for row in rows]
    try:
        table = pa.Table.from_pylist(columns, schema=arrow_schema(kind))
    except UnicodeEncodeError:
        broken = next(row.id for row, held in zip(rows, columns, strict=True) if not _is_unicode(held))
        raise ReleaseError(
            f"row {broken}: a text holds half of a character (a lone surrogate); reject the row, or mend its source"
        ) from None
    sink = io.BytesIO()
    # Every option that shapes bytes is set here, since a default may change. Chunks that follow the content and a page
    # index let the Hub store only what is new in the next release, and show rows without reading the whole file.
    pq.write_table(
        table,
        sink,
        version="2.6",
        compression="zstd",
        compression_level=9,
        row_group_size=1000,
        data_page_version="1.0",
        use_dictionary=True,
        write_statistics=True,
        write_page_index=True,
        use_content_defined_chunking=True,
        store_schema=True,
    )
    return sink.getvalue()


def main_config(configs: Collection[str]) -> str:
    """Which of a release's configs its rows are in: 'default', or a stranger's only one."""
    return DEFAULT if DEFAULT in configs or len(configs) != 1 else next(iter(configs))


def read_columns(paths: Sequence[Path]) -> list[dict[str, Any]]:
    """The rows of Parquet files as plain values, in order. Raises ReleaseError for a file that cannot be read."""
    rows: list[dict[str, Any]] = []
    for path in paths:
        try:
            rows.extend(pq.ParquetFile(path).read().to_pylist())
        except (OSError, ValueError, pa.ArrowException) as error:
            raise ReleaseError(f"{path}: not a Parquet file that can be read: {_line(error)}") from None
    return rows


def rows_sha256(configs: Mapping[str, Mapping[str, Iterable[Mapping[str, Any]]]]) -> str:
    """The hash of a release's row set: config, split and content of every row, whatever files and order they are in.

    sha256 over the sorted sha256 digests of the lines `config NUL split NUL JSON`, the JSON with sorted keys, no
    blanks, and `\\u` escapes for everything beyond ASCII.
    """
    digests = [
        hashlib.sha256(f"{config}\0{split}\0{_canonical(row)}".encode()).digest()
        for config, splits in configs.items()
        for split, rows in splits.items()
        for row in rows
    ]
    return hashlib.sha256(b"".join(sorted(digests))).hexdigest()


def locate(folder: Path) -> Located:
    """Configs, splits and files of a release folder, ours or another's; a card that points out of it is not followed.

    Raises ReleaseError where `folder` is no folder.
    """
    if not folder.is_dir():
        raise ReleaseError(f"{folder}: no such folder; give the folder of a release, with its Parquet files in it")
    said, problems = _front_matter(folder / CARD)
    configs = said.get("configs") if said is not None else None
    if configs is None:
        return Located(_by_place(folder), said, tuple(problems))
    files: dict[str, dict[str, tuple[Path, ...]]] = {}
    for config, split, pattern in _declared(configs, problems):
        where = f"{CARD}, configs: {config}/{split}"
        if not _inside(pattern):
            problems.append((where, f"{pattern[:80]!a} points out of the release"))
            continue
        found = _matching(folder, pattern)
        if not found:
            problems.append((where, f"no file matches {pattern[:80]!a}"))
        files.setdefault(config, {})[split] = files.get(config, {}).get(split, ()) + found
    return Located(files, said, tuple(problems))


def _front_matter(card: Path) -> tuple[dict[str, Any] | None, list[tuple[str, str]]]:
    import yaml  # 10 ms, and writing needs none

    try:
        if card.exists() and not card.is_file():  # a pipe would be waited for, a device read for ever
            return None, [(CARD, "is no file")]
        text = card.read_text("utf-8")
    except FileNotFoundError:
        return None, []
    except OSError as error:
        return None, [(CARD, f"cannot be read: {error.strerror}")]
    except UnicodeDecodeError:
        return None, [(CARD, "cannot be read: not UTF-8 text")]
    block = FRONT_MATTER.match(text)
    if not block:
        return None, [(CARD, "has no front matter")]
    try:
        said = yaml.safe_load(block[1])
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        return None, [(CARD, f"its front matter is not valid YAML: {_line(error)}")]
    if not isinstance(said, dict):
        return None, [(CARD, "its front matter is not a mapping")]
    return said, []


def _declared(configs: object, problems: list[tuple[str, str]]) -> list[tuple[str, str, str]]:
    """(config, split, pattern) of all that the front matter names in the Hub's full form."""
    declared = []
    for config in configs if isinstance(configs, list) else [configs]:
        match config:
            case {"config_name": str(name), "data_files": list(files)}:
                for file in files:
                    match file:
                        case {"split": str(split), "path": str(pattern)}:
                            declared.append((name, split, pattern))
                        case {"split": str(split), "path": list(patterns)}:
                            declared.extend((name, split, str(pattern)) for pattern in patterns)
                        case _:
                            problems.append((CARD, f"configs: {name}: not a split and a path: {str(file)[:80]!a}"))
            case _:
                problems.append((CARD, f"configs: neither a name nor files: {str(config)[:80]!a}"))
    return declared


def _by_place(folder: Path) -> dict[str, dict[str, tuple[Path, ...]]]:
    """Without a card: data/CONFIG/SPLIT-….parquet, else data/SPLIT-….parquet, else SPLIT-….parquet."""
    files: dict[str, dict[str, tuple[Path, ...]]] = {}
    for pattern in ("data/*/*.parquet", "data/*.parquet", "*.parquet"):
        for path in sorted(folder.glob(pattern)):
            if path.is_file():
                config = path.parent.name if pattern.count("*") == 2 else DEFAULT
                split = path.stem.split("-")[0]
                files.setdefault(config, {})[split] = (*files.get(config, {}).get(split, ()), path)
        if files:
            break
    return files


def _inside(pattern: str) -> bool:
    parts = pattern.replace("\\", "/").split("/")
    return bool(pattern) and not pattern.startswith(("/", "~")) and ".." not in parts and "://" not in pattern


def _matching(folder: Path, pattern: str) -> tuple[Path, ...]:
    try:
        return tuple(sorted(path for path in folder.glob(pattern) if path.is_file()))
    except (ValueError, IndexError, OSError):  # what pathlib says of '**x', of '.', of a name that is too long
        return ()


def _canonical(row: Mapping[str, Any]) -> str:
    return json.dumps(row, sort_keys=True, separators=(",", ":"), default=str)


def _is_unicode(columns: Mapping[str, Any]) -> bool:
    try:
        json.dumps(columns, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
