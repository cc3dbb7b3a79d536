# SPDX-License-Identifier: Apache-2.0
"""What a kernel, and through it a firmware, tells the mechanisms: files of a machine, and its log."""

from collections.abc import Iterator, Mapping

from livefw.abi.guid import RMM
from livefw.activation.checks.facts import Facts
from livefw.activation.measure.meter import STALLS, _read_stalls
from livefw.activation.watch import uevents
from livefw.files import kmsg
from livefw.providers.base import Component
from livefw.providers.fake import SETTINGS, FakeClock, FakeFiles
from livefw.providers.lfa import log as lfa_log
from livefw.providers.lfa.provider import LfaProvider
from livefw.providers.lfa.tree import READABLE, ROOT
from livefw.providers.microcode.provider import MicrocodeProvider
from livefw.providers.pfrut.provider import PfrutProvider
from livefw.providers.sfs.provider import SfsProvider
from livefw.providers.tdx import log as tdx_log
from livefw.providers.tdx.platform import DEVICE, NODE
from livefw.providers.tdx.provider import TdxProvider

from .abi import capsule_seeds, microcode_seeds
from .target import SEPARATOR, Target, parts, words

_CPUS = "/sys/devices/system/cpu"
_GUID = str(RMM.guid)
_OTHER = "f07b2a96-1d47-4d17-9ec8-86a64e253e5c"


def _tree(data: bytes, paths: Mapping[str, bytes], **more: bytes) -> FakeFiles:
    """A machine whose files have the parts of the input in them; a part that is empty is no file."""
    given = dict(zip(paths, parts(data, len(paths)), strict=True))
    return FakeFiles({path: text for path, text in given.items() if text} | more)


def _joined(paths: Mapping[str, bytes]) -> bytes:
    return SEPARATOR.join(paths.values())


def _shown(found: Component) -> Component:
    """What is promised of every component, whoever tells of it."""
    assert found.pending is not None or found.reasons
    assert not (found.pending_version and not found.pending)
    return found


_LFA = {f"{ROOT}/{_GUID}/{name}": b"1\n" for name in READABLE} | {
    f"{ROOT}/{_GUID}/name": b"TF-RMM\n",
    f"{ROOT}/{_GUID}/current_version": b"1.2\n",
    f"{ROOT}/{_GUID}/pending_version": b"1.3\n",
    f"{ROOT}/{_GUID}/activate": b"-",
}


def _lfa(data: bytes) -> object:
    files = _tree(data, _LFA)
    provider = LfaProvider(files, FakeClock())
    told = [_shown(each) for each in provider.discover().components]
    return told, provider.diagnose()


_TDX = {
    f"{DEVICE}/version": b"1.5.05\n",
    f"{DEVICE}/seamldr_version": b"2.0.00\n",
    f"{DEVICE}/num_remaining_updates": b"63\n",
    f"{NODE}/status": b"idle\n",
    f"{NODE}/loading": b"0\n",
    f"{_CPUS}/online": b"0-3\n",
    f"{_CPUS}/present": b"0-3,5\n",
    "/proc/cpuinfo": b"processor\t: 0\ncpu family\t: 6\nmodel\t\t: 143\nbugs\t\t: seamret_invd_vmcs\n\n",
    "/sys/fs/cgroup/misc.current": b"tdx 2\n",
}


def _tdx(data: bytes) -> object:
    provider = TdxProvider(_tree(data, _TDX), FakeClock())
    return [_shown(each) for each in provider.discover().components], provider.diagnose()


_MICROCODE = {
    "/proc/cpuinfo": b"vendor_id\t: GenuineIntel\ncpu family\t: 6\nmodel\t\t: 143\nstepping\t: 8\n",
    f"{_CPUS}/cpu0/microcode/version": b"0x2b000461\n",
    f"{_CPUS}/cpu1/microcode/version": b"0x2b000461\n",
    f"{_CPUS}/cpu0/microcode/processor_flags": b"0x80\n",
    "/lib/firmware/intel-ucode/06-8f-08": b"",
}


def _microcode(data: bytes) -> object:
    files = _tree(data, _MICROCODE)
    files.tree[f"{_CPUS}/microcode/reload"] = b""
    provider = MicrocodeProvider(files, FakeClock())
    return provider.discover().components, provider.diagnose()


def _device_files(data: bytes) -> object:
    """What the settings name for devices, found by names that firmware and settings give."""
    capsule, folder, package = parts(data, 3)
    settings = b'[pfrut]\ncapsule = "/capsule"\n[sfs]\npackage = "%s"\n' % package.hex().encode()[:80]
    files = FakeFiles({SETTINGS: settings, "/capsule": capsule, "/dev/acpi_pfr_update0": b"", "/dev/sfs": b""})
    if folder:
        files.tree["/sys/module/firmware_class/parameters/path"] = folder
    return [kind(files, FakeClock()).discover() for kind in (PfrutProvider, SfsProvider)]


_FACTS = {
    f"{_CPUS}/online": b"0-2\n",
    f"{_CPUS}/present": b"0-3\n",
    f"{_CPUS}/hotplug/states": b"  0: offline\n240: online\n",
    f"{_CPUS}/cpu0/hotplug/state": b"240\n",
    f"{_CPUS}/cpu0/hotplug/target": b"240\n",
    "/proc/loadavg": b"0.50 0.40 0.30 1/100 200\n",
    "/sys/class/watchdog/watchdog0/state": b"active\n",
    "/sys/class/watchdog/watchdog0/timeout": b"60\n",
    "/sys/kernel/security/lockdown": b"none [integrity] confidentiality\n",
    "/sys/fs/cgroup/misc.current": b"tdx 1\nsev 2\n",
    STALLS: b"1000\n1 2 0-3\n3 9 1\n",
}


def _facts(data: bytes) -> object:
    files = _tree(data, _FACTS)
    found = Facts(files).snapshot()
    assert len(found.offline) <= 1 << 16
    return len(found.offline), found[1:], _read_stalls(files), Facts(files).boot_id()


def _kernel_log(data: bytes) -> object:
    """The log, one record a line, and where the reader had been when it was asked for."""
    mark, log = parts(data, 2)
    files = FakeFiles()
    files.log = [line + b"\n" for line in log.split(b"\n")]
    position, text = kmsg.cursor(files), mark.decode("utf-8", "replace")
    fresh = kmsg.since(files, -1)
    assert all(record.facility >= 0 <= record.sequence for record in fresh)
    told: list[object] = [position, fresh]
    for others in (frozenset[str](), frozenset({_OTHER})):
        told.append(lfa_log.log_evidence(fresh, -1, _GUID, others=others, in_parts=bool(others)))
        told.append(lfa_log.recall(files, _OTHER, text, others=others, in_parts=not others))
    return told, tdx_log.log_evidence(files, position), tdx_log.recall(files, text)


def _log_seeds() -> Iterator[bytes]:
    prefix = "Arm LFA: "
    lines = [
        "LFA_PRIME for image RMM failed: LFA_AUTH_ERROR",
        f"ACTIVATE for image {_OTHER} failed: LFA_DEVICE_ERROR",
        "Firmware activation succeeded",
        "TF-RMM: successfully activated",
        "Activation not cancelled for image TF-RMM: LFA_BUSY",
        "Activation cancelled for image",
        "CPU reset not supported by kernel driver",
        "Arm Live Firmware Activation (LFA): detected v1.0",
    ]
    log = "".join(f"6,{number},100,-;{prefix}{text}\n" for number, text in enumerate(lines, 1))
    yield b"0" + SEPARATOR + log.encode()
    yield b"-1" + SEPARATOR + b"3,7,1,-;seamldr: SEAMCALL (0x8000000000000001) failed: 0x8000000000010004\n"
    yield b"9" + SEPARATOR + b"14,8,1,-;\\x1b[2J\n SUBSYSTEM=x\n4,9,1,c,x=y;virt/tdx: module not loaded\n"


def _uevent(data: bytes) -> object:
    return uevents.is_change(data)


_SPLIT = (SEPARATOR,)
TARGETS = (
    Target("lfa-tree", _lfa, lambda: (_joined(_LFA),), words=_SPLIT + words("(unknown) N/A 0.0 1.2"), growth=256),
    Target(
        "tdx-host", _tdx, lambda: (_joined(_TDX),), words=_SPLIT + words("tdx bugs processor model idle"), growth=256
    ),
    Target(
        "microcode-files",
        _microcode,
        lambda: (_joined(_MICROCODE | {"/lib/firmware/intel-ucode/06-8f-08": each}) for each in microcode_seeds()),
        words=_SPLIT + words("GenuineIntel AuthenticAMD family"),
        growth=256,
    ),
    Target(
        "device-files",
        _device_files,
        lambda: (SEPARATOR.join((each, b"/own/\n", b"p")) for each in capsule_seeds()),
        words=_SPLIT,
        growth=256,
    ),
    Target("machine-facts", _facts, lambda: (_joined(_FACTS),), words=_SPLIT + words("active nan inf 0-65535 [none]")),
    Target(
        "kernel-log",
        _kernel_log,
        _log_seeds,
        words=_SPLIT + words("Arm LFA: failed: SEAMCALL (0x ,-; \\x1b"),
        growth=256,
    ),
    Target("uevent", _uevent, lambda: (b"change@/devices/x\0ACTION=change", b"add@"), longest=100),
)
