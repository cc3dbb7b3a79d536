# SPDX-License-Identifier: Apache-2.0
"""What Redfish needs: a BMC that somebody has written into the settings."""

from livefw.providers.redfish.provider import NO_BMC
from livefw.providers.requirements import MechanismNeed, Need

NEEDS = (MechanismNeed(Need.PLATFORM, lambda _: False, NO_BMC, "a BMC in livefw.toml"),)
