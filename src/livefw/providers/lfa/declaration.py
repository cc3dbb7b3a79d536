# SPDX-License-Identifier: Apache-2.0
"""Arm LFA (DEN0147 v1.0; Linux ``Documentation/ABI/testing/sysfs-firmware-lfa``) in the words that all share."""

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
    provider="lfa",
    title="Arm LFA",
    transport=Transport.IN_BAND,
    interface="`/sys/firmware/lfa/GUID/`",
    component="GUID",
    version="`current_version`, where firmware reports it",
    updater="the LFA agent in EL3",
    stage="by others: fwupd, a BMC, an image store",
    pending="`activation_pending`",
    prime=PrimePoint.WITH_ACTIVATE,
    verifier="the agent, which also measures the image (LFA_PRIME)",
    activate="a write to `activate`",
    cancel=CancelWindow.UNTIL_COMMITTED,
    impact=Impact.RENDEZVOUS,
    result="errno, and the firmware's code in the kernel log",
    evidence=EvidenceLevel.VERSION,
    attestation="measured by the agent while it is primed; LFA hands no measurement to the host",
    persistence=Persistence.UNKNOWN,
    reach=Reach.CONTROLLERS | Reach.HOST,
    scope="wider, with firmware of the application processors (BL31, RMM, UEFI run time), which OCP leaves out",
)
