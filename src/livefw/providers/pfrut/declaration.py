# SPDX-License-Identifier: Apache-2.0
"""PFRUT (Linux ``include/uapi/linux/pfrut.h``, ``drivers/acpi/pfr_update.c``) in the common words."""

from livefw.providers.declaration import (
    CancelWindow,
    Declaration,
    EvidenceLevel,
    Impact,
    Persistence,
    PrimePoint,
    Reach,
    Transport,
)

DECLARATION = Declaration(
    provider="pfrut",
    title="PFRUT",
    transport=Transport.IN_BAND,
    interface="`/dev/acpi_pfr_updateN`",
    component="device number, and code injection or driver",
    version="run-time versions, driver security version",
    updater="Management Mode of the platform's firmware",
    stage="write() of the capsule and the ioctl STAGE, as part of the activation",
    pending="",
    prime=PrimePoint.SEPARATE,
    verifier="platform firmware, at STAGE",
    activate="ioctl ACTIVATE",
    cancel=CancelWindow.NONE,
    impact=Impact.UNKNOWN,
    result="errno; EBUSY stands for every status of the firmware",
    evidence=EvidenceLevel.VERSION,
    attestation="",
    persistence=Persistence.UNKNOWN,
    reach=Reach.HOST,
    scope="outside, as Management Mode runs on the application processors",
)
