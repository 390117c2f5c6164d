"""What is trained, read back from the labels of TRL's own SFTTrainer. Its settings are stock, but for those of the
machine (no GPU) and of reporting."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from exports.dataset import rows_of
from exports.layout import as_columns
from exports.render import FAMILIES, loading_hint, render
from schemas.errors import ReleaseError
from schemas.release import Message, SftRow
from schemas.think import CLOSE, OPEN
from tests.exports.release_folder import SETTINGS, write
from tests.release_rows import approve, few, many

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # of packages that torch and TRL import
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.timeout(300),
]

IGNORED = -100
LONG = approve(
    "Count the stations of the line, one by one, and say how many there are.",
    branch="benign",
    trace="The user asks me to count stations. " + "And here is one more station on the line. " * 400,
    answer="There are four hundred stations.",
    reason="counting stations hurts nobody",
)
APPROVED = [*few(), *many(4, 4)]


class Trained(NamedTuple):
    """A row as the trainer has it: the text that it learns to say, and the tokens that it is only given."""

    text: str
    given: list[int]


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("releases") / "v1"
    write(folder, [*APPROVED, LONG], renders=tuple(FAMILIES), settings=SETTINGS.model_copy(update={"test_percent": 0}))
    return folder


@pytest.fixture(scope="module")
def load(tmp_path_factory: pytest.TempPathFactory, release: Path) -> Callable[..., Any]:
    from datasets import load_dataset

    cache = str(tmp_path_factory.mktemp("cache"))
    return lambda name, *config, split: load_dataset(name, *config, split=split, cache_dir=cache)


@pytest.fixture(scope="module", params=list(FAMILIES))
def family(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def tokenizer(family: str) -> Any:
    from tests.exports.small_tokenizer import small_tokenizer

    return small_tokenizer(family, [text for row in rows_of(APPROVED) for text in (row.instruction, row.response)])


@pytest.fixture
def config(tmp_path: Path) -> Callable[..., Any]:
    from trl import SFTConfig

    def make(**settings: Any) -> Any:
        machine: dict[str, Any] = {"use_cpu": True, "bf16": False, "report_to": "none", "disable_tqdm": True}
        return SFTConfig(output_dir=str(tmp_path / "out"), **machine, **settings)

    return make


def trainer_of(dataset: Any, args: Any, tokenizer: Any) -> Any:
    from transformers import LlamaConfig, LlamaForCausalLM
    from trl import SFTTrainer

    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=16,
            intermediate_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            max_position_embeddings=16384,
        )
    )
    return SFTTrainer(model=model, args=args, train_dataset=dataset, processing_class=tokenizer)


def trained(trainer: Any, ids: list[str]) -> dict[str, Trained]:
    """By row id: what the labels hold. Asserts that they are one run of tokens up to the end."""
    told = {}
    for row_id, row in zip(ids, trainer.train_dataset, strict=True):
        labels = row["labels"]
        first = next((at for at, label in enumerate(labels) if label != IGNORED), len(labels))
        assert labels[first:] == row["input_ids"][first:]
        told[row_id] = Trained(trainer.processing_class.decode(labels[first:]), row["input_ids"][:first])
    return told


def given_at_inference(tokenizer: Any, row: SftRow) -> list[int]:
    messages = [message.model_dump() for message in row.prompt]
    ids = tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=True)["input_ids"]
    return list(ids)


def stages(row: SftRow) -> Iterator[str]:
    for span in row.spans:
        yield row.completion[0].content[span.start : span.end]


ROWS = {row.id: row for row in rows_of([*APPROVED, LONG])}
LONG_ID = LONG.id


def test_stock_sfttrainer_trains_every_stage_of_a_rendered_row_up_to_the_stop_token(
    family: str, tokenizer: Any, release: Path, load: Callable[..., Any], config: Callable[..., Any]
) -> None:
    dataset = load(str(release), family, split="train")
    trainer = trainer_of(dataset, config(), tokenizer)
    told = trained(trainer, dataset["id"])
    assert set(told) == set(ROWS)
    for row_id, row in ROWS.items():
        assert told[row_id].given == given_at_inference(tokenizer, row)
        if row_id == LONG_ID:
            continue
        assert told[row_id].text == render(row, family).completion
        assert told[row_id].text.count(FAMILIES[family].stop) == 1
        assert told[row_id].text.endswith(row.completion[0].content.split(CLOSE)[1] + FAMILIES[family].stop)
        for stage in stages(row):
            assert stage in told[row_id].text


def test_the_defaults_cut_a_long_row_and_no_max_length_keeps_it_whole(
    family: str, tokenizer: Any, release: Path, load: Callable[..., Any], config: Callable[..., Any]
) -> None:
    dataset = load(str(release), family, split="train").filter(lambda row: row["id"] == LONG_ID)
    cut = trained(trainer_of(dataset, config(), tokenizer), [LONG_ID])[LONG_ID].text
    assert LONG.trace.answer not in cut
    whole = trained(trainer_of(dataset, config(max_length=None), tokenizer), [LONG_ID])[LONG_ID].text
    assert whole == render(ROWS[LONG_ID], family).completion


def test_the_two_lines_train_every_stage_of_the_default_config(
    family: str, tokenizer: Any, release: Path, load: Callable[..., Any], config: Callable[..., Any]
) -> None:
    lines = loading_hint(family, repo=str(release))
    assert len(lines.splitlines()) == 2
    said: dict[str, Any] = {"load_dataset": load, "SFTConfig": config}
    exec(lines, said)
    told = trained(trainer_of(said["dataset"], said["args"], tokenizer), said["dataset"]["id"])
    assert set(told) == set(ROWS)
    for row_id, row in ROWS.items():
        assert told[row_id].given == given_at_inference(tokenizer, row)
        # Qwen3's template goes on with the newline that parts two turns.
        assert told[row_id].text.removesuffix("\n") == render(row, family).completion


def test_without_the_setting_an_r1_template_trains_no_reasoning_at_all(
    release: Path, load: Callable[..., Any], config: Callable[..., Any]
) -> None:
    from tests.exports.small_tokenizer import small_tokenizer

    tokenizer = small_tokenizer("r1", [row.response for row in ROWS.values()])
    dataset = load(str(release), split="train")
    told = trained(trainer_of(dataset, config(), tokenizer), dataset["id"])
    for row_id, row in ROWS.items():
        *reasoning, answer = stages(row)
        assert answer in told[row_id].text
        assert not [stage for stage in reasoning if stage in told[row_id].text]


def test_qwen3_needs_no_setting_but_the_length(
    release: Path, load: Callable[..., Any], config: Callable[..., Any]
) -> None:
    from tests.exports.small_tokenizer import small_tokenizer

    assert FAMILIES["qwen3"].setting == ""
    tokenizer = small_tokenizer("qwen3", [row.response for row in ROWS.values()])
    dataset = load(str(release), split="train")
    told = trained(trainer_of(dataset, config(), tokenizer), dataset["id"])
    for row_id, row in ROWS.items():
        if row_id != LONG_ID:
            assert told[row_id].text == render(row, "qwen3").completion + "\n"


def test_a_step_of_training_takes_every_column_of_both_configs(
    family: str, tokenizer: Any, release: Path, load: Callable[..., Any], config: Callable[..., Any]
) -> None:
    for name in ("default", family):
        dataset = load(str(release), name, split="train").filter(lambda row: row["id"] != LONG_ID)
        trainer = trainer_of(dataset, config(max_steps=1, save_strategy="no", logging_strategy="no"), tokenizer)
        batch = next(iter(trainer.get_train_dataloader()))
        assert set(batch) >= {"input_ids", "labels"}
        assert trainer.train().global_step == 1


def test_a_rendered_row_is_what_the_familys_template_renders(family: str, tokenizer: Any) -> None:
    for row in ROWS.values():
        messages = [message.model_dump() for message in row.prompt]
        said = tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
        rendered = render(row, family)
        assert rendered.prompt == said.removeprefix(tokenizer.bos_token or "")
        if family == "qwen3":
            whole = [*messages, *(message.model_dump() for message in row.completion)]
            said = tokenizer.apply_chat_template(whole, tokenize=False)
            assert rendered.prompt + rendered.completion == said.removesuffix("\n")


def test_a_rendered_completion_goes_on_where_the_prompt_stops() -> None:
    row = next(iter(ROWS.values()))
    r1, qwen3 = render(row, "r1"), render(row, "qwen3")
    assert r1.prompt.endswith(f"{OPEN}\n")
    assert r1.completion == f"{row.response}<｜end▁of▁sentence｜>"
    assert OPEN not in qwen3.prompt
    assert qwen3.completion == f"{row.completion[0].content}<|im_end|>"


def test_only_single_turn_rows_are_rendered() -> None:
    row = next(iter(ROWS.values()))
    more = row.model_copy(update={"prompt": (Message(role="system", content="Be brief."), *row.prompt)})
    with pytest.raises(ValueError, match="not one user message"):
        render(more, "r1")


def test_a_stop_token_inside_a_completion_is_refused_with_its_row(tmp_path: Path, family: str) -> None:
    stopping = approve(
        f"What does {FAMILIES[family].stop} mean?",
        branch="benign",
        trace="The user asks about a token. It ends a turn.",
        answer=f"{FAMILIES[family].stop} ends a turn.",
        reason="a token hurts nobody",
    )
    with pytest.raises(ReleaseError, match=f"stop token stands inside the text of {stopping.id}"):
        write(tmp_path / "v1", [*few(), stopping], renders=(family,))
    other = next(name for name in FAMILIES if name != family)
    write(tmp_path / "v1", [*few(), stopping], renders=(other,))


def test_columns_of_a_rendered_row_are_plain_strings(family: str) -> None:
    for row in ROWS.values():
        assert all(isinstance(value, str) for value in as_columns(render(row, family)).values())
