# SPDX-License-Identifier: Apache-2.0
"""OpenBMC: bmcweb. Nothing waits for an action; only a BIOS, or the BMC itself, for a reset."""

from livefw.machine.bmc.firmware import Pattern
from livefw.machine.bmc.identity import Identity
from livefw.machine.bmc.vendors.shape import FirmwareRow, Shape

OPENBMC = Shape(
    Identity(vendor="OpenBMC", product="OpenBMC", system="system", manager="bmc", chassis="chassis", processor="cpu0"),
    (
        FirmwareRow(
            "bmc", "BMC image", "/redfish/v1/Managers/{manager}", "2.18.0", needs_reset=None, member="{digest}"
        ),
        FirmwareRow("bios_active", "Host image", "/redfish/v1/Systems/{system}/Bios", "1.4.0", needs_reset=True),
    ),
    Pattern.IMMEDIATE,
    octets="/redfish/v1/UpdateService/update",
    sources=(
        "openbmc/bmcweb: redfish-core/lib/update_service.hpp (URIs of pushes, apply times, tasks)",
        "openbmc/bmcweb: redfish-core/lib/systems.hpp, managers.hpp (names of system and manager)",
        "openbmc/docs: REDFISH-cheatsheet.md (ids of images)",
        "openbmc/phosphor-bmc-code-mgmt: version.cpp (an id is the beginning of a SHA-512 of the version)",
    ),
)
