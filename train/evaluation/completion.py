"""The completion of an inspect sample as one text, its thinking between the marks of schemas.think."""

from inspect_ai.model import ContentReasoning, ContentText, ModelOutput

from schemas.think import CLOSE, OPEN, has_marks, join, split


def completion_of(output: ModelOutput, prefill: str = "") -> str:
    """All that the model said. A server that took the thinking out of the text gets it back where it was.

    What a server takes out it also strips of blanks at its ends, and so the layout is that of `schemas.think.join`.
    Thinking that ran into the limit before any answer was never closed, and is not closed here. `prefill`: what the
    thinking was made to begin with; it is put before it unless the provider has done so.
    """
    if not output.choices:
        return ""
    content = output.choices[0].message.content
    if isinstance(content, str):
        return _begun(content, prefill)
    thinking = "".join(_reasoning(part) for part in content if isinstance(part, ContentReasoning))
    answer = "".join(part.text for part in content if isinstance(part, ContentText)).lstrip("\n")
    if not thinking:
        return _begun(answer, prefill)
    if prefill and not thinking.startswith(prefill):
        thinking = prefill + thinking
    if has_marks(thinking) or has_marks(answer):
        return f"{OPEN}\n{thinking}\n{CLOSE}\n\n{answer}"
    if not answer and output.stop_reason == "max_tokens":
        return f"{OPEN}\n{thinking}"
    return join(thinking, answer)


def _begun(text: str, prefill: str) -> str:
    return f"{OPEN}\n{prefill}{text}" if prefill and not text.lstrip().startswith(OPEN) else text


def _reasoning(part: ContentReasoning) -> str:
    """A summary is no thinking: where the provider hides the thinking itself there is none to judge."""
    return "" if part.redacted else part.reasoning


def counts_of(output: ModelOutput, completion: str) -> tuple[int, int | None]:
    """(new tokens, tokens of thinking) of a completion; the second None where it never opened or never closed.

    Where the server does not say how many tokens the thinking took, they are reckoned by its share of the characters.
    """
    new = output.usage.output_tokens if output.usage else 0
    thought = split(completion)
    if thought is None:
        return new, None
    told = output.usage.reasoning_tokens if output.usage else None
    if told:
        return new, told
    return new, round(new * len(thought.reasoning) / max(1, len(thought.reasoning) + len(thought.answer)))
