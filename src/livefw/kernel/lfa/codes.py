# SPDX-License-Identifier: Apache-2.0
"""Numbers and small texts of the driver: error names, C's integers."""

import errno

from livefw.abi.lfa import LfaStatus
from livefw.abi.smccc import WORD, signed32

TIMED_OUT = 32
CALL_AGAIN = 33
"""Results that the driver uses inside, beside the firmware's (v2 on). Firmware that returns -33 is called again."""

_OUT_OF_BOUNDS = "(efault)"
"""What stands for a name read past the end of the table.

There the kernel follows whatever word lies behind the table. It may oops; this is what printk shows when the word is a
small number, and the one outcome that a model can survive.
"""


def c_int(word: int) -> int:
    """What is left of a 64-bit register in an ``int``."""
    return signed32(word)


def error_name(word: int, *, checked: bool) -> str:
    """The name that the driver logs for x0, or for one of its own negative results.

    Where the table is ``checked`` (v2 on), positive numbers show as success and what has no name as a device error; a
    time-out does too, because it is compared with its opposite sign.
    """
    if not checked:
        index = -word & WORD
        return _name(index) if index < len(LfaStatus) else _OUT_OF_BOUNDS
    number = c_int(word)
    if number > 0:
        return _name(LfaStatus.SUCCESS)
    return _name(-number) if -number < len(LfaStatus) else _name(-LfaStatus.DEVICE_ERROR)


def _name(index: int) -> str:
    return f"LFA_{LfaStatus(-index).name}"


_ERRNOS = {
    LfaStatus.SUCCESS: 0,
    LfaStatus.BUSY: errno.EBUSY,
    LfaStatus.AUTH_ERROR: errno.EKEYREJECTED,
    LfaStatus.NO_MEMORY: errno.ENOMEM,
    LfaStatus.CRITICAL_ERROR: errno.EIO,
    LfaStatus.DEVICE_ERROR: errno.EIO,
    LfaStatus.ACTIVATION_FAILED: errno.ECANCELED,
}


def status_name(code: int) -> str:
    """The name of a status as the driver of ``dkms/`` tells it."""
    return f"LFA_{LfaStatus(code).name}" if code in LfaStatus._value2member_map_ else "LFA_UNKNOWN"


def status_errno(code: int) -> int:
    """The errno by which the driver of ``dkms/`` tells a status: EINVAL for a refusal, EIO for one without a name."""
    if code not in LfaStatus._value2member_map_:
        return errno.EIO
    return _ERRNOS.get(LfaStatus(code), errno.EINVAL)
