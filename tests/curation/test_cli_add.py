"""What `curate add` does with sources that are not in order, and how the command tells any mistake of use."""

import json
import os
import shutil
import signal
import subprocess
from copy import copy
from pathlib import Path

import pytest

from curation.cli.add import LOT, SHOWN
from tests.project import CURATE, Project

ROW = {"prompt": "How do I bake bread?", "trace": "Bread needs flour.", "answer": "Mix and bake.", "label": "benign"}
BAD = {"prompt": 12}


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return Project(tmp_path_factory.mktemp("template"), "http://127.0.0.1:9/v1")


@pytest.fixture
def project(template: Project, tmp_path: Path) -> Project:
    """A project of its own for the test, copied: making one takes two processes."""
    shutil.copytree(template.folder, tmp_path, dirs_exist_ok=True)
    project = copy(template)
    project.folder = tmp_path
    return project


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


def test_a_file_that_strict_did_not_read_to_its_end_keeps_its_bad_rows(project: Project) -> None:
    write(project, "a.jsonl", ROW, BAD, BAD)
    assert project.run("add", "a.jsonl").returncode == 0
    assert project.run("add", "a.jsonl", "--strict").returncode == 2
    assert open_failures(project) == ["a.jsonl:2", "a.jsonl:3"]


def test_sources_that_cannot_be_read_do_not_keep_the_others_out(project: Project) -> None:
    write(project, "a.jsonl", ROW)
    (project.folder / "b.jsonl").write_text("[1, 2]")
    write(project, "c.jsonl", ROW)
    (project.folder / "d.jsonl").write_bytes(b"\xff\xfea\0")
    done = project.run("add", "a.jsonl", "b.jsonl", "c.jsonl", "d.jsonl")
    assert done.returncode == 2
    assert done.stdout.startswith("added 2 prompts and 2 traces with 2 labels; 0 rows were there already, 0 were bad\n")
    one, other = done.stderr.splitlines()
    assert one.startswith("curate: b.jsonl: one JSON array")
    assert other.startswith("curate: d.jsonl: not UTF-8")
    added = project.query("SELECT source, family <> '' FROM seeds WHERE source LIKE '_.jsonl' ORDER BY source")
    assert added == [("a.jsonl", 1), ("c.jsonl", 1)]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_what_was_read_before_a_ctrl_c_is_kept_and_gets_its_family(project: Project) -> None:
    pipe = project.folder / "a.jsonl"
    os.mkfifo(pipe)
    process = project.start("add", "a.jsonl", "rows.jsonl")
    with pipe.open("w") as source:
        rows = [ROW | {"prompt": f"What is {number} and two?"} for number in range(25)]
        source.writelines(json.dumps(row) + "\n" for row in (*rows, BAD))
        source.flush()
        assert process.stderr
        assert process.stderr.readline().startswith("a.jsonl:26: ")
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert (process.returncode, err.split()) == (130, ["curate:", "stopped"])
    assert out.startswith("added 25 prompts and 25 traces with 25 labels; 0 rows were there already, 1 were bad")
    assert project.query("SELECT COUNT(*), SUM(family = '') FROM seeds WHERE source = 'a.jsonl'") == [(25, 0)]


def test_columns_are_mapped_and_a_label_is_given_to_rows_that_bring_none(project: Project) -> None:
    (project.folder / "a.csv").write_text(
        "question,thought,reply,label\nWhy?,Hmm.,So.,\nHow?,Hm.,Thus.,harmful\nWhat?,,That.,\n"
    )
    mapped = ("--map", "prompt=question", "--map", "trace=thought", "--map", "answer=reply")
    done = project.run("add", "a.csv", *mapped, "--label", "benign", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "seeds": 3,
        "traces": 2,
        "repeated": 0,
        "labelled": 3,
        "bad": 0,
        "notes": {"an answer without reasoning: the prompt is kept, the answer is not": 1},
    }
    assert project.query(
        "SELECT prompt, text, answer, label, author FROM seeds JOIN labels ON labels.seed_id = seeds.id"
        " LEFT JOIN traces ON traces.seed_id = seeds.id WHERE source = 'a.csv' ORDER BY prompt"
    ) == [
        ("How?", "Hm.", "Thus.", "harmful", "a.csv"),
        ("What?", None, None, "benign", "a.csv"),
        ("Why?", "Hmm.", "So.", "benign", "a.csv"),
    ]


def test_rows_that_were_there_are_counted_however_the_file_is_named(project: Project) -> None:
    write(project, "a.jsonl", ROW, ROW, {"prompt": "And rye?"})
    assert project.run("add", "a.jsonl").stdout.startswith("added 2 prompts and 1 traces with 1 labels; 1 rows")
    again = project.run("add", str(project.folder / "a.jsonl")).stdout
    assert (
        again
        == "added 0 prompts and 0 traces with 0 labels; 3 rows were there already, 0 were bad\nnext: curate status\n"
    )


def test_what_was_left_out_of_usable_rows_is_told_with_its_number(project: Project) -> None:
    unreasoned = [{"prompt": f"What is {number}?", "answer": "A number."} for number in range(3)]
    write(project, "a.jsonl", *unreasoned, {"prompt": "And rye?", "completion": "<think>\n</think>Yes."})
    lines = project.run("add", "a.jsonl").stdout.splitlines()
    assert lines[1:-1] == [
        "3 rows: an answer without reasoning: the prompt is kept, the answer is not",
        "1 row: the reasoning is empty: the prompt is kept, the reply is not",
    ]


def test_a_harmful_label_that_comes_after_its_trace_is_doubted_where_the_answer_complied(project: Project) -> None:
    prompts = {"How do I read her messages?": "Take her phone.", "Wie lese ich ihre Post?": "I can't help with that."}
    rows = [{"prompt": prompt, "trace": "Hmm.", "answer": answer} for prompt, answer in prompts.items()]
    write(project, "a.jsonl", *rows)
    assert project.run("add", "a.jsonl").returncode == 0
    write(project, "a.jsonl", *(row | {"label": "harmful"} for row in rows))
    assert project.run("add", "a.jsonl").returncode == 0
    assert project.query(
        "SELECT prompt, label, source_complied FROM trace_labels JOIN seeds ON seeds.id = seed_id"
        " WHERE source = 'a.jsonl' ORDER BY prompt"
    ) == [("How do I read her messages?", None, 1), ("Wie lese ich ihre Post?", "harmful", 0)]


def test_more_bad_rows_than_are_shown_are_counted_and_all_are_listed(project: Project) -> None:
    write(project, "a.jsonl", ROW, *[BAD] * (SHOWN + 2))
    done = project.run("add", "a.jsonl")
    *shown, rest = done.stderr.splitlines()
    assert shown == [f"a.jsonl:{line}: the prompt is a number, not text" for line in range(2, SHOWN + 2)]
    assert rest == "and 2 more bad rows: curate failures --task add"
    assert f"{SHOWN + 2} were bad" in done.stdout
    assert len(open_failures(project)) == SHOWN + 2


def test_init_keeps_the_ledger_out_of_git_and_is_safe_to_run_twice(project: Project) -> None:
    ignored = (project.folder / ".gitignore").read_text().splitlines()
    assert "curate.db" in ignored or "curate.db*" in ignored
    settings, seeds = (project.folder / "curate.toml").read_text(), project.query("SELECT id FROM seeds")
    (project.folder / ".gitignore").unlink()
    assert project.run("init", ".").stdout.splitlines()[0] == ".: made .gitignore"
    assert project.run("init", ".").stdout == ".: nothing to do, it is a project already\n"
    assert (project.folder / ".gitignore").read_text().splitlines() == ignored
    assert ((project.folder / "curate.toml").read_text(), project.query("SELECT id FROM seeds")) == (settings, seeds)


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


@pytest.mark.parametrize("address", ["http://[::1", "http://127.0.0.1:99999"])
def test_an_address_of_a_hub_that_is_none_is_one_line(
    project: Project, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", address)
    done = project.run("add", "org/name")
    assert done.returncode == 2
    assert "HF_ENDPOINT" in done.stderr
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
