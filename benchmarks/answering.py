"""Tokens a second in batches against one by one, and how long 150 prompts take, with the small model on this machine.

python benchmarks/answering.py [--batch 64] [--pairs 5] [--threads N] [--model FOLDER] [--precision bf16|fp32]

One by one and in a batch are run in turn, `--pairs` times, on the same prompts, and the median ratio is told: other
work on the machine then slows both. `SAME` is on how many prompts both say the same, token by token. Prompts that no
model has trained on, at most 200 new tokens each.
"""

import argparse
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from curation.embedded import cache_folder, fetch
from train.answering import Answer, answer
from train.heldout import held_out
from train.student import from_gguf

PROMPTS, LIMIT, ALONE = 150, 200, 8


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--batch", type=int, default=64)
    options.add_argument("--pairs", type=int, default=5)
    options.add_argument("--threads", type=int)
    options.add_argument("--model", type=Path, help="a Transformers folder; by default the small model")
    options.add_argument("--precision", choices=["bf16", "fp32"], default="bf16")
    given = options.parse_args()
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    if given.threads:
        torch.set_num_threads(given.threads)
    folder = str(given.model or from_gguf(fetch(None), cache_folder()))
    dtype = torch.bfloat16 if given.precision == "bf16" else torch.float32
    model, tokenizer = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype), AutoTokenizer.from_pretrained(folder)
    prompts = [
        tokenizer.apply_chat_template(
            [{"role": "user", "content": prompt.prompt}], add_generation_prompt=True, return_dict=False
        )
        for prompt in held_out(())
    ]

    def run(some: Sequence[list[int]], batch: int) -> tuple[float, list[Answer]]:
        start = time.perf_counter()
        answers = answer(model, tokenizer, some, [tokenizer.eos_token_id], LIMIT, batch)
        return time.perf_counter() - start, answers

    print(f"{folder}: {given.precision}, {torch.get_num_threads()} threads, batches of {given.batch}")
    run(prompts[:2], 2)  # whatever is done only once
    measure_pairs(run, prompts, given.batch, given.pairs)
    seconds, answers = run([prompts[at % len(prompts)] for at in range(PROMPTS)], given.batch)
    tokens = sum(one.new_tokens for one in answers)
    stopped = sum(one.stopped for one in answers)
    print(f"{PROMPTS} prompts: {seconds:.0f} s, {tokens} tokens, {tokens / seconds:.0f} tokens/s, {stopped} stopped")


def measure_pairs(run: Any, prompts: list[list[int]], batch: int, pairs: int) -> None:
    ratios = []
    for pair in range(pairs):
        few = prompts[pair * ALONE : (pair + 1) * ALONE]
        alone_seconds, alone = run(few, 1)
        seconds, together = run((few + prompts)[:batch], batch)
        one = sum(said.new_tokens for said in alone) / alone_seconds
        many = sum(said.new_tokens for said in together) / seconds
        same = sum(first.ids == then.ids for first, then in zip(alone, together, strict=False))
        ratios.append(many / one)
        print(f"one by one {one:.0f} tokens/s, in a batch {many:.0f}: x {many / one:.1f}; SAME {same} of {ALONE}")
    print(f"median x {statistics.median(ratios):.1f}, of {pairs} pairs")


if __name__ == "__main__":
    main()
