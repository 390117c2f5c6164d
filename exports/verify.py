"""Whether a release keeps its promises: ours, or another's with the same rows.

    for finding in verify(Path("releases/v1")):
        print(finding.where, finding.what)

Nothing found is a release that is what it says. What cannot be checked is said too, and is no fault. Texts of rows are
never in a finding, and names are only where they are plain.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from pydantic import ValidationError

from exports.dataset import file_sha256
from exports.layout import (
    CARD,
    DEFAULT,
    FRONT_MATTER,
    MANIFEST,
    PROVENANCE,
    Located,
    locate,
    main_config,
    read_columns,
    rows_sha256,
)
from exports.licences import combine
from exports.promises import of_form, of_provenance, of_row
from exports.render import FAMILIES, render
from schemas.errors import ReleaseError
from schemas.example import Frozen
from schemas.release import Manifest, ProvenanceRow, RenderedRow, SftRow, words_of
from schemas.structure import Pools, Structure

MOST_ALIKE = 20
"""Findings of one kind that are listed; the rest are counted."""

Columns = Mapping[str, Any]
BySplit = Mapping[str, Sequence[Columns]]

_Row = TypeVar("_Row", bound=Frozen)


class Finding(NamedTuple):
    """`where`: a file, a row by its id, or ''. `unchecked`: nothing is off, but this could not be looked at."""

    where: str
    what: str
    unchecked: bool = False


def verify(
    folder: Path,
    structures: Mapping[str, Structure] | None = None,
    pools: Pools | None = None,
    breaks: Callable[[SftRow, ProvenanceRow | None], Iterable[str]] = lambda row, told: (),
) -> list[Finding]:
    """Everything that is off in a release's folder, in a stable order.

    `structures` and `pools` (of all of these structures) let it hold labels against the reasoning's form; they are
    the caller's, so a structure that it does not have is said to be unchecked. `breaks`: what a row that is one user
    and one assistant message breaks of the caller's own rules, in words without the row's text. Raises ReleaseError
    where `folder` is no folder; whatever is in it ends in a finding.
    """
    located = locate(folder)
    findings = [Finding(plain(where), what) for where, what in located.problems]
    read = dict(_read(folder, located, findings))
    main = main_config(read)
    if not any(read.get(main, {}).values()):
        return [*findings, Finding("", "no rows: no Parquet file of a config 'default'")]
    manifest = _manifest(folder, findings)
    rows = {side: list(_valid(held, SftRow, findings)) for side, held in read[main].items()}
    told = {side: list(_valid(held, ProvenanceRow, findings)) for side, held in read.get(PROVENANCE, {}).items()}
    untouched = {one.id for held in told.values() for one in held if not one.edited_stages}
    findings += _alike(_of_rows(rows, structures or {}, pools or {}, untouched))
    findings += _alike(_of_provenance(rows, told, manifest))
    findings += _alike(_of_rules(rows, told, breaks))
    for config, held in read.items():
        if config not in (main, PROVENANCE):
            findings += _alike(_of_rendered(config, rows, held))
    unreviewed = sum(one.decided_by != "person" for held in told.values() for one in held) if told else None
    if manifest:
        findings += _of_manifest(folder, manifest, read, rows, unreviewed)
    findings += _of_card(located, rows)
    if unreviewed and located.front_matter is not None:
        findings += _of_warning(folder / CARD, unreviewed, sum(map(len, rows.values())))
    return findings


def plain(name: str) -> str:
    """A name that came with a release, or words about one, as it may be shown: escaped where it is not plain."""
    return name if re.fullmatch(r"[\w ./:;,'()=-]{1,200}", name, re.ASCII) else ascii(name[:200])


def size_category(rows: int) -> str:
    """What the Hub calls a dataset of so many rows."""
    bounds = [(1_000, "1K"), (10_000, "10K"), (100_000, "100K"), (1_000_000, "1M"), (10_000_000, "10M")]
    below = "n"
    for bound, name in bounds:
        if rows < bound:
            return f"{below}<{name}" if below == "n" else f"{below}<n<{name}"
        below = name
    return f"n>{below}"


def _read(folder: Path, located: Located, findings: list[Finding]) -> Iterator[tuple[str, BySplit]]:
    for config, splits in located.files.items():
        held = {}
        for side, paths in splits.items():
            try:
                held[side] = read_columns(paths)
            except ReleaseError as error:
                findings.append(Finding(plain(f"{config}/{side}"), plain(str(error).removeprefix(f"{folder}/"))))
        yield config, held


def _manifest(folder: Path, findings: list[Finding]) -> Manifest | None:
    path = folder / MANIFEST
    try:
        if path.exists() and not path.is_file():  # a pipe would be waited for, a device read for ever
            findings.append(Finding(MANIFEST, "is no file"))
            return None
        return Manifest.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        findings.append(Finding(MANIFEST, "is not there: hashes and counts could not be checked", unchecked=True))
    except OSError as error:
        findings.append(Finding(MANIFEST, f"cannot be read: {error.strerror}"))
    except ValidationError as error:
        findings.append(Finding(MANIFEST, f"is not a manifest: {_first(error)}"))
    return None


def _valid(held: Sequence[Columns], kind: type[_Row], findings: list[Finding]) -> Iterator[_Row]:
    """The rows that are of that kind; the others become findings, columns that are not ours once for all rows."""
    columns = set(held[0]) if held else set()
    if extra := columns - set(kind.model_fields):
        names = ", ".join(sorted(map(plain, extra))[:5])
        findings.append(Finding("", f"columns that a {kind.__name__} does not have: {names}", unchecked=True))
    if missing := set(kind.model_fields) - columns if held else set():
        findings.append(Finding("", f"columns of a {kind.__name__} are missing: {', '.join(sorted(missing))}"))
        return
    broken = []
    for number, row in enumerate(held):
        try:
            yield kind.model_validate({name: row[name] for name in kind.model_fields})
        except ValidationError as error:
            broken.append(Finding(plain(str(row.get("id", number))), f"not a {kind.__name__}: {_first(error)}"))
    findings += _alike(broken)


def _of_rows(
    rows: Mapping[str, Sequence[SftRow]], structures: Mapping[str, Structure], pools: Pools, untouched: Set[str]
) -> Iterator[Finding]:
    every = [row for held in rows.values() for row in held]
    for row in every:
        for what in of_row(row):
            yield Finding(plain(row.id), what)
        if row.structure in structures and [message.role for message in row.completion] == ["assistant"]:
            for what in of_form(row, structures[row.structure], pools, edited=row.id not in untouched):
                yield Finding(plain(row.id), what)
    for name in sorted({row.structure for row in every} - set(structures)):
        what = f"the structure {plain(name)!r} is not known here: labels were not held against the reasoning"
        yield Finding("", what, unchecked=True)
    for key, count in Counter(row.id for row in every).items():
        if count > 1:
            yield Finding(plain(key), "the id stands in several rows")
    prompts: dict[str, str] = {}
    for row in every:
        words = words_of(row.instruction)
        if words in prompts and prompts[words] != row.id:
            yield Finding(plain(row.id), "its prompt stands in another row too")
        prompts.setdefault(words, row.id)
    sides: dict[str, set[str]] = defaultdict(set)
    for side, held in rows.items():
        for row in held:
            sides[row.family].add(side)
    for side, held in rows.items():
        for row in held:
            if row.family.strip() and side != "train" and len(sides[row.family]) > 1:
                yield Finding(
                    plain(row.id), f"its family stands in {' and '.join(sorted(map(plain, sides[row.family])))}"
                )


def _of_provenance(
    rows: Mapping[str, Sequence[SftRow]], told: Mapping[str, Sequence[ProvenanceRow]], manifest: Manifest | None
) -> Iterator[Finding]:
    if not told:
        yield Finding("", "no config 'provenance': where texts came from could not be checked", unchecked=True)
        return
    for side, held in rows.items():
        by_id = {one.id: one for one in told.get(side, ())}
        for row in held:
            if row.id not in by_id:
                yield Finding(plain(row.id), "has no row in 'provenance' of the same split")
                continue
            for what in of_provenance(row, by_id[row.id], manifest is not None and manifest.harmful_traces):
                yield Finding(plain(row.id), what)
    yield from _strangers(PROVENANCE, rows, {side: [one.id for one in held] for side, held in told.items()})


def _of_rules(
    rows: Mapping[str, Sequence[SftRow]],
    told: Mapping[str, Sequence[ProvenanceRow]],
    breaks: Callable[[SftRow, ProvenanceRow | None], Iterable[str]],
) -> Iterator[Finding]:
    for side, held in rows.items():
        by_id = {one.id: one for one in told.get(side, ())}
        for row in held:
            if [message.role for message in (*row.prompt, *row.completion)] == ["user", "assistant"]:
                for what in breaks(row, by_id.get(row.id)):
                    yield Finding(plain(row.id), what)


def _of_rendered(config: str, rows: Mapping[str, Sequence[SftRow]], held: BySplit) -> Iterator[Finding]:
    if config not in FAMILIES:
        yield Finding(plain(config), "is not a config known here: not checked", unchecked=True)
        return
    findings: list[Finding] = []
    rendered = {side: {one.id: one for one in _valid(of, RenderedRow, findings)} for side, of in held.items()}
    yield from findings
    for side, originals in rows.items():
        for row in originals:
            if [message.role for message in (*row.prompt, *row.completion)] != ["user", "assistant"]:
                continue
            if row.id not in rendered.get(side, {}):
                yield Finding(plain(row.id), f"has no row in {config!r} of the same split")
            elif rendered[side][row.id] != render(row, config):
                yield Finding(plain(row.id), f"its row in {config!r} is not what it renders to")
    yield from _strangers(config, rows, {side: list(of) for side, of in rendered.items()})


def _strangers(
    config: str, rows: Mapping[str, Sequence[SftRow]], ids: Mapping[str, Sequence[str]]
) -> Iterator[Finding]:
    for side, held in ids.items():
        known = Counter(row.id for row in rows.get(side, ()))
        for key in Counter(held) - known:
            yield Finding(plain(key), f"is in {config!r} and not in {DEFAULT!r} of the same split")


def _of_manifest(
    folder: Path,
    manifest: Manifest,
    read: Mapping[str, BySplit],
    rows: Mapping[str, Sequence[SftRow]],
    unreviewed: int | None,
) -> Iterator[Finding]:
    listed = {file.path: file for file in manifest.files}
    there = {
        path.relative_to(folder).as_posix(): path
        for path in sorted(folder.rglob("*"))
        # Hidden ones are the Hub's and its client's, e.g. .gitattributes.
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    }
    for name, file in sorted(listed.items()):
        if name not in there:
            yield Finding(plain(name), "is in the manifest and not there")
        elif file_sha256(there[name]) != file.sha256:
            yield Finding(plain(name), "is not the file that the manifest was made with (sha256)")
    for name in sorted(set(there) - set(listed) - {MANIFEST}):
        yield Finding(plain(name), "is there and not in the manifest")
    if rows_sha256(read) != manifest.rows_sha256:
        yield Finding(MANIFEST, "the rows are not those that it was made with (rows_sha256)")
    counted: list[tuple[str, object, object]] = [
        ("rows", {side: len(held) for side, held in rows.items() if held}, dict(manifest.rows)),
        ("by_label", Counter(row.label for held in rows.values() for row in held), dict(manifest.by_label)),
        ("structure", {row.structure for held in rows.values() for row in held}, {manifest.structure}),
    ]
    if unreviewed is not None:
        counted.append(("unreviewed", unreviewed, manifest.unreviewed))
    for name, found, said in counted:
        if found != said:
            yield Finding(MANIFEST, f"{name} is not what the rows come to")


def _of_card(located: Located, rows: Mapping[str, Sequence[SftRow]]) -> Iterator[Finding]:
    front = located.front_matter
    if front is None:
        if not any(where.startswith(CARD) for where, _ in located.problems):
            yield Finding(CARD, "is not there: the card could not be held against the rows", unchecked=True)
        return
    count = sum(map(len, rows.values()))
    said = front.get("size_categories")
    sizes = said if isinstance(said, list) else [said]
    if said is not None and sizes != [size_category(count)]:
        yield Finding(CARD, f"size_categories: {count} rows are {size_category(count)}")
    if front.get("configs") is None:
        yield Finding(CARD, "names no configs: which files are rows was guessed from their names", unchecked=True)
    if (licence := front.get("license")) is not None:
        yield from _of_licence(licence, [row for held in rows.values() for row in held])


def _of_warning(card: Path, unreviewed: int, rows: int) -> Iterator[Finding]:
    body = FRONT_MATTER.sub("", card.read_text("utf-8"), count=1).strip()
    numbers = f"{unreviewed:,} of {rows:,}"
    if not re.search(rf"(?<![\d,]){numbers}\b", body.partition("\n")[0]):
        yield Finding(CARD, f"its first line does not say that {numbers} rows have no person's decision")


def _of_licence(said: object, rows: Sequence[SftRow]) -> Iterator[Finding]:
    try:
        combined = combine((row.source, row.license) for row in rows).id
    except ReleaseError:
        # What it says quotes the rows; and a set that calls its licence 'other' does not claim that they come to one.
        what = "license: the rows' own licences have no rule here, or do not come to one"
        yield Finding(CARD, what, unchecked=said == "other")
    else:
        if said != combined:
            yield Finding(CARD, f"license: the rows' own licences come to {combined}")


def _alike(findings: Iterable[Finding]) -> list[Finding]:
    """At most `MOST_ALIKE` of the findings that say the same of different rows, and how many more there are."""
    kept: list[Finding] = []
    counts: Counter[str] = Counter()
    for finding in findings:
        counts[finding.what] += 1
        if counts[finding.what] <= MOST_ALIKE:
            kept.append(finding)
    more = [
        Finding("", f"{count - MOST_ALIKE} more rows: {what}") for what, count in counts.items() if count > MOST_ALIKE
    ]
    return kept + more


def _first(error: ValidationError) -> str:
    """The first fault of a row, without the text that is in it."""
    first = error.errors(include_input=False, include_url=False, include_context=False)[0]
    # Where several types may stand, pydantic puts the type that it tried into the place too.
    place = [str(part) for part in first["loc"] if "[" not in str(part)]
    return plain(": ".join(filter(None, (".".join(place), first["msg"]))))
