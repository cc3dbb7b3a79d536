# SPDX-License-Identifier: Apache-2.0
"""The Linux driver for Live Firmware Activation, ``drivers/firmware/smccc/lfa_fw.c``, in four versions of it."""

from livefw.kernel.lfa.driver import LfaDriver
from livefw.kernel.lfa.versions import VERSIONS, DriverVersion, Notification

__all__ = ["VERSIONS", "DriverVersion", "LfaDriver", "Notification"]
