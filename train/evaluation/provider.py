"""The model provider `alttrain/FOLDER` of inspect_ai: a model of this machine or the Hub, asked in batches.

    inspect eval alttrain/xstest --model alttrain/runs/first -M batch_size=32

Requests that wait at the same time share a batch. Greedy unless the temperature is set; what a prompt draws above 0 is
its seed's alone. The last message may be an assistant's: then the thinking is made to begin with it.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import anyio
from inspect_ai.model import (
    ChatCompletionChoice,
    ChatMessage,
    ChatMessageAssistant,
    GenerateConfig,
    ModelAPI,
    ModelOutput,
    ModelUsage,
)
from inspect_ai.tool import ToolChoice, ToolInfo

from schemas.errors import TrainError
from schemas.training import Precision
from train.evaluation.local_model import LocalModel, Said, open_model, prompt_of, say

BATCH = 16
MAX_TOKENS = 1024
"""New tokens where nothing else is asked for: what R1-Act's evaluation allows."""
_QUIET_SECONDS = 0.02
"""So long a batch waits for a further request."""


@dataclass
class _Waiting:
    ids: list[int]
    prefill: str
    max_tokens: int
    temperature: float
    seed: int
    said: Said | None = None

    @property
    def alike(self) -> tuple[int, float]:
        return self.max_tokens, self.temperature


class LocalAPI(ModelAPI):
    """Requests of one batch have the same token limit and temperature."""

    def __init__(
        self,
        model_name: str,
        base_url: str | None = None,
        api_key: str | None = None,
        config: GenerateConfig = GenerateConfig(),  # noqa: B008 (inspect's own signature)
        batch_size: int = BATCH,
        revision: str | None = None,
        precision: Precision | None = None,
        **unknown: Any,
    ) -> None:
        super().__init__(model_name, base_url, api_key, [], config)
        if unknown:
            raise TrainError(
                f"model alttrain/{model_name}: there is no -M {', '.join(unknown)}; batch_size, revision, precision"
            )
        self.batch_size = batch_size
        self.local: LocalModel | None = open_model(model_name, revision, precision)
        self._waiting: list[_Waiting] = []
        self._turn = anyio.Lock()

    async def generate(
        self, input: list[ChatMessage], tools: list[ToolInfo], tool_choice: ToolChoice, config: GenerateConfig
    ) -> ModelOutput:
        if tools:
            raise TrainError("model alttrain/…: calls no tools")
        started = time.monotonic()
        waiting = self._request(input, config)
        self._waiting.append(waiting)
        try:
            async with self._turn:
                if waiting.said is None:
                    await self._answer_batch(waiting)
        finally:
            self._waiting.remove(waiting)
        said = waiting.said
        assert said is not None
        return ModelOutput(
            model=self.model_name,
            choices=[
                ChatCompletionChoice(
                    message=ChatMessageAssistant(content=said.completion, model=self.model_name, source="generate"),
                    stop_reason="stop" if said.stopped else "max_tokens",
                )
            ],
            usage=ModelUsage(
                input_tokens=said.prompt_tokens,
                output_tokens=said.new_tokens,
                total_tokens=said.prompt_tokens + said.new_tokens,
                reasoning_tokens=said.thinking_tokens,
            ),
            time=time.monotonic() - started,
        )

    def _request(self, input: Sequence[ChatMessage], config: GenerateConfig) -> _Waiting:
        assert self.local is not None, "closed"
        *before, last = input
        prefill = last.text if last.role == "assistant" else ""
        messages = [{"role": one.role, "content": one.text} for one in (before if prefill else input)]
        return _Waiting(
            ids=prompt_of(self.local, messages, prefill),
            prefill=prefill,
            max_tokens=config.max_tokens or MAX_TOKENS,
            temperature=config.temperature or 0.0,
            seed=config.seed or 0,
        )

    async def _answer_batch(self, first: _Waiting) -> None:
        """Answers `first` and as many like it as a batch holds."""
        seen = -1
        while seen < len(alike := self._like(first)) < self.batch_size:
            seen = len(alike)
            await anyio.sleep(_QUIET_SECONDS)
        batch = alike[: self.batch_size]
        local = self.local
        assert local is not None, "closed"
        said = await anyio.to_thread.run_sync(
            say,
            local,
            [one.ids for one in batch],
            first.max_tokens,
            self.batch_size,
            first.temperature,
            [one.seed for one in batch],
            [one.prefill for one in batch],
        )
        for one, its in zip(batch, said, strict=True):
            one.said = its

    def _like(self, first: _Waiting) -> list[_Waiting]:
        """`first`, then those that can share its batch, the longest waiting first."""
        others = (one for one in self._waiting if one is not first and one.said is None and one.alike == first.alike)
        return [first, *others]

    def max_connections(self) -> int:
        """Two batches: while one is being answered, the next comes together."""
        return 2 * self.batch_size

    def connection_key(self) -> str:
        return f"alttrain/{self.model_name}"

    def close(self) -> None:
        self.local = None
