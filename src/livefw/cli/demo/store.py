# SPDX-License-Identifier: Apache-2.0
"""What ``livefw demo`` stages: a store whose RMM boots, and three signed updates for it, built on the spot."""

import os
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from typing import NamedTuple

from livefw.abi.guid import RMM, Guid
from livefw.abi.version import ComponentVersion
from livefw.firmware.image import build, note, trust
from livefw.firmware.image.build import ImageSigner
from livefw.firmware.image.chain import CCA, Counter
from livefw.firmware.image.disk import Folder
from livefw.firmware.image.store import Store
from livefw.firmware.spec import ComponentKind, ComponentSpec
from livefw.firmware.store_platform import StorePlatform, open_platform
from livefw.machine.config import MachineConfig

_IMAGE = 6 << 20
"""Bytes: so much that PRIME asks to be called again, so little that nobody waits."""

_COUNTER = 2
"""Non-volatile counter that the machine has reached."""


class Update(NamedTuple):
    """A package in a file, what is available to know of it, and checks that have to be ignored for PRIME to see it."""

    path: str
    about: str
    ignore: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The name of the file."""
        return os.path.basename(self.path)


class Signed(NamedTuple):
    """A platform on a store, and updates for its RMM in the order in which to try them; the last one is good."""

    platform: StorePlatform
    updates: tuple[Update, ...]


def updatable(config: MachineConfig) -> ComponentSpec | None:
    """The RMM, if the machine has one of which the firmware can tell that an update is over."""
    found = (
        spec for spec in config.all_components if spec.kind is ComponentKind.RMM and Guid.parse(spec.guid) == RMM.guid
    )
    return next((spec for spec in found if not spec.pending_never_clears), None)


@contextmanager
def prepared(config: MachineConfig, rmm: ComponentSpec) -> Generator[Signed, None, None]:
    """Build it all in a temporary folder, which is gone at the end.

    The images are random bytes: in the model nobody executes them, and everything else about them is real.
    """
    runs = ComponentVersion.parse(rmm.current_version)
    old = ComponentVersion(runs.major, runs.minor - 1) if runs.minor else ComponentVersion(max(runs.major - 1, 0), 9)
    new = ComponentVersion.parse(rmm.pending_version) if rmm.pending_version else runs._replace(minor=runs.minor + 1)
    keys = build.generate(CCA)

    def package(version: ComponentVersion, counter: int) -> bytes:
        image = note.append(os.urandom(_IMAGE), version)
        return ImageSigner(CCA, keys, {Counter.CCA: counter}).package({RMM.guid: image})

    with tempfile.TemporaryDirectory(prefix="livefw-demo-") as folder:
        flash = os.path.join(folder, "flash")
        os.mkdir(flash)
        with open(_write(folder, "factory.fip", package(runs, _COUNTER)), "rb") as factory:
            Store.create(Folder(flash), factory)
        _write(flash, trust.NAME, trust.dumps(ImageSigner(CCA, keys).anchor()).encode("ascii"))
        good = package(new, _COUNTER + 1)
        bad = bytearray(good)
        bad[len(bad) // 2] ^= 1
        updates = (
            Update(_write(folder, "bad.fip", bytes(bad)), f"RMM {new}, one bit changed after it was signed"),
            Update(
                _write(folder, "old.fip", package(old, _COUNTER - 1)),
                f"RMM {old}, correctly signed, with a counter ({_COUNTER - 1}) below the machine's ({_COUNTER})",
                ignore=("downgrade",),
            ),
            Update(_write(folder, "new.fip", good), f"RMM {new}, correctly signed, with a higher counter"),
        )
        yield Signed(open_platform(config.all_components, flash), updates)


def _write(folder: str, name: str, data: bytes) -> str:
    path = os.path.join(folder, name)
    with open(path, "wb") as file:
        file.write(data)
    return path
