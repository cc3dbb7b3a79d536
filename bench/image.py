# SPDX-License-Identifier: Apache-2.0
"""A package of 16 MiB: its table of contents, its whole chain of trust, and TF-A's and coreutils' time on the file."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import partial

from bench.measure import Row, interleave
from livefw.abi.guid import BL33, RMM
from livefw.firmware.image import build, fip, trust
from livefw.firmware.image.build import ImageSigner
from livefw.firmware.image.chain import CCA
from livefw.firmware.image.verify import TrustAnchor, verify

SIZE = 16 << 20
PEERS = {"fiptool info": ("fiptool", "info"), "sha256sum": ("sha256sum",)}


def rows() -> Iterator[Row]:
    """Milliseconds for each; peers include the start of their process, and fiptool reads every payload."""
    signer = ImageSigner(CCA, build.generate(CCA))
    package = signer.package({RMM.guid: os.urandom(SIZE // 4), BL33.guid: os.urandom(SIZE - SIZE // 4)})
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "package.fip")
        with open(path, "wb") as file:
            file.write(package)
        trusted = os.path.join(folder, trust.NAME)
        with open(trusted, "w", encoding="ascii") as text:
            text.write(trust.dumps(signer.anchor()))
        alternatives: dict[str, Callable[[], object]] = {
            "read the table of contents": partial(_parse, path),
            "verify to the last image": partial(_verify, path, signer.anchor()),
            "livefw image verify, its start included": partial(_command, path, trusted),
        }
        for name, command in PEERS.items():
            if shutil.which(command[0]):
                alternatives[name] = partial(subprocess.run, [*command, path], check=True, capture_output=True)
        medians = interleave(alternatives, rounds=9)
    compared = ", ".join(f"{name} {medians[name] * 1000:.3g} ms" for name in PEERS if name in medians)
    for name in [name for name in alternatives if name not in PEERS]:
        yield Row(f"package of 16 MiB, {name}", medians[name] * 1000, "ms", compared_with=compared)


def _parse(path: str) -> None:
    with open(path, "rb") as file:
        fip.read(file)


def _command(path: str, trusted: str) -> None:
    command = [sys.executable, "-m", "livefw", "image", "verify", path, "--trust", trusted]
    subprocess.run(command, check=True, capture_output=True)


def _verify(path: str, anchor: TrustAnchor) -> None:
    with open(path, "rb") as file:
        verify(file, anchor, {})
