# SPDX-License-Identifier: Apache-2.0
"""NVIDIA: bmcweb with staging in flash, by a parameter of the push. Another push of the image activates it."""

from livefw.machine.bmc.firmware import Pattern
from livefw.machine.bmc.identity import Identity
from livefw.machine.bmc.vendors.shape import FirmwareRow, Shape

_BOARD = "/redfish/v1/Chassis/{chassis}"
NVIDIA = Shape(
    Identity(
        vendor="NVIDIA",
        product="GB200 NVL",
        system="HGX_Baseboard_0",
        manager="HGX_BMC_0",
        chassis="HGX_Chassis_0",
        processor="GPU_0",
    ),
    (
        FirmwareRow("HGX_FW_BMC_0", "HGX BMC", "/redfish/v1/Managers/{manager}", "1.2.0", needs_reset=None),
        FirmwareRow("HGX_FW_FPGA_0", "FPGA", _BOARD, "1.1.0", needs_reset=None),
        FirmwareRow(
            "HGX_FW_GPU_0", "GPU", "/redfish/v1/Systems/{system}/Processors/{processor}", "97.0.1", needs_reset=None
        ),
    ),
    Pattern.IMMEDIATE,
    octets="/redfish/v1/UpdateService/update",
    task="HGX_{number}",
    hold=(("Oem", "Nvidia", "UpdateOption"), "StageOnly"),
    slots=("Oem", "Nvidia"),
    service={
        "Oem": {"Nvidia": {"MultipartHttpPushUriOptions": {"UpdateOptionSupport": ["StageAndActivate", "StageOnly"]}}}
    },
    measured=True,
    sources=(
        "NVIDIA/open-nvfwupd: nvfwupd/base_rftarget.py, firmware_update_guide/docs/appendix/spi-staged.rst (options)",
        "NVIDIA/open-nvfwupd: firmware_update_guide/docs/examples/gb200NVL.rst (names of components, tasks)",
        "NVIDIA's bmcweb: redfish-core/include/utils/nvidia_fw_utils.hpp (slots and their states)",
    ),
)
