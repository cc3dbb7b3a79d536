# SPDX-License-Identifier: Apache-2.0
"""Waiting for changes on this machine: kernel object events from netlink, or a timer."""

import errno
import os
import select
import socket
from typing import Protocol

_NETLINK_KOBJECT_UEVENT = 15
_KERNEL_GROUP = 1
"""The kernel's own events; group 2 has those of udev (``linux/netlink.h``)."""
_LARGEST = 8192
"""Twice the kernel's buffer for one event (``UEVENT_BUFFER_SIZE`` and the header)."""
_DRAIN = 4096
"""Events that are read at once at most, so that a flood of them does not prevent a look at the machine."""


class Wake(Protocol):
    """Ends a pause."""

    def wait(self, seconds: float) -> bool:
        """Wait for at most so long; True if something happened before."""
        ...

    def close(self) -> None:
        """Release its file descriptors."""
        ...


class Uevents:
    """Wakes at every ``change``, ``add`` and ``remove`` event of the kernel, and when ``bell`` becomes readable.

    Driver versions differ in the events that they send and in their device names. An unnecessary look at the machine
    costs little.
    """

    def __init__(self, bell: int) -> None:
        """Listen. OSError if that is not permitted."""
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
                # ENOBUFS: events were lost, which means that there were some.
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
    """Events if they can be received, else a timer; netlink has no events of a modelled machine."""
    if own_machine:
        try:
            return Uevents(bell)
        except OSError:
            return Timer(bell)
    return Timer(bell)


def is_change(message: bytes) -> bool:
    """Whether an event (``ACTION@DEVPATH``, then ``KEY=VALUE``) may mean a new inventory."""
    return message.partition(b"@")[0] in (b"change", b"add", b"remove", b"bind", b"unbind")


def _readable(descriptors: list[int], seconds: float) -> bool:
    poll = select.poll()
    for descriptor in descriptors:
        poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(max(seconds, 0.0) * 1000))


def new_bell() -> tuple[int, int]:
    """A pipe for signal handlers: the end to read and the end to write."""
    listen, ring = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    return listen, ring
