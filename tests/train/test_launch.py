import json
import shlex
import socket
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from schemas.errors import UsageError
from train.launch import CONFIGS, command, launcher

FILES = sorted(CONFIGS.glob("*.yaml"))


def words_after(words: list[str], option: str) -> str:
    return words[words.index(option) + 1]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_accelerate_loads_each_config(path: Path) -> None:
    from accelerate.commands.config.config_args import load_config_from_file

    config = load_config_from_file(str(path))
    assert str(config.distributed_type.value) == yaml.safe_load(path.read_text("utf-8"))["distributed_type"]
    # The recipe says the precision; a second one here could contradict it in silence.
    assert config.mixed_precision == "no"


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("single_gpu", "single_gpu"),
        ("ddp", "multi_gpu"),
        ("fsdp2", "fsdp2"),
        ("fsdp2_multi_node", "fsdp2"),
        ("zero3", "zero3"),
    ],
)
def test_sharding_is_set_as_trl_sets_it(ours: str, theirs: str) -> None:
    import trl

    def settings(path: Path) -> dict[str, Any]:
        data: dict[str, Any] = yaml.safe_load(path.read_text("utf-8"))
        kept = ("compute_environment", "distributed_type", "fsdp_config", "deepspeed_config", "rdzv_backend", "use_cpu")
        return {key: data[key] for key in kept if key in data}

    folder = Path(str(trl.__file__)).parent / "accelerate_configs"
    assert settings(CONFIGS / f"{ours}.yaml") == settings(folder / f"{theirs}.yaml")


@pytest.mark.parametrize(
    ("arguments", "config", "processes"),
    [
        ({"gpus": 1, "sharding": "none"}, "single_gpu", "1"),
        ({"gpus": 1, "sharding": "fsdp2"}, "single_gpu", "1"),
        ({"gpus": 8, "sharding": "none"}, "ddp", "8"),
        ({"gpus": 8, "sharding": "fsdp2"}, "fsdp2", "8"),
        ({"gpus": 8, "sharding": "zero3"}, "zero3", "8"),
        ({"gpus": 8, "sharding": "fsdp2", "machines": 2, "main_address": "a"}, "fsdp2_multi_node", "16"),
        ({"gpus": 8, "sharding": "zero3", "machines": 2, "main_address": "a"}, "zero3", "16"),
        ({"gpus": 1, "sharding": "none", "machines": 2, "main_address": "a"}, "ddp", "2"),
        ({"gpus": 2, "sharding": "none", "cpu": True}, "cpu", "2"),
    ],
)
def test_the_config_follows_from_gpus_machines_and_sharding(
    arguments: dict[str, Any], config: str, processes: str
) -> None:
    words = command(Path("runs/first"), **arguments)
    assert words_after(words, "--config_file") == str(CONFIGS / f"{config}.yaml")
    assert words_after(words, "--num_processes") == processes
    assert words[-3:] == ["-m", "train.sft", "runs/first"]


def test_each_machine_is_told_its_number_and_where_the_first_one_is() -> None:
    words = command(Path("r"), 8, "fsdp2", machines=3, machine_rank=2, main_address="gpu-0.example")
    assert words_after(words, "--num_machines") == "3"
    assert words_after(words, "--machine_rank") == "2"
    assert words_after(words, "--main_process_ip") == "gpu-0.example"
    assert words_after(words, "--main_process_port") == "29500"


def test_a_folder_with_blanks_survives_the_shell() -> None:
    words = command(Path("my runs/it's one"), 2, "none")
    assert shlex.split(shlex.join(words)) == words


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"gpus": 0, "sharding": "none"}, "gpus (0)"),
        ({"gpus": 2, "sharding": "none", "machines": 2}, "address of machine 0"),
        ({"gpus": 2, "sharding": "none", "machines": 2, "main_address": "a", "machine_rank": 2}, "from 0 to 1"),
        ({"gpus": 2, "sharding": "fsdp2", "cpu": True}, "sharding fsdp2 needs GPUs"),
    ],
)
def test_numbers_that_do_not_go_together_are_refused(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError) as refused:
        command(Path("r"), **arguments)
    assert said in str(refused.value)


def start(folder: Path, words: list[str]) -> "subprocess.Popen[str]":
    (folder / "train.py").write_text("raise SystemExit('a file of the folder was imported')\n")
    script = folder / "who_am_i.py"
    script.write_text(
        "import json, pathlib, torch, train.launch\n"
        "from accelerate import Accelerator\n"
        "accelerator = Accelerator()\n"
        "rank = accelerator.process_index\n"
        "ranks = accelerator.gather(torch.tensor([rank])).tolist()\n"
        "said = [rank, accelerator.num_processes, accelerator.state.backend, ranks]\n"
        "pathlib.Path(f'said-{rank}.json').write_text(json.dumps(said))\n"
        "accelerator.end_training()\n"
    )
    return subprocess.Popen([*words, str(script)], cwd=folder, stderr=subprocess.PIPE, text=True)


def what_both_said(folder: Path, *processes: "subprocess.Popen[str]") -> list[object]:
    for process in processes:
        _, complained = process.communicate(timeout=100)
        assert process.returncode == 0, complained
    return [json.loads((folder / f"said-{rank}.json").read_text()) for rank in (0, 1)]


BOTH = [[rank, 2, "gloo", [0, 1]] for rank in (0, 1)]
"""What two processes that know of each other say: who, of how many, how they talk, whom they heard."""


def test_two_processes_on_a_cpu_know_of_each_other(tmp_path: Path) -> None:
    assert what_both_said(tmp_path, start(tmp_path, launcher(2, "none", cpu=True))) == BOTH


def test_two_machines_find_each_other(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    machines = [
        start(tmp_path, launcher(1, "none", machines=2, machine_rank=rank, main_address=address, cpu=True))
        for rank in (0, 1)
    ]
    assert what_both_said(tmp_path, *machines) == BOTH


def test_the_settings_of_fsdp2_reach_the_processes(tmp_path: Path) -> None:
    script = tmp_path / "settings.py"
    script.write_text(
        "import os, pathlib\n"
        "said = [os.environ[name] for name in ('FSDP_VERSION', 'FSDP_RESHARD_AFTER_FORWARD', 'WORLD_SIZE')]\n"
        "pathlib.Path(f\"said-{os.environ['RANK']}\").write_text(' '.join(said))\n"
    )
    subprocess.run([*launcher(2, "fsdp2"), str(script)], cwd=tmp_path, capture_output=True, check=True)
    assert [(tmp_path / f"said-{rank}").read_text() for rank in (0, 1)] == ["2 true 2"] * 2
