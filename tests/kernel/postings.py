# SPDX-License-Identifier: Apache-2.0
"""Versions of the driver that were posted, which share one procedure; what dkms/ does is tested beside them."""

from livefw.kernel.lfa import VERSIONS

ALL = [name for name, version in VERSIONS.items() if not version.own]
