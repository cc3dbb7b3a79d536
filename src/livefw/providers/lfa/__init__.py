# SPDX-License-Identifier: Apache-2.0
"""Arm Live Firmware Activation as Linux shows it: ``/sys/firmware/lfa``."""
