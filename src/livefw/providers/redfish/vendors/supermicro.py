# SPDX-License-Identifier: Apache-2.0
"""Supermicro: a push is verified by a task of its own, and StartUpdate installs it."""

from livefw.providers.redfish.vendors.vendor import MessageRow, Vendor

SUPERMICRO = Vendor(
    "Supermicro",
    called=frozenset({"SMCI", "Supermicro"}),
    oem="Supermicro",
    keeps={
        "Managers": {"Oem": {"Supermicro": {"BMC": {"PreserveCfg": True, "PreserveSdr": True, "PreserveSsl": True}}}},
        "Bios": {
            "Oem": {"Supermicro": {"BIOS": {"PreserveME": True, "PreserveNVRAM": True, "PreserveSMBIOS": True}}},
        },
    },
    targets=frozenset({"Bios", "Managers"}),
    messages={
        "OemSimpleupdateAcceptedMessage": MessageRow("the request is accepted"),
        "OemFirmwareAlreadyInUpdateMode": MessageRow("another update has been begun and waits", "busy"),
        "OemLicenseNotPassed": MessageRow("the BMC has no licence for it", "no-licence"),
    },
    sources=(
        "fwupd: plugins/redfish/fu-redfish-smc-device.c, tests/redfish.py (OnStartUpdateRequest, BIOS, messages)",
        "fwupd/fwupd#4836 (a target other than Systems/1/Bios is refused)",
        "bmc-toolbox/bmclib: providers/supermicro/x12.go (BMC; targets: the manager, Systems/1/Bios)",
    ),
)
