"""The way to the Hub: its address and token from the environment, calls that are worth repeating, troubles in one line.

    hub = connect("org/name", say, writes=True)      # kind=MODEL: a repository of a model's, which is another one
    ask(hub, lambda: hub.api.repo_info(...))      # again after a 500 or a cut connection; ReleaseError in the end

The client asks most things only once, and a write whose reply was lost is done: whoever hands `ask` a write looks at
each try whether there is anything left to do. The token is in no message, no log and no repr.
"""

import errno
import json
import logging
import os
import re
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal, NamedTuple, TypeVar
from urllib.parse import urlsplit

import httpx2
from huggingface_hub import HfApi, get_session
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils.tqdm import disable_progress_bars

from schemas.errors import ReleaseError
from schemas.hub import hub_address, without_password

Say = Callable[[str], object]
"""Takes a line of progress."""

Result = TypeVar("Result")

Kind = Literal["dataset", "model"]
DATASET: Kind = "dataset"
MODEL: Kind = "model"

TRIES = 6
FIRST_WAIT_SECONDS = 1.0
"""Doubled at each further try: 31 s in all."""

PATIENCE_SECONDS = 120
"""Where the Hub asks for a longer wait, the user decides."""

TIMEOUT = httpx2.Timeout(300, connect=20)
"""The client has none of its own; a commit of many files may take minutes."""

PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
CONFLICTS = frozenset({409, 412})
"""Someone else wrote at the same time, or the branch has moved on: look again."""

QUOTED = 200
"""How many characters of what a server says stand in a message."""


class Hub(NamedTuple):
    """A Hub, the repository there that all this is about, and who asks. Its repr is without the token."""

    api: HfApi
    repo: str
    endpoint: str
    """As it may be shown: without a password."""
    token: str | None
    say: Say
    first_wait_seconds: float
    account: "Account | None" = None
    """Known where something is to be written."""
    kind: Kind = DATASET

    def __repr__(self) -> str:
        return f"Hub(repo={self.repo!r}, endpoint={self.endpoint!r})"

    @property
    def page(self) -> str:
        return f"{self.endpoint}/{'datasets/' if self.kind == DATASET else ''}{self.repo}"


class Account(NamedTuple):
    """Whose token it is."""

    name: str
    namespaces: frozenset[str]
    """Where it may have the right to write: its own name, and its organizations."""
    role: str
    """write, read; 'fineGrained' tells nothing about a repository."""


def connect(
    repo: str, say: Say, *, writes: bool, first_wait_seconds: float = FIRST_WAIT_SECONDS, kind: Kind = DATASET
) -> Hub:
    """Takes HF_ENDPOINT and HF_TOKEN as they are now; asks the Hub who that is where something is to be written.

    Raises UsageError: the address is none; ReleaseError: the token cannot be used, nothing answers, or it does not do
    for writing.
    """
    endpoint = hub_address(os.environ.get("HF_ENDPOINT"))
    shown = without_password(endpoint)
    token = (os.environ.get("HF_TOKEN") or "").strip() or None
    if token is not None and not re.fullmatch(r"[\x21-\x7e]+", token):  # a header takes nothing else, and would show it
        raise ReleaseError("HF_TOKEN holds no token: it has spaces or odd characters in it; copy it once more")
    # Without one, False: else the client would take a token that some login left on this machine.
    hub = Hub(HfApi(endpoint=endpoint, token=token or False), repo, shown, token, say, first_wait_seconds, kind=kind)
    if not writes:
        return hub
    tokens = f"{shown}/settings/tokens"
    if token is None:
        raise ReleaseError(f"HF_TOKEN is not set: put a token with write access into it ({tokens})")
    account = _whoami(hub)
    if account.role == "read":
        raise ReleaseError(f"HF_TOKEN: this token of {account.name} may only read; make one that may write at {tokens}")
    return hub._replace(account=account)


def ask(
    hub: Hub,
    call: Callable[[], Result],
    *,
    first: bool = False,
    again: frozenset[int] = frozenset(),
) -> Result:
    """Calls, quietly, and calls again after troubles that pass; raises ReleaseError in one line for all others.

    `first`: no Hub has answered yet, so an address where none listens is not tried again. `again`: further statuses
    after which it is worth another try.
    """
    wait = hub.first_wait_seconds
    for number in range(1, TRIES + 1):
        try:
            with _quiet(hub):
                return call()
        except Exception as error:
            trouble = _trouble(error)
            if trouble is None:
                raise
            pause = max(wait, _asked_wait(trouble))
            no_hub = first and isinstance(trouble, (httpx2.ConnectError, json.JSONDecodeError))
            passes = _passes(trouble, PASSING | again) and not no_hub
            line = _explain(hub, trouble)
            if not passes or number == TRIES or pause > PATIENCE_SECONDS:
                # The chain is cut: what a server says, in it, may repeat the token.
                raise ReleaseError(line) from None
            hub.say(f"{line.partition(';')[0]}; trying again in {pause:.0f} s")
        time.sleep(pause)
        wait *= 2
    raise AssertionError("the last try either returns or raises")


def _whoami(hub: Hub) -> Account:
    told = ask(hub, hub.api.whoami, first=True)
    try:
        organizations = (str(one["name"]) for one in told.get("orgs", ()))
        role = told.get("auth", {}).get("accessToken", {}).get("role", "")
        return Account(str(told["name"]), frozenset({str(told["name"]), *organizations}), str(role))
    except (KeyError, TypeError, AttributeError):
        raise ReleaseError(f"{hub.endpoint}: no Hub answers there; is HF_ENDPOINT right?") from None


@contextmanager
def _quiet(hub: Hub) -> Iterator[None]:
    """While a call lasts: no bars, no log lines, a timeout; what the client warns of is said as progress."""
    log = logging.getLogger("huggingface_hub")
    level, client = log.level, get_session()
    timeout = client.timeout
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with disable_progress_bars():
            log.setLevel(logging.CRITICAL)
            client.timeout = TIMEOUT
            try:
                yield
            finally:
                client.timeout = timeout
                log.setLevel(level)
    for one in caught:
        if issubclass(one.category, UserWarning) and "README.md" in str(one.message):
            hub.say(_quote(hub, str(one.message)))


def _trouble(error: BaseException) -> Exception | None:
    """What of an error and its causes tells most; None where it is a bug, and keeps its traceback."""
    if isinstance(error, ReleaseError) or not isinstance(error, Exception):
        return None
    causes = list(_causes(error))
    for kind in (HfHubHTTPError, OfflineModeIsEnabled, httpx2.HTTPError, httpx2.InvalidURL, json.JSONDecodeError):
        for cause in causes:
            # This one wraps what happened.
            if isinstance(cause, kind) and not isinstance(cause, LocalEntryNotFoundError):
                return cause
    # The client's own words for an upload that failed, a card that is refused, a file that came back too short.
    return error if isinstance(error, (OSError, ValueError, RuntimeError)) else None


def _causes(error: BaseException | None) -> Iterator[Exception]:
    while isinstance(error, Exception):
        yield error
        error = error.__cause__ or error.__context__


def _passes(trouble: Exception, statuses: frozenset[int]) -> bool:
    if isinstance(trouble, HfHubHTTPError):
        return trouble.response.status_code in statuses
    if isinstance(trouble, (httpx2.UnsupportedProtocol, httpx2.LocalProtocolError)):
        return False
    # Something that is not the Hub, a proxy that excuses itself, speaks no JSON.
    return isinstance(trouble, (httpx2.TransportError, json.JSONDecodeError)) or _cut_short(trouble)


def _cut_short(trouble: Exception) -> bool:
    return isinstance(trouble, OSError) and "Consistency check failed" in str(trouble)


def _asked_wait(trouble: Exception) -> float:
    """Seconds the Hub asks to wait before another try; 0 where it does not say."""
    if not isinstance(trouble, HfHubHTTPError):
        return 0
    asked = trouble.response.headers.get("Retry-After", "")
    return float(asked) if asked.isdigit() else 0


def _explain(hub: Hub, trouble: Exception) -> str:
    match trouble:
        case HfHubHTTPError():
            return _explain_refusal(hub, trouble)
        case OfflineModeIsEnabled():
            return f"{hub.endpoint}: HF_HUB_OFFLINE is set; unset it to reach the Hub"
        case httpx2.ConnectError() | httpx2.ConnectTimeout():
            why = _quote(hub, str(trouble))
            return f"{hub.endpoint}: nothing answers there ({why}); is there a network, is HF_ENDPOINT right?"
        case httpx2.TimeoutException():
            return f"{hub.endpoint}: no answer in {TIMEOUT.read:.0f} s; run the same command again, and it goes on"
        case httpx2.TransportError():
            return f"{hub.endpoint}: the connection broke off; run the same command again, and it goes on"
        case httpx2.HTTPError() | httpx2.InvalidURL() | json.JSONDecodeError():
            return f"{hub.endpoint}: what answers there does not speak as a Hub does; is HF_ENDPOINT right?"
        case OSError(errno=number) if number is not None:
            where = f"{trouble.filename}: " if trouble.filename else ""
            mend = "; make room and run the same command again" if number == errno.ENOSPC else ""
            return f"{where}{os.strerror(number)}{mend}"
        case _ if _cut_short(trouble):
            return f"{hub.repo}: a file came back too short; run the same command again"
        case _:
            return f"{hub.repo}: {_quote(hub, str(trouble))}"


def _explain_refusal(hub: Hub, refusal: HfHubHTTPError) -> str:
    status = refusal.response.status_code
    said = _said(hub, refusal)
    tokens = f"{hub.endpoint}/settings/tokens"
    if isinstance(refusal, GatedRepoError):
        return f"{hub.repo}: it is gated, and the token in HF_TOKEN has no access yet; ask for it at {hub.page}"
    if isinstance(refusal, RevisionNotFoundError):
        return f"{hub.repo}: it has no such revision; {hub.page}/tree/main lists branches and tags"
    if isinstance(refusal, RepositoryNotFoundError):
        whose = "the token in HF_TOKEN may not see it" if hub.token else "it is private and HF_TOKEN is not set"
        return f"{hub.repo}: no such {hub.kind} at {hub.endpoint}, or {whose}"
    if isinstance(refusal, EntryNotFoundError):
        return f"{hub.repo}: a file is not there; is it a {'release' if hub.kind == DATASET else 'model'}?"
    if status in (402, 403, 413, 507) and re.search(
        r"storage|quota|limit|exceed|payment|too large", said, re.IGNORECASE
    ):
        return f"{hub.repo}: the Hub has no room for it ({status}: {said}); free some, or ask for more"
    match status:
        case 401:
            return f"HF_TOKEN: {hub.endpoint} does not know this token (401); make one with write access at {tokens}"
        case 403 if hub.account and hub.repo.split("/")[0] not in hub.account.namespaces:
            return (
                f"{hub.repo}: it belongs to someone else: {hub.account.name} may not write there (403); push elsewhere"
            )
        case 403:
            return (
                f"{hub.repo}: the token in HF_TOKEN may not write there (403); make one with write access at {tokens}"
            )
        case 404:
            return f"{hub.endpoint}: no Hub answers there (404); is HF_ENDPOINT right?"
        case 413:
            return f"{hub.repo}: a request is too large for the Hub, or a proxy before it (413)"
        case 429:
            wait = _asked_wait(refusal)
            patience = f"in {wait:.0f} s" if wait else "in some minutes"
            return f"{hub.repo}: the Hub asks for patience (429); run the same command again {patience}, and it goes on"
        case _ if status in CONFLICTS:
            return f"{hub.repo}: somebody else is writing there ({status}); run the same command again, and it goes on"
        case _ if status >= 500:
            return f"{hub.repo}: the Hub is in trouble ({status}); run the same command again later, and it goes on"
        case _:
            return f"{hub.repo}: the Hub refuses ({status}): {said}"


def _said(hub: Hub, refusal: HfHubHTTPError) -> str:
    return _quote(hub, refusal.server_message or "") or "no reason is given"


def _quote(hub: Hub, text: str) -> str:
    """One line of it, without the token that some server repeats, and without the password of an address."""
    line = " ".join(text.split())
    for secret in (hub.token, urlsplit(hub.api.endpoint).password):
        line = line.replace(secret, "…") if secret else line
    return line if len(line) <= QUOTED else line[: QUOTED - 1] + "…"
