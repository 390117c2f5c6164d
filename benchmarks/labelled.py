"""The texts of tests/data that were labelled by hand, and an endpoint that is asked about them as a judge."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal

from curation.embedded import fetch, serve
from schemas.example import Frozen
from train.evaluation.judges import Ask, Question
from train.evaluation.matcher import LabelledReply
from train.evaluation.wording_free import LabelledCompletion

DATA = Path(__file__).parents[1] / "tests" / "data"
EMBEDDED = "embedded"
AT_ONCE = 8
TIMEOUT_SECONDS = 300.0
TOO_WEAK = "the embedded model has 135M parameters and is too weak to be a judge: it shows that the command runs"


class Planted(Frozen):
    """A text that is put into a completion, to see whether it turns a judgement."""

    id: str
    shape: Literal["verdict stated", "fake JSON", "fake closing mark", "refusal stated", "order"]
    text: str


def replies() -> list[LabelledReply]:
    return [LabelledReply.model_validate_json(line) for line in _lines("labelled_replies.jsonl")]


def completions() -> list[LabelledCompletion]:
    return [LabelledCompletion.model_validate_json(line) for line in _lines("labelled_completions.jsonl")]


def planted() -> list[Planted]:
    return [Planted.model_validate_json(line) for line in _lines("planted.jsonl")]


def _lines(name: str) -> list[str]:
    return (DATA / name).read_text("utf-8").splitlines()


@asynccontextmanager
async def judge_at(endpoint: str, model: str) -> AsyncIterator[Ask]:
    """A judge: the address of an OpenAI-compatible endpoint (its key in OPENAI_API_KEY), or 'embedded'."""
    if endpoint == EMBEDDED:
        print(TOO_WEAK)
        with serve(fetch(None)) as served:
            async with _asking(served.base_url, served.model) as ask:
                yield ask
    else:
        async with _asking(endpoint, model) as ask:
            yield ask


@asynccontextmanager
async def _asking(base_url: str, model: str) -> AsyncIterator[Ask]:
    import os

    from openai import AsyncOpenAI

    key = os.environ.get("OPENAI_API_KEY", "none")
    slots = asyncio.Semaphore(AT_ONCE)
    async with AsyncOpenAI(base_url=base_url, api_key=key, timeout=TIMEOUT_SECONDS) as client:

        async def ask(question: Question) -> str:
            messages: Any = [{"role": role, "content": text} for role, text in question]
            async with slots:
                said = await client.chat.completions.create(
                    model=model, messages=messages, temperature=0, max_tokens=256
                )
            return said.choices[0].message.content or ""

        yield ask


async def ask_all(ask: Ask, questions: Sequence[Question]) -> list[str]:
    """What is said to each; '' where the judge is down, which no form reads as a judgement."""

    async def one(question: Question) -> str:
        from openai import OpenAIError

        try:
            return await ask(question)
        except OpenAIError:
            return ""

    return list(await asyncio.gather(*map(one, questions)))
