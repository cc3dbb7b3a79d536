# SPDX-License-Identifier: Apache-2.0
"""Who a BMC says it is, and what it calls the resources that every BMC has."""

from typing import NamedTuple


class Identity(NamedTuple):
    """Vendor and product of the service root, and the last parts of the URIs of system, manager and chassis."""

    vendor: str = "livefw"
    product: str = "Modelled BMC"
    system: str = "1"
    manager: str = "1"
    chassis: str = "1"
    processor: str = "CPU0"


PLAIN = Identity()
