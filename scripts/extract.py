# SPDX-License-Identifier: Apache-2.0
"""extract.py WHEELS FOLDER: takes what tests want of large packages out of their wheels."""

import sys
import zipfile
from pathlib import Path

WANTED = (
    "ansible_collections/community/general/MANIFEST.json",
    "ansible_collections/community/general/meta/",
    "ansible_collections/community/general/plugins/module_utils/",
    "ansible_collections/community/general/plugins/modules/redfish_",
    "mirastack_redfish_mcp/data/redfish_index.json.gz",
)


def main(wheels: Path, folder: Path) -> None:
    """Extract the files whose names begin so."""
    for path in sorted(wheels.glob("*.whl")):
        with zipfile.ZipFile(path) as wheel:
            wheel.extractall(folder, [name for name in wheel.namelist() if name.startswith(WANTED)])


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:3]))
