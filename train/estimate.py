"""What a training run would take of memory and time, reckoned from sizes alone: no weights, no GPU, no torch.

    estimate(preset.shape, preset.recipe, find_gpu("A6000"), gpus=1, rows=1000, tokens=250_000, longest=2048)

Memory is the peak of one GPU, part by part, each with its arithmetic. Time is floating-point work over a GPU's speed
at the share of it that training reaches, as a range: a single figure would be a guess. Nothing here was measured by
this project; docs/training.md compares it with published measurements.
"""

import difflib
import math
from typing import Literal

from pydantic import Field

from schemas.errors import UsageError
from schemas.example import Frozen
from schemas.training import MemoryPart, Recipe, Shape
from train.gpus import GPUS, Gpu

Sharding = Literal["none", "fsdp2", "zero3"]

NF4_BYTES = 0.5 + 1 / 64 + 4 / (64 * 256)
"""A 4-bit weight with its share of the scales: one of 8 bits for 64 weights, one of 32 bits for 256 of those
(double quantisation, QLoRA, arXiv 2305.14314, section 3: 0.127 bits a weight)."""

TRAINED_BYTES = 16
"""A trained weight: itself, its gradient and AdamW's two moments, 4 bytes each. PEFT keeps adapters in fp32, a full
run loads fp32 (train/sft.py); bf16 weights with an fp32 copy (ZeRO-3) come to the same (arXiv 1910.02054, section 3.1).
The bf16 adapters that TRL makes for QLoRA take half."""

TILE_TOKENS, TILE_VOCABULARY = 4096, 32768
"""TRL 1.16 never holds all logits: it projects tiles of at most this (trl/kernels/chunked_logprob.py, TOKEN_CHUNK_SIZE;
trl/trainer/utils.py, _CHUNKED_LOGPROB_CHUNK_SIZE)."""

CONTEXT_GB = 1.0
"""CUDA's context and the workspaces of cuBLAS; reckoned."""

CONNECTION_GB = 1.0
"""NCCL's buffers where there are several GPUs; reckoned."""

SPARE = 0.08
"""Of all else: what the allocator reserves and cannot use; reckoned."""

FITS_WITHIN = 0.9
"""Of a GPU's memory: published runs took up to a fifth more than is reckoned here (docs/training.md)."""

UTILISATION = {"lora": (0.25, 0.60), "full": (0.25, 0.60), "qlora": (0.08, 0.55)}
"""The share of a GPU's speed that training reaches, recomputed work counted as work: what the published seconds of
Qwen-7B on one A100 come to at rows of 256 tokens (low) and of 2,048 or more (high); QwenLM/Qwen, README, "Profiling of
Memory and Speed". A full run is taken to be as LoRA."""

LAUNCH_SECONDS = (0.002, 0.005)
"""A layer's least time for one pass over a batch on one device, forward and back, however small the batch: starting
kernels takes it. The high end: 1.2 s for 8 rows of 256 tokens through 32 layers, the same source; the low end is
reckoned."""

SHARDED_SLOWDOWN = 2.0
"""On the high end where weights travel between GPUs at every pass; reckoned, and worse where they share no NVLink."""


class Estimate(Frozen):
    """What a run would take. GB are 10^9 bytes."""

    gpu: str
    gpus: int
    sharding: Sharding = Field(description="none: every GPU holds all weights")
    memory: tuple[MemoryPart, ...] = Field(description="of one GPU at its peak")
    total_gb: float
    has_gb: float
    fits: bool = Field(description="into nine tenths of a GPU's memory, in a precision that it has")
    problem: str | None = Field(default=None, description="why it cannot run there, in a line; None: it can")
    mends: tuple[str, ...] = Field(default=(), description="changes of which each alone would make it fit")
    steps: int = Field(description="optimizer steps")
    flops: float = Field(description="of the whole run, recomputed work counted")
    seconds_low: float = Field(description="of training alone: no loading, no samples, no checkpoints")
    seconds_high: float


def estimate(
    shape: Shape,
    recipe: Recipe,
    gpu: Gpu,
    gpus: int,
    rows: int,
    tokens: int,
    longest: int,
    sharding: Sharding | None = None,
) -> Estimate:
    """What training `rows` rows of `tokens` tokens in all, the longest of `longest`, would take on `gpus` such GPUs.

    `sharding` None: none where all weights fit on one GPU, else fsdp2. Raises UsageError where a number is below 1, the
    batch does not divide among the GPUs, or the recipe adapts a layer that has no known size.
    """
    if min(gpus, rows, tokens, longest) < 1:
        raise UsageError(f"gpus ({gpus}), rows ({rows}), tokens ({tokens}) and longest ({longest}) must be 1 or more")
    if recipe.batch_rows % (recipe.device_rows * gpus):
        raise UsageError(
            f"batch_rows {recipe.batch_rows} is no multiple of {gpus} GPUs with {recipe.device_rows} rows each: "
            "choose another number of GPUs or batch_rows"
        )
    if sharding is None:
        fits_whole = gpus == 1 or _total(memory(shape, recipe, gpus, longest)) <= FITS_WITHIN * gpu.memory_gb
        sharding = "none" if fits_whole else "fsdp2"
    parts = memory(shape, recipe, gpus, longest, sharding)
    problem, mends = _judge(shape, recipe, gpu, gpus, longest, sharding)
    steps, flops, low, high = _time(shape, recipe, gpu, gpus, rows, tokens, sharding)
    return Estimate(
        gpu=gpu.name,
        gpus=gpus,
        sharding=sharding,
        memory=parts,
        total_gb=_total(parts),
        has_gb=gpu.memory_gb,
        fits=problem is None,
        problem=problem,
        mends=mends,
        steps=steps,
        flops=flops,
        seconds_low=low,
        seconds_high=high,
    )


def memory(
    shape: Shape, recipe: Recipe, gpus: int, longest: int, sharding: Sharding = "none"
) -> tuple[MemoryPart, ...]:
    """The peak of one GPU, part by part. `longest`: tokens of the longest row."""
    shards = 1 if sharding == "none" else gpus
    adapter = adapter_parameters(shape, recipe)
    trained = shape.parameters if recipe.method == "full" else adapter
    width = 4 if recipe.precision == "fp32" else 2
    at_once = recipe.device_rows * (recipe.max_tokens if recipe.packing else longest)
    parts = [_frozen(shape, recipe, width, shards)] if recipe.method != "full" else []
    name = "all weights, trained" if recipe.method == "full" else "adapter, trained"
    how = f"{trained:,} x {TRAINED_BYTES} bytes (weight, gradient, two moments of AdamW in fp32)"
    parts.append(_part(name, trained * TRAINED_BYTES / shards, how + _over(shards)))
    if recipe.method == "full" and recipe.precision == "bf16" and shards == 1:
        parts.append(_part("bf16 copies", shape.parameters * 2, f"{shape.parameters:,} x 2 bytes (autocast's)"))
    if shards > 1:
        layer = _layer_parameters(shape)
        gathered = 2 * layer + _outer_parameters(shape)
        how = f"(2 layers of {layer:,} + embeddings and output layer of {_outer_parameters(shape):,}) x {width} bytes"
        parts.append(_part("gathered weights", gathered * width, how))
    parts.extend(_activations(shape, recipe, at_once, width))
    parts.append(_output_layer(shape, recipe, at_once, width, shards))
    parts.append(MemoryPart(name="CUDA", gb=CONTEXT_GB, how="context and workspaces"))
    if gpus > 1:
        parts.append(MemoryPart(name="NCCL", gb=CONNECTION_GB, how=f"buffers between {gpus} GPUs"))
    spare = SPARE * sum(part.gb for part in parts)
    return (*parts, MemoryPart(name="spare", gb=round(spare, 2), how=f"{SPARE:.0%} of the above (fragmentation)"))


def adapter_parameters(shape: Shape, recipe: Recipe) -> int:
    """Weights that LoRA adds: rank x (inputs + outputs) of every layer that it adapts; experts are not adapted, for
    Transformers keeps them as one tensor, which PEFT does not take for a layer.

    Raises UsageError for a layer whose size is not known.
    """
    if recipe.method == "full":
        return 0
    sizes = _layer_sizes(shape)
    total = 0
    for target in recipe.lora_targets:
        if target not in sizes:
            near = difflib.get_close_matches(target, sizes, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(sizes)}"
            raise UsageError(f"lora_targets: no layer {target!r} whose size is known; {hint}")
        inputs, outputs, expert = sizes[target]
        if not (expert and shape.experts > 1):
            total += recipe.lora_rank * (inputs + outputs)
    return total * shape.layers


def _layer_sizes(shape: Shape) -> dict[str, tuple[int, int, bool]]:
    """Inputs, outputs and whether it is in the feed-forward part, for every matrix of a layer by its usual name."""
    queries, keys = shape.heads * shape.head_size, shape.kv_heads * shape.head_size
    hidden, middle = shape.hidden, shape.intermediate
    return {
        "q_proj": (hidden, queries, False),
        "k_proj": (hidden, keys, False),
        "v_proj": (hidden, keys, False),
        "o_proj": (queries, hidden, False),
        "gate_proj": (hidden, middle, True),
        "up_proj": (hidden, middle, True),
        "down_proj": (middle, hidden, True),
        # Phi writes them as one.
        "qkv_proj": (hidden, queries + 2 * keys, False),
        "gate_up_proj": (hidden, 2 * middle, True),
    }


def _outer_parameters(shape: Shape) -> int:
    return shape.vocabulary * shape.hidden * (1 if shape.tied else 2)


def _layer_parameters(shape: Shape) -> int:
    return (shape.parameters - _outer_parameters(shape)) // shape.layers


def _over(shards: int) -> str:
    return f" / {shards} GPUs" if shards > 1 else ""


def _part(name: str, size: float, how: str) -> MemoryPart:
    return MemoryPart(name=name, gb=round(size / 1e9, 2), how=how)


def _total(parts: tuple[MemoryPart, ...]) -> float:
    return round(sum(part.gb for part in parts), 2)


def _frozen(shape: Shape, recipe: Recipe, width: int, shards: int) -> MemoryPart:
    if recipe.method != "qlora":
        how = f"{shape.parameters:,} x {width} bytes ({recipe.precision})"
        return _part("weights, frozen", shape.parameters * width / shards, how + _over(shards))
    attention = 2 * shape.hidden * shape.head_size * (shape.heads + shape.kv_heads)
    # bitsandbytes quantises linear layers; experts are one tensor, and stay as they are.
    feed_forward = 3 * shape.hidden * shape.intermediate if shape.experts == 1 else 0
    quantised = shape.layers * (attention + feed_forward)
    rest = shape.parameters - quantised
    how = f"{quantised:,} x {NF4_BYTES:.4f} bytes (NF4) + {rest:,} x {width} bytes ({recipe.precision})"
    return _part("weights, frozen", (quantised * NF4_BYTES + rest * width) / shards, how + _over(shards))


def _activations(shape: Shape, recipe: Recipe, at_once: int, width: int) -> list[MemoryPart]:
    """What a layer keeps for its way back, counted on the tensors that Transformers' Llama and Qwen3 with PEFT and SDPA
    save under bf16 autocast (tests/train/test_activation_bytes.py counts them anew).

    A token's bytes: normed inputs in fp32, and an own copy for every adapted matrix; queries, keys, values and the
    attention's output; four tensors of the feed-forward part.
    """
    stream = 4 if recipe.method == "full" else width
    kept = (26 if recipe.method == "full" else 18) * shape.hidden + 8 * shape.intermediate * shape.experts_per_token
    kept += 10 * shape.heads * shape.head_size + 8 * shape.kv_heads * shape.head_size + 4 * shape.heads
    if width == 4:
        kept = round(kept * 1.6)  # what is 2 bytes in bf16 is 4; the rest is fp32 already
    passing = 2 * width * (shape.hidden + shape.intermediate * shape.experts_per_token)
    if recipe.gradient_checkpointing:
        return [
            _part(
                "kept between layers",
                shape.layers * shape.hidden * stream * at_once,
                f"{shape.layers} layers x {shape.hidden} x {stream} bytes x {at_once:,} tokens",
            ),
            _part(
                "one layer, recomputed",
                (kept + passing) * at_once,
                f"({kept:,} kept + {passing:,} of gradients) bytes x {at_once:,} tokens",
            ),
        ]
    return [
        _part(
            "activations",
            (shape.layers * kept + passing) * at_once,
            f"({shape.layers} layers x {kept:,} kept + {passing:,} of gradients) bytes x {at_once:,} tokens",
        )
    ]


def _output_layer(shape: Shape, recipe: Recipe, at_once: int, width: int, shards: int) -> MemoryPart:
    tile = min(at_once, TILE_TOKENS) * min(shape.vocabulary, TILE_VOCABULARY)
    size = tile * width + at_once * shape.hidden * 4
    how = f"a tile of {tile:,} logits x {width} bytes + {at_once:,} tokens x {shape.hidden} x 4 bytes (their gradient)"
    if recipe.method == "full":
        # TRL sums its gradient in fp32 apart, and gathers it as it is kept, in fp32 too.
        copies, what = (1, "its own gradient") if shards == 1 else (2, "its own gradient and weights")
        size += copies * shape.vocabulary * shape.hidden * 4
        how += f" + {copies} x {shape.vocabulary * shape.hidden:,} x 4 bytes ({what})"
    return _part("output layer", size, how)


def _judge(
    shape: Shape, recipe: Recipe, gpu: Gpu, gpus: int, longest: int, sharding: Sharding
) -> tuple[str | None, tuple[str, ...]]:
    """Why it cannot run, None where it can, and what would mend that."""

    def need(recipe: Recipe, gpus: int, sharding: Sharding) -> float:
        return _total(memory(shape, recipe, gpus, longest, sharding))

    room = FITS_WITHIN * gpu.memory_gb
    total = need(recipe, gpus, sharding)
    # With bf16 and the least memory that is enough.
    other = [kind.name for kind in GPUS.values() if kind.bf16_tflops and FITS_WITHIN * kind.memory_gb >= total][:1]
    others = [f"one {name}" if gpus == 1 else f"{gpus} {name}" for name in other]
    if recipe.precision == "bf16" and gpu.bf16_tflops is None:
        in_fp32 = need(recipe.model_copy(update={"precision": "fp32"}), gpus, sharding) <= room
        return f"{gpu.name} cannot reckon in bf16", (*(["--precision fp32"] if in_fp32 else []), *others)
    if total <= room:
        return None, ()
    changes: dict[str, dict[str, object]] = {}
    if recipe.device_rows > 1:
        changes["device_rows 1"] = {"device_rows": 1}
    if not recipe.gradient_checkpointing:
        changes["gradient checkpointing"] = {"gradient_checkpointing": True}
    if recipe.method == "full":
        changes["method lora"] = {"method": "lora"}
    if recipe.method != "qlora":
        changes["method qlora (4-bit weights)"] = {"method": "qlora"}
    mends = [name for name, change in changes.items() if need(recipe.model_copy(update=change), gpus, sharding) <= room]
    for more in (2, 4, 8, 16, 32, 64):
        divides = recipe.batch_rows % (recipe.device_rows * more) == 0
        new = more > gpus or (more == gpus and sharding == "none")
        if new and divides and need(recipe, more, "fsdp2") <= room:
            mends.append(f"--gpus {more} --sharding fsdp2")
            break
    mends.extend(others)
    why = f"it needs about {total:.1f} GB; {gpu.name} has {gpu.memory_gb:g}, and a tenth should stay free"
    return why, tuple(mends)


def _time(
    shape: Shape, recipe: Recipe, gpu: Gpu, gpus: int, rows: int, tokens: int, sharding: Sharding
) -> tuple[int, float, float, float]:
    """Optimizer steps, floating-point work of the whole run, and its seconds, at best and at worst."""
    sequences = rows if not recipe.packing else math.ceil(tokens / recipe.max_tokens)
    passes = math.ceil(sequences / (recipe.device_rows * gpus))
    steps = math.ceil(math.ceil(passes / recipe.accumulated(gpus)) * recipe.epochs)
    flops = tokens * recipe.epochs * _flops_of_a_token(shape, recipe, tokens / rows)
    # Where it cannot reckon in bf16, the time is that of fp32.
    speed = gpu.bf16_tflops if recipe.precision == "bf16" and gpu.bf16_tflops else gpu.fp32_tflops
    low_share, high_share = UTILISATION[recipe.method]
    best, worst = (flops / (gpus * speed * 1e12 * share) for share in (high_share, low_share))
    least, most = (recipe.epochs * passes * shape.layers * seconds for seconds in LAUNCH_SECONDS)
    worst = (worst + most) * (SHARDED_SLOWDOWN if sharding != "none" else 1)
    return steps, flops, max(best, least), worst


def _flops_of_a_token(shape: Shape, recipe: Recipe, row_tokens: float) -> float:
    """2 a weight forward, 2 for the gradient of what came in, 2 for the weight's own where it is trained (arXiv
    2001.08361, section 2.1), 2 where a layer is run again; TRL always runs the output layer again. Attention in a row
    of n tokens: n x queries x 2 forward, half of a square; 2.5 times that back (arXiv 2307.08691, section 3.1)."""
    idle = shape.layers * (shape.experts - shape.experts_per_token) * 3 * shape.hidden * shape.intermediate
    head = shape.vocabulary * shape.hidden
    layers = shape.parameters - idle - _outer_parameters(shape)
    again = 1 if recipe.gradient_checkpointing else 0
    own = 1 if recipe.method == "full" else 0
    work = 2 * layers * (2 + again + own) + 2 * head * (3 + own)
    work += 2 * adapter_parameters(shape, recipe) * (3 + again)
    attention = 2 * row_tokens * shape.heads * shape.head_size * shape.layers
    return work + attention * (3.5 + again)
