"""An evaluation: prompts asked of a model through inspect_ai, in a folder that remembers what is done.

    asked = {"xstest": load("xstest", Path("xstest.jsonl"), limit=50)}
    logs = evaluate("alttrain/runs/first", asked, Path("evals/first"), Options(structure=measured))

evals/first/
  request.json      what was asked, to be compared when it goes on
  logs/*.eval       inspect's own logs, one a suite: `inspect view --log-dir evals/first/logs`

Stopped at any time and called again with the same words, it asks what is missing and nothing else.
"""

import contextlib
import gc
import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from schemas.errors import UsageError
from schemas.evaluation import Asked
from schemas.example import Frozen
from schemas.training import Precision
from train.evaluation.figures import answered_before
from train.evaluation.servers import (
    LOCAL,
    VLLM,
    lacking,
    open_asked,
    pace,
    require_listening,
    unanswered,
    vllm_server,
)
from train.evaluation.structures import Measured
from train.record import model_in, put, read_record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from inspect_ai.model import Model
    from inspect_ai.scorer import Scorer

REQUEST, LOGS = "request.json", "logs"
RETRIES = 5
"""Of a request that an endpoint failed or was too busy for. inspect waits 3, 6, 12, 24 and 48 s between: longer than
the minute of a rate limit, and a server that is down is not waited for much longer."""

_DTYPES: "Mapping[Precision, str]" = {"fp32": "float32", "bf16": "bfloat16"}
"""As vLLM calls them."""
_HOW_FAST = {"at_once", "timeout_seconds", "requests_per_minute", "judge_requests_per_minute"}
"""What may differ where an evaluation goes on."""


class Options(Frozen):
    """How a model is asked."""

    system: str = ""
    structure: Measured | None = Field(default=None, description="that adherence is measured against; None: none")
    temperature: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    samples: int = Field(default=1, ge=1, description="completions a prompt; more than 1 needs a temperature")
    seed: int = 0
    max_tokens: int = Field(default=1024, ge=1, description="of a completion")
    batch_size: int = Field(default=16, ge=1, description="of a model of this machine")
    precision: Precision | None = Field(
        default=None, description="of a model of this machine; None: bf16 on a GPU that has it, else fp32"
    )
    at_once: int = Field(default=64, ge=1, description="requests to an endpoint")
    timeout_seconds: int = Field(default=600, ge=1, description="of one try; no other follows after so long")
    requests_per_minute: int | None = Field(default=None, ge=1, description="to an endpoint; None: as many as it takes")
    judge_requests_per_minute: int | None = Field(default=None, ge=1, description="to the judge")


def evaluate(
    model: str,
    asked: Mapping[str, Sequence[Asked]],
    folder: Path,
    options: Options = Options(),  # noqa: B008 (frozen)
    *,
    base_url: str | None = None,
    revision: str | None = None,
    judge: str | None = None,
    judge_url: str | None = None,
    judges: "Sequence[Scorer]" = (),
    progress: "Callable[[str, int, int], None] | None" = None,
) -> Path:
    """Asks every prompt, by suite, and gives the folder of the logs.

    `model`: as inspect names it: 'alttrain/FOLDER' or 'alttrain/org/name' for a model of this machine or the Hub,
    'openai-api/NAME/MODEL' with `base_url` for any OpenAI-compatible endpoint (its key in NAME_API_KEY), 'vllm/MODEL'
    or 'vllm/BASE:ADAPTER' for vLLM: the server at `base_url`, or one that inspect starts, with `revision` of MODEL or
    BASE. `judge`: the same for the model role `judge`, which `judges` may ask, and `judge_url` its address. `progress`:
    takes a suite, its answers so far, those of earlier calls among them, and how many it has in all.

    Raises UsageError where nothing is left to ask or the folder holds another evaluation, or one of other weights;
    TrainError for a model that cannot be asked; EndpointError where a server of this machine does not listen or start,
    and, with the commonest reason, where some prompts got no answer (what did is kept, and the same call goes on),
    KeyRefused where that is the key; KeyboardInterrupt after Ctrl-C, with what was answered kept.
    """
    if not any(asked.values()):
        raise UsageError("nothing to ask: every prompt was left out, or no suite was named")
    if options.samples > 1 and options.temperature == 0:
        raise UsageError(f"{options.samples} samples at temperature 0 are one and the same; set a temperature")
    suites = {suite: list(prompts) for suite, prompts in asked.items() if prompts}
    logs = folder / LOGS
    before = answered_before(logs) if logs.exists() else {}
    left = any(before.get(suite, 0) < len(its) * options.samples for suite, its in suites.items())
    for url in (base_url, judge_url) if left else ():
        require_listening(url)
    _remember(folder, _request(model, suites, options, base_url, revision, judge, judges))
    from inspect_ai import eval_set
    from inspect_ai._util.error import PrerequisiteError
    from rich import get_console

    from train.evaluation import registered  # noqa: F401 (where the package is not installed, nothing else loads it)
    from train.evaluation.tasks import task_of

    local = model.startswith(LOCAL)
    structure = options.structure.model_dump_json() if options.structure else ""
    tasks = [
        task_of(
            suite,
            prompts,
            system=options.system,
            structure=structure,
            samples=options.samples,
            temperature=options.temperature,
            seed=options.seed,
            max_tokens=options.max_tokens,
            judges=judges,
            done=_counter(suite, before.get(suite, 0), len(prompts) * options.samples, progress),
        )
        for suite, prompts in suites.items()
    ]
    at_once = 2 * options.batch_size if local else options.at_once
    patience = None if local else options.timeout_seconds + _longest_wait(options)
    started_here = model.startswith(VLLM) and base_url is None
    asked_judge = open_asked(judge, judge_url) if judge else None
    asks = open_asked(model, base_url, _settings(model, revision, options))
    if judge == model:
        pace([asks, asked_judge], options.requests_per_minute)
    else:
        pace([asks], options.requests_per_minute)
        pace([asked_judge], options.judge_requests_per_minute)
    try:
        # inspect's own last line would stand in the middle of our JSON
        with (
            get_console().capture(),
            contextlib.nullcontext() if local else _collecting_less(),
            _serving(asks, revision, options) if started_here and left else contextlib.nullcontext(),
        ):
            finished, its = eval_set(
                tasks,
                log_dir=str(logs),
                model=asks,
                model_roles={"judge": asked_judge} if asked_judge else None,
                display="none",
                log_level="error",
                retry_attempts=1,  # in all: a prompt that fails is for the next call
                retry_immediate=False,
                max_tasks=1,
                # Of an endpoint some are made ready and judged while the others' replies are waited for.
                max_samples=at_once if local else 2 * at_once,
                max_connections=at_once,
                max_retries=None if local else RETRIES,
                timeout=patience,  # inspect begins no other try after so long
                attempt_timeout=patience,
                fail_on_error=True,
                continue_on_fail=True,  # the others are asked all the same, and the next call asks these again
                log_model_api=False,
                log_realtime=False,
                score_display=False,  # nobody sees the figures in between, and each costs as much as a request
                # Each writing copies the whole log, a third of the time of 1,000 requests. What this machine answers is
                # on the disk at once; of an endpoint's answers a kill loses a quarter of what is under way with it.
                log_buffer=1 if local else max(1, at_once // 4),
                ctl_server=False,
            )
    except PrerequisiteError as error:
        raise lacking(model, error) from None
    if len(its) < len(tasks) or any(log.status == "cancelled" for log in its):
        raise KeyboardInterrupt  # inspect swallows it once what was answered is written
    if not finished:
        raise unanswered(model, logs)
    return logs


def _settings(model: str, revision: str | None, options: Options) -> dict[str, Any]:
    """What inspect's provider of the model takes. inspect goes on with a log only where these are the same."""
    if not model.startswith(LOCAL):
        return {}
    return {"batch_size": options.batch_size, "revision": revision, "precision": options.precision}


def _serving(model: "Model", revision: str | None, options: Options) -> "AbstractContextManager[None]":
    return vllm_server(model, revision=revision, dtype=_DTYPES[options.precision] if options.precision else None)


def _longest_wait(options: Options) -> int:
    """Seconds that a request may wait for its turn, which are no part of the time that it may take."""
    rates = [rate for rate in (options.requests_per_minute, options.judge_requests_per_minute) if rate]
    return max((math.ceil(60 * 2 * options.at_once / rate) for rate in rates), default=0)


@contextlib.contextmanager
def _collecting_less() -> "Iterator[None]":
    """Python looks for garbage among what is made from here on, not in all that was imported, and not as often: each
    request makes thousands of objects, and the looking took a fifth of the time of 1,000."""
    thresholds = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)
        gc.unfreeze()


def _counter(
    suite: str, before: int, total: int, progress: "Callable[[str, int, int], None] | None"
) -> "Callable[[], None] | None":
    if progress is None:
        return None
    count = before

    def done() -> None:
        nonlocal count
        count += 1
        progress(suite, count, total)

    return done


def _request(
    model: str,
    suites: Mapping[str, Sequence[Asked]],
    options: Options,
    base_url: str | None,
    revision: str | None,
    judge: str | None,
    judges: "Sequence[Scorer]",
) -> dict[str, Any]:
    """What makes an evaluation the same one: how fast it is asked does not."""
    from inspect_ai._util.registry import registry_info, registry_params

    prompts = {
        suite: hashlib.sha256("\n".join(one.model_dump_json() for one in asked).encode()).hexdigest()
        for suite, asked in suites.items()
    }
    return {
        "model": model,
        "revision": revision,
        "weights": weights_of(model, revision),
        # A server of vLLM gets another port each time; what it serves has a name.
        "base_url": None if model.startswith(VLLM) else base_url,
        "judge": judge,
        "judges": [{"name": registry_info(one).name} | registry_params(one) for one in judges],
        "suites": {suite: len(asked) for suite, asked in suites.items()},
        "prompts_sha256": prompts,
        "options": options.model_dump(mode="json", exclude=_HOW_FAST),
    }


def weights_of(model: str, revision: str | None = None) -> str | dict[str, str] | None:
    """What tells a model's weights from others of the same name without reading them: of a run its record's hash, of
    another folder its files by size and time, of the Hub the commit. None: nothing does, as of an endpoint."""
    if not model.startswith((LOCAL, VLLM)):
        return None
    name = model.partition("/")[2]
    if model.startswith(VLLM) and ":" in name:
        name, revision = name.partition(":")[2], None
        if not Path(name).is_dir():
            name, _, at = name.partition("@")
            revision = at or None
    folder = Path(name).expanduser()
    if not folder.is_dir():
        return _commit(name, revision)
    model_folder = model_in(folder)
    # A merged folder has the record of the run that it came from, whose hash is not of these files.
    if model_folder != folder and (record := read_record(folder)):
        return record.weights_sha256
    files = sorted(path for path in model_folder.iterdir() if path.suffix in (".safetensors", ".bin"))
    return {path.name: f"{path.stat().st_size} bytes, {path.stat().st_mtime_ns} ns" for path in files}


def _commit(hub_id: str, revision: str | None) -> str | None:
    """The commit that a revision of a model on the Hub is at: as the Hub says, or where it cannot be asked, the one
    that was fetched last."""
    from httpx2 import HTTPError
    from huggingface_hub import HfApi, try_to_load_from_cache

    try:
        return HfApi().model_info(hub_id, revision=revision, timeout=10).sha
    except (HTTPError, OSError, ValueError):
        cached = try_to_load_from_cache(hub_id, "config.json", revision=revision)
        return Path(cached).parent.name if isinstance(cached, str) else None


def _remember(folder: Path, request: dict[str, Any]) -> None:
    """Raises UsageError where the folder holds another evaluation."""
    path = folder / REQUEST
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            put(path, (json.dumps(request, indent=2) + "\n").encode())
            return
        before = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: {' '.join(str(error).split())[:200]}") from None
    before["weights"] = before.get("weights") or request["weights"]  # not known then: not compared
    if differing := [name for name in request if before.get(name) != request[name]]:
        raise UsageError(f"{folder}: holds another evaluation ({', '.join(differing)} differ); choose another folder")
