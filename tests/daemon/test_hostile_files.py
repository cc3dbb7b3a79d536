# SPDX-License-Identifier: Apache-2.0
"""Clients that send file descriptors of every kind: none is ever open in the daemon, and nobody waits for one."""

import os
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from livefw.daemon.upload import images
from livefw.dbus import wire
from livefw.dbus.client import MethodCall
from livefw.dbus.wire import Message, MessageType
from livefw.errors import Refused

from .conftest import FWUPD, OWN, Serve
from .enemy import PING, call, descriptors, hanging, inside, lets_go, raw, receive

DETAILS = call("GetDetails", "h", 7, fds=1)
INSTALL = call("Install", "sha{sv}", "*", 8, {}, fds=1)


def _files(folder: Path) -> Iterator[tuple[int, str]]:
    """Descriptors, and why they are not taken."""
    large = folder / "large"
    yield os.open(folder, os.O_RDONLY), "is no regular file"
    reading, writing = os.pipe()
    os.close(writing)
    yield reading, "is no regular file"
    yield os.open("/dev/zero", os.O_RDONLY), "is no regular file"
    yield socket.socket(socket.AF_UNIX).detach(), "is no regular file"
    yield os.eventfd(0), "is no regular file"
    yield os.memfd_create("empty"), "empty"
    full = os.memfd_create("full", os.MFD_ALLOW_SEALING)
    os.truncate(full, 17 << 20)
    yield full, "larger than 16 MiB"
    growing = os.open(large, os.O_RDWR | os.O_CREAT, 0o600)
    os.truncate(growing, 1 << 40)
    yield growing, "larger than 16 MiB"
    yield os.open(large, os.O_WRONLY), "cannot be read"
    yield os.open(large, os.O_PATH), "cannot be read"
    yield os.open("/proc/self/mem", os.O_RDONLY), "cannot be read"
    yield os.open("/etc/hostname", os.O_RDONLY), "the archive is rejected"


def test_files_of_any_kind_are_refused_and_never_open_here(planted: Path, serve: Serve, folder: Path) -> None:
    daemon = serve(planted)
    with inside(daemon) as client:
        client.sendall(call("GetPlugins"))
        receive(client, 1)  # the daemon's own look at the machine is over
        before = descriptors(daemon)
        for descriptor, why in _files(folder):
            socket.send_fds(client, [DETAILS], [descriptor])
            socket.send_fds(client, [INSTALL], [descriptor])
            os.close(descriptor)
            details, install = receive(client, 2)
            assert why in str(details.body), details
            assert install.error_name == f"{FWUPD}.NotSupported"  # nothing here takes images: it is not even read
        while len(descriptors(daemon)) > len(before):  # until the process that copied is gone
            client.sendall(PING)
            receive(client, 1)
    assert daemon.call("List")[2] == 0


def test_a_file_that_grows_while_it_is_read_has_an_end(planted: Path, serve: Serve, folder: Path) -> None:
    daemon = serve(planted)
    over = threading.Event()

    def grow() -> None:
        with open(folder / "grows", "ab") as file:
            while not over.is_set():
                file.write(bytes(1 << 20))
                file.truncate(min(file.tell(), 64 << 20))

    thread = threading.Thread(target=grow)
    with inside(daemon) as client, open(folder / "grows", "wb+") as file:
        thread.start()
        socket.send_fds(client, [DETAILS], [file.fileno()])
        (answer,) = receive(client, 1)
        over.set()
        thread.join()
    assert answer.error_name.startswith(FWUPD)
    assert daemon.call("List")[2] == 0


def test_descriptors_belong_to_the_message_they_come_with(planted: Path, serve: Serve) -> None:
    daemon = serve(planted)
    wrong = [
        ("half a message", b"l", 2),
        ("more than livefwd has", b"l", 253),
        ("a whole message and half another", call("GetDevices", fds=1) + b"l", 1),
        ("a message that does not know of them", call("GetDevices"), 1),
    ]
    for name, data, count in wrong:
        with inside(daemon) as client, open(os.devnull, "rb") as file:
            socket.send_fds(client, [data], [file.fileno()] * count)
            assert lets_go(client), name
    with raw(daemon) as client, open(os.devnull, "rb") as file:
        socket.send_fds(client, [b"\0AUTH"], [file.fileno()])
        assert lets_go(client)
    assert daemon.call("List")[2] == 0


def test_one_file_is_needed_and_no_more(planted: Path, serve: Serve) -> None:
    daemon = serve(planted)
    with inside(daemon) as client, open("/etc/hostname", "rb") as file:
        for told, sent in ((1, 2), (1, 253), (2, 2), (2, 1), (253, 1)):
            for asked in (call("GetDetails", "h", 0, fds=told), call("Install", "sha{sv}", "*", 0, {}, fds=told)):
                socket.send_fds(client, [asked], [file.fileno()] * sent)
            details, install = receive(client, 2)
            assert "one file descriptor is needed" in str(details.body)
            assert install.error_name.startswith(FWUPD)
        client.sendall(DETAILS)
        assert lets_go(client)  # none at all
    assert daemon.call("List")[2] == 0


def test_what_comes_before_a_message_with_descriptors_is_answered(planted: Path, serve: Serve) -> None:
    daemon = serve(planted)
    with inside(daemon) as client, open(os.devnull, "rb") as file:
        for first in (PING, call("GetDevices")):
            client.sendall(first * 20)
            socket.send_fds(client, [INSTALL], [file.fileno()])
            client.sendall(PING)
            answers = receive(client, 22)
            assert [each.error_name.rpartition(".")[2] for each in answers if each.error_name] == ["NotSupported"]


def test_descriptors_nobody_wants_are_thrown_away(planted: Path, serve: Serve) -> None:
    daemon = serve(planted)
    with inside(daemon) as client, open(os.devnull, "rb") as file:
        client.sendall(PING)
        receive(client, 1)
        before = len(descriptors(daemon))
        signal = wire.encode(Message(MessageType.SIGNAL, 1, path="/", interface="a.b", member="C", fds=5))
        for _ in range(300):
            socket.send_fds(client, [signal], [file.fileno()] * 5)
            client.sendall(PING)
            socket.send_fds(client, [call("Nonsense", fds=3)], [file.fileno()] * 3)
            receive(client, 2)
            assert len(descriptors(daemon)) < before + 20  # it looks at the machine meanwhile
        while len(descriptors(daemon)) > before:
            client.sendall(PING)
            receive(client, 1)


UNANSWERED = {
    "to be read": DETAILS,
    "with a call that wants none": call("GetDevices", fds=1),
    "with a signal": wire.encode(Message(MessageType.SIGNAL, 1, path="/", interface="a.b", member="C", fds=1)),
    "without a message": b"l",
}


@pytest.mark.fuse
@pytest.mark.parametrize("name", UNANSWERED)
def test_nobody_waits_for_a_file_whose_server_does_not_answer(
    name: str, planted: Path, serve: Serve, folder: Path
) -> None:
    """Any account may mount a FUSE file system: to read, look at or close a file of it takes as long as it likes."""
    daemon = serve(planted)
    with hanging(folder) as mount, inside(daemon) as client:
        socket.send_fds(client, [UNANSWERED[name]], [mount.file])
        if UNANSWERED[name] is DETAILS:
            assert mount.asked.wait(30)
        with daemon.client(timeout=10) as other:
            assert other.call(_list())[2] == 0
            other.call(_activate())  # a process is started meanwhile


def _list() -> MethodCall:
    return MethodCall("/org/livefw", OWN, "List")


def _activate() -> MethodCall:
    return MethodCall("/org/livefw", OWN, "Activate", "asa{sv}", (["TF-RMM"], {}))


@pytest.mark.fuse
def test_a_file_that_is_never_read_is_given_up(planted: Path, serve: Serve, folder: Path) -> None:
    daemon = serve(planted, changed={"daemon.upload.images.PATIENCE_S": 1.0})
    with hanging(folder) as mount, inside(daemon) as client, inside(daemon) as second, open("/etc/hostname") as file:
        socket.send_fds(client, [DETAILS], [mount.file])
        assert "it took more than 1 s to read" in str(receive(client, 1)[0].body)
        client.sendall(PING)
        assert lets_go(client)  # what is left of its message in the socket is not known
        mount.hang_up()
        error = ""
        while not error.endswith("InvalidFile"):
            socket.send_fds(second, [DETAILS], [file.fileno()])
            error = receive(second, 1)[0].error_name
            assert error in (f"{FWUPD}.InvalidFile", f"{FWUPD}.Busy")  # until the process is gone
    assert "its image could not be read in time" in daemon.log.read_text()


class _Line:
    """Stands for the loop; time passes when a test says so."""

    def __init__(self) -> None:
        self.timers: list[Callable[[], None]] = []

    def later(self, _seconds: float, callback: Callable[[], None]) -> None:
        self.timers.append(callback)


class _Slow:
    """Stands for the copying of one file."""

    def __init__(self, _loop: _Line, wish: Any, free: Callable[[], None]) -> None:
        self.uid = wish.call.peer.uid
        self.free = free


def test_each_user_has_one_file_and_all_have_so_many(monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[_Slow] = []

    def begin(*arguments: Any) -> _Slow:
        begun.append(_Slow(*arguments))
        return begun[-1]

    monkeypatch.setattr(images, "_Copy", begin)
    monkeypatch.setattr(images, "IN_ALL", 2)
    line = _Line()
    taking = images.Uploads(cast("Any", line))
    refused: list[object] = []
    for uid in (1, 1, 2, 3, 0, 0):
        asked = SimpleNamespace(peer=SimpleNamespace(uid=uid), open=True)
        taking.take(cast("Any", asked), 9, lambda result: refused.append(result))
    assert [each.uid for each in begun] == [1, 2, 0]
    begun[1].free()
    assert [each.uid for each in begun] == [1, 2, 0, 3]
    begun[0].free()
    assert [each.uid for each in begun] == [1, 2, 0, 3, 1]
    for timer in line.timers:
        timer()
    assert [type(result) for result in refused] == [Refused]
