"""From the ledger to the Hub and back into a trainer: export, push, verify, load_dataset, and the labels of TRL."""

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import metadata_load

from exports.embed import choose_vectors
from exports.render import FAMILIES
from tests.fake_endpoint import FakeEndpoint, Received, Reply, completion
from tests.hub_server import HubServer, python, serving
from tests.project import CURATE, Project

pytestmark = pytest.mark.timeout(300)

REPO = "ours/alttrain-40"
MIX = ("--size", "40", "--mix", "harmful=30,benign=10")
EXAMPLES = [
    json.loads(line)
    for path in sorted((Path(__file__).parents[1] / "curation/examples").glob("*.jsonl"))
    for line in path.read_text("utf-8").splitlines()
]


def write_reasons(request: Received) -> Reply:
    """A reason for whichever packaged example is asked about, in words of its own, and an understanding."""
    asked = request.last_message
    row = max((row for row in EXAMPLES if row["prompt"] in asked), key=lambda row: len(row["prompt"]))
    number = EXAMPLES.index(row)
    hurt = f"case {number} takes something from people who did not agree to it"
    reason = hurt if row["label"] == "harmful" else f"case {number} hurts nobody and is of use to the person who asks"
    reply = {"verdict": row["label"], "reason": reason, "understanding": f"The user asks: {row['prompt']}"}
    wanted = json.dumps(request.body.get("response_format", {}))
    return completion(json.dumps({name: said for name, said in reply.items() if f'"{name}"' in wanted}))


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    with FakeEndpoint(write_reasons) as fake:
        made = Project(tmp_path_factory.mktemp("release"), fake.url)
        made.run("add", "packaged")
        done = made.run("generate")
        assert done.returncode == 0, done.stderr
        yield made


@pytest.fixture(scope="module")
def hub() -> Iterator[HubServer]:
    with pytest.MonkeyPatch.context() as patch, serving(patch) as server:
        yield server


@pytest.fixture(scope="module")
def exported(project: Project) -> dict[str, Any]:
    done = project.run("export", *MIX, "--allow-unreviewed", "--render", ",".join(FAMILIES), "--json")
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


@pytest.fixture(scope="module")
def pushed(project: Project, hub: HubServer, exported: dict[str, Any]) -> dict[str, Any]:
    done = project.run("push", REPO, "--allow-unreviewed", "--json")
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def test_nothing_that_no_person_decided_on_is_exported_unless_that_is_allowed(project: Project) -> None:
    done = project.run("export", *MIX)
    assert done.returncode == 7
    assert "nothing is approved in alttrain" in done.stderr
    assert "--allow-unreviewed" in done.stderr
    assert not (project.folder / "releases").exists()


def test_a_release_has_exactly_the_rows_that_were_asked_for_and_verifies(
    project: Project, exported: dict[str, Any]
) -> None:
    assert exported["rows"] == 40
    assert exported["lacking"] == []
    manifest = json.loads((project.folder / exported["release"] / "manifest.json").read_text())
    assert manifest["by_label"] == {"benign": 10, "harmful": 30}
    assert manifest["unreviewed"] == 40
    assert manifest["settings"]["compared_by"] == choose_vectors().name
    assert (project.folder / exported["release"] / "README.md").read_text().count("40 of 40 rows") == 1
    done = project.run("verify", exported["release"])
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert "nothing is off" in done.stdout


def test_two_releases_are_told_apart_row_by_row(project: Project, exported: dict[str, Any]) -> None:
    smaller = ("--size", "20", "--mix", "harmful=15,benign=5")
    second = project.run("export", *smaller, "--allow-unreviewed", "--name", "smaller", "--json")
    assert second.returncode == 0, second.stderr
    told = json.loads(project.run("diff", "v1", "smaller", "--json").stdout)
    assert (told["rows_before"], told["rows_after"]) == (40, 20)
    assert told["unchanged"] + len(told["removed"]) == 40
    assert told["unchanged"] + len(told["added"]) == 20
    shown = project.run("diff", "v1", "smaller").stdout
    assert "v1: 40 rows, smaller: 20" in shown
    assert project.run("diff", "v1", "v9").returncode == 2


@pytest.mark.parametrize("name", ["../up", "/tmp/up", "a/b", ".hid", "a b", "", "a\nb", "n" * 300, "v1..2", "-x"])
def test_a_name_that_is_no_folder_or_no_tag_is_refused_before_anything_is_chosen(project: Project, name: str) -> None:
    done = project.run("export", *MIX, "--allow-unreviewed", f"--name={name}")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert "no name for a release" in done.stderr


def test_what_a_real_run_would_refuse_a_dry_run_refuses_too(project: Project, exported: dict[str, Any]) -> None:
    for words in (("--render", "r2"), ("--name", "v1")):
        done = project.run("export", *MIX, "--allow-unreviewed", "--dry-run", *words)
        assert done.returncode in (2, 7), words
        assert done.stdout == ""


def test_a_release_is_never_written_over(project: Project, exported: dict[str, Any]) -> None:
    before = (project.folder / exported["release"] / "manifest.json").read_bytes()
    done = project.run("export", *MIX, "--allow-unreviewed", "--name", "v1")
    assert done.returncode == 7
    assert (project.folder / exported["release"] / "manifest.json").read_bytes() == before


def test_a_quota_that_cannot_be_met_stops_the_export_and_says_what_would_help(project: Project) -> None:
    done = project.run("export", "--size", "400", "--allow-unreviewed")
    assert done.returncode == 7
    assert "lacking" in done.stderr
    assert "curate add" in done.stderr
    assert "--allow-fewer" in done.stderr


def test_what_was_left_out_is_told_and_fewer_are_written_where_that_is_allowed(project: Project) -> None:
    asked = ("export", "--size", "400", "--allow-unreviewed")
    lacking = json.loads(project.run(*asked, "--dry-run", "--allow-fewer", "--json").stdout)
    assert lacking["lacking"]
    done = project.run(*asked, "--allow-fewer", "--name", "fewer")
    assert done.returncode == 0, done.stderr
    told = dict(re.findall(r"^(\S.*?) {2,}(\d+) *$", done.stdout.partition("Left out")[2], re.MULTILINE))
    assert {reason: int(rows) for reason, rows in told.items()} == lacking["left_out"]
    folder = project.folder / "releases" / "fewer"
    manifest = json.loads((folder / "manifest.json").read_text())
    assert sum(manifest["rows"].values()) == lacking["rows"] < 400
    assert f"{lacking['rows']:,} rows: {folder.relative_to(project.folder)}" in done.stdout
    assert f"card: {folder.relative_to(project.folder) / 'README.md'}" in done.stdout


def test_the_same_ledger_gives_the_same_release_to_the_byte_but_for_its_time(
    project: Project, exported: dict[str, Any], tmp_path: Path
) -> None:
    again = tmp_path / "project"
    shutil.copytree(project.folder, again, ignore=shutil.ignore_patterns("releases", "cache"))
    words = ("export", *MIX, "--allow-unreviewed", "--render", ",".join(FAMILIES))
    assert project.run("-C", str(again), *words).returncode == 0
    first, second = project.folder / exported["release"], again / "releases" / "v1"
    files = sorted(path.relative_to(first) for path in first.rglob("*") if path.is_file())
    assert files == sorted(path.relative_to(second) for path in second.rglob("*") if path.is_file())
    assert len(files) > 10
    for path in files:
        one, other = (first / path).read_bytes(), (second / path).read_bytes()
        if path.name == "manifest.json":
            one, other = (re.sub(rb'"made_at": "[^"]+"', b"", text) for text in (one, other))
        assert one == other, path


def test_the_card_says_the_languages_that_the_project_says(project: Project, tmp_path: Path) -> None:
    other = tmp_path / "project"
    shutil.copytree(project.folder, other, ignore=shutil.ignore_patterns("releases", "cache"))
    with (other / "curate.toml").open("a") as settings:
        settings.write('\n[release]\nlanguages = ["de", "en"]\n')
    assert project.run("-C", str(other), "export", *MIX, "--allow-unreviewed").returncode == 0
    card = other / "releases" / "v1" / "README.md"
    assert (metadata_load(card) or {})["language"] == ["de", "en"]
    assert "**English.**" not in card.read_text()


def test_a_derived_structure_is_published_only_after_a_review_of_its_own(project: Project) -> None:
    done = project.run("export", "--structure", "shuffled_reason", "--allow-unreviewed")
    assert done.returncode == 2
    assert "shuffled_reason is derived" in done.stderr


def test_original_traces_of_harmful_rows_are_asked_for_and_their_card_asks_readers(project: Project) -> None:
    words = ("export", *MIX, "--allow-unreviewed")
    done = project.run(*words, "--structure", "plain_original_trace")
    assert done.returncode == 2
    assert "--include-harmful-traces" in done.stderr
    done = project.run(*words, "--include-harmful-traces", "--name", "traces")
    assert done.returncode == 0, done.stderr
    folder = project.folder / "releases" / "traces"
    assert json.loads((folder / "manifest.json").read_text())["harmful_traces"] is True
    assert "extra_gated_prompt" in (metadata_load(folder / "README.md") or {})
    assert project.run("verify", "traces").returncode == 0


def test_a_release_that_was_changed_by_hand_is_off(project: Project, exported: dict[str, Any], tmp_path: Path) -> None:
    copy = tmp_path / "v1"
    shutil.copytree(project.folder / exported["release"], copy)
    with (copy / "README.md").open("a") as card:
        card.write("one more line\n")
    done = project.run("verify", str(copy))
    assert done.returncode == 1
    assert "README.md" in done.stdout


def test_the_hub_gives_back_what_was_pushed_and_a_second_push_changes_nothing(
    project: Project, hub: HubServer, pushed: dict[str, Any]
) -> None:
    assert (pushed["tag"], pushed["private"], pushed["unchanged"]) == ("v1", True, False)
    commits = len(hub.repos[REPO].commits)
    again = json.loads(project.run("push", REPO, "--allow-unreviewed", "--json").stdout)
    assert (again["unchanged"], again["revision"]) == (True, pushed["revision"])
    assert len(hub.repos[REPO].commits) == commits
    done = project.run("verify", f"{REPO}@v1")
    assert done.returncode == 0, done.stdout + done.stderr


def test_unreviewed_rows_are_asked_for_again_by_the_push(project: Project, exported: dict[str, Any]) -> None:
    done = project.run("push", REPO)
    assert done.returncode == 7
    assert "40 of 40 rows have no decision of a person" in done.stderr


LOAD = """if True:
    import json, sys
    from datasets import load_dataset
    train = load_dataset(sys.argv[1], sys.argv[2], split="train", revision="v1")
    print(json.dumps(list(train)))
    """


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_what_is_loaded_from_the_hub_is_trained_stage_by_stage_by_the_stock_trainer(
    project: Project, hub: HubServer, pushed: dict[str, Any], tmp_path: Path
) -> None:
    from datasets import Dataset
    from trl import SFTConfig

    from tests.exports.small_tokenizer import small_tokenizer
    from tests.exports.test_render import trained, trainer_of

    rows = load(hub, tmp_path, "default")
    rendered = load(hub, tmp_path, "r1")
    assert [row["id"] for row in rows] == [row["id"] for row in rendered]
    tokenizer = small_tokenizer("r1", [text for row in rows for text in (row["instruction"], row["response"])])
    machine: dict[str, Any] = {"use_cpu": True, "bf16": False, "report_to": "none", "disable_tqdm": True}
    args = SFTConfig(output_dir=str(tmp_path / "out"), **machine)
    trainer = trainer_of(Dataset.from_list(rendered), args, tokenizer)
    told = trained(trainer, [row["id"] for row in rows])
    for row in rows:
        text = told[row["id"]].text
        for span in row["spans"]:
            assert row["completion"][0]["content"][span["start"] : span["end"]] in text, (row["id"], span["name"])
        assert text.endswith(FAMILIES["r1"].stop)


def load(hub: HubServer, folder: Path, config: str) -> list[dict[str, Any]]:
    loading = python(hub, folder / "home", LOAD, REPO, config)
    out, err = loading.communicate(timeout=100)
    assert loading.returncode == 0, err
    rows: list[dict[str, Any]] = json.loads(out)
    return rows


def test_nothing_is_reported_to_the_hub_about_the_tools_use(
    project: Project, hub: HubServer, pushed: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HF_HUB_DISABLE_TELEMETRY")  # as on a user's machine
    asked = len(hub.asked)
    assert project.run("push", REPO, "--allow-unreviewed").returncode == 0
    paths = [one.path for one in hub.asked[asked:]]
    assert paths
    assert all(REPO in path or "whoami" in path for path in paths), paths


def test_the_token_stands_in_no_file_and_no_message(project: Project, hub: HubServer, pushed: dict[str, Any]) -> None:
    token = hub.environment()["HF_TOKEN"]
    for path in (project.folder / "releases").rglob("*"):
        assert not path.is_file() or token.encode() not in path.read_bytes()
    assert not re.search(r"hf_\w", json.dumps(pushed))
    assert CURATE.exists()
