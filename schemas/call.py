"""What is asked of a model, and what came back: the values between prompts, engine and ledger."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from schemas.example import Frozen

CHARACTERS_A_TOKEN = 4
"""A usual guess for English; formulas and other scripts have more tokens a character. For estimates only."""

Purpose = Literal["verdict", "reason", "rewrite", "trace", "probe", "audit"]


class Message(Frozen):
    role: Literal["system", "user", "assistant"]
    content: str


class Request(BaseModel):
    """One question to a model. `reply` is the schema that its JSON must satisfy; None asks for free text."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    purpose: Purpose
    prompt_version: str = Field(description="name and content hash of the prompt template, e.g. 'verdict-1a2b3c4d'")
    messages: tuple[Message, ...]
    reply: type[BaseModel] | None = None
    max_tokens: int | None = Field(default=None, description="completion tokens; None: the endpoint's own limit")
    temperature: float | None = Field(default=None, description="None: the endpoint's own")
    seed: int | None = Field(default=None, description="sampling seed, to tell k samples of one prompt apart")


Outcome = Literal["ok", "invalid", "refused", "filtered", "cut", "empty"]
"""invalid: not the schema. refused: the model declines. filtered: content filter or moderation. cut: max_tokens."""


class Call(Frozen):
    """One reply that was paid for (or a moderation error), as the ledger keeps it. Keys and URLs are never in it."""

    purpose: Purpose
    prompt_version: str
    endpoint: str = Field(description="its name in curate.toml")
    model: str = Field(description="as the server names it in its reply, else as asked for")
    outcome: Outcome
    raw: str = Field(description="the reply's text, as it came")
    reasoning: str | None = Field(default=None, description="reasoning_content, where the server sends it apart")
    tokens_in: int
    tokens_out: int
    usd: float | None = Field(description="None: the endpoint has no prices")
    latency_seconds: float = Field(description="of the attempt that gave this reply")
    attempts: int = Field(ge=1, description="HTTP requests made, those that failed and were retried included")
