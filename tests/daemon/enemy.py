# SPDX-License-Identifier: Apache-2.0
"""What clients that mean harm have at hand: raw sockets, and files whose server never answers."""

import os
import select
import socket
import stat
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from livefw.dbus import wire
from livefw.dbus.wire import Message, MessageType
from livefw.machine.fuse import abi
from livefw.machine.fuse.abi import Opcode
from livefw.machine.fuse.mount import mount, unmount

from .conftest import FWUPD, Daemon

PEER = "org.freedesktop.DBus.Peer"


class Raw(socket.socket):
    """A socket with what has been received, and belongs to a later message."""

    rest = b""


def raw(daemon: Daemon) -> Raw:
    """A client that has said nothing."""
    client = Raw(socket.AF_UNIX, socket.SOCK_STREAM)
    client.connect(daemon.path)
    client.settimeout(10)
    return client


def claim(uid: int) -> bytes:
    """A user id as EXTERNAL claims it."""
    return str(uid).encode().hex().encode()


def inside(daemon: Daemon) -> Raw:
    """A client that has authenticated and talks bytes."""
    client = raw(daemon)
    client.sendall(b"\0AUTH EXTERNAL " + claim(os.geteuid()) + b"\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n")
    answer = b""
    while answer.count(b"\r\n") < 2:
        answer += client.recv(100)
    return client


def call(member: str, signature: str = "", *body: Any, interface: str = FWUPD, path: str = "/", **more: Any) -> bytes:
    """A method call as bytes."""
    message = Message(MessageType.CALL, 1, body, signature, path=path, interface=interface, member=member)
    return wire.encode(message._replace(**more))


PING = call("Ping", interface=PEER)


def lets_go(client: socket.socket) -> bool:
    """Whether the daemon has ended the connection, possibly after answers."""
    try:
        while client.recv(65536):
            pass
    except ConnectionResetError:
        return True
    except TimeoutError:
        return False
    return True


def receive(client: Raw, count: int) -> list[Message]:
    """The next answers; signals are passed over."""
    found: list[Message] = []
    while len(found) < count:
        size = wire.message_size(client.rest[:16], limit=8 << 20)
        if size is None or len(client.rest) < size:
            data = client.recv(65536)
            assert data, f"{len(found)} of {count} answers"
            client.rest += data
        else:
            message = wire.decode(client.rest[:size])
            client.rest = client.rest[size:]
            found += [message] if message.type is not MessageType.SIGNAL else []
    return found


def descriptors(daemon: Daemon) -> dict[str, str]:
    """What the daemon has open."""
    held = f"/proc/{daemon.popen.pid}/fd"
    found = {}
    for number in os.listdir(held):
        with suppress(FileNotFoundError):  # it looks at the machine meanwhile
            found[number] = os.readlink(f"{held}/{number}")
    return found


def fewest_descriptors(daemon: Daemon, *, enough: int = 0) -> dict[str, str]:
    """What the daemon keeps open: the least of several looks, or the first with no more than ``enough``.

    It has files open while it looks at the machine, and the socket of a client a moment longer than the client.
    """
    fewest = descriptors(daemon)
    for _ in range(50):
        if len(fewest) <= enough:
            break
        daemon.call("List")
        fewest = min(fewest, descriptors(daemon), key=len)
    return fewest


def somebody(program: str, *words: object, python: str = sys.executable) -> "subprocess.Popen[str]":
    """A Python program that talks on its standard input and output; it finds livefw, and becomes whom it likes."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [python, "-c", program, *map(str, words)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)


class Hanging:
    """A FUSE mount with one file, whose server may stop to answer, as that of any account may."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir()
        self._mount = mount(str(directory))
        self._ended, self._end = os.pipe()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        self.asked = threading.Event()
        """Whether something was asked for that will never be answered."""
        self.file = os.open(directory / "file", os.O_RDONLY)

    def hang_up(self) -> None:
        """Whoever waits meets ENOTCONN. No program is started before: it would close our file, and wait for that."""
        os.write(self._end, b"x")
        self._thread.join()
        os.close(self._mount.device)

    def close(self) -> None:
        """Hang up, and take everything away."""
        if self._thread.is_alive():
            self.hang_up()
        with suppress(OSError):  # it is closed, and says that its server is gone
            os.close(self.file)
        unmount(self._mount.directory)
        os.close(self._ended)
        os.close(self._end)

    def _serve(self) -> None:
        buffer = bytearray(1 << 18)
        while self._ended not in select.select([self._mount.device, self._ended], [], [])[0]:
            try:
                os.readv(self._mount.device, [buffer])
                request = abi.FuseRequest.decode(buffer)
                body = self._answer(request, buffer)
                if body is None:
                    self.asked.set()
                else:
                    os.write(self._mount.device, abi.reply(request.unique, body))
            except BlockingIOError:
                continue
            except (OSError, ValueError):
                return

    @staticmethod
    def _answer(request: abi.FuseRequest, buffer: bytearray) -> bytes | None:
        file = abi.Attributes(2, stat.S_IFREG | 0o644, 4096, 1, 0, 0, 0)
        if request.opcode == Opcode.INIT:
            _, minor, _, flags = abi.INIT_IN.unpack_from(buffer, abi.IN_HEADER.size)
            return abi.init_out(minor, flags)
        if request.opcode == Opcode.LOOKUP:
            return file.entry(2, kept=False)
        if request.opcode == Opcode.GETATTR:
            root = file._replace(inode=1, mode=stat.S_IFDIR | 0o755)
            return (root if request.node == 1 else file).answer(kept=False)
        if request.opcode == Opcode.OPEN:
            return struct.pack("=QII", 1, 0, 0)
        return None  # READ, FLUSH, RELEASE and all the rest


@contextmanager
def hanging(folder: Path) -> Iterator[Hanging]:
    """Such a mount for a while."""
    made = Hanging(folder / "hanging")
    try:
        yield made
    finally:
        made.close()
