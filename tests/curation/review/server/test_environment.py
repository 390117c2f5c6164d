"""The server's environment is made once and whole, whoever is killed or comes at the same time.

Mostly with a lock of one small package, from a folder: what is tested is the making and not what is made.
"""

import hashlib
import os
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

from curation.review.server.environment import LOCK_FILE, PYTHONS, ensure
from schemas.errors import ReviewError
from tests.project import CURATE

ROOT = Path(__file__).parents[4]
MAKE = "import sys; from pathlib import Path; from curation.review.server.environment import ensure; "
MAKE += "print('made', ensure(lambda line: print(line, flush=True), Path(sys.argv[1])))"


@pytest.fixture
def lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A lock of one package, and pip's settings to find it; the cache is a folder of the test's own."""
    wheel = tmp_path / "wheels" / "tiny_package-1.0-py3-none-any.whl"
    wheel.parent.mkdir()
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("tiny_package.py", "ANSWER = 42\n")
        archive.writestr(
            "tiny_package-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny-package\nVersion: 1.0\n"
        )
        archive.writestr(
            "tiny_package-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr("tiny_package-1.0.dist-info/RECORD", "")
    lock = tmp_path / "tiny.lock"
    lock.write_text(f"tiny-package==1.0 --hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}\n")
    for name, value in {
        "ALTTRAIN_CACHE": tmp_path / "cache",
        "PIP_FIND_LINKS": wheel.parent,
        "PIP_NO_INDEX": 1,
    }.items():
        monkeypatch.setenv(name, str(value))
    return lock


def start(lock: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen([sys.executable, "-c", MAKE, str(lock)], cwd=ROOT, stdout=subprocess.PIPE, text=True)


def works(python: Path) -> bool:
    said = subprocess.run(
        [python, "-c", "import tiny_package; print(tiny_package.ANSWER)"], capture_output=True, text=True
    )
    return said.stdout == "42\n"


def test_it_is_made_once(lock: Path) -> None:
    said: list[str] = []
    python = ensure(said.append, lock)
    assert works(python)
    assert "580 MB" in said[0]
    said.clear()
    assert ensure(said.append, lock) == python
    assert said == []


def test_two_at_once_make_it_once_and_both_get_it(lock: Path) -> None:
    makers = [start(lock), start(lock)]
    said = [maker.communicate(timeout=100)[0] for maker in makers]
    assert [maker.returncode for maker in makers] == [0, 0]
    assert sum("making its environment in" in text for text in said) == 1
    assert said[0].splitlines()[-1] == said[1].splitlines()[-1]
    assert works(Path(said[0].split()[-1]))


def test_a_killed_build_is_not_taken_for_whole(lock: Path, tmp_path: Path) -> None:
    maker = start(lock)
    while not list((tmp_path / "cache").glob("*/pyvenv.cfg")):
        assert maker.poll() is None
        time.sleep(0.01)
    maker.send_signal(signal.SIGKILL)
    maker.communicate()
    said: list[str] = []
    assert works(ensure(said.append, lock))
    assert any("making its environment in" in line for line in said)


def test_one_whose_python_has_gone_is_made_anew(lock: Path) -> None:
    python = ensure(print, lock)
    python.unlink()
    assert works(ensure(print, lock))


def test_a_file_with_another_hash_is_refused(lock: Path) -> None:
    lock.write_text(f"tiny-package==1.0 --hash=sha256:{'0' * 64}\n")
    with pytest.raises(ReviewError, match=r"(?i)pip could not install it: .*hash.*run the same command"):
        ensure(print, lock)


def test_without_network_the_command_says_so_in_one_line(tmp_path: Path) -> None:
    settings = {
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_INDEX_URL": "http://user:secret@127.0.0.1:9/simple",
        "PIP_RETRIES": "0",
    }
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
    environment |= {**settings, "ALTTRAIN_CACHE": str(tmp_path / "cache")}
    subprocess.run([CURATE, "init", "."], cwd=tmp_path, check=True, capture_output=True)
    done = subprocess.run(
        [CURATE, "review", "serve", "--detach"], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 6
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("curate: ")]
    assert "pip could not install it" in line
    assert "check the network" in line
    assert "Traceback" not in done.stderr
    assert "secret" not in done.stderr + done.stdout


def test_a_cache_that_cannot_be_written_is_named(lock: Path, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    with pytest.raises(ReviewError, match="ALTTRAIN_CACHE"):
        ensure(print, lock)


def test_every_package_of_the_lock_is_pinned_with_hashes() -> None:
    for entry in LOCK_FILE.read_text("utf-8").replace("\\\n", " ").splitlines():
        assert "==" in entry.split()[0]
        assert entry.count("--hash=sha256:") >= 1, entry.split()[0]


def test_this_python_is_one_that_the_lock_is_for() -> None:
    assert sys.version_info[:2] in PYTHONS
