"""What people write to export, push, verify and diff, and what these print: wrong words are one line, numbers whole."""

import json
import re
import shutil
from pathlib import Path

import pytest

from tests.exports.release_folder import write
from tests.fake_endpoint import FakeEndpoint
from tests.project import Project, agree
from tests.release_rows import many


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Eight drafts that nobody decided on, and a release that was made elsewhere."""
    with FakeEndpoint(agree) as fake:
        made = Project(tmp_path_factory.mktemp("words"), fake.url)
        assert made.run("generate").returncode == 0
    write(made.folder / "releases" / "v1", many(4, 4), renders=("r1",))
    return made


NONE = "--allow-unreviewed --dry-run --size 2"
"""Of an export that would work."""


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([*NONE.split(), "--render", ",,"], "no rendering ''"),
        ([*NONE.split(), "--render", ""], "no rendering ''"),
        ([*NONE.split(), "--preset", ""], "no preset is called ''"),
        ([*NONE.split(), "--structure", ""], "no structure ''"),
        ([*NONE.split(), "--repo", ""], "not a name on the Hub"),
        ([*NONE.split(), "--repo", "org/name@v1"], "write org/name, and its tag apart"),
        ([*NONE.split(), "--name", "main"], "no name for a release"),
    ],
)
def test_an_export_refuses_words_that_mean_nothing(project: Project, words: list[str], said: str) -> None:
    _assert_refused(project, ["export", *words], said)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["verify", ""], "names no release"),
        (["verify", "curate.db"], "curate.db: a file, not a release"),
        (["verify", "v9"], "v9: no such folder"),
        (["verify", "releases/v9"], "releases/v9: no such folder"),
        (["verify", "n" * 5000], "no such folder"),
        (["verify", "org/na..me"], "not a name on the Hub"),
        (["verify", "org/name@"], "not a name on the Hub"),
        (["diff", "", ""], "names no release"),
        (["diff", "v1", "n" * 5000], "no release of this name"),
        (["diff", "v1", "curate.db"], "a file, not a release"),
        (["push", ""], "not a name on the Hub"),
        (["push", "org/name@v1"], "write org/name, and its tag apart"),
        (["push", "org/name", "--release", ""], "no name for a release"),
        (["push", "org/name", "--release", "v9"], "no such release"),
    ],
)
def test_a_release_or_a_dataset_that_cannot_be_is_refused_before_the_hub_is_asked(
    project: Project, words: list[str], said: str
) -> None:
    _assert_refused(project, words, said)


@pytest.mark.parametrize("address", ["http://hub.example:99999", "http://[::1", "nowhere"])
@pytest.mark.parametrize("words", [["push", "org/name"], ["verify", "org/name"], ["export", *NONE.split()]])
def test_a_hub_address_that_is_none_is_one_line_and_no_traceback_of_the_client(
    project: Project, monkeypatch: pytest.MonkeyPatch, words: list[str], address: str
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", address)
    _assert_refused(project, words, "HF_ENDPOINT")


def test_a_place_that_cannot_be_looked_at_is_no_release(project: Project) -> None:
    too_long = "releases/../" * 341
    _assert_refused(project, ["-C", too_long, "push", "org/name", "--release", "v1"], "no such release", most=5000)


def test_a_release_is_found_by_its_name_and_by_its_folder(project: Project) -> None:
    for release in ("v1", "releases/v1", str(project.folder / "releases" / "v1")):
        assert "nothing is off" in project.run("verify", release).stdout


def test_a_structure_without_drafts_is_said_to_need_them_and_one_with_drafts_to_need_people(project: Project) -> None:
    for words in ((), ("--allow-unreviewed",)):
        done = project.run("export", "--structure", "no_pu", *words)
        assert done.returncode == 7
        assert "`curate generate --structure no_pu`" in done.stderr
    done = project.run("export")
    assert "nothing is approved in alttrain" in done.stderr
    assert "generate" not in done.stderr


@pytest.mark.parametrize("columns", ["40", "60", "80", "200"])
def test_the_quota_table_keeps_its_numbers_whole_at_any_width(
    project: Project, monkeypatch: pytest.MonkeyPatch, columns: str
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    words = ["export", "--allow-unreviewed", "--dry-run", "--allow-fewer", "--mix", "harmful=900000,benign=100000"]
    shown = project.run(*words).stdout
    told = json.loads(project.run(*words, "--json").stdout)
    for quota in told["quotas"]:
        numbers = [quota["wanted"], quota["had"], quota["fit"], quota["taken"]]
        line = r"\s+".join(f"{number:,}" for number in numbers if number is not None)
        assert re.search(line, shown), (quota, shown)
    assert "…" not in shown


@pytest.mark.parametrize("columns", ["24", "60"])
def test_a_diff_keeps_its_numbers_whole_and_adds_up_whatever_the_width_and_the_names(
    project: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, columns: str
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    rows = many(60, 0)
    named = [one.seed.model_copy(update={"source": f"a source of some length {n}"}) for n, one in enumerate(rows)]
    other = tmp_path / "other"
    write(other, [one.model_copy(update={"seed": seed}) for one, seed in zip(rows, named, strict=True)])
    shown = project.run("diff", "v1", str(other)).stdout
    (table,) = (part for part in shown.split("\n\n") if part.startswith("source"))
    numbers = [tuple(map(int, found)) for found in re.findall(r" (\d+) +(\d+)$", table, re.MULTILINE)]
    assert tuple(map(sum, zip(*numbers, strict=True))) == (8, len(rows)), table
    assert len(table.splitlines()) < 150


def test_rows_that_no_person_decided_on_are_not_called_approved(project: Project) -> None:
    shown = project.run("export", "--allow-unreviewed", "--dry-run", "--allow-fewer").stdout
    assert re.search(r"wanted +drafts +fit +taken", shown)
    assert "approved" not in shown


def test_what_is_off_is_counted_in_words_that_fit_and_what_was_not_checked_is_counted_too(
    project: Project, tmp_path: Path
) -> None:
    sound = project.folder / "releases" / "v1"
    bare = shutil.copytree(sound, tmp_path / "bare")
    (bare / "manifest.json").unlink()
    done = project.run("verify", str(bare))
    assert done.returncode == 0
    assert done.stdout.splitlines()[-1].endswith("nothing is off; 1 thing could not be checked")
    more = shutil.copytree(sound, tmp_path / "more")
    (more / "notes.txt").write_text("a line")
    done = project.run("verify", str(more))
    assert done.returncode == 1
    assert done.stdout.splitlines()[-1].endswith(": 1 thing is off")


def _assert_refused(project: Project, words: list[str], said: str, most: int = 300) -> None:
    done = project.run(*words)
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    assert len(done.stderr) < most
