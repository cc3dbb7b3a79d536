# SPDX-License-Identifier: Apache-2.0
"""Nobody's BMC: as the schemas of 2026 have it. A server as the OCP deck on impactless updates has it in mind."""

from livefw.machine.bmc.firmware import Pattern
from livefw.machine.bmc.identity import PLAIN
from livefw.machine.bmc.vendors.shape import FirmwareRow, Shape

_CPU = "/redfish/v1/Systems/{system}/Processors/{processor}"
LIVEFW = Shape(
    PLAIN,
    (
        FirmwareRow("pmfw", "CPU0 power management firmware", _CPU, "1.2.0", banks=2),
        FirmwareRow("tmpm", "CPU0 security processor firmware", _CPU, "3.0.1"),
        FirmwareRow("bios", "System BIOS", "/redfish/v1/Systems/{system}/Bios", "2.4.0", needs_reset=True),
    ),
    Pattern.BOTH,
    tells=True,
    measured=True,
    sources=("DMTF DSP8010 2026.1", "DMTF DSP0266 1.22"),
)
