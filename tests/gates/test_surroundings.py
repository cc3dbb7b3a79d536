# SPDX-License-Identifier: Apache-2.0
"""The tests are the same wherever they are started: what a process inherits is put right before the first of them."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

PROBE = """
import os, signal, subprocess, sys, tempfile

OWN = {signal.SIGPIPE, signal.SIGXFSZ}
SAY = "import signal; print([n.name for n in signal.valid_signals() if signal.getsignal(n) is signal.SIG_IGN])"

def test_signals():
    assert {n for n in signal.valid_signals() if signal.getsignal(n) is signal.SIG_IGN} <= OWN
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == set()

def test_signals_of_a_child():
    said = subprocess.run([sys.executable, "-c", SAY], capture_output=True, text=True, check=True).stdout
    assert set(eval(said)) == {n.name for n in OWN}

def test_how_a_child_ends_is_told():
    assert subprocess.run([sys.executable, "-c", "raise SystemExit(3)"]).returncode == 3

def test_new_files(tmp_path):
    (tmp_path / "new").touch()
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o644

def test_there_is_room_for_a_socket(tmp_path):
    assert len(str(tmp_path)) < 75
    assert len(tempfile.gettempdir()) <= 20 >= len(os.environ.get("TMPDIR", ""))
"""


@pytest.mark.parametrize("processes", ["0", "1"])
def test_odd_surroundings_are_put_right(tmp_path: Path, checkout: Path, processes: str) -> None:
    def oddly() -> None:
        for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
            signal.signal(number, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGUSR1})
        os.umask(0o077)
        os.close(0)

    shutil.copy(checkout / "tests/conftest.py", tmp_path)
    (tmp_path / "test_probe.py").write_text(PROBE, encoding="utf-8")
    long = tmp_path / ("long" * 25)
    long.mkdir()
    kept = ("PATH", "LD_LIBRARY_PATH")
    environment = {name: value for name, value in os.environ.items() if name in kept}
    environment |= {"TMPDIR": str(long), "TZ": "Asia/Kathmandu", "LC_ALL": "de_DE.UTF-8", "PYTHONUTF8": "0"}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-n", processes, str(tmp_path)],
        cwd=tmp_path,
        env=environment,
        preexec_fn=oddly,
        restore_signals=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert "5 passed" in done.stdout
