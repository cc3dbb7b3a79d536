# SPDX-License-Identifier: Apache-2.0
"""Hearing that something changed on this machine: kernel object events by netlink, or else the time."""

import errno
import os
import select
import socket
from typing import Protocol

_NETLINK_KOBJECT_UEVENT = 15
_KERNEL_GROUP = 1
"""Events of the kernel itself; group 2 is what udev makes of them (``linux/netlink.h``, udev)."""
_LARGEST = 8192
"""Twice the kernel's own buffer for one event (``UEVENT_BUFFER_SIZE`` and the header)."""
_DRAIN = 4096
"""Events taken at one go at most; a storm of them must not keep us from looking."""


class Wake(Protocol):
    """What ends a pause."""

    def wait(self, seconds: float) -> bool:
        """Pause for so long at most; True if something happened before."""
        ...

    def close(self) -> None:
        """Release it."""
        ...


class Uevents:
    """Wakes at any ``change``, ``add`` or ``remove`` event that the kernel sends, and when ``bell`` becomes readable.

    Which driver sends one for its inventory differs by version, and its device's name is not to be relied on; to look
    once too often is cheap.
    """

    def __init__(self, bell: int) -> None:
        """Listen; OSError where that is not allowed."""
        self._bell = bell
        self._socket = socket.socket(
            socket.AF_NETLINK, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK, _NETLINK_KOBJECT_UEVENT
        )
        try:
            self._socket.bind((0, _KERNEL_GROUP))
        except OSError:
            self._socket.close()
            raise

    def wait(self, seconds: float) -> bool:
        """See `Wake`."""
        if not _readable([self._bell, self._socket.fileno()], seconds):
            return False
        return self._drain()

    def _drain(self) -> bool:
        heard = False
        for _ in range(_DRAIN):
            try:
                message, (sender, _groups) = self._socket.recvfrom(_LARGEST)
            except BlockingIOError:
                break
            except OSError as error:
                # ENOBUFS: events were lost, which is one more reason to look.
                if error.errno != errno.ENOBUFS:
                    raise
                heard = True
                continue
            heard = heard or (sender == 0 and is_change(message))
        return heard

    def close(self) -> None:
        """See `Wake`."""
        self._socket.close()


class Timer:
    """Wakes by time alone, and when ``bell`` becomes readable."""

    def __init__(self, bell: int) -> None:
        self._bell = bell

    def wait(self, seconds: float) -> bool:
        """See `Wake`."""
        _readable([self._bell], seconds)
        return False

    def close(self) -> None:
        """See `Wake`."""


def wake(bell: int, *, own_machine: bool) -> Wake:
    """The best there is; a modelled machine's events are not heard by netlink."""
    if own_machine:
        try:
            return Uevents(bell)
        except OSError:
            return Timer(bell)
    return Timer(bell)


def is_change(message: bytes) -> bool:
    """Whether an event, ``ACTION@DEVPATH`` and then ``KEY=VALUE``, is of a kind that can mean a new inventory."""
    return message.partition(b"@")[0] in (b"change", b"add", b"remove", b"bind", b"unbind")


def _readable(descriptors: list[int], seconds: float) -> bool:
    poll = select.poll()
    for descriptor in descriptors:
        poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(max(seconds, 0.0) * 1000))


def new_bell() -> tuple[int, int]:
    """A pipe that can be rung from a signal handler: the end to listen at, and the end to write to."""
    listen, ring = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    return listen, ring
