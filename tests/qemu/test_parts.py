# SPDX-License-Identifier: Apache-2.0
"""Frames and device trees, without a machine."""

import random
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livefw.errors import UsageError
from livefw.machine.qemu import fdt
from livefw.machine.qemu.frames import CPUS, WORDS, Decoder, Frame, Type
from livefw.machine.qemu.process import QemuConfig, firmware

FRAMES = st.builds(
    Frame,
    st.sampled_from(Type),
    st.integers(0, CPUS - 1),
    st.integers(0, 255),
    st.dictionaries(st.integers(0, WORDS - 1), st.integers(0, (1 << 64) - 1)),
)


@given(frames=st.lists(FRAMES, max_size=5), cuts=st.randoms(use_true_random=False))
def test_frames_survive_any_cutting(frames: list[Frame], cuts: random.Random) -> None:
    data = b"".join(frame.encode() for frame in frames)
    decoder, got = Decoder(), []
    while data:
        size = cuts.randint(1, len(data))
        got += list(decoder.feed(data[:size]))
        data = data[size:]
    assert got == frames
    assert decoder.dropped == 0


@given(noise=st.binary(max_size=200))
def test_noise_is_no_frame_and_does_not_last(noise: bytes) -> None:
    decoder = Decoder()
    list(decoder.feed(noise))
    list(decoder.feed(bytes(200)))
    frame = Frame(Type.PING, 3, 4, {0: 1})
    assert list(decoder.feed(frame.encode())) == [frame]


def test_a_damaged_frame_is_dropped() -> None:
    raw = Frame(Type.CALL, 1, 2, {0: 7, 5: 9}).encode()
    for index in range(1, len(raw)):
        damaged = bytearray(raw)
        damaged[index] ^= 0x10
        assert list(Decoder().feed(bytes(damaged) + bytes(200))) == []


@pytest.fixture
def tree(tmp_path: Path) -> bytes:
    if shutil.which("qemu-system-aarch64") is None:
        pytest.skip("no qemu-system-aarch64")
    path = tmp_path / "tree"
    machine = f"virt,secure=on,gic-version=3,dumpdtb={path}"
    subprocess.run(["qemu-system-aarch64", "-M", machine, "-smp", "2", "-display", "none"], check=True)
    return path.read_bytes()


def test_tree_gets_nodes_and_properties(tree: bytes) -> None:
    added = fdt.add(tree, {"/psci": {"method": "smc"}, "/cpus/cpu@*": {"enable-method": "psci"}, "/": {"model": "x"}})
    assert added.count(b"enable-method\0") == tree.count(b"enable-method\0") + 2
    assert fdt.add(added, {}) == fdt.add(fdt.add(added, {}), {})
    again = fdt.add(added, {"/psci": {"method": "hvc"}})
    assert again.count(b"psci\0") == added.count(b"psci\0")
    assert again.count(b"hvc\0") == added.count(b"hvc\0") + 1


def test_a_cut_tree_is_refused(tree: bytes) -> None:
    for size in (0, 3, 39, 60):
        with pytest.raises(fdt.DeviceTreeError):
            fdt.add(tree[:size], {})
    with pytest.raises(fdt.DeviceTreeError):
        fdt.add(b"\0" * 100, {})


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        firmware("none.bin", {"LIVEFW_MONITOR": str(tmp_path)})
    assert "make monitor" in caught.value.hint
    with pytest.raises(UsageError, match="is not a file"):
        QemuConfig(kernel=str(tmp_path / "none"))
    with pytest.raises(UsageError, match="between 1 and 16"):
        QemuConfig(kernel=__file__, cpus=17)
