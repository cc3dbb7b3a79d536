# SPDX-License-Identifier: Apache-2.0
"""AMD Seamless Firmware Servicing (Linux ``include/uapi/linux/psp-sfs.h``) in the common words."""

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
    provider="sfs",
    title="AMD SFS",
    transport=Transport.IN_BAND,
    interface="`/dev/sfs`",
    component="one package",
    version="a block of bytes, of which the digest is shown",
    updater="AMD Secure Processor",
    stage="the package is put into the kernel's firmware path, by others",
    pending="",
    prime=PrimePoint.WITH_ACTIVATE,
    verifier="AMD Secure Processor",
    activate="ioctl SFSIOCUPDATEPKG",
    cancel=CancelWindow.NONE,
    impact=Impact.UNKNOWN,
    result="errno, and two status words with success and EIO",
    evidence=EvidenceLevel.VERSION,
    attestation="",
    persistence=Persistence.VOLATILE,
    reach=Reach.CONTROLLERS,
    scope="inside, as firmware of the secure processor and of other microcontrollers",
)
