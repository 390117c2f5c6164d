"""A label that changes after a draft was made: the draft retires, and the other branch is made as a new one."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from curation.database import MIGRATIONS
from curation.ledger import Ledger
from schemas.example import Label, LabelEvent
from tests.fake_endpoint import FakeEndpoint, Received, Reply, completion
from tests.project import Project, agree

SOLVED = {"reasoning": "The user wants one note. I can write it.", "content": "Here is a short note."}


def answer(request: Received) -> Reply:
    """Rewrites as `agree` does; asked for a trace, it solves."""
    if "response_format" in request.body:
        return agree(request)
    return completion(SOLVED["content"], reasoning=SOLVED["reasoning"])


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    with FakeEndpoint(answer) as fake:
        made = Project(tmp_path, fake.url)
        assert made.run("generate").returncode == 0
        yield made


def say(project: Project, kind: str, label: Label) -> str:
    """A person calls the first seed of that dataset label something else; returns the seed's id."""
    ((seed,),) = project.query(
        f"SELECT seed_id FROM seed_labels WHERE label = '{kind}' AND origin = 'dataset' ORDER BY 1 LIMIT 1"
    )
    with Ledger.open(project.folder / "curate.db") as ledger:
        ledger.add_label(LabelEvent(seed_id=str(seed), label=label, origin="person", author="a1"))
    return str(seed)


def drafts(project: Project, seed: str) -> list[tuple[object, ...]]:
    return project.query(f"SELECT branch, retired_at IS NULL FROM drafts WHERE seed_id = '{seed}' ORDER BY at, 2")


def counts(project: Project) -> tuple[int, int, int]:
    structure = json.loads(project.run("status", "--json").stdout)["structures"][0]
    return structure["drafts"], structure["failures"], structure["waiting"]


def test_a_prompt_called_harmful_gets_the_other_branch_as_a_new_draft(project: Project) -> None:
    seed = say(project, "benign", Label.HARMFUL)
    done = project.run("generate")
    assert done.returncode == 0, done.stderr
    assert "1 drafts are on the branch that a newer label left" in done.stderr
    assert drafts(project, seed) == [("benign", 0), ("harmful", 1)]
    assert project.query(f"SELECT branch, branch_from FROM drafts_now WHERE seed_id = '{seed}'") == [
        ("harmful", "person")
    ]
    assert counts(project) == (8, 0, 0)


def test_a_label_that_goes_back_makes_a_third_draft_with_an_id_of_its_own(project: Project) -> None:
    seed = say(project, "benign", Label.HARMFUL)
    project.run("generate")
    with Ledger.open(project.folder / "curate.db") as ledger:
        ledger.add_label(LabelEvent(seed_id=seed, label=Label.BENIGN, origin="person", author="a1"))
    assert project.run("generate").returncode == 0
    ((total, standing),) = project.query(
        f"SELECT COUNT(*), SUM(retired_at IS NULL) FROM drafts WHERE seed_id = '{seed}'"
    )
    assert (total, standing) == (3, 1)
    assert counts(project) == (8, 0, 0)


def test_a_prompt_called_benign_whose_trace_refuses_needs_a_new_trace_first(project: Project) -> None:
    seed = say(project, "harmful", Label.BENIGN)
    assert project.run("generate").returncode == 0
    assert project.query("SELECT kind, seed_id FROM failures_now") == [("needs_trace", seed)]
    assert counts(project) == (7, 1, 0)
    traced = project.run("trace", "--json")
    assert traced.returncode == 0, traced.stderr
    assert json.loads(traced.stdout)["traces"] == 1
    assert project.run("generate").returncode == 0
    assert project.query(f"SELECT branch FROM drafts_now WHERE seed_id = '{seed}'") == [("benign",)]
    ((completion_text,),) = project.query(f"SELECT completion FROM drafts_now WHERE seed_id = '{seed}'")
    assert SOLVED["content"] in str(completion_text)
    assert "nothing to do" in project.run("trace").stdout


def test_a_trace_that_refused_is_used_again_once_its_prompt_is_harmful_again(project: Project) -> None:
    seed = say(project, "harmful", Label.BENIGN)
    project.run("generate")
    with Ledger.open(project.folder / "curate.db") as ledger:
        ledger.add_label(LabelEvent(seed_id=seed, label=Label.HARMFUL, origin="person", author="a1"))
    assert project.run("generate").returncode == 0
    assert counts(project) == (8, 0, 0)


def test_a_ledger_of_the_first_format_is_brought_up_with_all_that_it_holds(project: Project, tmp_path: Path) -> None:
    old = tmp_path / "old.db"
    with closing(sqlite3.connect(old, isolation_level=None)) as db:
        for name in MIGRATIONS[:1]:
            db.executescript((Path("curation/migrations") / name).read_text("utf-8"))
        db.execute("PRAGMA application_id = 0x616C7474")
        db.execute("PRAGMA user_version = 1")
        db.execute(f"ATTACH '{project.folder / 'curate.db'}' AS new")
        for table in ("seeds", "traces", "labels", "runs", "calls", "revisions", "pieces", "check_results"):
            db.execute(f"INSERT INTO {table} SELECT * FROM new.{table}")
        columns = "id, seed_id, trace_id, structure, branch, branch_from, model_verdict, run_id, at"
        db.execute(f"INSERT INTO drafts SELECT {columns} FROM new.drafts")
    with Ledger.open(old) as ledger:
        assert ledger.query("SELECT COUNT(*), SUM(retired_at IS NULL) FROM drafts") == [(8, 8)]
        assert ledger.query("SELECT COUNT(*) FROM drafts_now") == [(8,)]
        assert ledger.query("PRAGMA foreign_key_check") == []
        assert ledger.query("PRAGMA foreign_keys") == [(1,)]
