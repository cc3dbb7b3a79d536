# SPDX-License-Identifier: Apache-2.0
"""The tree of each driver version: files, modes, texts, and what reading them costs the firmware."""

import errno
import itertools

import pytest
from tests.kernel.postings import ALL

from livefw.abi.guid import BL31, BL33, FVP_SP1, RMM, SCP_BL2U, Guid
from livefw.abi.lfa import Function, InventoryFlag, InventoryResult, LfaStatus
from livefw.abi.smccc import WORD
from livefw.abi.version import ComponentVersion
from livefw.kernel.lfa import VERSIONS
from livefw.kernel.release import Kernel
from livefw.kernel.scripted import ScriptedFirmware
from livefw.kernel.sysfs import Attribute
from livefw.testing.driver import LFA, ModelDriver

RMM_ID, SP_ID = str(RMM.guid), str(FVP_SP1.guid)


def row(guid: Guid, flags: int = 0b0011, current: str = "1.0", pending: str = "1.1") -> InventoryResult:
    return InventoryResult(guid, InventoryFlag(flags), ComponentVersion.parse(current), ComponentVersion.parse(pending))


def loaded(
    version: str,
    *components: InventoryResult,
    kernel: Kernel = Kernel(),  # noqa: B008 - frozen
) -> tuple[ModelDriver, ScriptedFirmware]:
    firmware = ScriptedFirmware(components)
    bench = ModelDriver(firmware, version=version, kernel=kernel)
    assert bench.load() is bool(components)
    return bench, firmware


MODES = {  # ABI/testing/sysfs-firmware-lfa (v3 posting, May 2026); v1's set from its posting of January 2026
    "name": 0o444,
    "activation_capable": 0o444,
    "activation_pending": 0o444,
    "may_reset_cpu": 0o444,
    "cpu_rendezvous": 0o444,
    "force_cpu_rendezvous": 0o644,
    "current_version": 0o444,
    "pending_version": 0o444,
    "auto_activate": 0o644,
    "activate": 0o200,
    "cancel": 0o200,
}


@pytest.mark.parametrize("version", ALL)
def test_files_and_modes(version: str) -> None:
    bench, _ = loaded(version, row(RMM.guid))
    expected = {name: mode for name, mode in MODES.items() if version != "v1" or name != "auto_activate"}
    names = bench.tree.listdir(f"{LFA}/{RMM_ID}")
    nodes = {name: bench.tree.lookup(f"{LFA}/{RMM_ID}/{name}") for name in names}
    assert {name: node.stat.mode for name, node in nodes.items()} == expected
    assert {node.stat.size for node in nodes.values()} == {4096}
    assert len(names) == {"v1": 10, "v2": 11, "v3": 11, "nv3": 11}[version]


@pytest.mark.parametrize(
    ("guid", "v1", "v2", "v3", "nv3"),
    [  # lfa_fw.c of each version: its table of three known GUIDs, and name_show
        (BL31.guid, *["TF-A BL31 runtime"] * 4),
        (BL33.guid, *["BL33 non-secure payload"] * 4),
        (RMM.guid, *["TF-RMM"] * 4),
        (SCP_BL2U.guid, "(unknown)", "", "", str(SCP_BL2U.guid)),
        (Guid(bytes(16)), "(unknown)", "", "", "00000000-0000-0000-0000-000000000000"),
    ],
)
def test_names(guid: Guid, v1: str, v2: str, v3: str, nv3: str) -> None:
    for version, name in {"v1": v1, "v2": v2, "v3": v3, "nv3": nv3}.items():
        bench, _ = loaded(version, row(guid))
        assert bench.read(str(guid), "name") == name + "\n"


@pytest.mark.parametrize("version", ALL)
@pytest.mark.parametrize("bits", range(16))
def test_flags(version: str, bits: int) -> None:
    """DEN0147, LFA_GET_INVENTORY x3; bit 3 has the opposite sense of its file, and reserved bits have none."""
    for reserved in (0, WORD & ~0xF):
        bench, _ = loaded(version, row(RMM.guid, bits | reserved))
        texts = {
            name: bench.read(RMM_ID, name)
            for name in ("activation_capable", "activation_pending", "may_reset_cpu", "cpu_rendezvous")
        }
        assert texts == {
            "activation_capable": f"{bits & 1}\n",
            "activation_pending": f"{bits >> 1 & 1}\n",
            "may_reset_cpu": f"{bits >> 2 & 1}\n",
            "cpu_rendezvous": f"{1 - (bits >> 3)}\n",
        }


@pytest.mark.parametrize("version", ALL)
@pytest.mark.parametrize("current", ["0.0", "1.0", "4294967295.4294967295"])
def test_current_version_is_two_unsigned_numbers(version: str, current: str) -> None:
    bench, _ = loaded(version, row(RMM.guid, current=current))
    assert bench.read(RMM_ID, "current_version") == current + "\n"


@pytest.mark.parametrize("version", ["v2", "v3", "nv3"])
@pytest.mark.parametrize(
    ("flags", "pending", "text"),
    [(0b0011, "1.1", "1.1"), (0b0011, "0.0", "N/A"), (0b0001, "1.1", "N/A"), (0b0011, "0.7", "0.7")],
)
def test_pending_version_needs_flag_and_number(version: str, flags: int, pending: str, text: str) -> None:
    bench, _ = loaded(version, row(RMM.guid, flags, pending=pending))
    assert bench.read(RMM_ID, "pending_version") == text + "\n"


@pytest.mark.parametrize("version", ["v2", "v3", "nv3"])
def test_pending_version_appears_only_after_activation_pending_was_read(version: str) -> None:
    """lfa_fw.c v2 on: pending_version_show tests the cached flag, which only activation_pending_show refreshes."""
    bench, firmware = loaded(version, row(RMM.guid, 0b0001))
    firmware.components = [row(RMM.guid, 0b0011)]
    assert bench.read(RMM_ID, "pending_version") == "N/A\n"
    assert bench.read(RMM_ID, "activation_pending") == "1\n"
    assert bench.read(RMM_ID, "pending_version") == "1.1\n"


@pytest.mark.parametrize("version", ["v2", "v3", "nv3"])
def test_pending_version_hides_what_the_firmware_does_not_answer(version: str) -> None:
    bench, firmware = loaded(version, row(RMM.guid))
    firmware.script(Function.GET_INVENTORY, LfaStatus.BUSY)
    assert bench.read(RMM_ID, "pending_version") == "N/A\n"


@pytest.mark.parametrize("pending", ["1.1", "0.0"])
def test_pending_version_of_v1_is_zero_where_the_kernel_zeroes_its_stack(pending: str) -> None:
    """lfa_fw.c v1 as below, on Debian's 6.12 and 7.3, which are built with CONFIG_INIT_STACK_ALL_ZERO."""
    bench, firmware = loaded("v1", row(RMM.guid, pending=pending))
    assert bench.read(RMM_ID, "pending_version") == "0.0\n"
    assert firmware.calls[-1].registers[0] == Function.GET_INVENTORY


def test_pending_version_of_v1_is_garbage_that_stays_the_same() -> None:
    """lfa_fw.c v1: container_of with the wrong slot, and two numbers that nobody sets."""
    texts = set()
    for pending in ("1.1", "0.0"):
        bench, firmware = loaded(
            "v1",
            row(RMM.guid, pending=pending),
            row(FVP_SP1.guid, pending=pending),
            kernel=Kernel(zeroes_stack=False),
        )
        texts |= {(guid, bench.read(guid, "pending_version")) for guid in (RMM_ID, SP_ID)}
        wrong_id = firmware.calls[-1].registers
        assert wrong_id[0] == Function.GET_INVENTORY
        assert wrong_id[1] >> 31 == WORD >> 31  # a negative C int, far from any component
    assert len(texts) == 2
    for _, text in texts:
        ComponentVersion.parse(text.strip())


@pytest.mark.parametrize("version", ALL)
def test_pending_is_asked_anew_and_stale_on_errors(version: str) -> None:
    bench, firmware = loaded(version, row(RMM.guid, 0b0001))
    firmware.components = [row(RMM.guid, 0b0011)]
    assert bench.read(RMM_ID, "activation_pending") == "1\n"
    firmware.script(Function.GET_INVENTORY, LfaStatus.DEVICE_ERROR)
    assert bench.read(RMM_ID, "activation_pending") == "1\n"


@pytest.mark.parametrize("version", ALL)
def test_cached_files_do_not_touch_the_firmware(version: str) -> None:
    bench, firmware = loaded(version, row(RMM.guid))
    before = len(firmware.calls)
    asking = {"activation_pending", "pending_version"}
    for name in bench.tree.listdir(f"{LFA}/{RMM_ID}"):
        node = bench.tree.lookup(f"{LFA}/{RMM_ID}/{name}")
        assert isinstance(node, Attribute)
        if name not in asking and node.show is not None:
            bench.read(RMM_ID, name)
    assert len(firmware.calls) == before


BOOLEANS = [  # kernel, lib/kstrtox.c, kstrtobool since Linux 6.14
    *((text, True) for text in ("1", "y", "Y", "t", "T", "on", "oN", "ON", "e", "enabled", "E", "yes", "1\n", "10")),
    *((text, False) for text in ("0", "n", "N", "f", "F", "of", "off", "OFF", "d", "D", "no", "0\n", "01")),
    *((text, None) for text in ("2", "o", "\n", " 1", "-1", "x", "\0", "ö")),
]


@pytest.mark.parametrize(("text", "value"), BOOLEANS)
def test_settings_take_kernel_booleans(text: str, value: bool | None) -> None:
    for version, attribute in itertools.product(ALL, ("force_cpu_rendezvous", "auto_activate")):
        if attribute not in VERSIONS[version].attributes:
            continue
        bench, _ = loaded(version, row(RMM.guid))
        default = "1\n" if attribute == "force_cpu_rendezvous" else "0\n"
        assert bench.read(RMM_ID, attribute) == default
        assert bench.write(RMM_ID, attribute, text.encode()) == (errno.EINVAL if value is None else 0)
        assert bench.read(RMM_ID, attribute) == (default if value is None else f"{value:d}\n")


@pytest.mark.parametrize(
    ("release", "text", "value"),
    [  # kernel, lib/kstrtox.c; 6.12: seen on Debian's 6.12.117
        *((release, text, None) for release in ("6.1.0", "6.12.117+deb13-cloud-arm64", "6.13.9") for text in "edED"),
        *((release, text, True) for release in ("6.14.0-rc1", "6.100.0", "7.3.4+deb14-cloud-arm64") for text in "eE"),
        *((release, text, False) for release in ("6.14.0-rc1", "6.100.0", "7.3.4+deb14-cloud-arm64") for text in "dD"),
        *((release, text, True) for release in ("6.12.117", "7.3.4") for text in ("1", "on", "t", "y")),
        *((release, text, False) for release in ("6.12.117", "7.3.4") for text in ("0", "off", "f", "n")),
    ],
)
def test_which_words_a_boolean_takes_depends_on_the_kernel(release: str, text: str, value: bool | None) -> None:
    bench, _ = loaded("v3", row(RMM.guid), kernel=Kernel(release=release))
    for attribute in ("force_cpu_rendezvous", "auto_activate"):
        before = bench.read(RMM_ID, attribute)
        assert bench.write(RMM_ID, attribute, text.encode()) == (errno.EINVAL if value is None else 0)
        assert bench.read(RMM_ID, attribute) == (before if value is None else f"{value:d}\n")


@pytest.mark.parametrize("version", ALL)
def test_settings_are_per_image_and_survive_a_rescan_but_not_their_directory(version: str) -> None:
    bench, firmware = loaded(version, row(RMM.guid), row(FVP_SP1.guid))
    assert bench.write(RMM_ID, "force_cpu_rendezvous", b"0") == 0
    assert bench.read(SP_ID, "force_cpu_rendezvous") == "1\n"
    assert bench.write(SP_ID, "activate") == 0
    bench.settle()
    assert bench.read(RMM_ID, "force_cpu_rendezvous") == "0\n"
    firmware.components = [row(FVP_SP1.guid)]
    assert bench.write(SP_ID, "activate") == 0
    bench.settle()
    firmware.components = [row(RMM.guid), row(FVP_SP1.guid)]
    assert bench.write(SP_ID, "activate") == 0
    bench.settle()
    assert bench.read(RMM_ID, "force_cpu_rendezvous") == "1\n"


@pytest.mark.parametrize("version", ALL)
@pytest.mark.parametrize("attribute", ["activate", "cancel"])
def test_triggers_cannot_be_read_and_ignore_their_text(version: str, attribute: str) -> None:
    bench, firmware = loaded(version, row(RMM.guid))
    with pytest.raises(PermissionError):
        bench.read(RMM_ID, attribute)
    function = Function.ACTIVATE if attribute == "activate" else Function.CANCEL
    assert bench.write(RMM_ID, attribute, b"") == 0
    assert firmware.count(function) == 0
    for data in (b"0", b"no\n", b"\xff"):
        before = firmware.count(function)
        assert bench.write(RMM_ID, attribute, data) == 0
        assert firmware.count(function) > before
        bench.settle()


@pytest.mark.parametrize(
    ("version", "word", "absent"),
    [  # lfa_fw.c: v1 and v2 compare 64 bits of x0 with -1, v3 and nv3 compare 32
        ("v1", WORD, True),
        ("v2", WORD, True),
        ("v3", WORD, True),
        ("nv3", WORD, True),
        ("v1", 0xFFFF_FFFF, False),
        ("v2", 0xFFFF_FFFF, False),
        ("v3", 0xFFFF_FFFF, True),
        ("nv3", 0xFFFF_FFFF, True),
    ],
)
def test_no_agent(version: str, word: int, absent: bool) -> None:
    firmware = ScriptedFirmware()
    for function in Function:
        firmware.script(function, (word,))
    bench = ModelDriver(firmware, version=version)
    assert not bench.load()
    with pytest.raises(FileNotFoundError):
        bench.tree.lookup(LFA)
    if not absent:
        assert bench.lines()[0] == "Live Firmware Activation: detected v65535.65535"
    elif version in ("v1", "v2"):
        assert bench.lines() == ["Live Firmware activation: no firmware agent found"]
    else:
        assert bench.lines() == []


@pytest.mark.parametrize("version", ALL)
def test_load_and_unload_leave_nothing_of_the_driver(version: str) -> None:
    bench, _ = loaded(version, row(RMM.guid))
    file = bench.tree.open(f"{LFA}/{RMM_ID}/name", reading=True)
    bench.run(bench.driver.remove())
    assert bench.tree.listdir("/sys/firmware") == ()
    with pytest.raises(OSError, match="No such device"):
        bench.run(file.read(4096, 0))
    assert bench.run(bench.driver.probe()) is True
    assert bench.guids() == (RMM_ID,)


@pytest.mark.parametrize(
    ("version", "path"),
    [("v2", "/sys/bus/faux/devices/ARM_LFA"), ("v3", "/sys/bus/arm_smccc/devices/arm-smccc-lfa-1")],
)
def test_device_model(version: str, path: str) -> None:
    bench, _ = loaded(version, row(RMM.guid))
    assert bench.tree.lookup(path).stat.directory
    bench.run(bench.driver.remove())
    others = {"/sys/bus/faux/devices/ARM_LFA", "/sys/bus/arm_smccc/devices/arm-smccc-lfa-1"} - {path}
    for each in others:
        with pytest.raises(FileNotFoundError):
            bench.tree.lookup(each)


@pytest.mark.parametrize("version", ALL)
def test_a_vanished_image_reads_as_zero_until_its_directory_is_gone(version: str) -> None:
    bench, firmware = loaded(version, row(RMM.guid, 0b1111), row(FVP_SP1.guid, 0b0011))
    firmware.components = [row(FVP_SP1.guid, 0b0001)]
    assert bench.write(SP_ID, "activate") == 0
    assert bench.guids() == (RMM_ID, SP_ID)
    assert bench.read(RMM_ID, "current_version") == "0.0\n"
    assert bench.read(RMM_ID, "activation_capable") == "0\n"
    assert bench.read(RMM_ID, "cpu_rendezvous") == "0\n"
    bench.settle()
    assert bench.guids() == (SP_ID,)


@pytest.mark.parametrize(
    ("version", "pending", "cancel", "activate", "asks"),
    [  # lfa_fw.c: only nv3 tests the sequence id before every call; v1 tests it in PRIME
        ("v1", "0\n", errno.EINVAL, errno.ECANCELED, (Function.GET_INVENTORY, Function.CANCEL)),
        ("v2", "0\n", errno.EINVAL, errno.ECANCELED, (Function.GET_INVENTORY, Function.CANCEL, Function.PRIME)),
        ("v3", "0\n", errno.EINVAL, errno.ECANCELED, (Function.GET_INVENTORY, Function.CANCEL, Function.PRIME)),
    ],
)
def test_a_vanished_image_is_still_asked_for(
    version: str, pending: str, cancel: int, activate: int, asks: tuple[Function, ...]
) -> None:
    bench, firmware = loaded(version, row(RMM.guid), row(FVP_SP1.guid))
    firmware.components = [row(FVP_SP1.guid)]
    for function in (Function.CANCEL, Function.PRIME):
        firmware.script(
            function,
            lambda registers: (0, 0) if registers[1] < 2 else (LfaStatus.INVALID_PARAMETERS.word, *registers[1:]),
        )
    assert bench.write(SP_ID, "activate") == 0
    before = len(firmware.calls)
    task = bench.start(bench.reading(RMM_ID, "activation_pending"))
    assert (task.done, task.result()) == (True, pending)
    cancelling = bench.start(bench.writing(RMM_ID, "cancel"))
    activating = bench.start(bench.writing(RMM_ID, "activate"))
    assert (bench.wait(cancelling), bench.wait(activating)) == (cancel, activate)
    calls = [call.registers for call in firmware.calls[before:]]
    assert tuple(call[0] for call in calls) == asks
    assert {call[1] for call in calls} == {WORD}


def test_a_vanished_image_is_not_asked_for_by_nv3() -> None:
    bench, firmware = loaded("nv3", row(RMM.guid), row(FVP_SP1.guid))
    firmware.components = [row(FVP_SP1.guid)]
    assert bench.write(SP_ID, "activate") == 0
    before = len(firmware.calls)
    with pytest.raises(FileNotFoundError):
        bench.read(RMM_ID, "activation_pending")
    assert bench.read(RMM_ID, "pending_version") == "N/A\n"
    assert bench.write(RMM_ID, "cancel") == errno.ENOENT
    assert bench.write(RMM_ID, "activate") == errno.EBUSY  # clean-up holds the lock
    assert len(firmware.calls) == before


def test_unload_disconnects_open_triggers() -> None:
    bench, firmware = loaded("v3", row(RMM.guid))
    file = bench.tree.open(f"{LFA}/{RMM_ID}/activate", writing=True)
    bench.run(bench.driver.remove())
    with pytest.raises(OSError, match="No such device"):
        bench.run(file.write(b"1"))
    assert firmware.count(Function.PRIME) == 0
