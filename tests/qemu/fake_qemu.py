#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A stand-in for qemu-system-aarch64 that does what FAKE_QEMU says: silent, talks, dies, killed, panics, off."""

import os
import re
import signal
import socket
import struct
import sys

TREE = struct.pack(">10I", 0xD00DFEED, 40 + 16 + 32, 56, 88, 40, 17, 16, 0, 0, 32) + bytes(16)
TREE += struct.pack(">2I", 1, 0) + struct.pack(">2I", 1, 0x63707573) + struct.pack(">4I", 0, 2, 2, 9)


def main() -> None:
    """Make a device tree, or take the connections and end as is wanted."""
    line = " ".join(sys.argv[1:])
    if dump := re.search(r"dumpdtb=(\S+)", line):
        with open(dump[1], "wb") as file:
            file.write(TREE)
        return
    ends = []
    for path in re.findall(r"path=([^,]+),server", line):
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path)
        listener.listen()
        ends.append(listener.accept()[0])
    what = os.environ["FAKE_QEMU"]
    if what != "silent":
        ends[0].sendall(b"[    0.000000] Booting Linux\r\n")
    if what == "panics":
        ends[0].sendall(b"[    1.5] Kernel panic - not syncing: VFS: Unable to mount root fs\r\n")
    if what == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if what == "dies":
        sys.exit("qemu-system-aarch64: the host is out of memory")
    if what in ("silent", "talks"):
        signal.pause()


if __name__ == "__main__":
    main()
