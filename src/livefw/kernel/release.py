# SPDX-License-Identifier: Apache-2.0
"""What depends on the kernel around the driver, and not on the driver."""

import errno
import re
from dataclasses import dataclass

from livefw.kernel.sysfs import fail

_NUMBER = re.compile(r"([0-9]{1,4})\.([0-9]{1,4})(?![0-9])")

_ENABLE_SINCE = (6, 14)
"""From here on ``e`` and ``d`` are booleans, too (kernel, lib/kstrtox.c); 6.12 answers EINVAL."""

_LOADING_IS_INT_SINCE = (6, 19)
"""From here on ``loading`` of an upload node takes an integer and nothing else (Debian's kernels:
not 6.12, 6.16, 6.17 and 6.18, but 6.19 and 7.0 to 7.3)."""
_INT = re.compile(rb"([+-]?[0-9]+)\n?(?:\0.*)?", re.DOTALL)
_LEADING_LONG = re.compile(rb"-?[0-9]+")
_INT_RANGE = range(-(1 << 31), 1 << 31)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kernel:
    """One kernel; ValueError for a release that begins with no version."""

    release: str = "7.2.0"
    """As ``uname -r`` tells it."""
    zeroes_stack: bool = True
    """CONFIG_INIT_STACK_ALL_ZERO, the default since Linux 5.15 where the compiler can; Debian's kernels have it."""

    def __post_init__(self) -> None:
        if not _NUMBER.match(self.release):
            raise ValueError(f"kernel: {self.release[:40]!r} does not begin with a version such as 6.12")

    @property
    def version(self) -> tuple[int, int]:
        """Version and patch level."""
        found = _NUMBER.match(self.release)
        return (int(found[1]), int(found[2])) if found else (0, 0)

    def parse_bool(self, text: bytes) -> bool:
        """``kstrtobool``; EINVAL if it is not one.

        Only the first character counts, or the first two of "on" and "off" (kernel, lib/kstrtox.c).
        """
        enable, disable = (b"e", b"d") if self.version >= _ENABLE_SINCE else (b"1", b"0")
        start = text[:2].lower()
        if start[:1] in (b"y", b"t", b"1", enable) or start == b"on":
            return True
        if start[:1] in (b"n", b"f", b"0", disable) or start == b"of":
            return False
        raise fail(errno.EINVAL)

    def parse_loading(self, text: bytes) -> int:
        """The number in a write to ``loading`` of an upload node; EINVAL if it is none.

        Older kernels take what is at the start, cut to 32 bits, and 0 where no digits are (``simple_strtol``, kernel,
        lib/vsprintf.c); newer ones ``kstrtoint`` (lib/kstrtox.c), of which they tell every error alike.
        """
        if self.version < _LOADING_IS_INT_SINCE:
            start = _LEADING_LONG.match(text)
            low = int(start[0]) & 0xFFFF_FFFF if start else 0
            return low - (low >> 31 << 32)
        whole = _INT.fullmatch(text)
        if whole is None or int(whole[1]) not in _INT_RANGE:
            raise fail(errno.EINVAL)
        return int(whole[1])
