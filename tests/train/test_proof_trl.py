"""The labels that TRL trains are ours, and its steps are as many as were counted before."""

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from exports.dataset import rows_of
from schemas.training import Recipe
from tests.release_rows import few, many
from tests.train.small_tokenizers import shared_tokenizer
from train.proof import packed, prove, steps_of
from train.templates import MASKED, Encoded, encode_rows, form_of

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # of packages that torch and TRL import
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.timeout(300),
]

R1 = "deepseek-ai/DeepSeek-R1-Distill-Qwen-1.5B"
ROWS = rows_of([*few(), *many(6, 5)])


@pytest.fixture(scope="module")
def encoded() -> list[Encoded]:
    tokenizer = shared_tokenizer(R1)
    return encode_rows(tokenizer, ROWS, form_of(tokenizer, R1))


def trainer_of(encoded: Sequence[Encoded], folder: Path, **settings: Any) -> Any:
    from datasets import Dataset
    from transformers import LlamaConfig, LlamaForCausalLM
    from trl import SFTConfig, SFTTrainer

    tokenizer = shared_tokenizer(R1)
    shape = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    machine: dict[str, Any] = {"use_cpu": True, "bf16": False, "report_to": "none", "disable_tqdm": True}
    return SFTTrainer(
        model=LlamaForCausalLM(LlamaConfig(vocab_size=len(tokenizer), max_position_embeddings=4096, **shape)),
        args=SFTConfig(output_dir=str(folder), **machine, **settings),
        train_dataset=Dataset.from_list([{"input_ids": one.input_ids, "labels": one.labels} for one in encoded]),
        processing_class=tokenizer,
    )


def test_trl_leaves_our_labels_as_they_are_and_cuts_nothing(encoded: list[Encoded], tmp_path: Path) -> None:
    trainer = trainer_of(encoded, tmp_path, max_length=None)
    assert trainer.train_dataset["input_ids"] == [one.input_ids for one in encoded]
    assert trainer.train_dataset["labels"] == [one.labels for one in encoded]


def test_trls_own_length_would_cut_the_answer_with_no_error(encoded: list[Encoded], tmp_path: Path) -> None:
    length = max(len(one.input_ids) for one in encoded) - 1
    cut = trainer_of(encoded, tmp_path, max_length=length).train_dataset["labels"]
    assert sum(map(len, cut)) < sum(len(one.labels) for one in encoded)


def test_a_mask_instead_of_labels_would_train_the_prompt(encoded: list[Encoded], tmp_path: Path) -> None:
    from datasets import Dataset

    trainer = trainer_of(encoded, tmp_path, max_length=None)
    masks = [{"input_ids": one.input_ids, "completion_mask": [int(x != MASKED) for x in one.labels]} for one in encoded]
    prepared = trainer._prepare_dataset(
        Dataset.from_list(masks), trainer.processing_class, trainer.args, False, None, "train"
    )
    assert prepared["labels"] == prepared["input_ids"]


@pytest.mark.parametrize("extra", [0, 100])
def test_packing_keeps_every_row_whole_with_its_labels(encoded: list[Encoded], tmp_path: Path, extra: int) -> None:
    length = max(len(one.input_ids) for one in encoded) + extra
    trainer = trainer_of(encoded, tmp_path, max_length=length, packing=True, packing_strategy="bfd")
    found = []
    for pack in trainer.train_dataset:
        assert len(pack["input_ids"]) == sum(pack["seq_lengths"]) <= length
        at = 0
        for size in pack["seq_lengths"]:
            found.append((pack["input_ids"][at : at + size], pack["labels"][at : at + size]))
            at += size
    assert sorted(found) == sorted((one.input_ids, one.labels) for one in encoded)
    assert len(trainer.train_dataset) == packed([len(one.input_ids) for one in encoded], length)


@pytest.mark.parametrize("count", [1, 50, 1000, 1001, 2300])
def test_packs_are_counted_as_trl_packs(count: int) -> None:
    from datasets import Dataset
    from trl.data_utils import pack_dataset

    draw = random.Random(count)
    lengths = [draw.choice((draw.randint(1, 60), draw.randint(60, 200))) for _ in range(count)]
    dataset = Dataset.from_list([{"input_ids": [1] * length, "labels": [1] * length} for length in lengths])
    assert packed(lengths, 300) == len(pack_dataset(dataset, 300, "bfd"))


@pytest.mark.parametrize(
    "recipe",
    [
        Recipe(batch_rows=4, epochs=3),
        Recipe(batch_rows=4, device_rows=2, epochs=1),
        Recipe(batch_rows=6, device_rows=3, epochs=2.5),
        Recipe(batch_rows=32, epochs=2),
        Recipe(batch_rows=1, epochs=0.3),
        Recipe(batch_rows=2, epochs=2, packing=True, max_tokens=300),
    ],
    ids=lambda recipe: f"{recipe.batch_rows}-{recipe.device_rows}-{recipe.epochs}-{recipe.packing}",
)
def test_steps_are_as_many_as_transformers_trains(tmp_path: Path, recipe: Recipe) -> None:
    tokenizer = shared_tokenizer(R1)
    form, rows = form_of(tokenizer, R1), rows_of(many(6, 5))
    encoded = encode_rows(tokenizer, rows, form)
    trainer = trainer_of(
        encoded,
        tmp_path,
        max_length=recipe.max_tokens if recipe.packing else None,
        packing=recipe.packing,
        per_device_train_batch_size=recipe.device_rows,
        gradient_accumulation_steps=recipe.batch_rows // recipe.device_rows,
        num_train_epochs=recipe.epochs,
        learning_rate=1e-4,
        save_strategy="no",
        logging_strategy="no",
    )
    proof = prove(tokenizer, form, rows, encoded, recipe)
    assert trainer.train().global_step == proof.steps


@pytest.mark.parametrize("devices", [1, 2, 3, 8])
@pytest.mark.parametrize("count", [1, 16, 17, 47, 48, 100])
def test_rows_are_dealt_to_devices_as_accelerate_does(count: int, devices: int) -> None:
    from accelerate.data_loader import BatchSamplerShard
    from torch.utils.data import BatchSampler, SequentialSampler

    sampler = BatchSampler(SequentialSampler(range(count)), batch_size=2, drop_last=False)
    batches = {len(BatchSamplerShard(sampler, devices, process_index)) for process_index in range(devices)}
    assert batches == {steps_of([9] * count, Recipe(batch_rows=2 * devices, device_rows=2, epochs=1), devices)}
