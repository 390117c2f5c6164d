import pytest

from schemas.errors import TrainError
from tests.train.model_configs import CONFIGS, PUBLISHED
from train.shape import shape_of


@pytest.mark.parametrize("name", CONFIGS)
def test_weights_are_counted_as_the_publisher_counts_them(name: str) -> None:
    assert shape_of(CONFIGS[name]).parameters == PUBLISHED[name]


VARIANTS: dict[str, dict[str, object]] = {
    "llama with biases": CONFIGS["smollm2-cpu"] | {"attention_bias": True},
    "qwen3 with biases": CONFIGS["qwen3-4b"] | {"attention_bias": True},
    "mistral": CONFIGS["r1-distill-llama-8b"] | {"model_type": "mistral", "head_dim": 64},
    "smollm3": CONFIGS["smollm2-cpu"] | {"model_type": "smollm3", "tie_word_embeddings": True},
}


@pytest.mark.parametrize("name", [*CONFIGS, *VARIANTS])
def test_weights_are_as_many_as_transformers_builds(name: str) -> None:
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    config = {**CONFIGS, **VARIANTS}[name]
    # Layers are alike, so two of them tell as much as all.
    few = config | {"num_hidden_layers": 2}
    kind = str(few["model_type"])
    rest = {key: value for key, value in few.items() if key != "model_type"}
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(AutoConfig.for_model(kind, pad_token_id=0, **rest))
    assert shape_of(few).parameters == sum(weights.numel() for weights in model.parameters())


def test_a_token_passes_through_some_experts_only() -> None:
    shape = shape_of(CONFIGS["qwen3-30b-a3b"])
    assert (shape.experts, shape.experts_per_token, shape.intermediate) == (128, 8, 768)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"model_type": "mamba"}, "model_type 'mamba' is not one whose weights are counted here"),
        ({"model_type": None}, "model_type None"),
        ({"hidden_size": None}, "hidden_size is None; a whole number above 0 is needed"),
        ({"vocab_size": "many"}, "vocab_size is 'many'"),
        ({"num_hidden_layers": True}, "num_hidden_layers is True"),
        ({"num_key_value_heads": 0}, "num_key_value_heads is 0"),
        ({"mlp_bias": True}, "mlp_bias"),
    ],
)
def test_a_config_that_cannot_be_counted_is_refused_in_one_line(change: dict[str, object], said: str) -> None:
    with pytest.raises(TrainError) as refused:
        shape_of(CONFIGS["r1-distill-llama-8b"] | change)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_more_experts_for_a_token_than_there_are_is_refused() -> None:
    with pytest.raises(TrainError, match="experts_per_token"):
        shape_of(CONFIGS["gpt-oss-20b"] | {"num_experts_per_tok": 33})


def test_heads_and_their_size_may_go_without_saying() -> None:
    config = {key: value for key, value in CONFIGS["r1-distill-llama-8b"].items() if key != "num_key_value_heads"}
    shape = shape_of(config)
    assert (shape.kv_heads, shape.head_size) == (32, 128)
