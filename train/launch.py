"""How a run is started on several GPUs or machines: one `accelerate launch` a machine, with a shipped config.

    shlex.join(command(Path("runs/first"), gpus=8, sharding="fsdp2"))
    env PYTHONSAFEPATH=1 python -m accelerate.commands.launch --config_file .../fsdp2.yaml --num_processes 8 \
        --num_cpu_threads_per_process 1 --main_process_port 0 -m train.sft runs/first

The same module trains on one GPU, on many and on CPUs. What no GPU has run is said in docs/training.md.
"""

import sys
from pathlib import Path

from schemas.errors import UsageError
from train.estimate import Sharding

CONFIGS = Path(__file__).parent / "accelerate_configs"

PORT = 29500
"""Where the first of several machines is reached: accelerate's own default."""


def command(
    run_folder: Path,
    gpus: int,
    sharding: Sharding,
    machines: int = 1,
    machine_rank: int = 0,
    main_address: str | None = None,
    cpu: bool = False,
) -> list[str]:
    """The words that start training in `run_folder` on this machine.

    `gpus`: on each machine. `sharding`: none, every GPU holds all weights; fsdp2 or zero3, they share them.
    `machines`, `machine_rank`: how many take part and which one this is, from 0; each runs its own command.
    `main_address`: name or IPv4 address of machine 0, as the others reach it, with ":PORT" where 29500 is taken.
    `cpu`: as many processes on CPUs instead, over gloo. Raises UsageError for numbers that do not go together.
    """
    return [*launcher(gpus, sharding, machines, machine_rank, main_address, cpu), "-m", "train.sft", str(run_folder)]


def launcher(
    gpus: int,
    sharding: Sharding,
    machines: int = 1,
    machine_rank: int = 0,
    main_address: str | None = None,
    cpu: bool = False,
) -> list[str]:
    """The words of `command` before what is started; takes and raises the same."""
    if gpus < 1 or machines < 1:
        raise UsageError(f"gpus ({gpus}) and machines ({machines}) must be 1 or more")
    if not 0 <= machine_rank < machines:
        raise UsageError(f"machine_rank {machine_rank}: the {machines} machines are numbered from 0 to {machines - 1}")
    if machines > 1 and not main_address:
        raise UsageError(f"{machines} machines: give the address of machine 0, at which the others reach it")
    if cpu and sharding != "none":
        raise UsageError(f"sharding {sharding} needs GPUs; processes on CPUs each hold all weights")
    config = CONFIGS / f"{_config(gpus * machines, machines, sharding, cpu)}.yaml"
    words = [
        # A train.py in the folder where the command is given would be taken for this package.
        "env",
        "PYTHONSAFEPATH=1",
        # The config's use_cpu does not reach processes under this type: each would take itself for the only one.
        *(["ACCELERATE_USE_CPU=true"] if cpu else []),
        sys.executable,
        "-m",
        "accelerate.commands.launch",
        "--config_file",
        str(config),
        "--num_processes",
        str(gpus * machines),
        "--num_cpu_threads_per_process",
        "1",
    ]
    if machines == 1:
        return [*words, "--main_process_port", "0"]  # any that is free, so that two runs can share a machine
    host, _, port = str(main_address).partition(":")
    return [
        *words,
        "--num_machines",
        str(machines),
        "--machine_rank",
        str(machine_rank),
        "--main_process_ip",
        host,
        "--main_process_port",
        port or str(PORT),
    ]


def _config(processes: int, machines: int, sharding: Sharding, cpu: bool) -> str:
    if cpu:
        return "cpu"
    if processes == 1:
        return "single_gpu"
    if sharding == "none":
        return "ddp"
    return "fsdp2_multi_node" if sharding == "fsdp2" and machines > 1 else sharding
