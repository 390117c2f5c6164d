"""A command whose packages are not installed names them and the way to them, in one line."""

import subprocess
import sys
from pathlib import Path

import pytest

WITHOUT = "import sys; sys.modules[sys.argv.pop(1)] = None; from curation.cli import main; sys.exit(main())"
"""An import of the package fails as it does where it is not installed."""


def curate_without(package: str, words: str, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", WITHOUT, package, *words.split()]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("missing", "extra", "words"),
    [
        ("torch", "train", "train releases/v1 --preset smollm2-cpu"),
        ("torch", "train", "train merge runs/first"),
        ("torch", "train", "eval model"),
        ("torch", "train", "boundary model"),
        ("torch", "train", "audit org/model"),
        ("trl", "train", "train releases/v1 --preset smollm2-cpu"),
        ("inspect_ai", "eval", "eval model"),
    ],
)
def test_a_command_without_its_packages_says_what_to_install(
    tmp_path: Path, missing: str, extra: str, words: str
) -> None:
    (tmp_path / "model").mkdir()
    done = curate_without(missing, words, tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        f"curate: this needs packages that are not here ({missing}): pip install 'alttrain[{extra}]'\n"
    )


def test_the_boundary_needs_no_inspect(tmp_path: Path) -> None:
    assert curate_without("inspect_ai", "boundary nowhere", tmp_path).stderr.startswith(
        "curate: nowhere: no such folder"
    )
