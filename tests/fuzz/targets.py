# SPDX-License-Identifier: Apache-2.0
"""Every target, by its name. `test_readers` sees that no reader of the product is missing."""

from collections.abc import Mapping

from . import abi, archives, bmc, daemon, drives, formats, images, machines, mechanisms, records, settings
from .target import Target

_ROOMS = (abi, archives, bmc, daemon, drives, formats, images, machines, mechanisms, records, settings)
TARGETS: Mapping[str, Target] = {target.name: target for room in _ROOMS for target in room.TARGETS}
ROOMS: Mapping[str, str] = {target.name: room.__name__ for room in _ROOMS for target in room.TARGETS}
"""The module that each is in: a process for one target loads, and instruments, no more than it needs."""
