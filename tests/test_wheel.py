"""The wheel, installed in an environment of its own, works outside the checkout, whatever lies in the folder."""

import json
import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def curate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command out of a freshly built wheel; its dependencies are those of the environment that runs the tests."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    build = [*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True)
    home = folder / "venv"
    venv.create(home, with_pip=False)
    purelib = sysconfig.get_path("purelib", vars={"base": str(home), "platbase": str(home)})
    # A folder named in a .pth file is searched, but its own .pth files are not read: our editable install stays out.
    (Path(purelib) / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    wheel = next(folder.glob("*.whl"))
    python = home / "bin" / "python"
    subprocess.run([*pip, "--python", python, "install", "--no-deps", wheel], check=True, capture_output=True)
    where = subprocess.run(
        [python, "-c", "import schemas; print(schemas.__file__)"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    assert str(home) in where.stdout
    return home / "bin" / "curate"


def run(curate: Path, folder: Path, *words: str) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run([curate, *words], cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def go_through(curate: Path, folder: Path) -> None:
    assert "generate" in run(curate, folder, "--help")
    run(curate, folder, "init", "project")
    added = json.loads(run(curate, folder / "project", "add", "packaged", "--json"))
    assert added["traces"] == 256
    assert json.loads(run(curate, folder / "project", "generate", "--dry-run", "--json"))["rows"] == 256
    assert "256" in run(curate, folder / "project", "status")


def test_the_wheel_works_in_an_empty_folder(curate: Path, tmp_path: Path) -> None:
    go_through(curate, tmp_path)


def test_the_wheel_holds_the_presets_and_the_configs_of_accelerate(curate: Path, tmp_path: Path) -> None:
    code = (
        "from train.preset import load_preset, preset_names; from train.launch import CONFIGS; "
        "print(*(load_preset(name).name for name in preset_names()), *(path.name for path in CONFIGS.glob('*.yaml')))"
    )
    held = set(run(curate.parent / "python", tmp_path, "-c", code).split())
    checkout = [path.stem for path in (ROOT / "train" / "presets").glob("*.yaml")]
    assert held == {*checkout, *(path.name for path in (ROOT / "train" / "accelerate_configs").glob("*.yaml"))}
    assert {"smollm2-cpu", "fsdp2.yaml"} <= held


def put_files_with_our_names(*folders: Path) -> None:
    for folder in folders:
        for name in ("train.py", "curation.py", "schemas/__init__.py", "yaml.py", "exports/__init__.py"):
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("raise SystemExit('a file of the folder was imported')\n")


def test_the_wheel_works_beside_files_that_have_our_names(curate: Path, tmp_path: Path) -> None:
    put_files_with_our_names(tmp_path, tmp_path / "project")
    go_through(curate, tmp_path)


@pytest.mark.usefixtures("argilla_python")
def test_the_wheel_serves_argilla(curate: Path, tmp_path: Path) -> None:
    run(curate, tmp_path, "init", ".")
    put_files_with_our_names(tmp_path, tmp_path / "argilla")
    assert "http://127.0.0.1:" in run(curate, tmp_path, "review", "serve", "--detach")
    assert "is stopped" in run(curate, tmp_path, "review", "stop")
