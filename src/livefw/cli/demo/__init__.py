# SPDX-License-Identifier: Apache-2.0
"""``livefw demo``: an activation on a modelled server."""
