# SPDX-License-Identifier: Apache-2.0
"""Images from clients: what came with a call becomes a copy that nobody else can change, or is refused.

See `livefw.daemon.upload.receive` for the process that makes it. Here is how many there may be, and for how long.
"""

import logging
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from livefw.daemon.upload import receive
from livefw.dbus.loop import Loop
from livefw.errors import Refused, TransportError, UsageError

if TYPE_CHECKING:
    from livefw.dbus.dispatch import IncomingCall

MOST_BYTES = 128 << 20
"""Largest image taken. It is held in memory, once, for the time of the hand-over."""
IN_ALL = 6
"""Files of strangers at the same time, one of a user; root has its own."""
PATIENCE_S = 60.0
"""Seconds that copying may take. A file may be one whose server never answers, and nothing ends who waits for that: the
process is killed and left behind, and its place is free again when the kernel lets go of it."""
_ANSWER = 4096

_log = logging.getLogger(__name__)
Taken = Callable[[int | Exception], None]
"""Called with the descriptor of a sealed copy, which the call keeps, or why there is none."""


class _CopyRequest(NamedTuple):
    call: "IncomingCall"
    most: int
    taken: Taken


class Uploads:
    """Takes what came with calls, each in a process of its own."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._taking: dict[int, _Copy] = {}
        self._waiting: list[_CopyRequest] = []

    def take(self, call: "IncomingCall", most: int, taken: Taken) -> None:
        """Copy the one file that came with a call, of at most so many bytes.

        A user has one at a time, until the call is answered: further ones wait, with their files in their sockets.
        """
        request = _CopyRequest(call, most, taken)
        if not self._begin(request):
            self._waiting.append(request)
            self._loop.later(PATIENCE_S, lambda: self._give_up(request))

    def _begin(self, request: _CopyRequest) -> bool:
        """Begin with it, or tell that it cannot be; False if it has to wait."""
        call, uid = request.call, request.call.peer.uid
        if uid in self._taking or (uid != 0 and len(self._taking.keys() - {0}) >= IN_ALL):
            return False
        if not call.open:
            request.taken(UsageError("the client has left", phase="stage"))
        else:
            try:
                self._taking[uid] = _Copy(self._loop, request, lambda: self._free(uid))
            except OSError as error:
                request.taken(TransportError(f"no process to copy the image: {error}", phase="stage"))
        return True

    def _give_up(self, request: _CopyRequest) -> None:
        if request in self._waiting:
            self._waiting.remove(request)
            request.taken(Refused("other images are being copied, and do not come to an end", phase="lock"))

    def _free(self, uid: int) -> None:
        del self._taking[uid]
        waiting, self._waiting = self._waiting, []
        self._waiting += [request for request in waiting if not self._begin(request)]


class _Copy:
    """One file. ``free`` is called when neither the process nor the copy is there any more."""

    def __init__(self, loop: Loop, request: _CopyRequest, free: Callable[[], None]) -> None:
        self._loop = loop
        self._call = request.call
        self._taken: Taken | None = request.taken
        self._free = free
        self._answer, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        connection = self._call.connection
        command = [sys.executable, "-I", "-S", receive.__file__, str(connection.held), str(request.most)]
        try:
            self._process = subprocess.Popen(command, stdin=connection.socket.fileno(), stdout=theirs.fileno())
        except BaseException:
            self._answer.close()
            raise
        finally:
            theirs.close()
        connection.lend()
        self._ended = os.pidfd_open(self._process.pid)
        self._there = {"process", "copy"}
        loop.watch(self._answer, self._answered)
        loop.watch(self._ended, self._end)
        loop.later(PATIENCE_S, self._give_up)

    def _answered(self) -> None:
        try:
            data, descriptors, _, _ = socket.recv_fds(self._answer, _ANSWER, 1, socket.MSG_CMSG_CLOEXEC)
        except OSError:
            data, descriptors = b"", []
        if descriptors:
            self._call.keep(partial(self._close, descriptors[0]))
            self._finish(descriptors[0])
        elif data:
            self._finish(UsageError(data.decode("utf-8", "replace"), phase="stage"))
        else:
            self._finish(TransportError("the process that copies the image ended", phase="stage"), whole=False)

    def _give_up(self) -> None:
        if self._taken is not None:
            peer = self._call.peer
            _log.warning("process %d of user %d: its image could not be read in time", peer.pid, peer.uid)
            self._process.send_signal(signal.SIGKILL)
            self._finish(TransportError(f"it took more than {PATIENCE_S:.0f} s to read", phase="stage"), whole=False)

    def _finish(self, result: int | Exception, *, whole: bool = True) -> None:
        taken, self._taken = self._taken, None
        self._loop.forget(self._answer)
        self._answer.close()
        self._call.connection.take_back(whole=whole)
        if isinstance(result, Exception):
            self._gone("copy")
        if taken is not None:
            taken(result)

    def _close(self, descriptor: int) -> None:
        os.close(descriptor)
        self._gone("copy")

    def _end(self) -> None:
        self._loop.forget(self._ended)
        os.close(self._ended)
        self._process.wait()
        self._gone("process")

    def _gone(self, what: str) -> None:
        self._there.discard(what)
        if not self._there:
            self._free()
