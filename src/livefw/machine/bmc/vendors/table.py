# SPDX-License-Identifier: Apache-2.0
"""All of them, by the names that the command takes."""

from livefw.machine.bmc.vendors.dell import DELL
from livefw.machine.bmc.vendors.hpe import HPE
from livefw.machine.bmc.vendors.nvidia import NVIDIA
from livefw.machine.bmc.vendors.openbmc import OPENBMC
from livefw.machine.bmc.vendors.plain import LIVEFW
from livefw.machine.bmc.vendors.shape import Shape
from livefw.machine.bmc.vendors.supermicro import SUPERMICRO

SHAPES: dict[str, Shape] = {
    "livefw": LIVEFW,
    "dell": DELL,
    "hpe": HPE,
    "nvidia": NVIDIA,
    "openbmc": OPENBMC,
    "supermicro": SUPERMICRO,
}
