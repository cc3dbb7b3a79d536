# SPDX-License-Identifier: Apache-2.0
"""The TDX host driver over modelled SEAM firmware: every scenario and failure class, with no provider in between.

Rows are from Linux ``tdx-host.c``, ``seamldr.c`` and the public P-SEAMLDR source; classes A to H are the failure
classes of a run-time update: what a failure leaves behind.
"""

import errno
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livefw.abi.tdx import Leaf, SeamldrStatus, Svn, TdxStatus, TdxVersion
from livefw.abi.tdx_image import LAYOUT_1, MAX_MODULE_PAGES, MODULE_OFFSET, PAGE, with_checksum
from livefw.firmware.agent import LfaAgent
from livefw.firmware.platform import MemoryPlatform
from livefw.firmware.profile import PROFILES
from livefw.firmware.seam import ModuleState, SeamFirmware, SeamSpec, TdState
from livefw.firmware.tdx_image import ModuleSpec, assemble, build, sigstruct
from livefw.firmware.tdx_repository import GNR, SPR
from livefw.kernel import virtual
from livefw.kernel.clock import VirtualClock
from livefw.kernel.os import Os
from livefw.kernel.release import Kernel
from livefw.kernel.sysfs import Directory, Tree
from livefw.kernel.tdx import DEVICE, TdxHost

NODE = f"{DEVICE}/firmware/tdx_module"
CPUS = 4
BEFORE, AFTER = b"1.5.06\n", b"1.5.08\n"
INVALID = b"transferring:firmware-invalid\n"


class Host:
    """A machine with TDX: firmware, kernel, and a program in virtual time."""

    def __init__(self, *, seam: dict[str, Any] | None = None, initialised: bool = True, **driver: bool) -> None:
        spec: dict[str, Any] = {
            "module": TdxVersion(1, 5, 6),
            "svn": Svn(1, 6),
            "seamldr": TdxVersion(1, 5, 0),
            "cpus": CPUS,
            "eax": frozenset({0x806F0}),
            "slots": 3,
        }
        self.clock = VirtualClock()
        self.os = Os(
            conduit=LfaAgent(MemoryPlatform(()), profile=PROFILES["tfa-2026"], cpus=CPUS), clock=self.clock, cpus=CPUS
        )
        self.tree = Tree(Directory())
        self.seam = SeamFirmware(SeamSpec(**spec | (seam or {})))
        self.seam.add_td("guest")
        self.driver = TdxHost(self.os, self.tree, self.seam, kernel=Kernel(), **driver)
        self.probed = virtual.run(self.os, self.clock, self.driver.probe(initialised=initialised))

    def read(self, path: str) -> bytes:
        return virtual.run(self.os, self.clock, self.tree.open(path, reading=True).read(4096, 0))

    def version(self) -> bytes:
        return self.read(f"{DEVICE}/version")

    def slots(self) -> int:
        return int(self.read(f"{DEVICE}/num_remaining_updates"))

    def write(self, name: str, data: bytes) -> None:
        file = self.tree.open(f"{NODE}/{name}", writing=True)
        while data:
            data = data[virtual.run(self.os, self.clock, file.write(data)) :]

    def upload(self, image: bytes) -> bytes:
        """Upload and wait; the text of ``error``."""
        self.write("loading", b"1\n")
        self.write("data", image)
        self.write("loading", b"0\n")
        virtual.settle(self.os, self.clock)
        assert self.read(f"{NODE}/status") == b"idle\n"
        return self.read(f"{NODE}/error")

    def log(self) -> str:
        return "\n".join(record.text for record in self.os.log)


def fails(code: int, work: Callable[[], object]) -> None:
    with pytest.raises(OSError) as raised:  # noqa: PT011 - the errno is what counts
        work()
    assert errno.errorcode[raised.value.errno or 0] == errno.errorcode[code]


SPEC: dict[str, Any] = {"version": TdxVersion(1, 5, 8), "svn": Svn(1, 7), "cpus": (SPR,)}


def module(**fields: Any) -> bytes:
    return build(ModuleSpec(**SPEC | fields))


SOUND = module()


def mended(image: bytes, offset: int, data: bytes) -> bytes:
    return with_checksum(image[:offset] + data + image[offset + len(data) :])


# The device.


def test_files_and_modes_where_updates_are_possible() -> None:
    host = Host()
    device = host.tree.lookup(DEVICE)
    assert isinstance(device, Directory)
    modes = {name: oct(node.stat.mode) for name in device.names if (node := device.get(name))}
    assert modes == {
        "version": "0o444",
        "seamldr_version": "0o400",
        "num_remaining_updates": "0o400",
        "firmware": "0o755",
    }
    texts = [host.read(f"{DEVICE}/{name}") for name in ("version", "seamldr_version", "num_remaining_updates")]
    assert texts == [b"1.5.06\n", b"1.5.00\n", b"3\n"]


@pytest.mark.parametrize("host", [Host(erratum=True), Host(seam={"features": 0})], ids=["erratum", "no feature"])
def test_only_the_version_where_updates_are_impossible(host: Host) -> None:
    assert host.tree.listdir(DEVICE) == ("version",)
    assert host.version() == BEFORE


def test_no_device_without_tdx() -> None:
    host = Host(initialised=False)
    assert not host.probed
    fails(errno.ENOENT, lambda: host.tree.lookup(DEVICE))


LOADER_ERRORS = [
    (TdxStatus.VMFAILINVALID, errno.ENODEV, False),
    (TdxStatus.GENERAL_PROTECTION, errno.EOPNOTSUPP, False),
    (TdxStatus.UNDEFINED_OPCODE, errno.EACCES, False),
    (SeamldrStatus.EBADCALL, errno.EIO, True),
]


@pytest.mark.parametrize(("status", "code", "logged"), LOADER_ERRORS)
def test_errno_of_the_loader_query(status: int, code: int, logged: bool) -> None:
    host = Host()
    host.seam.inject(Leaf.SEAMLDR_INFO, status, times=2)
    fails(code, host.slots)
    fails(code, lambda: host.read(f"{DEVICE}/seamldr_version"))
    assert ("seamldr: SEAMCALL (0x8000000000000000) failed" in host.log()) == logged
    assert host.slots() == 3


# Updates.


def test_success() -> None:
    host = Host()
    assert host.upload(SOUND) == b""
    assert (host.version(), host.slots()) == (AFTER, 2)
    assert host.read(f"{NODE}/remaining_size") == b"0\n"
    assert host.seam.td("guest").state is TdState.RUNNING
    assert host.seam.td("guest").measurement_right
    assert [stall.cpus for stall in host.os.stalls] == [CPUS]


def test_status_is_receiving_as_soon_as_the_load_is_handed_over() -> None:
    host = Host()
    host.write("loading", b"1\n")
    host.write("data", SOUND)
    host.write("loading", b"0\n")
    assert host.read(f"{NODE}/status") == b"receiving\n"
    virtual.settle(host.os, host.clock)
    assert host.version() == AFTER


def test_another_update_follows_until_the_slots_are_used_up() -> None:
    host = Host()
    for update in (8, 9, 10):
        assert host.upload(module(version=TdxVersion(1, 5, update))) == b""
    assert (host.version(), host.slots()) == (b"1.5.10\n", 0)


HEADER = {
    "layout 1": module(layout=LAYOUT_1),
    "less than a page": SOUND[:4095],
    "cut short": SOUND[:-PAGE],
    "too long": SOUND + bytes(PAGE),
    "layout word": mended(SOUND, 0, b"\x01\x02"),
    "two pages of sigstruct": mended(SOUND, 12, b"\x02\0\0\0\x02\0\0\0"),
    "too many pages": with_checksum(
        mended(SOUND, 16, (MAX_MODULE_PAGES + 1).to_bytes(4, "little")).ljust((MAX_MODULE_PAGES + 3) * PAGE, b"\0")
    ),
    "magic": mended(SOUND, 4, b"TDX_BLOB"),
    "reserved": mended(SOUND, 4095, b"\1"),
}


@pytest.mark.parametrize("image", HEADER.values(), ids=HEADER)
def test_class_a_header_is_refused_and_nothing_has_happened(image: bytes) -> None:
    host = Host()
    assert host.upload(image) == INVALID
    assert (host.version(), host.slots()) == (BEFORE, 3)
    assert not host.os.stalls
    assert host.read(f"{NODE}/remaining_size") == b"%d\n" % len(image)


def test_class_a_no_memory() -> None:
    host = Host()
    host.driver.no_memory = True
    assert host.upload(SOUND) == INVALID
    assert (host.version(), host.slots()) == (BEFORE, 3)


def test_kernel_does_not_look_at_the_checksum() -> None:
    host = Host()
    assert host.upload(SOUND[:2] + b"\0\0" + SOUND[4:]) == b""
    assert host.version() == AFTER


def test_class_b_shutdown_is_refused_and_a_retry_works() -> None:
    host = Host()
    host.seam.inject(Leaf.TDH_SYS_SHUTDOWN, SeamldrStatus.EUNSPECERR)
    assert host.upload(SOUND) == INVALID
    assert (host.version(), host.slots()) == (BEFORE, 3)
    assert "virt/tdx: SEAMCALL (0x0000000000000034) failed: 0x" in host.log()
    assert host.seam.td("guest").state is TdState.RUNNING
    assert host.upload(SOUND) == b""


def unsigned(image: bytes) -> bytes:
    return mended(image, PAGE + 516, b"\0")


def forged() -> bytes:
    structure = sigstruct(ModuleSpec(**SPEC), SOUND[MODULE_OFFSET:])._replace(modulus=b"\xff" * 384)
    return assemble(structure.encode(), SOUND[MODULE_OFFSET:])


CLASS_C: dict[str, tuple[bytes, dict[str, Any], SeamldrStatus]] = {
    "no slots": (SOUND, {"slots": 0}, SeamldrStatus.EBADCALL),
    "wrong CPU": (module(cpus=(GNR,)), {}, SeamldrStatus.EUNSUPCPU),
    "one CPU model of two": (SOUND, {"eax": frozenset({0x806F0, 0xA06D0})}, SeamldrStatus.EUNSUPCPU),
    "lower SVN": (module(svn=Svn(1, 5)), {}, SeamldrStatus.EBADSIG),
    "other SVN major": (module(svn=Svn(3, 7)), {}, SeamldrStatus.EUNSUPPORTED),
    "SVN major 0": (module(svn=Svn(0, 7)), {}, SeamldrStatus.EUNSUPPORTED),
    "debug module": (module(debug=True), {}, SeamldrStatus.EBADSIG),
    "bad signature": (unsigned(SOUND), {}, SeamldrStatus.EBADSIG),
    "other key": (forged(), {}, SeamldrStatus.EBADSIG),
    "no CPU table": (module(cpus=()), {}, SeamldrStatus.EBADSIG),
    "handoff": (module(min_handoff_version=1, handoff_version=1), {}, SeamldrStatus.EBADHANDOFF),
    "no room": (SOUND, {"room_pages": 2}, SeamldrStatus.ENOMEM),
    "no module pages": (mended(SOUND[:MODULE_OFFSET], 16, bytes(4)), {}, SeamldrStatus.EBADPARAM),
}


@pytest.mark.parametrize(("image", "seam", "status"), CLASS_C.values(), ids=CLASS_C)
def test_class_c_install_is_refused_and_the_module_is_lost(
    image: bytes, seam: dict[str, Any], status: SeamldrStatus
) -> None:
    host = Host(seam=seam)
    assert host.upload(image) == INVALID
    fails(errno.ENXIO, host.version)
    assert host.slots() == seam.get("slots", 3)
    assert f"seamldr: SEAMCALL (0x8000000000000001) failed: {status:#018x}" in host.log()
    assert host.seam.td("guest").state is TdState.DEAD


def test_debug_module_on_an_unlocked_platform() -> None:
    assert Host(seam={"locked": False}).upload(module(debug=True)) == b""


def test_class_d_hash_is_wrong_and_the_old_code_is_gone() -> None:
    host = Host()
    assert host.upload(mended(SOUND, MODULE_OFFSET, b"x")) == INVALID
    fails(errno.ENXIO, host.version)
    assert (host.slots(), host.seam.state) == (3, ModuleState.GONE)
    assert f"{SeamldrStatus.EBADHASH:#x}" in host.log()


def test_class_e_cpu_offline_installs_nothing_and_loses_the_module() -> None:
    """Every INSTALL returns success; then the module cannot be entered, and the loader stays in its round."""
    host = Host()
    host.os.cpu_off(2)
    assert host.upload(SOUND) == INVALID
    fails(errno.ENXIO, host.version)
    assert host.slots() == 3
    assert "virt/tdx: module not loaded" in host.log()
    assert "0x8000000000000001" not in host.log()
    assert host.seam.call(0, Leaf.SEAMLDR_INSTALL, (SOUND[PAGE:MODULE_OFFSET], SOUND[MODULE_OFFSET:])).status == (
        SeamldrStatus.EBADCALL
    )


@pytest.mark.parametrize("leaf", [Leaf.TDH_SYS_INIT, Leaf.TDH_SYS_LP_INIT, Leaf.TDH_SYS_UPDATE])
def test_classes_f_and_g_new_module_does_not_start_and_a_slot_is_gone(leaf: Leaf) -> None:
    host = Host()
    host.seam.inject(leaf, SeamldrStatus.EUNSPECERR)
    assert host.upload(SOUND) == INVALID
    fails(errno.ENXIO, host.version)
    assert host.slots() == 2
    assert f"virt/tdx: SEAMCALL ({leaf:#018x}) failed" in host.log()
    assert host.seam.td("guest").state is TdState.DEAD


def test_class_h_td_that_is_being_built_measures_wrong_and_nobody_says_so() -> None:
    host = Host()
    host.seam.add_td("building", finished=False)
    assert host.upload(SOUND) == b""
    assert host.version() == AFTER
    assert not host.seam.td("building").measurement_right
    assert host.seam.td("guest").measurement_right


def test_later_kernel_is_busy_while_a_td_is_being_built() -> None:
    host = Host(detects_td_build=True)
    host.seam.add_td("building", finished=False)
    assert host.upload(SOUND) == b"transferring:device-busy\n"
    assert (host.version(), host.slots()) == (BEFORE, 3)
    host.seam.tds["building"].state = TdState.RUNNING
    assert host.upload(SOUND) == b""


def test_lost_module_keeps_its_node_and_another_try_fails_with_a_warning() -> None:
    host = Host()
    host.driver.lose_module()
    host.seam.lose()
    fails(errno.ENXIO, host.version)
    assert host.slots() == 3
    assert host.upload(SOUND) == INVALID
    fails(errno.ENXIO, host.version)
    assert "WARNING" in host.log()


def test_cancel_while_running_succeeds_and_changes_nothing() -> None:
    host = Host()
    host.write("loading", b"1\n")
    host.write("data", SOUND)
    host.write("loading", b"0\n")
    host.write("cancel", b"1\n")
    virtual.settle(host.os, host.clock)
    assert host.version() == AFTER


def test_loading_minus_one_before_the_start_is_the_only_way_back() -> None:
    host = Host()
    host.write("loading", b"1\n")
    host.write("data", SOUND)
    host.write("loading", b"-1\n")
    virtual.settle(host.os, host.clock)
    assert (host.version(), host.slots()) == (BEFORE, 3)


def test_firmware_alone_keeps_its_order() -> None:
    """What no driver does: install without shutdown, start without installing, restore without all CPUs."""
    parts = SOUND[PAGE:MODULE_OFFSET], SOUND[MODULE_OFFSET:]
    seam = Host(seam={"cpus": 1}).seam
    assert seam.call(0, Leaf.TDH_SYS_INIT).status == TdxStatus.VMFAILINVALID
    assert seam.call(0, Leaf.TDH_SYS_UPDATE).status != 0
    assert seam.call(0, Leaf.SEAMLDR_INSTALL).status == SeamldrStatus.EBADPARAM
    assert seam.call(0, Leaf.SEAMLDR_INSTALL, parts).status == SeamldrStatus.EBADHANDOFF
    seam.lose()
    with pytest.raises(RuntimeError, match="no TDX module"):
        seam.add_td("late")


@given(st.integers(4, len(SOUND)), st.binary(min_size=1, max_size=40))
def test_any_image_that_the_kernel_lets_pass_ends_in_success_or_a_lost_module(offset: int, data: bytes) -> None:
    host = Host()
    error = host.upload((SOUND[:offset] + data + SOUND[offset + len(data) :])[: len(SOUND)])
    if error:
        assert error == INVALID
        assert (host.seam.slots, host.seam.state is ModuleState.RUNNING) == (3, not host.os.stalls)
    else:
        assert (host.slots(), host.seam.state) == (2, ModuleState.RUNNING)


@pytest.mark.parametrize(("sigstruct_pages", "module_pages"), [(0, 4), (1, 0), (0, 0)])
def test_page_counts_of_zero_pass_the_kernel_and_lose_the_module(sigstruct_pages: int, module_pages: int) -> None:
    host = Host()
    counts = sigstruct_pages.to_bytes(4, "little") + module_pages.to_bytes(4, "little")
    assert host.upload(mended(SOUND, 12, counts)[: PAGE * (1 + sigstruct_pages + module_pages)]) == INVALID
    fails(errno.ENXIO, host.version)
