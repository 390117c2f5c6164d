import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exports.dataset import Contents, provenance_of, published_settings, rows_of, split, text_sha256
from exports.layout import (
    MANIFEST,
    arrow_schema,
    as_columns,
    locate,
    read_columns,
    rows_sha256,
    to_parquet,
)
from schemas.errors import ReleaseError, UsageError
from schemas.release import Manifest, ProvenanceRow, RenderedRow, SftRow
from schemas.settings import Release
from schemas.think import CLOSE, OPEN
from tests.exports.release_folder import SETTINGS, least_card, write
from tests.release_rows import few, many


def test_a_row_has_the_text_in_every_form_that_trainers_know() -> None:
    for approved, row in zip(few(), rows_of(few()), strict=True):
        assert [message.role for message in (*row.prompt, *row.completion)] == ["user", "assistant"]
        assert row.instruction == row.prompt[0].content == approved.seed.prompt
        assert row.completion[0].content == approved.draft.completion == f"{OPEN}\n{row.response}"
        assert row.response.count(CLOSE) == 1


def test_spans_cut_every_stage_out_of_the_completion() -> None:
    for approved, row in zip(few(), rows_of(few()), strict=True):
        cut = {span.name: row.completion[0].content[span.start : span.end] for span in row.spans}
        assert cut == {stage.name: approved.draft.text(stage.name) for stage in approved.draft.stages}


def test_the_trace_of_a_harmful_row_is_told_by_hash_and_offsets_alone() -> None:
    for approved, row in zip(few(), provenance_of(few()), strict=True):
        assert row.trace == ("" if approved.label == "harmful" else approved.trace.text)
        assert row.trace_sha256 == text_sha256(approved.trace.text)
        assert row.pieces == approved.pieces
    harmful = [one for one in few() if one.label == "harmful"]
    told = json.dumps([as_columns(row) for row in provenance_of(harmful)])
    for approved in harmful:
        assert json.dumps(approved.trace.text)[1:-1] not in told
        assert json.dumps(approved.trace.answer)[1:-1] not in told


def test_the_traces_of_harmful_rows_can_be_asked_for() -> None:
    assert [row.trace for row in provenance_of(few(), include_harmful_traces=True)] == [one.trace.text for one in few()]


def test_columns_are_the_fields_of_a_row_in_their_order() -> None:
    for kind in (SftRow, ProvenanceRow, RenderedRow):
        assert arrow_schema(kind).names == list(kind.model_fields)


families = st.lists(st.tuples(st.integers(0, 12), st.sampled_from(["harmful", "benign"])), min_size=1, max_size=60)
SOME_ROW = rows_of(few())[0]


@given(families, st.floats(0, 50), st.integers(0, 3))
def test_a_family_is_never_on_both_sides_and_test_never_holds_too_much(
    drawn: list[tuple[int, Any]], percent: float, seed: int
) -> None:
    rows = [
        SOME_ROW.model_copy(update={"id": str(number), "family": f"f{family}", "label": label})
        for number, (family, label) in enumerate(drawn)
    ]
    sides = split(rows, percent, seed)
    assert sorted((*sides["train"], *sides["test"]), key=lambda row: int(row.id)) == rows
    assert not {row.family for row in sides["train"]} & {row.family for row in sides["test"]}
    for label in ("harmful", "benign"):
        held = sum(row.label == label for row in sides["test"])
        assert held <= round(sum(row.label == label for row in rows) * percent / 100)
    assert split(rows, percent, seed) == sides
    assert split(rows[::-1], percent, seed) == {side: held[::-1] for side, held in sides.items()}


def test_a_split_keeps_the_shares_of_the_labels() -> None:
    sides = split(rows_of(many(90, 30)), 10, seed=1)
    assert Counter(row.label for row in sides["test"]) == {"harmful": 9, "benign": 3}


def test_another_seed_draws_other_families() -> None:
    rows = rows_of(many(40, 0))
    assert split(rows, 20, seed=1)["test"] != split(rows, 20, seed=2)["test"]


@pytest.fixture
def cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where `datasets` keeps what it loads: a folder of the test's own."""
    return tmp_path / "cache"


def test_a_release_loads_with_one_line_and_its_rows_are_equal(tmp_path: Path, cached: Path) -> None:
    from datasets import get_dataset_config_names, load_dataset

    approved = few() + many(20, 12)
    folder = tmp_path / "v1"
    manifest = write(folder, approved, renders=("r1", "qwen3"))
    assert get_dataset_config_names(str(folder)) == ["default", "provenance", "r1", "qwen3"]
    loaded = load_dataset(str(folder), cache_dir=str(cached))
    assert {side: len(rows) for side, rows in loaded.items()} == manifest.rows
    rows = [SftRow.model_validate(row) for side in loaded for row in loaded[side]]
    assert sorted(rows, key=lambda row: row.id) == sorted(rows_of(approved), key=lambda row: row.id)
    provenance = load_dataset(str(folder), "provenance", cache_dir=str(cached))
    told = [ProvenanceRow.model_validate(row) for side in provenance for row in provenance[side]]
    assert [row.id for row in told] == [row.id for row in rows]
    assert sorted(told, key=lambda row: row.id) == sorted(provenance_of(approved), key=lambda row: row.id)
    for family in ("r1", "qwen3"):
        rendered = load_dataset(str(folder), family, cache_dir=str(cached))
        assert [row["id"] for side in rendered for row in rendered[side]] == [row.id for row in rows]


def test_equal_rows_give_equal_bytes_in_whatever_order_they_come(tmp_path: Path) -> None:
    approved = few() + many(10, 6)
    write(tmp_path / "v1", approved, renders=("r1",))
    write(tmp_path / "a" / "v1", approved[::-1], renders=("r1",))
    files = sorted(path.relative_to(tmp_path / "v1") for path in (tmp_path / "v1").rglob("*") if path.is_file())
    assert len(files) == 8
    for path in files:
        assert (tmp_path / "v1" / path).read_bytes() == (tmp_path / "a" / "v1" / path).read_bytes(), path


def test_bytes_do_not_hang_on_the_process(tmp_path: Path) -> None:
    rows = rows_of(many(6, 3))
    told = (
        "import hashlib; from exports.dataset import rows_of; from exports.layout import to_parquet;"
        "from schemas.release import SftRow; from tests.release_rows import many;"
        "print(hashlib.sha256(to_parquet(rows_of(many(6, 3)), SftRow)).hexdigest())"
    )
    import hashlib

    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == hashlib.sha256(to_parquet(rows, SftRow)).hexdigest()


def test_the_manifest_tells_every_file_and_the_row_set(tmp_path: Path) -> None:
    folder = tmp_path / "v1"
    manifest = write(folder, few())
    assert Manifest.model_validate_json((folder / MANIFEST).read_bytes()) == manifest
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert {file.path for file in manifest.files} == there - {MANIFEST}
    assert manifest.by_label == {"benign": 3, "harmful": 5}
    assert sum(manifest.rows.values()) == 8
    assert manifest.unreviewed == 3  # two by nobody, one by a machine
    assert manifest.structure == "alttrain"
    located = locate(folder).files
    read = {config: {side: read_columns(paths) for side, paths in sides.items()} for config, sides in located.items()}
    assert rows_sha256(read) == manifest.rows_sha256


def test_the_row_set_has_one_hash_in_any_order_and_files_and_another_with_any_other_row() -> None:
    rows = [as_columns(row) for row in rows_of(few())]
    first = rows_sha256({"default": {"train": rows}})
    assert rows_sha256({"default": {"train": rows[::-1]}}) == first
    assert rows_sha256({"default": {"test": rows}}) != first
    assert rows_sha256({"default": {"train": rows[1:]}}) != first
    assert rows_sha256({"default": {"train": [*rows[1:], rows[0] | {"family": "f"}]}}) != first


def test_an_empty_test_split_is_left_out(tmp_path: Path) -> None:
    manifest = write(tmp_path / "v1", few(), settings=SETTINGS.model_copy(update={"test_percent": 0}))
    assert manifest.rows == {"train": 8}
    assert not list((tmp_path / "v1").rglob("test-*"))


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("characters", "characters"),
        ("org/name", "org/name"),
        ("/home/someone/model", "model"),
        ("./model", "model"),
        ("~/work/model", "model"),
        ("https://someone:key@example.invalid", "unnamed"),
    ],
)
def test_no_path_and_no_address_is_published(name: str, told: str) -> None:
    settings = published_settings(Release(tokenizer=name))
    assert settings["tokenizer"] == told
    assert set(settings) <= set(Release.model_fields)
    one = few()[0]
    one = one.model_copy(
        update={
            "seed": one.seed.model_copy(update={"source": name}),
            "trace": one.trace.model_copy(update={"model": name}),
            "pieces": tuple(piece.model_copy(update={"model": name}) for piece in one.pieces),
        }
    )
    assert rows_of([one])[0].source == told
    (provenance,) = provenance_of([one])
    assert {provenance.trace_model, *(piece.model for piece in provenance.pieces)} == {told}


def test_a_release_folder_never_changes(tmp_path: Path) -> None:
    folder = tmp_path / "v1"
    write(folder, few())
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    with pytest.raises(ReleaseError, match="v1 is there already"):
        write(folder, many(3, 2))
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    (tmp_path / "v2").mkdir()
    with pytest.raises(ReleaseError, match="v2 is there already"):
        write(tmp_path / "v2", few())


def test_no_rows_are_no_release(tmp_path: Path) -> None:
    with pytest.raises(ReleaseError, match="no approved rows"):
        write(tmp_path / "v1", [])
    assert not list(tmp_path.iterdir())


def test_rows_of_two_structures_are_no_release(tmp_path: Path) -> None:
    other = few()[1]
    other = other.model_copy(update={"draft": other.draft.model_copy(update={"structure": "no_ha"})})
    with pytest.raises(ReleaseError, match="alttrain, no_ha"):
        write(tmp_path / "v1", [few()[0], other])


def test_a_row_given_twice_is_no_release(tmp_path: Path) -> None:
    with pytest.raises(ReleaseError, match="given twice"):
        write(tmp_path / "v1", [few()[0], few()[0]])


@pytest.mark.parametrize(
    ("name", "hint"),
    [("R1", "did you mean 'r1'"), ("qwen", "did you mean 'qwen3'"), ("llama", "there are: r1, qwen3")],
)
def test_an_unknown_rendering_is_refused_with_the_nearest_or_all_there_are(
    tmp_path: Path, name: str, hint: str
) -> None:
    with pytest.raises(UsageError, match=rf"no rendering '{name}'; {hint}"):
        write(tmp_path / "v1", few(), renders=(name,))


def test_a_rendering_is_asked_for_once(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="twice"):
        write(tmp_path / "v1", few(), renders=("r1", "r1"))


def test_half_a_character_is_told_with_its_row(tmp_path: Path) -> None:
    broken = few()[0]
    broken = broken.model_copy(update={"seed": broken.seed.model_copy(update={"prompt": "half \ud83d of it"})})
    with pytest.raises(ReleaseError, match=f"row {broken.id}: a text holds half of a character"):
        write(tmp_path / "v1", [*few()[1:], broken])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("raised", [KeyboardInterrupt, RuntimeError, ReleaseError])
def test_whatever_stops_it_leaves_no_half_release(tmp_path: Path, raised: type[BaseException]) -> None:
    def stop(folder: Path, contents: Contents) -> None:
        assert list(folder.rglob("*.parquet"))
        raise raised("stopped")

    with pytest.raises(raised):
        write(tmp_path / "v1", few(), write_card=stop)
    assert not list(tmp_path.iterdir())


FULL_DISK = """
import resource, sys
from pathlib import Path
from schemas.errors import ReleaseError
from tests.exports.release_folder import write
from tests.release_rows import many
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), int(sys.argv[2])))
try:
    write(Path(sys.argv[1]), many(200, 100))
except ReleaseError as error:
    print(error)
"""


@pytest.mark.parametrize("most_bytes", [0, 4096, 20_000])
def test_a_disk_that_takes_no_more_is_one_line_and_leaves_nothing(tmp_path: Path, most_bytes: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(tmp_path / "v1"), str(most_bytes)],
        capture_output=True,
        text=True,
        check=True,
    )
    (line,) = done.stdout.splitlines()
    assert line.endswith("v1: the release cannot be written: File too large; nothing of it was left behind")
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_written_in_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(ReleaseError, match="cannot be written: Not a directory"):
        write(tmp_path / "file" / "v1", few())


def test_the_card_meets_the_folder_and_the_manifest_as_they_will_be(tmp_path: Path) -> None:
    seen: list[Contents] = []

    def keep(folder: Path, contents: Contents) -> None:
        least_card(folder, contents)
        (folder / "figures").mkdir()
        (folder / "figures" / "a.png").write_bytes(b"a picture")
        seen.append(contents)

    manifest = write(tmp_path / "v1", few(), write_card=keep, renders=("r1",))
    (contents,) = seen
    assert contents.manifest.model_copy(update={"files": manifest.files}) == manifest
    assert {"README.md", "figures/a.png"} < {file.path for file in manifest.files}
    assert {side: len(rows) for side, rows in contents.rows.items()} == manifest.rows
    for side, rows in contents.provenance.items():
        assert [row.id for row in rows] == [row.id for row in contents.rows[side]]
    assert contents.configs == {side: tuple(contents.rows) for side in ("default", "provenance", "r1")}
