"""What an evaluation is to ask: the model that MODEL, --baseline and --judge name, and the prompts of a suite."""

import hashlib
import os
import re
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, NamedTuple

from curation.cli.extras import require
from curation.cli.project import SETTINGS_FILE, load_settings
from schemas.ablation import ABLATION
from schemas.errors import KeyRefused, TrainError, UsageError
from schemas.evaluation import Asked
from schemas.settings import EMBEDDED, Endpoint, url_without_secrets
from schemas.training import RunRecord
from train.evaluation.servers import LOCAL, VLLM

BASE = "base"
"""As --baseline: the model that MODEL's run began from."""

SERVER = "VLLM_BASE_URL"
"""Where inspect finds a vLLM server that is running, and this command too."""

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*(@[\w./-]+)?")


class Chosen(NamedTuple):
    """A model to ask."""

    name: str
    """As reports show it: of a folder the last part only."""
    kind: Literal["folder", "hub", "endpoint"]
    address: str
    """As inspect names it."""
    folder: Path | None = None
    is_run: bool = False
    record: RunRecord | None = None
    """What the model was trained on; None: nothing says."""
    base_url: str | None = None
    revision: str | None = None
    served_revision: str | None = None
    """Of the weights that vLLM is started with: of an adapter its base's."""
    endpoint: Endpoint | None = None
    """Its settings in curate.toml."""


def choose(project: Path, name: str) -> Chosen:
    """A run's folder, a model's folder, an endpoint of curate.toml, 'embedded', or org/name[@revision] on the Hub; or
    'vllm/' before a folder or a name on the Hub.

    Raises UsageError where it is none of them or a folder of something else, TrainError for a run that is not finished,
    KeyRefused for an endpoint whose key is not set. A model that this machine loads needs the extra `train`, one for
    vLLM needs vLLM or a server of it: UsageError where that is not there.
    """
    endpoints = _endpoints(project)
    if name in endpoints:
        return _endpoint(name, endpoints[name])
    if name.startswith(VLLM):
        return _with_vllm(name, _local(project, name.removeprefix(VLLM)))
    if local := _local(project, name):
        require("train")
        return local
    known = ", ".join([EMBEDDED, *endpoints])
    raise UsageError(f"{name}: no such folder, no org/name on the Hub, no endpoint of curate.toml (there are: {known})")


def _local(project: Path, name: str) -> Chosen | None:
    for folder in (Path(name), project / name):
        if folder.is_dir():
            return _folder(folder)
    if name == EMBEDDED:
        from curation.cli.train.run import model_path

        return Chosen("SmolLM2-135M-Instruct", "folder", f"{LOCAL}{model_path(EMBEDDED)}")
    if _HUB_ID.fullmatch(name):
        hub_id, _, revision = name.partition("@")
        return Chosen(hub_id, "hub", f"{LOCAL}{hub_id}", revision=revision or None)
    return None


def _with_vllm(name: str, local: Chosen | None) -> Chosen:
    """The same model, served by vLLM: by the server at VLLM_BASE_URL, or by one that inspect starts here."""
    if local is None or name == VLLM:
        raise UsageError(f"{name}: after {VLLM} stands a folder of a run or model, or org/name on the Hub")
    server = _server()
    if server is None and find_spec("vllm") is None:
        raise UsageError(
            f"{name}: vLLM is not here: pip install vllm on a machine with a GPU, or set {SERVER} to a server"
        )
    if server and local.revision and name.endswith(f"@{local.revision}"):
        raise UsageError(f"{name}: the server at {SERVER} serves the revision that it was started with; leave it out")
    require("train")
    from train.loading import base_of_adapter, is_adapter, require_there
    from train.record import model_in

    place = local.address.removeprefix(LOCAL)
    if local.kind == "folder":
        # As a server that was started elsewhere knows it; a link may stand for a name that vLLM cannot be told.
        folder = Path(os.path.abspath(Path(place).expanduser()))  # noqa: PTH100 (resolve() would follow the link)
        place = str(model_in(folder))
    require_there(place, name)
    served, base_revision = place, local.revision
    if is_adapter(place, name, local.revision):
        base = base_of_adapter(place, name, local.revision)
        served = f"{base}:{place}@{local.revision}" if local.revision else f"{base}:{place}"
        base_revision = local.record.config.model_revision if local.record else None
        place += base
    if ":" in place:  # by which inspect would part a base from its adapter
        raise UsageError(f"{name}: vLLM is told a model without ':' in its name; move the folder, or make a link to it")
    return local._replace(
        name=f"{VLLM}{local.name}",
        address=f"{VLLM}{served}",
        base_url=server,
        revision=None if server else local.revision,
        served_revision=base_revision,
    )


def _server() -> str | None:
    """Raises UsageError where VLLM_BASE_URL is no address. It is not repeated: it may hold a password."""
    try:
        return url_without_secrets(url) if (url := os.environ.get(SERVER, "").strip()) else None
    except ValueError as error:
        raise UsageError(f"{SERVER}: {error}; such as http://127.0.0.1:8000/v1") from None


def choose_base(model: Chosen) -> Chosen:
    """The model that a run began from. Raises UsageError where `model` is no run."""
    if model.record is None:
        raise UsageError(f"--baseline {BASE}: {model.name} is no run's folder; name the model it came from")
    from train.card import base_of

    config = model.record.config
    name, on_hub = base_of(config)
    kind: Literal["folder", "hub"] = "hub" if on_hub and not Path(config.model_path).is_dir() else "folder"
    base = Chosen(name, kind, f"{LOCAL}{config.model_path}", revision=config.model_revision)
    return _with_vllm(f"{VLLM}{name}", base) if model.address.startswith(VLLM) else base


def prompts_of(suite: str, file: Path | None) -> list[Asked]:
    """All prompts of a suite: our own with the packaged examples, or another's from the Hub or `file`.

    Raises UsageError or SourceError."""
    from curation.sources import packaged_examples
    from train.evaluation.suites import HELD_OUT, NO_FILE, load, load_held_out

    if suite == HELD_OUT and file is not None:
        raise UsageError(NO_FILE)
    return load_held_out(examples=packaged_examples()) if suite == HELD_OUT else load(suite, file)


def choose_judge(project: Path, name: str) -> Chosen:
    """An endpoint of curate.toml. Raises UsageError or KeyRefused."""
    endpoints = _endpoints(project)
    if name not in endpoints:
        raise UsageError(f"--judge {name}: no endpoint of curate.toml (there are: {', '.join(endpoints) or 'none'})")
    return _endpoint(name, endpoints[name])


def _endpoints(project: Path) -> dict[str, Endpoint]:
    """Those of the project; none where there is no project, which an evaluation does not need."""
    return dict(load_settings(project).endpoints) if (project / SETTINGS_FILE).exists() else {}


def _endpoint(name: str, endpoint: Endpoint) -> Chosen:
    # inspect reads key and place of a service out of the environment of this process, by the service's name.
    # In upper case and with underscores for marks two names may be one: the hash keeps each key to its own server.
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    service = f"curate_{re.sub(r'[^A-Za-z0-9]', '_', name)}_{digest}"
    key = os.environ.get(endpoint.key_env, "").strip() if endpoint.key_env else "none"
    if not key:
        raise KeyRefused(f"endpoint {name!r}: the environment variable {endpoint.key_env} is not set")
    os.environ[f"{service.upper()}_API_KEY"] = key
    os.environ[f"{service.upper()}_BASE_URL"] = endpoint.base_url
    address = f"openai-api/{service}/{endpoint.model}"
    return Chosen(name, "endpoint", address, base_url=endpoint.base_url, endpoint=endpoint)


def _folder(folder: Path) -> Chosen:
    from train.record import CONFIG, MODEL, RECORD, ROWS, read_record

    name = folder.resolve().name
    has_record = (folder / RECORD).exists()
    if ((folder / MODEL).is_dir() and has_record) or ((folder / CONFIG).exists() and (folder / ROWS).exists()):
        record = read_record(folder)
        if record is None:
            raise TrainError(f"{folder}: the run is not finished; go on with it by `curate train … --resume`")
        return Chosen(name, "folder", f"{LOCAL}{folder}", folder=folder, is_run=True, record=record)
    _require_model(folder)
    record = read_record(folder) if has_record else None
    return Chosen(name, "folder", f"{LOCAL}{folder}", folder=folder, record=record)


def _require_model(folder: Path) -> None:
    """Raises UsageError, with what to give instead, for the folder of an evaluation or of an ablation."""
    from train.evaluation.run import REQUEST
    from train.record import CONFIG, MODEL, read_ablation

    if (folder / ABLATION).exists():
        runs = [str(folder / run.folder) for run in read_ablation(folder).runs]
        instead = f"give one of its runs, such as {runs[0]}" if runs else "none of its runs is finished"
        raise UsageError(f"{folder}: is the folder of an ablation; {instead}")
    marks = (folder / REQUEST, folder / "report.json", folder / MODEL / REQUEST)
    if not (folder / CONFIG).exists() and any(mark.exists() for mark in marks):
        raise UsageError(
            f"{folder}: is the folder of an evaluation; give the run or model that was asked, such as runs/NAME"
        )
