# SPDX-License-Identifier: Apache-2.0
"""The import contract of docs/explanation/architecture.md, stated in pyproject.toml: it holds, and it can fail."""

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

LINT = (sys.executable, "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()", "--no-cache")

TRESPASSES = [
    ("livefw.abi.trespass", "livefw.text"),
    ("livefw.abi.trespass", "livefw.firmware"),
    ("livefw.firmware.trespass", "livefw.kernel"),
    ("livefw.kernel.trespass", "livefw.firmware"),
    ("livefw.kernel.trespass", "livefw.machine"),
    ("livefw.providers.trespass", "livefw.kernel"),
    ("livefw.providers.trespass", "livefw.firmware"),
    ("livefw.providers.trespass", "livefw.machine"),
    ("livefw.providers.trespass", "livefw.activation"),
    ("livefw.machine.trespass", "livefw.providers"),
    ("livefw.machine.trespass", "livefw.activation"),
    ("livefw.activation.trespass", "livefw.providers.lfa"),
    ("livefw.activation.trespass", "livefw.machine"),
    ("livefw.activation.trespass", "livefw.cli"),
    ("livefw.render.trespass", "livefw.cli"),
    ("livefw.daemon.trespass", "livefw.cli"),
    ("livefw.cli.trespass", "livefw.daemon"),
    ("livefw.dbus.trespass", "livefw.providers"),
    ("livefw.dbus.trespass", "livefw.activation"),
    ("livefw.files.trespass", "livefw.providers"),
]
"""Who must not import whom."""
CYCLES = {
    "livefw.activation": ("livefw.activation.policy.reader", "livefw.activation.checks.table"),
    "livefw.activation.history": ("livefw.activation.history.journal", "livefw.activation.history.verify"),
    "livefw.providers": ("livefw.providers.base", "livefw.providers.lfa.provider"),
}
"""In which package who must not import whom, because it is itself imported from there."""


def test_contract_holds(run: Callable[..., str]) -> None:
    run(*LINT)


def test_contract_sees_every_trespass(tmp_path: Path, checkout: Path) -> None:
    shutil.copytree(checkout / "src/livefw", tmp_path / "livefw")
    shutil.copy(checkout / "pyproject.toml", tmp_path)
    for importer, imported in (*TRESPASSES, *CYCLES.values()):
        with open(tmp_path.joinpath(*importer.split(".")).with_suffix(".py"), "a", encoding="utf-8") as module:
            module.write(f"import {imported}\n")
    (tmp_path / "livefw/homeless.py").touch()
    report = subprocess.run(LINT, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert report.returncode == 1, report.stdout + report.stderr
    assert [pair for pair in TRESPASSES if f"{pair[0]} -> {pair[1]} " not in report.stdout] == []
    assert "livefw.homeless" in report.stdout
    assert [each for each in CYCLES if f"No cycles are allowed in {each}." not in report.stdout] == []


def test_every_package_is_drawn_and_has_a_row(checkout: Path) -> None:
    document = (checkout / "docs/explanation/architecture.md").read_text(encoding="utf-8")
    drawing, table = document.split("## Where to change what")
    root = checkout / "src/livefw"
    packages = [path.parent for path in root.rglob("__init__.py") if path.parent != root]
    names = [str(each.relative_to(root)) for each in packages]
    assert len(names) > 25
    assert [name for name in names if f"{name.rpartition('/')[2]}" not in drawing] == []
    assert [name for name in names if f"`{name}/" not in table] == []


def test_the_document_names_no_file_that_is_not_there(checkout: Path) -> None:
    document = (checkout / "docs/explanation/architecture.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`((?:[a-z0-9_]+/)+(?:[a-z0-9_]+\.py)?)`", document))
    assert len(named) > 40
    roots = (checkout / "src/livefw", checkout)
    assert [name for name in sorted(named) if not any((root / name).exists() for root in roots)] == []
