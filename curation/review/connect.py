"""The way to Argilla: the team's own or the embedded one, and every trouble with it told in one line.

    argilla = connect(project, settings.review)
    with readable(argilla.api_url):
        argilla.workspaces.list()

No message holds a key or a password: what a server says is quoted only where it cannot repeat what was sent.
"""

import json
import logging
import os
import re
import ssl
import sys
import warnings
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from schemas.errors import ReviewError
from schemas.settings import Review

if TYPE_CHECKING:
    import argilla as rg
    import httpx

OLDEST = (2, 8)
"""The newest there is, since March 2025, and the only one that this was tried with."""

TIMEOUT_SECONDS = 60
QUOTED = 200
"""How many characters of what a server says stand in a message."""

NO_ARGILLA = "no Argilla answers there; is the address right?"
SERVE = "`curate review serve --detach` starts it"


class Address(NamedTuple):
    """Where Argilla is, with the key to it. Its repr, which a log may show, is without the key."""

    url: str
    key: str
    key_from: str
    """Where the key is kept, for messages."""

    def __repr__(self) -> str:
        return f"Address(url={self.url!r}, key_from={self.key_from!r})"


def address(project: Path, settings: Review) -> Address:
    """The team's own Argilla where `api_url` names one, else the embedded one of this project.

    Raises ReviewError: the key's variable is not set or holds no key, the embedded Argilla is not running.
    """
    if settings.api_url is not None and settings.api_key_env is not None:
        key = os.environ.get(settings.api_key_env, "").strip()
        if not key:
            raise ReviewError(
                f"{settings.api_url}: {settings.api_key_env} is not set; put the API key into it that Argilla shows"
                " under 'My settings' of an owner"
            )
        if not re.fullmatch(r"[\x21-\x7e]+", key):  # an HTTP header takes nothing else, and would say so with the key
            raise ReviewError(f"{settings.api_url}: what {settings.api_key_env} holds is no API key; copy it once more")
        return Address(settings.api_url, key, settings.api_key_env)
    from curation.review.server.process import CREDENTIALS_FILE, FOLDER, credentials, running

    server = running(project / FOLDER)
    if server is None:
        raise ReviewError(f"{project / FOLDER}: the embedded Argilla is not running: {SERVE}")
    return Address(server.url, credentials(project / FOLDER).api_key, f"{FOLDER}/{CREDENTIALS_FILE}")


def connect(project: Path, settings: Review) -> "rg.Argilla":
    """A client of Argilla, tried out: the server is there, is an Argilla of a known version, and takes the key.

    Raises ReviewError, in one line, for whatever is in the way.
    """
    where = address(project, settings)
    with readable(where.url, key_from=where.key_from):
        _require_argilla(where)
        import_quietly()
        import argilla as rg

        argilla = rg.Argilla(api_url=where.url, api_key=where.key, timeout=TIMEOUT_SECONDS)
    # The SDK never closes its connections, and keeps the newest client for ever.
    weakref.finalize(argilla, argilla.http_client.close)
    return argilla


@contextmanager
def readable(url: str, *, key_from: str | None = None) -> Iterator[None]:
    """Turns what httpx and Argilla's SDK raise of a broken world into one line of ReviewError; bugs stay as they are.

    `key_from`: where the key is kept, where a message should say so.
    """
    try:
        yield
    except ReviewError:
        raise
    except Exception as error:
        line = _explain(error, key_from)
        if line is None:
            raise
        raise ReviewError(f"{url}: {line}") from error


def import_quietly() -> None:
    """Imports Argilla's SDK, which takes seconds, and makes it keep quiet: it warns, logs and shows bars as it goes."""
    os.environ.setdefault("TQDM_DISABLE", "1")
    # The SDK logs through the root logger, which would otherwise set itself up to print everyone's warnings.
    logging.getLogger().addHandler(logging.NullHandler())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import argilla  # noqa: F401
    warnings.filterwarnings("ignore", module=r"argilla(\.|$)")


def _require_argilla(where: Address) -> None:
    """Raises ReviewError where something else answers, or an Argilla that is too old; what it says of the key as httpx
    has it. The key is sent only to what says that it is an Argilla."""
    import httpx

    # With a transport of its own, as the SDK has it: no proxy of the environment stands between.
    with httpx.Client(transport=httpx.HTTPTransport(), base_url=where.url, timeout=TIMEOUT_SECONDS) as client:
        version = _field(client.get("/api/v1/version"), where.url, "version")
        if not re.match(r"\d+\.\d+", version):
            raise ReviewError(f"{where.url}: {NO_ARGILLA}")
        if tuple(int(part) for part in version.split(".")[:2]) < OLDEST:
            known = ".".join(map(str, OLDEST))
            raise ReviewError(f"{where.url}: Argilla {_quote(version)} is too old: {known} or newer is needed")
        _field(client.get("/api/v1/me", headers={"X-Argilla-Api-Key": where.key}), where.url, "role")


def _field(reply: "httpx.Response", url: str, name: str) -> str:
    if reply.status_code != 404:
        reply.raise_for_status()
    try:
        return str(reply.json()[name])
    except (ValueError, KeyError, TypeError):
        raise ReviewError(f"{url}: {NO_ARGILLA}") from None


def _explain(error: Exception, key_from: str | None) -> str | None:
    """The trouble in words, and how to mend it; None for what is no trouble of Argilla's."""
    import httpx

    if isinstance(error, httpx.HTTPStatusError):
        return _explain_status(error.response.status_code, error.response.text, key_from)
    if isinstance(error, httpx.TimeoutException):
        return f"no answer in {TIMEOUT_SECONDS} s; is the server overloaded? run the same command again"
    if isinstance(error, httpx.ConnectError):
        if _is_about_tls(error):
            return f"its TLS certificate cannot be trusted ({_tls_reason(error)}); mend it or set SSL_CERT_FILE"
        return "no server answers there; is it running, and is the address right?"
    if isinstance(error, httpx.TransportError):
        return "the connection broke off; run the same command again"
    if isinstance(error, (httpx.InvalidURL, httpx.DecodingError)):
        return NO_ARGILLA
    # Only where the SDK is imported can an error be one of its own.
    if "argilla" not in sys.modules:
        return None
    from argilla._exceptions import ArgillaAPIError, ArgillaCredentialsError, ArgillaError

    if isinstance(error, ArgillaCredentialsError):
        return _explain_status(401, "", key_from)
    if isinstance(error, ArgillaAPIError):
        return _explain_status(error.status_code, str(error).partition("Details: ")[2], key_from)
    if isinstance(error, ArgillaError):
        return _quote(str(error))
    return None


def _explain_status(status: int, body: str, key_from: str | None) -> str:
    key = f"the key in {key_from}" if key_from else "the key"
    match status:
        case 401:
            return f"{key} is not one of this Argilla's (401)"
        case 403:
            return f"{key} has no right to do this (403): it takes the key of an owner"
        case 502 | 503 | 504:
            return f"the server is not ready ({status}); run the same command again in a minute"
        case 500:
            return "the server has an error of its own (500); its log tells more"
        case 429:
            return "the server asks for patience (429); run the same command again in a minute"
        case 413:
            return "the request is too large for the server or a proxy before it (413)"
        case _ if 300 <= status < 400:
            return "it sends to another address; name that one as api_url"
        case _:
            return f"it refuses ({status}): {_said(body)}"


def _said(body: str) -> str:
    """What the server says, without the values it repeats: a refused password may stand among them."""
    try:
        detail = json.loads(body)["detail"]
        if isinstance(detail, dict):
            params = detail["params"]
            detail = params.get("errors") or params.get("detail") or params["message"]
        if isinstance(detail, list):
            detail = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in detail)
    except (ValueError, KeyError, TypeError, AttributeError):
        return "no reason is given"
    return _quote(detail) if isinstance(detail, str) else "no reason is given"


def _quote(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= QUOTED else line[: QUOTED - 1] + "…"


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _is_about_tls(error: "httpx.ConnectError") -> bool:
    return any(isinstance(cause, ssl.SSLError) for cause in _causes(error))


def _tls_reason(error: "httpx.ConnectError") -> str:
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return str(cause.verify_message)
        if isinstance(cause, ssl.SSLError):
            return str(cause.reason or "no TLS is spoken there")
    return ""
