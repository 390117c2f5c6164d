"""One endpoint over HTTP: a request goes out, and what comes back is a completion or a named kind of trouble.

Retry      it may go well later: 429, 5xx, no connection, no answer in time, a broken body
Resend     it may go well now: the server does not know a parameter, which is left out from now on
Rejected   it never will, and that is the row's own fault
EndpointError, KeyRefused, BudgetReached (schemas/errors.py)    no row's fault: the run stops
"""

import asyncio
import email.utils
import json
import math
import os
import re
import time
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple
from urllib.parse import urlsplit

from pydantic import BaseModel

from curation.budget import Budget, Cost
from curation.pacing import Pace
from curation.reply import Completion, Rejection, one_line, read_completion, read_rejection, schema_text, strict_schema
from schemas.call import Message, Request
from schemas.errors import EndpointError, KeyRefused
from schemas.settings import LOOPBACK, Endpoint

LONGEST_WAIT_SECONDS = 300.0
"""A longer pause (a daily limit) ends the run instead: it can be resumed, and hours of sleep look like a hang."""

DOWN_SECONDS = 10.0
DOWN_AT_FIRST_SECONDS = 2.0
"""How long an endpoint may fail without one good reply before it is down, and how long where it never was up."""

DOWN_REFUSED = 4
DOWN_FAILED = 32
"""And how many requests must have failed in a row: connections refused, or failures of any kind."""

REJECTED_IN_A_ROW = 8
"""So many bad requests and nothing good in between: it is the settings, not the rows."""

RetryKind = Literal["rate_limited", "server_error", "connection", "timeout"]


class Retry(Exception):
    def __init__(self, kind: RetryKind, reason: str, *, seconds: float = 0.0, overloaded: bool = False) -> None:
        super().__init__(reason)
        self.kind: RetryKind = kind
        self.seconds = seconds
        """What the server asked to wait (Retry-After)."""
        self.overloaded = overloaded


class Resend(Exception):
    pass


class Rejected(Exception):
    def __init__(self, kind: Literal["filtered", "too_long", "bad_request"], reason: str) -> None:
        super().__init__(reason)
        self.kind = kind


class Dialect(NamedTuple):
    """Which parameters a server takes, as far as it has said."""

    reply: Literal["json_schema", "json", "text"]
    limit: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    unknown: frozenset[str] = frozenset()

    def after(self, rejection: Rejection, auto: bool) -> "Dialect | None":
        """The dialect to try next, or None where the rejection is about something else."""
        if auto and self.reply != "text" and rejection.against_format:
            return self._replace(reply="json" if self.reply == "json_schema" else "text")
        if self.limit == "max_tokens" and "max_completion_tokens" in rejection.text:
            return self._replace(limit="max_completion_tokens")
        for name in ("temperature", "seed"):
            if name not in self.unknown and re.search(rf"\b{name}\b", rejection.text):
                return self._replace(unknown=self.unknown | {name})
        return None


class Server:
    """A named endpoint. Used as an async context manager; raises KeyRefused on entering where its key is not set."""

    def __init__(self, name: str, endpoint: Endpoint, budget: Budget) -> None:
        self.name = name
        self.endpoint = endpoint
        parts = urlsplit(endpoint.base_url)
        self.where = f"endpoint {name!r} ({parts.hostname}{f':{parts.port}' if parts.port else ''})"
        self.pace = Pace(
            endpoint.concurrency,
            requests_per_minute=endpoint.requests_per_minute,
            tokens_per_minute=endpoint.tokens_per_minute,
        )
        self._budget = budget
        self._dialect = Dialect("json_schema" if endpoint.reply == "auto" else endpoint.reply)
        self._key: str | None = None
        self._failed_in_a_row = self._rejected_in_a_row = 0
        self._failing_since = self._last_good = 0.0
        self._has_answered = False

    async def __aenter__(self) -> "Server":
        headers: dict[str, Any] = {"Content-Type": "application/json"}
        if self.endpoint.key_env is not None:
            self._key = os.environ.get(self.endpoint.key_env, "").strip()
            if not self._key:
                raise KeyRefused(f"{self.where}: the environment variable {self.endpoint.key_env} is not set")
            if not (self._key.isascii() and self._key.isprintable()):
                raise KeyRefused(f"{self.where}: {self.endpoint.key_env} holds characters that no key has")
        # Half a second of imports, which only those who ask a model pay.
        import aiohttp
        import httpx2
        from openai import APIConnectionError, APIStatusError, AsyncOpenAI, DefaultAioHttpClient, Omit

        if self._key is None:
            headers["Authorization"] = Omit()
        most = self.endpoint.concurrency
        # No timeouts below ours: its one deadline covers the request from sending to the last byte.
        self._client = AsyncOpenAI(
            api_key=self._key or "none",
            base_url=self.endpoint.base_url,
            max_retries=0,
            timeout=None,
            http_client=DefaultAioHttpClient(
                timeout=None,
                limits=httpx2.Limits(max_connections=most, max_keepalive_connections=most),
                # A proxy of the environment is meant for the world outside, and loopback does not lie there.
                trust_env=urlsplit(self.endpoint.base_url).hostname not in LOOPBACK,
            ),
        )
        # The whole URL: joining a path to the base for every request costs 5 % of the client's time.
        self._url = f"{self.endpoint.base_url}/chat/completions"
        self._options: Any = {"headers": headers}
        self._response = httpx2.Response
        self._status_error = APIStatusError
        self._no_reply = (TimeoutError, APIConnectionError, aiohttp.ClientError)
        self._unreachable = aiohttp.ClientConnectorError
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.close()

    @property
    def reply_form(self) -> Literal["json_schema", "json", "text"]:
        """How it is asked for structured replies: before the first question the best form, then what it took."""
        return self._dialect.reply

    def most_tokens(self, request: Request) -> int:
        return request.max_tokens or self.endpoint.max_tokens

    async def send(self, request: Request, messages: Sequence[Message]) -> Completion:
        """One HTTP request. Raises what this module's first lines name."""
        sent = self._dialect
        self._last_good = self._last_good or time.monotonic()
        body = self._write(request, messages, sent)
        most = self.most_tokens(request)
        # No tokenizer makes more tokens of a text than it has bytes.
        held = await self._budget.hold(Cost(self.endpoint.usd(len(body), most) or 0.0, len(body) + most))
        try:
            async with asyncio.timeout(self.endpoint.timeout_seconds):
                response = await self._client.post(
                    self._url, content=body, options=self._options, cast_to=self._response
                )
        except self._status_error as error:
            self._budget.release(held)
            rejection = read_rejection(error.status_code, error.response.content)
            raise self._meaning(rejection, sent, _seconds_to_wait(error.response.headers)) from None
        except self._no_reply as error:
            unreachable = _has_cause(error, self._unreachable)
            (self._budget.release if unreachable else self._budget.keep)(held)
            raise self._unanswered(error, unreachable) from None
        except BaseException:
            self._budget.keep(held)
            raise
        try:
            completion = read_completion(response.content, count_roughly(messages))
        except ValueError as error:
            self._budget.keep(held)
            raise self._failed(
                Retry("server_error", f"{self.where} sent a broken reply: {one_line(str(error))}")
            ) from None
        if isinstance(completion, Rejection):
            self._budget.release(held)
            raise self._meaning(completion, sent, 0.0)
        usd = self.endpoint.usd(completion.tokens_in, completion.tokens_out) or 0.0
        self._budget.settle(held, Cost(usd, completion.tokens_in + completion.tokens_out))
        self._failed_in_a_row = self._rejected_in_a_row = 0
        self._has_answered = True
        self._last_good = time.monotonic()
        return completion

    def _write(self, request: Request, messages: Sequence[Message], dialect: Dialect) -> bytes:
        written = [{"role": message.role, "content": message.content} for message in messages]
        body: dict[str, Any] = {"model": self.endpoint.model, "messages": written}
        body[dialect.limit] = self.most_tokens(request)
        body["temperature"] = self.endpoint.temperature if request.temperature is None else request.temperature
        if request.seed is not None:
            body["seed"] = request.seed
        if request.reply is not None:
            if dialect.reply == "json_schema":
                schema = {"name": request.reply.__name__, "strict": True, "schema": strict_schema(request.reply)}
                body["response_format"] = {"type": "json_schema", "json_schema": schema}
            else:
                _ask_for_json(written, request.reply)
                if dialect.reply == "json":
                    body["response_format"] = {"type": "json_object"}
        for name in dialect.unknown:
            body.pop(name, None)
        return json.dumps(body, ensure_ascii=False).encode()

    def _meaning(self, rejection: Rejection, sent: Dialect, seconds: float) -> Exception:
        """What an error reply means for the request that got it: an exception to raise."""
        status, said = rejection.status, self._said(rejection.text)
        self._has_answered = True
        if rejection.moderated:
            return Rejected("filtered", f"the provider's moderation turned the request away: {said}")
        if status in (401, 403):
            variable = self.endpoint.key_env
            what = f"the key in {variable}" if variable else "a request without a key: name its variable as key_env"
            # A 401 may quote a part of the key; a 403 says what the key is not good for.
            return KeyRefused(f"{self.where} refuses {what} ({status}{f': {said}' if status == 403 else ''})")
        if rejection.broke:
            return EndpointError(f"{self.where}: the account has no credit left ({status}): {said}")
        if status == 404:
            return EndpointError(f"{self.where}: no model {self.endpoint.model!r}, or a wrong base_url (404): {said}")
        if seconds > LONGEST_WAIT_SECONDS:
            return EndpointError(
                f"{self.where} asks to wait {seconds / 60:.0f} minutes ({status}): run again then: {said}"
            )
        if status == 429:
            if time.monotonic() - self._last_good > LONGEST_WAIT_SECONDS:
                return EndpointError(f"{self.where} has served nothing for {LONGEST_WAIT_SECONDS:.0f} s (429): {said}")
            return Retry(
                "rate_limited", f"{self.where} limits the rate (429): {said}", seconds=seconds, overloaded=True
            )
        if status in (408, 409, 425) or status >= 500:
            reason = f"{self.where} failed ({status}): {said}"
            # 529 is what some servers send where others send 503.
            return self._failed(Retry("server_error", reason, seconds=seconds, overloaded=status in (503, 529)))
        if rejection.too_long:
            return Rejected("too_long", f"too long for the model: {said}")
        if status not in (400, 413, 422):
            return EndpointError(f"{self.where} answers {status}: {said}")
        if changed := sent.after(rejection, self.endpoint.reply == "auto"):
            # Others in flight were told the same: the first one to hear it moves all of them on.
            if self._dialect == sent:
                self._dialect = changed
            return Resend()
        self._rejected_in_a_row += 1
        if self._rejected_in_a_row >= REJECTED_IN_A_ROW:
            return EndpointError(f"{self.where} rejects every request ({status}): {said}")
        return Rejected("bad_request", f"{self.where} rejects the request ({status}): {said}")

    def _unanswered(self, error: Exception, unreachable: bool) -> Exception:
        if isinstance(error, TimeoutError):
            reason = f"{self.where} gave no answer within {self.endpoint.timeout_seconds:g} s"
            return self._failed(Retry("timeout", reason, overloaded=True))
        if unreachable:
            reason = f"{self.where} cannot be reached: {self._said(str(_root(error)))}"
            patience = DOWN_SECONDS if self._has_answered else DOWN_AT_FIRST_SECONDS
            return self._failed(Retry("connection", reason), DOWN_REFUSED, patience)
        return self._failed(Retry("connection", f"{self.where} broke the connection off"))

    def _failed(self, retry: Retry, most: int = DOWN_FAILED, patience: float = DOWN_SECONDS) -> Exception:
        """The retry, or that the endpoint is down: `most` failures in a row over `patience` seconds."""
        now = time.monotonic()
        if not self._failed_in_a_row:
            self._failing_since = now
        self._failed_in_a_row += 1
        if self._failed_in_a_row < most or now - self._failing_since < patience:
            return retry
        return EndpointError(f"{retry} ({self._failed_in_a_row} requests in a row): is it up, is base_url right?")

    def _said(self, text: str) -> str:
        return one_line(text.replace(self._key, "***") if self._key else text)


def _ask_for_json(messages: list[dict[str, str]], schema: type[BaseModel]) -> None:
    wish = f"Reply with one JSON object and nothing else. Its schema: {schema_text(schema)}"
    if messages[0]["role"] == "system":
        messages[0]["content"] += f"\n\n{wish}"
    else:
        messages.insert(0, {"role": "system", "content": wish})


def count_roughly(messages: Sequence[Message]) -> int:
    """Tokens of a prompt, at four characters a token."""
    return sum(len(message.content) for message in messages) // 4 + 1


def _seconds_to_wait(headers: Any) -> float:
    """What Retry-After (seconds or a date) or retry-after-ms asks for; 0.0 where nothing is asked."""
    for name, scale in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        if value := headers.get(name):
            try:
                seconds = float(value) * scale
            except ValueError:
                try:
                    seconds = email.utils.parsedate_to_datetime(value).timestamp() - time.time()
                except ValueError:
                    continue
            if not math.isnan(seconds):
                return max(0.0, seconds)
    return 0.0


def _root(error: BaseException) -> BaseException:
    while error.__cause__ is not None:
        error = error.__cause__
    return error


def _has_cause(error: BaseException | None, kind: type[BaseException]) -> bool:
    while error is not None and not isinstance(error, kind):
        error = error.__cause__
    return error is not None
