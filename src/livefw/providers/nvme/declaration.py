# SPDX-License-Identifier: Apache-2.0
"""NVMe (Base Specification 2.0, Firmware Image Download and Firmware Commit) in the common words."""

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
    provider="nvme",
    title="NVMe",
    transport=Transport.IN_BAND,
    interface="`/dev/nvmeN`, `/sys/class/nvme/`",
    component="model and serial number of a drive",
    version="FR of Identify Controller, and the slot log",
    updater="the drive's controller",
    stage="Firmware Image Download, and Firmware Commit with action 0 into a slot that does not run",
    pending="a slot that livefw staged, or the one that is armed for the next reset",
    prime=PrimePoint.WITH_STAGE,
    verifier="the drive, at the commit",
    activate="Firmware Commit with action 3, of drives that offer it without a reset",
    cancel=CancelWindow.BEFORE_ACTIVATE,
    impact=Impact.PAUSE,
    result="a status of the specification, then Identify and the slot log",
    evidence=EvidenceLevel.VERSION,
    attestation="",
    persistence=Persistence.PERSISTENT,
    reach=Reach.CONTROLLERS,
    scope="outside, as firmware of drives; the same steps",
)
