# SPDX-License-Identifier: Apache-2.0
"""All that is told of a component of a small mechanism, to the last word."""

import errno
from collections.abc import Callable
from hashlib import sha256
from typing import Any

import pytest

from livefw.abi.guid import Guid
from livefw.abi.pfrut import Capsule, CapsuleKind
from livefw.files.protocol import LOST
from livefw.providers.base import Claim, Component, Cost, Flag, Reason, Rendezvous, Reply, Severity, Version, Witness
from livefw.providers.fake import FakeResult
from livefw.providers.microcode.provider import CpuModel

from .test_microcode import CPUS, RELOAD, machine, patch

Make = Callable[..., Any]
PLATFORM = Guid(bytes(range(16)))
CAPSULE = {"/opt/c.cap": Capsule(CapsuleKind.CODE, 0x100, 6, PLATFORM, 2).encode()}
PFRUT = '[pfrut]\ncapsule = "/opt/c.cap"'
SFS = '[sfs]\npackage = "tmpm.bin"'
DEVICE = (
    ("firmware version", "0x100"),
    ("driver security version", "2"),
    ("platform", PLATFORM.efi),
    ("capabilities", "0x3"),
)
NO_CAPSULE = "there is no capsule with a different version for it"


def claim_of(provider: Any, ident: str) -> Claim:
    running = provider.activate(ident, lambda _: None)
    while not running.wait(1.0):
        pass
    claim: Claim = running.claim
    return claim


def test_pfrut(make: Make) -> None:
    bench = make("pfrut", PFRUT, **CAPSULE)
    code = Component(
        provider="pfrut",
        id="0/code",
        name="Management Mode code injection 0",
        current_version=Version("5", (5,)),
        pending=True,
        pending_version=Version("6", (6,)),
        cost=Cost(None, None),
        reasons=(),
        details=(("capsule", "/opt/c.cap"), *DEVICE),
        flag=Flag.ABSENT,
    )
    driver = code._replace(
        id="0/driver",
        name="Management Mode driver 0",
        current_version=Version("7", (7,)),
        pending=False,
        pending_version=None,
        reasons=(Reason("not-pending", NO_CAPSULE),),
    )
    assert bench.provider.discover().components == (code, driver)
    assert bench.provider.replay("0/code", "activate") == (
        "tools/power/acpi/pfrut --load CAPSULE && pfrut --stage && pfrut --activate"
    )


def test_pfrut_without_a_capsule_says_where_one_is_named(make: Make) -> None:
    hint = '[pfrut] capsule = "..." in livefw.toml'
    (code, _) = make("pfrut").provider.discover().components
    assert (code.reasons, code.details) == ((Reason("not-pending", NO_CAPSULE, hint),), DEVICE)


def test_pfrut_that_tells_nothing(make: Make) -> None:
    bench = make("pfrut", PFRUT, **CAPSULE)
    bench.pfr.fails["QUERY_CAP"] = errno.EBUSY
    code, _ = bench.provider.discover().components
    assert (code.current_version, code.pending) == (None, None)
    assert code.details == (("capsule", "/opt/c.cap"),)
    text = "/dev/acpi_pfr_update0 does not report its capabilities: Device or resource busy"
    assert code.reasons == (Reason("unreadable", text),)


def test_pfrut_finds_sixteen_devices(make: Make) -> None:
    """Whichever numbers they have."""
    bench = make("pfrut")
    for number in (3, 15, 16):
        bench.files.devices[f"/dev/acpi_pfr_update{number}"] = bench.pfr
    found = [component.id for component in bench.provider.discover().components]
    assert found == [f"{number}/{kind}" for number in (0, 3, 15) for kind in ("code", "driver")]
    assert bench.provider.inspect("3/code") is not None
    assert bench.provider.inspect("16/code") is None


@pytest.mark.parametrize(
    ("name", "absent"),
    [
        ("pfrut", ("no-device", "there is no /dev/acpi_pfr_update0")),
        ("sfs", ("no-device", "there is no /dev/sfs")),
        ("microcode", ("no-late-loading", f"there is no {RELOAD}")),
    ],
)
def test_what_is_not_there_is_told_and_refused(make: Make, name: str, absent: tuple[str, str]) -> None:
    bench = machine(make, None) if name == "microcode" else make(name)
    provider = bench.provider
    bench.files.devices.clear()
    bench.files.tree.pop(RELOAD, None)
    found = provider.discover()
    assert (found.components, found.absent[:2]) == ((), absent)
    assert [finding[:3] for finding in provider.diagnose()] == [(Severity.INFO, *absent)]
    claim = claim_of(provider, "cpu")
    assert claim.reason is not None
    assert (claim.reply, claim.reason[:2]) == (Reply.REFUSED, absent)


@pytest.mark.parametrize(
    ("step", "error", "claim"),
    [
        ("WRITE", errno.EINVAL, (Reply.DECLINED, Witness.NONE, errno.EINVAL, False)),
        ("STAGE", errno.EBUSY, (Reply.DECLINED, Witness.NONE, errno.EBUSY, False)),
        ("STAGE", errno.EACCES, (Reply.DECLINED, Witness.NONE, errno.EACCES, False)),
        ("ACTIVATE", errno.EBUSY, (Reply.FAILED, Witness.FAILED, errno.EBUSY, False)),
        ("WRITE", errno.EPERM, (Reply.REFUSED, Witness.NONE, errno.EPERM, False)),
        ("ACTIVATE", LOST, (Reply.LOST, Witness.NONE, 0, True)),
        ("", 0, (Reply.ACCEPTED, Witness.NONE, 0, False)),
    ],
)
def test_pfrut_claims(make: Make, step: str, error: int, claim: tuple[Any, ...]) -> None:
    bench = make("pfrut", PFRUT, **CAPSULE)
    bench.pfr.fails[step] = error
    made = claim_of(bench.provider, "0/code")
    assert (made.reply, made.witness, made.error, made.at_work) == claim


VOLATILE = "the update is lost at reboot and must be repeated"


def test_sfs(make: Make) -> None:
    bench = make("sfs", SFS, **{"/usr/lib/firmware/amd/tmpm.bin": b"x"})
    assert bench.component("package") == Component(
        provider="sfs",
        id="package",
        name="AMD seamless firmware package",
        current_version=Version(f"blob {sha256(bytes(4096)).hexdigest()[:16]}"),
        pending=None,
        pending_version=None,
        cost=Cost(None, None),
        reasons=(),
        notes=(
            Reason("volatile", VOLATILE),
            Reason("pending-untold", "whether the package is already running is not known in advance"),
        ),
        details=(("package", "/usr/lib/firmware/amd/tmpm.bin"), ("status of the query", "0x0 0x0")),
        flag=Flag.ABSENT,
    )
    assert bench.provider.inspect("another") is None
    assert bench.provider.replay("package", "activate") == "ioctl(/dev/sfs, 0xc0485302, PACKAGE-NAME)"


def test_sfs_without_a_package(make: Make) -> None:
    seen = make("sfs").component("package")
    assert (seen.pending, seen.details) == (False, (("status of the query", "0x0 0x0"),))
    assert seen.notes == (Reason("volatile", VOLATILE),)
    assert seen.reasons == (Reason("not-pending", "no package is set", '[sfs] package = "NAME" in livefw.toml'),)


@pytest.mark.parametrize(
    ("own", "found", "folders"),
    [
        (b"/srv/fw/\n", "/srv/fw", ("/srv/fw", "/usr/lib/firmware")),
        (b"/srv/fw", "/usr/lib/firmware", ("/usr/lib/firmware", "/lib/firmware")),
        (b"srv/fw", "/usr/lib/firmware", ("srv/fw", "/usr/lib/firmware")),
        (b"\xff", "/usr/lib/firmware", ("/usr/lib/firmware",)),
        (b"", "/lib/firmware", ("/lib/firmware",)),
    ],
)
def test_sfs_looks_where_the_kernel_looks(make: Make, own: bytes, found: str, folders: tuple[str, ...]) -> None:
    """Linux, "Firmware search paths": the folder of the module's parameter first."""
    tree = {f"{folder}/amd/tmpm.bin": b"x" for folder in folders}
    bench = make("sfs", SFS, **tree, **{"/sys/module/firmware_class/parameters/path": own})
    assert dict(bench.component("package").details)["package"] == f"{found}/amd/tmpm.bin"


@pytest.mark.parametrize(
    ("error", "claim"),
    [
        (0, (Reply.ACCEPTED, Witness.NONE, 0, False)),
        (errno.EIO, (Reply.FAILED, Witness.FAILED, errno.EIO, False)),
        (errno.EBUSY, (Reply.REFUSED, Witness.NONE, errno.EBUSY, False)),
        (errno.EPERM, (Reply.DECLINED, Witness.NONE, errno.EPERM, False)),
        (errno.ETIMEDOUT, (Reply.LOST, Witness.NONE, errno.ETIMEDOUT, True)),
        (LOST, (Reply.LOST, Witness.NONE, 0, True)),
        (errno.ENOTTY, (Reply.FAILED, Witness.FAILED, errno.ENOTTY, False)),
    ],
)
def test_sfs_claims(make: Make, error: int, claim: tuple[Any, ...]) -> None:
    bench = make("sfs", SFS, **{"/usr/lib/firmware/amd/tmpm.bin": b"x"})
    bench.sfs.error = error
    made = claim_of(bench.provider, "package")
    assert (made.reply, made.witness, made.error, made.at_work) == claim


def test_microcode(make: Make) -> None:
    bench = machine(make, patch(0x30, minimum=0x10) + patch(0x28))
    volatile = "the update is lost at reboot, unless it is also loaded at boot"
    assert bench.component("cpu") == Component(
        provider="microcode",
        id="cpu",
        name="CPU microcode",
        current_version=Version("0x20", (0x20,), reliable=True),
        pending=True,
        pending_version=Version("0x30", (0x30,)),
        cost=Cost(Rendezvous.REQUIRED, resets_cpu=False),
        reasons=(),
        notes=(Reason("volatile", volatile),),
        details=(
            ("cpu", "GenuineIntel 06-8f-08"),
            ("latest in the file", "0x30"),
            ("date", "07012026"),
            ("lowest revision to load upon", "0x10"),
        ),
        flag=Flag.ABSENT,
    )
    assert bench.provider.replay("cpu", "activate") == f"echo 1 > {RELOAD}"
    assert [finding.code for finding in bench.provider.diagnose()] == ["volatile"]


@pytest.mark.parametrize(
    ("image", "pending", "code"),
    [
        (patch(0x20), False, "not-pending"),
        (None, False, "not-pending"),
        (patch(0x30, minimum=0x21), True, "version-refused"),
    ],
)
def test_microcode_that_is_no_later_one(make: Make, image: bytes | None, pending: bool, code: str) -> None:
    seen = machine(make, image).component("cpu")
    assert (seen.pending, seen.pending_version is None) == (pending, not pending)
    assert [reason.code for reason in seen.reasons] == [code]
    assert [note.code for note in seen.notes] == ["volatile"]


def test_microcode_may_be_loaded_upon_the_very_revision_that_it_names(make: Make) -> None:
    assert machine(make, patch(0x30, minimum=0x20)).component("cpu").reasons == ()


def test_microcode_of_cpus_that_tell_no_revision(make: Make) -> None:
    bench = machine(make, patch(0x30), revisions=())
    bench.files.tree[f"{CPUS}/cpu0/microcode/version"] = b"none\n"
    seen = bench.component("cpu")
    assert (seen.current_version, seen.pending) == (None, False)
    assert seen.reasons == (Reason("unreadable", "no CPU reports its revision"),)


@pytest.mark.parametrize("text", [b"", b"vendor_id: GenuineIntel\ncpu family: six\nmodel: 143\nstepping: 8\n"])
def test_microcode_of_a_cpu_that_nobody_knows(make: Make, text: bytes) -> None:
    bench = machine(make, patch(0x30))
    bench.files.tree["/proc/cpuinfo"] = text
    seen = bench.component("cpu")
    assert (seen.pending, seen.reasons, seen.details) == (None, (), ())


@pytest.mark.parametrize(
    ("cpu", "signature", "file"),
    [
        (CpuModel("GenuineIntel", 6, 143, 8), 0x806F8, "06-8f-08"),
        (CpuModel("GenuineIntel", 15, 6, 4), 0x00F64, "0f-06-04"),
        (CpuModel("AuthenticAMD", 25, 17, 1), 0xA10F11, "19-11-01"),
    ],
)
def test_microcode_is_looked_for_by_what_the_cpu_is(cpu: CpuModel, signature: int, file: str) -> None:
    """Intel SDM, volume 2, CPUID: version information in EAX."""
    assert (cpu.signature, cpu.file) == (signature, file)


@pytest.mark.parametrize(
    ("answer", "claim"),
    [
        (FakeResult(), (Reply.ACCEPTED, Witness.NONE, 0, False)),
        (FakeResult(errno.EBUSY), (Reply.FAILED, Witness.FAILED, errno.EBUSY, False)),
        (FakeResult(LOST), (Reply.LOST, Witness.NONE, 0, True)),
        (FakeResult(errno.EIO, opened=False), (Reply.REFUSED, Witness.NONE, errno.EIO, False)),
    ],
)
def test_microcode_claims(make: Make, answer: FakeResult, claim: tuple[Any, ...]) -> None:
    bench = machine(make, patch(0x30))
    bench.files.answers[RELOAD] = [answer]
    made = claim_of(bench.provider, "cpu")
    assert (made.reply, made.witness, made.error, made.at_work) == claim


@pytest.mark.parametrize(("name", "ident"), [("pfrut", "0/code"), ("sfs", "package"), ("microcode", "cpu")])
def test_what_none_of_them_has(make: Make, name: str, ident: str) -> None:
    provider = (machine(make, None) if name == "microcode" else make(name)).provider
    assert (provider.aliases(ident), provider.mark(), provider.recall(ident, "").log) == ((), "", ())
    with pytest.raises(Exception, match=f"{name}:{ident} has no setting speed") as caught:
        provider.configure(ident, "speed", on=True)
    assert type(caught.value).__name__ == "UsageError"
