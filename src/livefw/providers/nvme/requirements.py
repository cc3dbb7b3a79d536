# SPDX-License-Identifier: Apache-2.0
"""What NVMe needs: the kernel's driver, and a drive."""

from livefw.providers.component import Reason
from livefw.providers.nvme.drives import CLASS
from livefw.providers.requirements import MechanismNeed, Need, in_kernel, present

ABSENT = Reason("no-device", "there is no NVMe controller")

NEEDS = (
    *in_kernel("CONFIG_NVME_CORE", "nvme_core"),
    MechanismNeed(Need.DEVICE, present(CLASS), ABSENT, "an NVMe drive"),
)
