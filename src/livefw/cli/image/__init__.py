# SPDX-License-Identifier: Apache-2.0
"""``livefw image``: firmware packages and certificates in files."""
