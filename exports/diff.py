"""What changed from one release to another.

told = diff(Path("releases/v1"), Path("releases/v2"))
told.added      rows that only the new one has
told.removed    rows that only the old one had
told.edited     the same revision, or else the same prompt, told otherwise: which stages and other columns differ
told.mixes      how many rows of each label, category, style, source, licence: before and after
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from exports.layout import DEFAULT, locate, read_columns
from schemas.errors import ReleaseError
from schemas.example import Branch, Frozen
from schemas.release import SftRow

MIXED = ("label", "category", "style", "source", "license", "structure")
"""Columns whose mix is told."""


class Brief(Frozen):
    """A row as a list tells it."""

    id: str
    label: Branch
    instruction: str


class Edited(Frozen):
    """A row that says something else now, of itself or about itself."""

    id: str
    was: str = Field(description="its id in the old release")
    label: Branch
    label_was: Branch
    instruction: str
    stages: tuple[str, ...] = Field(description="whose text differs, and 'answer'; those that came or went too")
    columns: tuple[str, ...] = Field(description="others that differ: 'instruction', 'family' and those of `MIXED`")


class Mix(Frozen):
    """How many rows have each value of a column; '' is a value."""

    column: str
    before: Mapping[str, int]
    after: Mapping[str, int]


class ReleaseDiff(Frozen):
    old: str
    new: str
    rows_before: int
    rows_after: int
    unchanged: int
    moved: tuple[Brief, ...] = Field(description="of the unchanged ones: those that went to another split")
    added: tuple[Brief, ...]
    removed: tuple[Brief, ...]
    edited: tuple[Edited, ...]
    mixes: tuple[Mix, ...]


def diff(old: Path, new: Path) -> ReleaseDiff:
    """Compares two release folders, ours or another's with the same rows, in whatever files; lists are sorted by id.

    Rows are paired by id, and those that are left by prompt. Raises ReleaseError for a folder without such rows.
    """
    before, after = _rows(old), _rows(new)
    pairs, gone, come = _matched(before, after)
    changed = [pair for pair in pairs if _content(pair[0]) != _content(pair[1])]
    kept = [pair for pair in pairs if _content(pair[0]) == _content(pair[1])]
    side_before, side_after = _sides(before), _sides(after)
    return ReleaseDiff(
        old=old.name,
        new=new.name,
        rows_before=sum(map(len, before.values())),
        rows_after=sum(map(len, after.values())),
        unchanged=len(kept),
        moved=_briefly(now for was, now in kept if side_before[was.id] != side_after[now.id]),
        added=_briefly(come),
        removed=_briefly(gone),
        edited=tuple(_edited(was, now) for was, now in sorted(changed, key=lambda pair: pair[1].id)),
        mixes=tuple(Mix(column=column, before=_count(before, column), after=_count(after, column)) for column in MIXED),
    )


def _rows(folder: Path) -> dict[str, list[SftRow]]:
    files = locate(folder).files
    main = DEFAULT if DEFAULT in files or len(files) != 1 else next(iter(files))
    rows: dict[str, list[SftRow]] = {}
    for side, paths in files.get(main, {}).items():
        try:
            rows[side] = [
                SftRow.model_validate({name: row.get(name) for name in SftRow.model_fields})
                for row in read_columns(paths)
            ]
        except ValidationError:
            raise ReleaseError(f"{folder}: rows that are not a release's; `curate verify {folder}` says why") from None
    if not any(rows.values()):
        raise ReleaseError(f"{folder}: no rows of a config {DEFAULT!r} in it")
    return rows


def _matched(
    before: Mapping[str, Sequence[SftRow]], after: Mapping[str, Sequence[SftRow]]
) -> tuple[list[tuple[SftRow, SftRow]], list[SftRow], list[SftRow]]:
    """Pairs of the same row, then the rows without one, before and after. The surest sign is used first."""
    gone = [row for held in before.values() for row in held]
    come = [row for held in after.values() for row in held]
    pairs: list[tuple[SftRow, SftRow]] = []
    for sign in (_revision, _prompt):
        found, gone, come = _pair(gone, come, sign)
        pairs += found
    return pairs, gone, come


def _revision(row: SftRow) -> str:
    return row.id


def _prompt(row: SftRow) -> str:
    return row.instruction


def _pair(
    gone: Sequence[SftRow], come: Sequence[SftRow], sign: Callable[[SftRow], str]
) -> tuple[list[tuple[SftRow, SftRow]], list[SftRow], list[SftRow]]:
    waiting: dict[str, list[SftRow]] = {}
    for row in reversed(gone):
        waiting.setdefault(sign(row), []).append(row)
    pairs, left = [], []
    for row in come:
        if same := waiting.get(sign(row)):
            pairs.append((same.pop(), row))
        else:
            left.append(row)
    paired = {id(was) for was, _ in pairs}
    return pairs, [row for row in gone if id(row) not in paired], left


def _content(row: SftRow) -> dict[str, Any]:
    return row.model_dump(exclude={"id"})


def _edited(was: SftRow, now: SftRow) -> Edited:
    texts_before, texts_after = _stages(was), _stages(now)
    names = dict.fromkeys([*texts_after, *texts_before])
    return Edited(
        id=now.id,
        was=was.id,
        label=now.label,
        label_was=was.label,
        instruction=now.instruction,
        stages=tuple(name for name in names if texts_before.get(name) != texts_after.get(name)),
        columns=tuple(name for name in (*MIXED, "instruction", "family") if getattr(was, name) != getattr(now, name)),
    )


def _stages(row: SftRow) -> dict[str, str]:
    completion = row.completion[0].content if row.completion else ""
    return {span.name: completion[span.start : span.end] for span in row.spans}


def _briefly(rows: Iterable[SftRow]) -> tuple[Brief, ...]:
    ordered = sorted(rows, key=lambda row: row.id)
    return tuple(Brief(id=row.id, label=row.label, instruction=row.instruction) for row in ordered)


def _sides(rows: Mapping[str, Sequence[SftRow]]) -> dict[str, str]:
    return {row.id: side for side, held in rows.items() for row in held}


def _count(rows: Mapping[str, Sequence[SftRow]], column: str) -> dict[str, int]:
    counts = Counter(str(getattr(row, column)) for held in rows.values() for row in held)
    return dict(sorted(counts.items()))
