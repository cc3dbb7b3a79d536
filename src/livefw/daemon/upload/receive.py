# SPDX-License-Identifier: Apache-2.0
"""A process that takes one file out of a client's socket and copies it: ``python receive.py BYTES MOST``.

Standard input is the client's socket, with BYTES of its message waiting there; standard output a socket on which the
daemon waits for a sealed copy, or for a text that says why there is none. The client keeps its file and may write to it
meanwhile, so that what is checked later has to be what was copied.

Everything that touches the stranger's file is done here, to its very end: `livefw.dbus.connection` says why. Nothing
of livefw is imported, for this is started for each file.
"""

import fcntl
import os
import socket
import stat
import sys

_CHUNK = 1 << 20
_SEALS = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL


class NotCopied(Exception):  # noqa: N818 - says what it is
    """There is no copy; the text says why."""


def sealed_copy(source: int, most: int) -> int:
    """A descriptor of a sealed copy of a regular file; `NotCopied` for anything else, or what is empty or too large.

    Only regular files are read: a pipe or a terminal might never end, and a device never would. The limit holds for
    what is read and not for what the file said its size was.
    """
    copy = os.memfd_create("livefw-image", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        if not stat.S_ISREG(os.fstat(source).st_mode):
            raise NotCopied("the image is no regular file")
        at = 0
        while at <= most and (chunk := os.pread(source, _CHUNK, at)):
            rest = memoryview(chunk)
            while rest:
                rest = rest[os.write(copy, rest) :]
            at += len(chunk)
        if not 0 < at <= most:
            raise NotCopied(f"the image is larger than {most >> 20} MiB" if at else "the image is empty")
        fcntl.fcntl(copy, fcntl.F_ADD_SEALS, _SEALS)
        os.lseek(copy, 0, os.SEEK_SET)
    except OSError as error:
        os.close(copy)
        raise NotCopied(f"the image cannot be read: {os.strerror(error.errno or 0)}") from error
    except BaseException:
        os.close(copy)
        raise
    return copy


def take(client: socket.socket, count: int) -> int:
    """The one descriptor that came with so many bytes; `NotCopied`."""
    data, descriptors, flags, _ = socket.recv_fds(client, count, 1, socket.MSG_CMSG_CLOEXEC)
    if len(data) != count or len(descriptors) != 1 or flags & socket.MSG_CTRUNC:
        raise NotCopied("one file descriptor is needed")
    return descriptors[0]


def main(arguments: list[str]) -> None:
    """Take, copy and hand over."""
    count, most = map(int, arguments)
    with socket.socket(fileno=0) as client, socket.socket(fileno=1) as daemon:
        try:
            source = take(client, count)
            client.close()  # nobody shall wait for us who waits for its end
            socket.send_fds(daemon, [b"copied"], [sealed_copy(source, most)])
        except NotCopied as error:
            daemon.send(str(error).encode())


if __name__ == "__main__":
    main(sys.argv[1:])
