"""A finished run's record, made by hand."""

from typing import Any

from schemas.training import Proof, Recipe, RowLength, RunConfig, RunRecord

MODEL = "deepseek-ai/DeepSeek-R1-Distill-Qwen-7B"


def record(recipe: Recipe | None = None, **changes: Any) -> RunRecord:
    config = RunConfig(
        **{
            "name": "first",
            "preset": "r1-distill-qwen-7b",
            "model": MODEL,
            "model_path": MODEL,
            "model_revision": "916b56a",
            "release": "org/mild@v1",
            "release_sha256": "ab" * 32,
            "structure": "alttrain",
            "recipe": recipe or Recipe(),
        }
        | {name: value for name, value in changes.items() if name in RunConfig.model_fields}
    )
    proof = Proof(
        family="r1",
        stop="<｜end▁of▁sentence｜>",
        rows=160,
        rows_by_label={"harmful": 120, "benign": 40},
        tokens=40_000,
        trained_tokens=30_000,
        masked_tokens=10_000,
        trained_by_label={"harmful": 12_000, "benign": 18_000},
        longest=RowLength(id="d1.1", tokens=2_345),
        epochs=15,
        steps=300,
        tokens_a_step=2_000,
    )
    told = {
        "config": config,
        "proof": proof,
        "versions": {"python": "3.11.9", "alttrain": "0.1.0", "torch": "2.13.0", "trl": "1.16.0"},
        "git": "340d2b5+",
        "device": "2 CPU cores",
        "processes": 1,
        "seconds": 512.4,
        "seconds_to_first_step": 12.0,
        "steps": 300,
        "resumed_at": (),
        "tokens_per_second": 1234.5,
        "peak_memory_bytes": 2_900_000_000,
        "first_loss": 3.21,
        "final_loss": 0.456,
        "weights_sha256": "cd" * 32,
        "times_a_row": (15, 15),
        "trained_ids": ("d1.1",),
        "trained_families": ("f1",),
        "trained_sources": ("tests/mild:set", "UCSC-VLAA/STAR-1:HarmBench"),
    }
    return RunRecord(**told | {name: value for name, value in changes.items() if name in RunRecord.model_fields})
