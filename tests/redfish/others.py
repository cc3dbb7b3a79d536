# SPDX-License-Identifier: Apache-2.0
"""Other people's programs in an environment of their own, which ``scripts/setup.sh packages`` makes."""

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

HOME = Path(os.environ.get("LIVEFW_TEST_CACHE") or Path.home() / ".cache/livefw") / "redfish"
INDEX = HOME / "data/mirastack_redfish_mcp/data/redfish_index.json.gz"
COLLECTIONS = HOME / "data"
USER, PASSWORD = "admin", "a word of passage"

there = pytest.mark.skipif(
    not (HOME / "pins").exists(), reason="other people's Redfish clients are missing: scripts/setup.sh packages"
)


class Other:
    """They ask one modelled BMC, whose certificate they verify where they can."""

    def __init__(self, folder: Path, served: Any) -> None:
        self.folder, self.served = folder, served
        self.url: str = served.server.url
        self.host = self.url.removeprefix("https://")
        ca = folder / "bmc.pem"
        ca.write_bytes(served.server.pem.certificate)
        self._environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "REQUESTS_CA_BUNDLE": str(ca),
            "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS),
            "ANSIBLE_HOME": str(folder / "ansible"),
            "ANSIBLE_LOCALHOST_WARNING": "false",
            "ANSIBLE_INVENTORY_UNPARSED_WARNING": "false",
            "ANSIBLE_STDOUT_CALLBACK": "minimal",
            "LC_ALL": "C.UTF-8",
        }

    def run(self, name: str, *words: str | Path) -> subprocess.CompletedProcess[str]:
        """Run one of its programs."""
        command = [HOME / "bin" / name, *words]
        return subprocess.run(
            command, env=self._environment, cwd=self.folder, capture_output=True, text=True, check=False
        )
