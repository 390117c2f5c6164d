"""How far a model leans towards calling a prompt harmful, after its own understanding and before its verdict.

    wordings = wordings_of(pools["verdict_harmful"], pools["verdict_benign"])
    understandings = [understanding_of(completion, verdict_pools) for completion in completions]
    boundary(local, prompts, understandings, wordings)
    (Lean(id="xs-0000", label="benign", kind="hard_benign", category="homonyms", lean=-1.84), …)

    prompt | <think>⏎ The user asks how to … ⏎⏎ | This request is harmful because
                                                 | This request is harmless because
                                                 | My assessment is that this is unsafe to help with, as …

A wording is read up to the slot of its reason, and all of it, not by the token: pools are the same frames line for
line, so what a frame costs is in both and goes away, and what is left is the log-odds of the verdict word and of what
hangs on it. A mean by the token would weigh a verdict less the longer its frame is. A verdict word that is rarer in all
texts shifts every prompt alike, which an order does not feel.

Wordings that hold their verdict behind the reason ("Since …, the request counts as harmful") begin alike in both pools
and tell nothing yet: they are left out.
"""

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from schemas.boundary import Lean
from schemas.errors import StructureError, TrainError
from schemas.evaluation import Asked
from schemas.reading import stated_verdict
from schemas.structure import REASON_SLOT, Pool
from schemas.think import CLOSE, OPEN, split
from train.evaluation.local_model import LocalModel, prompt_of
from train.templates import ids_of

if TYPE_CHECKING:
    from transformers import PreTrainedModel

MOST_UNDERSTANDING = 3
"""Paragraphs before a verdict: an understanding has at most three sentences."""

LONGEST = 400
"""Characters of an understanding, as of one that a trace's own opening gives; a model that rambles is cut there."""

_SENTENCE_END = re.compile(r"(?<=[.!?])[\"”')]{0,2}\s|\n\s*\n")


class Wordings(NamedTuple):
    """Openings of verdicts, up to the reason."""

    harmful: tuple[str, ...]
    benign: tuple[str, ...]


def wordings_of(harmful: Pool, benign: Pool) -> Wordings:
    """What tells the two pools apart before the reason, without the wordings for single categories.

    Raises StructureError where nothing does.
    """
    openings = [
        tuple(dict.fromkeys(wording.partition(REASON_SLOT)[0].rstrip() for wording in pool.wordings))
        for pool in (harmful, benign)
    ]
    shared = {*openings[0]} & {*openings[1]}
    found = Wordings(*(tuple(one for one in some if one and one not in shared) for some in openings))
    if not found.harmful or not found.benign:
        raise StructureError(
            f"pools {harmful.pool} and {benign.pool}: no wording says its verdict before the reason; add some that do"
        )
    return found


def understanding_of(completion: str, verdict_pools: Sequence[Pool]) -> str:
    """What a model thought of the request before it judged it, out of all that it said.

    Thinking, or the answer of a model that does not think, up to the paragraph that says a verdict, in a pool's wording
    or in English that can be read; where none of the first says one, its first sentence. Never the verdict itself: ''
    where it comes first, as it does in a structure without understanding.
    """
    thought = split(completion)
    text = thought.reasoning if thought and thought.reasoning.strip() else thought.answer if thought else completion
    text = text.lstrip().removeprefix(OPEN).partition(CLOSE)[0].strip()
    paragraphs = [bare for one in re.split(r"\n\s*\n", text) if (bare := one.strip())]
    for at, paragraph in enumerate(paragraphs[: MOST_UNDERSTANDING + 1]):
        if _judges(paragraph, verdict_pools):
            before = "\n\n".join(paragraphs[:at])
            return before if len(before) <= LONGEST else _first_sentence(before)
    sentence = _first_sentence(text)
    return "" if stated_verdict(sentence) else sentence


def _judges(paragraph: str, verdict_pools: Sequence[Pool]) -> bool:
    parts = [wording.partition(REASON_SLOT) for pool in verdict_pools for wording in pool.every()]
    return stated_verdict(paragraph) is not None or any(
        paragraph.startswith(head) and paragraph.endswith(tail) for head, _, tail in parts
    )


def _first_sentence(text: str) -> str:
    end = _SENTENCE_END.search(text)
    return (text[: end.end()] if end else text)[:LONGEST].strip()


def boundary(
    local: LocalModel,
    prompts: Sequence[Asked],
    understandings: Sequence[str],
    wordings: Wordings,
    batch_size: int = 8,
    system: str = "",
    progress: Callable[[int], None] | None = None,
) -> tuple[Lean, ...]:
    """How far each prompt leans, in their order; a prompt without a label counts as benign.

    `understandings`: one a prompt; '' goes from the prompt to the verdict. `progress` is called with how many prompts
    have been weighed. A prompt is read once, and all wordings after it in one go, as the branches of a tree in which
    each token sees only what it follows; neither order nor batch size changes more than the last bits.

    Raises TrainError for a model whose layers cannot read such a tree.
    """
    weighed = [
        _tree(local, one.prompt, understanding, wordings, system)
        for one, understanding in zip(prompts, understandings, strict=True)
    ]
    _require_attention(local.model, max((len(one.prefix) + len(one.tokens) for one in weighed), default=0))
    order = sorted(range(len(weighed)), key=lambda at: -len(weighed[at].prefix))
    leans: dict[int, float] = {}
    for start in range(0, len(order), batch_size):
        rows = order[start : start + batch_size]
        leans |= zip(rows, _weigh(local.model, [weighed[row] for row in rows]), strict=True)
        if progress:
            progress(len(leans))
    return tuple(
        Lean(id=one.id, label=one.label or "benign", kind=one.kind, category=one.category, lean=leans[at])
        for at, one in enumerate(prompts)
    )


class _Tree(NamedTuple):
    """The wordings after one prompt: tokens that are read, and those whose probability counts."""

    prefix: list[int]
    """What all wordings follow, but for its last token, which is the root."""
    tokens: list[int]
    parents: list[int]
    """Of each token its place; the root's is itself."""
    counted: list[tuple[int, int, float]]
    """(place, the token that follows, its weight in the lean)."""


def _tree(local: LocalModel, prompt: str, understanding: str, wordings: Wordings, system: str) -> _Tree:
    messages = [*([{"role": "system", "content": system}] if system else []), {"role": "user", "content": prompt}]
    said = local.form.opening + (f"{understanding}\n\n" if understanding else "")
    # Tokenized as a whole, as in training: what ends the understanding may share a token with what begins the verdict.
    texts = [(text, 1 / len(wordings.harmful)) for text in wordings.harmful]
    texts += [(text, -1 / len(wordings.benign)) for text in wordings.benign]
    paths = [(ids_of(local.tokenizer, said + text), weight) for text, weight in texts]
    shortest = min(len(ids) for ids, _ in paths)
    shared = next((at for at in range(shortest) if len({ids[at] for ids, _ in paths}) > 1), shortest)
    prefix = [*prompt_of(local, messages), *paths[0][0][:shared]]
    weights: dict[tuple[int, ...], float] = {}
    for ids, weight in paths:
        for end in range(shared + 1, len(ids) + 1):
            path = tuple(ids[shared:end])
            weights[path] = weights.get(path, 0.0) + weight
    # In this order a token comes after the one that it follows. What nothing follows is never read.
    read = sorted({path[:-1] for path in weights}, key=lambda path: (len(path), path))
    places = {path: place for place, path in enumerate(read)}
    return _Tree(
        prefix=prefix[:-1],
        tokens=[path[-1] if path else prefix[-1] for path in read],
        parents=[places[path[:-1]] for path in read],
        # What both labels say alike has no weight, up to rounding.
        counted=[(places[path[:-1]], path[-1], weight) for path, weight in weights.items() if abs(weight) > 1e-9],
    )


def _weigh(model: "PreTrainedModel", trees: Sequence[_Tree]) -> list[float]:
    """The lean of each tree's prompt."""
    import torch
    from transformers import DynamicCache

    longest, widest = max(len(tree.prefix) for tree in trees), max(len(tree.tokens) for tree in trees)
    place, dtype = model.device, model.dtype
    # Any token will do for padding, prompts' on the left and trees' on the right: the mask hides it.
    ids = torch.tensor([[0] * (longest - len(tree.prefix)) + tree.prefix for tree in trees], device=place)
    given = torch.tensor([[0] * (longest - len(tree.prefix)) + [1] * len(tree.prefix) for tree in trees], device=place)
    nodes = torch.tensor([tree.tokens + [0] * (widest - len(tree.tokens)) for tree in trees], device=place)
    seen = torch.zeros((len(trees), widest, widest), dtype=torch.bool)
    for row, tree in enumerate(trees):
        for node, parent in enumerate(tree.parents):
            seen[row, node] = seen[row, parent]
            seen[row, node, node] = True
    depths = seen.sum(dim=-1) - 1
    positions = torch.tensor([[len(tree.prefix)] for tree in trees]) + depths.clamp(min=0)
    sees = torch.cat([given.bool().unsqueeze(1).expand(-1, widest, -1), seen.to(place)], dim=-1)
    hidden = torch.zeros(sees.shape, dtype=dtype, device=place).masked_fill(~sees, torch.finfo(dtype).min)
    asked = sorted({node for tree in trees for node, _, _ in tree.counted})
    column = {node: at for at, node in enumerate(asked)}
    training = model.training
    model.eval()
    try:
        with torch.inference_mode():
            cache = DynamicCache(config=model.config)
            model(
                input_ids=ids,
                attention_mask=given,
                position_ids=(given.cumsum(dim=1) - 1).clamp(min=0),
                past_key_values=cache,
                use_cache=True,
                logits_to_keep=torch.tensor([longest - 1], device=place),
            )
            logits = model(
                input_ids=nodes,
                attention_mask=hidden.unsqueeze(1),
                position_ids=positions.to(place),
                past_key_values=cache,
                use_cache=True,
                logits_to_keep=torch.tensor(asked, device=place),
            ).logits.float()
            logits -= logits.logsumexp(dim=-1, keepdim=True)
    finally:
        model.train(training)
    return [
        sum(weight * float(logits[row, column[node], token]) for node, token, weight in tree.counted)
        for row, tree in enumerate(trees)
    ]


def _require_attention(model: "PreTrainedModel", tokens: int) -> None:
    """Raises TrainError where a layer does not see each earlier token: a tree is read by hiding the other branches."""
    config = model.config.get_text_config()
    kinds = {*(getattr(config, "layer_types", None) or ())} - {"full_attention", "sliding_attention"}
    window = getattr(config, "sliding_window", None)
    if "flash" in str(config._attn_implementation):
        kinds.add(str(config._attn_implementation))
    if kinds or (window and tokens > window):
        raise TrainError(
            f"model {config.model_type}: wordings cannot be weighed with layers of "
            + (", ".join(sorted(kinds)) or f"a window of {window} tokens, where {tokens} are read")
        )
