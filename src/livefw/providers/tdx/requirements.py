# SPDX-License-Identifier: Apache-2.0
"""What an update of the TDX module needs (Linux 7.2: ``CONFIG_INTEL_TDX_HOST``, ``drivers/virt/coco/tdx-host``).

The flag ``tdx_host_platform`` is set by a kernel with the option only, so it says nothing before that is known.
"""

from livefw.providers.component import Reason
from livefw.providers.requirements import ON_HOST, MechanismNeed, Need, flag, in_kernel, on_processor, present
from livefw.providers.tdx.platform import DEVICE
from livefw.providers.tdx.provider import ABSENT

_NOT_ENABLED = Reason("tdx-disabled", "TDX is not enabled (no tdx_host_platform in /proc/cpuinfo)")
_OPTION, *_MODULE = in_kernel("CONFIG_INTEL_TDX_HOST", "tdx_host")

NEEDS = (
    *on_processor("x86_64", "GenuineIntel"),
    ON_HOST,
    _OPTION,
    MechanismNeed(Need.FIRMWARE, flag("tdx_host_platform"), _NOT_ENABLED, "TDX, enabled in the firmware"),
    *_MODULE,
    MechanismNeed(Need.DEVICE, present(DEVICE), ABSENT, "the TDX host device", "dmesg | grep virt/tdx"),
)
