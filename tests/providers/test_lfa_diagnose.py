# SPDX-License-Identifier: Apache-2.0
"""What the doctor says of LFA on machines of every sort, and how a switch of a component is written."""

import errno
import gzip
import os
import re
from typing import Any

import pytest

from livefw.errors import PermissionDenied, TransportError
from livefw.files.host_facts import SystemFacts
from livefw.providers.fake import FakeFiles, FakeResult, attributes
from livefw.providers.lfa import settings
from livefw.providers.lfa.fake import RMM, FakeLfa
from livefw.providers.lfa.tree import ROOT

RELEASE = "6.17.0-nvidia"
OTHER = "11111111-2222-3333-4444-555555555555"


def found(bench: FakeLfa) -> list[tuple[str, str, str]]:
    return [(finding.severity, finding.code, finding.text) for finding in bench.provider.diagnose()]


ARM = attributes("/proc/sys/kernel", arch="aarch64", osrelease=RELEASE)
NOTHING = ("info", "no-component", f"{ROOT} is missing or lists no component")
LISTS = ("/usr/lib/modules", "/lib/modules")
CHAIN: dict[str, tuple[dict[str, Any], list[str], tuple[str, str, str]]] = {
    "another processor": (
        attributes("/proc/sys/kernel", arch="x86_64"),
        [],
        ("info", "not-arm64", "this machine is x86_64; LFA exists on 64-bit Arm only"),
    ),
    "no agent": (
        ARM,
        ["Arm LFA: no firmware agent found"],
        ("info", "no-agent", "the driver found no LFA agent in the firmware"),
    ),
    "no inventory": (
        ARM,
        ["Arm LFA: Error getting number of LFA components"],
        ("error", "no-inventory", "the firmware's LFA agent did not report its number of components"),
    ),
    "an agent and nothing else": (
        ARM,
        ["Arm LFA: Live Firmware Activation: detected v1.0"],
        (
            "warning",
            "empty-inventory",
            "the LFA agent lists no component, or the driver was unloaded since",
        ),
    ),
    "an agent, as newer drivers say it": (
        ARM,
        ["Arm LFA: Arm Live Firmware Activation (LFA): detected v1.0"],
        (
            "warning",
            "empty-inventory",
            "the LFA agent lists no component, or the driver was unloaded since",
        ),
    ),
    "a driver that says nothing": (
        ARM | {"/sys/module/lfa_fw/refcnt": b"0\n"},
        [],
        ("info", "no-agent", "the driver is loaded but lists nothing: no LFA agent, or an empty inventory"),
    ),
    "a module that is not loaded": (
        ARM | {f"{LISTS[1]}/{RELEASE}/modules.dep": b"kernel/drivers/firmware/smccc/lfa_fw.ko.zst:\n"},
        [],
        (
            "warning",
            "driver-not-loaded",
            "the driver is a module and is not loaded; one version of it is not loaded automatically",
        ),
    ),
    "livefw's own module, not loaded": (
        ARM | {f"{LISTS[0]}/{RELEASE}/modules.dep": b"updates/dkms/livefw_lfa.ko.xz:\n"},
        [],
        (
            "warning",
            "driver-not-loaded",
            "the driver is a module and is not loaded; one version of it is not loaded automatically",
        ),
    ),
    "livefw's own module, silent": (
        ARM | {"/sys/module/livefw_lfa/refcnt": b"0\n"},
        [],
        ("info", "no-agent", "the driver is loaded but lists nothing: no LFA agent, or an empty inventory"),
    ),
    "a driver in the kernel": (
        ARM | {f"{LISTS[0]}/{RELEASE}/modules.builtin": b"kernel/drivers/firmware/smccc/lfa_fw.ko\n"},
        [],
        ("info", "no-agent", "the driver is built in but lists nothing: no LFA agent, or an empty inventory"),
    ),
    "a kernel without the driver": (
        ARM | {f"{LISTS[0]}/{RELEASE}/modules.dep": b"kernel/other.ko:\n"},
        [],
        ("info", "no-driver", f"kernel {RELEASE} has no LFA driver"),
    ),
    "a kernel of which nothing is known": (
        ARM,
        [],
        (
            "info",
            "no-driver",
            "no LFA driver is visible; one version of it logs nothing if the firmware has no LFA agent",
        ),
    ),
    "a kernel whose configuration says no": (
        ARM | {f"/boot/config-{RELEASE}": b"CONFIG_ARM64=y\n# CONFIG_ARM_LFA is not set\n"},
        [],
        ("info", "no-driver", f"kernel {RELEASE} has no LFA driver"),
    ),
    "a driver that the configuration has built in": (
        ARM | {"/proc/config.gz": gzip.compress(b"CONFIG_ARM_LFA=y\n")},
        [],
        ("info", "no-agent", "the driver is built in but lists nothing: no LFA agent, or an empty inventory"),
    ),
    "a release that leads elsewhere": (
        attributes("/proc/sys/kernel", arch="aarch64", osrelease="..")
        | {"/usr/lib/modules/../modules.dep": b"/lfa_fw.ko"},
        [],
        (
            "info",
            "no-driver",
            "no LFA driver is visible; one version of it logs nothing if the firmware has no LFA agent",
        ),
    ),
}


@pytest.mark.parametrize("name", CHAIN)
def test_the_first_link_that_is_missing_explains_the_rest(bench: FakeLfa, name: str) -> None:
    tree, log, finding = CHAIN[name]
    bench.files.tree |= tree
    for line in log:
        bench.files.say(line)
    # Another processor says it all.
    assert found(bench) == ([finding] if finding[1] == "not-arm64" else [NOTHING, finding])


def test_firmware_that_acpi_tells_of_and_no_driver_is_a_warning(bench: FakeLfa) -> None:
    bench.files.tree |= ARM | {"/sys/bus/acpi/devices/ARML0003:00/status": b"15\n"}
    assert ("warning", "no-driver") in [each[:2] for each in found(bench)]
    bench.files.tree |= {"/sys/bus/acpi/devices/ARML0003:00/status": b"0\n"}  # ACPI, _STA: not present
    assert ("info", "no-driver") in [each[:2] for each in found(bench)]


@pytest.mark.parametrize(("count", "told"), [("1", False), ("2", True), ("", False), ("-1", False), ("x", False)])
def test_components_that_the_firmware_counts_and_nobody_sees(bench: FakeLfa, count: str, told: bool) -> None:
    """dkms/Documentation/ABI/testing/sysfs-firmware-lfa: fewer directories than ``count``."""
    bench.add(driver="lw1")
    bench.files.tree |= attributes(ROOT, count=count, version="1.0")
    assert (("warning", "inventory-incomplete") in [each[:2] for each in found(bench)]) is told
    assert [each.id for each in bench.provider.discover().components] == [RMM]


def test_what_user_space_says_in_the_log_explains_nothing(bench: FakeLfa) -> None:
    bench.files.tree |= ARM
    bench.files.say("Arm LFA: no firmware agent found", facility=1)
    bench.files.say("no firmware agent found")
    assert [code for _, code, _ in found(bench)] == ["no-component", "no-driver"]


@pytest.mark.parametrize(
    ("tree", "hypervisor"),
    [
        (attributes("/sys/hypervisor", type="xen"), "xen"),
        (attributes("/sys/devices/virtual/dmi/id", sys_vendor="QEMU", product_name="x"), "QEMU"),
        (
            attributes("/sys/devices/virtual/dmi/id", sys_vendor="x", product_name="KVM Virtual Machine"),
            "KVM Virtual Machine",
        ),
        (attributes("/sys/devices/virtual/dmi/id", sys_vendor="Amazon EC2"), "Amazon EC2"),
        (attributes("/sys/devices/virtual/dmi/id", sys_vendor="Amazon EC2", product_name="c7g.metal"), ""),
        (
            attributes("/sys/devices/virtual/dmi/id", sys_vendor="Microsoft", product_name="Virtual Machine"),
            "Virtual Machine",
        ),
        ({"/sys/firmware/devicetree/base/hypervisor/compatible": b"xen,xen-4.17\0"}, "xen,xen-4.17"),
        (attributes("/sys/devices/virtual/dmi/id", sys_vendor="Ampere", product_name="Altra"), ""),
        ({"/proc/cpuinfo": b"vendor_id : GenuineIntel\nflags : fpu hypervisor\n"}, "a hypervisor"),
        (
            {"/proc/cpuinfo": b"flags : fpu\n"} | attributes("/sys/devices/virtual/dmi/id", sys_vendor="Amazon EC2"),
            "",
        ),
    ],
)
def test_a_guest_is_known_as_one(tree: dict[str, bytes], hypervisor: str) -> None:
    assert SystemFacts(FakeFiles(tree)).guest == hypervisor


@pytest.mark.parametrize(
    ("devices", "finding"),
    [
        (["ARML0003:00"], ("info", "notifier", "ACPI describes an LFA notification device: ARML0003:00")),
        (
            ["ARMHF000:00", "ARML0003:00"],
            ("info", "notifier", "ACPI describes an LFA notification device: ARMHF000:00, ARML0003:00"),
        ),
        (
            ["ARMHF000:00"],
            ("warning", "notifier-obsolete", "ACPI describes an obsolete LFA device of an early draft: ARMHF000:00"),
        ),
        (["ARMH0011:00"], None),
    ],
)
def test_what_acpi_describes(bench: FakeLfa, devices: list[str], finding: tuple[str, str, str] | None) -> None:
    bench.add()
    bench.files.tree |= {f"/sys/bus/acpi/devices/{name}/hid": b"x" for name in devices}
    told = [each for each in found(bench) if each[1].startswith("notifier")]
    assert told == ([finding] if finding else [])


@pytest.mark.parametrize(
    ("error", "text", "hint"),
    [
        (errno.EACCES, f"{ROOT} cannot be read: EACCES", "read it as root"),
        (errno.EIO, f"{ROOT} cannot be read: EIO", ""),
    ],
)
def test_a_tree_that_cannot_be_read_is_all_that_is_told(bench: FakeLfa, error: int, text: str, hint: str) -> None:
    bench.add()
    bench.files.break_for_ever(ROOT, error)
    assert [each[:4] for each in bench.provider.diagnose()] == [("error", "tree-unreadable", text, hint)]


def test_who_may_not_read_the_log_is_told(bench: FakeLfa) -> None:
    bench.add()
    before = found(bench)
    bench.files.break_for_ever("/dev/kmsg", errno.EPERM)
    more = [each for each in found(bench) if each not in before]
    assert [each[:2] for each in more] == [("warning", "no-kernel-log")]
    assert more[0][2].endswith("it is the only source of the firmware's error codes")


def test_components_are_counted_with_what_will_confirm_them(bench: FakeLfa) -> None:
    bench.add(auto_activate="1")
    bench.add(OTHER, name="", auto_activate="1")
    bench.files.tree[f"{ROOT}/no-guid/name"] = b"x\n"
    told = {code: text for _, code, text in found(bench)}
    assert told["components"] == f"{ROOT} lists 2 component(s)"
    assert told["evidence"] == "2 of 2 report their versions, which can confirm an activation"
    assert told["auto-activate"] == "the kernel activates 2 component(s) when the platform notifies it"


FAUX, BUS = "/sys/bus/faux/devices/arm-lfa/uevent", "/sys/bus/arm_smccc/devices/arm-smccc-lfa-0/uevent"
PLATFORM, OTHERS = "/sys/bus/platform/drivers/ARM_LFA/bind", "/sys/bus/pci/drivers_probe"
GARBAGE = b"\x10\xff\x83\n"
SEEN: list[tuple[str, str | bytes | None, str | None, list[str]]] = [
    # attributes of which driver, name of a component that no driver knows, what is available below /sys/bus: who fits
    ("rfc1", None, None, ["rfc1"]),
    ("rfc1", "(unknown)", OTHERS, ["rfc1"]),
    ("rfc1", "", None, []),
    ("rfc1", None, PLATFORM, []),
    ("rfc2", None, None, ["rfc2"]),
    ("rfc2", "(unknown)", OTHERS, ["rfc2"]),
    ("rfc2", OTHER, None, []),
    ("rfc2", None, FAUX, []),
    ("v1", None, None, ["v1", "nv1"]),
    ("v1", "(unknown)", None, ["v1", "nv1"]),
    ("v1", GARBAGE, None, ["nv1"]),
    ("v1", None, OTHERS, ["v1"]),
    ("v1", None, PLATFORM, ["nv1"]),
    ("v1", None, BUS, []),
    ("v2", None, None, ["v2", "v3", "nv3"]),
    ("v2", "", None, ["v2", "v3"]),
    ("v2", OTHER, None, ["nv3"]),
    ("v2", "(unknown)", None, []),
    ("v2", None, FAUX, ["v2"]),
    ("v2", None, BUS, ["v3", "nv3"]),
    ("v2", None, PLATFORM, []),
    ("v2", None, OTHERS, []),
    ("v3", "", FAUX, ["v2"]),
    ("v3", "", BUS, ["v3"]),
    ("nv3", OTHER, BUS, ["nv3"]),
    ("nv3", OTHER, FAUX, []),
    ("lw1", None, None, ["lw1"]),
    ("lw1", None, BUS, []),
]


@pytest.mark.parametrize(("driver", "name", "bus", "expected"), SEEN)
def test_a_driver_is_known_by_its_files_a_name_and_how_it_is_bound(
    bench: FakeLfa, driver: str, name: str | bytes | None, bus: str | None, expected: list[str]
) -> None:
    bench.add(driver=driver)
    if name is not None:
        bench.add(OTHER, driver=driver, name=name)
    if bus:
        bench.files.tree[bus] = b""
    told = {code: text for _, code, text in found(bench)}
    assert re.findall(r"(\w+) \(", told.get("driver-version", "")) == expected
    assert ("driver-unknown" in told) is (not expected)


# Which known bugs can happen here (postings of the driver, and NVIDIA's kernels).
BUGS: list[tuple[str, dict[str, str], dict[str, bytes], set[str]]] = [
    ("v1", {}, {OTHERS: b""}, {"pending-version-garbage", "no-time-limit", "call-again-broken"}),
    ("nv1", {}, {PLATFORM: b""}, {"pending-version-garbage", "loops-while-stopped"}),
    ("nv1", {}, {PLATFORM: b"", "/sys/bus/acpi/devices/ARMHF000:00/hid": b"x"}, {"activates-unasked"}),
    ("nv1", {"name": "\x01"}, {PLATFORM: b""}, {"name-garbage"}),
    ("v2", {}, {FAUX: b""}, {"not-serialised", "busy-is-final"}),
    ("v2", {}, {FAUX: b"", "/sys/module/lfa_fw/initstate": b"live\n"}, {"not-auto-loaded"}),
    ("v2", {"name": ""}, {FAUX: b""}, {"empty-name"}),
    ("v3", {}, {BUS: b""}, {"not-serialised"}),
    ("nv3", {"auto_activate": "1"}, {BUS: b""}, {"auto-activate-loops"}),
    ("nv3", {}, {BUS: b""}, set()),
]
SOMETIMES = {"activates-unasked", "name-garbage", "not-auto-loaded", "empty-name", "auto-activate-loops"}


@pytest.mark.parametrize(("driver", "texts", "tree", "bugs"), BUGS)
def test_only_bugs_that_can_happen_here_are_told(
    bench: FakeLfa, driver: str, texts: dict[str, str], tree: dict[str, bytes], bugs: set[str]
) -> None:
    bench.add(driver=driver if driver != "nv1" else "v1", **texts)
    bench.files.tree |= tree
    codes = {code for _, code, _ in found(bench)}
    assert bugs <= codes
    assert codes & SOMETIMES == bugs & SOMETIMES
    assert ("driver-trust" in codes, "false-success" in codes) == (driver in ("v1", "nv1"), False)


def test_a_driver_that_nobody_knows_is_told_with_its_files(bench: FakeLfa) -> None:
    bench.files.tree |= attributes(f"{ROOT}/{RMM}", name="x", activate="", brand_new="1")
    text = "the driver version is unknown; its files are: activate, brand_new, name"
    assert ("warning", "driver-unknown", text) in found(bench)


# Switches.


@pytest.mark.parametrize(("on", "data"), [(True, b"1\n"), (False, b"0\n")])
@pytest.mark.parametrize("setting", ["force_cpu_rendezvous", "auto_activate"])
def test_a_switch_is_written(bench: FakeLfa, setting: str, on: bool, data: bytes) -> None:
    bench.add()
    settings.write(bench.files, RMM, setting, on=on)
    assert bench.files.writes == [(bench.path(setting), data)]


@pytest.mark.parametrize(
    ("answer", "kind", "error"),
    [
        (FakeResult(errno.EACCES, opened=False), PermissionDenied, errno.EACCES),
        (FakeResult(errno.EPERM), PermissionDenied, errno.EPERM),
        (FakeResult(errno.EINVAL), TransportError, errno.EINVAL),
        (FakeResult(-1), TransportError, errno.EIO),
        (FakeResult(seconds=None), TransportError, errno.ETIMEDOUT),
        (FakeResult(seconds=10.5), TransportError, errno.ETIMEDOUT),
    ],
)
def test_why_a_switch_is_not_as_wanted(
    bench: FakeLfa, answer: FakeResult, kind: type[TransportError], error: int
) -> None:
    bench.add()
    path = bench.path("auto_activate")
    bench.files.answers[path] = [answer]
    with pytest.raises(TransportError) as caught:
        settings.write(bench.files, RMM, "auto_activate", on=True)
    assert type(caught.value) is kind
    assert str(caught.value) == f"{path} cannot be written: {os.strerror(error)}"
    told = (caught.value.errno, caught.value.mechanism, caught.value.component, caught.value.phase)
    assert told == (error, "lfa", f"lfa:{RMM}", "configure")


@pytest.mark.parametrize(("driver", "setting"), [("v1", "auto_activate"), ("v3", "activate"), ("v3", "name")])
def test_what_is_no_switch_is_never_written(bench: FakeLfa, driver: str, setting: str) -> None:
    bench.add(driver=driver)
    with pytest.raises(TransportError) as caught:
        settings.write(bench.files, RMM, setting, on=True)
    assert (caught.value.errno, bench.files.writes) == (errno.ENOENT, [])


def test_a_switch_may_take_its_time(bench: FakeLfa) -> None:
    bench.add()
    path = bench.path("auto_activate")
    bench.files.answers[path] = [FakeResult(seconds=9.5)]
    settings.write(bench.files, RMM, "auto_activate", on=True)
    assert [written for written, _ in bench.files.writes] == [path]
