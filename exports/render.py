"""Rows as plain strings of one family of chat templates, for trainers that should not have to know about templates.

    r1       prompt      <｜User｜>…<｜Assistant｜>, the opening tag and a newline
             completion  the reasoning, the closing tag, the answer<｜end▁of▁sentence｜>
    qwen3    prompt      <|im_start|>user … <|im_start|>assistant and a newline
             completion  the reasoning in its tags, the answer<|im_end|>

The prompt is what the model is given at inference, the completion all that it then has to say, to its stop token. So
TRL's SFTTrainer trains every stage with its defaults, up to its `max_length` of 1,024 tokens. Neither holds a token
that begins a text: tokenizers of R1 distills add it, and those of Qwen3 have none.

Verified (tests/exports/test_render.py): prompts equal what the models' own templates render, in the copies that TRL
ships, and the labels of a stock SFTTrainer, decoded, are the completion and nothing else. That was with small
tokenizers that have the models' special tokens and split text as theirs do; the models' own were not at hand.
"""

import difflib
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from schemas.errors import UsageError
from schemas.release import RenderedRow, SftRow
from schemas.think import OPEN


class Family(NamedTuple):
    """How models of one family are spoken to: a single turn without a system prompt."""

    models: str
    """Whose template it is."""
    before: str
    after: str
    """What stands before and after the user's text, up to where the model goes on."""
    stop: str
    opens: bool
    """Whether the prompt already holds the opening tag."""
    setting: str
    """What SFTTrainer needs to train the config `default` under the model's own template; '' where it needs nothing."""
    why: str
    """What happens without that setting."""


FAMILIES: Mapping[str, Family] = MappingProxyType(
    {
        "r1": Family(
            models="DeepSeek-R1 distills (Qwen and Llama)",
            before="<｜User｜>",
            after=f"<｜Assistant｜>{OPEN}\n",
            stop="<｜end▁of▁sentence｜>",
            opens=True,
            setting="assistant_only_loss=True",
            why="without it, the model's template cuts the reasoning out before training, with no error",
        ),
        "qwen3": Family(
            models="Qwen3 (the models that think)",
            before="<|im_start|>user\n",
            after="<|im_end|>\n<|im_start|>assistant\n",
            stop="<|im_end|>",
            opens=False,
            setting="",
            why="",
        ),
    }
)


def require_families(names: tuple[str, ...]) -> None:
    """Raises UsageError for a name that is no family, and for one that is named twice."""
    for name in names:
        if name not in FAMILIES:
            near = difflib.get_close_matches(name.lower(), FAMILIES, 1, cutoff=0.5)
            hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(FAMILIES)}"
            raise UsageError(f"no rendering {name!r}; {hint}")
    if len(set(names)) != len(names):
        raise UsageError(f"a rendering is named twice in {', '.join(names)}; name each once")


def render(row: SftRow, family: str) -> RenderedRow:
    """The row as plain strings. Only rows of one user message and one assistant message can be rendered: ValueError."""
    if [message.role for message in (*row.prompt, *row.completion)] != ["user", "assistant"]:
        raise ValueError(f"{row.id} is not one user message and one assistant message")
    form = FAMILIES[family]
    completion = row.completion[0].content
    if form.opens:
        completion = completion.removeprefix(f"{OPEN}\n")
    return RenderedRow(
        id=row.id,
        prompt=f"{form.before}{row.prompt[0].content}{form.after}",
        completion=completion + form.stop,
        label=row.label,
    )


def holds_stop_token(row: SftRow, family: str) -> bool:
    """Whether the completion itself holds the family's stop token: the model would learn to stop in mid-sentence."""
    return FAMILIES[family].stop in row.completion[0].content


def loading_hint(family: str, repo: str = "org/name") -> str:
    """The two lines of Python that load the config `default` and train every stage of it under the family's template.

    `max_length=None` is in them because SFTConfig cuts rows at 1,024 tokens by default, the answer first.
    """
    settings = ", ".join(filter(None, (FAMILIES[family].setting, "max_length=None")))
    return f'dataset = load_dataset("{repo}", split="train")\nargs = SFTConfig({settings})'
