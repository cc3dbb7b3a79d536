# SPDX-License-Identifier: Apache-2.0
"""What AMD's Seamless Firmware Servicing needs (Linux ``drivers/crypto/ccp/sfs.c``, in the module ccp)."""

from livefw.providers.requirements import ON_HOST, MechanismNeed, Need, in_kernel, on_processor, present
from livefw.providers.sfs.provider import ABSENT, NODE

NEEDS = (
    *on_processor("x86_64", "AuthenticAMD"),
    ON_HOST,
    *in_kernel("CONFIG_CRYPTO_DEV_SP_PSP", "ccp"),
    MechanismNeed(Need.DEVICE, present(NODE), ABSENT, "a processor and a kernel with SFS", "dmesg | grep ccp"),
)
