# SPDX-License-Identifier: Apache-2.0
"""NVIDIA: bmcweb with staging in flash. What is staged is activated by another push of the image."""

from livefw.providers.redfish.vendors.vendor import FirmwareSlots, Vendor, VendorOption

_LISTED = ("Oem", "Nvidia", "MultipartHttpPushUriOptions", "UpdateOptionSupport")
_OFFERED = ("Oem", "Nvidia", "StageOnlyUpdateOptionSupported")

NVIDIA = Vendor(
    "NVIDIA",
    called=frozenset({"NVIDIA"}),
    oem="Nvidia",
    hold=VendorOption(_LISTED, "StageOnly", {"Oem": {"Nvidia": {"UpdateOption": "StageOnly"}}}, _OFFERED),
    install=VendorOption(_LISTED, "StageAndActivate", {"Oem": {"Nvidia": {"UpdateOption": "StageAndActivate"}}}),
    slots=FirmwareSlots(
        active=("Oem", "Nvidia", "ActiveFirmwareSlot"),
        inactive=("Oem", "Nvidia", "InactiveFirmwareSlot"),
        state="FirmwareState",
        version="Version",
        runs="Activated",
        staged="Staged",
        awaits_reset="PendingActivation",
    ),
    sources=(
        "NVIDIA/open-nvfwupd: nvfwupd/base_rftarget.py, firmware_update_guide/docs/appendix/spi-staged.rst (options)",
        "NVIDIA's bmcweb: redfish-core/include/utils/nvidia_fw_utils.hpp (slots, their states, what is denied)",
        "fwupd: plugins/redfish/fu-redfish-nvidia-device.c (PendingActivation, also of an erased slot)",
    ),
)
