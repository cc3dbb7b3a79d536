# SPDX-License-Identifier: Apache-2.0
"""Dell: iDRAC. A member's id has the version in it, and a task is a job of the Lifecycle Controller."""

from livefw.machine.bmc.firmware import Pattern
from livefw.machine.bmc.identity import Identity
from livefw.machine.bmc.vendors.shape import FirmwareRow, Shape

DELL = Shape(
    Identity(
        vendor="Dell",
        product="Integrated Dell Remote Access Controller",
        system="System.Embedded.1",
        manager="iDRAC.Embedded.1",
        chassis="System.Embedded.1",
        processor="CPU.Socket.1",
    ),
    (
        FirmwareRow(
            "25227__iDRAC.Embedded.1-1",
            "Integrated Dell Remote Access Controller",
            "/redfish/v1/Managers/{manager}",
            "7.10.30",
            needs_reset=None,
        ),
        FirmwareRow("159__BIOS.Setup.1-1", "BIOS", "/redfish/v1/Systems/{system}/Bios", "2.19.1", needs_reset=True),
    ),
    Pattern.START,
    member="Installed-{software}-{version}__{device}",
    octets="/redfish/v1/UpdateService/FirmwareInventory",
    times=("Immediate", "OnReset", "OnStartUpdateRequest"),
    task="JID_{number:012}",
    messages={
        "TransferringToComponent": "IDRAC.2.8.RED002",
        "VerificationFailed": "IDRAC.2.8.RED007",
        "UpdateSuccessful": "IDRAC.2.8.RED001",
        "AwaitToUpdate": "IDRAC.2.8.JCP001",
    },
    complaints={"Allow header contains 'POST'": "HttpPushUri is the inventory itself, and that takes a POST"},
    sources=(
        "dell/iDRAC-Redfish-Scripting: Redfish Python/GetFirmwareInventoryREDFISH.py (Installed-, Previous-)",
        "redhat-performance/badfish: get_firmware_inventory (members are those with Installed in their id)",
        "dell/iDRAC-Redfish-Scripting: DeviceFirmwareMultipartUploadREDFISH.py (JID_; jobs as tasks)",
        "sushy-oem-idrac: tests/unit/resources/taskservice/test_task.py (JCP001)",
        "dellemc.openmanage: plugins/modules/idrac_firmware.py (RED001); dell/OpenManage-Enterprise#134 (RED002)",
    ),
)
