# SPDX-License-Identifier: Apache-2.0
"""Who is at the other end of a socket, as the kernel tells it and never as the peer does."""

import os
import re
import socket
import struct
from collections.abc import Iterable
from contextlib import suppress
from typing import NamedTuple

_UCRED = struct.Struct("3i")
_SO_PEERGROUPS = getattr(socket, "SO_PEERGROUPS", 59)
_GROUPS_BYTES = 1024
"""All that Python takes of a socket option: 256 groups. Of a process with more, only the account's own are known."""
_LIBRARY = re.compile(rb"/fwupd-(\d+(?:\.\d+)+)/lib")
_MAPS_LIMIT = 1 << 20
"""Bytes of ``/proc/PID/maps`` that are read: a client chooses how many mappings it has."""

_PROGRAMS_LIMIT = 64
"""Programs whose version is remembered: a client chooses which program it is."""


class Peer(NamedTuple):
    """A process that connected; ``started`` is its start in clock ticks since boot, which tells it from a later one
    with the same number, and 0 if it cannot be seen."""

    pid: int
    uid: int
    groups: frozenset[int]
    started: int

    @property
    def user(self) -> str:
        """The account's name, or ``uid N``."""
        return user_name(self.uid)


def identify(client: socket.socket) -> Peer:
    """The peer of a Unix socket, as it was when it connected."""
    pid, uid, gid = _UCRED.unpack(client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size))
    return Peer(pid, uid, frozenset({gid, *_groups(client, uid, gid)}), _start_time(pid))


def _groups(client: socket.socket, uid: int, gid: int) -> Iterable[int]:
    """Supplementary groups: those of the process, not those that the account has by now."""
    try:
        raw = client.getsockopt(socket.SOL_SOCKET, _SO_PEERGROUPS, _GROUPS_BYTES)
        return struct.unpack(f"{len(raw) // 4}I", raw)
    except OSError:  # ERANGE: too many
        try:
            return os.getgrouplist(user_name(uid), gid)
        except OSError:
            return ()


def _start_time(pid: int) -> int:
    """Field 22 of ``/proc/PID/stat`` (proc(5)); the name in field 2 may hold blanks and parentheses."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return int(file.read(4096).rpartition(b")")[2].split()[19])
    except (OSError, ValueError, IndexError):
        return 0


def user_name(uid: int) -> str:
    """The account's name, or ``uid N``."""
    import pwd  # reads the system's tables only when asked

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"


class FwupdVersions:
    """Which version of fwupd clients are of.

    ``fwupdmgr`` talks only to a daemon of exactly its own version. The private library that it has mapped carries it.
    To find it among hundreds of mappings takes longer than any answer of ours, so it is remembered for the program.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[int, int, int], str] = {}

    def of(self, pid: int) -> str:
        """Version of the client in a process; empty if it cannot be told."""
        try:
            file = os.stat(f"/proc/{pid}/exe")
            program = (file.st_dev, file.st_ino, file.st_mtime_ns)
            known = self._known.get(program) or _mapped_version(pid)
        except OSError:
            return ""
        if known and len(self._known) < _PROGRAMS_LIMIT:
            self._known[program] = known
        return known


def _mapped_version(pid: int) -> str:
    with open(f"/proc/{pid}/maps", "rb") as file:
        found = _LIBRARY.search(file.read(_MAPS_LIMIT))
    return found[1].decode() if found else ""


def installed_fwupd_version() -> str:
    """Version of the fwupd that is installed here, by the name of its private library directory; empty if none."""
    found = []
    for top in ("/usr/lib", "/usr/lib64"):
        with suppress(OSError):
            names = os.listdir(top)
            found += [name for name in names if name.startswith("fwupd-")]
            for name in names:
                if name.endswith("-linux-gnu"):
                    found += [each for each in os.listdir(f"{top}/{name}") if each.startswith("fwupd-")]
    versions = [name.removeprefix("fwupd-") for name in found]
    return max((v for v in versions if re.fullmatch(r"\d+(\.\d+)+", v)), key=_as_numbers, default="")


def _as_numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))
