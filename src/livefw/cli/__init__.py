# SPDX-License-Identifier: Apache-2.0
"""The livefw command: arguments in, text or JSON out, no rules of its own."""
