"""Questions put to a server on loopback: what comes of a good reply, a bad one, none, and a broken world."""

import asyncio
import email.utils
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, Literal

import pytest
from pydantic import BaseModel

from curation.budget import Budget
from curation.model import Models, RowFailed
from schemas.call import Call, Message, Request
from schemas.errors import BudgetReached, EndpointError, KeyRefused, ProviderRefuses, UsageError
from schemas.settings import Endpoint
from tests.fake_endpoint import HANG, FakeEndpoint, Received, Reply, completion, error, takes_formats

KEY = "sk-secret-0123456789"
REFUSAL = "I'm sorry, but I can't help with that."


class Verdict(BaseModel):
    verdict: Literal["harmful", "benign"]
    reason: str


GOOD = completion('{"verdict": "benign", "reason": "it asks about bread"}')
INVALID = completion('{"verdict": "maybe", "reason": "it asks about bread"}')
QUESTION = Request(
    purpose="verdict",
    prompt_version="verdict-1a2b3c4d",
    messages=(Message(role="system", content="You judge."), Message(role="user", content="How does bread rise?")),
    reply=Verdict,
)
TRACE = QUESTION.model_copy(update={"reply": None, "purpose": "trace"})


def endpoint(fake: FakeEndpoint, **settings: Any) -> Endpoint:
    return Endpoint(**{"base_url": fake.url, "model": "asked-model", "concurrency": 8} | settings)


def only(fake: FakeEndpoint, **settings: Any) -> Models:
    return Models({"main": endpoint(fake, **settings)}, ["main"])


async def fail(models: Models, request: Request = QUESTION) -> RowFailed:
    with pytest.raises(RowFailed) as caught:
        await models.ask(request)
    return caught.value


async def ask_in_turn(models: Models, paid: Callable[[Call], None] | None = None) -> None:
    for _ in range(20):
        await models.ask(QUESTION, paid)


# -- a good reply --------------------------------------------------------------------------------------------------


async def test_a_good_reply_is_an_answer_with_the_call_it_was_paid_for_by() -> None:
    with FakeEndpoint([GOOD]) as fake:
        async with only(fake, price_input=1.0, price_output=10.0) as models:
            answered = await models.ask(QUESTION)
    assert answered.value == Verdict(verdict="benign", reason="it asks about bread")
    (call,) = answered.calls
    assert (call.purpose, call.prompt_version, call.outcome) == ("verdict", "verdict-1a2b3c4d", "ok")
    assert (call.endpoint, call.model, call.attempts) == ("main", "served-model", 1)
    assert (call.tokens_in, call.tokens_out) == (100, 20)
    assert call.usd == pytest.approx(300e-6)
    assert json.loads(call.raw)["verdict"] == "benign"


async def test_the_request_carries_the_model_the_limits_and_a_strict_schema() -> None:
    with FakeEndpoint([GOOD]) as fake:
        async with only(fake, max_tokens=99, temperature=0.5) as models:
            await models.ask(QUESTION)
            await models.ask(QUESTION.model_copy(update={"max_tokens": 17, "temperature": 1.0, "seed": 3}))
    first, second = (request.body for request in fake.requests)
    assert (first["model"], first["max_tokens"], first["temperature"]) == ("asked-model", 99, 0.5)
    assert (second["max_tokens"], second["temperature"], second["seed"]) == (17, 1.0, 3)
    schema = first["response_format"]["json_schema"]
    assert schema["strict"] is True
    assert schema["schema"]["required"] == ["verdict", "reason"]


async def test_a_question_without_a_schema_is_answered_with_the_text_as_it_came() -> None:
    with FakeEndpoint([completion(REFUSAL, reasoning="They want bread.")]) as fake:
        async with only(fake) as models:
            answered = await models.ask(TRACE)
    assert answered.value == REFUSAL
    assert answered.calls[0].reasoning == "They want bread."
    assert "response_format" not in fake.requests[0].body


async def test_a_proxy_of_the_environment_is_not_asked_for_a_loopback_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    with FakeEndpoint([GOOD]) as fake:
        async with only(fake) as models:
            await models.ask(QUESTION)


async def test_tokens_are_estimated_where_the_server_does_not_count_them() -> None:
    with FakeEndpoint([completion("x" * 400, usage=None)]) as fake:
        async with only(fake) as models:
            answered = await models.ask(TRACE)
    assert (answered.calls[0].tokens_in, answered.calls[0].tokens_out) == (8, 101)


# -- how structure is asked for --------------------------------------------------------------------------------------


async def test_a_server_without_schemas_is_asked_for_json_mode_and_told_the_schema_in_words() -> None:
    with FakeEndpoint(takes_formats("json_object", then=GOOD)) as fake:
        async with only(fake) as models:
            await models.ask(QUESTION)
    last = fake.requests[-1].body
    assert last["response_format"] == {"type": "json_object"}
    assert '"verdict"' in last["messages"][0]["content"]


async def test_a_server_without_json_mode_is_asked_in_words_alone() -> None:
    with FakeEndpoint(takes_formats(then=GOOD)) as fake:
        async with only(fake) as models:
            await models.ask(QUESTION)
    assert [request.body.get("response_format", {}).get("type") for request in fake.requests] == [
        "json_schema",
        "json_object",
        None,
    ]


async def test_what_a_server_does_not_take_is_found_out_once() -> None:
    with FakeEndpoint(takes_formats("json_object", then=GOOD)) as fake:
        async with only(fake) as models:
            await asyncio.gather(*(models.ask(QUESTION) for _ in range(8)))
            discovery = len(fake.requests) - 8
            await asyncio.gather(*(models.ask(QUESTION) for _ in range(8)))
    assert discovery <= 8
    assert len(fake.requests) == discovery + 16
    assert all(request.body["response_format"]["type"] == "json_object" for request in fake.requests[-8:])


async def test_many_who_hear_of_it_at_once_step_down_once() -> None:
    with FakeEndpoint(takes_formats("json_object", then=GOOD)) as fake:
        async with only(fake) as models:
            await asyncio.gather(*(models.ask(QUESTION) for _ in range(8)))
    assert all("response_format" in request.body for request in fake.requests)


async def test_a_fixed_way_of_asking_is_kept() -> None:
    with FakeEndpoint([GOOD]) as fake:
        async with only(fake, reply="text") as models:
            await models.ask(QUESTION)
    assert "response_format" not in fake.requests[0].body


@pytest.mark.parametrize(
    ("message", "gone", "instead"),
    [
        (
            "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.",
            "max_tokens",
            "max_completion_tokens",
        ),
        ("Unsupported value: 'temperature' does not support 0.0 with this model.", "temperature", None),
        ("Unrecognized request argument supplied: seed", "seed", None),
    ],
)
async def test_a_parameter_that_the_server_does_not_know_is_left_out_from_then_on(
    message: str, gone: str, instead: str | None
) -> None:
    def reply(request: Received) -> Reply:
        return error(400, message) if gone in request.body else GOOD

    request = QUESTION.model_copy(update={"seed": 1})
    with FakeEndpoint(reply) as fake:
        async with only(fake) as models:
            await models.ask(request)
            await models.ask(request)
    assert len(fake.requests) == 3
    assert instead is None or fake.requests[-1].body[instead] == 512


# -- a reply that is no use ------------------------------------------------------------------------------------------


async def test_an_invalid_reply_is_sent_back_with_what_is_wrong_and_both_are_paid_for() -> None:
    with FakeEndpoint([INVALID, GOOD]) as fake:
        async with only(fake) as models:
            answered = await models.ask(QUESTION)
    assert [call.outcome for call in answered.calls] == ["invalid", "ok"]
    quoted, wish = fake.requests[1].body["messages"][-2:]
    assert quoted == {"role": "assistant", "content": '{"verdict": "maybe", "reason": "it asks about bread"}'}
    assert "verdict: Input should be 'harmful' or 'benign'" in wish["content"]


async def test_a_reply_of_the_wrong_schema_for_ever_fails_the_row_after_two_corrections() -> None:
    with FakeEndpoint([INVALID]) as fake:
        async with only(fake, price_input=1.0, price_output=10.0) as models:
            failed = await fail(models)
            assert models.stats().usd == pytest.approx(3 * 300e-6)
    assert failed.failure.kind == "invalid_reply"
    assert "verdict" in failed.failure.reason
    assert [call.outcome for call in failed.calls] == ["invalid"] * 3
    assert len(fake.requests) == 3
    assert len(fake.requests[2].body["messages"]) == 4  # only the latest reply is quoted


async def test_a_long_invalid_reply_is_sent_back_shortened() -> None:
    with FakeEndpoint([completion("word " * 10_000), GOOD]) as fake:
        async with only(fake) as models:
            await models.ask(QUESTION)
    assert len(fake.requests[1].body["messages"][-2]["content"]) < 2100


async def test_a_reply_cut_by_max_tokens_is_asked_for_again_shorter_then_fails_the_row() -> None:
    with FakeEndpoint([completion('{"verdict": "ben', finish="length")]) as fake:
        async with only(fake) as models:
            failed = await fail(models)
    assert (failed.failure.kind, len(fake.requests)) == ("cut", 3)
    assert "shorter" in fake.requests[1].last_message


async def test_a_free_text_that_is_cut_fails_the_row_at_once() -> None:
    with FakeEndpoint([completion("Bread rises", finish="length")]) as fake:
        async with only(fake) as models:
            failed = await fail(models, TRACE)
    assert (failed.failure.kind, len(fake.requests)) == ("cut", 1)


async def test_an_empty_reply_is_asked_for_again_as_it_was_then_fails_the_row() -> None:
    with FakeEndpoint([completion("")]) as fake:
        async with only(fake) as models:
            failed = await fail(models)
    assert (failed.failure.kind, len(fake.requests)) == ("empty_reply", 3)
    assert len(fake.requests[2].body["messages"]) == 2


# -- refusals and filters --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (completion(None, refusal="I can't assist with that."), "refused"),
        (completion(REFUSAL), "refused"),
        (completion("", finish="content_filter"), "filtered"),
        (error(400, "The response was filtered", code="content_filter"), "filtered"),
        (error(403, "This model requires moderation and your input was flagged"), "filtered"),
    ],
)
async def test_a_refusal_is_a_failure_of_the_row_and_is_never_asked_again(reply: Reply, kind: str) -> None:
    with FakeEndpoint([reply]) as fake:
        async with only(fake) as models:
            failed = await fail(models)
    assert (failed.failure.kind, len(fake.requests)) == (kind, 1)
    assert [call.outcome for call in failed.calls] == [kind]


async def test_a_request_that_moderation_turned_away_costs_nothing() -> None:
    with FakeEndpoint([error(400, "flagged", code="content_policy_violation")]) as fake:
        async with only(fake, price_input=1.0, price_output=10.0) as models:
            failed = await fail(models)
    (call,) = failed.calls
    assert (call.tokens_in, call.tokens_out, call.usd) == (0, 0, 0.0)
    assert "flagged" in call.raw


async def test_a_refused_row_goes_to_the_fallback_once() -> None:
    with FakeEndpoint([completion(REFUSAL)]) as strict, FakeEndpoint([GOOD]) as second:
        both = {"strict": endpoint(strict), "second": endpoint(second)}
        async with Models(both, ["strict"], fallback="second") as models:
            answered = await models.ask(QUESTION)
    assert [(call.endpoint, call.outcome) for call in answered.calls] == [("strict", "refused"), ("second", "ok")]


async def test_a_row_that_the_fallback_refuses_too_is_a_failure_with_both_calls() -> None:
    with FakeEndpoint([completion(REFUSAL)]) as strict, FakeEndpoint([completion(REFUSAL)]) as second:
        both = {"strict": endpoint(strict), "second": endpoint(second)}
        async with Models(both, ["strict"], fallback="second") as models:
            failed = await fail(models)
    assert [call.endpoint for call in failed.calls] == ["strict", "second"]
    assert len(second.requests) == 1


async def test_the_fallback_gets_nothing_that_the_others_can_do() -> None:
    with FakeEndpoint([GOOD]) as first, FakeEndpoint([GOOD]) as second:
        async with Models({"a": endpoint(first), "b": endpoint(second)}, ["a"], fallback="b") as models:
            await asyncio.gather(*(models.ask(QUESTION) for _ in range(20)))
    assert (len(first.requests), len(second.requests)) == (20, 0)


def test_a_fallback_among_the_endpoints_it_stands_in_for_is_an_error() -> None:
    one = Endpoint(base_url="http://127.0.0.1:1/v1", model="m")
    with pytest.raises(UsageError, match="'a' is one of the endpoints"):
        Models({"a": one}, ["a"], fallback="a")


async def test_many_refusals_in_a_row_stop_the_run_and_name_the_likely_cause() -> None:
    with FakeEndpoint([completion(REFUSAL)]) as fake:
        async with Models({"main": endpoint(fake)}, ["main"], refusals_in_a_row=3) as models:
            await fail(models)
            await fail(models)
            with pytest.raises(ProviderRefuses, match=r"3 rows in a row.*main.*policy is the likely cause.*`fallback`"):
                await models.ask(QUESTION)


async def test_a_success_in_between_starts_the_count_again() -> None:
    no = completion(REFUSAL)
    with FakeEndpoint([no, no, GOOD, no, no, GOOD]) as fake:
        async with Models({"main": endpoint(fake)}, ["main"], refusals_in_a_row=3) as models:
            for _ in range(2):
                await fail(models)
                await fail(models)
                await models.ask(QUESTION)


# -- trouble that is worth a retry -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "trouble",
    [
        error(500, "oops"),
        error(503, "overloaded"),
        error(429, "slow down"),
        error(408, "too slow"),
        Reply(body=b'{"choices": [{"mess'),
        Reply(body=b"x" * 1000, sent=0.5),
        Reply(sent=0.0, body=b"x"),
        Reply(body=b'{"error": {"code": 502, "message": "upstream"}}'),
    ],
    ids=["500", "503", "429", "408", "broken body", "cut body", "no body", "error under a 200"],
)
async def test_passing_trouble_is_retried_and_the_tries_are_counted(trouble: Reply) -> None:
    with FakeEndpoint([trouble, GOOD]) as fake:
        async with only(fake) as models:
            answered = await models.ask(QUESTION)
            assert (models.stats().requests, models.stats().retries) == (2, 1)
    assert [call.attempts for call in answered.calls] == [2]


@pytest.mark.parametrize("slow", [HANG, Reply(body=b"x" * 1000, sent=0.5, hangs=True)], ids=["silent", "half a body"])
async def test_one_deadline_bounds_a_request_from_sending_to_its_last_byte(slow: Reply) -> None:
    with FakeEndpoint([slow, GOOD]) as fake:
        async with only(fake, timeout_seconds=0.3) as models:
            answered = await models.ask(QUESTION)
    assert answered.calls[0].attempts == 2


async def test_a_server_that_hangs_for_ever_fails_the_row() -> None:
    with FakeEndpoint([HANG]) as fake:
        async with only(fake, timeout_seconds=0.1) as models:
            failed = await fail(models)
    assert failed.failure.kind == "timeout"
    assert "no answer within 0.1 s" in failed.failure.reason
    assert len(fake.requests) == 3


@pytest.mark.parametrize(
    "headers",
    [
        lambda: {"Retry-After": "1"},
        lambda: {"retry-after-ms": "1000", "Retry-After": "0"},
        # A date has whole seconds, so this one is one to two seconds ahead.
        lambda: {"Retry-After": email.utils.formatdate(time.time() + 2, usegmt=True)},
    ],
    ids=["seconds", "milliseconds", "a date"],
)
async def test_a_retry_is_never_earlier_than_the_server_asked(headers: Callable[[], dict[str, str]]) -> None:
    with FakeEndpoint([error(429, "slow down", headers=headers()), GOOD]) as fake:
        async with only(fake) as models:
            await models.ask(QUESTION)
    first, second = fake.requests
    assert second.arrived - first.arrived >= 1.0


async def test_a_server_that_asks_to_wait_for_hours_stops_the_run() -> None:
    with FakeEndpoint([error(429, "daily limit", headers={"Retry-After": "7200"})]) as fake:
        async with only(fake) as models:
            with pytest.raises(EndpointError, match="wait 120 minutes"):
                await models.ask(QUESTION)


# -- a broken world --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [401, 403])
async def test_a_wrong_key_stops_at_once_and_is_no_rows_fault(status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAIN_KEY", KEY)
    with FakeEndpoint([error(status, f"Incorrect API key provided: {KEY}")]) as fake:
        async with only(fake, key_env="MAIN_KEY") as models:
            with pytest.raises(KeyRefused, match=r"'main' \(127.0.0.1:\d+\) refuses the key in MAIN_KEY") as caught:
                await models.ask(QUESTION)
            with pytest.raises(KeyRefused):
                await models.ask(QUESTION)
    assert len(fake.requests) == 1
    assert KEY not in str(caught.value)


async def test_a_key_that_is_not_set_is_named_before_any_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MAIN_KEY", raising=False)
    with FakeEndpoint([GOOD]) as fake, pytest.raises(KeyRefused, match="environment variable MAIN_KEY is not set"):
        async with only(fake, key_env="MAIN_KEY"):
            pass
    assert not fake.requests


async def test_the_key_goes_to_its_endpoint_and_nowhere_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_KEY", KEY)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-ambient")
    with FakeEndpoint([error(500, f"bad {KEY}"), GOOD]) as first, FakeEndpoint([completion(REFUSAL)]) as second:
        both = {"a": endpoint(first, key_env="A_KEY"), "b": endpoint(second)}
        async with Models(both, ["b"], fallback="a") as models:
            answered = await models.ask(QUESTION)
    assert first.requests[0].headers["authorization"] == f"Bearer {KEY}"
    assert all("authorization" not in request.headers for request in second.requests)
    assert KEY not in "".join(call.model_dump_json() for call in answered.calls)
    assert KEY not in json.dumps([request.body for request in (*first.requests, *second.requests)])


async def test_a_key_that_the_server_echoes_is_blotted_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAIN_KEY", KEY)
    echoing = [error(400, f"flagged: {KEY}", code="content_filter"), error(400, f"no good: {KEY}"), error(404, KEY)]
    with FakeEndpoint(echoing) as fake:
        async with only(fake, key_env="MAIN_KEY") as models:
            filtered, rejected = await fail(models), await fail(models)
            with pytest.raises(EndpointError) as caught:
                await models.ask(QUESTION)
    said = [filtered.calls[0].raw, filtered.failure.reason, rejected.failure.reason, str(caught.value)]
    assert all(KEY not in text and "***" in text for text in said)


async def test_an_unknown_model_stops_at_once() -> None:
    with FakeEndpoint([error(404, "The model does not exist")]) as fake:
        async with only(fake) as models:
            with pytest.raises(EndpointError, match="no model 'asked-model', or a wrong base_url"):
                await models.ask(QUESTION)
    assert len(fake.requests) == 1


@pytest.mark.parametrize("reply", [error(429, "quota", code="insufficient_quota"), error(402, "Insufficient Balance")])
async def test_an_account_without_credit_stops_at_once(reply: Reply) -> None:
    with FakeEndpoint([reply]) as fake:
        async with only(fake) as models:
            with pytest.raises(EndpointError, match="no credit left"):
                await models.ask(QUESTION)
    assert len(fake.requests) == 1


async def test_an_endpoint_that_is_down_stops_the_run_in_one_line() -> None:
    with FakeEndpoint([GOOD]) as gone:
        down = endpoint(gone)
    async with Models({"main": down}, ["main"]) as models:
        with pytest.raises(EndpointError, match=r"^endpoint 'main' \(127.0.0.1:\d+\) cannot be reached[^\n]*is it up"):
            await models.ask(QUESTION)


async def test_a_request_that_is_rejected_is_the_rows_fault() -> None:
    with FakeEndpoint([error(400, "messages: unexpected role"), GOOD]) as fake:
        async with only(fake) as models:
            failed = await fail(models)
            await models.ask(QUESTION)
    assert failed.failure.kind == "bad_request"
    assert "unexpected role" in failed.failure.reason


async def test_a_server_that_rejects_every_request_stops_the_run() -> None:
    with FakeEndpoint([error(400, "messages: unexpected role")]) as fake:
        async with only(fake) as models:
            for _ in range(7):
                await fail(models)
            with pytest.raises(EndpointError, match="rejects every request"):
                await models.ask(QUESTION)


async def test_requests_that_are_rejected_among_good_ones_do_not_stop_the_run() -> None:
    with FakeEndpoint([error(400, "messages: unexpected role"), GOOD] * 10) as fake:
        async with only(fake) as models:
            for _ in range(10):
                await fail(models)
                await models.ask(QUESTION)


async def test_a_prompt_too_long_for_the_model_is_the_rows_fault() -> None:
    with FakeEndpoint([error(400, "maximum context length is 2048 tokens", code="context_length_exceeded")]) as fake:
        async with only(fake) as models:
            assert (await fail(models)).failure.kind == "too_long"


# -- money -----------------------------------------------------------------------------------------------------------

PRICES = {"price_input": 1.0, "price_output": 10.0}


async def test_a_budget_stops_before_it_is_passed() -> None:
    # A call really costs 0.0003 USD; its worst case is 512 tokens out and at most 500 in, so over 0.005 USD.
    with FakeEndpoint([GOOD]) as fake:
        budget = Budget(usd=0.008)
        async with Models({"main": endpoint(fake, **PRICES)}, ["main"], budget=budget) as models:
            results = await asyncio.gather(*(models.ask(QUESTION) for _ in range(40)), return_exceptions=True)
    assert {type(result).__name__ for result in results} == {"Answered", "BudgetReached"}
    assert budget.spent_usd == pytest.approx(len(fake.requests) * 300e-6)
    assert budget.spent_usd <= 0.008
    assert len(fake.requests) >= 6


async def test_a_limit_on_tokens_needs_no_prices() -> None:
    with FakeEndpoint([GOOD]) as fake:
        budget = Budget(tokens=1500)
        async with Models({"main": endpoint(fake)}, ["main"], budget=budget) as models:
            with pytest.raises(BudgetReached, match=r"spent \d+ of 1500 tokens"):
                await ask_in_turn(models)
    assert 0 < budget.spent_tokens <= 1500


def test_a_budget_in_usd_without_prices_is_refused() -> None:
    one = Endpoint(base_url="http://127.0.0.1:1/v1", model="m")
    with pytest.raises(UsageError, match=r"price_input.*\[endpoints.main\]"):
        Models({"main": one}, ["main"], budget=Budget(usd=1.0))


async def test_errors_that_are_not_billed_do_not_use_the_budget_up() -> None:
    budget = Budget(usd=0.008)
    with FakeEndpoint([error(500, "oops"), error(429, "slow down"), GOOD]) as fake:
        async with Models({"main": endpoint(fake, **PRICES)}, ["main"], budget=budget) as models:
            await models.ask(QUESTION)
    assert budget.spent_usd == pytest.approx(300e-6)


async def test_a_cancelled_question_gives_its_slot_back_and_its_worst_case_stays_held() -> None:
    def reply(request: Received) -> Reply:
        return GOOD if request.body.get("seed") else HANG

    budget = Budget(usd=0.008)
    with FakeEndpoint(reply) as fake:
        async with Models({"main": endpoint(fake, concurrency=1, **PRICES)}, ["main"], budget=budget) as models:
            hanging = asyncio.create_task(models.ask(QUESTION))
            while not fake.requests:
                await asyncio.sleep(0.01)
            hanging.cancel()
            with pytest.raises(asyncio.CancelledError):
                await hanging
            assert models.stats().in_flight == 0
            with pytest.raises(BudgetReached, match="on requests without an answer"):
                await models.ask(QUESTION.model_copy(update={"seed": 1}))


async def test_each_paid_reply_is_handed_over_even_where_the_row_then_stops() -> None:
    with FakeEndpoint([INVALID]) as fake:
        paid: list[Call] = []
        async with Models({"main": endpoint(fake, **PRICES)}, ["main"], budget=Budget(usd=0.0063)) as models:
            with pytest.raises(BudgetReached):
                await ask_in_turn(models, paid.append)
    assert len(paid) == len(fake.requests) > 0


# -- many at once ----------------------------------------------------------------------------------------------------


async def test_no_more_are_in_flight_than_the_endpoint_allows() -> None:
    slow = completion('{"verdict": "benign", "reason": ""}', delay_seconds=0.02)
    with FakeEndpoint([slow]) as fake:
        async with only(fake, concurrency=5) as models:
            await asyncio.gather(*(models.ask(QUESTION) for _ in range(40)))
    assert fake.most_in_flight == 5


async def test_a_server_that_holds_few_at_once_is_learned_from_and_no_row_is_lost() -> None:
    holds = threading.BoundedSemaphore(4)

    def reply(request: Received) -> Reply:
        if not holds.acquire(blocking=False):
            return error(429, "slow down")
        time.sleep(0.03)
        holds.release()
        return GOOD

    with FakeEndpoint(reply) as fake:
        async with only(fake, concurrency=32) as models:
            await asyncio.gather(*(models.ask(QUESTION) for _ in range(100)))
    assert len(fake.requests) < 150


async def test_several_endpoints_share_a_run_by_their_room() -> None:
    slow = completion('{"verdict": "benign", "reason": ""}', delay_seconds=0.05)
    with FakeEndpoint([slow]) as small, FakeEndpoint([slow]) as large:
        both = {"small": endpoint(small, concurrency=2), "large": endpoint(large, concurrency=10)}
        async with Models(both, ["small", "large"]) as models:
            answers = await asyncio.gather(*(models.ask(QUESTION) for _ in range(60)))
    assert 0 < len(small.requests) < len(large.requests)
    assert {answer.calls[0].endpoint for answer in answers} == {"small", "large"}


async def test_stats_count_requests_tokens_and_money() -> None:
    with FakeEndpoint([error(500, "oops"), GOOD]) as fake:
        async with only(fake, **PRICES) as models:
            await models.ask(QUESTION)
            stats = models.stats()
    assert (stats.in_flight, stats.requests, stats.retries) == (0, 2, 1)
    assert (stats.tokens_in, stats.tokens_out) == (100, 20)
    assert stats.usd == pytest.approx(300e-6)


async def test_usd_is_unknown_where_no_endpoint_has_prices() -> None:
    with FakeEndpoint([GOOD]) as fake:
        async with only(fake) as models:
            await models.ask(QUESTION)
            assert models.stats().usd is None


def test_the_client_is_loaded_only_when_models_are_opened() -> None:
    code = "import sys, curation.model; print({'openai', 'aiohttp', 'httpx2'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
