"""The only module that knows how thinking is marked in a completion.

    <think>
    the reasoning
    </think>

    the answer

`split(join(reasoning, answer))` gives both back, to the character, for any texts free of the two marks.
"""

from pydantic import BaseModel, ConfigDict

OPEN = "<think>"
CLOSE = "</think>"


class Thought(BaseModel):
    """A completion, taken apart: the reasoning inside the marks and the answer after them."""

    model_config = ConfigDict(frozen=True)

    reasoning: str
    answer: str


def join(reasoning: str, answer: str) -> str:
    """One completion out of reasoning and answer, laid out as reasoning models emit it.

    Raises ValueError where either text holds a mark itself: such a completion could not be split again.
    """
    for text in (reasoning, answer):
        if has_marks(text):
            raise ValueError(f"a text that holds {OPEN} or {CLOSE} cannot be joined")
    return f"{OPEN}\n{reasoning}\n{CLOSE}\n\n{answer}"


def offsets(reasoning: str) -> tuple[int, int]:
    """Where the reasoning and the answer start in `join(reasoning, answer)`, in characters."""
    start = len(OPEN) + 1
    return start, start + len(reasoning) + 1 + len(CLOSE) + 2


def has_marks(text: str) -> bool:
    return OPEN in text or CLOSE in text


def split(completion: str) -> Thought | None:
    """Reasoning and answer of a completion, or None where they cannot be told apart without guessing.

    The opening mark may be missing (SafeChain's `response` and DeepSeek-R1's templates leave it to the prompt).
    None: no closing mark, more than one, a second opening one, or text before the first.
    """
    if completion.count(CLOSE) != 1 or completion.count(OPEN) > 1:
        return None
    head, answer = completion.split(CLOSE)
    if OPEN in head:
        before, reasoning = head.split(OPEN)
        if before.strip():
            return None
        # Only a text that opens with CRLF is framed by CRLF: a trace may itself end in a carriage return.
        newline = "\r\n" if reasoning.startswith("\r\n") else "\n"
        reasoning = reasoning.removeprefix(newline)
    elif OPEN in answer:
        return None
    else:
        reasoning = head
        newline = "\r\n" if answer.startswith("\r\n") else "\n"
    reasoning = reasoning.removesuffix(newline)
    answer = answer.removeprefix(newline).removeprefix(newline)
    return Thought(reasoning=reasoning, answer=answer)
