"""A real run with real TRL, on a model that trains in seconds."""

import io
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Literal

import pytest

from schemas.errors import TrainError
from schemas.training import RunRecord, Sample
from tests.train.tiny import RECIPE, change, make_run, rows, save_model
from train.answering import answer
from train.launch import command
from train.merge import merge
from train.record import COMPLETE, last_checkpoint, read_record, read_rows, read_samples, write_samples
from train.sft import main, run
from train.templates import form_of, prompt_ids

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # of packages that torch and TRL import
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.timeout(300),
]


def quiet(line: str) -> None:
    pass


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_model(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, model: Path) -> Path:
    """A run from its start to its end."""
    folder = make_run(tmp_path_factory.mktemp("runs") / "whole", model)
    run(folder, say=quiet)
    return folder


def record_of(folder: Path) -> RunRecord:
    record = read_record(folder)
    assert record is not None
    return record


def test_a_run_trains_every_row_once_an_epoch_and_keeps_its_record(whole: Path) -> None:
    record = record_of(whole)
    assert record.times_a_row == (2, 2)
    assert record.proof.rows == len(rows()) - 2 == len(record.trained_ids)
    assert record.steps == record.proof.steps
    assert record.resumed_at == ()
    assert record.final_loss < record.first_loss
    for name in ("proof.json", "loss.csv", "loss.png", "samples.jsonl", "samples.harmful.jsonl", "log.jsonl"):
        assert (whole / name).stat().st_size >= 0
    assert "harmful" not in {line.split('"label": "')[1][:7] for line in (whole / "samples.jsonl").open()}


def test_a_run_that_was_killed_goes_on_and_ends_in_the_same_weights(tmp_path: Path, model: Path, whole: Path) -> None:
    folder = make_run(tmp_path / "killed", model)
    child = subprocess.Popen([sys.executable, "-m", "train.sft", str(folder)], stderr=subprocess.DEVNULL)
    while child.poll() is None and last_checkpoint(folder) is None:
        time.sleep(0.005)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    assert read_record(folder) is None
    run(folder, say=quiet)
    record = record_of(folder)
    assert record.resumed_at
    assert record.weights_sha256 == record_of(whole).weights_sha256
    assert (folder / "loss.csv").read_text().count("\n") == (whole / "loss.csv").read_text().count("\n")


def test_a_run_that_was_stopped_after_its_last_step_only_writes_what_is_missing(tmp_path: Path, whole: Path) -> None:
    folder = shutil.copytree(whole, tmp_path / "stopped")
    (folder / "record.json").unlink()
    record, before = run(folder, say=quiet), record_of(whole)
    assert (record.weights_sha256, record.steps, record.resumed_at) == (before.weights_sha256, before.steps, ())
    assert record.tokens_per_second == before.tokens_per_second
    assert read_samples(folder) == read_samples(whole)


@pytest.mark.parametrize("method", ["lora", "full"])
def test_answers_before_are_those_of_the_untrained_model(
    tmp_path: Path, model: Path, method: Literal["lora", "full"]
) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = make_run(tmp_path / "run", model, RECIPE.model_copy(update={"method": method, "learning_rate": 1e-2}))
    run(folder, say=quiet)
    tokenizer = AutoTokenizer.from_pretrained(str(model))
    form = form_of(tokenizer, "tiny")
    tests = read_rows(folder / "test.jsonl")
    ids = [prompt_ids(tokenizer, row, form, "") for row in tests]
    untrained = AutoModelForCausalLM.from_pretrained(str(model))
    said = [one.text for one in answer(untrained, tokenizer, ids, [form.stop_id], 8, batch_size=2)]
    samples = read_samples(folder)
    assert [samples[row.id].before for row in tests] == said
    assert [samples[row.id].after for row in tests] != said


def test_with_all_weights_trained_the_answers_before_outlive_a_stop(tmp_path: Path, model: Path) -> None:
    folder = make_run(tmp_path / "stopped", model, RECIPE.model_copy(update={"method": "full"}))
    kept = [
        Sample(id=row.id, label=row.label, prompt=row.instruction, before="as it was kept", after="")
        for row in read_rows(folder / "test.jsonl")
    ]
    write_samples(folder, kept)
    run(folder, say=quiet)
    assert [one.before for one in read_samples(folder).values()] == ["as it was kept"] * 2, "asked again"


def test_a_checkpoint_that_was_not_written_to_its_end_is_never_gone_on_from(whole: Path, tmp_path: Path) -> None:
    (tmp_path / "checkpoints" / "checkpoint-9").mkdir(parents=True)
    assert last_checkpoint(tmp_path) is None
    (tmp_path / "checkpoints" / "checkpoint-9" / COMPLETE).touch()
    assert last_checkpoint(tmp_path) == tmp_path / "checkpoints" / "checkpoint-9"


FULL_ONCE = """
import subprocess, sys
from pathlib import Path
from train.record import last_checkpoint
from train.sft import main

checkpoints = Path(sys.argv[1], "checkpoints")
checkpoints.mkdir()
subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={sys.argv[2]}", "tmpfs", checkpoints], check=True)
print(main([sys.argv[1]]), last_checkpoint(checkpoints.parent).name, flush=True)
subprocess.run(["mount", "-o", "remount,size=100m", checkpoints], check=True)
print(main([sys.argv[1]]))
"""


@pytest.mark.parametrize("writer", ["safetensors", "torch"])
def test_a_disk_that_is_full_at_a_checkpoint_is_one_line_and_the_run_goes_on_once_there_is_room(
    tmp_path: Path, model: Path, whole: Path, writer: str
) -> None:
    """A real small disk, in a namespace where anyone may mount one."""
    if subprocess.run(["unshare", "-rm", "true"], capture_output=True, check=False).returncode:
        pytest.skip("this system lets no user mount a disk of their own")
    folder = make_run(tmp_path / "full", model)
    last = whole / "checkpoints" / f"checkpoint-{record_of(whole).steps}"
    taken = sum(-(-path.stat().st_size // 4096) * 4096 for path in last.iterdir())
    # One checkpoint fits, and of the next one all before the file that the writer writes, or a part of that.
    room = taken + {"safetensors": 40_000, "torch": 200_000}[writer]
    done = subprocess.run(
        ["unshare", "-rm", sys.executable, "-c", FULL_ONCE, str(folder), str(room)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert [line for line in done.stdout.splitlines() if line[0].isdigit()] == ["8 checkpoint-4", "0"], done.stderr
    assert done.stderr.splitlines() == [  # no warning that nobody can act on is among it
        f"train: {folder}: the disk is full; what was written whole stands: make room, and go on with --resume from "
        "the last whole checkpoint"
    ]
    assert record_of(folder).resumed_at == (4,)
    assert record_of(folder).weights_sha256 == record_of(whole).weights_sha256


def test_two_processes_train_each_row_once_an_epoch_however_the_rows_part(tmp_path: Path, model: Path) -> None:
    folder = make_run(tmp_path / "two", model)
    assert (len(rows()) - 2) % 2, "an odd number of rows is what accelerate would fill up with real ones"
    done = subprocess.run(
        command(folder, 2, "none", cpu=True), capture_output=True, text=True, check=False, env={**os.environ}
    )
    assert done.returncode == 0, done.stderr
    record = record_of(folder)
    assert record.processes == 2
    assert record.steps == record.proof.steps == (folder / "log.jsonl").read_text().count("\n")
    assert record.times_a_row == (2, 2)


def test_packed_rows_reach_the_model_whole_and_once_an_epoch(tmp_path: Path, model: Path) -> None:
    folder = make_run(tmp_path / "packed", model, RECIPE.model_copy(update={"packing": True, "max_tokens": 1024}))
    record = run(folder, say=quiet)
    assert record.times_a_row == (2, 2)
    assert record.steps == record.proof.steps


def test_a_merged_model_says_what_the_adapted_one_says(tmp_path: Path, whole: Path) -> None:
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    out = tmp_path / "merged"
    merge(whole, out)
    base = AutoModelForCausalLM.from_pretrained(record_of(whole).config.model_path)
    adapted = PeftModel.from_pretrained(base, str(whole / "model"))
    ids = torch.tensor([[5, 6, 7, 8]])
    merged = AutoModelForCausalLM.from_pretrained(str(out))
    assert "- alttrain\n" in (whole / "model" / "README.md").read_text().partition("# ")[0]
    for card in (whole / "model" / "README.md", out / "README.md"):
        assert str(Path(record_of(whole).config.model_path)) not in card.read_text()
    assert torch.allclose(adapted(ids).logits, merged(ids).logits, atol=1e-4)
    with pytest.raises(TrainError, match="is there already"):
        merge(whole, out)


def test_an_eos_that_is_not_the_templates_stop_token_is_refused_unless_the_model_stops_at_both(
    tmp_path: Path, model: Path
) -> None:
    from transformers import AutoTokenizer, GenerationConfig

    tokenizer = AutoTokenizer.from_pretrained(str(model))
    stop, tokenizer.eos_token = tokenizer.eos_token_id, "<|endoftext|>"
    tokenizer.save_pretrained(str(tmp_path / "model"))
    shutil.copy(model / "config.json", tmp_path / "model")
    folder = make_run(tmp_path / "run", tmp_path / "model")
    with pytest.raises(TrainError, match=r"ends an answer with .* but inference stops at '<\|endoftext\|>'"):
        run(folder, say=quiet)
    GenerationConfig(eos_token_id=[tokenizer.eos_token_id, stop]).save_pretrained(str(tmp_path / "model"))
    with pytest.raises(TrainError, match="cannot be loaded"):  # the next thing that is asked for: there are no weights
        run(folder, say=quiet)


def test_a_run_folder_that_is_there_is_not_written_over(whole: Path) -> None:
    with pytest.raises(TrainError, match="--resume"):
        make_run(whole, Path())


def test_what_a_process_of_its_own_says_is_inert(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "\x1b[2Jrun")]) == 8
    said = capsys.readouterr().err
    assert "\\u001b[2Jrun" in said
    assert "\x1b" not in said


def refusal(folder: Path, model: Path, **recipe: Any) -> str:
    """What a run of the model says, in one line."""
    with pytest.raises(TrainError) as told:
        run(make_run(folder, model, RECIPE.model_copy(update=recipe)), say=quiet)
    assert "\n" not in str(told.value)
    return str(told.value)


OWN_CODE = """
from pathlib import Path
from transformers import PretrainedConfig, PreTrainedTokenizerFast

Path(r"{marker}").touch()
class Own(PretrainedConfig):
    model_type = "own"
class OwnTokenizer(PreTrainedTokenizerFast):
    pass
"""


@pytest.mark.parametrize(
    ("file", "values"),
    [
        (
            "config.json",
            {"model_type": "own", "auto_map": {"AutoConfig": "own.Own", "AutoModelForCausalLM": "own.Own"}},
        ),
        (
            "tokenizer_config.json",
            {"tokenizer_class": "Own", "auto_map": {"AutoTokenizer": [None, "own.OwnTokenizer"]}},
        ),
    ],
)
def test_code_that_comes_with_a_model_is_never_run_whoever_says_yes(
    tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch, file: str, values: dict[str, object]
) -> None:
    folder = change(model, tmp_path / "model", file, **values)
    (folder / "own.py").write_text(OWN_CODE.format(marker=tmp_path / "it-was-run"))
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n" * 9))
    assert "comes with code of its own, and such models are not loaded" in refusal(tmp_path / "run", folder)
    assert not (tmp_path / "it-was-run").exists()


def test_weights_that_would_be_random_are_refused_by_name_and_nothing_else_is_said(
    tmp_path: Path, model: Path, caplog: pytest.LogCaptureFixture
) -> None:
    more = change(model, tmp_path / "more", "config.json", num_hidden_layers=3)
    said = refusal(tmp_path / "lacking", more)
    assert "lack 9 of its weights, which would be random: model.layers.2.input_layernorm.weight, " in said
    assert said.count("model.layers.2.") == 3
    assert " and 6 more; fetch its files again" in said
    wider = change(model, tmp_path / "wider", "config.json", intermediate_size=128)
    said = refusal(tmp_path / "mismatched", wider)
    assert "hold in other sizes than its config 6 of its weights" in said
    assert "model.layers.0.mlp.down_proj.weight" in said
    assert "REPORT" not in caplog.text


@pytest.mark.parametrize(
    ("file", "content", "values"),
    [
        ("model.safetensors", b"", {}),
        ("model.safetensors", b"\x08\0\0\0\0\0\0\0{       ", {}),
        ("tokenizer.json", {}, {}),
        ("config.json", [], {}),
        ("config.json", None, {"hidden_size": "wide"}),
        ("config.json", None, {"num_attention_heads": 0}),
        ("config.json", None, {"architectures": ["BertForMaskedLM"]}),
        ("generation_config.json", [], {}),
        ("generation_config.json", None, {"eos_token_id": "<|im_end|>"}),
        ("chat_template.jinja", b"{{ 1 // 0 }}", {}),
    ],
)
def test_a_damaged_or_odd_file_of_a_model_is_one_line_that_names_the_model(
    tmp_path: Path, model: Path, file: str, content: object, values: dict[str, object]
) -> None:
    folder = change(model, tmp_path / "model", file, content, **values)
    assert "tiny" in refusal(tmp_path / "run", folder)


def test_a_model_that_is_gone_is_not_asked_for_on_the_hub(tmp_path: Path) -> None:
    assert f"its folder {tmp_path / 'gone'} is not there" in refusal(tmp_path / "run", tmp_path / "gone")


@pytest.mark.parametrize("target", ["c_attn", "input_layernorm", "mlp"])
def test_lora_targets_that_the_model_lacks_or_lora_cannot_change_are_refused(
    tmp_path: Path, model: Path, target: str
) -> None:
    said = refusal(tmp_path / "run", model, lora_targets=("q_proj", target))
    assert f"has no layer {target!r} that LoRA can change" in said
    assert "it has down_proj, gate_proj, " in said


@pytest.mark.parametrize("file", ["rows.jsonl", "test.jsonl"])
def test_rows_of_a_run_that_are_gone_or_torn_are_one_line(tmp_path: Path, model: Path, file: str) -> None:
    path = make_run(tmp_path / "run", model) / file
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(TrainError, match=rf"{file}: line \d+: not a SftRow"):
        run(tmp_path / "run", say=quiet)
    path.unlink()
    with pytest.raises(TrainError, match=f"{file}: is not there"):
        run(tmp_path / "run", say=quiet)


def test_what_cannot_be_merged_is_one_line_that_says_what_is_gone_or_torn(tmp_path: Path, whole: Path) -> None:
    def refusal(name: str, cut: int | None) -> str:
        folder = shutil.copytree(whole, tmp_path / f"{name}-{cut}", ignore=shutil.ignore_patterns("checkpoints"))
        path = folder / "model" / name
        path.unlink() if cut is None else path.write_bytes(path.read_bytes()[:cut])
        with pytest.raises(TrainError) as told:
            merge(folder, tmp_path / "merged")
        assert "\n" not in str(told.value)
        return str(told.value)

    for name in ("adapter_config.json", "adapter_model.safetensors"):
        assert f"holds no {name}" in refusal(name, None)
        assert "its adapter cannot be loaded" in refusal(name, 100)
    assert "its tokenizer cannot be loaded" in refusal("tokenizer.json", 100)
    assert not (tmp_path / "merged").exists()


def test_an_adapter_that_lacks_weights_is_not_merged(tmp_path: Path, whole: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = shutil.copytree(whole, tmp_path / "run", ignore=shutil.ignore_patterns("checkpoints"))
    path = str(folder / "model" / "adapter_model.safetensors")
    weights = load_file(path)
    save_file({name: weights[name] for name in sorted(weights)[1:]}, path, {"format": "pt"})
    with pytest.raises(TrainError, match="its adapter cannot be loaded"):
        merge(folder, tmp_path / "merged")
