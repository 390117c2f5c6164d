"""What `curate add` does with sources that are not in order, and how the command tells any mistake of use."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from curation.cli.add import LOT
from tests.project import CURATE, Project

ROW = {"prompt": "How do I bake bread?", "trace": "Bread needs flour.", "answer": "Mix and bake.", "label": "benign"}
BAD = {"prompt": 12}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path, "http://127.0.0.1:9/v1")


def write(project: Project, name: str, *rows: object) -> None:
    (project.folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows))


def open_failures(project: Project) -> list[object]:
    return [place for (place,) in project.query("SELECT place FROM failures_now WHERE task = 'add' ORDER BY id")]


def test_bad_rows_of_a_file_are_forgotten_when_it_is_mended_and_those_of_others_are_not(project: Project) -> None:
    write(project, "a.jsonl", ROW, BAD, BAD)
    write(project, "a.jsonl.csv.jsonl", BAD, ROW)
    assert project.run("add", "a.jsonl", "a.jsonl.csv.jsonl").returncode == 0
    assert open_failures(project) == ["a.jsonl:2", "a.jsonl:3", "a.jsonl.csv.jsonl:1"]
    write(project, "a.jsonl", ROW, ROW | {"prompt": "And rye?"})
    assert project.run("add", "a.jsonl").returncode == 0
    assert open_failures(project) == ["a.jsonl.csv.jsonl:1"]


def test_a_typo_in_the_last_source_is_told_before_the_first_is_read(project: Project) -> None:
    write(project, "a.jsonl", ROW)
    done = project.run("add", "a.jsonl", "b.jsonl")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("curate: b.jsonl: no such file")
    assert not project.query("SELECT 1 FROM seeds WHERE prompt = 'How do I bake bread?'")


@pytest.mark.parametrize(("option", "code"), [((), 0), (("--strict",), 2)])
def test_what_stands_before_a_bad_row_is_kept_and_gets_its_family(
    project: Project, option: tuple[str, ...], code: int
) -> None:
    rows = [ROW | {"prompt": f"What is {number} and two?"} for number in range(LOT + 5)]
    write(project, "a.jsonl", *rows, BAD)
    done = project.run("add", "a.jsonl", *option)
    assert done.returncode == code
    assert f"added {LOT + 5} prompts" in done.stdout
    assert len(done.stderr.splitlines()) == 1
    assert project.query("SELECT COUNT(*), SUM(family = '') FROM seeds WHERE source = 'a.jsonl'") == [(LOT + 5, 0)]
    assert open_failures(project) == [f"a.jsonl:{LOT + 6}"]


def test_a_file_of_nothing_but_bad_rows_is_an_error(project: Project) -> None:
    write(project, "a.jsonl", BAD, BAD)
    done = project.run("add", "a.jsonl")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == "curate: a.jsonl: nothing in it can be used, all 2 rows are bad"
    assert len(open_failures(project)) == 2


def test_a_settings_file_may_begin_with_a_byte_order_mark_and_one_in_another_encoding_is_named_by_line(
    project: Project,
) -> None:
    settings = project.folder / "curate.toml"
    settings.write_text(settings.read_text(), "utf-8-sig")
    assert project.run("status").returncode == 0
    settings.write_bytes(b'structure = "alttrain"\n# caf\xe9\n')
    done = project.run("status")
    assert (done.returncode, done.stderr) == (2, "curate: curate.toml:2: not UTF-8 text; save it as UTF-8\n")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("statsu",), "no command 'statsu'; did you mean 'status'? (see `curate --help`)"),
        (("xyz",), "no command 'xyz'; see `curate --help`"),
        (("add", "--lable", "harmful", "x"), "--label"),
        (("add", "--label", "harmfull", "x"), "'harmful', 'benign' (see `curate add --help`)"),
        (("add",), "missing argument"),
        (("show", "--limit", "0"), "--limit"),
        (("init", "a", "b\x1b[31m"), "\\x1b"),
        (("-C", __file__, "status"), "is a file"),
    ],
)
def test_a_wrong_option_argument_or_command_is_one_line_that_names_the_help(
    tmp_path: Path, words: tuple[str, ...], said: str
) -> None:
    done = subprocess.run([CURATE, *words], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert said in done.stderr
    assert "--help`" in done.stderr
    assert done.stderr.startswith("curate: ")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, a disk that is always full")
@pytest.mark.parametrize("words", [("status",), ("status", "--json"), ("--help",)])
def test_output_to_a_full_disk_is_one_line(project: Project, words: tuple[str, ...]) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [CURATE, *words], cwd=project.folder, stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == 1
    assert done.stderr.startswith("curate: the disk that the output goes to is full")
    assert len(done.stderr.splitlines()) == 1


def test_a_hub_that_cannot_be_reached_is_one_line(project: Project) -> None:
    done = subprocess.run(
        [CURATE, "add", "org/name"],
        cwd=project.folder,
        env=os.environ | {"HF_ENDPOINT": "http://127.0.0.1:9", "NO_PROXY": "*"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "org/name: no such folder here, and the Hub (http://127.0.0.1:9) cannot be reached" in done.stderr
    assert len(done.stderr.splitlines()) == 1
