from pathlib import Path

import pytest

from schemas.errors import UsageError
from schemas.training import Preset, Recipe
from tests.train.model_configs import CONFIGS
from train.estimate import estimate, memory
from train.gpus import find_gpu
from train.preset import PACKAGED, load_preset, parse_preset, preset_names
from train.shape import shape_of

ON_GPUS = [name for name in preset_names() if load_preset(name).gpus]


def test_the_backbones_of_the_papers_have_presets() -> None:
    assert preset_names() == [
        "qwen3-4b",
        "qwen3-8b",
        "r1-distill-llama-8b",
        "r1-distill-qwen-1.5b",
        "r1-distill-qwen-14b",
        "r1-distill-qwen-32b",
        "r1-distill-qwen-7b",
        "s1-14b",
        "s1-32b",
        "smollm2-cpu",
        "star1-full",
    ]


@pytest.mark.parametrize("name", preset_names())
def test_a_preset_has_its_file_s_name_and_its_model_s_sizes(name: str) -> None:
    preset = load_preset(name)
    assert preset.name == name
    assert preset.shape == shape_of(CONFIGS[name])


@pytest.mark.parametrize("name", ON_GPUS)
def test_the_memory_of_a_preset_is_what_is_reckoned_and_fits_its_gpu(name: str) -> None:
    preset = load_preset(name)
    assert preset.gpu is not None
    reckoned = estimate(
        preset.shape,
        preset.recipe,
        find_gpu(preset.gpu),
        preset.gpus,
        rows=1000,
        tokens=250_000,
        longest=preset.recipe.max_tokens,
    )
    assert reckoned.memory == preset.memory
    assert reckoned.fits


@pytest.mark.parametrize("name", preset_names())
def test_no_preset_says_that_a_gpu_has_run_it(name: str) -> None:
    assert load_preset(name).run_on.endswith("not yet run on a GPU")


@pytest.mark.parametrize("name", [name for name in ON_GPUS if name != "star1-full"])
def test_lora_presets_follow_r1_act(name: str) -> None:
    batch_rows = 16 if name == "r1-distill-qwen-1.5b" else 8
    assert load_preset(name).recipe == Recipe(batch_rows=batch_rows)


def test_star1_trains_all_weights() -> None:
    recipe = load_preset("star1-full").recipe
    assert (recipe.method, recipe.epochs, recipe.learning_rate, recipe.batch_rows) == ("full", 5, 1e-5, 128)
    assert recipe.warmup_percent == 5


def test_the_cpu_preset_is_as_it_was_tried() -> None:
    preset = load_preset("smollm2-cpu")
    assert (preset.model, preset.gpus, preset.gpu) == ("embedded", 0, None)
    recipe = preset.recipe
    assert (recipe.method, recipe.lora_rank, recipe.precision) == ("lora", 16, "bf16")
    assert (recipe.learning_rate, recipe.epochs, recipe.gradient_checkpointing) == (3e-3, 3, False)


def test_a_preset_of_one_s_own_is_read_from_its_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    text = (PACKAGED / "smollm2-cpu.yaml").read_text("utf-8")
    path.write_text(text.replace("name: smollm2-cpu", "name: mine"), encoding="utf-8")
    assert load_preset(str(path)).name == "mine"
    assert isinstance(load_preset(str(path)), Preset)


def test_a_misspelt_preset_is_told_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"no preset 'r1-distil-llama-8b'; did you mean 'r1-distill-llama-8b'\?"):
        load_preset("r1-distil-llama-8b")


TEXT = (PACKAGED / "smollm2-cpu.yaml").read_text("utf-8")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (TEXT.replace("learning_rate:", "learnin_rate:"), "'recipe.learnin_rate'; did you mean 'learning_rate'?"),
        (TEXT.replace("layers:", "layer:"), "'shape.layer'; did you mean 'layers'?"),
        (TEXT.replace("gpus: 0", "gpu_s: 0"), "'gpu_s'; did you mean 'gpus'?"),
        (TEXT + "qqq: 1\n", "'qqq'; known keys: name, about, model,"),
        (TEXT.replace("epochs: 3", "epochs: much"), "recipe.epochs: Input should be a valid number"),
        (TEXT.replace("device_rows: 1", "device_rows: 3"), "recipe: batch_rows (1) is no multiple of device_rows (3)"),
        ("name: [", "x.yaml:1: not valid YAML"),
        ("", "the file: Input should be a valid dictionary"),
        ("name: 2026-13-45\n", "not valid YAML"),
    ],
)
def test_a_preset_that_cannot_be_used_is_told_in_one_line(text: str, said: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse_preset(text, "x.yaml")
    assert said in str(refused.value)
    assert str(refused.value).startswith("x.yaml")
    assert "\n" not in str(refused.value)


def test_a_file_that_is_not_there_or_no_text_is_told_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file"):
        load_preset(str(tmp_path / "none.yaml"))
    (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match="not UTF-8"):
        load_preset(str(tmp_path / "bytes.yaml"))
    with pytest.raises(UsageError, match="cannot be read"):
        load_preset(f"{tmp_path}/")


@pytest.mark.parametrize("name", ON_GPUS)
def test_the_docs_say_what_is_reckoned(name: str) -> None:
    preset = load_preset(name)
    gigabytes = [sum(part.gb for part in preset.memory)]
    if preset.recipe.method == "lora":
        quantised = preset.recipe.model_copy(update={"method": "qlora"})
        gigabytes.append(sum(part.gb for part in memory(preset.shape, quantised, 1, preset.recipe.max_tokens)))
    page = (Path(__file__).parents[2] / "docs" / "training.md").read_text("utf-8")
    row = next(line for line in page.splitlines() if line.startswith(f"| `{name}` |"))
    assert [cell.strip() for cell in row.split("|")[4:-1] if cell.strip()] == [f"{size:.1f}" for size in gigabytes]
