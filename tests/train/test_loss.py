"""On a CPU the loss goes another way than TRL's, and comes to the same."""

from pathlib import Path
from typing import Any

import pytest

from tests.train.small_tokenizers import shared_tokenizer
from tests.train.tiny import rows
from train.loss import trainer_kind
from train.templates import MASKED, encode_rows, form_of

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # of packages that torch and TRL import
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.timeout(300),
]

R1 = "deepseek-ai/DeepSeek-R1-Distill-Qwen-1.5B"


def train(folder: Path, kind: Any, **settings: Any) -> tuple[list[dict[str, Any]], list[Any]]:
    """What each of four steps logged, and the weights after them. Two rows train nothing, such as fill_up() makes."""
    import torch
    from datasets import Dataset
    from transformers import LlamaConfig, LlamaForCausalLM
    from trl import SFTConfig

    tokenizer = shared_tokenizer(R1)
    encoded = encode_rows(tokenizer, rows()[:8], form_of(tokenizer, R1))
    columns = [{"input_ids": one.input_ids, "labels": one.labels} for one in encoded]
    torch.manual_seed(0)
    shape = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    trainer = kind(
        model=LlamaForCausalLM(LlamaConfig(vocab_size=len(tokenizer), max_position_embeddings=4096, **shape)),
        args=SFTConfig(
            output_dir=str(folder),
            use_cpu=True,
            bf16=False,
            report_to="none",
            disable_tqdm=True,
            gradient_checkpointing=False,
            optim="sgd",  # AdamW makes a whole step of what rounding leaves where a gradient is nil
            learning_rate=1.0,
            gradient_accumulation_steps=2,
            max_steps=4,
            logging_steps=1,
            **settings,
        ),
        train_dataset=Dataset.from_list(columns),
        processing_class=tokenizer,
    )
    if not settings.get("packing"):
        blank = {**columns[0], "labels": [MASKED] * len(columns[0]["labels"])}
        trainer.train_dataset = Dataset.from_list([*columns[:6], blank, blank])
    trainer.train()
    return [line for line in trainer.state.log_history if "loss" in line], list(trainer.model.parameters())


@pytest.mark.parametrize(
    "settings",
    [
        {"per_device_train_batch_size": 1, "max_length": None},
        {"per_device_train_batch_size": 2, "max_length": None},
        {"per_device_train_batch_size": 1, "max_length": 1024, "packing": True},
    ],
    ids=["one row", "padded rows", "packed rows"],
)
def test_the_loss_and_the_weights_are_those_of_trl(settings: dict[str, Any], tmp_path: Path) -> None:
    import torch
    from trl import SFTTrainer

    theirs, their_weights = train(tmp_path / "theirs", SFTTrainer, **settings)
    ours, our_weights = train(tmp_path / "ours", trainer_kind(), **settings)
    assert [line["loss"] for line in ours] == pytest.approx([line["loss"] for line in theirs], rel=1e-5)
    assert [line["num_tokens"] for line in ours] == [line["num_tokens"] for line in theirs]
    assert all(torch.allclose(our, their, atol=1e-5) for our, their in zip(our_weights, their_weights, strict=True))
    assert "entropy" in theirs[0]
    assert "entropy" not in ours[0], "it would have gone TRL's way"


def test_more_logits_than_may_be_held_go_through_trls_tiles(tmp_path: Path) -> None:
    logs, _ = train(tmp_path, trainer_kind(most_logits=0), per_device_train_batch_size=1, max_length=None)
    assert "entropy" in logs[0]
