"""Approved examples become rows, splits and the files of a release.

    rows_of(approved)                     config `default`
    provenance_of(approved, ...)          config `provenance`
    split(rows, 10, seed)                 train and test, no family on both sides
    write_release(folder, "v1", ...)      all of it, whole or not at all

A release folder never changes. It is written under another name beside its place, and renamed when it is whole.
"""

import hashlib
import os
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

import pyarrow as pa

from exports.layout import (
    DEFAULT,
    MANIFEST,
    PROVENANCE,
    SPLITS,
    Row,
    as_columns,
    data_path,
    rows_sha256,
    to_parquet,
)
from exports.passing import passing_folder
from exports.render import holds_stop_token, render, require_families
from schemas.errors import ReleaseError
from schemas.example import Branch
from schemas.markdown import public_name
from schemas.release import (
    Approved,
    FileHash,
    Manifest,
    Message,
    ProvenanceRow,
    RenderedRow,
    SftRow,
    StageSpan,
)
from schemas.settings import Release
from schemas.think import OPEN


class Contents(NamedTuple):
    """What is in the folder when the card is written: all but the card, its pictures and the manifest's file."""

    manifest: Manifest
    """As it will be, but for the files that are yet to come."""
    rows: Mapping[str, Sequence[SftRow]]
    provenance: Mapping[str, Sequence[ProvenanceRow]]
    """Both by split."""
    configs: Mapping[str, Sequence[str]]
    """Config to its splits, the default first: what `front_matter_configs` takes."""


WriteCard = Callable[[Path, Contents], None]
"""Writes README.md and its pictures into the folder that it is given, which is not the release's last place."""

_AnyRow = TypeVar("_AnyRow", SftRow, ProvenanceRow)


def rows_of(approved: Sequence[Approved]) -> list[SftRow]:
    """The published rows, in the order given. Names of sources and models go without folders and servers."""
    return [_row(one) for one in approved]


def _row(one: Approved) -> SftRow:
    draft, seed = one.draft, one.seed
    return SftRow(
        id=one.id,
        prompt=(Message(role="user", content=seed.prompt),),
        completion=(Message(role="assistant", content=draft.completion),),
        instruction=seed.prompt,
        response=draft.completion.removeprefix(f"{OPEN}\n"),
        label=one.label,
        category=seed.category or "",
        style=seed.style or "",
        source=public_name(seed.source),
        license=seed.license or "",
        structure=draft.structure,
        spans=tuple(StageSpan(name=s.name, start=s.span.start, end=s.span.end) for s in draft.stages),
        family=seed.family,
    )


def provenance_of(approved: Sequence[Approved], include_harmful_traces: bool = False) -> list[ProvenanceRow]:
    """Where everything in the rows of the same ids came from, in the order given.

    The original trace of a harmful row is not in it unless asked for: a trace may have thought its way to what it
    then declined to say. Its hash and the pieces' offsets into it still tell who has the source what was taken.
    """
    return [_provenance(one, include_harmful_traces) for one in approved]


def _provenance(one: Approved, include_harmful_traces: bool) -> ProvenanceRow:
    shown = one.label == "benign" or include_harmful_traces
    approval = one.approval
    return ProvenanceRow(
        id=one.id,
        seed_id=one.seed.id,
        trace_id=one.trace.id,
        trace_model=public_name(one.trace.model or ""),
        trace_sha256=text_sha256(one.trace.text),
        answer_sha256=text_sha256(one.trace.answer),
        trace=one.trace.text if shown else "",
        label_from=one.label_from or "",
        model_verdict=one.draft.model_verdict or "",
        pieces=tuple(
            piece.model_copy(update={"model": public_name(piece.model)}) if piece.model else piece
            for piece in one.pieces
        ),
        flags=tuple(check.rule for check in one.checks),
        decided_by=approval.decided_by,
        deciders=approval.deciders,
        answers=approval.answers,
        agreeing=approval.agreeing,
        edited_stages=approval.edited_stages,
        editors=approval.editors,
        answer_right={True: "yes", False: "no", None: ""}[approval.answer_right],
        guidelines=approval.guidelines,
        decided_at=approval.at or "",
    )


def text_sha256(text: str) -> str:
    """Of the UTF-8 form; half a surrogate pair is hashed as it stands, so that any text has a hash."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def split(rows: Sequence[SftRow], test_percent: float, seed: int) -> dict[str, list[SftRow]]:
    """Train and test, by family: near-duplicate prompts never stand on both sides. Each side keeps the rows' order.

    `test_percent` (0-50) of each label go to test, rounded; fewer where families do not fit, never more. Which
    families go is drawn by their name and `seed`, so more rows move few others from one side to the other.
    """
    families: dict[str, Counter[Branch]] = defaultdict(Counter)
    for row in rows:
        families[row.family][row.label] += 1
    room = {label: round(count * test_percent / 100) for label, count in Counter(row.label for row in rows).items()}
    tested: set[str] = set()
    for family in sorted(families, key=lambda name: hashlib.sha256(f"{seed}/{name}".encode()).digest()):
        if all(count <= room[label] for label, count in families[family].items()):
            tested.add(family)
            for label, count in families[family].items():
                room[label] -= count
    return {
        "train": [row for row in rows if row.family not in tested],
        "test": [row for row in rows if row.family in tested],
    }


def write_release(
    folder: Path,
    name: str,
    approved: Sequence[Approved],
    *,
    settings: Release,
    compared_by: str,
    tool_version: str,
    made_at: str,
    renders: Sequence[str] = (),
    include_harmful_traces: bool = False,
    write_card: WriteCard | None = None,
) -> Manifest:
    """Writes the release of exactly these rows into `folder`, which must not exist, and returns its manifest.

    Rows are put in order of id, so that the same rows give the same bytes in whatever order they come. `made_at`:
    UTC, ISO 8601. `compared_by`: what told how near prompts are when these were chosen. `renders`: families of
    `exports.render`, a config each. `write_card` gets the folder under its passing name, and what is in it so far. An
    empty test split is left out.

    Raises ReleaseError: no rows, rows of several structures, a folder that is there, a text that cannot be written,
    a disk that is full; UsageError for an unknown rendering. Whatever is raised, Ctrl-C too, nothing is left behind.
    """
    require_families(tuple(renders))
    _require_releasable(folder, approved)
    ordered = sorted(approved, key=lambda one: one.id)
    published = rows_of(ordered)
    _require_renderable(published, renders)
    sides = split(published, settings.test_percent, settings.seed)
    rows = {side: sides[side] for side in SPLITS if sides[side]}
    provenance = _like(rows, provenance_of(ordered, include_harmful_traces))
    configs: dict[str, Mapping[str, Sequence[Row]]] = {DEFAULT: rows, PROVENANCE: provenance}
    for family in renders:
        configs[family] = {side: [render(row, family) for row in held] for side, held in rows.items()}
    manifest = Manifest(
        name=name,
        made_at=made_at,
        versions={"alttrain": tool_version, "pyarrow": pa.__version__},
        structure=ordered[0].draft.structure,
        rows={side: len(held) for side, held in rows.items()},
        by_label=dict(sorted(Counter(one.label for one in ordered).items())),
        unreviewed=sum(one.approval.decided_by != "person" for one in ordered),
        harmful_traces=include_harmful_traces,
        rows_sha256=rows_sha256(
            {
                config: {side: map(as_columns, held) for side, held in splits.items()}
                for config, splits in configs.items()
            }
        ),
        seed=settings.seed,
        settings=published_settings(settings) | {"compared_by": compared_by},
        files=(),
    )
    try:
        with passing_folder(folder) as passing:
            for config, splits in configs.items():
                for side, held in splits.items():
                    path = passing / data_path(config, side)
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(to_parquet(held, _kind(config)))
            if write_card:
                write_card(
                    passing,
                    Contents(
                        manifest.model_copy(update={"files": _hashes(passing)}),
                        rows,
                        provenance,
                        {config: tuple(splits) for config, splits in configs.items()},
                    ),
                )
            manifest = manifest.model_copy(update={"files": _hashes(passing)})
            (passing / MANIFEST).write_text(manifest.model_dump_json(indent=2) + "\n", "utf-8")
            _require_free(folder)
            passing.rename(folder)
    except OSError as error:
        raise ReleaseError(
            f"{folder}: the release cannot be written: {error.strerror or error}; nothing of it was left behind"
        ) from error
    return manifest


def published_settings(settings: Release) -> dict[str, str | int | float | bool]:
    """What a manifest tells of the export's settings: numbers, and the tokenizer's name without any folder of ours."""
    told: dict[str, str | int | float | bool] = {
        field: value
        for field in (
            "size",
            "harmful_percent",
            "hard_benign_percent",
            "adversarial_percent",
            "max_source_percent",
            "max_per_family",
            "benign_max_tokens",
            "test_percent",
        )
        if (value := getattr(settings, field)) is not None
    }
    return told | {"tokenizer": public_name(settings.tokenizer)}


def _require_releasable(folder: Path, approved: Sequence[Approved]) -> None:
    _require_free(folder)
    if not approved:
        raise ReleaseError("no approved rows, so there is nothing to release; review drafts first: curate review push")
    structures = sorted({one.draft.structure for one in approved})
    if len(structures) > 1:
        raise ReleaseError(f"rows of several structures ({', '.join(structures)}) do not go into one release")
    twice = [key for key, count in Counter(one.id for one in approved).items() if count > 1]
    if twice:
        raise ReleaseError(f"row {twice[0]} is given twice; a release holds each revision once")


def _require_renderable(rows: Sequence[SftRow], families: Sequence[str]) -> None:
    for family in families:
        stopping = [row.id for row in rows if holds_stop_token(row, family)]
        if stopping:
            raise ReleaseError(
                f"rendering {family!r}: its stop token stands inside the text of {', '.join(stopping[:5])}, which "
                f"would teach to stop there; reject {'it' if len(stopping) == 1 else 'them'}, or render without it"
            )


def _require_free(folder: Path) -> None:
    # A rename would silently replace an empty folder.
    if os.path.lexists(folder):
        raise ReleaseError(f"{folder} is there already, and a release never changes; give the new one another name")


def _like(rows: Mapping[str, Sequence[SftRow]], all_of_them: Sequence[_AnyRow]) -> dict[str, list[_AnyRow]]:
    """Rows of the same ids on the same sides."""
    by_id = {row.id: row for row in all_of_them}
    return {side: [by_id[row.id] for row in held] for side, held in rows.items()}


def _kind(config: str) -> type[Row]:
    kinds: dict[str, type[Row]] = {DEFAULT: SftRow, PROVENANCE: ProvenanceRow}
    return kinds.get(config, RenderedRow)


def _hashes(folder: Path) -> tuple[FileHash, ...]:
    """Of every file in the folder, by path."""
    paths = sorted(
        (path for path in folder.rglob("*") if path.is_file()), key=lambda path: path.relative_to(folder).as_posix()
    )
    return tuple(
        FileHash(
            path=path.relative_to(folder).as_posix(),
            sha256=file_sha256(path),
            size_bytes=path.stat().st_size,
        )
        for path in paths
    )


def file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
