"""What `curate train` refuses, each in one line, and what it reckons without loading anything."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from curation.cli import main
from tests.exports.release_folder import SETTINGS, write
from tests.release_rows import many
from tests.train.records import record
from tests.train.tiny import save_model
from train.preset import PACKAGED
from train.proof import lines_of
from train.record import read_config


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("releases") / "v1"
    write(folder, many(8, 8), settings=SETTINGS)  # of `few`, one row is hostile, and a check would block it
    return folder


def curate(*words: object) -> "subprocess.CompletedProcess[str]":
    # Neither argilla nor openai can be imported: training needs neither, nor a project.
    blocked = "import sys; sys.modules.update(argilla=None, openai=None); from curation.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", blocked, *map(str, words)], capture_output=True, text=True, check=False
    )


def refusal(*words: object) -> tuple[int, str]:
    done = curate(*words)
    assert len(done.stderr.splitlines()) == 1, done.stderr
    return done.returncode, done.stderr


def test_a_release_that_fails_verify_is_not_trained(release: Path, tmp_path: Path) -> None:
    broken = tmp_path / "v1"
    broken.mkdir()
    for path in release.rglob("*"):
        if path.is_file():
            target = broken / path.relative_to(release)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
    manifest = json.loads((broken / "manifest.json").read_text())
    manifest["rows_sha256"] = "0" * 64
    (broken / "manifest.json").write_text(json.dumps(manifest))
    code, said = refusal("train", broken, "--preset", "smollm2-cpu", "--out", tmp_path / "run")
    assert code == 8
    assert "rows_sha256" in said
    assert "curate verify" in said
    assert not (tmp_path / "run").exists()


def test_a_preset_for_a_gpu_says_what_it_would_take_where_there_is_none(release: Path, tmp_path: Path) -> None:
    code, said = refusal("train", release, "--preset", "r1-distill-qwen-7b", "--out", tmp_path / "run")
    assert code == 8
    assert "GB" in said
    assert "--estimate" in said


def test_four_bit_weights_are_refused_on_a_cpu(release: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    code, said = refusal("train", release, "--preset", "smollm2-cpu", "--method", "qlora", "--out", out)
    assert code == 8
    assert "4-bit" in said


def test_a_preset_is_asked_for_and_a_wrong_name_is_answered_with_the_nearest(release: Path) -> None:
    code, said = refusal("train", release)
    assert code == 2
    assert "smollm2-cpu" in said
    code, said = refusal("train", release, "--preset", "smolm2-cpu")
    assert code == 2
    assert "did you mean 'smollm2-cpu'" in said


def test_memory_and_time_are_reckoned_without_a_gpu_or_weights(release: Path) -> None:
    done = curate("train", release, "--preset", "r1-distill-llama-8b", "--estimate", "--gpu", "H100", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["fits"] is True
    assert 16 < told["total_gb"] < 80
    assert told["seconds_low"] < told["seconds_high"]


def test_weights_that_no_gpu_holds_are_reckoned_as_shared_unless_told_otherwise(release: Path) -> None:
    words = (
        "train",
        release,
        "--preset",
        "r1-distill-qwen-32b",
        "--method",
        "full",
        "--gpus",
        8,
        "--estimate",
        "--json",
    )
    assert json.loads(curate(*words).stdout)["sharding"] == "fsdp2"
    assert json.loads(curate(*words, "--sharding", "none").stdout)["sharding"] == "none"


def test_letters_that_the_tokenizer_writes_otherwise_are_told_where_there_are_any() -> None:
    proof = record().proof
    assert not any("NFC" in line for line in lines_of(proof))
    told = lines_of(proof.model_copy(update={"normalized": 3}))
    assert "letters   3 rows hold some that the tokenizer writes in Unicode's form NFC" in told


def test_an_ablation_is_not_merged_as_one_run(tmp_path: Path) -> None:
    (tmp_path / "ablation.json").write_text("{}")
    code, said = refusal("train", "merge", tmp_path)
    assert (code, "name one of them" in said) == (2, True)


def test_no_machine_begins_before_the_first_or_under_a_number_that_there_is_not(release: Path, tmp_path: Path) -> None:
    preset = tmp_path / "two.yaml"
    preset.write_text((PACKAGED / "smollm2-cpu.yaml").read_text().replace("batch_rows: 1", "batch_rows: 2"))
    words = ("train", release, "--preset", preset, "--model", tmp_path, "--out", tmp_path / "run", "--machines", 2)
    code, said = refusal(*words, "--main-address", "127.0.0.1", "--machine-rank", 2)
    assert (code, "numbered from 0 to 1" in said) == (2, True)
    code, said = refusal(*words, "--main-address", "127.0.0.1", "--machine-rank", 1)
    assert (code, "machine 0 makes it" in said) == (8, True), said


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("--epochs nan", "--epochs: Input should be a finite number"),
        ("--learning-rate inf", "--learning-rate: Input should be a finite number"),
        ("--epochs 1e300", "--epochs: Input should be less than or equal to 1000"),
        ("--batch-rows 3 --preset PACKED", "batch_rows (3) is no multiple of device_rows (2)"),
        ("--seed 4294967296", "--seed"),
        ("--revision abc", "--revision is of --model"),
        ("--public", "--public is of --push-to"),
        ("--gpu H100", "--gpu is of --estimate"),
        ("--main-address host", "--main-address is of --machines"),
        ("--sharding fsdp2", "one GPU has nobody to share with"),
        ("--estimate --resume", "--estimate trains nothing"),
        ("--structures=", "--structures"),
        ("--report-to wandb", "pip install wandb"),
    ],
)
def test_an_option_that_could_not_be_meant_is_refused_and_not_ignored(
    release: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: str,
    told: str,
) -> None:
    packed = tmp_path / "packed.yaml"
    text = (PACKAGED / "smollm2-cpu.yaml").read_text("utf-8")
    packed.write_text(text.replace("batch_rows: 1", "batch_rows: 2").replace("device_rows: 1", "device_rows: 2"))
    asked = words.replace("PACKED", str(packed)).split()
    command = ["curate", "train", str(release), "--preset", "smollm2-cpu", "--out", str(tmp_path / "run"), *asked]
    monkeypatch.setattr(sys, "argv", command)
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr().err
    assert (ended.value.code, said.count("\n"), told in said) == (2, 1, True), said
    assert not (tmp_path / "run").exists()


def test_another_model_than_the_presets_is_reckoned_by_its_own_sizes(release: Path, tmp_path: Path) -> None:
    model = save_model(tmp_path / "tiny")
    words = ("train", release, "--preset", "r1-distill-llama-8b", "--estimate", "--json")
    assert json.loads(curate(*words).stdout)["gpu"] == "A6000"  # the preset's own
    assert json.loads(curate(*words, "--model", model).stdout)["total_gb"] < 3
    (model / "config.json").write_text('{"model_type": "unheard_of"}')
    code, said = refusal(*words, "--model", model)
    assert (code, "write its sizes into a preset of your own" in said) == (8, True)


def test_a_run_goes_on_with_the_options_that_it_was_begun_with_alone(release: Path, tmp_path: Path) -> None:
    model, out = save_model(tmp_path / "tiny"), tmp_path / "run"
    words = ("train", release, "--preset", "smollm2-cpu", "--model", model, "--out", out, "--samples", 0)
    done = curate(*words, "--epochs", "0.1", "--precision", "fp32")
    assert done.returncode == 0, done.stderr
    assert done.stderr.index("to train ") < done.stderr.index("steps ") < done.stderr.index("step 1/")
    assert read_config(out).release == "v1"
    code, said = refusal(*words, "--epochs", "0.2", "--precision", "fp32", "--seed", 5, "--resume")
    assert (code, "begun with other options (seed, epochs)" in said) == (8, True), said
    code, said = refusal(*words, "--epochs", "0.1", "--precision", "fp32", "--resume")
    assert (code, "is finished already" in said) == (8, True)


def test_a_run_that_is_refused_before_its_first_step_leaves_no_folder(release: Path, tmp_path: Path) -> None:
    (tmp_path / "no_model").mkdir()
    words = ("train", release, "--preset", "smollm2-cpu", "--model", tmp_path / "no_model", "--out", tmp_path / "run")
    assert curate(*words).returncode == 8
    assert not (tmp_path / "run").exists()
