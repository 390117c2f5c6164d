import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from exports.layout import CARD, MANIFEST, locate
from exports.verify import MOST_ALIKE, Finding, size_category, verify
from schemas.errors import ReleaseError
from schemas.release import ProvenanceRow, SftRow
from tests.exports.broken_release import Columns, change, check, empty_answer, wrong
from tests.exports.release_folder import SETTINGS, write
from tests.release_rows import HOSTILE, few, many


def test_a_sound_release_has_no_findings(sound: Path) -> None:
    assert check(sound) == []


def test_changed_missing_and_added_files_are_found_by_their_hashes(folder: Path) -> None:
    (folder / CARD).write_text((folder / CARD).read_text() + "\nOne more line.\n")
    (folder / "more.txt").write_text("added")
    (folder / ".gitattributes").write_text("the Hub's own")
    shutil.rmtree(folder / "data" / "r1")
    found = wrong(folder)
    assert Finding(CARD, "is not the file that the manifest was made with (sha256)") in found
    assert Finding("more.txt", "is there and not in the manifest") in found
    assert Finding("data/r1/train-00000-of-00001.parquet", "is in the manifest and not there") in found
    assert not [finding for finding in found if "gitattributes" in finding.where]


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("rows_sha256", "0" * 64, "the rows are not those"),
        ("rows", {"train": 1}, "rows is not what the rows come to"),
        ("by_label", {"harmful": 28}, "by_label is not"),
        ("structure", "no_ha", "structure is not"),
        ("unreviewed", 0, "unreviewed is not"),
        ("format", "one", "is not a manifest"),
    ],
)
def test_a_manifest_that_says_otherwise_than_the_rows_is_found(folder: Path, field: str, value: Any, said: str) -> None:
    path = folder / MANIFEST
    path.write_text(json.dumps(json.loads(path.read_text()) | {field: value}))
    assert [finding for finding in wrong(folder) if said in finding.what], wrong(folder)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("null", "is not a manifest: Input should be an object"),
        ("", "is not a manifest: Invalid JSON: EOF while parsing a value at line 1 column 0"),
        ('{"format": {}}', "is not a manifest: format: Input should be a valid integer"),
    ],
)
def test_what_is_no_manifest_is_told_by_its_first_fault(folder: Path, text: str, said: str) -> None:
    (folder / MANIFEST).write_text(text)
    assert wrong(folder) == [Finding(MANIFEST, said)]


@pytest.mark.parametrize("name", [MANIFEST, CARD])
def test_a_pipe_or_a_device_in_the_place_of_a_file_is_not_read(folder: Path, name: str) -> None:
    (folder / name).unlink()
    os.mkfifo(folder / name)
    assert Finding(name, "is no file") in wrong(folder)
    (folder / name).unlink()
    (folder / name).symlink_to("/dev/zero")
    assert Finding(name, "is no file") in wrong(folder)


def test_a_first_line_that_does_not_tell_of_rows_without_a_decision_is_found(folder: Path) -> None:
    warning = "> 3 of 28 rows have no person's decision\n\n"
    assert warning in (folder / CARD).read_text()
    what = "its first line does not say that 3 of 28 rows have no person's decision"
    for other in ("", "# A release\n\n", "> 13 of 28 rows have no person's decision\n\n"):
        assert Finding(CARD, what) not in check(folder)
        whole = (folder / CARD).read_text()
        (folder / CARD).write_text(whole.replace(warning, other))
        assert Finding(CARD, what) in wrong(folder)
        (folder / CARD).write_text(whole)


def test_without_a_manifest_all_else_is_checked_and_what_is_not_is_said(folder: Path) -> None:
    (folder / MANIFEST).unlink()
    assert check(folder) == [Finding(MANIFEST, "is not there: hashes and counts could not be checked", unchecked=True)]
    change(folder, empty_answer)
    assert "the answer is empty" in [finding.what for finding in wrong(folder)]


def test_what_breaks_a_rule_of_the_callers_is_found_with_the_provenance_of_the_same_row(sound: Path) -> None:
    asked = []

    def breaks(row: SftRow, told: ProvenanceRow | None) -> list[str]:
        asked.append((row.id, told.id if told else None))
        return ["breaks a rule"] if len(asked) == 1 else []

    assert [one for one in verify(sound, breaks=breaks) if not one.unchecked] == [Finding(asked[0][0], "breaks a rule")]
    assert len(asked) > 1
    assert all(row == told for row, told in asked)


def test_a_structure_that_is_not_known_is_said_to_be_unchecked(sound: Path) -> None:
    (finding,) = verify(sound)
    assert finding.unchecked
    assert "'alttrain' is not known here" in finding.what


def edit_card(folder: Path, old: str, new: str) -> None:
    text = (folder / CARD).read_text()
    assert old in text
    (folder / CARD).write_text(text.replace(old, new))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("n<1K", "1K<n<10K", "size_categories: 28 rows are n<1K"),
        ("data/r1/train-*", "data/r1/tain-*", "no file matches"),
        ("data/r1/train-*", "../../../etc/*", "points out of the release"),
        ("data/r1/train-*", "/etc/*", "points out of the release"),
        ("data/r1/train-*", "data/**x", "no file matches"),
        ("data/r1/train-*", ".", "no file matches"),
        ("data/r1/train-*", "n" * 5000, "no file matches"),
        ("data/r1/train-*", "https://example.invalid/a.parquet", "points out of the release"),
        ("size_categories:", "size_categories: [", "not valid YAML"),
        ("---\nsize", "size", "has no front matter"),
        ("split: train", "spit: train", "not a split and a path"),
    ],
)
def test_a_card_that_says_otherwise_than_the_files_is_found(folder: Path, old: str, new: str, said: str) -> None:
    edit_card(folder, old, new)
    assert [finding for finding in wrong(folder) if said in finding.what and CARD in finding.where], wrong(folder)


@pytest.mark.parametrize(
    ("licence", "said", "what"),
    [
        ("MIT", "mit", None),
        ("MIT", "apache-2.0", Finding(CARD, "license: the rows' own licences come to mit")),
        ("CC-BY-4.0", "mit", Finding(CARD, "license: the rows' own licences come to cc-by-4.0")),
        ("ask me", "mit", Finding(CARD, "license: the rows' own licences have no rule here, or do not come to one")),
        (
            "ask me",
            "other",
            Finding(CARD, "license: the rows' own licences have no rule here, or do not come to one", unchecked=True),
        ),
    ],
)
def test_a_licence_that_the_rows_do_not_come_to_is_found(
    tmp_path: Path, licence: str, said: str, what: Finding | None
) -> None:
    rows = [one.model_copy(update={"seed": one.seed.model_copy(update={"license": licence})}) for one in few()]
    write(tmp_path / "v1", rows)
    (tmp_path / "v1" / MANIFEST).unlink()
    edit_card(tmp_path / "v1", "---\nsize", f"---\nlicense: {said}\nsize")
    assert [finding for finding in check(tmp_path / "v1") if "license" in finding.what] == ([what] if what else [])


def test_a_strangers_release_of_bare_files_is_checked(sound: Path, tmp_path: Path) -> None:
    stranger = tmp_path / "theirs"
    (stranger / "data").mkdir(parents=True)
    for split, (path,) in locate(sound).files["default"].items():
        shutil.copy(path, stranger / "data" / f"{split}-00000-of-00001.parquet")
    assert wrong(stranger) == []
    assert {finding.where for finding in check(stranger)} == {MANIFEST, CARD, ""}
    change(stranger, empty_answer)
    assert "the answer is empty" in [finding.what for finding in wrong(stranger)]


def test_columns_that_are_missing_or_more_are_told_once(folder: Path) -> None:
    def other_columns(rows: list[Columns]) -> None:
        for row in rows:
            row["more"] = 1

    change(folder, other_columns)
    assert [finding for finding in check(folder) if finding.what == "columns that a SftRow does not have: more"]

    def fewer_columns(rows: list[Columns]) -> None:
        for row in rows:
            del row["spans"]

    change(folder, fewer_columns)
    assert Finding("", "columns of a SftRow are missing: spans") in wrong(folder)


def test_a_file_that_is_no_parquet_is_found(folder: Path) -> None:
    (path,) = locate(folder).files["default"]["test"]
    path.write_bytes(b"PAR1 and nothing more")
    assert [finding for finding in wrong(folder) if "not a Parquet file that can be read" in finding.what]


def test_a_folder_without_rows_is_told(tmp_path: Path) -> None:
    assert [finding.what for finding in wrong(tmp_path)] == ["no rows: no Parquet file of a config 'default'"]
    with pytest.raises(ReleaseError, match="no such folder"):
        verify(tmp_path / "none")


def test_findings_that_are_alike_are_counted_beyond_the_first_few(tmp_path: Path) -> None:
    write(tmp_path / "v1", many(60, 0))

    def no_licence(rows: list[Columns]) -> None:
        for row in rows:
            row["license"] = ""

    change(tmp_path / "v1", no_licence)
    alike = [finding for finding in wrong(tmp_path / "v1") if "license is empty" in finding.what]
    assert len(alike) == MOST_ALIKE + 1
    assert alike[-1].what == "28 more rows: license is empty"


def test_no_text_of_a_row_and_no_odd_name_is_in_a_finding(folder: Path) -> None:
    evil = f"\x1b[31m{HOSTILE}\u202e\n"

    def hostile(rows: list[Columns]) -> None:
        rows[0].update(id=evil, label=evil, structure=evil)
        rows[1].update(id=evil, structure=evil, response=evil, family=evil)
        rows[2].update({"license": evil, "source": evil, "instruction": evil})

    change(folder, hostile)
    change(folder, lambda rows: rows[0].update(id=evil, decided_by=evil), "provenance")
    edit_card(folder, "data/r1/train-*", "../\\u202e\\x1b[31m")
    edit_card(folder, "config_name: qwen3", 'config_name: "\\e[31m\\u202e"')
    for finding in check(folder):
        shown = f"{finding.where}{finding.what}"
        assert shown.isascii()
        assert shown.isprintable()


@pytest.mark.parametrize(
    ("rows", "name"),
    [(1, "n<1K"), (999, "n<1K"), (1000, "1K<n<10K"), (9_999, "1K<n<10K"), (10_000, "10K<n<100K"), (10**8, "n>10M")],
)
def test_sizes_are_called_as_the_hub_calls_them(rows: int, name: str) -> None:
    assert size_category(rows) == name


def test_settings_of_the_tests_leave_rows_on_both_sides(sound: Path) -> None:
    assert set(locate(sound).files["default"]) == {"train", "test"}
    assert SETTINGS.test_percent > 0
