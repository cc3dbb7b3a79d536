# SPDX-License-Identifier: Apache-2.0
"""Activations at a later time, by timers of systemd."""
