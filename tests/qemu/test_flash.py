# SPDX-License-Identifier: Apache-2.0
"""Firmware of somebody else below the test guest: how the guest gets into its flash, and that it is asked."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from livefw.abi import guid
from livefw.abi.lfa import Function, status
from livefw.abi.smccc import SMCCC_VERSION, Registers
from livefw.cli.main import main
from livefw.errors import UsageError
from livefw.firmware.image import fip
from livefw.firmware.image.fip import Payload
from livefw.machine.qemu.flash import FlashCaller, read, with_payload

BL31 = Payload.of(guid.BL31.guid, b"\x31" * 5000)
BL33 = Payload.of(guid.BL33.guid, b"\x33" * 3000)
RMM = Payload.of(guid.RMM.guid, b"\x5a" * 5000)
GUEST = b"guest" * 100


def flash(*packages: bytes) -> bytes:
    """A first stage of 256 KiB, and packages at multiples of a page."""
    image = b"\x5a" * 0x40000
    for package in packages:
        image += package + b"\xff" * (-len(package) % 4096)
    return image


@pytest.mark.parametrize("images", [[BL31, BL33], [BL33, RMM], [BL33]])
def test_the_payload_is_exchanged_and_nothing_else(images: list[Payload]) -> None:
    before = flash(fip.dump(images), fip.dump([BL31]))
    after = with_payload(before, GUEST)
    assert len(after) == len(before)
    assert after[:0x40000] == before[:0x40000]
    package = fip.parse(after[0x40000:])
    old = fip.parse(before[0x40000:])
    for entry, was in zip(package.entries, old.entries, strict=True):
        assert (entry.guid, entry.offset) == (was.guid, was.offset)
        data = after[0x40000 + entry.offset :][: entry.size]
        assert data == (GUEST if entry.guid == guid.BL33.guid else before[0x40000 + was.offset :][: was.size])
    assert after[-4096:] == before[-4096:]


def test_fiptool_reads_it(tmp_path: Path) -> None:
    if shutil.which("fiptool") is None:
        pytest.skip("no fiptool; on Debian: apt-get install arm-trusted-firmware-tools")
    package = with_payload(flash(fip.dump([BL31, BL33])), GUEST)[0x40000:]
    (tmp_path / "out").mkdir()
    (tmp_path / "fip").write_bytes(package)
    subprocess.run(["fiptool", "unpack", "--out", tmp_path / "out", tmp_path / "fip"], check=True, capture_output=True)
    assert (tmp_path / "out/nt-fw.bin").read_bytes() == GUEST
    assert (tmp_path / "out/soc-fw.bin").read_bytes() == b"\x31" * 5000


def test_a_small_payload_grows_where_nothing_follows() -> None:
    small = Payload.of(guid.BL33.guid, b"x")
    image = flash(fip.dump([BL31, small]))
    package = fip.parse(with_payload(image, GUEST)[0x40000:])
    assert package[guid.BL33.guid].size == len(GUEST)
    bare = image[: 0x40000 + len(fip.dump([BL31, small]))]
    assert with_payload(bare, GUEST).endswith(GUEST)
    with pytest.raises(UsageError, match="has 1 bytes, and the test program 500"):
        with_payload(flash(fip.dump([small, RMM])), GUEST)


@pytest.mark.parametrize("image", [b"", b"\x5a" * 9000, fip.dump([BL31]), fip.dump([BL33])[:60], flash()])
def test_what_has_no_payload_stays_as_it_is(image: bytes) -> None:
    assert with_payload(image, GUEST) == image


def test_what_cannot_be_a_flash_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    empty = tmp_path / "empty"
    empty.touch()
    with pytest.raises(UsageError, match="not empty"):
        read(str(empty))
    os.truncate(empty, (64 << 20) + 1)
    with pytest.raises(UsageError, match="at most 64 MiB"):
        read(str(empty))
    assert main(["conformance", "--qemu", str(empty)]) == 2
    assert "what is expected of that firmware?" in capsys.readouterr().err
    words = ["--agent", "bet1", "--qemu-options", "-cpu 'max"]
    assert main(["conformance", "--qemu", __file__, *words]) == 2
    assert "No closing quotation" in capsys.readouterr().err
    assert main(["conformance", "--qemu", *words]) == 2
    assert "--qemu-options are for --qemu FLASH" in capsys.readouterr().err
    assert main(["conformance", "--qemu", "/none", "--agent", "bet1"]) == 2
    assert "/none: No such file or directory" in capsys.readouterr().err
    assert main(["conformance", "--qemu", "/etc/passwd", "--agent", "bet1"]) == 2
    assert "/etc/passwd: this is a text, and no flash image" in capsys.readouterr().err


def test_our_own_monitor_as_somebody_elses(built: Path) -> None:
    """It brings no payload along: that comes by QEMU's options. Nobody answers its LFA calls."""
    guest = f"loader,file={built}/guest.bin,addr=0x40200000,force-raw=on"
    with FlashCaller(os.fspath(built / "monitor.bin"), cpus=2, options=("-device", guest)) as caller:
        assert caller.entry_point == 0x4020_0000
        for _ in range(2):
            caller.begin(1, Registers(SMCCC_VERSION))
            answer = caller.outcome(1, patience=10)
            assert isinstance(answer, Registers)
            assert answer[0] == 0x1_0002
            caller.begin(0, Registers(Function.VERSION))
            assert caller.stays(0)
            assert caller.fresh()
        assert caller.outcome(0, patience=0.1) is not None


FOREIGN = os.environ.get("LIVEFW_TEST_FLASH", "").split()
"""Flash images of firmware without an LFA agent; docs/reference/kernel.md says how to build one."""


@pytest.mark.parametrize("path", FOREIGN)
def test_firmware_without_an_agent(path: str) -> None:
    with FlashCaller(path, cpus=4) as caller:
        for cpu in range(4):
            caller.begin(cpu, Registers(Function.VERSION))
            answer = caller.outcome(cpu, patience=10)
            assert isinstance(answer, Registers)
            assert status(answer) == -1


if not FOREIGN:
    del test_firmware_without_an_agent  # an empty set of parameters would count as a skip
