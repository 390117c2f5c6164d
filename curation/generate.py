"""Many traces become drafts: which rows, who does them, what is kept.

select     which traces, in which order: a limit, a stratified sample, one label only
generate   leases them in small lots, rewrites, checks and saves each; safe to stop and repeat
estimate   the same without a model: how many questions, tokens and USD it would be
"""

import asyncio
import hashlib
import random
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from pydantic import BaseModel

from curation.checks import REPEATED_REASON_LEAST, CheckedRow, check
from curation.leases import lease
from curation.ledger import Candidate, Ledger, Work
from curation.model import Models, RowFailed
from curation.reference import samples_agree
from curation.reply import parse
from curation.rewrite import Ask, Borrow, rewrite
from curation.workers import keep_alive, run_workers
from schemas.call import CHARACTERS_A_TOKEN, Call, Request
from schemas.example import Branch, Failure
from schemas.settings import Endpoint
from schemas.structure import Pools, Structure

LOT = 64
"""Rows leased at a time: few enough for another run to share the work, enough not to write for each."""
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
    rows = [row for row in candidates if only in (None, row.label)]
    if sample is not None and sample < len(rows):
        # Drawn before what is done is left out: an interrupted sample goes on with the same rows.
        rows = _stratified(rows, sample, sample_seed)
    return [row.id for row in rows if not row.done and (retry_failed or not row.failed)][:limit]


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
    lenders = _lenders(ledger, job.structure)

    async def make(work: Work) -> None:
        asker = _Asker(ledger, run, work, models)
        try:
            made = await rewrite(
                work,
                job.structure,
                job.pools,
                asker.ask,
                _borrow(lenders, work, asker),
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
        ledger.save_draft(run, made, results, asker.author, asker.writers)
        progress.drafts += 1
        progress.blocked += any(result.blocking for result in results)
        progress.flagged += bool(results) and not any(result.blocking for result in results)

    try:
        async with keep_alive(ledger, run):
            await run_workers(_lots(ledger, run, task, ids), make, models.workers, stop)
    finally:
        if not job.structure.borrows_reason:
            ledger.flag_repeated_reasons(task, REPEATED_REASON_LEAST)
        progress.flagged, progress.blocked = ledger.count_drafts(run)


@dataclass
class _Asker:
    """Puts one row's questions: a reply that the ledger has already is used again, a new one is saved at once."""

    ledger: Ledger
    run: int
    work: Work
    models: Models
    writers: dict[str, int] = field(default_factory=dict)
    """Which call wrote which text."""
    authors: dict[str, None] = field(default_factory=dict)

    @property
    def author(self) -> str:
        """Endpoint and model of every reply that the row used; a row without any was assembled from what there was."""
        return ", ".join(self.authors) or "assembly"

    async def ask(self, request: Request) -> BaseModel:
        assert request.reply is not None
        seed, trace = self.work.seed.id, self.work.trace.id
        keys = request_keys(trace, request, self.models.endpoints)
        if found := self.ledger.find_reply(keys.values()):
            call, author, raw = found
            value = parse(raw, request.reply)
        else:
            paid: list[tuple[int, str]] = []

            def save(made: Call) -> None:
                number = self.ledger.save_call(self.run, seed, trace, keys[made.endpoint], made)
                paid.append((number, f"{made.endpoint}:{made.model}"))

            answered = await self.models.ask(request, save)
            assert isinstance(answered.value, BaseModel)
            (call, author), value = paid[-1], answered.value
        self.authors[author] = None
        self.writers.update({text: call for text in value.model_dump().values() if isinstance(text, str)})
        return value


def request_keys(row: str, request: Request, endpoints: Mapping[str, Endpoint]) -> dict[str, str]:
    """The key of a request at each endpoint: a reply of another model, or at another temperature, is another reply."""
    return {
        name: request_key(row, request, f"{name} {endpoint.model} {endpoint.temperature}")
        for name, endpoint in endpoints.items()
    }


def request_key(row: str, request: Request, asked: str) -> str:
    """A hash of all that decides a reply: the row, who is asked, the messages and the reply's schema."""
    digest = hashlib.blake2b(digest_size=12)
    schema = sorted(request.reply.model_fields) if request.reply else []
    settings = (row, asked, request.prompt_version, str(schema), str(request.max_tokens), str(request.temperature))
    for part in (*settings, str(request.seed), *(text for m in request.messages for text in (m.role, m.content))):
        data = part.encode("utf-8", "surrogatepass")
        digest.update(b"%d:" % len(data) + data)
    return digest.hexdigest()


def _lots(ledger: Ledger, run: int, task: str, ids: Sequence[str]) -> Iterator[Work]:
    for start in range(0, len(ids), LOT):
        leased = lease(ledger, run, task, ids[start : start + LOT])
        if leased:
            yield from ledger.load(leased, task)


class Lender(NamedTuple):
    family: str
    reason: str
    call: int | None


def _lenders(ledger: Ledger, structure: Structure) -> dict[Branch, list[Lender]]:
    """The reasons that rows can borrow, by branch, where the structure says that they do."""
    lenders: dict[Branch, list[Lender]] = {"harmful": [], "benign": []}
    if structure.borrows_reason and structure.base:
        for branch, family, reason, call in ledger.reasons(structure.base):
            lenders["harmful" if branch == "harmful" else "benign"].append(Lender(family, reason, call))
    return lenders


def _borrow(lenders: Mapping[Branch, Sequence[Lender]], work: Work, asker: _Asker | None) -> Borrow:
    """Lends a row the reason of another family on its branch, picked by the row's id."""

    def borrow(branch: Branch) -> str | None:
        on_branch = lenders[branch]
        start = int(work.trace.id[1:], 16)
        for step in range(len(on_branch)):
            lender = on_branch[(start + step) % len(on_branch)]
            if lender.family != work.seed.family:
                if asker is not None and lender.call is not None:
                    asker.writers[lender.reason] = lender.call
                return lender.reason
        return None

    return borrow


class Estimate(NamedTuple):
    """What a run would ask for, most of it guessed from lengths."""

    rows: int
    questions: int
    tokens_in: int
    tokens_out: int
    fails_at_once: int


async def estimate(ledger: Ledger, ids: Sequence[str], job: Job, endpoints: Mapping[str, Endpoint]) -> Estimate:
    """Counts a run's questions by rewriting every row with a model that always agrees with the label.

    What the ledger has a reply to already is not counted: it is not asked again.
    """
    measured = {
        str(purpose): float(str(mean))
        for purpose, mean in ledger.query(
            "SELECT purpose, AVG(tokens_out) FROM calls WHERE outcome = 'ok' GROUP BY purpose"
        )
    }
    lenders = _lenders(ledger, job.structure)
    questions = tokens_in = failed = 0
    tokens_out = 0.0
    for start in range(0, len(ids), LOT):
        for work in ledger.load(ids[start : start + LOT], job.structure.name):
            asked: list[Request] = []
            made = await rewrite(
                work,
                job.structure,
                job.pools,
                _agreeing(work, asked),
                _borrow(lenders, work, None),
                assume_label=job.assume_label,
                small=job.small,
            )
            failed += isinstance(made, Failure)
            for request in asked:
                if ledger.find_reply(request_keys(work.trace.id, request, endpoints).values()):
                    continue
                questions += 1
                tokens_in += sum(len(message.content) for message in request.messages) // CHARACTERS_A_TOKEN
                tokens_out += measured.get(request.purpose, REPLY_TOKENS.get(request.purpose, 60))
    return Estimate(len(ids), questions, tokens_in, round(tokens_out), failed)


def _agreeing(work: Work, questions: list[Request]) -> Ask:
    """A model that notes what it is asked, always says what the label says, and writes next to nothing."""

    async def ask(request: Request) -> BaseModel:
        assert request.reply is not None
        questions.append(request)
        given = {name: (work.label or "benign") if name == "verdict" else "…" for name in request.reply.model_fields}
        return request.reply.model_construct(None, **given)

    return ask
