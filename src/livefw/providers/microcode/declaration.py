# SPDX-License-Identifier: Apache-2.0
"""Microcode loaded late (Linux ``Documentation/arch/x86/microcode.rst``) in the common words."""

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
    provider="microcode",
    title="Microcode",
    transport=Transport.IN_BAND,
    interface="`/sys/devices/system/cpu/microcode`",
    component="all CPUs together",
    version="revision of each CPU",
    updater="the CPU itself",
    stage="the file is put into the kernel's firmware path, by others",
    pending="a file with a later revision (Intel)",
    prime=PrimePoint.WITH_ACTIVATE,
    verifier="the CPU",
    activate="1 into `/sys/devices/system/cpu/microcode/reload`",
    cancel=CancelWindow.NONE,
    impact=Impact.RENDEZVOUS,
    result="errno",
    evidence=EvidenceLevel.VERSION,
    attestation="",
    persistence=Persistence.VOLATILE,
    reach=Reach.MICROCODE,
    scope="inside, as CPU microcode",
)
