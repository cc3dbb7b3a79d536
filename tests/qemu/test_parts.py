# SPDX-License-Identifier: Apache-2.0
"""Frames and device trees, without a machine."""

import json
import random
import shutil
import subprocess
import sys
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
    subprocess.run(["qemu-system-aarch64", "-M", machine, "-smp", "2", "-display", "none", "-nic", "none"], check=True)
    return path.read_bytes()


def test_tree_gets_nodes_and_properties(tree: bytes) -> None:
    added = fdt.add(tree, {"/psci": {"method": "smc"}, "/cpus/cpu@*": {"enable-method": "psci"}, "/": {"model": "x"}})
    assert added.count(b"enable-method\0") == tree.count(b"enable-method\0") + 2
    assert fdt.add(added, {}) == fdt.add(fdt.add(added, {}), {})
    again = fdt.add(added, {"/psci": {"method": "hvc"}})
    assert again.count(b"psci\0") == added.count(b"psci\0")
    assert again.count(b"hvc\0") == added.count(b"hvc\0") + 1


PEER = """
import json, sys
import libfdt
tree = libfdt.Fdt(open(sys.argv[1], "rb").read())
found, node, path = {}, 0, []
depth = 0
while True:
    path[depth:] = [tree.get_name(node)]
    place = tree.first_property_offset(node, libfdt.QUIET_NOTFOUND)
    found["/".join(path) or "/"] = values = {}
    while place >= 0:
        prop = tree.get_property_by_offset(place)
        values[prop.name] = bytes(prop).hex()
        place = tree.next_property_offset(place, libfdt.QUIET_NOTFOUND)
    try:
        node, depth = tree.next_node(node, depth)
    except libfdt.FdtException:
        break
    if depth < 0:
        break
print(json.dumps(found))
"""
"""Reads a tree by libfdt's binding; apart, because it is there only with the extra ``peers``."""


def test_libfdt_reads_the_tree_as_we_meant_it(tree: bytes, tmp_path: Path) -> None:
    if subprocess.run([sys.executable, "-c", "import libfdt"], capture_output=True, check=False).returncode:
        pytest.skip("libfdt is not installed (PyPI pylibfdt, in the extra peers)")

    def read(blob: bytes) -> dict[str, dict[str, str]]:
        path = tmp_path / "read"
        path.write_bytes(blob)
        done = subprocess.run([sys.executable, "-c", PEER, path], capture_output=True, text=True, check=True)
        found: dict[str, dict[str, str]] = json.loads(done.stdout)
        return found

    expected = read(tree)
    assert len(expected) > 20
    for cpu in ("/cpus/cpu@0", "/cpus/cpu@1"):
        expected[cpu]["enable-method"] = b"psci\0".hex()
    expected["/"]["model"] = b"another\0".hex()
    expected["/psci"] = {"method": b"smc\0".hex()}
    expected["/lfa"] = {"compatible": b"arm,lfa\0".hex(), "interrupts": "00000000000000c800000001"}
    added = fdt.add(
        tree,
        {
            "/": {"model": "another"},
            "/psci": {"method": "smc"},
            "/cpus/cpu@*": {"enable-method": "psci"},
            "/lfa": {"compatible": "arm,lfa", "interrupts": (0, 200, 1)},
        },
    )
    assert read(added) == expected


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
