"""A model of this machine or the Hub, loaded to be asked: `open_model("runs/first/model")`.

A folder may be a model's, an adapter's (it is added to its base model's weights before anything is asked) or a run's,
whose model it then is. Prompts are what training makes of them (train/templates.py), and answers are batched
(train/answering.py), so what is measured is what was trained.
"""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from schemas.errors import TrainError
from schemas.think import CLOSE, OPEN, split
from schemas.training import Precision
from train.answering import answer
from train.device import find_device
from train.loading import add_adapter, base_of_adapter, is_adapter, model_at, stops_of, tokenizer_at
from train.record import model_in
from train.templates import Form, form_of, ids_of, messages_ids

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


class Said(NamedTuple):
    """What a model said to one prompt."""

    completion: str
    """With its thinking between the marks of schemas.think, whatever the model's own are, and with what the prompt
    itself began of it."""
    stopped: bool
    prompt_tokens: int
    new_tokens: int
    thinking_tokens: int | None
    """None: it never opened or never closed its thinking."""


class LocalModel(NamedTuple):
    model: "PreTrainedModel"
    tokenizer: "PreTrainedTokenizerBase"
    form: Form
    stop_ids: frozenset[int]
    precision: Precision


def open_model(name: str, revision: str | None = None, precision: Precision | None = None) -> LocalModel:
    """The model of a folder or a Hub id. `precision`: None is bf16 on a GPU that reckons in it, else fp32.

    Raises TrainError, in one line, where it cannot be loaded, this machine cannot reckon in `precision`, or nothing
    says how it is spoken to.
    """
    import torch
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()
    folder = model_in(Path(name).expanduser())
    place = str(folder) if folder.exists() else name
    device = find_device()
    if precision == "bf16" and not device.bf16:
        raise TrainError(f"--precision bf16: {device.name} cannot reckon in it; leave it out, or take fp32")
    bf16 = precision == "bf16" or (precision is None and device.kind == "cuda" and device.bf16)
    dtype = torch.bfloat16 if bf16 else torch.float32
    tokenizer = tokenizer_at(place, name, revision)
    if not is_adapter(place, name, revision):
        model = model_at(place, name, revision, dtype=dtype)
    else:
        base = base_of_adapter(place, name, revision)
        # Added up in fp32, as `curate train merge` does: bf16 would lose an adapter's small changes.
        model = add_adapter(model_at(base, f"{base} of {name}", dtype=torch.float32), place, name, revision).to(dtype)
    model = model.to("cuda" if device.kind == "cuda" else "cpu").eval()
    known = {*stops_of(model.generation_config.eos_token_id if model.generation_config else None, name)}
    form = form_of(tokenizer, name, known)
    return LocalModel(model, tokenizer, form, frozenset({form.stop_id, *known}), "bf16" if bf16 else "fp32")


def prompt_of(local: LocalModel, messages: Sequence[Mapping[str, str]], prefill: str = "") -> list[int]:
    """The tokens that a model goes on from. `prefill`: what its thinking is made to begin with."""
    key = hashlib.sha256(messages[-1]["content"].encode("utf-8", "surrogatepass")).hexdigest()
    ids = messages_ids(local.tokenizer, local.form, messages, key)
    return [*ids, *ids_of(local.tokenizer, local.form.opening + prefill)] if prefill else ids


def say(
    local: LocalModel,
    prompts: Sequence[list[int]],
    max_new_tokens: int,
    batch_size: int,
    temperature: float = 0.0,
    seeds: Sequence[int] | None = None,
    prefills: Sequence[str] | None = None,
) -> list[Said]:
    """What the model says to each prompt, in their order. `seeds`: a prompt's own, for a temperature above 0."""
    answers = answer(
        local.model,
        local.tokenizer,
        prompts,
        local.stop_ids,
        max_new_tokens,
        batch_size,
        temperature=temperature,
        seed=seeds if seeds is not None else 0,
    )
    said = []
    for ids, one, prefill in zip(prompts, answers, prefills or [""] * len(prompts), strict=True):
        completion = read_back(local.tokenizer, local.form, one.ids, local.stop_ids, prefill)
        thought = split(completion)
        said.append(
            Said(
                completion=completion,
                stopped=one.stopped,
                prompt_tokens=len(ids),
                new_tokens=one.new_tokens,
                thinking_tokens=None if thought is None else len(ids_of(local.tokenizer, thought.reasoning)),
            )
        )
    return said


def read_back(
    tokenizer: "PreTrainedTokenizerBase", form: Form, ids: Sequence[int], stop_ids: Collection[int], prefill: str = ""
) -> str:
    """The new tokens as text, their thinking in the marks of schemas.think, and what the prompt held of it put back."""
    held = form.tail[form.tail.rindex(OPEN) :] if form.tail.rstrip().endswith(OPEN) else ""
    marks = {*ids_of(tokenizer, form.opening + form.between)}
    shown = [
        token
        for token in ids
        if token not in stop_ids
        and (
            token not in tokenizer.all_special_ids
            or token in marks
            or tokenizer.convert_ids_to_tokens(token) in (OPEN, CLOSE)
        )
    ]
    text = str(tokenizer.decode(shown, skip_special_tokens=False, clean_up_tokenization_spaces=False))
    text = held + (form.opening + prefill if prefill else "") + text
    if OPEN not in held + form.opening:
        # s1 and gpt-oss have marks of their own, or no opening one that is text.
        text = text.replace(form.opening, f"{OPEN}\n", 1).replace(form.between, f"\n{CLOSE}\n\n", 1)
    return text
