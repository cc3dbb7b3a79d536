# SPDX-License-Identifier: Apache-2.0
"""Who is at the other end of a socket, as the kernel tells it and never as the peer does."""

import errno
import os
import re
import select
import socket
import struct
import threading
from collections.abc import Iterable
from contextlib import suppress
from typing import NamedTuple

_UCRED = struct.Struct("3i")
_SO_PEERGROUPS = getattr(socket, "SO_PEERGROUPS", 59)
_SO_PEERPIDFD = getattr(socket, "SO_PEERPIDFD", 77)
_GROUPS_BYTES = 1024
"""All that Python takes of a socket option: 256 groups. Of a process with more, only the account's own are known."""
_LIBRARY = re.compile(rb"/fwupd-(\d+(?:\.\d+)+)/lib")
_MAPS_LIMIT = 1 << 20
"""Bytes of ``/proc/PID/maps`` that are read: a client chooses how many mappings it has."""

_PROGRAMS_LIMIT = 64
"""Programs whose version is remembered: a client chooses which program it is."""
_PATIENCE_S = 0.2
"""Seconds for finding a version out, during which nobody else is served."""
_ASKED_LIMIT = 8
"""Users of whom one is being found out; one whose process lets it hang is not asked about again."""


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
    return Peer(pid, uid, frozenset({gid, *_groups(client, uid, gid)}), _start_time(client, pid, uid))


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


def _start_time(client: socket.socket, pid: int, uid: int) -> int:
    """Field 22 of ``/proc/PID/stat`` (proc(5)); the name in field 2 may hold blanks and parentheses.

    0 if the process that connected has ended: what has its number by now is another, and may be anybody's.
    """
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            started = int(file.read(4096).rpartition(b")")[2].split()[19])
        return started if _is_there(client, pid, uid) else 0
    except (OSError, ValueError, IndexError):
        return 0


def handle_of(client: socket.socket) -> int | None:
    """A descriptor (pidfd) of the process that connected, to be closed; None before Linux 6.5, which cannot give one.

    OSError if nothing is known of it any more.
    """
    try:
        return client.getsockopt(socket.SOL_SOCKET, _SO_PEERPIDFD)
    except OSError as error:
        if error.errno != errno.ENOPROTOOPT:
            raise
        return None


def _is_there(client: socket.socket, pid: int, uid: int) -> bool:
    """Whether the process that connected still runs; before Linux 6.5 only another owner gives away that it does not.

    OSError if nothing is known of it any more.
    """
    handle = handle_of(client)
    if handle is None:
        return _effective_uid(pid) == uid
    try:
        waiting = select.poll()  # select(2) has no place for a descriptor above 1,023
        waiting.register(handle, select.POLLIN)
        return not waiting.poll(0)
    finally:
        os.close(handle)


def _effective_uid(pid: int) -> int:
    """From ``/proc/PID/status``; the file belongs to root if the process has changed accounts."""
    with open(f"/proc/{pid}/status", "rb") as file:
        return int(file.read(4096).partition(b"\nUid:")[2].split()[1])


def user_name(uid: int) -> str:
    """The account's name, or ``uid N``."""
    import pwd  # reads the system's tables only when asked

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"


def is_trusted(uid: int) -> bool:
    """Whether it is root, or the account that the daemon runs as: who may activate without being asked for more.

    Uid 0 of another user namespace is not: the kernel tells its number in ours.
    """
    return uid in (0, os.geteuid())


class FwupdVersions:
    """Which version of fwupd clients are of.

    ``fwupdmgr`` talks only to a daemon of exactly its own version. The private library that it has mapped carries it.
    To find it among hundreds of mappings takes longer than any answer of ours, so it is remembered for the program and
    its user: the user who runs a program can give it mappings of any name, and must not deceive other users.

    A process can keep others from seeing what it has mapped for as long as it likes (the lock of its memory waits for a
    page from a FUSE mount), so a thread asks, and is waited for only so long.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[int, int, int, int], str] = {}
        self._asking: set[int] = set()

    def of(self, peer: Peer) -> str:
        """Version of the client in a process; empty if it is unknown, or not found in time."""
        if peer.uid == 0:  # root has other ways to keep us waiting
            return self._find(peer)
        if peer.uid in self._asking or len(self._asking) >= _ASKED_LIMIT:
            return ""
        found: list[str] = []

        def ask() -> None:
            found.append(self._find(peer))
            self._asking.discard(peer.uid)

        self._asking.add(peer.uid)
        thread = threading.Thread(target=ask, daemon=True, name="version")
        try:
            thread.start()
            thread.join(_PATIENCE_S)
        except RuntimeError:  # there are too many threads already
            self._asking.discard(peer.uid)
        return next(iter(found), "")

    def _find(self, peer: Peer) -> str:
        try:
            file = os.stat(f"/proc/{peer.pid}/exe")
            program = (peer.uid, file.st_dev, file.st_ino, file.st_mtime_ns)
            version = self._known.get(program) or _mapped_version(peer.pid)
        except OSError:
            return ""
        if version:
            self._known[program] = version
            if len(self._known) > _PROGRAMS_LIMIT:
                del self._known[next(iter(self._known))]
        return version


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
