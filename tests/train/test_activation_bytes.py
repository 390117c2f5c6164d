"""The bytes that an estimate reckons a layer to keep for its way back, against those that torch really keeps."""

from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoConfig, AutoModelForCausalLM

from schemas.training import Recipe
from train.estimate import memory
from train.shape import shape_of

TOKENS = 384
"""No other size of the model, so that it tells a token's tensors from weights."""
SIZES = {
    "hidden_size": 512,
    "intermediate_size": 1536,
    "num_attention_heads": 8,
    "num_key_value_heads": 2,
    "vocab_size": 64,
    "head_dim": 64,
    "tie_word_embeddings": False,
}


def kept_bytes(kind: str, layers: int, method: str) -> int:
    """What autograd saves on the way through the layers, weights left out."""
    settings = AutoConfig.for_model(kind, pad_token_id=0, num_hidden_layers=layers, use_cache=False, **SIZES)
    dtype = torch.float32 if method == "full" else torch.bfloat16
    model: Any = AutoModelForCausalLM.from_config(settings, dtype=dtype, attn_implementation="sdpa")
    body = model.model
    if method == "lora":
        targets = list(Recipe().lora_targets)
        get_peft_model(model, LoraConfig(r=16, lora_alpha=16, target_modules=targets)).enable_input_require_grads()
    sizes: dict[int, int] = {}
    alive = []

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        # Weights and autocast's copies of them, which no token adds to, are other parts of the estimate.
        if TOKENS in tensor.shape:
            storage = tensor.untyped_storage()
            sizes[storage.data_ptr()] = storage.nbytes()
            alive.append(tensor)
        return tensor

    hooks = torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor)
    with hooks, torch.autocast("cpu", torch.bfloat16):
        body(input_ids=torch.zeros((1, TOKENS), dtype=torch.long))
    return sum(sizes.values())


@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning")  # PEFT asks for it
@pytest.mark.parametrize("method", ["lora", "full"])
@pytest.mark.parametrize("kind", ["llama", "qwen3"])
def test_a_layer_keeps_what_is_reckoned(kind: str, method: str) -> None:
    kept = (kept_bytes(kind, 3, method) - kept_bytes(kind, 1, method)) / 2
    recipe = Recipe.model_validate({"method": method, "gradient_checkpointing": False})
    one, three = (
        next(part.gb for part in memory(shape, recipe, gpus=1, longest=TOKENS * 1000) if part.name == "activations")
        for shape in (shape_of({"model_type": kind, "num_hidden_layers": layers, **SIZES}) for layers in (1, 3))
    )
    reckoned = (three - one) / 2 * 1e9 / 1000
    # An estimate knows no family: it counts the norms of queries and keys that Qwen3 has for all.
    least, most = (0.97, 1.03) if kind == "qwen3" else (0.85, 0.95)
    assert least * reckoned <= kept <= most * reckoned
