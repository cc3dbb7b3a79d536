# SPDX-License-Identifier: Apache-2.0
"""The Linux driver for Live Firmware Activation: four versions of ``lfa_fw.c``, and the one in ``dkms/``."""

from livefw.kernel.lfa.driver import LfaDriver
from livefw.kernel.lfa.own import OwnDriver
from livefw.kernel.lfa.versions import VERSIONS, DriverVersion, Notification
from livefw.kernel.os import Os
from livefw.kernel.release import Kernel
from livefw.kernel.sysfs import Tree

__all__ = ["VERSIONS", "DriverVersion", "LfaDriver", "Notification", "OwnDriver", "make_driver"]


def make_driver(
    os: Os, tree: Tree, *, version: DriverVersion, notification: Notification, kernel: Kernel
) -> LfaDriver | OwnDriver:
    """The driver of a version, not loaded."""
    kind = OwnDriver if version.own else LfaDriver
    return kind(os, tree, version=version, notification=notification, kernel=kernel)
