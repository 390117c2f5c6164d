"""What matters of some models' config.json, and the weights that their publishers count.

CONFIGS["r1-distill-qwen-7b"]      a preset's name, where there is one
PUBLISHED["r1-distill-qwen-7b"]    weights; most are half of `total_size` in model.safetensors.index.json (bf16)
"""


def _config(
    kind: str, hidden: int, middle: int, layers: int, heads: int, kv: int, vocabulary: int
) -> dict[str, object]:
    return {
        "model_type": kind,
        "hidden_size": hidden,
        "intermediate_size": middle,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": kv,
        "vocab_size": vocabulary,
        "tie_word_embeddings": False,
    }


_QWEN_14B = _config("qwen2", 5120, 13824, 48, 40, 8, 152064)
_QWEN_32B = _config("qwen2", 5120, 27648, 64, 40, 8, 152064)
_LLAMA_8B = _config("llama", 4096, 14336, 32, 32, 8, 128256)

CONFIGS: dict[str, dict[str, object]] = {
    "r1-distill-qwen-1.5b": _config("qwen2", 1536, 8960, 28, 12, 2, 151936),
    "r1-distill-qwen-7b": _config("qwen2", 3584, 18944, 28, 28, 4, 152064),
    "r1-distill-qwen-14b": _QWEN_14B,
    "r1-distill-qwen-32b": _QWEN_32B,
    "r1-distill-llama-8b": _LLAMA_8B,
    "s1-14b": _QWEN_14B,
    "s1-32b": _QWEN_32B,
    "star1-full": _LLAMA_8B,
    "qwen3-4b": _config("qwen3", 2560, 9728, 36, 32, 8, 151936) | {"head_dim": 128, "tie_word_embeddings": True},
    "qwen3-8b": _config("qwen3", 4096, 12288, 36, 32, 8, 151936) | {"head_dim": 128},
    "smollm2-cpu": _config("llama", 576, 1536, 30, 9, 3, 49152) | {"tie_word_embeddings": True},
    "phi-4-reasoning": _config("phi3", 5120, 17920, 40, 40, 10, 100352),
    "qwen3-30b-a3b": _config("qwen3_moe", 2048, 6144, 48, 32, 4, 151936)
    | {"head_dim": 128, "moe_intermediate_size": 768, "num_experts": 128, "num_experts_per_tok": 8},
    "gpt-oss-20b": _config("gpt_oss", 2880, 2880, 24, 64, 8, 201088)
    | {"head_dim": 64, "num_local_experts": 32, "num_experts_per_tok": 4, "attention_bias": True},
}

PUBLISHED = {
    "r1-distill-qwen-1.5b": 1_777_088_000,
    "r1-distill-qwen-7b": 7_615_616_512,
    "r1-distill-qwen-14b": 14_770_033_664,
    "r1-distill-qwen-32b": 32_763_876_352,
    "r1-distill-llama-8b": 8_030_261_248,
    "s1-14b": 14_770_033_664,
    "s1-32b": 32_763_876_352,
    "star1-full": 8_030_261_248,
    "qwen3-4b": 4_022_468_096,
    "qwen3-8b": 8_190_735_360,
    "smollm2-cpu": 134_515_008,
    "phi-4-reasoning": 14_659_507_200,
    "qwen3-30b-a3b": 30_532_122_624,
    "gpt-oss-20b": 20_914_757_184,
}
