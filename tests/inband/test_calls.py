# SPDX-License-Identifier: Apache-2.0
"""Calls on real devices: in a child, on one descriptor, with errno and argument brought back."""

import errno
import os
import socket
import struct
import termios
from collections.abc import Callable
from pathlib import Path

import pytest

from livefw.files.calls import ChildCalls
from livefw.files.host import HostFiles
from livefw.files.protocol import LOST, CallBuffer, DeviceCall, DeviceReply

FIONREAD = termios.FIONREAD


def answers(opened: int, *calls: DeviceCall) -> list[DeviceReply]:
    return answers_of(lambda: opened, *calls)


def answers_of(opening: Callable[[], int], *calls: DeviceCall) -> list[DeviceReply]:
    made = ChildCalls(opening, calls)
    assert made.wait(None)
    assert made.opened
    return list(made.answers)


def test_argument_comes_back() -> None:
    reading, writing = os.pipe()
    os.write(writing, b"seven b")
    assert answers(reading, DeviceCall(FIONREAD, bytes(4))) == [DeviceReply(0, struct.pack("i", 7))]
    os.close(reading)
    os.close(writing)


def test_large_argument_comes_back() -> None:
    """SFS has one of 4104 bytes."""
    reading, writing = os.pipe()
    os.write(writing, b"abc")
    (answer,) = answers(reading, DeviceCall(FIONREAD, bytes(4104)))
    assert (answer.error, answer.data[:4], len(answer.data)) == (0, struct.pack("i", 3), 4104)
    os.close(reading)
    os.close(writing)


def test_first_failure_ends_it() -> None:
    reading, writing = os.pipe()
    found = answers(writing, DeviceCall(0, b"data"), DeviceCall(termios.TIOCGWINSZ, bytes(8)), DeviceCall(0, b"never"))
    assert [answer.error for answer in found] == [0, errno.ENOTTY]
    assert os.read(reading, 100) == b"data"
    os.close(reading)
    os.close(writing)


def test_child_has_a_session_of_its_own_and_streams_that_lead_nowhere() -> None:
    """A terminal that is closed must not end it, and what a library says must not get into an answer."""
    reading, writing = os.pipe()

    def tell() -> int:
        streams = [os.readlink(f"/proc/self/fd/{number}") for number in range(3)]
        os.write(writing, f"{streams} {os.getsid(0) == os.getpid()}".encode())
        return os.dup(writing)

    assert answers_of(tell, DeviceCall(0, b"")) == [DeviceReply(0, b"")]
    assert os.read(reading, 1000).decode() == f"{[os.devnull] * 3} True"
    os.close(reading)
    os.close(writing)


def test_child_that_dies_leaves_the_outcome_open() -> None:
    def die() -> int:
        os.kill(os.getpid(), 9)
        return -1

    made = ChildCalls(die, [DeviceCall(0, b"x")])
    assert made.wait(None)
    assert list(made.answers) == [DeviceReply(LOST)]


def test_answers_are_not_guessed_before_the_end() -> None:
    reading, writing = os.pipe()
    made = ChildCalls(lambda: os.read(reading, 1)[0] and writing, [DeviceCall(0, b"x")])
    with pytest.raises(ValueError, match="not ended"):
        _ = made.answers
    assert not made.wait(0)
    os.write(writing, b"\1")
    assert made.wait(None)
    os.close(reading)
    os.close(writing)


def test_device_that_is_not_there_answers_the_first_call(tmp_path: Path) -> None:
    files = HostFiles(str(tmp_path))
    calls = files.start_calls("/dev/sfs", [DeviceCall(1, bytes(4)), DeviceCall(2)])
    calls.wait(None)
    assert [answer.error for answer in calls.answers] == [errno.ENOENT]
    assert not calls.opened
    files.close()


def test_device_whose_first_call_fails_was_opened() -> None:
    files = HostFiles("/")
    calls = files.start_calls("/dev/full", [DeviceCall(0, b"x"), DeviceCall(0, b"y")])
    calls.wait(None)
    assert ([answer.error for answer in calls.answers], calls.opened) == ([errno.ENOSPC], True)
    files.close()


def test_buffer_that_the_argument_points_to_comes_back() -> None:
    """SIOCETHTOOL, ETHTOOL_GLINK: ``struct ifreq`` has the address of two words at 16; the second is the answer."""
    device = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    ask = DeviceCall(0x8946, b"lo".ljust(40, b"\0"), CallBuffer(16, struct.pack("II", 0x0A, 7)))
    (answer,) = answers(os.dup(device.fileno()), ask)
    device.close()
    assert (answer.error, answer.data[:2], answer.data[16:24] != bytes(8)) == (0, b"lo", True)
    assert struct.unpack("II", answer.buffer)[0] == 0x0A
    assert struct.unpack("II", answer.buffer)[1] in (0, 1)


def test_value_that_a_call_returns_ends_it() -> None:
    """As a status of NVMe does. NS_GET_NSTYPE returns the flag of its namespace."""
    own = os.open("/proc/self/ns/mnt", os.O_RDONLY)
    found = answers(own, DeviceCall(0xB703), DeviceCall(0xB703))
    os.close(own)
    assert found == [DeviceReply(0, b"", 0x20000)]


def test_buffer_that_is_of_no_interest_stays_away() -> None:
    reading, writing = os.pipe()
    call = DeviceCall(FIONREAD, bytes(8), CallBuffer(0, bytes(4096), returned=False))
    (answer,) = answers(reading, call)
    assert (answer.error, answer.data[:4], answer.buffer) == (0, bytes(4), b"")
    os.close(reading)
    os.close(writing)
