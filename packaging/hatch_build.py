# SPDX-License-Identifier: Apache-2.0
"""Puts the SBOM into the wheel, below ``.dist-info/sboms`` (PEP 770)."""

import runpy
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class CustomBuildHook(BuildHookInterface):  # type: ignore[type-arg]  # which configuration it has is of no interest
    """See hatchling's documentation of build hooks."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002
        """Write it where it is in nobody's way until the wheel is made."""
        root = Path(self.root)
        module = runpy.run_path(str(root / "packaging/sbom.py"))
        self._folder = tempfile.TemporaryDirectory()
        path = Path(self._folder.name, module["FILENAME"])
        path.write_text(module["text"](root), encoding="utf-8")
        path.chmod(0o644)
        build_data["sbom_files"].append(str(path))

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:  # noqa: ARG002
        """Take it away."""
        self._folder.cleanup()
