# SPDX-License-Identifier: Apache-2.0
"""Lenovo: XCC."""

from livefw.providers.redfish.vendors.vendor import MessageRow, Vendor

LENOVO = Vendor(
    "Lenovo",
    called=frozenset({"Lenovo"}),
    oem="Lenovo",
    messages={
        "UpdateAssignment": MessageRow("the target is determined"),
        "UpdateVerifyInProgress": MessageRow("the image is being verified"),
        "UpdateVerifyFailed": MessageRow("the image could not be verified", "auth-failed"),
        "PayloadApplyInProgress": MessageRow("the image is being applied"),
        "PayloadApplyCompleted": MessageRow("the image is applied"),
    },
    sources=("fwupd: plugins/redfish/fu-redfish-device.c (LenovoFirmwareUpdateRegistry)",),
)
