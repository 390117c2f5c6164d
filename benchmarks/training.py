"""How fast `curate train` is: beside a bare torch loop, to its first step, in memory, packed and padded.

    python -m benchmarks.training                      all of it, about ten minutes on two idle cores
    python -m benchmarks.training --only loop --pairs 1 --rows 8
    python -m benchmarks.training --only start
    python -m benchmarks.training --only packing

`loop`: `train.sft.run` with preset smollm2-cpu, from its first batch to its last step, and the loop below on the same
batches, in turn, median of the pairs. Both tell the losses of their steps, so other batches or another recipe would
show. `start`: the real command in a process of its own, on a release of the packaged examples. `packing`: rows packed
(`bfd`) and rows of like lengths padded (Transformers' `group_by_length`), with as many real tokens a step on average:
what an epoch of 900 harmful and 100 benign rows takes there and back, reckoned from batches of all sizes, in turn,
median of three. Lengths are those of the project's reference traces where they are there, else of the packaged
examples; rows of more than 2,048 tokens are left out, as a release leaves them out.
"""

import argparse
import bisect
import itertools
import json
import random
import statistics
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from curation.embedded import cache_folder, fetch
from exports.dataset import rows_of
from schemas.release import Approved, SftRow
from schemas.training import RunConfig, RunRecord
from tests.exports.release_folder import SETTINGS, write
from tests.project import CURATE
from tests.release_rows import approve
from train.loading import load_model, load_tokenizer
from train.preset import load_preset
from train.record import LOG, create, read_record
from train.sft import run
from train.student import from_gguf
from train.templates import MASKED, Encoded, encode_rows, form_of

ROOT = Path(__file__).parents[1]
EXAMPLES, SEEDS = ROOT / "curation" / "examples", ROOT.parent / "shared" / "seeds"
PRESET = load_preset("smollm2-cpu")
HARMFUL, BENIGN = 900, 100
"""Of a release: the paper's thousand rows."""
PACK, STEPS, PACKING_PAIRS = 2048, 5, 3
"""PACK: as long as a benign row of a release may be by default."""


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--only", choices=["loop", "start", "packing"])
    options.add_argument("--pairs", type=int, default=5)
    options.add_argument("--rows", type=int, default=24, help="that are trained a run, for `loop`")
    options.add_argument("--threads", type=int)
    given = options.parse_args()
    import torch

    if given.threads:
        torch.set_num_threads(given.threads)
    print(f"{torch.get_num_threads()} threads\n\n| | measured | bar |\n| --- | --- | --- |", flush=True)
    config = config_of(str(from_gguf(fetch(None), cache_folder())), given.threads)
    with tempfile.TemporaryDirectory() as name:
        if given.only in (None, "start"):
            for words in (("--samples", "0"), ()):
                tell_start(start(Path(name) / f"start{len(words)}", words, given.threads), words)
        if given.only in (None, "loop"):
            tell_pairs(Path(name), config, rows_of(packaged())[: given.rows], given.pairs)
        if given.only in (None, "packing"):
            tell_packing(config)


def packaged() -> list[Approved]:
    """The packaged examples as approved rows, in an order that mixes them; those about self-harm have wordings of their
    own, and are left out."""
    lines = [line for path in sorted(EXAMPLES.glob("*.jsonl")) for line in path.read_text("utf-8").splitlines()]
    rows = list(map(json.loads, lines))
    random.Random(0).shuffle(rows)
    return [approved(row, row["label"]) for row in rows if row["category"] != "self_harm"]


def approved(row: dict[str, Any], label: Any) -> Approved:
    """A seed's row in the structure alttrain, with a reason of the usual length."""
    reason = "it takes something from a person who did not agree" if label == "harmful" else "nobody is hurt by it"
    return approve(row["prompt"], branch=label, trace=row["trace"], answer=row["answer"], reason=reason)


def start(folder: Path, words: Sequence[str], threads: int | None) -> RunRecord:
    """The record of `curate train` on a release of all packaged examples, for a few steps."""
    folder.mkdir()
    rows = packaged()
    write(folder / "v1", rows, settings=SETTINGS.model_copy(update={"size": len(rows)}))
    command = [CURATE, "train", folder / "v1", "--preset", PRESET.name, "--out", folder / "run", "--epochs", "0.02"]
    command += [*words, *(["--threads", threads] if threads else [])]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    record = read_record(folder / "run")
    assert record is not None
    return record


def tell_start(record: RunRecord, words: Sequence[str]) -> None:
    command = " ".join(["`curate train`", *(f"`{' '.join(words)}`" for _ in words[:1])])
    print(f"| {command}: start to first step | {record.seconds_to_first_step:.1f} s | 25 s |")
    print(f"| its peak memory | {record.peak_memory_bytes / 1e9:.2f} GB | 3 GB |", flush=True)


def config_of(model_path: str, threads: int | None) -> RunConfig:
    """One epoch of the preset, nothing asked before and after."""
    return RunConfig(
        name="speed",
        preset=PRESET.name,
        model=PRESET.model,
        model_path=model_path,
        release="packaged",
        release_sha256="0" * 64,
        structure="alttrain",
        recipe=PRESET.recipe.model_copy(update={"epochs": 1}),
        threads=threads,
        checkpoints=1,
        sample_prompts=0,
    )


def tell_pairs(folder: Path, config: RunConfig, rows: Sequence[SftRow], pairs: int) -> None:
    tokenizer = load_tokenizer(config)
    encoded = encode_rows(tokenizer, rows, form_of(tokenizer, config.model))
    tokens = sum(len(row.input_ids) for row in encoded)
    ratios, ours_speed, bare_speed, apart = [], [], [], 0.0
    for pair in range(pairs):
        place = folder / f"pair{pair}"
        create(place, config, rows, [])
        record = run(place, say=lambda line: None)
        bare_seconds, losses = bare(config, encoded)
        told = [json.loads(line)["loss"] for line in (place / LOG).read_text().splitlines()]
        apart = max(apart, *(abs(ours / theirs - 1) for ours, theirs in zip(told, losses, strict=True)))
        ratios.append(record.seconds / bare_seconds)
        ours_speed.append(tokens / record.seconds)
        bare_speed.append(tokens / bare_seconds)
    print(
        f"| time of the trainer beside a bare loop, {tokens:,} tokens | {statistics.median(ratios):.2f}x "
        f"({min(ratios):.2f}-{max(ratios):.2f}, {pairs} pairs) | 1.25x |"
    )
    print(f"| the trainer | {statistics.median(ours_speed):.0f} tokens/s | |")
    print(f"| the bare loop | {statistics.median(bare_speed):.0f} tokens/s | |")
    print(f"| losses of the same step are apart by at most | {apart:.2%} | |", flush=True)


def bare(config: RunConfig, encoded: Sequence[Encoded]) -> tuple[float, list[float]]:
    """(seconds, loss of each step) of one epoch as one would write it by hand: every logit, nothing logged or saved."""
    import torch
    from transformers import get_cosine_schedule_with_warmup, set_seed

    recipe = config.recipe
    model = adapted(config)
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(
        weights, recipe.learning_rate, (recipe.adam_beta1, recipe.adam_beta2), weight_decay=recipe.weight_decay
    )
    steps = -(-len(encoded) // recipe.batch_rows)
    schedule = get_cosine_schedule_with_warmup(optimizer, recipe.warmup_steps, steps)
    order = torch.randperm(len(encoded), generator=torch.Generator().manual_seed(config.seed)).tolist()
    set_seed(config.seed)
    model.train()
    losses = []
    started = time.perf_counter()
    for at in range(0, len(order), recipe.batch_rows):
        batch = [encoded[index] for index in order[at : at + recipe.batch_rows]]
        trained = sum(label != MASKED for row in batch for label in row.labels)
        loss = 0.0
        for row in batch:
            loss += back(model, {"input_ids": [row.input_ids], "labels": [row.labels]}, trained)
        torch.nn.utils.clip_grad_norm_(weights, recipe.max_grad_norm)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        losses.append(loss)
    return time.perf_counter() - started, losses


def adapted(config: RunConfig) -> Any:
    """The model with a new LoRA on it, in bf16, as the trainer makes it."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import set_seed

    recipe = config.recipe
    set_seed(config.seed)
    lora = LoraConfig(
        r=recipe.lora_rank,
        lora_alpha=recipe.lora_alpha,
        lora_dropout=recipe.lora_dropout,
        target_modules=list(recipe.lora_targets),
        task_type="CAUSAL_LM",
    )
    return get_peft_model(load_model(config, attn_implementation="sdpa", dtype=torch.bfloat16), lora)


def back(model: Any, batch: dict[str, Any], trained: int, *, every_logit: bool = True) -> float:
    """Forward and back; the batch's share of the loss of `trained` tokens."""
    import torch
    from torch.nn.functional import cross_entropy

    given: dict[str, Any] = {
        name: value if isinstance(value, int) else torch.as_tensor(value) for name, value in batch.items()
    }
    targets = given.pop("labels")[:, 1:]
    if every_logit:
        kept = torch.arange(targets.shape[1])
    else:
        kept = (targets != MASKED).any(0).nonzero().flatten()
        given["logits_to_keep"] = kept
    with torch.autocast("cpu", torch.bfloat16):
        logits = model(**given, use_cache=False).logits[:, : len(kept)].float()
    loss = cross_entropy(logits.flatten(0, 1), targets[:, kept].flatten(), ignore_index=MASKED, reduction="sum")
    (loss / trained).backward()
    return float(loss.detach()) / trained


def tell_packing(config: RunConfig) -> None:
    from datasets import Dataset
    from transformers.trainer_pt_utils import get_length_grouped_indices
    from trl import pack_dataset
    from trl.trainer.sft_trainer import DataCollatorForLanguageModeling

    tokenizer = load_tokenizer(config)
    encoded = encode_rows(tokenizer, release_mix(), form_of(tokenizer, config.model))
    rows = [{"input_ids": row.input_ids, "labels": row.labels} for row in encoded if len(row.input_ids) <= PACK]
    lengths = [len(row["input_ids"]) for row in rows]
    packed = [[pack] for pack in pack_dataset(Dataset.from_list(rows), PACK, "bfd")]
    together = round(len(rows) / len(packed))
    order = get_length_grouped_indices(lengths, together, generator=random_order())
    padded = [[rows[index] for index in order[at : at + together]] for at in range(0, len(order), together)]
    collators = [DataCollatorForLanguageModeling(tokenizer.pad_token_id, padding_free=free) for free in (True, False)]
    model = adapted(config).train()
    speeds: tuple[list[float], list[float]] = [], []
    for _ in range(PACKING_PAIRS):
        for batches, collate, found in zip((packed, padded), collators, speeds, strict=True):
            found.append(speed(model, batches, collate))
    ratios = [first / then for first, then in zip(*speeds, strict=True)]
    longest = sum(map(size, padded))
    print(
        f"| packed beside padded, {sum(lengths) / len(packed):.0f} tokens a step in {PACK} or in {together} rows | "
        f"{statistics.median(ratios):.2f}x ({min(ratios):.2f}-{max(ratios):.2f}, {PACKING_PAIRS} pairs) | 1.5x |"
    )
    print(f"| packed | {statistics.median(speeds[0]):.0f} real tokens/s | |")
    print(f"| padded | {statistics.median(speeds[1]):.0f} real tokens/s | |")
    print(f"| padding in an epoch, packed | {1 - sum(lengths) / (PACK * len(packed)):.0%} of {PACK} | |")
    print(f"| padding in an epoch, grouped by length | {1 - sum(lengths) / longest:.0%} | |", flush=True)


def release_mix() -> list[SftRow]:
    """900 harmful and 100 benign rows, drawn with replacement from the reference traces, else from the examples."""
    found: dict[str, list[Approved]] = {"harmful": [], "benign": []}
    files = {label: SEEDS / f"{label}_traced.jsonl" for label in found}
    if all(path.exists() for path in files.values()):
        for label, path in files.items():
            rows = map(json.loads, path.read_text("utf-8").splitlines())
            found[label] = [approved(row, label) for row in rows if ". " in row["trace"]]
    else:
        for one in packaged():
            found[one.draft.branch].append(one)
    draw = random.Random(0)
    rows_by_label = {label: rows_of(rows) for label, rows in found.items()}
    return draw.choices(rows_by_label["harmful"], k=HARMFUL) + draw.choices(rows_by_label["benign"], k=BENIGN)


def speed(model: Any, batches: Sequence[Sequence[dict[str, Any]]], collate: Any) -> float:
    """Real tokens a second over all batches, by what a token of STEPS of them takes, padding included.

    The batches are sorted by size and parted into STEPS shares of equally many tokens; the one amid each stands for it.
    Of a batch of more than PACK tokens, as many rows are timed as come to that, at the length that it pads them to.
    """
    sized = sorted(batches, key=size)
    ends = list(itertools.accumulate(map(size, sized)))
    seconds = 0.0
    for share in range(STEPS):
        batch = sized[bisect.bisect(ends, (2 * share + 1) * ends[-1] / (2 * STEPS))]
        rows = sorted(batch, key=lambda row: -len(row["input_ids"]))[: max(1, PACK * len(batch) // size(batch))]
        trained = sum(label != MASKED for row in rows for label in row["labels"])
        given = collate(rows)
        started = time.perf_counter()
        back(model, given, trained, every_logit=False)
        model.zero_grad()
        seconds += (time.perf_counter() - started) / size(rows) * ends[-1] / STEPS
    return sum(len(row["input_ids"]) for batch in batches for row in batch) / seconds


def size(batch: Sequence[dict[str, Any]]) -> int:
    """Its tokens, with padding."""
    return len(batch) * max(len(row["input_ids"]) for row in batch)


def random_order() -> Any:
    import torch

    return torch.Generator().manual_seed(0)


if __name__ == "__main__":
    main()
