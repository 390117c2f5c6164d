"""Prompts and traces out of files and datasets: JSONL, CSV, Parquet, the Hub, the packaged examples.

    for row in read_source("seeds/*.jsonl"):
        SourceRow(seed=…, trace=…, label=Label.HARMFUL, where="seeds/a.jsonl:1")
        BadRow(where="seeds/a.jsonl:2", reason="no prompt in column 'prompt'")

Rows come one by one, and only a few are held at a time, so a file may be larger than the memory. A row that cannot be
used is a `BadRow` and the next one follows, and so is a file among several that cannot be read; one file that cannot
be read at all raises SourceError. Texts are taken to the character: never evaluated, stripped or normalised. What the
columns mean is field_maps.py's.
"""

import glob
import json
import re
from collections.abc import Iterator, Mapping
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

from curation import tables
from curation.field_maps import (
    FIELDS,
    Field,
    FieldMap,
    find_field_map,
    parse_category,
    parse_label,
    parse_style,
    recognise,
    resembling,
)
from curation.tables import Table
from schemas import think
from schemas.errors import SourceError
from schemas.example import Label, Seed, Trace, identify, seed_id, trace_id

MAX_PROMPT_CHARACTERS = 100_000
"""About 25,000 tokens: most of what the context of a reasoning model holds."""

PACKAGED = "packaged"
_HUB_ID = re.compile(r"(?P<dataset>\w[\w.-]*/\w[\w.-]*)(@(?P<revision>[\w./-]+))?")
NAMED = 20
"""Columns that a message names; some sets have hundreds."""
_HEAD = 20
"""Rows looked at to learn the columns: a row of JSON may leave out what others have."""

_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
_KINDS = {bool: "true or false", int: "a number", float: "a number", list: "a list", dict: "an object", bytes: "binary"}


class SourceRow(NamedTuple):
    """A usable row. The seed's family is made of its source and the name given there ('1' in two sources is not one
    family); where none is given it is '' until families are computed."""

    seed: Seed
    trace: Trace | None
    label: Label | None
    where: str
    """File and line (Parquet, Hub: number of the row), from 1."""
    note: str
    """What of the row was left out and why, e.g. a reply without reasoning; mostly ''."""


class BadRow(NamedTuple):
    where: str
    reason: str


def file_of(where: str) -> str:
    """The file, or part of a dataset, that a row's place is in."""
    return re.sub(r":\d+$", "", where)


class _Refused(Exception):
    """The reason why a row is a bad one. Stays within this module."""


class _Reading(NamedTuple):
    """How the rows of one table are read."""

    columns: Mapping[Field, str]
    source: str
    dataset: str | None
    """Where the rows' own source is a part of this dataset, e.g. the set that STAR-1 took a prompt from."""
    license: str | None
    label: Label | None
    model: str | None


class _Reply(NamedTuple):
    reasoning: str | None
    answer: str
    note: str = ""


def read_source(
    spec: str,
    *,
    fields: str | None = None,
    mapping: Mapping[str, str] | None = None,
    revision: str | None = None,
    split: str | None = None,
    license: str | None = None,
    source: str | None = None,
) -> Iterator[SourceRow | BadRow]:
    """The rows of a file, folder or glob, of a dataset on the Hub ("org/name" or "org/name@revision"), or "packaged".

    `fields` names a field map; without it the columns decide. `mapping` says, field by field, which column holds it,
    and "" that none does. `split` is for the Hub: "train", or the only one there is, where it is not given. `license`
    and `source` are for rows that do not say theirs; a source that nobody names is the dataset's id or the file's name.

    Raises SourceError, in one line, for what cannot be read at all: no such file or dataset (both before the first row
    is asked for), an empty file, another encoding, no column that holds the prompt.
    """
    chosen = find_field_map(fields) if fields else None
    for name in mapping or {}:
        if name not in FIELDS:
            raise SourceError(f"--map {name}=…: there is no field {name!r}, only {', '.join(FIELDS)}")
    found = _find(spec, revision, split)
    return _read(found, chosen, mapping or {}, license, source)


def _find(spec: str, revision: str | None, split: str | None) -> list[Table]:
    path = Path(spec).expanduser()
    hub = _HUB_ID.fullmatch(spec)
    paths: list[Path]
    is_dataset = hub and not path.exists() and not glob.has_magic(spec) and path.suffix.lower() not in tables.SUFFIXES
    if (revision or split) and not is_dataset:
        raise SourceError(
            f"{spec}: a file has no revision or split; --revision and --split are for datasets on the Hub"
        )
    if spec == PACKAGED:
        return [tables.open_file(path, f"{PACKAGED}/{path.name}") for path in _packaged_files()]
    if path.is_dir():
        paths = [
            file
            for file in sorted(path.rglob("*"))
            if file.suffix.lower() in tables.SUFFIXES
            and file.is_file()
            and not any(part.startswith(".") for part in file.relative_to(path).parts)
        ]
        if not paths:
            raise SourceError(f"{spec}: no file in this folder ends in {' '.join(tables.SUFFIXES)}")
    elif path.exists():
        paths = [path]
    elif glob.has_magic(spec):
        names = sorted(glob.glob(str(path), recursive=True))  # noqa: PTH207 (Path.glob takes no absolute pattern)
        paths = [path for path in map(Path, names) if path.is_file()]
        if not paths:
            raise SourceError(f"{spec}: no file matches")
    elif is_dataset:
        assert hub
        if revision and hub["revision"] and revision != hub["revision"]:
            raise SourceError(f"{spec}: two revisions, {hub['revision']!r} and {revision!r}; give one")
        return [tables.open_dataset(hub["dataset"], revision or hub["revision"], split)]
    else:
        raise SourceError(
            f"{spec}: no such file or folder; a dataset on the Hub is written org/name, the examples {PACKAGED!r}"
        )
    return [tables.open_file(path, str(path)) for path in paths]


def packaged_examples() -> list[dict[str, str | None]]:
    """The rows of the packaged examples, as they stand in their files."""
    return [json.loads(line) for path in _packaged_files() for line in path.read_text("utf-8").splitlines()]


def _packaged_files() -> list[Path]:
    return sorted((Path(str(files("curation"))) / "examples").glob("*.jsonl"))


def _read(
    found: list[Table],
    chosen: FieldMap | None,
    mapping: Mapping[str, str],
    license: str | None,
    source: str | None,
) -> Iterator[SourceRow | BadRow]:
    for table in found:
        try:
            yield from _read_table(table, chosen, mapping, license, source)
        except SourceError as error:
            if len(found) == 1:
                raise
            yield BadRow(table.name, str(error).removeprefix(f"{table.name}: "))


def _read_table(
    table: Table, chosen: FieldMap | None, mapping: Mapping[str, str], license: str | None, source: str | None
) -> Iterator[SourceRow | BadRow]:
    reading: _Reading | None = None
    head: list[tuple[int, Mapping[str, object] | str]] = []
    empty = True
    for number, row in table.rows:
        empty = False
        if reading is None and (head or not isinstance(row, str)):
            head.append((number, row))
            if len(head) == _HEAD:
                reading = _plan(table, head, chosen, mapping, license, source)
                yield from (_convert(table, *numbered, reading) for numbered in head)
        else:
            yield _convert(table, number, row, reading)
    if reading is None and head:
        reading = _plan(table, head, chosen, mapping, license, source)
        yield from (_convert(table, *numbered, reading) for numbered in head)
    if empty:
        raise SourceError(f"{table.name}: no rows in it; was it written to the end?")


def _plan(
    table: Table,
    head: list[tuple[int, Mapping[str, object] | str]],
    chosen: FieldMap | None,
    mapping: Mapping[str, str],
    license: str | None,
    source: str | None,
) -> _Reading:
    """Which column holds what. Raises SourceError where none holds the prompt, naming the columns that are there."""
    present = dict.fromkeys(column for _, row in head if not isinstance(row, str) for column in row)
    known = chosen or recognise(present, table.dataset)
    columns = {field: column for field, column in known.columns.items() if column in present}
    named = ", ".join(map(repr, [*present][:NAMED]))
    more = f" and {len(present) - NAMED} more" if len(present) > NAMED else ""
    here = f"{table.name}: columns found: {named}{more}"
    for field in FIELDS:
        column = mapping.get(field)
        if column:
            if column not in present:
                raise SourceError(f"{here}; none is named {column!r} (--map {field}={column})")
            columns[field] = column
            if field == "prompt":
                columns.pop("messages", None)
        elif column == "":
            columns.pop(field, None)
    if "prompt" not in columns and "messages" not in columns:
        if chosen:
            wanted = known.columns.get("prompt") or known.columns["messages"]
            raise SourceError(
                f"{here}; the field map {known.name!r} wants {wanted!r}: try another, or --map prompt=COLUMN"
            )
        like = resembling(present)
        hint = f"; if it is one of {', '.join(like)}, say --fields NAME" if like else ""
        raise SourceError(f"{here}; which one holds the prompt? Say --map prompt=COLUMN{hint}")
    dataset = source or known.dataset
    return _Reading(
        columns=columns,
        source=dataset or table.dataset or Path(table.name).name,
        dataset=dataset if known.dataset else None,
        license=license or known.license,
        label=known.label,
        model=known.model,
    )


def _convert(
    table: Table, number: int, row: Mapping[str, object] | str, reading: _Reading | None
) -> SourceRow | BadRow:
    where = f"{table.name}:{number}"
    if isinstance(row, str):
        return BadRow(where, row)
    assert reading is not None, "the first row that can be read decides how rows are read"
    try:
        return _read_row(row, where, reading)
    except _Refused as refusal:
        return BadRow(where, str(refusal))


def _read_row(row: Mapping[str, object], where: str, reading: _Reading) -> SourceRow:
    def value(field: Field) -> object:
        column = reading.columns.get(field)
        return None if column is None else row.get(column)

    def text(field: Field) -> str | None:
        return _text(value(field), field)

    prompt, completion = value("prompt"), value("completion")
    messages = value("messages")
    if messages is None and isinstance(prompt, list):
        messages = prompt + (completion if isinstance(completion, list) else [])
    if messages is not None:
        prompt, reply = _read_conversation(messages)
    else:
        reply = _read_reply(_text(completion, "completion"), text("trace"), text("answer"))
    if prompt is None:
        raise _Refused(f"no prompt in column {reading.columns.get('prompt', reading.columns.get('messages'))!r}")
    if not isinstance(prompt, str):
        raise _Refused(f"the prompt is {_kind(prompt)}, not text")
    if not prompt.strip():
        raise _Refused("the prompt is empty")
    if len(prompt) > MAX_PROMPT_CHARACTERS:
        raise _Refused(f"the prompt has {len(prompt):,} characters, over the limit of {MAX_PROMPT_CHARACTERS:,}")
    _check(prompt, "prompt")
    if len(prompt) + len(reply.reasoning or "") + len(reply.answer) > tables.MAX_ROW_BYTES:
        raise _Refused(tables.TOO_LONG)

    label, style = reading.label, parse_style(text("style") or "")
    if said := text("label"):
        try:
            label, wrapped = parse_label(said)
        except ValueError as error:
            raise _Refused(str(error)) from None
        style = style or wrapped
    part = text("source")
    source = reading.source if part is None else f"{reading.dataset}:{part}" if reading.dataset else part
    category = text("category")
    seed = Seed(
        id=seed_id(source, prompt),
        family=identify("f", source, family) if (family := text("family")) else "",
        prompt=prompt,
        source=source,
        source_id=text("id"),
        license=text("license") or reading.license,
        category=parse_category(category) if category else None,
        style=style,
        reference=text("reference"),
    )
    trace = None
    if reply.reasoning is not None:
        model = text("model") or reading.model
        trace = Trace(
            id=trace_id(seed.id, reply.reasoning, reply.answer, model),
            seed_id=seed.id,
            text=reply.reasoning,
            answer=reply.answer,
            model=model,
        )
    return SourceRow(seed, trace, label, where, reply.note)


def _read_reply(completion: str | None, trace: str | None, answer: str | None) -> _Reply:
    """Reasoning and answer, from columns of their own or out of a whole reply."""
    if trace is not None:
        if think.has_marks(trace):
            thought = think.split(trace)
            if thought is None or thought.answer.strip():
                raise _Refused("the trace holds thinking marks of its own: where it ends cannot be told")
            trace = thought.reasoning
        answer = answer if answer is not None else completion or ""
    elif completion is not None:
        if not think.has_marks(completion):
            return _Reply(None, "", "the reply has no reasoning: the prompt is kept, the reply is not")
        thought = think.split(completion)
        if thought is None:
            raise _Refused("thinking and answer cannot be told apart: marks missing, doubled or never closed")
        trace, answer = thought.reasoning, thought.answer
    elif answer is not None:
        return _Reply(None, "", "an answer without reasoning: the prompt is kept, the answer is not")
    else:
        return _Reply(None, "")
    if think.has_marks(answer):
        raise _Refused("the answer holds thinking marks of its own: where it begins cannot be told")
    if not trace.strip():
        return _Reply(None, "", "the reasoning is empty: the prompt is kept, the reply is not")
    return _Reply(trace, answer)


_ROLES = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "gpt": "assistant",
}


def _read_conversation(messages: object) -> tuple[str | None, _Reply]:
    """Prompt and reply of [user], [user, assistant], or these after a system message."""
    if not isinstance(messages, list):
        raise _Refused(f"the messages are {_kind(messages)}, not a list")
    said: list[tuple[str, Mapping[str, object]]] = []
    for message in messages:
        role = (message.get("role") or message.get("from")) if isinstance(message, dict) else None
        if not isinstance(role, str) or role not in _ROLES:
            raise _Refused(f"a message without a known role (found {role!r:.40}; known: {', '.join(_ROLES)})")
        said.append((_ROLES[role], message))
    roles = [role for role, _ in said]
    has_system = roles[:1] == ["system"]
    if roles[has_system:] not in (["user"], ["user", "assistant"]):
        raise _Refused(f"not one user turn and at most one reply ({len(said)} messages): single-turn text only for now")
    note = "the system message is left out" if has_system else ""
    if roles[-1] == "user":
        return _content(said[-1][1], "prompt"), _Reply(None, "", note)
    reasoning = said[-1][1].get("reasoning_content")
    answer = _content(said[-1][1], "answer")
    if reasoning is None:
        reply = _read_reply(answer, None, None)
    else:
        reply = _read_reply(None, _text(reasoning, "trace"), answer)
    return _content(said[-2][1], "prompt"), reply._replace(note="; ".join(filter(None, (reply.note, note))))


def _content(message: Mapping[str, object], field: Field) -> str | None:
    content = message.get("content", message.get("value"))
    if isinstance(content, list):
        match content:
            case [{"type": "text", "text": str(content)}]:
                pass
            case _:
                raise _Refused(f"the {field} has several parts or is no text: single-turn text only for now")
    return _text(content, field)


def _text(value: object, field: Field) -> str | None:
    """A cell as text; None where it is missing or empty. Numbers are written out, a list of one text is that text."""
    if isinstance(value, list) and value and (len(value) == 1 or field == "category"):
        value = value[0]  # STAR-1 lists every category of a prompt, the first one first
    if value is None or value == "" or value != value:  # NaN is how some programs write that there is nothing
        return None
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        raise _Refused(f"the {field} is {_kind(value)}, not text")
    _check(value, field)
    return value


def _check(text: str, field: Field) -> None:
    if text.isascii() and "\0" not in text:
        return
    if found := _UNSTORABLE.search(text):
        code, place = ord(found[0]), f"character {found.start() + 1} of the {field}"
        if code == 0:
            raise _Refused(f"{place} is a NUL; is this text?")
        if tables.is_undecoded(found[0]):
            raise _Refused(
                f"{place} is not UTF-8 (byte 0x{code - 0xDC00:02x}); convert the file, e.g. iconv -f LATIN1 -t UTF-8"
            )
        raise _Refused(f"{place} is half a character (U+{code:04X}); was the text cut there?")


def _kind(value: object) -> str:
    return _KINDS.get(type(value), type(value).__name__)
