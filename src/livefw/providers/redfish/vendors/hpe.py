# SPDX-License-Identifier: Apache-2.0
"""HPE: iLO. What ``HttpPushUri`` takes is a form of its own, and no bytes of an image."""

from livefw.providers.redfish.vendors.vendor import MessageRow, ServiceState, Vendor

HPE = Vendor(
    "HPE",
    called=frozenset({"HPE", "Hewlett Packard Enterprise"}),
    oem="Hpe",
    takes_octets=False,
    update_state=ServiceState(
        state=("Oem", "Hpe", "State"),
        percent=("Oem", "Hpe", "FlashProgressPercent"),
        result=("Oem", "Hpe", "Result"),
        done=frozenset({"Complete"}),
        failed=frozenset({"Error"}),
        idle=frozenset({"Idle"}),
    ),
    messages={"SystemResetRequired": MessageRow("a reset of the system is required", "reset-required")},
    sources=(
        "fwupd: plugins/redfish/fu-redfish-hpe-device.c (form of HttpPushUri, State, FlashProgressPercent, Result)",
        "HPE developer blog, HPE firmware updates: Part 3 (SimpleUpdate over HTTP and HTTPS; a BIOS waits for a reset)",
        "HewlettPackard/ilo-rest-api-docs, message registries (SystemResetRequired)",
    ),
)
