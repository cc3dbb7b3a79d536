# SPDX-License-Identifier: Apache-2.0
"""The collection as its tarball installs it, judged by Ansible's own tools, without the network."""

import json
import os
import tarfile
from pathlib import Path
from typing import Any

import pytest

import livefw

from .conftest import MODULES
from .cores import CORES, has, oldest_python, programs, pythons, run
from .judges import HOME, ansible_test, install

pytestmark = pytest.mark.timeout(900)

NEWER = "2.21"
OLDER_TESTS = ("ansible-doc", "compile", "ignores", "import", "runtime-metadata", "validate-modules")
"""Those that depend on the release of ansible-core; of the others the newer one is enough."""


def newest() -> str:
    """The newest release of ansible-core that is here."""
    found = [core for core in CORES if has(core)]
    if not found or not (HOME / "pins").exists():
        pytest.skip("what ansible-test runs is missing; scripts/setup.sh environments installs it for the tests")
    return found[-1]


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where it is installed."""
    return install(tmp_path_factory.mktemp("collection"), newest())


def test_the_tarball_has_what_it_needs_and_nothing_else(tree: Path) -> None:
    (tarball,) = tree.parents[2].glob("*.tar.gz")
    assert tarball.name == f"livefw-fleet-{livefw.__version__}.tar.gz"
    with tarfile.open(tarball) as archive:
        names = set(archive.getnames())
        licence = archive.extractfile("LICENSE")
        assert licence is not None
        assert b"Apache License" in licence.read()
    assert {f"plugins/modules/{module}.py" for module in MODULES} < names
    assert {"README.md", "CHANGELOG.rst", "meta/runtime.yml", "roles/rollout/meta/argument_specs.yml"} < names
    assert not [name for name in names if "__pycache__" in name or name.startswith("tests/output")]


def test_sanity(tree: Path) -> None:
    """All of it with the newest ansible-core, which also holds every ignored finding against what it finds."""
    ansible_test(tree, newest(), "sanity")


def test_sanity_with_the_older_release(tree: Path) -> None:
    programs(NEWER)  # without that one the older one has run everything
    ansible_test(tree, next(iter(CORES)), "sanity", *(word for name in OLDER_TESTS for word in ("--test", name)))


def test_modules_are_imported_by_the_oldest_python(tree: Path) -> None:
    version, _ = oldest_python()
    assert version in pythons()
    ansible_test(tree, newest(), "sanity", "--test", "compile", "--test", "import", python=version)


@pytest.mark.parametrize("core", CORES)
def test_units(tree: Path, core: str) -> None:
    programs(core)
    assert " passed" in ansible_test(tree, core, "units")


@pytest.mark.fuse
def test_integration(tree: Path, defaults: dict[str, Any]) -> None:
    settings = {
        "livefw_executable": defaults["executable"],
        "livefw_root": defaults["root"],
        "livefw_state": defaults["state_dir"],
    }
    config = tree / "tests/integration/integration_config.yml"
    config.write_text(json.dumps(settings), encoding="ascii")
    try:
        ansible_test(tree, newest(), "integration", "livefw")
    finally:
        config.unlink()


def judge(tree: Path, program: str, *words: str) -> None:
    """Run one of the tools that come with the newest ansible-core; it finds nothing."""
    if not (CORES[NEWER] / "pins").exists():
        pytest.skip(f"{program} is missing; scripts/setup.sh environments installs it for the tests")
    folder = CORES[NEWER] / "bin"
    named = {"HOME": str(HOME), "PATH": os.pathsep.join([str(folder), "/usr/bin", "/bin"]), "LC_ALL": "C.UTF-8"}
    run([program, *words], environment=named | {"ANSIBLE_COLLECTIONS_PATH": str(tree.parents[2])}, folder=tree)


def test_lint(tree: Path) -> None:
    judge(tree, "ansible-lint", "--offline", "--strict", "--profile", "production", "--project-dir", str(tree))


def test_documentation(tree: Path) -> None:
    judge(tree, "antsibull-docs", "lint-collection-docs", "--plugin-docs", "--skip-rstcheck", ".")


def test_changelog(tree: Path) -> None:
    judge(tree, "antsibull-changelog", "lint")
