"""A run in a process of its own ends with the command that waits for it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from curation.cli.train.process import run

CHILD = "import os, pathlib, sys, time; pathlib.Path(sys.argv[1]).write_text(str(os.getpid())); time.sleep(60)"
PARENT = "import sys; from curation.cli.train.process import run; run([sys.executable, '-c', *sys.argv[1:]])"


def test_sigterm_ends_the_run_before_the_command_that_waits_for_it(tmp_path: Path) -> None:
    told = tmp_path / "pid"
    with subprocess.Popen([sys.executable, "-c", PARENT, CHILD, str(told)]) as parent:
        while not (told.exists() and told.read_text()):
            time.sleep(0.05)
        parent.send_signal(signal.SIGTERM)
        assert parent.wait(20) == 128 + signal.SIGTERM
    try:
        os.kill(int(told.read_text()), 0)
    except ProcessLookupError:
        return
    raise AssertionError("the run went on alone")


def test_a_run_tells_its_exit_code() -> None:
    assert run([sys.executable, "-c", "raise SystemExit(7)"]) == 7
