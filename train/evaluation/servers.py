"""The models that an evaluation asks, as inspect opens them, and what is said of a server that fails.

model = open_asked("openai-api/mine/model", "http://127.0.0.1:8000/v1")
pace([model], per_minute=60)
"""

import asyncio
import contextlib
import re
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from schemas.errors import EndpointError, KeyRefused, UsageError
from schemas.settings import LOOPBACK
from train.evaluation.figures import errors_in

if TYPE_CHECKING:
    from inspect_ai._util.error import PrerequisiteError
    from inspect_ai.model import Model

LOCAL = "alttrain/"
"""How a model that this machine loads is addressed (train/evaluation/provider.py)."""
VLLM = "vllm/"
"""How one that vLLM serves is: a folder or Hub id, or BASE:ADAPTER."""
_RAISED = {
    "APIConnectionError": "no connection",
    "AttemptTimeoutError": "no reply in time",
    "RateLimitError": "too many requests",
    "InternalServerError": "an error of the server",
    "OpenAIResponseError": "a reply that is no chat completion; is base_url right?",
}
"""What inspect only names once it stops trying, in words."""
_COLOURS = re.compile(r"\[/?(?:bold|blue|red|yellow|green|italic)\]")


def open_asked(model: str, base_url: str | None = None, settings: Mapping[str, Any] | None = None) -> "Model":
    """`settings`: what inspect's provider of the model takes; None in it is left out. Raises UsageError where it lacks
    something, TrainError for a model that cannot be loaded."""
    from inspect_ai._util.error import PrerequisiteError
    from inspect_ai.model import get_model

    given = {name: value for name, value in (settings or {}).items() if value is not None}
    try:
        return get_model(model, base_url=base_url, memoize=False, **given)
    except PrerequisiteError as error:
        raise lacking(model, error) from None


def lacking(model: str, error: "PrerequisiteError") -> UsageError:
    """What inspect asks for, in one line and without its colours."""
    return UsageError(f"{model}: {_COLOURS.sub('', ' '.join(str(error.message).split()))}")


@contextlib.contextmanager
def vllm_server(model: "Model", **options: str | None) -> Iterator[None]:
    """Starts the server of a model of vLLM, and ends it, whatever happens: it holds a GPU's memory, and would serve the
    next adapter of the same base without LoRA. `options`: of `vllm serve`; None is left out.

    inspect would start it at the first prompt, and anew for each prompt where it fails to, have it listen to the whole
    network, and leave it behind where its start is broken off. Raises EndpointError where it does not start.
    """
    from inspect_ai._util.error import PrerequisiteError
    from inspect_ai._util.local_server import process_socket_map, terminate_process

    api: Any = model.api
    api.server_args |= {"host": "127.0.0.1"} | {name: value for name, value in options.items() if value is not None}
    before = set(process_socket_map)
    try:
        with _ended_as_by_ctrl_c():
            name = api.model_name
            api._resolve_server()
            api.model_name = name  # it is the base's now, and inspect would not know the log of an adapter again
            yield
    except PrerequisiteError as error:
        raise lacking(str(model), error) from None
    except RuntimeError as error:
        if not str(error).startswith("Failed to start"):
            raise
        why = " ".join(str(error).partition("Try rerunning")[0].split())
        raise EndpointError(f"{model}: {why} Run `vllm serve` by hand to see the reason") from None
    finally:
        api.close()
        for process in set(process_socket_map) - before:
            terminate_process(process)


@contextlib.contextmanager
def _ended_as_by_ctrl_c() -> Iterator[None]:
    """SIGTERM, which would end this process at once, is taken for Ctrl-C."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def pace(models: "Sequence[Model | None]", per_minute: int | None) -> None:
    """Lets requests to these go out one by one, retries too, so many a minute: inspect itself knows no such limit."""
    if per_minute is None:
        return
    due = 0.0

    async def wait(_: object) -> None:
        nonlocal due
        now = time.monotonic()
        due = max(now, due + 60 / per_minute)
        await asyncio.sleep(due - now)

    for model in filter(None, models):
        model.api.http_client.event_hooks["request"].append(wait)  # type: ignore[attr-defined]


def require_listening(url: str | None) -> None:
    """Raises EndpointError where no server listens at an address of this machine: elsewhere a proxy may stand between.
    Each prompt would wait out all its tries, two minutes, for one that was never started."""
    parts = urlsplit(url or "")
    if parts.hostname not in LOOPBACK:
        return
    try:
        port = parts.port or (443 if parts.scheme == "https" else 80)
        socket.create_connection((parts.hostname, port), timeout=5).close()
    except OSError as error:
        raise EndpointError(f"{url}: no server listens there ({error}); start it, or mend the address") from None


def unanswered(model: str, logs: Path) -> EndpointError:
    """What failed most often, in one line."""
    errors = errors_in(logs)
    told = f"{model}: not every prompt was answered"
    if not errors:
        return EndpointError(f"{told}; see {logs}, and call again to go on")
    reason, count = Counter(map(_reason, errors)).most_common(1)[0]
    told += f" ({count:,} of {len(errors):,} errors: {reason})"
    if re.search(r"\bError code: 40[13]\b", reason):
        return KeyRefused(f"{told}; the server refuses the key: mend it, and call again to go on")
    return EndpointError(f"{told}; see {logs}, and call again to go on")


def _reason(error: str) -> str:
    """Without the request, which inspect puts before some reasons: its prompt may be harmful, and each differs."""
    if "Request:" in error:
        error = error.replace("\\n", "\n").rpartition("\n\n")[2]
    if raised := re.search(r"^RetryError\(.* raised (\w+)>", error):
        return f"{_RAISED.get(raised[1], raised[1])}, at the last of its tries"
    return " ".join(error.split())[:200]
