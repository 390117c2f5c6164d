"""A run in a process of its own, or in several that share it."""

import shlex
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import click

from curation.cli.console import visible
from schemas.errors import TrainError


class Machines(NamedTuple):
    """How many machines share a run, and which of them this one is."""

    number: int = 1
    rank: int = 0
    main_address: str | None = None


ALONE = Machines()


def train_apart(folder: Path, gpus: int, sharding: Any, machines: Machines = ALONE) -> None:
    """Trains what is in the run's `folder`. Raises TrainError where that ends in anything but a model, and UsageError
    where machines do not go together."""
    # -P: a train.py in the folder where the command is given would be taken for this package.
    words = [sys.executable, "-P", "-m", "train.sft", str(folder)]
    if gpus > 1 or machines.number > 1:
        from train.device import find_device
        from train.launch import command as launch

        words = launch(folder, gpus, sharding or "none", *machines, cpu=find_device().kind == "cpu")
        click.echo(visible(f"$ {shlex.join(words)}", one_line=True), err=True)
    code = run(words)
    if code == 130:
        raise KeyboardInterrupt
    if code:
        raise TrainError(f"{folder}: a process ended with code {code}: what it said is above")


def run(words: Sequence[str]) -> int:
    """Runs a command to its end and gives its exit code; what it says goes to standard error. Stopped by SIGTERM, this
    process ends it too before it exits: a trainer that nobody waits for would go on for hours."""
    stopped = False
    # What it says is for people; standard output is for --json.
    process = subprocess.Popen(words, stdout=2)  # noqa: S603 - no shell

    def stop(*_: object) -> None:
        nonlocal stopped
        stopped = True
        process.terminate()

    before = signal.signal(signal.SIGTERM, stop)
    try:
        code = process.wait()
    except BaseException:
        process.kill()
        process.wait()
        raise
    finally:
        signal.signal(signal.SIGTERM, before)
    if stopped:
        sys.exit(128 + signal.SIGTERM)
    return code
