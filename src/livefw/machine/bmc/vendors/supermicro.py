# SPDX-License-Identifier: Apache-2.0
"""Supermicro: a push is verified by a task that ends. StartUpdate installs it, and no task waits for that."""

from livefw.machine.bmc.firmware import Pattern
from livefw.machine.bmc.identity import Identity
from livefw.machine.bmc.vendors.shape import FirmwareRow, Shape

SUPERMICRO = Shape(
    Identity(vendor="Supermicro", product="SYS-420GP-TNR"),
    (
        FirmwareRow("BMC", "BMC", "/redfish/v1/Managers/{manager}", "1.1.18", needs_reset=None),
        FirmwareRow("BIOS", "BIOS", "/redfish/v1/Systems/{system}/Bios", "1.4.0", needs_reset=True),
    ),
    Pattern.START,
    multipart="/redfish/v1/UpdateService/upload",
    times=("Immediate", "OnStartUpdateRequest"),
    waits_as_task=False,
    takes_members=False,
    messages={"AlreadyInUpdateMode": "SMC.1.0.OemFirmwareAlreadyInUpdateMode"},
    sources=(
        "fwupd: plugins/redfish/fu-redfish-smc-device.c, tests/redfish.py (OnStartUpdateRequest, targets, messages)",
        "bmc-toolbox/bmclib: providers/supermicro/x12.go; jerry19890607/Scripts: SMC/curlFwUpdate.sh (URI, targets)",
    ),
)
