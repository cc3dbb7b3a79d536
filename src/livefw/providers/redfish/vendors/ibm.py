# SPDX-License-Identifier: Apache-2.0
"""IBM: bmcweb with an action for updates that wait for a reset, whatever apply time the service has."""

from livefw.providers.redfish.vendors.vendor import Vendor

IBM = Vendor(
    "IBM",
    called=frozenset({"IBM"}),
    push_until_reset=("Actions", "Oem", "#OemUpdateService.v1_0_0.ConcurrentUpdate", "target"),
    sources=("ibm-openbmc/bmcweb#1193, #141; redfish-core/lib/update_service.hpp (the action and its name)",),
)
