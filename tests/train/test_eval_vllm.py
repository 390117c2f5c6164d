"""`curate eval vllm/MODEL`: what a server of vLLM is asked, and what is said where there is none.

vLLM itself is not run: a server on loopback answers what inspect's own provider for it asks.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from curation.cli import curate
from curation.cli.eval_models import SERVER, choose, choose_base
from schemas.errors import UsageError
from schemas.evaluation import EvalReport
from tests.fake_endpoint import FakeEndpoint, Received, Reply, completion
from tests.train import tiny
from tests.train.inspecting import QUIET
from tests.train.records import record
from train.evaluation.run import weights_of
from train.record import RECORD, ROWS, write, write_lines

pytestmark = QUIET


def serve(request: Received) -> Reply:
    if request.path.endswith("/load_lora_adapter"):
        return Reply(body=b"{}")
    return completion("I'm sorry, but I can't help with that.")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeEndpoint]:
    with FakeEndpoint(serve) as fake:
        monkeypatch.setenv(SERVER, fake.url)
        yield fake


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """Of each test its own: inspect remembers by the base model where its server is."""
    return tiny.save_model(tmp_path / "base")


def evaluate(folder: Path, *words: str) -> Result:
    suite = ("--suites", "heldout", "--limit", "2", "--json")
    return CliRunner().invoke(curate, ["-C", str(folder), "eval", *words, *suite])


def finished(folder: Path, model: Path, *, adapter: bool) -> Path:
    """A run's folder with no more in it than names its model."""
    (folder / "model").mkdir(parents=True)
    if adapter:
        config = {"base_model_name_or_path": str(model), "peft_type": "LORA", "r": 8}
        (folder / "model" / "adapter_config.json").write_text(json.dumps(config))
    told = record(name=folder.name, model_path=str(model), model_revision=None, trained_families=())
    write(folder / RECORD, told)
    write_lines(folder / ROWS, [])
    return folder


def test_a_folder_is_asked_of_the_server_by_its_whole_path(tmp_path: Path, model: Path, server: FakeEndpoint) -> None:
    done = evaluate(tmp_path, f"vllm/{model}")
    assert done.exit_code == 0, done.exception
    report = EvalReport.model_validate_json(done.stdout)
    assert (report.model.name, report.model.kind) == ("vllm/base", "folder")
    assert {one.body["model"] for one in server.requests} == {str(model.resolve())}
    assert (tmp_path / "evals" / "vllm--base" / "report.html").exists()


def test_a_run_is_asked_as_its_adapter_and_its_base_as_the_base(
    tmp_path: Path, model: Path, server: FakeEndpoint
) -> None:
    run = finished(tmp_path / "runs" / "first", model, adapter=True)
    done = evaluate(tmp_path, f"vllm/{run}", "--baseline", "base")
    assert done.exit_code == 0, done.exception
    adapter = str((run / "model").resolve())
    loaded = [one.body for one in server.requests if one.path.endswith("/load_lora_adapter")]
    assert loaded == [{"lora_name": adapter, "lora_path": adapter}]
    asked = [one.body["model"] for one in server.requests if one.path.endswith("/chat/completions")]
    assert asked == [str(model.resolve())] * 2 + [adapter] * 2
    report = EvalReport.model_validate_json((run / "eval" / "report.json").read_bytes())
    assert report.model.weights_sha256 == "cd" * 32


def test_a_run_of_all_weights_is_asked_as_a_folder(tmp_path: Path, model: Path, server: FakeEndpoint) -> None:
    run = finished(tmp_path / "full", model, adapter=False)
    chosen = choose(tmp_path, f"vllm/{run}")
    assert chosen.address == f"vllm/{(run / 'model').resolve()}"
    assert choose_base(chosen).address == f"vllm/{model.resolve()}"


def test_other_weights_of_the_same_name_are_told_apart(tmp_path: Path, model: Path) -> None:
    before = weights_of(f"vllm/{model}")
    assert before
    assert weights_of(f"vllm/org/base:{model}") == before
    assert weights_of("openai-api/vllm/model") is None


def test_without_vllm_and_without_a_server_of_it_one_line_says_so(
    tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(SERVER, raising=False)
    told = str(evaluate(tmp_path, f"vllm/{model}").exception)
    assert "vLLM is not here: pip install vllm on a machine with a GPU, or set VLLM_BASE_URL to a server" in told
    assert "\n" not in told


def test_what_is_no_model_is_refused_as_such(tmp_path: Path, server: FakeEndpoint) -> None:
    with pytest.raises(UsageError, match="vllm/nothing: after vllm/ stands a folder of a run or model, or org/name"):
        choose(tmp_path, "vllm/nothing")
    assert not server.requests


@pytest.mark.parametrize("command", ["audit", "boundary"])
def test_commands_that_need_more_than_text_or_know_endpoints_by_name_say_what_to_give(
    command: str, tmp_path: Path, model: Path, server: FakeEndpoint
) -> None:
    told = str(CliRunner().invoke(curate, ["-C", str(tmp_path), command, f"vllm/{model}"]).exception)
    assert "a server " in told
    assert not server.requests
