# SPDX-License-Identifier: Apache-2.0
"""LIVEFW_REQUIRE=all lets no test be skipped."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SKIPS = """
import pytest

def test_passes():
    pass

@pytest.mark.skip(reason="marked")
def test_marked():
    pass

def test_midway():
    pytest.skip("midway")

@pytest.fixture
def missing():
    pytest.skip("fixture")

def test_fixture(missing):
    pass

@pytest.mark.xfail(reason="known", strict=True)
def test_known_failure():
    assert False
"""
WHOLE_MODULE = "import pytest\npytest.skip('whole module', allow_module_level=True)\n"


@pytest.mark.parametrize(
    ("require", "counts"), [("", "1 passed, 4 skipped, 1 xfailed"), ("all", "1 failed, 1 passed, 1 xfailed, 3 errors")]
)
def test_skips(tmp_path: Path, checkout: Path, require: str, counts: str) -> None:
    shutil.copy(checkout / "tests/conftest.py", tmp_path)
    (tmp_path / "test_skips.py").write_text(SKIPS, encoding="utf-8")
    (tmp_path / "test_module.py").write_text(WHOLE_MODULE, encoding="utf-8")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--continue-on-collection-errors", str(tmp_path)],
        cwd=tmp_path,
        env=environment | {"LIVEFW_REQUIRE": require},
        capture_output=True,
        text=True,
        check=False,
    )
    assert counts in done.stdout
