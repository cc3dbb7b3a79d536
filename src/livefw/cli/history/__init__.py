# SPDX-License-Identifier: Apache-2.0
"""``livefw history``: show, verify and archive the history."""
