# SPDX-License-Identifier: Apache-2.0
"""What PFRUT needs (Linux ``drivers/acpi/pfr_update.c``, since 5.17: ACPI device INTC1080, ``CONFIG_ACPI_PFRUT``)."""

from livefw.providers.component import Reason
from livefw.providers.pfrut.provider import ABSENT, NODE
from livefw.providers.requirements import ON_HOST, MechanismNeed, Need, acpi, in_kernel, on_processor, present

_NOT_DESCRIBED = Reason("no-acpi-device", "ACPI describes no update device (INTC1080)")

NEEDS = (
    *on_processor("x86_64"),
    ON_HOST,
    MechanismNeed(Need.FIRMWARE, acpi("INTC1080"), _NOT_DESCRIBED, "firmware with the ACPI device INTC1080"),
    *in_kernel("CONFIG_ACPI_PFRUT", "pfr_update"),
    MechanismNeed(Need.DEVICE, present(f"{NODE}0"), ABSENT, f"{NODE}0", "dmesg"),
)
