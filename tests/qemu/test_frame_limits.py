# SPDX-License-Identifier: Apache-2.0
"""Bounds of a frame at their very limit: the last CPU and the last register are read, the next ones are no frame."""

import pytest

from livefw.machine.qemu.frames import Decoder, Frame, Type


@pytest.mark.parametrize(
    ("cpu", "register", "taken"), [(0, 0, True), (15, 18, True), (16, 0, False), (0, 19, False), (255, 23, False)]
)
def test_the_last_cpu_and_the_last_register(cpu: int, register: int, taken: bool) -> None:
    good, frame = Frame(Type.CALL, 1, 7, {0: 5}), Frame(Type.CALL, cpu, 7, {register: 2**64 - 1})
    decoder = Decoder()
    found = [*decoder.feed(frame.encode()), *decoder.feed(good.encode())]
    assert found == [frame, good][not taken :]
    assert (decoder.dropped > 0) is not taken
