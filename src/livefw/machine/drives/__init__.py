# SPDX-License-Identifier: Apache-2.0
"""A machine that is nothing but drives, as a process: `livefw machine run --platform nvme`."""
