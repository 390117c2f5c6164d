"""Questions to models: any number of rows at once, each answered, failed with a reason, or stopped by a broken world.

    ask ─┬─ a reply that satisfies the schema ───────────────────────────────▶ Answered
         ├─ not the schema, cut, empty: told what is wrong and asked again, twice ─▶ RowFailed
         └─ declined or filtered: never asked again ─▶ RowFailed
            (a row that failed goes to the fallback endpoint once, where one is named)

Every HTTP request has a slot at the endpoint with most room (pacing.py), a hold on the budget for its worst case
(budget.py) and one deadline; endpoint.py says what its trouble means, and what is worth a retry is retried here.
"""

import asyncio
import itertools
import random
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import Literal, NamedTuple

from pydantic import BaseModel

from curation.budget import Budget
from curation.endpoint import Rejected, Resend, Retry, RetryKind, Server, count_roughly
from curation.pacing import Gate, Pace
from curation.reply import Completion, judge, one_line, schema_text
from schemas.call import Call, Message, Outcome, Purpose, Request
from schemas.errors import EndpointError, ProviderRefuses, UsageError
from schemas.example import Failure
from schemas.settings import Endpoint

REPLIES = 3
"""Most replies that are paid for one question at one endpoint: the first, and two that were told what was wrong."""

TRIES: Mapping[RetryKind, int] = {"rate_limited": 8, "server_error": 6, "connection": 6, "timeout": 3}
"""Most times that one question meets one kind of trouble before its row fails."""

BACKOFF_SECONDS = 0.5
LONGEST_BACKOFF_SECONDS = 8.0

QUOTED = 2000
"""Characters of an invalid reply that are sent back with what is wrong."""

FAILURE_KINDS: Mapping[Outcome, str] = {
    "invalid": "invalid_reply",
    "empty": "empty_reply",
    "cut": "cut",
    "refused": "refused",
    "filtered": "filtered",
}


@dataclass(frozen=True)
class Answered:
    """A value that satisfies the request's schema (a str where it had none), and every reply paid for on the way."""

    value: BaseModel | str
    calls: tuple[Call, ...]


class RowFailed(Exception):
    """A question that got no usable reply. It is this row's failure; the run goes on."""

    def __init__(self, failure: Failure, calls: Sequence[Call]) -> None:
        super().__init__(f"{failure.kind}: {failure.reason}")
        self.failure = failure
        self.calls = tuple(calls)


@dataclass(frozen=True)
class Stats:
    """How far it has come since the models were opened."""

    in_flight: int
    requests: int = 0
    """HTTP requests, retries among them."""
    retries: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    usd: float | None = None
    """None: no endpoint has prices."""


class Models:
    """The endpoints of a run, an async context manager: keys are looked up and connections kept while it is open.

    `names` share the questions, each going where most slots are free; `fallback` gets the rows that failed there.
    Raises UsageError for a budget in USD where an endpoint has no prices; on entering, KeyRefused for a key not set.
    """

    def __init__(
        self,
        endpoints: Mapping[str, Endpoint],
        names: Sequence[str],
        *,
        fallback: str | None = None,
        budget: Budget | None = None,
        refusals_in_a_row: int = 8,
    ) -> None:
        if fallback in names:
            raise UsageError(f"fallback {fallback!r} is one of the endpoints that it should stand in for: name another")
        budget = budget or Budget()
        self.names = (*dict.fromkeys(names), *([fallback] if fallback is not None else []))
        """All endpoints that may answer, the fallback last."""
        self._servers = {name: Server(name, endpoints[name], budget) for name in self.names}
        for name, server in self._servers.items():
            if budget.usd is not None and not server.endpoint.priced:
                raise UsageError(f"a budget in USD needs prices: set price_input, price_output in [endpoints.{name}]")
        self._shared = _Pool([server for name, server in self._servers.items() if name != fallback])
        self._fallback = None if fallback is None else _Pool([self._servers[fallback]])
        self._refusals_in_a_row = refusals_in_a_row
        self._refused: Counter[Purpose] = Counter()
        self._broken: EndpointError | None = None
        self._tickets = itertools.count()
        self._sent = self._retried = 0
        self._tokens_in = self._tokens_out = 0
        self._usd = 0.0

    async def __aenter__(self) -> "Models":
        async with AsyncExitStack() as opened:
            for server in self._servers.values():
                await opened.enter_async_context(server)
            self._opened = opened.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._opened.aclose()

    @property
    def endpoints(self) -> dict[str, Endpoint]:
        """All endpoints that may answer, by name."""
        return {name: server.endpoint for name, server in self._servers.items()}

    @property
    def author(self) -> str:
        """Endpoints and models, for messages."""
        return ", ".join(f"{name}:{server.endpoint.model}" for name, server in self._servers.items())

    @property
    def workers(self) -> int:
        """Rows worth having in work at once. Twice the slots: a row that waits to be sent again holds none."""
        return 2 * sum(server.endpoint.concurrency for server in self._shared.servers.values())

    @property
    def reply_forms(self) -> Mapping[str, Literal["json_schema", "json", "text"]]:
        """The form of structured reply that each endpoint takes, as far as it has said by now."""
        return {name: server.reply_form for name, server in self._servers.items()}

    def stats(self) -> Stats:
        servers = self._servers.values()
        return Stats(
            in_flight=sum(server.pace.in_flight for server in servers),
            requests=self._sent,
            retries=self._retried,
            tokens_in=self._tokens_in,
            tokens_out=self._tokens_out,
            usd=self._usd if any(server.endpoint.priced for server in servers) else None,
        )

    async def ask(self, request: Request, paid: Callable[[Call], object] | None = None) -> Answered:
        """Put one question. `paid` is handed each reply as it arrives: whatever comes next, it was paid for.

        Raises RowFailed for this row's failure. Raises KeyRefused, EndpointError, ProviderRefuses (each later question
        then raises the same) and BudgetReached for what should stop a run. May be cancelled at any time.
        """
        question = _Question(next(self._tickets), request, paid)
        try:
            try:
                value = await self._converse(self._shared, question)
            except RowFailed:
                if self._fallback is None:
                    raise
                value = await self._converse(self._fallback, question)
        except RowFailed as failed:
            if failed.failure.kind in ("refused", "filtered"):
                self._count_refusal(request.purpose, failed.failure)
            raise
        except EndpointError as error:
            self._broken = error
            raise
        self._refused[request.purpose] = 0
        return Answered(value, tuple(question.calls))

    def _count_refusal(self, purpose: Purpose, last: Failure) -> None:
        # By purpose: a verdict that every row gets says nothing about rewrites that every row is refused.
        self._refused[purpose] += 1
        if self._refused[purpose] < self._refusals_in_a_row:
            return
        mend = "name another endpoint as `fallback` in curate.toml"
        if self._fallback is not None:
            mend = "the fallback refuses as well, name another one in curate.toml"
        self._broken = ProviderRefuses(
            f"{self._refused[purpose]} rows in a row were refused or filtered by {' and '.join(self.names)}: the"
            f" provider's own policy is the likely cause; {mend} (the last one: {last.reason})"
        )
        raise self._broken

    async def _converse(self, pool: "_Pool", question: "_Question") -> BaseModel | str:
        """One question at one pool of endpoints, until a reply is usable."""
        request, messages = question.request, question.request.messages
        replies = 0
        while True:
            replies += 1
            reply = await self._get_reply(pool, question, messages)
            outcome, value, problem = judge(reply.completion, request.reply)
            self._record(question, reply, outcome)
            if outcome == "ok":
                return value
            if outcome in ("refused", "filtered"):
                raise question.failed(FAILURE_KINDS[outcome], problem)
            # A text without a schema is data as it came: nobody tells a model to write a shorter original trace.
            if replies == REPLIES or (outcome == "cut" and request.reply is None):
                raise question.failed(FAILURE_KINDS[outcome], f"no usable reply ({replies} paid for): {problem}")
            messages = (*request.messages, *_correction(reply.completion, request, problem))

    async def _get_reply(self, pool: "_Pool", question: "_Question", messages: Sequence[Message]) -> "_Reply":
        """One reply, whatever it says, after as many retries as are worth while."""
        met: Counter[RetryKind] = Counter()
        attempt = 0
        while True:
            attempt += 1
            pace = await pool.gate.enter(question.ticket, pool.tokens(question.request, messages))
            server, end, started = pool.servers[pace], pace.end, time.perf_counter()
            try:
                if self._broken:
                    raise type(self._broken)(*self._broken.args)
                self._sent += 1
                self._retried += attempt > 1
                completion = await server.send(question.request, messages)
                end = pace.succeed
                return _Reply(server, completion, time.perf_counter() - started, attempt)
            except Resend:
                continue
            except Rejected as rejected:
                if rejected.kind == "filtered":
                    unpaid = Completion(refusal=str(rejected), tokens_in=0, tokens_out=0)
                    reply = _Reply(server, unpaid, time.perf_counter() - started, attempt)
                    self._record(question, reply, "filtered")
                raise question.failed(rejected.kind, str(rejected)) from None
            except Retry as retry:
                met[retry.kind] += 1
                wait = max(_later(retry.seconds), _backoff(met.total()))
                if retry.overloaded:
                    end = partial(pace.refuse, wait)
                if met[retry.kind] == TRIES[retry.kind]:
                    raise question.failed(retry.kind, f"{retry} ({met[retry.kind]} times)") from None
            finally:
                pool.gate.leave(end)
            await asyncio.sleep(wait)

    def _record(self, question: "_Question", reply: "_Reply", outcome: Outcome) -> None:
        completion, endpoint = reply.completion, reply.server.endpoint
        call = Call(
            purpose=question.request.purpose,
            prompt_version=question.request.prompt_version,
            endpoint=reply.server.name,
            model=one_line(completion.model or endpoint.model),
            outcome=outcome,
            raw=completion.content or completion.refusal or "",
            reasoning=completion.reasoning,
            tokens_in=completion.tokens_in,
            tokens_out=completion.tokens_out,
            usd=endpoint.usd(completion.tokens_in, completion.tokens_out),
            latency_seconds=reply.seconds,
            attempts=reply.attempts,
        )
        question.calls.append(call)
        self._tokens_in += call.tokens_in
        self._tokens_out += call.tokens_out
        self._usd += call.usd or 0.0
        if question.paid is not None:
            question.paid(call)


class _Pool:
    """Endpoints that share questions, and the gate before them."""

    def __init__(self, servers: Sequence[Server]) -> None:
        self.servers: Mapping[Pace, Server] = {server.pace: server for server in servers}
        self.gate = Gate(list(self.servers))

    def tokens(self, request: Request, messages: Sequence[Message]) -> int:
        """What a request counts against tokens_per_minute: as providers count, its prompt and all it may write."""
        return count_roughly(messages) + max(server.most_tokens(request) for server in self.servers.values())


@dataclass(frozen=True)
class _Question:
    """A request on its way: its place in the queue, and every reply paid for so far."""

    ticket: int
    request: Request
    paid: Callable[[Call], object] | None
    calls: list[Call] = field(default_factory=list)

    def failed(self, kind: str, reason: str) -> RowFailed:
        return RowFailed(Failure(kind=kind, reason=reason), self.calls)


class _Reply(NamedTuple):
    server: Server
    completion: Completion
    seconds: float
    attempts: int


def _correction(completion: Completion, request: Request, problem: str) -> tuple[Message, ...]:
    """What is added to the messages after a reply that was no use; nothing where there is no reply to talk of."""
    if request.reply is None or not completion.content.strip():
        return ()
    quoted = completion.content if len(completion.content) <= QUOTED else completion.content[:QUOTED] + "…"
    wish = f"That is not what was asked for: {problem}. Reply again with only one JSON object of this schema: "
    return (
        Message(role="assistant", content=quoted),
        Message(role="user", content=wish + schema_text(request.reply)),
    )


def _later(seconds: float) -> float:
    """Never earlier than asked, and not all at once."""
    return seconds * random.uniform(1.0, 1.1) + 0.01 if seconds else 0.0


def _backoff(failures: int) -> float:
    return random.uniform(0.75, 1.25) * min(LONGEST_BACKOFF_SECONDS, BACKOFF_SECONDS * 2.0 ** (failures - 1))
