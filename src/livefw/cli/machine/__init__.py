# SPDX-License-Identifier: Apache-2.0
"""``livefw machine``: modelled machines."""
