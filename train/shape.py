"""A model's sizes out of its config.json, and its weights counted, without any weights.

    shape_of(json.loads(Path("config.json").read_text()))
    Shape(parameters=8030261248, layers=32, hidden=4096, ...)

Each family differs in a few small tensors only (biases, norms of queries and keys, routers); tests count the same
models as Transformers builds them.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from pydantic import ValidationError

from schemas.errors import TrainError
from schemas.training import Shape

CONFIG = "config.json"


class _Family(NamedTuple):
    attention_bias: str = ""
    """Whose outputs have a bias: of q, k, v, o; "?" where the config says `attention_bias`."""
    norms_queries: bool = False
    experts: str | None = None
    """The config's key for how many there are."""
    expert_bias: bool = False
    tied: bool = False
    """Where the config does not say."""


_FAMILIES = {
    "llama": _Family(attention_bias="?"),
    "smollm3": _Family(attention_bias="?", tied=True),
    "mistral": _Family(),
    "qwen2": _Family(attention_bias="qkv"),
    "qwen3": _Family(attention_bias="?", norms_queries=True),
    "qwen3_moe": _Family(attention_bias="?", norms_queries=True, experts="num_experts"),
    "phi3": _Family(),
    "gpt_oss": _Family(attention_bias="qkvo", experts="num_local_experts", expert_bias=True),
}


def read_shape(model: str, revision: str | None = None) -> Shape:
    """The sizes of a model by its folder or its Hub id; of the Hub nothing but its config.json is downloaded.

    Raises TrainError where there is no such file, or `shape_of` finds no sizes in it.
    """
    import huggingface_hub
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    try:
        local = Path(model, CONFIG)
        path = local if local.parent.is_dir() else huggingface_hub.hf_hub_download(model, CONFIG, revision=revision)
        config = json.loads(Path(path).read_text("utf-8"))
    except (OSError, ValueError, RecursionError, HfHubHTTPError, HFValidationError) as error:
        raise TrainError(f"model {model}: its {CONFIG} cannot be read: {' '.join(str(error).split())[:200]}") from None
    if not isinstance(config, dict):
        raise TrainError(f"model {model}: its {CONFIG} is no object of sizes")
    return shape_of(config)


def shape_of(config_json: Mapping[str, object]) -> Shape:
    """The sizes of a model, all its weights counted once; `config_json` is what its config.json holds.

    Raises TrainError in one line: a family whose weights are not counted here, a size that is missing or no number.
    """
    kind = config_json.get("model_type")
    family = _FAMILIES.get(str(kind))
    if family is None:
        raise TrainError(
            f"config.json: model_type {kind!r} is not one whose weights are counted here ({', '.join(_FAMILIES)}); "
            "write its sizes into a preset of your own"
        )
    if config_json.get("mlp_bias") or (config_json.get("mlp_only_layers") and family.experts):
        raise TrainError("config.json: mlp_bias and mlp_only_layers are not counted here; write a preset of your own")
    hidden = _size(config_json, "hidden_size")
    heads = _size(config_json, "num_attention_heads")
    kv_heads = _size(config_json, "num_key_value_heads", heads)
    tied = config_json.get("tie_word_embeddings", family.tied)
    try:
        shape = Shape(
            parameters=1,
            layers=_size(config_json, "num_hidden_layers"),
            hidden=hidden,
            intermediate=_size(config_json, _feed_forward(config_json, family)),
            heads=heads,
            kv_heads=kv_heads,
            head_size=_size(config_json, "head_dim", hidden // heads),
            vocabulary=_size(config_json, "vocab_size"),
            tied=bool(tied),
            experts=_size(config_json, family.experts) if family.experts else 1,
            experts_per_token=_size(config_json, "num_experts_per_tok") if family.experts else 1,
        )
    except ValidationError as error:
        raise TrainError(f"config.json: {error.errors()[0]['msg'].removeprefix('Value error, ')}") from None
    return shape.model_copy(update={"parameters": _count(shape, family, config_json)})


def _feed_forward(config: Mapping[str, object], family: _Family) -> str:
    return "moe_intermediate_size" if family.experts and "moe_intermediate_size" in config else "intermediate_size"


def _size(config: Mapping[str, object], key: str, otherwise: int | None = None) -> int:
    value = config.get(key)
    if value is None and otherwise is not None:
        return otherwise
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise TrainError(f"config.json: {key} is {value!r}; a whole number above 0 is needed")
    return value


def _count(shape: Shape, family: _Family, config: Mapping[str, object]) -> int:
    queries, keys = shape.heads * shape.head_size, shape.kv_heads * shape.head_size
    attention = 2 * shape.hidden * queries + 2 * shape.hidden * keys
    biased = family.attention_bias.replace("?", "qkvo" if config.get("attention_bias") else "")
    attention += sum({"q": queries, "k": keys, "v": keys, "o": shape.hidden}[name] for name in biased)
    if family.norms_queries:
        attention += 2 * shape.head_size
    expert = 3 * shape.hidden * shape.intermediate
    if family.expert_bias:
        expert += 2 * shape.intermediate + shape.hidden
    feed_forward = shape.experts * expert
    if family.experts:
        feed_forward += shape.experts * shape.hidden  # the router
    if family.expert_bias:
        feed_forward += shape.experts  # the router's bias
        attention += shape.heads  # gpt-oss: a sink for each head
    embeddings = shape.vocabulary * shape.hidden * (1 if shape.tied else 2)
    return embeddings + shape.layers * (attention + feed_forward + 2 * shape.hidden) + shape.hidden
