# SPDX-License-Identifier: Apache-2.0
"""The one call of the Realm Management Interface that tells whether anybody is there (Arm DEN0137)."""

from livefw.abi.smccc import fast_call_64

RMI_VERSION = fast_call_64(owner=4, number=0x150)
"""x1 = the version that the caller wants; x0 = 0, x1 and x2 = the lowest and the highest that there are."""

RMI_1_0 = 0x1_0000
