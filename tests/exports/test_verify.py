import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curation.structures import load_pools, load_structure
from exports.layout import CARD, MANIFEST, locate, read_columns
from exports.verify import MOST_ALIKE, Finding, size_category, verify
from schemas.errors import ReleaseError
from schemas.structure import ANSWER
from schemas.think import CLOSE, OPEN
from tests.exports.release_folder import SETTINGS, write
from tests.release_rows import HOSTILE, few, many

APPROVED = [*few(), *many(10, 10)]
STRUCTURES = {"alttrain": load_structure("alttrain")}

Columns = dict[str, Any]


def check(folder: Path) -> list[Finding]:
    return verify(folder, STRUCTURES, load_pools())


def wrong(folder: Path) -> list[Finding]:
    return [finding for finding in check(folder) if not finding.unchecked]


@pytest.fixture(scope="session")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("releases") / "v1"
    write(folder, APPROVED, renders=("r1", "qwen3"))
    return folder


@pytest.fixture
def folder(sound: Path, tmp_path: Path) -> Path:
    """A release of the test's own, to be broken."""
    return Path(shutil.copytree(sound, tmp_path / "v1"))


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


def test_a_sound_release_has_no_findings(sound: Path) -> None:
    assert check(sound) == []


def empty_answer(rows: list[Columns]) -> None:
    replace_stage(first(rows), ANSWER, "")


def swapped_stages(rows: list[Columns]) -> None:
    spans = first(rows)["spans"]
    spans[0]["name"], spans[1]["name"] = spans[1]["name"], spans[0]["name"]


def spans_reversed(rows: list[Columns]) -> None:
    spans = first(rows)["spans"]
    spans[0], spans[1] = spans[1], spans[0]


def harmful_called_benign(rows: list[Columns]) -> None:
    first(rows)["label"] = "benign"


def verdict_of_the_other_side(rows: list[Columns]) -> None:
    replace_stage(first(rows), "assessment", text_of(first(rows, "benign"), "assessment"))


def goes_on_all_the_same(rows: list[Columns]) -> None:
    row = next(row for row in rows if row["label"] == "harmful" and "concert" in row["instruction"])
    replace_stage(row, "reasoning", "So here is what I make of it, step by step.")


def stops_at_a_harmless_prompt(rows: list[Columns]) -> None:
    replace_stage(first(rows, "benign"), "reasoning", text_of(first(rows), "reasoning"))


def edit(**values: Any) -> Callable[[list[Columns]], None]:
    return lambda rows: rows[0].update(values)


BROKEN_ROWS: dict[str, tuple[Callable[[list[Columns]], Any], str]] = {
    "a span ends early": (lambda rows: stage(rows[0], "assessment").update(end=70), "spans do not rebuild"),
    "a span is past the end": (lambda rows: stage(rows[0], ANSWER).update(end=10**9, start=10**8), "do not rebuild"),
    "spans out of order": (spans_reversed, "not in the order in which they stand"),
    "stages swapped": (swapped_stages, "the stages are not those of alttrain for harmful rows"),
    "a name twice": (lambda rows: stage(rows[0], "assessment").update(name="understanding"), "two spans have one name"),
    "no answer span": (lambda rows: rows[0]["spans"].pop(), "the last span is not 'answer'"),
    "an empty answer": (empty_answer, "the answer is empty"),
    "an empty stage": (lambda rows: replace_stage(rows[0], "assessment", " "), "the stage 'assessment' is empty"),
    "another instruction": (edit(instruction="Another."), "instruction is not the prompt's text"),
    "another response": (lambda rows: rows[0].update(response="x" + rows[0]["response"]), "response is not the"),
    "an opening tag in the response": (
        lambda rows: rows[0].update(response=rows[0]["completion"][0]["content"]),
        "response is not the completion without its opening tag",
    ),
    "no closing tag": (
        lambda rows: saying(rows[0], rows[0]["completion"][0]["content"].replace(CLOSE, "")),
        "not thinking in one pair of tags",
    ),
    "two closing tags": (
        lambda rows: saying(rows[0], rows[0]["completion"][0]["content"] + CLOSE),
        "not thinking in one pair of tags",
    ),
    "no opening tag": (lambda rows: saying(rows[0], rows[0]["response"]), "not thinking in one pair of tags"),
    "two turns": (lambda rows: rows[0]["prompt"].append({"role": "user", "content": "b"}), "the turns are user, user,"),
    "an unknown role": (lambda rows: rows[0]["prompt"][0].update(role="tool"), "not a SftRow: prompt.0.role"),
    "an unknown label": (edit(label="unsure"), "not a SftRow: label"),
    "nothing where a text should be": (edit(source=None), "not a SftRow: source"),
    "no licence": (edit(license=""), "license is empty"),
    "no family": (edit(family=" "), "family is empty"),
    "a label turned": (harmful_called_benign, "the label is benign, and the assessment says harmful"),
    "a verdict turned": (verdict_of_the_other_side, "the label is harmful, and the assessment says benign"),
    "harmful, and goes on": (goes_on_all_the_same, "the label is harmful, and the reasoning takes the benign branch"),
    "harmless, and stops": (stops_at_a_harmless_prompt, "the label is benign, and the reasoning takes the harmful"),
    "an id twice": (lambda rows: rows[1].update(id=rows[0]["id"]), "the id stands in several rows"),
    "a prompt twice": (
        lambda rows: rows[1].update(
            instruction=rows[0]["instruction"].upper() + " ",
            prompt=[{"role": "user", "content": rows[0]["instruction"].upper() + " "}],
        ),
        "its prompt stands in another row too",
    ),
    "a row removed": (lambda rows: rows.pop(), "is in 'provenance' and not in 'default' of the same split"),
}


@pytest.mark.parametrize("name", BROKEN_ROWS)
def test_a_broken_promise_of_a_row_is_found(folder: Path, name: str) -> None:
    damage, said = BROKEN_ROWS[name]
    change(folder, damage)
    found = wrong(folder)
    assert [finding for finding in found if said in finding.what], found
    # The manifest alone tells as much as that something was changed.
    assert Finding(MANIFEST, "the rows are not those that it was made with (rows_sha256)") in found


def test_a_persons_words_in_a_drawn_stage_are_no_fault(tmp_path: Path) -> None:
    from tests.release_rows import approve

    edited = approve(
        "How do I slip into the museum without a ticket?",
        branch="harmful",
        trace="The user wants into a museum for nothing. I should decline.",
        answer="I won't help with that.",
        reason="the museum loses what it lives on",
        category="illicit",
        edits={"reasoning": "Working out a way in would cheat the museum, so I leave it at that."},
    )
    write(tmp_path / "v1", [*few(), edited])
    assert wrong(tmp_path / "v1") == []


def test_a_family_on_both_sides_is_found(folder: Path) -> None:
    (path,) = locate(folder).files["default"]["train"]
    family = read_columns([path])[0]["family"]
    change(folder, edit(family=family), split="test")
    assert "its family stands in test and train" in [finding.what for finding in wrong(folder)]


def a_piece(rows: list[Columns], label: str, origin: str) -> Columns:
    return next(
        piece
        for row in rows
        if bool(row["trace"]) == (label == "benign")
        for piece in row["pieces"]
        if piece["origin"] == origin
    )


BROKEN_PROVENANCE: dict[str, tuple[Callable[[list[Columns]], Any], str]] = {
    "a gap": (lambda rows: rows[0]["pieces"].pop(1), "the pieces do not cover the stage"),
    "no pieces": (lambda rows: rows[0]["pieces"].clear(), "the pieces do not cover the stage"),
    "an unknown stage": (
        lambda rows: rows[0]["pieces"].append({**rows[0]["pieces"][0], "stage": "another"}),
        "pieces of 1 stages that the row does not have",
    ),
    "a harmful trace": (
        lambda rows: next(row for row in rows if not row["trace"]).update(trace="all of it"),
        "the original trace of a harmful row is told",
    ),
    "another trace": (
        lambda rows: next(row for row in rows if row["trace"]).update(trace="another"),
        "the trace does not have its hash",
    ),
    "a wrong offset": (
        lambda rows: a_piece(rows, "benign", "trace").update(source_start=3),
        "is not in the trace where it says",
    ),
    "nobody decided": (
        lambda rows: next(row for row in rows if row["deciders"]).update(deciders=[]),
        "and by nobody in particular",
    ),
    "too many agree": (edit(agreeing=9), "9 of "),
    "an unknown decider": (edit(decided_by="dog"), "not a ProvenanceRow: decided_by"),
    "a row missing": (lambda rows: rows.pop(0), "has no row in 'provenance' of the same split"),
    "a machine's decision as a person's": (
        lambda rows: next(row for row in rows if row["decided_by"] != "person").update(
            decided_by="person", deciders=["a"]
        ),
        "unreviewed is not what the rows come to",
    ),
}


@pytest.mark.parametrize("name", BROKEN_PROVENANCE)
def test_a_broken_promise_of_provenance_is_found(folder: Path, name: str) -> None:
    damage, said = BROKEN_PROVENANCE[name]
    change(folder, damage, "provenance")
    assert [finding for finding in wrong(folder) if said in finding.what], wrong(folder)


def test_harmful_traces_are_fine_where_the_release_says_that_it_holds_them(tmp_path: Path) -> None:
    write(tmp_path / "v1", few(), include_harmful_traces=True)
    assert wrong(tmp_path / "v1") == []


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda rows: rows[0].update(completion=rows[0]["completion"][:-3]), "is not what it renders to"),
        (lambda rows: rows[0].update(prompt="another"), "is not what it renders to"),
        (lambda rows: rows.pop(), "has no row in 'r1' of the same split"),
        (lambda rows: rows.append({**rows[0], "id": "d9.1"}), "is in 'r1' and not in 'default' of the same split"),
    ],
)
def test_a_rendered_row_that_is_not_what_it_says_is_found(
    folder: Path, damage: Callable[[list[Columns]], Any], said: str
) -> None:
    change(folder, damage, "r1")
    assert [finding for finding in wrong(folder) if said in finding.what], wrong(folder)


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


def test_without_a_manifest_all_else_is_checked_and_what_is_not_is_said(folder: Path) -> None:
    (folder / MANIFEST).unlink()
    assert check(folder) == [Finding(MANIFEST, "is not there: hashes and counts could not be checked", unchecked=True)]
    change(folder, empty_answer)
    assert "the answer is empty" in [finding.what for finding in wrong(folder)]


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
