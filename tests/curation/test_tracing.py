"""Original traces, asked for over a real loopback server and kept in a real ledger."""

import asyncio
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from curation.budget import Budget
from curation.cli import curate
from curation.leases import end_run, lease_seed, start_run
from curation.ledger import Ledger, NewRow
from curation.model import Models
from curation.tracing import THOUGHTLESS_IN_A_ROW, Progress, Sampling, trace
from schemas.errors import BudgetReached, CurateError, EndpointError, KeyRefused, UsageError
from schemas.example import Label, Seed, Trace, seed_id, trace_id
from schemas.settings import Endpoint
from tests.fake_endpoint import FakeEndpoint, Received, Reply, completion, error

THOUGHT = "Okay, ten minutes to three, then two hours and five minutes."
ANSWER = "2 hours 15 minutes."
TRACED = completion(ANSWER, reasoning=THOUGHT)
PROMPT = "How long is a journey from 14:50 to 17:05?"
SAMPLING = Sampling(temperature=0.6, max_tokens=2048)


def seed(prompt: str = PROMPT, category: str | None = None) -> Seed:
    return Seed(id=seed_id("test", prompt), family="", prompt=prompt, source="test", category=category)


def seeds(count: int) -> list[Seed]:
    return [seed(f"What is {number} times {number}?") for number in range(count)]


def given(of: Seed) -> Trace:
    """A trace that came with its source."""
    return Trace(id=trace_id(of.id, "Hmm.", "I won't.", None), seed_id=of.id, text="Hmm.", answer="I won't.")


def add(ledger: Ledger, rows: Sequence[Seed], *, label: Label | None = None, traced: bool = False) -> None:
    ledger.add([NewRow(row, given(row) if traced else None, label) for row in rows])


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(tmp_path / "curate.db", create=True) as opened:
        yield opened


async def run(
    ledger: Ledger,
    script: Sequence[Reply] | Callable[[Received], Reply],
    *,
    wanted: Sequence[tuple[str, int]] | None = None,
    samples: int = 1,
    budget: Budget | None = None,
    **settings: Any,
) -> tuple[Progress, list[Received]]:
    """One run over the prompts without a trace, or those wanted; what it did and what the server was asked."""
    if wanted is None:
        rows = ledger.seeds_without_trace(samples)
        wanted = [(row.id, samples) for row in rows if not row.failed]
    number = start_run(ledger, "trace", None)
    progress = Progress(total=len(wanted))
    with FakeEndpoint(script) as fake:
        endpoint = Endpoint(**{"base_url": fake.url, "model": "thinker", "concurrency": 4} | settings)
        try:
            async with Models({"r1": endpoint}, ["r1"], budget=budget) as models:
                await trace(ledger, number, wanted, SAMPLING, models, progress, asyncio.Event())
        finally:
            end_run(ledger, number, "done")
    return progress, fake.requests


def texts(ledger: Ledger) -> list[tuple[object, ...]]:
    return ledger.query("SELECT text, answer, declines FROM traces ORDER BY text")


def failures(ledger: Ledger) -> list[tuple[object, ...]]:
    return ledger.query("SELECT kind, reason FROM failures_now WHERE task = 'trace'")


async def test_the_model_sees_the_prompt_alone(ledger: Ledger) -> None:
    add(ledger, [seed()])
    _, requests = await run(ledger, [TRACED])
    assert requests[0].body["messages"] == [{"role": "user", "content": PROMPT}]
    assert requests[0].body["max_tokens"] == 2048
    assert "response_format" not in requests[0].body


@pytest.mark.parametrize(
    "reply",
    [
        TRACED,
        completion(f"<think>\n{THOUGHT}\n</think>\n\n{ANSWER}"),
        completion(f"{THOUGHT}\n</think>\n\n{ANSWER}"),
    ],
    ids=["reasoning_content", "marked", "opening mark left to the template"],
)
async def test_reasoning_is_found_wherever_servers_put_it(ledger: Ledger, reply: Reply) -> None:
    add(ledger, [seed()])
    progress, _ = await run(ledger, [reply])
    assert (progress.traces, progress.failed) == (1, 0)
    assert texts(ledger) == [(THOUGHT, ANSWER, None)]


async def test_a_trace_names_the_reply_it_was_cut_from_and_the_model_that_wrote_it(ledger: Ledger) -> None:
    add(ledger, [seed()])
    await run(ledger, [TRACED])
    assert ledger.query(
        "SELECT traces.model, calls.model, endpoint, purpose, raw, reasoning, tokens_out FROM traces"
        " JOIN calls ON calls.id = call_id"
    ) == [("served-model", "served-model", "r1", "trace", ANSWER, THOUGHT, 20)]


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (completion(ANSWER), "no_reasoning"),
        (completion(ANSWER, reasoning=" \n"), "no_reasoning"),
        (completion(f"<think>\n</think>\n\n{ANSWER}"), "no_reasoning"),
        (completion(f"<think>{THOUGHT}"), "thinking_tags"),
        (completion(f"{THOUGHT}</think>{ANSWER}</think>"), "thinking_tags"),
        (completion(f"{ANSWER}</think>", reasoning=THOUGHT), "thinking_tags"),
        (completion(f"<think>{THOUGHT}</think>\n"), "no_answer"),
        (completion("", reasoning=THOUGHT), "empty_reply"),
        (completion(ANSWER[:5], reasoning=THOUGHT, finish="length"), "cut"),
        (completion("", reasoning=THOUGHT, finish="length"), "cut"),
        (completion(None, refusal="I can't help with that."), "refused"),
        (completion("", finish="content_filter"), "filtered"),
        (error(400, "flagged by the moderation"), "filtered"),
    ],
)
async def test_a_reply_without_a_trace_is_a_named_failure_of_its_prompt(
    ledger: Ledger, reply: Reply, kind: str
) -> None:
    add(ledger, [seed()])
    progress, requests = await run(ledger, [reply])
    assert progress.failures == {kind: 1}
    assert [found for found, _ in failures(ledger)] == [kind]
    assert texts(ledger) == []
    assert ledger.query("SELECT COUNT(*) FROM calls") == [(len(requests),)]


async def test_a_refusal_with_reasoning_before_it_is_a_fine_trace(ledger: Ledger) -> None:
    add(ledger, [seed("How can I read my flatmate's letters in secret?", "privacy")], label=Label.HARMFUL)
    await run(ledger, [completion("I can't help with that.", reasoning="They want to snoop. I should say no.")])
    assert texts(ledger) == [("They want to snoop. I should say no.", "I can't help with that.", 1)]
    assert failures(ledger) == []


@pytest.mark.parametrize(("label", "declines"), [(Label.HARMFUL, 1), (None, None)])
async def test_support_declines_only_where_the_prompt_is_labelled_harmful(
    ledger: Ledger, label: Label | None, declines: int
) -> None:
    add(ledger, [seed("I want to hurt myself. How?", "self_harm")], label=label)
    support = "I'm really sorry you feel this way. You're not alone: a doctor or someone you trust can help."
    await run(ledger, [completion(support, reasoning="They are hurting.")])
    assert [row[2] for row in texts(ledger)] == [declines]


async def test_an_answer_in_a_language_that_the_rule_does_not_read_is_not_said_to_comply(ledger: Ledger) -> None:
    add(ledger, [seed()])
    hungarian = "Sajnálom, de ebben a kérdésben nem tudok segíteni önnek, kérem, forduljon szakemberhez."
    await run(ledger, [completion(hungarian, reasoning=THOUGHT)])
    assert texts(ledger) == [(THOUGHT, hungarian, None)]


def think_anew(request: Received) -> Reply:
    return completion(ANSWER, reasoning=f"Thought number {request.body['seed']}.")


async def test_samples_of_a_prompt_are_told_apart_by_their_sampling_seed(ledger: Ledger) -> None:
    add(ledger, [seed()])
    progress, requests = await run(ledger, think_anew, samples=3)
    assert (progress.done, progress.traces) == (1, 3)
    assert sorted(request.body["seed"] for request in requests) == [0, 1, 2]
    assert {request.body["temperature"] for request in requests} == {0.6}
    assert len(texts(ledger)) == 3


async def test_a_failed_sample_leaves_the_traces_of_the_others(ledger: Ledger) -> None:
    add(ledger, [seed()])
    progress, _ = await run(
        ledger, lambda request: completion(ANSWER) if request.body["seed"] == 1 else think_anew(request), samples=3
    )
    assert (progress.done, progress.traces, progress.failed) == (1, 2, 1)
    assert len(texts(ledger)) == 2
    ((kind, reason),) = failures(ledger)
    assert kind == "no_reasoning"
    assert str(reason).startswith("1 of 3 samples failed")


async def test_a_sample_that_repeats_a_trace_is_a_failure_and_no_second_trace(ledger: Ledger) -> None:
    add(ledger, [seed()])
    progress, _ = await run(ledger, [TRACED], samples=2)
    assert (progress.traces, progress.failures) == (1, {"same_again": 1})


async def test_prompts_with_a_trace_from_their_source_are_left_alone(ledger: Ledger) -> None:
    add(ledger, [seed("Traced?")], traced=True)
    add(ledger, [seed("Untraced?")])
    _, requests = await run(ledger, [TRACED], samples=2)
    assert {request.last_message for request in requests} == {"Untraced?"}


async def test_a_second_run_asks_only_for_what_the_first_left(ledger: Ledger) -> None:
    add(ledger, seeds(3))
    first = ledger.seeds_without_trace()[0].id
    await run(ledger, think_anew, wanted=[(first, 2)])
    _, requests = await run(ledger, think_anew, samples=3)
    prompts = {row[0]: row[1] for row in ledger.prompts()}
    asked = [request.body["seed"] for request in requests if request.last_message == prompts[first]]
    assert asked == [2]
    assert len(requests) == 7
    assert await run(ledger, think_anew, samples=3) == (Progress(total=0), [])


async def test_a_failed_prompt_waits_until_its_failure_is_cleared(ledger: Ledger) -> None:
    add(ledger, [seed()])
    await run(ledger, [completion(ANSWER)])
    assert (await run(ledger, [TRACED], wanted=[(seed().id, 1)]))[1] == []
    assert ledger.clear_failures("trace", [seed().id]) == 1
    _, requests = await run(ledger, [TRACED])
    assert requests[0].body["seed"] == 1, "the same sampling seed could fail in the same way"
    assert failures(ledger) == []


async def test_a_prompt_that_another_run_holds_is_left_to_it(ledger: Ledger) -> None:
    add(ledger, [seed()])
    other = start_run(ledger, "trace", None)
    assert lease_seed(ledger, other, seed().id, 1)
    assert (await run(ledger, [TRACED], wanted=[(seed().id, 1)]))[1] == []
    end_run(ledger, other, "done")
    assert len((await run(ledger, [TRACED]))[1]) == 1


async def test_a_model_that_never_reasons_is_stopped_before_it_costs_more(ledger: Ledger) -> None:
    add(ledger, seeds(40))
    with pytest.raises(EndpointError, match="name a reasoning model"):
        await run(ledger, [completion(ANSWER)], concurrency=1)
    (count,) = ledger.query("SELECT COUNT(*) FROM calls")[0]
    assert THOUGHTLESS_IN_A_ROW <= int(str(count)) <= THOUGHTLESS_IN_A_ROW + 4


async def test_a_budget_stops_the_run_and_keeps_every_trace_that_was_paid_for(ledger: Ledger) -> None:
    add(ledger, seeds(20))
    spent = Budget(tokens=3 * 120 + 2048 + 100)
    with pytest.raises(BudgetReached):
        await run(ledger, think_anew, samples=2, budget=spent)
    ((calls, tokens),) = ledger.query("SELECT COUNT(*), SUM(tokens_in + tokens_out) FROM calls")
    assert int(str(calls)) >= 2
    assert int(str(tokens)) == spent.spent_tokens <= 3 * 120 + 2048 + 100
    assert ledger.query("SELECT COUNT(*) FROM traces") == [(calls,)]
    assert failures(ledger) == []
    assert ledger.query("SELECT COUNT(*) FROM leases") == [(0,)]


async def test_what_stops_a_run_leaves_the_samples_in_flight_their_time(ledger: Ledger) -> None:
    def reply(request: Received) -> Reply:
        if request.body["seed"] == 0:
            return replace(error(401, "no such key"), delay_seconds=0.2)
        return replace(think_anew(request), delay_seconds=0.6)

    add(ledger, [seed()])
    with pytest.raises(KeyRefused):
        await run(ledger, reply, samples=3)
    assert [text for text, *_ in texts(ledger)] == ["Thought number 1.", "Thought number 2."]
    assert failures(ledger) == []


# -- the command


def make_project(folder: Path, url: str, rows: Sequence[Seed], *, traced: bool = False, settings: str = "") -> Path:
    folder.joinpath("curate.toml").write_text(
        f'endpoint = "r1"\n[endpoints.r1]\nbase_url = "{url}"\nmodel = "thinker"\nconcurrency = 2\n{settings}'
    )
    with Ledger.open(folder / "curate.db", create=True) as ledger:
        add(ledger, rows, label=Label.BENIGN, traced=traced)
    return folder


def invoke(project: Path, *arguments: str) -> Result:
    return CliRunner().invoke(curate, ["-C", str(project), "trace", *arguments])


def count_traces(project: Path) -> int:
    with Ledger.open(project / "curate.db") as ledger:
        return int(str(ledger.query("SELECT COUNT(*) FROM traces")[0][0]))


def test_the_command_traces_what_is_missing_and_says_what_came_of_it(tmp_path: Path) -> None:
    with FakeEndpoint(think_anew) as fake:
        project = make_project(tmp_path, fake.url, seeds(3))
        result = invoke(project, "--json")
        assert result.exit_code == 0, result.output
        assert json.loads(result.stdout) == {"prompts": 3, "done": 3, "traces": 3, "failed": 0, "failures": {}}
        assert "nothing to do" in invoke(project).stdout
        assert len(fake.requests) == 3


def test_a_named_prompt_gets_a_new_trace_beside_the_one_it_has(tmp_path: Path) -> None:
    with FakeEndpoint(think_anew) as fake:
        project = make_project(tmp_path, fake.url, seeds(2), traced=True)
        assert "nothing to do" in invoke(project).stdout
        result = invoke(project, "--seed", seeds(2)[0].id, "--samples", "2")
        assert result.exit_code == 0, result.output
        assert [request.last_message for request in fake.requests] == [seeds(2)[0].prompt] * 2
        assert count_traces(project) == 4
        assert invoke(project, "--seed", seeds(2)[0].id).exit_code == 0
        assert count_traces(project) == 5


def test_a_failed_prompt_is_asked_again_when_it_is_named_or_on_demand(tmp_path: Path) -> None:
    with FakeEndpoint([completion(ANSWER), completion(ANSWER), TRACED]) as fake:
        project = make_project(tmp_path, fake.url, [seed()])
        assert "1 failed" in invoke(project).stdout
        assert "--retry-failed" in invoke(project).stdout
        assert "1 failed" in invoke(project, "--retry-failed").stdout
        assert "1 new traces" in invoke(project, "--seed", seed().id).stdout


def test_a_dry_run_counts_and_sends_nothing(tmp_path: Path) -> None:
    with FakeEndpoint([TRACED]) as fake:
        project = make_project(tmp_path, fake.url, seeds(5), settings="price_input = 1.0\nprice_output = 2.0\n")
        result = invoke(project, "--dry-run", "--samples", "2", "--limit", "4", "--json")
        assert fake.requests == []
    guess = json.loads(result.stdout)
    assert (guess["seeds"], guess["questions"]) == (4, 8)
    assert guess["most_tokens_out"] == 8 * 8192
    assert guess["most_usd"] == pytest.approx((guess["tokens_in"] + 2 * 8 * 8192) / 1e6)
    assert count_traces(project) == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--endpoint", "embedded"], "does not reason"),
        (["--endpoint", "r2"], "no endpoint 'r2'"),
        (["--samples", "2", "--temperature", "0"], "higher temperature"),
        (["--seed", "s0000000000000000"], "no seed"),
        (["--budget", "1"], "prices"),
    ],
)
def test_wrong_use_is_one_line_and_asks_nothing(tmp_path: Path, arguments: list[str], message: str) -> None:
    with FakeEndpoint([TRACED]) as fake:
        result = invoke(make_project(tmp_path, fake.url, [seed()]), *arguments)
        assert fake.requests == []
    assert isinstance(result.exception, UsageError)
    assert message in str(result.exception)
    assert "\n" not in str(result.exception)


def test_a_budget_that_is_reached_leaves_with_its_own_exit_code(tmp_path: Path) -> None:
    with FakeEndpoint(think_anew) as fake:
        project = make_project(tmp_path, fake.url, seeds(5))
        result = invoke(project, "--max-tokens-total", "4400", "--max-tokens", "4096")
    assert isinstance(result.exception, CurateError)
    assert result.exception.exit_code == 3
    assert count_traces(project) == len(fake.requests) > 0


def test_an_interrupt_keeps_what_is_in_flight_and_begins_nothing_new(tmp_path: Path) -> None:
    def slowly(request: Received) -> Reply:
        return completion(ANSWER, reasoning=f"Of {request.last_message}", delay_seconds=1.0)

    with FakeEndpoint(slowly) as fake:
        project = make_project(tmp_path, fake.url, seeds(30))
        command = [sys.executable, "-c", "from curation.cli import main; main()", "-C", str(project), "trace"]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        while not fake.requests and process.poll() is None:
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
        assert process.returncode == 130, said
        assert "stopping" in said
        assert 0 < count_traces(project) == len(fake.requests) < 30
        with Ledger.open(project / "curate.db") as ledger:
            assert ledger.query("SELECT outcome FROM runs") == [("interrupted",)]
            assert ledger.query("SELECT COUNT(*) FROM leases") == [(0,)]
