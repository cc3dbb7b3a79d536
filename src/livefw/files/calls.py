# SPDX-License-Identifier: Apache-2.0
"""Calls on a device that outlive the process that started them."""

import errno
import os
import struct
from collections.abc import Callable, Sequence

from livefw.files.child import ChildWrite
from livefw.files.protocol import LOST, DeviceCall, DeviceReply

MOST_BYTES = 1 << 14
"""Largest argument of an ioctl: the request number has 14 bits for its size (Linux ``asm-generic/ioctl.h``)."""

_HEAD = struct.Struct("<ii")
"""What the child writes of each call before its bytes: an errno or 0, and what an ioctl returned."""
_ADDRESS = struct.Struct("=Q")


class ChildCalls:
    """Blocking calls in a child process; each answer comes back through a file in memory that both have open."""

    def __init__(self, opened: Callable[[], int], calls: Sequence[DeviceCall]) -> None:
        """Run them in a child."""
        self._calls = calls
        self._answers: list[DeviceReply] | None = None
        self._child: ChildWrite | None = None
        try:
            self._memory = os.memfd_create("livefw-calls", os.MFD_CLOEXEC)
        except OSError as error:
            self._answers = [DeviceReply(error.errno or errno.EMFILE)]
        else:
            self._child = ChildWrite(opened, lambda device: _run(device, calls, self._memory))

    def wait(self, seconds: float | None) -> bool:
        """See `livefw.files.protocol.DeviceCalls`."""
        if self._answers is None and self._child and self._child.wait(seconds):
            self._answers = self._read() if self._child.opened else [DeviceReply(self._child.error)]
            os.close(self._memory)
        return self._answers is not None

    @property
    def answers(self) -> Sequence[DeviceReply]:
        """See `livefw.files.protocol.DeviceCalls`."""
        if self._answers is None:
            raise ValueError("the calls have not ended")
        return self._answers

    @property
    def opened(self) -> bool:
        """See `livefw.files.protocol.DeviceCalls`."""
        return self._child is not None and self._child.opened

    def _read(self) -> list[DeviceReply]:
        """What the child wrote for each call: errno and value, and as many bytes as argument and buffer had."""
        found: list[DeviceReply] = []
        offset = 0
        for call in self._calls:
            size = len(call.data) if call.request else 0
            more = len(call.buffer.data) if call.buffer and call.buffer.returned else 0
            raw = os.pread(self._memory, _HEAD.size + size + more, offset)
            if len(raw) < _HEAD.size + size + more:
                return [*found, DeviceReply(LOST)]  # the child died during this call
            error, value = _HEAD.unpack_from(raw)
            data, buffer = raw[_HEAD.size : _HEAD.size + size], raw[_HEAD.size + size :]
            found.append(DeviceReply(error, data, value, buffer))
            if error or value:
                return found
            offset += len(raw)
        return found


def _run(device: int, calls: Sequence[DeviceCall], memory: int) -> None:
    from array import array  # in the child only, as the next
    from fcntl import ioctl

    for call in calls:
        argument = bytearray(call.data)
        buffer = array("B", call.buffer.data if call.buffer else b"")
        if call.buffer:
            _ADDRESS.pack_into(argument, call.buffer.pointer_at, buffer.buffer_info()[0])
        code = value = 0
        try:
            if not call.request:
                code = 0 if os.write(device, argument) == len(argument) else errno.EIO
            elif argument:
                value = ioctl(device, call.request, argument)
            else:
                value = ioctl(device, call.request)
        except OSError as error:
            code = error.errno or errno.EIO
        answer = _HEAD.pack(code, value) + (bytes(argument) if call.request else b"")
        os.write(memory, answer + (buffer.tobytes() if call.buffer and call.buffer.returned else b""))
        if code or value:
            return
