# SPDX-License-Identifier: Apache-2.0
"""What late loading of microcode needs (Linux ``Documentation/arch/x86/microcode.rst``, ``kernel-parameters.txt``)."""

from livefw.files.host_facts import SystemFacts
from livefw.providers.component import Reason
from livefw.providers.microcode.provider import ABSENT, RELOAD
from livefw.providers.requirements import ON_HOST, MechanismNeed, Need, in_kernel, on_processor, present

_DISABLED = Reason("loader-disabled", "the kernel was started with dis_ucode_ldr")


def _loader_is_on(facts: SystemFacts) -> bool | None:
    words = facts.line("/proc/cmdline").split()
    return "dis_ucode_ldr" not in words if words else None


NEEDS = (
    *on_processor("x86_64"),
    ON_HOST,
    *in_kernel("CONFIG_MICROCODE_LATE_LOADING", note=", as is the default since Linux 5.19"),
    MechanismNeed(Need.KERNEL, _loader_is_on, _DISABLED, "a boot without dis_ucode_ldr"),
    MechanismNeed(Need.DEVICE, present(RELOAD), ABSENT, RELOAD, "dmesg | grep microcode"),
)
