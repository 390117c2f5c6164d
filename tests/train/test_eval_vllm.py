"""`curate eval vllm/MODEL`: what a server of vLLM is asked, and what is said where there is none.

vLLM itself is not run: a server on loopback answers what inspect's own provider for it asks.
"""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from curation.cli import curate
from curation.cli.eval_models import SERVER, choose, choose_base
from schemas.errors import EndpointError, TrainError, UsageError
from schemas.evaluation import EvalReport
from tests.fake_endpoint import FakeEndpoint, Received, Reply, completion
from tests.project import CURATE
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
    else:
        shutil.copy(model / "config.json", folder / "model")
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
    assert chosen.address == f"vllm/{run / 'model'}"
    assert choose_base(chosen).address == f"vllm/{model}"
    write(run / RECORD, record(name="full", model_path=str(model), model_revision="v1", trained_families=()))
    assert choose_base(choose(tmp_path, f"vllm/{run}")).revision is None, "the server's own"


FAKE_VLLM = """#!{python}
import json, sys, time
from http.server import BaseHTTPRequestHandler, HTTPServer
words = sys.argv[1:]
with open({started!r}, "a") as file:
    file.write(json.dumps(words) + "\\n")
if "--fail" in {how!r}:
    sys.exit("no GPU")
if "--slow" in {how!r}:
    time.sleep(60)
def said(word):
    return words[words.index(word) + 1]
class Handler(BaseHTTPRequestHandler):
    def answer(self, body):
        self.send_response(200 if body else 404)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def do_GET(self):
        self.answer(b'{{"object": "list", "data": []}}')
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        loads = self.path.endswith("load_lora_adapter")
        self.answer((b"{{}}" if "--enable-lora" in words else b"") if loads else {reply!r})
    def log_message(self, *_):
        pass
HTTPServer((said("--host"), int(said("--port"))), Handler).serve_forever()
"""


@pytest.fixture
def fake_vllm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Path]]:
    """Puts a program `vllm` on the path, that notes how it is started and serves. `how`: '--fail' and it ends, '--slow'
    and it is long in starting."""
    started = tmp_path / "started.jsonl"

    def make(how: str = "") -> Path:
        folder = tmp_path / "installed"
        folder.mkdir()
        (folder / "vllm.py").write_text("")
        program = folder / "vllm"
        reply = completion("I'm sorry, but I can't help with that.").body
        program.write_text(FAKE_VLLM.format(python=sys.executable, started=str(started), how=how, reply=reply))
        program.chmod(0o755)
        monkeypatch.syspath_prepend(str(folder))
        monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
        monkeypatch.delenv(SERVER, raising=False)
        return started

    yield make
    sys.modules.pop("vllm", None)


def test_a_server_is_started_for_each_model_on_this_machine_alone_and_ended_after_it(
    tmp_path: Path, model: Path, fake_vllm: Callable[[str], Path]
) -> None:
    started = fake_vllm("")
    run = finished(tmp_path / "runs" / "first", model, adapter=True)
    done = evaluate(tmp_path, f"vllm/{run}", "--baseline", "base", "--precision", "bf16")
    assert done.exit_code == 0, done.exception
    base, adapter = [json.loads(line) for line in started.read_text().splitlines()]
    for words in (base, adapter):
        assert words[:4] == ["serve", str(model.resolve()), "--host", "127.0.0.1"]
        assert words[words.index("--dtype") + 1] == "bfloat16"
        with pytest.raises(OSError, match="refused"):
            socket.create_connection(("127.0.0.1", int(words[words.index("--port") + 1])), timeout=1)
    assert "--enable-lora" not in base
    assert "--enable-lora" in adapter
    assert EvalReport.model_validate_json(done.stdout).model.precision == "bf16"
    again = evaluate(tmp_path, f"vllm/{run}", "--baseline", "base", "--precision", "bf16")
    assert again.exit_code == 0, again.exception
    assert len(started.read_text().splitlines()) == 2, "nothing was left to ask"


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_a_server_is_ended_with_the_command_that_was_still_starting_it(
    sent: signal.Signals, tmp_path: Path, model: Path, fake_vllm: Callable[[str], Path]
) -> None:
    started = fake_vllm("--slow")
    path = f"{tmp_path / 'installed'}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
    words = [str(CURATE), "-C", str(tmp_path), "eval", f"vllm/{model}", "--limit", "1"]
    # A process that was started in the background may have been told to ignore Ctrl-C.
    command = subprocess.Popen(
        words,
        env=os.environ | {"PYTHONPATH": path},
        stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    while not started.exists():
        time.sleep(0.05)
        assert command.poll() is None
    time.sleep(0.5)
    command.send_signal(sent)
    command.communicate(timeout=20)
    assert command.returncode == 130
    assert not _running(str(model))


def _running(word: str) -> list[str]:
    """Programs `vllm` that run with a word."""
    found = []
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            words = place.read_bytes().decode("utf-8", "replace").split("\0")
            found += [place.parent.name] if "serve" in words and word in words else []
    return found


def test_a_server_that_does_not_start_is_started_once_and_told_in_one_line(
    tmp_path: Path, model: Path, fake_vllm: Callable[[str], Path]
) -> None:
    started = fake_vllm("--fail")
    told = evaluate(tmp_path, f"vllm/{model}").exception
    assert isinstance(told, EndpointError)
    assert "Failed to start vLLM server: Server process exited unexpectedly with code 1." in str(told)
    assert "\n" not in str(told)
    assert len(started.read_text().splitlines()) == 1


@pytest.mark.parametrize(
    "url", ["http://me:sekret@127.0.0.1:1/v1", "127.0.0.1:1/v1", "http://127.0.0.1:99999/v1", "http://[::1/v1"]
)
def test_an_address_that_is_none_or_holds_a_secret_is_refused_and_not_repeated(
    url: str, tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SERVER, url)
    told = evaluate(tmp_path, f"vllm/{model}").exception
    assert isinstance(told, UsageError)
    assert str(told).startswith("VLLM_BASE_URL: ")
    assert "sekret" not in str(told)


def test_what_a_running_server_decides_itself_is_not_asked_of_it(
    tmp_path: Path, model: Path, server: FakeEndpoint
) -> None:
    refused = evaluate(tmp_path, f"vllm/{model}", "--precision", "bf16")
    assert "--precision bf16: a server reckons as it was started" in str(refused.exception)
    with pytest.raises(UsageError, match="serves the revision that it was started with; leave it out"):
        choose(tmp_path, "vllm/org/model@v1")
    done = evaluate(tmp_path, f"vllm/{model}")
    notes = EvalReport.model_validate_json(done.stdout).notes
    assert any("vllm/base: answered by a server that was running; its weights are as it says" in one for one in notes)


def test_a_name_that_inspect_would_part_in_two_is_refused(tmp_path: Path, model: Path, server: FakeEndpoint) -> None:
    odd = tmp_path / "a:b"
    shutil.copytree(model, odd)
    with pytest.raises(UsageError, match="a model without ':' in its name; move the folder, or make a link"):
        choose(tmp_path, f"vllm/{odd}")
    (tmp_path / "link").symlink_to(odd)
    assert choose(tmp_path, f"vllm/{tmp_path / 'link'}").address == f"vllm/{tmp_path / 'link'}"
    for name in ("vllm/", "vllm/nothing"):
        with pytest.raises(UsageError, match="after vllm/ stands a folder"):
            choose(tmp_path, name)
    (tmp_path / "empty").mkdir()
    with pytest.raises(TrainError, match="holds no model"):
        choose(tmp_path, f"vllm/{tmp_path / 'empty'}")


def test_other_weights_of_the_same_name_are_told_apart(tmp_path: Path, model: Path) -> None:
    before = weights_of(f"vllm/{model}")
    assert before
    assert weights_of(f"vllm/org/base:{model}") == before
    shutil.copytree(model, tmp_path / "a@b")
    assert weights_of(f"vllm/org/base:{tmp_path / 'a@b'}"), "a folder, whatever its name, and no revision"
    assert weights_of("openai-api/vllm/model") is None


def test_without_vllm_and_without_a_server_of_it_one_line_says_so(
    tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(SERVER, raising=False)
    told = str(evaluate(tmp_path, f"vllm/{model}").exception)
    assert "vLLM is not here: pip install vllm on a machine with a GPU, or set VLLM_BASE_URL to a server" in told
    assert "\n" not in told


@pytest.mark.parametrize("command", ["audit", "boundary"])
def test_commands_that_need_more_than_text_or_know_endpoints_by_name_say_what_to_give(
    command: str, tmp_path: Path, model: Path, server: FakeEndpoint
) -> None:
    told = str(CliRunner().invoke(curate, ["-C", str(tmp_path), command, f"vllm/{model}"]).exception)
    assert "a server " in told
    assert not server.requests
