"""What a model says to many prompts at once.

    answer(model, tokenizer, [prompt_ids, …], stop_ids={2}, max_new_tokens=200, batch_size=16)
    [Answer(text="<think>\\nThe user asks …", stopped=True, ids=(523, …, 2)), …]

Prompts of like length share a batch, padded on the left; a row leaves its batch as soon as it has said its stop token,
so that one that rambles does not hold up the others.
"""

import hashlib
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from schemas.think import CLOSE, OPEN

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


def answer(
    model: "PreTrainedModel",
    tokenizer: "PreTrainedTokenizerBase",
    prompts_ids: Sequence[list[int]],
    stop_ids: Collection[int],
    max_new_tokens: int,
    batch_size: int,
    progress: Callable[[int], None] | None = None,
    *,
    temperature: float = 0.0,
    seed: int | Sequence[int] = 0,
) -> list["Answer"]:
    """An answer to each prompt, in their order.

    `prompts_ids`: the tokens of each prompt, the opening of the assistant's turn included. `stop_ids`: tokens that end
    an answer. `temperature`: 0 takes the likeliest token each time; above it tokens are drawn, each prompt with a
    stream of its own from `seed`, so that what a prompt gets does not depend on the others in its batch; several are
    the prompts' own, one each, and then it does not depend on its place either. `progress` is called with the number of
    answers that have been finished.

    In exact arithmetic the answers are those that prompts get one by one. In floating point padding and batch size
    change the last bits of what a model computes, and where two tokens are nearly as likely the other one may be taken,
    from where an answer goes its own way. With the small model, untrained and up to 200 tokens, 16 of 16 answers were
    the same in fp32, in bf16 6 of 24 (benchmarks/answering.py): compare runs at one batch size and precision.
    """
    import torch

    if max_new_tokens < 1 or batch_size < 1 or temperature < 0:
        raise ValueError(f"{max_new_tokens=}, {batch_size=}, {temperature=}: at least 1, 1 and 0")
    seeds = [f"{seed} {row}" for row in range(len(prompts_ids))] if isinstance(seed, int) else [*map(str, seed)]
    # The longest first: what does not fit into memory fails at once, not after an hour.
    order = sorted(range(len(prompts_ids)), key=lambda at: -len(prompts_ids[at]))
    said: dict[int, tuple[int, ...]] = {}
    training = model.training
    model.eval()
    try:
        with torch.inference_mode():
            for start in range(0, len(order), batch_size):
                rows = order[start : start + batch_size]
                choose = _chooser([seeds[row] for row in rows], temperature, model.device)
                batch = [prompts_ids[row] for row in rows]
                for place, ids in _generate(model, batch, frozenset(stop_ids), max_new_tokens, choose):
                    said[rows[place]] = ids
                    if progress:
                        progress(len(said))
    finally:
        model.train(training)
    hidden = {
        token for token in tokenizer.all_special_ids if tokenizer.convert_ids_to_tokens(token) not in (OPEN, CLOSE)
    }
    hidden |= set(stop_ids)
    return [_as_answer(said[row], tokenizer, stop_ids, hidden) for row in range(len(prompts_ids))]


def _generate(
    model: "PreTrainedModel",
    batch: Sequence[list[int]],
    stop_ids: frozenset[int],
    max_new_tokens: int,
    choose: "Callable[[torch.Tensor, Sequence[int]], list[int]]",
) -> Iterator[tuple[int, tuple[int, ...]]]:
    """(place in the batch, new tokens) of each prompt, as they finish."""
    import torch
    from transformers import DynamicCache

    longest = max(map(len, batch))
    # Any token will do for padding: the mask hides it.
    ids = torch.tensor([[0] * (longest - len(prompt)) + prompt for prompt in batch], device=model.device)
    mask = torch.ones((len(batch), longest + max_new_tokens), dtype=torch.long, device=model.device)
    for place, prompt in enumerate(batch):
        mask[place, : longest - len(prompt)] = 0
    positions = (mask[:, :longest].cumsum(dim=1) - 1).clamp(min=0)
    cache = DynamicCache(config=model.config)
    said: dict[int, list[int]] = {place: [] for place in range(len(batch))}
    for seen in range(longest, longest + max_new_tokens):
        # By its place and not as a count: a slice of the last states makes torch copy the output layer for each row.
        last = torch.tensor([ids.shape[1] - 1], device=model.device)
        logits = model(
            input_ids=ids,
            attention_mask=mask[:, :seen],
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=last,
        ).logits[:, -1]
        places = list(said)
        chosen = choose(logits, places)
        going = []
        for row, (place, token) in enumerate(zip(places, chosen, strict=True)):
            said[place].append(token)
            if token in stop_ids or len(said[place]) == max_new_tokens:
                yield place, tuple(said.pop(place))
            else:
                going.append(row)
        if not going:
            return
        ids = torch.tensor([[chosen[row]] for row in going], device=model.device)
        positions = positions[going, -1:] + 1
        if len(going) < len(places):
            mask = mask[going]
            cache.batch_select_indices(torch.tensor(going, device=model.device))


def _chooser(
    seeds: Sequence[str], temperature: float, device: "torch.device"
) -> "Callable[[torch.Tensor, Sequence[int]], list[int]]":
    """How the next tokens are taken from the logits of those places of a batch that are not finished."""
    import torch

    def likeliest(logits: "torch.Tensor", places: Sequence[int]) -> list[int]:
        return [int(token) for token in logits.argmax(dim=-1).tolist()]

    def drawn(logits: "torch.Tensor", places: Sequence[int]) -> list[int]:
        shares = (logits.float() / temperature).softmax(dim=-1)
        return [
            int(torch.multinomial(share, 1, generator=streams[place]))
            for share, place in zip(shares, places, strict=True)
        ]

    if temperature == 0:
        return likeliest
    streams = []
    for seed in seeds:
        digest = hashlib.sha256(seed.encode()).digest()
        streams.append(torch.Generator(device).manual_seed(int.from_bytes(digest[:7])))
    return drawn


def _as_answer(
    ids: tuple[int, ...], tokenizer: "PreTrainedTokenizerBase", stop_ids: Collection[int], hidden: Collection[int]
) -> "Answer":
    shown = [token for token in ids if token not in hidden]
    text = tokenizer.decode(shown, skip_special_tokens=False, clean_up_tokenization_spaces=False)
    return Answer(text=str(text), stopped=ids[-1] in stop_ids, ids=ids)


class Answer(NamedTuple):
    """What a model said to one prompt."""

    text: str
    """Without special tokens, but with the marks of thinking, whether they are special tokens or not."""
    stopped: bool
    """By itself, with a stop token; else it ran to the limit."""
    ids: tuple[int, ...]
    """All new tokens, the stop token included."""

    @property
    def new_tokens(self) -> int:
        return len(self.ids)
