import subprocess
import sys

import pytest

from schemas.errors import UsageError
from schemas.training import Recipe, Shape
from tests.train.model_configs import CONFIGS
from train.estimate import NF4_BYTES, Estimate, adapter_parameters, estimate, memory
from train.gpus import GPUS, find_gpu
from train.shape import shape_of

LLAMA_8B = shape_of(CONFIGS["r1-distill-llama-8b"])
QWEN_32B = shape_of(CONFIGS["r1-distill-qwen-32b"])


def run(shape: Shape = LLAMA_8B, gpu: str = "A6000", gpus: int = 1, longest: int = 2048, **changes: object) -> Estimate:
    recipe = Recipe.model_validate(changes)
    return estimate(shape, recipe, find_gpu(gpu), gpus, rows=1000, tokens=250_000, longest=longest)


def gb(shape: Shape, name: str, gpus: int = 1, sharded: bool = False, **changes: object) -> float:
    recipe = Recipe.model_validate(changes)
    parts = memory(shape, recipe, gpus, 2048, "fsdp2" if sharded else "none")
    return next(part.gb for part in parts if part.name == name)


def test_nothing_heavy_is_imported() -> None:
    code = "import sys, train.estimate, train.preset, train.launch; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"torch", "transformers", "accelerate", "peft", "trl"} & set(loaded)


def test_frozen_weights_take_two_bytes_or_half_a_byte_and_their_scales() -> None:
    assert gb(LLAMA_8B, "weights, frozen") == 16.06
    assert gb(LLAMA_8B, "weights, frozen", precision="fp32") == 32.12
    # 224 matrices of 32 layers in 4 bits; embeddings, the output layer and norms stay in bf16.
    quantised = 32 * (2 * 4096 * 4096 + 2 * 4096 * 1024 + 3 * 4096 * 14336)
    assert pytest.approx((4 + 0.127) / 8, abs=1e-4) == NF4_BYTES
    expected = (quantised * NF4_BYTES + (LLAMA_8B.parameters - quantised) * 2) / 1e9
    assert gb(LLAMA_8B, "weights, frozen", method="qlora") == round(expected, 2)


def test_an_adapter_has_the_weights_that_peft_reports() -> None:
    # print_trainable_parameters() on Llama-8B, rank 16 on all seven matrices.
    assert adapter_parameters(LLAMA_8B, Recipe()) == 41_943_040
    assert adapter_parameters(LLAMA_8B, Recipe(method="full")) == 0


def test_experts_are_not_adapted() -> None:
    mixture = shape_of(CONFIGS["qwen3-30b-a3b"])
    attention_only = Recipe(lora_targets=("q_proj", "k_proj", "v_proj", "o_proj"))
    assert adapter_parameters(mixture, Recipe()) == adapter_parameters(mixture, attention_only)


def test_an_unknown_layer_is_told_with_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"no layer 'q_prj' whose size is known; did you mean 'q_proj'\?"):
        run(lora_targets=["q_prj"])


def test_all_weights_trained_take_sixteen_bytes_each_and_a_share_of_them_where_they_are_sharded() -> None:
    assert gb(LLAMA_8B, "all weights, trained", method="full") == 128.48
    assert gb(LLAMA_8B, "all weights, trained", method="full", gpus=8, sharded=True) == 16.06


def test_checkpointing_keeps_one_layer_instead_of_all() -> None:
    with_it, without = run().total_gb, run(gradient_checkpointing=False).total_gb
    assert without > with_it + 10


def test_packed_rows_fill_their_sequence() -> None:
    assert run(longest=500, packing=True, max_tokens=8192).total_gb > run(longest=500).total_gb


def test_the_parts_make_up_the_total() -> None:
    reckoned = run()
    assert reckoned.total_gb == round(sum(part.gb for part in reckoned.memory), 2)
    assert reckoned.fits
    assert reckoned.problem is None
    assert reckoned.mends == ()


def test_what_does_not_fit_is_told_with_each_change_that_alone_would_mend_it() -> None:
    reckoned = run(QWEN_32B, "A6000")
    assert not reckoned.fits
    assert reckoned.problem == "it needs about 76.9 GB; A6000 has 48, and a tenth should stay free"
    assert reckoned.mends == ("method qlora (4-bit weights)", "--gpus 4 --sharding fsdp2", "one H200")
    for mended in (run(QWEN_32B, "A6000", method="qlora"), run(QWEN_32B, "A6000", gpus=4), run(QWEN_32B, "H200")):
        assert mended.fits


def test_two_gpus_that_each_hold_all_weights_may_share_them() -> None:
    recipe = Recipe()
    whole = estimate(QWEN_32B, recipe, GPUS["A100-80"], 2, rows=1000, tokens=250_000, longest=4096, sharding="none")
    assert "--gpus 2 --sharding fsdp2" in whole.mends


def test_fewer_rows_at_a_time_and_checkpointing_are_among_the_changes() -> None:
    crowded = run(gpu="RTX-4090", device_rows=8)
    assert "device_rows 1" in crowded.mends
    assert run(gpu="RTX-4090", device_rows=1).fits
    assert "gradient checkpointing" in run(gpu="RTX-4090", gradient_checkpointing=False).mends
    assert "method lora" in run(gpu="H100", method="full").mends


def test_a_gpu_without_bf16_is_told_even_where_memory_is_enough() -> None:
    small = shape_of(CONFIGS["smollm2-cpu"])
    reckoned = run(small, "T4")
    assert reckoned.problem == "T4 cannot reckon in bf16"
    assert "--precision fp32" in reckoned.mends
    assert run(small, "T4", precision="fp32").fits
    assert run(LLAMA_8B, "T4").mends == ("one L4",)


def test_weights_are_sharded_only_where_they_do_not_fit_whole() -> None:
    assert run(gpus=8).sharding == "none"
    assert run(QWEN_32B, "A100-80", gpus=2).sharding == "fsdp2"
    assert run(QWEN_32B, "A100-80").sharding == "none"


def test_a_batch_that_does_not_divide_among_gpus_is_refused() -> None:
    with pytest.raises(UsageError, match="batch_rows 8 is no multiple of 3 GPUs with 1 rows each"):
        run(gpus=3)


def test_numbers_below_one_are_refused() -> None:
    with pytest.raises(UsageError, match=r"tokens \(0\)"):
        estimate(LLAMA_8B, Recipe(), GPUS["H100"], 1, rows=10, tokens=0, longest=10)


def test_steps_are_those_of_the_batches() -> None:
    assert run().steps == 125 * 15
    assert run(gpus=8).steps == 125 * 15
    assert run(batch_rows=16, epochs=2).steps == 63 * 2
    # 250,000 tokens fill 62 sequences of 4,096.
    assert run(packing=True, epochs=1).steps == 8


def test_all_weights_are_more_work_than_an_adapter_and_two_gpus_halve_the_time() -> None:
    lora, full = run(gpu="B200"), run(gpu="B200", method="full")
    assert 1.2 < full.flops / lora.flops < 1.4
    assert run(gpu="B200", gradient_checkpointing=False).flops < 0.75 * lora.flops
    one, two = run(longest=4096), run(longest=4096, gpus=2)
    assert one.seconds_high == pytest.approx(2 * two.seconds_high)
    assert one.seconds_low < one.seconds_high


def test_a_mixture_works_as_much_as_the_experts_that_a_token_passes() -> None:
    mixture = run(shape_of(CONFIGS["qwen3-30b-a3b"]), "H200")
    assert mixture.flops < 0.5 * run().flops


def test_the_papers_hour_on_an_a6000_is_in_the_range() -> None:
    # METHOD: 8B, about 1,000 rows of 167 tokens and their prompts, ~60 minutes on one A6000.
    reckoned = run()
    assert reckoned.seconds_low < 3600 < reckoned.seconds_high


QWEN_7B = Shape(
    parameters=7_721_324_544,
    layers=32,
    hidden=4096,
    intermediate=11008,
    heads=32,
    kv_heads=32,
    head_size=128,
    vocabulary=151936,
)
QWEN_14B = Shape(
    parameters=14_167_290_880,
    layers=40,
    hidden=5120,
    intermediate=13696,
    heads=40,
    kv_heads=40,
    head_size=128,
    vocabulary=152064,
)
LENGTHS = (256, 512, 1024, 2048, 4096, 8192)
PUBLISHED = [
    # QwenLM/Qwen, README, "Profiling of Memory and Speed": one A100-80, 8 rows a step one at a time, FlashAttention 2,
    # rank 64 (finetune.py); GB and seconds a step at LENGTHS.
    (QWEN_7B, "lora", (20.1, 20.4, 21.5, 23.8, 29.7, 36.6), (1.2, 1.5, 2.8, 5.2, 10.1, 21.3)),
    (QWEN_7B, "qlora", (11.5, 11.5, 12.3, 13.9, 16.9, 23.5), (3.0, 3.0, 3.5, 7.0, 11.6, 22.3)),
    (QWEN_14B, "lora", (34.6, 35.1, 35.3, 37.4, 42.5, 55.2), (1.6, 2.4, 4.4, 8.4, 17.0, 36.0)),
    (QWEN_14B, "qlora", (18.7, 18.4, 18.9, 19.9, 23.0, 27.9), (5.3, 6.3, 8.2, 11.8, 20.1, 38.3)),
]
MEASURED = [
    (shape, method, length, size, seconds)
    for shape, method, sizes, times in PUBLISHED
    for length, size, seconds in zip(LENGTHS, sizes, times, strict=True)
]


@pytest.mark.parametrize(("shape", "method", "length", "size", "seconds"), MEASURED)
def test_published_measurements_lie_where_the_estimate_says(
    shape: Shape, method: str, length: int, size: float, seconds: float
) -> None:
    settings = {
        "method": method,
        "lora_rank": 64,
        "lora_targets": ["qkv_proj", "o_proj", "gate_proj", "up_proj", "down_proj"],
        "epochs": 1,
        "max_tokens": 8192,
    }
    reckoned = estimate(
        shape, Recipe.model_validate(settings), GPUS["A100-80"], 1, rows=8, tokens=8 * length, longest=length
    )
    assert reckoned.seconds_low <= seconds <= reckoned.seconds_high
    # Those runs held all logits, in bf16 and in fp32, with their gradients: up to 14 bytes each, which TRL does not.
    most = reckoned.total_gb + 14 * shape.vocabulary * length / 1e9
    assert 0.82 * reckoned.total_gb <= size <= 1.22 * most


@pytest.mark.parametrize("name", ["A100-80", "a100 80gb", "NVIDIA A100-80GB", "a100_80"])
def test_a_gpu_is_found_however_it_is_written(name: str) -> None:
    assert find_gpu(name).name == "A100-80"


def test_a_misspelt_gpu_is_told_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"no GPU 'H10' is known here; did you mean 'H100'\? There are: T4, L4,"):
        find_gpu("H10")


def test_gpus_with_less_memory_come_first() -> None:
    assert [gpu.memory_gb for gpu in GPUS.values()] == sorted(gpu.memory_gb for gpu in GPUS.values())
