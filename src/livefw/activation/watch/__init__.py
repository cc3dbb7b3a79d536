# SPDX-License-Identifier: Apache-2.0
"""Activation of what becomes pending, by uevents or by time."""
