"""Many traces become drafts: which rows, who does them, what is kept.

select     which traces, in which order: a limit, a stratified sample, one label only
generate   leases them in small lots, rewrites, checks and saves each; safe to stop and repeat
estimate   the same without a model: how many questions, tokens and USD it would be
"""

import asyncio
import hashlib
import random
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from pydantic import BaseModel

from curation.checks import REPEATED_REASON_LEAST, CheckedRow, check
from curation.ledger import Candidate, Ledger, Work
from curation.model import Models, RowFailed
from curation.reference import samples_agree
from curation.reply import parse
from curation.rewrite import Ask, Borrow, rewrite
from curation.workers import keep_alive, run_workers
from schemas.call import Request
from schemas.example import Branch, Failure
from schemas.structure import Pools, Structure

LOT = 64
"""Rows leased at a time: few enough for another run to share the work, enough not to write for each."""
CHARACTERS_A_TOKEN = 4
REPLY_TOKENS = {"verdict": 60, "reason": 45, "rewrite": 350}
"""Completion tokens of a reply where the ledger holds none to average: measured with SmolLM2, rounded up."""


@dataclass
class Progress:
    """How far a run is; the command line reads it while `generate` writes it."""

    total: int
    drafts: int = 0
    blocked: int = 0
    flagged: int = 0
    failed: int = 0
    failures: dict[str, int] = field(default_factory=dict)

    @property
    def done(self) -> int:
        return self.drafts + self.failed


class Job(NamedTuple):
    """What a run makes, and how."""

    structure: Structure
    pools: Pools
    assume_label: bool
    small: bool
    benign_max_tokens: int


def select(
    candidates: Sequence[Candidate],
    *,
    only: Literal["harmful", "benign"] | None = None,
    sample: int | None = None,
    sample_seed: int = 0,
    limit: int | None = None,
    retry_failed: bool = False,
) -> list[str]:
    """Trace ids to work on. `sample` draws that many, stratified by label, category and source, the same for the
    same seed; `limit` then takes the first so many."""
    rows = [row for row in candidates if (retry_failed or not row.failed) and only in (None, row.label)]
    if sample is not None and sample < len(rows):
        rows = _stratified(rows, sample, sample_seed)
    return [row.id for row in rows][:limit]


def _stratified(rows: Sequence[Candidate], size: int, seed: int) -> list[Candidate]:
    """Each stratum gets its share of `size` (largest remainders round up), drawn at random with the seed."""
    strata: dict[tuple[str, str, str], list[Candidate]] = defaultdict(list)
    for row in rows:
        strata[row.label or "", row.category or "", row.source].append(row)
    shares = {key: size * len(members) / len(rows) for key, members in strata.items()}
    counts = {key: int(share) for key, share in shares.items()}
    by_remainder = sorted(strata, key=lambda key: (counts[key] - shares[key], key))
    for key in by_remainder[: size - sum(counts.values())]:
        counts[key] += 1
    draw = random.Random(seed)
    picked = [row for key in sorted(strata) for row in draw.sample(strata[key], counts[key])]
    return sorted(picked)


async def generate(
    ledger: Ledger, run: int, ids: Sequence[str], job: Job, models: Models, progress: Progress, stop: asyncio.Event
) -> None:
    """Makes the drafts of these traces, each saved as soon as it is there, with every reply that was paid for.

    A row that fails is saved with its reason and the rest goes on. Raises what stops a run: BudgetReached,
    KeyRefused, EndpointError, ProviderRefuses, LedgerError; rows in flight are finished first.
    """
    task = job.structure.name
    borrow = _borrower(ledger, job.structure)

    async def make(work: Work) -> None:
        writers: dict[str, int] = {}
        try:
            made = await rewrite(
                work,
                job.structure,
                job.pools,
                _Asker(ledger, run, work, models, writers).ask,
                borrow(work),
                assume_label=job.assume_label,
                small=job.small,
            )
        except RowFailed as failed:
            made = failed.failure
        if isinstance(made, Failure):
            ledger.save_failure(run, task, work, made)
            progress.failed += 1
            progress.failures[made.kind] = progress.failures.get(made.kind, 0) + 1
            return
        results = check(
            CheckedRow(
                draft=made,
                seed=work.seed,
                trace=work.trace,
                label=work.label,
                structure=job.structure,
                pools=job.pools,
                answer_verified=samples_agree(work.trace.answer, work.other_answers),
                benign_max_tokens=job.benign_max_tokens,
            )
        )
        ledger.save_draft(run, made, results, models.author, writers)
        progress.drafts += 1
        progress.blocked += any(result.blocking for result in results)
        progress.flagged += bool(results) and not any(result.blocking for result in results)

    try:
        async with keep_alive(ledger, run):
            await run_workers(_lots(ledger, run, task, ids), make, models.workers, stop)
    finally:
        if not job.structure.borrows_reason:
            ledger.flag_repeated_reasons(task, REPEATED_REASON_LEAST)


class _Asker(NamedTuple):
    """Puts one row's questions: a reply that the ledger has already is used again, a new one is saved at once."""

    ledger: Ledger
    run: int
    work: Work
    models: Models
    writers: dict[str, int]

    async def ask(self, request: Request) -> BaseModel:
        assert request.reply is not None
        seed, trace = self.work.seed.id, self.work.trace.id
        key = request_key(trace, request)
        if found := self.ledger.find_reply(key, self.models.names):
            call, raw = found
            value = parse(raw, request.reply)
        else:
            paid: list[int] = []
            answered = await self.models.ask(
                request, lambda made: paid.append(self.ledger.save_call(self.run, seed, trace, key, made))
            )
            assert isinstance(answered.value, BaseModel)
            call, value = paid[-1], answered.value
        self.writers.update({text: call for text in value.model_dump().values() if isinstance(text, str)})
        return value


def request_key(row: str, request: Request) -> str:
    """A hash of all that decides a reply, besides the endpoint: the row, the messages and the reply's schema."""
    digest = hashlib.blake2b(digest_size=12)
    schema = sorted(request.reply.model_fields) if request.reply else []
    settings = (row, request.prompt_version, str(schema), str(request.max_tokens), str(request.temperature))
    for part in (*settings, str(request.seed), *(text for m in request.messages for text in (m.role, m.content))):
        data = part.encode("utf-8", "surrogatepass")
        digest.update(b"%d:" % len(data) + data)
    return digest.hexdigest()


def _lots(ledger: Ledger, run: int, task: str, ids: Sequence[str]) -> Iterator[Work]:
    for start in range(0, len(ids), LOT):
        leased = ledger.lease(run, task, ids[start : start + LOT])
        if leased:
            yield from ledger.load(leased)


def _borrower(ledger: Ledger, structure: Structure) -> Callable[[Work], Borrow]:
    """Who lends a row its reason, where the structure says that it is another prompt's: one of the same branch and
    another family, picked by the row's id."""
    lenders: dict[str, list[tuple[str, str]]] = defaultdict(list)
    if structure.borrows_reason and structure.base:
        for branch, family, reason in ledger.reasons(structure.base):
            lenders[branch].append((family, reason))

    def of(work: Work) -> Borrow:
        def borrow(branch: Branch) -> str | None:
            others = [reason for family, reason in lenders[branch] if family != work.seed.family]
            return others[int(work.trace.id[1:], 16) % len(others)] if others else None

        return borrow

    return of


class Estimate(NamedTuple):
    """What a run would ask for, most of it guessed from lengths."""

    rows: int
    questions: int
    tokens_in: int
    tokens_out: int
    fails_at_once: int


async def estimate(ledger: Ledger, ids: Sequence[str], job: Job) -> Estimate:
    """Counts a run's questions by rewriting every row with a model that always agrees with the label."""
    measured = {
        str(purpose): float(str(mean))
        for purpose, mean in ledger.query(
            "SELECT purpose, AVG(tokens_out) FROM calls WHERE outcome = 'ok' GROUP BY purpose"
        )
    }
    questions: list[Request] = []
    failed = 0
    borrow = _borrower(ledger, job.structure)
    for start in range(0, len(ids), LOT):
        for work in ledger.load(ids[start : start + LOT]):
            ask = _agreeing(work, questions)
            made = await rewrite(
                work,
                job.structure,
                job.pools,
                ask,
                borrow(work),
                assume_label=job.assume_label,
                small=job.small,
            )
            failed += isinstance(made, Failure)
    tokens_in = tokens_out = 0
    for request in questions:
        tokens_in += sum(len(message.content) for message in request.messages) // CHARACTERS_A_TOKEN
        tokens_out += round(measured.get(request.purpose, REPLY_TOKENS.get(request.purpose, 60)))
    return Estimate(len(ids), len(questions), tokens_in, tokens_out, failed)


def _agreeing(work: Work, questions: list[Request]) -> Ask:
    """A model that notes what it is asked, always says what the label says, and writes next to nothing."""

    async def ask(request: Request) -> BaseModel:
        assert request.reply is not None
        questions.append(request)
        given = {name: (work.label or "benign") if name == "verdict" else "…" for name in request.reply.model_fields}
        return request.reply.model_construct(None, **given)

    return ask
