# SPDX-License-Identifier: Apache-2.0
"""NVMe: firmware of drives, which many of them activate without a reset (Firmware Commit, action 3)."""
