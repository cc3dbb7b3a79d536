# SPDX-License-Identifier: Apache-2.0
"""Record what fwupd's emulation needs of a modelled machine: ``python -m tests.fwupd_plugin.record``.

fwupd replays it with its own test of the plugin; what is recorded are the reads of one component's files. The path
of the mount is written as the one that it has on a machine.
"""

import json
import subprocess
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from livefw.machine.config import load

from ..truth.world import RMM_GUID
from .conftest import PLUGIN, Fwupd, Mounts, Shared, built, lonely_bus

OUT = PLUGIN / "tests/arm-lfa-setup.json"
_TAG = "emulation-tag"


@contextmanager
def _daemon(folder: Path, module: Path, shared: Shared, mounts: Mounts) -> Iterator[Fwupd]:
    made = Fwupd(folder, module, shared, mounts.root, {})
    try:
        yield made
    finally:
        made.end()


def record(folder: Path, module: Path, shared: Shared) -> dict[str, Any]:
    """The events of the RMM of a modelled machine, when it is listed."""
    mounts, archive = Mounts(folder), folder / "recorded.zip"
    mounts(replace(load("vera"), driver="nv3"))
    try:
        with _daemon(folder, module, shared, mounts) as daemon:
            _run(daemon, _TAG, RMM_GUID)
        with _daemon(folder, module, shared, mounts) as daemon:  # what is tagged is recorded from the next start on
            _run(daemon, "emulation-save", str(archive))
    finally:
        mounts.close()
    with zipfile.ZipFile(archive) as file:
        text = file.read("setup.json").decode()
    found: dict[str, Any] = json.loads(text.replace(f"{mounts.root}/sys", "/sys"))
    for device in found["UsbDevices"]:
        device["Created"] = "2026-11-01T00:00:00Z"
    return found


def zipped(folder: Path) -> Path:
    """What was recorded, as fwupd reads it."""
    file = folder / "recording.zip"
    with zipfile.ZipFile(file, "w") as archive:
        archive.write(OUT, "setup.json")
    return file


def _run(daemon: Fwupd, *words: str) -> None:
    done = daemon.fwupdmgr(*words)
    if done.returncode:
        raise subprocess.CalledProcessError(done.returncode, words, done.stdout, done.stderr)


def main() -> None:
    """Write the file."""
    with tempfile.TemporaryDirectory(prefix="lfr") as name, lonely_bus() as bus:
        folder = Path(name)
        built(folder / "module")
        OUT.write_text(json.dumps(record(folder, folder / "module", Shared(bus, folder)), indent=2) + "\n")


if __name__ == "__main__":
    main()
