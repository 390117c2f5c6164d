"""A model that trains in seconds and a run that trains it."""

import json
import shutil
from pathlib import Path
from typing import Any

from exports.dataset import rows_of
from schemas.release import SftRow
from schemas.training import Recipe, RunConfig
from tests.release_rows import few, many
from train.record import create

RECIPE = Recipe(
    learning_rate=1e-3,
    epochs=2,
    warmup_steps=2,
    batch_rows=2,
    device_rows=1,
    max_tokens=2048,
    precision="fp32",
    gradient_checkpointing=False,
)


def rows() -> list[SftRow]:
    return rows_of([*few(), *many(6, 5)])


def save_model(folder: Path) -> Path:
    """A random Llama of two layers with a Qwen3 tokenizer in small."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    from tests.exports.small_tokenizer import small_tokenizer

    tokenizer = small_tokenizer("qwen3", [text for row in rows() for text in (row.instruction, row.response)])
    torch.manual_seed(0)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=2,
            max_position_embeddings=4096,
        )
    )
    model.save_pretrained(str(folder))
    tokenizer.save_pretrained(str(folder))
    return folder


def change(model: Path, folder: Path, name: str, content: object = None, **values: Any) -> Path:
    """A copy of the model in `folder`, its file `name` with other values in it or with another content."""
    shutil.copytree(model, folder)
    if values:
        content = json.loads((folder / name).read_text("utf-8")) | values
    (folder / name).write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return folder


def make_run(folder: Path, model: Path, recipe: Recipe = RECIPE, **changes: Any) -> Path:
    config = RunConfig(
        name=folder.name,
        preset="tiny",
        model="tiny",
        model_path=str(model),
        release="v1",
        release_sha256="0" * 64,
        structure="alttrain",
        recipe=recipe,
        threads=1,
        sample_prompts=2,
        sample_tokens=8,
    )
    given = rows()
    create(folder, config.model_copy(update=changes), given[:-2], given[-2:])
    return folder
