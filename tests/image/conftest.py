# SPDX-License-Identifier: Apache-2.0
"""Peers and real firmware for the image tests.

``fiptool`` and ``cert_create`` come from Debian's arm-trusted-firmware-tools and are found on PATH. Real firmware
comes from a cache (LIVEFW_TEST_CACHE, by default ~/.cache/livefw), which ``tests/image/fetch.sh`` fills; nothing is
fetched here.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., str]
"""Runs a program with arguments and returns what it wrote; fails the test if it fails."""


def _program(name: str) -> Run:
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"{name} is not installed (Debian package arm-trusted-firmware-tools)")

    def run(*arguments: object) -> str:
        done = subprocess.run([path, *map(str, arguments)], capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


@pytest.fixture
def fiptool() -> Run:
    return _program("fiptool")


@pytest.fixture
def cert_create() -> Run:
    return _program("cert_create")


@pytest.fixture
def binman() -> Run:
    """Runs Python source in which ``fip_util`` is binman's module; apart, because it is GPL and changes sys.path."""
    probe = subprocess.run([sys.executable, "-c", "import binman.fip_util"], capture_output=True, check=False)
    if probe.returncode:
        pytest.skip("binman is not installed (PyPI binary-manager)")

    def run(source: str, *arguments: object) -> str:
        program = [sys.executable, "-c", f"import sys\nfrom binman import fip_util\n{source}", *map(str, arguments)]
        done = subprocess.run(program, capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@pytest.fixture
def firmware() -> Callable[[str], Path]:
    """Path of a file of the unpacked Debian firmware packages."""
    cache = Path(os.environ.get("LIVEFW_TEST_CACHE", "~/.cache/livefw")).expanduser()

    def find(name: str) -> Path:
        path = cache / "fw" / name
        if not path.is_file():
            pytest.skip(f"{name} is not in the test cache {cache} (tests/image/fetch.sh)")
        return path

    return find
