"""Prompts become original traces: a reasoning model is shown the prompt alone, and what it thinks and answers is kept.

reasoning in a field of its own    {"reasoning_content": "Okay, …", "content": "2 hours 15 minutes."}
or marked in the text              {"content": "<think>\\nOkay, …\\n</think>\\n\\n2 hours 15 minutes."}

No safety policy is shown: a trace that cites one would teach a student to make policies up. A refusal with reasoning
before it is a fine trace; a reply without reasoning is a failure of the row.
"""

import asyncio
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from curation.generate import request_key
from curation.leases import Untraced, lease_seed, release
from curation.ledger import Ledger
from curation.model import Models, RowFailed
from curation.prompts import trace_request
from curation.refusal import declining, harm_category
from curation.workers import keep_alive, run_workers
from schemas.call import CHARACTERS_A_TOKEN, Call
from schemas.errors import EndpointError
from schemas.example import Failure, Label, Seed, Trace, trace_id
from schemas.think import has_marks, split

TASK = "trace"

REPLY_TOKENS = 1200
"""Of a reply where the ledger holds none to average: the mean of 303 traces of reasoning models with their answers."""

THOUGHTLESS_IN_A_ROW = 8
"""So many replies without reasoning and not one trace: the model does not reason, and every further one costs."""


@dataclass
class Progress:
    """How far a run is; the command line reads it while `trace` writes it."""

    total: int
    done: int = 0
    traces: int = 0
    failed: int = 0
    failures: Counter[str] = field(default_factory=Counter)


class Sampling(NamedTuple):
    """`max_tokens`: most of one reply, its reasoning included."""

    temperature: float
    max_tokens: int


async def trace(
    ledger: Ledger,
    run: int,
    wanted: Sequence[tuple[str, int]],
    sampling: Sampling,
    models: Models,
    progress: Progress,
    stop: asyncio.Event,
) -> None:
    """Asks for original traces until each of these seeds has as many as wanted, and saves each as it comes.

    `wanted`: (seed id, traces it shall have). A seed of which any sample fails is saved as failed, with the reason;
    the traces that it got stay. Raises what stops a run, as `generate` does; rows in flight are finished first.
    """

    async def ask_samples(row: Untraced) -> None:
        samples = range(row.asked, row.asked + row.missing)
        try:
            # Samples that are paid for are kept, whatever stops one of them.
            outcomes = await asyncio.gather(*(sample(row, number) for number in samples), return_exceptions=True)
            for outcome in outcomes:
                if isinstance(outcome, BaseException):
                    raise outcome
            progress.done += 1
            if failures := [outcome for outcome in outcomes if isinstance(outcome, Failure)]:
                progress.failed += 1
                progress.failures[failures[0].kind] += 1
                ledger.add_failure(TASK, _of_samples(failures, row.missing), seed=row.seed.id, run=run)
        finally:
            release(ledger, run, TASK, row.seed.id)
        if progress.failures["no_reasoning"] >= THOUGHTLESS_IN_A_ROW and not progress.traces:
            raise EndpointError(
                f"{models.author}: {THOUGHTLESS_IN_A_ROW} replies and none with reasoning: name a reasoning model with "
                "--endpoint, and have its server send reasoning_content or the thinking tags"
            )

    async def sample(row: Untraced, number: int) -> Failure | None:
        request = trace_request(row.seed.prompt).model_copy(
            update={"seed": number, "temperature": sampling.temperature, "max_tokens": sampling.max_tokens}
        )
        key = request_key(row.seed.id, request, models.author)

        def keep_unusable(call: Call) -> None:
            if call.outcome != "ok":
                ledger.save_call(run, row.seed.id, None, key, call)

        try:
            answered = await models.ask(request, paid=keep_unusable)
        except RowFailed as failed:
            return failed.failure
        call = answered.calls[-1]
        cut = cut_trace(row.seed, call)
        if isinstance(cut, Failure):
            ledger.save_call(run, row.seed.id, None, key, call)
            return cut
        if not ledger.save_trace(run, cut, _declining(cut.answer, row), key, call):
            return Failure(kind="same_again", reason="a sample repeated, word for word, a trace that is there already")
        progress.traces += 1
        return None

    async with keep_alive(ledger, run):
        await run_workers(_rows(ledger, run, wanted), ask_samples, models.workers, stop)


def cut_trace(seed: Seed, call: Call) -> Trace | Failure:
    """The trace that a reply holds, or why it holds none."""
    reasoning, answer = call.reasoning or "", call.raw
    if not reasoning.strip() and has_marks(answer):
        thought = split(answer)
        if thought is None:
            return Failure(kind="thinking_tags", reason="where its thinking starts and ends cannot be told")
        reasoning, answer = thought.reasoning, thought.answer
    reasoning, answer = reasoning.strip(), answer.strip()
    if not reasoning:
        return Failure(kind="no_reasoning", reason=f"{call.model} sent an answer and no reasoning")
    if has_marks(reasoning) or has_marks(answer):
        return Failure(kind="thinking_tags", reason="the reasoning or the answer holds a thinking tag itself")
    if not answer:
        return Failure(kind="no_answer", reason=f"{call.model} thought and did not answer")
    identity = trace_id(seed.id, reasoning, answer, call.model)
    return Trace(id=identity, seed_id=seed.id, text=reasoning, answer=answer, model=call.model)


def _of_samples(failures: Sequence[Failure], samples: int) -> Failure:
    """One failure for a row: the first of its samples', which says of how many."""
    first = failures[0]
    if samples == 1:
        return first
    return Failure(kind=first.kind, reason=f"{len(failures)} of {samples} samples failed, the first: {first.reason}")


def _declining(answer: str, row: Untraced) -> bool | None:
    """Whether the answer declines; None where that cannot be told.

    Without a harmful label only a plain no can: what else counts as one shows once `curate add` brings the label.
    """
    if row.label is Label.HARMFUL:
        return declining(answer, harm_category(row.seed) or "")
    return declining(answer, None) or None


def _rows(ledger: Ledger, run: int, wanted: Sequence[tuple[str, int]]) -> Iterator[Untraced]:
    for seed, traces in wanted:
        if row := lease_seed(ledger, run, seed, traces):
            yield row


class Estimate(NamedTuple):
    """What a run would ask for. Tokens out are guessed from the replies so far, `most_tokens_out` is the worst case."""

    seeds: int
    questions: int
    tokens_in: int
    tokens_out: int
    most_tokens_out: int


def estimate(ledger: Ledger, wanted: Sequence[tuple[str, int]], sampling: Sampling) -> Estimate:
    """Counts a run's questions without asking one."""
    known = {
        str(seed): (int(str(have)), int(str(characters)))
        for seed, have, characters in ledger.query(
            "SELECT id, (SELECT COUNT(*) FROM usable_traces WHERE seed_id = seeds.id), LENGTH(prompt) FROM seeds"
        )
    }
    questions = tokens_in = 0
    for seed, traces in wanted:
        have, characters = known[seed]
        questions += max(0, traces - have)
        tokens_in += max(0, traces - have) * (characters // CHARACTERS_A_TOKEN + 1)
    ((mean,),) = ledger.query("SELECT AVG(tokens_out) FROM calls WHERE purpose = 'trace' AND outcome = 'ok'")
    each = min(sampling.max_tokens, REPLY_TOKENS if mean is None else round(float(str(mean))))
    return Estimate(len(wanted), questions, tokens_in, questions * each, questions * sampling.max_tokens)
