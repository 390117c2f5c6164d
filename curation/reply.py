"""What a server's bytes say: a completion, a value in it, or why the request was turned away. Pure functions.

The bytes are hostile: nothing in them is evaluated, and what is shown of them is one printable line.
"""

import functools
import json
import re
from typing import Any, NamedTuple, TypeVar

from pydantic import BaseModel, ValidationError

from schemas.call import Outcome
from schemas.refusing import declines
from schemas.think import CLOSE

Value = TypeVar("Value", bound=BaseModel)

CANDIDATES = 32
"""Braces of a reply at which a JSON object is looked for; a reply that needs more is not one."""

MOST_TOKENS = 100_000_000
"""Of one reply, more than any model takes or gives."""


class Completion(NamedTuple):
    """The first choice of a chat completion. Tokens that the server does not count are estimated."""

    tokens_in: int
    tokens_out: int
    content: str = ""
    reasoning: str | None = None
    refusal: str | None = None
    finish: str | None = None
    model: str | None = None


class Rejection(NamedTuple):
    """An error reply: its HTTP status, and its code, parameter and message as one text."""

    status: int
    text: str

    @property
    def moderated(self) -> bool:
        """Whether a content filter is what turned the request away."""
        return self.status in (400, 403, 422, 451) and _MODERATION.search(self.text) is not None

    @property
    def broke(self) -> bool:
        """Whether the account has nothing left; OpenAI says so with 429, which waiting does not mend."""
        return self.status == 402 or (self.status == 429 and _NO_CREDIT.search(self.text) is not None)

    @property
    def too_long(self) -> bool:
        return self.status == 413 or _TOO_LONG.search(self.text) is not None

    @property
    def against_format(self) -> bool:
        return _FORMAT.search(self.text) is not None


# As OpenAI, Azure, OpenRouter, DeepSeek and Alibaba word it.
_MODERATION = re.compile(
    r"content[ _-]?(?:filter|policy|management)|moderation|flagged|usage polic|data_inspection|inappropriate content"
    r"|content exists risk|responsible ?ai|safety (?:policy|system|setting)|invalid_prompt",
    re.IGNORECASE,
)
_NO_CREDIT = re.compile(r"insufficient[ _](?:quota|balance|credit|funds)|billing", re.IGNORECASE)
_TOO_LONG = re.compile(
    r"context[ _](?:length|size|window)|maximum context|too many tokens|prompt is too long", re.IGNORECASE
)
_FORMAT = re.compile(
    r"response_format|json_schema|json_object|json mode|structured output|guided|grammar", re.IGNORECASE
)
_FENCE = re.compile(r"```(?:json)?\s*(\{.*?\})\s*```", re.DOTALL | re.IGNORECASE)


def read_completion(body: bytes, tokens_in: int) -> Completion | Rejection:
    """The completion in a 200 reply, or the error that some gateways send under a 200. ValueError: neither.

    `tokens_in`: the prompt's tokens, where the server does not count them.
    """
    data = _load(body)
    if not data.get("choices") and "error" in data:
        error = data["error"]
        code = error.get("code") if isinstance(error, dict) else None
        return read_rejection(code if isinstance(code, int) and 400 <= code <= 599 else 500, body)
    try:
        choice = data["choices"][0]
        message = choice["message"]
        usage = data.get("usage") or {}
        content = _text(message.get("content"))
        reasoning = _text(message.get("reasoning_content") or message.get("reasoning"))
        return Completion(
            tokens_in=_count(usage.get("prompt_tokens"), tokens_in),
            tokens_out=_count(usage.get("completion_tokens"), (len(content) + len(reasoning)) // 4 + 1),
            content=content,
            reasoning=reasoning or None,
            refusal=_text(message.get("refusal")) or None,
            finish=_text(choice.get("finish_reason")) or None,
            model=_text(data.get("model")) or None,
        )
    except (KeyError, IndexError, TypeError, AttributeError):
        raise ValueError("no chat completion") from None


def read_rejection(status: int, body: bytes) -> Rejection:
    """The error in a reply that is not a 200. Fields that may echo the prompt are left out."""
    try:
        data = _load(body)
    except ValueError:
        return Rejection(status, body[:300].decode("utf-8", "replace"))
    error = data.get("error", data)
    if isinstance(error, dict):
        if isinstance(details := error.get("detail"), list):
            said = [f"{d.get('loc')} {d.get('msg')}" for d in details if isinstance(d, dict)]
        else:
            said = [str(error[key]) for key in ("code", "type", "param", "message", "detail") if error.get(key)]
    else:
        said = [str(error)]
    return Rejection(status, _scrub(" ".join(said)[:2000]))


def judge(completion: Completion, schema: type[Value] | None) -> tuple[Outcome, Value | str, str]:
    """(outcome, value, what is wrong). The value counts only where the outcome is 'ok'."""
    content = completion.content
    if completion.finish == "content_filter":
        return "filtered", "", "the provider's content filter stopped the reply"
    if completion.refusal:
        return "refused", "", f"the model declined: {one_line(completion.refusal, 120)}"
    cut = completion.finish == "length"
    if schema is None and content.strip():
        return ("cut", "", "it was cut off at max_tokens") if cut else ("ok", content, "")
    if not content.strip():
        return ("cut", "", "max_tokens were used up before the reply began") if cut else ("empty", "", "it is empty")
    assert schema is not None
    try:
        return "ok", parse(content, schema), ""
    except ValueError as error:
        problem = str(error)
    if cut:
        return "cut", "", "it was cut off at max_tokens, so be shorter"
    if "{" not in content and declines(content):
        return "refused", "", f"the model declined: {one_line(content, 120)}"
    return "invalid", "", problem


def parse(text: str, schema: type[Value]) -> Value:
    """The JSON object in a reply, wherever it stands: alone, in a code fence, inside prose, after thinking.

    Raises ValueError that says in one line, without quoting the reply, what is wrong.
    """
    answer = text.rpartition(CLOSE)[2].strip()
    try:
        return schema.model_validate_json(answer)
    except ValidationError as error:
        problem = _problem(error)
    for candidate in _objects(answer):
        try:
            return schema.model_validate(candidate)
        except ValidationError as error:
            problem = _problem(error)
    raise ValueError(problem)


def _objects(text: str) -> list[object]:
    """The JSON objects that stand in a text, those in code fences first."""
    decoder = json.JSONDecoder()
    found: list[object] = []
    for part in (*_FENCE.findall(text), text):
        position = part.find("{")
        for _ in range(CANDIDATES):
            if position < 0:
                break
            try:
                value, end = decoder.raw_decode(part, position)
                # A lone surrogate, which JSON can spell and UTF-8 cannot, must not reach the ledger.
                found.append(json.loads(_scrub(json.dumps(value, ensure_ascii=False))))
            except (ValueError, RecursionError):
                end = position + 1
            position = part.find("{", end)
    return found


def _problem(error: ValidationError) -> str:
    parts = (f"{'.'.join(map(str, e['loc'])) or 'reply'}: {e['msg']}" for e in error.errors(include_input=False)[:4])
    return one_line("; ".join(parts), 400)


@functools.cache
def strict_schema(model: type[BaseModel]) -> dict[str, Any]:
    """A model's JSON schema as strict servers want it: every field required, none besides, no defaults or titles."""
    strict: dict[str, Any] = _strict(model.model_json_schema())
    return strict


def schema_text(model: type[BaseModel]) -> str:
    return json.dumps(strict_schema(model), ensure_ascii=False)


def _strict(node: Any) -> Any:
    if isinstance(node, list):
        return [_strict(item) for item in node]
    if not isinstance(node, dict):
        return node
    strict = {
        key: _strict(value) for key, value in node.items() if key not in ("title", "default", "properties", "$defs")
    }
    for named in ("properties", "$defs"):
        if named in node:
            strict[named] = {name: _strict(value) for name, value in node[named].items()}
    if "properties" in strict:
        strict |= {"required": list(strict["properties"]), "additionalProperties": False}
    return strict


def one_line(text: str, most: int = 200) -> str:
    """A hostile text as one printable line of at most `most` characters: no newlines, no terminal escapes."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text[: 4 * most]).split())
    return line if len(line) <= most else line[: most - 1] + "…"


def _load(body: bytes) -> dict[str, Any]:
    try:
        data = json.loads(body)
    except RecursionError:
        raise ValueError("nested too deep") from None
    if not isinstance(data, dict):
        raise ValueError("not a JSON object")
    return data


def _text(value: object) -> str:
    if isinstance(value, list):  # some servers send parts: [{"type": "text", "text": …}]
        value = "".join(part["text"] for part in value if isinstance(part, dict) and isinstance(part.get("text"), str))
    return _scrub(value) if isinstance(value, str) else ""


def _scrub(text: str) -> str:
    """Without lone surrogates, which JSON can smuggle in and no file or database takes."""
    return text.encode("utf-8", "replace").decode()


def _count(value: object, otherwise: int) -> int:
    # What no server can have counted is not believed: a number past 64 bits would not fit into the ledger either.
    return value if isinstance(value, int) and 0 <= value < MOST_TOKENS else otherwise
