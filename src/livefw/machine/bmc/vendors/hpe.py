# SPDX-License-Identifier: Apache-2.0
"""HPE: iLO. Members have numbers, and the UpdateService itself says how an update goes: there is no task."""

from livefw.machine.bmc.firmware import Pattern
from livefw.machine.bmc.identity import Identity
from livefw.machine.bmc.vendors.shape import FirmwareRow, Shape

HPE = Shape(
    Identity(vendor="HPE", product="ProLiant DL325 Gen10 Plus", processor="1"),
    (
        FirmwareRow("1", "iLO 5", "/redfish/v1/Managers/{manager}", "2.44.0", needs_reset=None),
        FirmwareRow("2", "System ROM", "/redfish/v1/Systems/{system}/Bios", "2.40.0", needs_reset=True),
    ),
    Pattern.IMMEDIATE,
    multipart="",
    form="/cgi-bin/uploadFile",
    times=(),
    state=("Oem", "Hpe"),
    messages={"ResetRequired": "iLO.2.14.SystemResetRequired", "UpdateSuccessful": "iLO.2.14.Success"},
    sources=(
        "Cray-HPE/csm-redfish-interface-emulator: mockups/DL325 (numbers of members, ids of resources)",
        "fwupd: plugins/redfish/fu-redfish-hpe-device.c (form of HttpPushUri, State, FlashProgressPercent, Result)",
        "HewlettPackard/ilo-rest-api-docs: source/includes/_ilo5_resourcedefns.md (UpdateService), message registries",
    ),
)
