# SPDX-License-Identifier: Apache-2.0
"""Why there is nothing here, or which driver this looks like and what to know about it. Reads only."""

import errno
import os
import re
from collections.abc import Iterable, Iterator

from livefw.clock import Clock
from livefw.files import kmsg
from livefw.files.protocol import Files
from livefw.providers.base import Finding, Reason, Severity, Trust
from livefw.providers.lfa import agents, drivers, log, tree
from livefw.text import decode

_INFO, _WARNING, _ERROR = Severity.INFO, Severity.WARNING, Severity.ERROR
_MODULE = "lfa_fw"
_SAMPLE = 64
"""Directories that are read to guess the driver's version; the first already tells nearly all."""

_COMPONENTS = Reason("components", f"{tree.ROOT} lists {{count}} component(s)")
_TREE_UNREADABLE = Reason("tree-unreadable", f"{tree.ROOT} cannot be read: {{error}}")
_AUTO_ACTIVATE = Reason(
    "auto-activate",
    "the kernel activates {count} component(s) when the platform notifies it",
    "echo 0 > auto_activate disables this",
)
_CONFIRMED = Reason("evidence", "{count} of {all} report their versions, which can confirm an activation")
_STATED = Reason("agent-stated", "the settings name the agent {agent}; this cannot be verified here")
_DRIVER_UNKNOWN = Reason("driver-unknown", "the driver version is unknown; its files are: {files}")
_DRIVER_VERSION = Reason("driver-version", "the driver looks like {versions}")
_DRIVER_TRUST = Reason(
    "driver-trust", "{why_a_success_proves_nothing}", "livefw compares the state before and after, and reads the log"
)
_NO_COMPONENT = Reason("no-component", f"{tree.ROOT} is missing or lists no component")
_NOT_ARM64 = Reason("not-arm64", "this machine is {machine}; LFA exists on 64-bit Arm only")
_NO_AGENT = Reason(
    "no-agent",
    "the driver found no LFA agent in the firmware",
    "ask the vendor for firmware with LFA (TF-A: LFA_SUPPORT=1)",
)
_NO_INVENTORY = Reason("no-inventory", "the firmware's LFA agent did not report its number of components")
_EMPTY_INVENTORY = Reason(
    "empty-inventory",
    "the LFA agent lists no component, or the driver was unloaded since",
    f"lsmod; modprobe {_MODULE}",
)
_GUEST = Reason(
    "guest",
    "this is a guest ({hypervisor}); firmware calls do not reach the host",
    "activate firmware on the host",
)
_LOADED_AND_SILENT = Reason(
    "no-agent",
    "the driver is loaded but lists nothing: no LFA agent, or an empty inventory",
    "dmesg | grep 'Arm LFA'",
)
_NOT_LOADED = Reason(
    "driver-not-loaded",
    "the driver is a module and is not loaded; one version of it is not loaded automatically",
    f"modprobe {_MODULE}",
)
_BUILTIN_AND_SILENT = Reason(
    "no-agent",
    "the driver is built in but lists nothing: no LFA agent, or an empty inventory",
    "dmesg | grep 'Arm LFA'",
)
_WHERE = "not in mainline as of August 2026; NVIDIA's kernels since 6.17 and openSUSE's include it (CONFIG_ARM_LFA)"
_NO_DRIVER = Reason("no-driver", "kernel {release} has no LFA driver", _WHERE)
_UNSEEN_DRIVER = Reason(
    "no-driver",
    "no LFA driver is visible; one version of it logs nothing if the firmware has no LFA agent",
    _WHERE,
)
_NOTIFIER = Reason("notifier", "ACPI describes an LFA notification device: {devices}")
_NOTIFIER_OBSOLETE = Reason(
    "notifier-obsolete",
    "ACPI describes an obsolete LFA device of an early draft: {devices}",
    "a firmware update may provide the current one, ARML0003",
)
_NO_KERNEL_LOG = Reason(
    "no-kernel-log", "{the_log_cannot_be_read}; it is the only source of the firmware's error codes"
)
_NOT_ROOT = Reason("not-root", "only root can activate and cancel", "run it as root")


def diagnose(files: Files, clock: Clock, *, agent: agents.AgentRow = agents.NOT_STATED) -> list[Finding]:
    """All findings, the most important first; ``agent`` is the one that the settings name."""
    guids: list[str] = []
    unreadable: int | None = None
    try:
        guids = sorted(name for name in files.names(tree.ROOT) if tree.is_guid(name))
    except OSError as error:
        unreadable = None if error.errno in tree.GONE else error.errno or errno.EIO
    if unreadable is not None:
        found = [Finding(_ERROR, _TREE_UNREADABLE.code, *tree.unreadable(tree.ROOT, unreadable)[1:])]
    elif guids:
        found = [Finding(_INFO, *_COMPONENTS.fill(count=len(guids)))]
        found += _driver(files, clock, guids, agent)
    else:
        found = list(_why_nothing(files))
    found += _notifier(files)
    found += _rights(files)
    return found


def _driver(files: Files, clock: Clock, guids: list[str], agent: agents.AgentRow) -> Iterator[Finding]:
    patience = tree.Patience(clock)
    entries = [entry for guid in guids[:_SAMPLE] if (entry := tree.read_entry(files, guid, patience))]
    yield from _guessed(drivers.guess(_evidence(files, entries)), entries)
    yield from _confirms(entries, agent)
    automatic = sum(bool(entry.flag("auto_activate")) for entry in entries)
    if automatic:
        yield Finding(_WARNING, *_AUTO_ACTIVATE.fill(count=automatic))


def _confirms(entries: list[tree.TreeEntry], agent: agents.AgentRow) -> Iterator[Finding]:
    """What there is here that will show whether an activation was one."""
    components = [tree.component(entry, agent) for entry in entries]
    open_to_doubt = [(each, each.unconfirmed) for each in components if each.unconfirmed]
    yield Finding(_INFO, *_CONFIRMED.fill(count=len(components) - len(open_to_doubt), all=len(components)))
    for component, why in open_to_doubt:
        yield Finding(_INFO, why.code, f"{component.name or component.id}: {why.text}", why.hint)
    if agent.name:
        yield Finding(_INFO, *_STATED.fill(agent=f"{agent.name} ({agent.title})"))


def _evidence(files: Files, entries: list[tree.TreeEntry]) -> drivers.DriverEvidence:
    attributes = frozenset[str]().union(*(entry.names for entry in entries))
    naming = (
        drivers.naming(entry.texts["name"], entry.guid)
        for entry in entries
        if "name" in entry.texts and log.is_unnamed(entry.guid)
    )
    return drivers.DriverEvidence(attributes, frozenset(naming), _device(files))


def _guessed(candidates: tuple[drivers.DriverRow, ...], entries: list[tree.TreeEntry]) -> Iterator[Finding]:
    if not candidates:
        names = ", ".join(sorted(frozenset[str]().union(*(entry.names for entry in entries))))
        yield Finding(_WARNING, *_DRIVER_UNKNOWN.fill(files=names))
        return
    which = " or ".join(f"{driver.name} ({driver.title})" for driver in candidates)
    yield Finding(_INFO, *_DRIVER_VERSION.fill(versions=which))
    trust, why = drivers.trust(candidates)
    if trust is Trust.DOUBTFUL:
        yield Finding(_WARNING, *_DRIVER_TRUST.fill(why_a_success_proves_nothing=why))
    for bug, certain in _bugs(candidates):
        yield Finding(_WARNING, bug.code, bug.text if certain else f"possibly: {bug.text}", bug.hint)


def _bugs(candidates: Iterable[drivers.DriverRow]) -> list[tuple[Reason, bool]]:
    """Every bug of the candidates, and whether all of them have it; the certain ones first."""
    lists = [driver.bugs for driver in candidates]
    every = dict.fromkeys(bug for bugs in lists for bug in bugs)
    return sorted(((bug, all(bug in bugs for bugs in lists)) for bug in every), key=lambda row: not row[1])


_DEVICES = (
    ("/sys/bus/arm_smccc/devices", re.compile(r"arm-smccc-lfa-.*"), drivers.DriverBus.SMCCC_BUS),
    ("/sys/bus/faux/devices", re.compile(r".*lfa.*", re.IGNORECASE), drivers.DriverBus.FAUX),
    ("/sys/bus/platform/drivers", re.compile(r"ARM_LFA"), drivers.DriverBus.PLATFORM),
)


def _device(files: Files) -> drivers.DriverBus | None:
    """How the driver is bound; None where the tree does not show any bus at all."""
    for directory, pattern, device in _DEVICES:
        if any(pattern.fullmatch(name) for name in _names(files, directory)):
            return device
    return drivers.DriverBus.NONE if _names(files, "/sys/bus") else None


def _why_nothing(files: Files) -> Iterator[Finding]:
    """The chain from the processor up to the inventory; the first link that is missing explains the rest."""
    yield Finding(_INFO, *_NO_COMPONENT)
    machine = _line(files, "/proc/sys/kernel/arch")
    if machine and machine != "aarch64":
        yield Finding(_ERROR, *_NOT_ARM64.fill(machine=machine))
        return
    said = "\n".join(log_texts(files))
    if "no firmware agent found" in said:
        yield Finding(_ERROR, *_NO_AGENT)
    elif "Error getting number of LFA components" in said:
        yield Finding(_ERROR, *_NO_INVENTORY)
    elif "irmware Activation: detected" in said or "(LFA): detected" in said:
        yield Finding(_ERROR, *_EMPTY_INVENTORY)
    else:
        yield from _why_no_driver(files)
    if guest := _guest(files):
        yield Finding(_WARNING, *_GUEST.fill(hypervisor=guest))


def _why_no_driver(files: Files) -> Iterator[Finding]:
    release = _line(files, "/proc/sys/kernel/osrelease")
    if files.exists(f"/sys/module/{_MODULE}"):
        yield Finding(_ERROR, *_LOADED_AND_SILENT)
        return
    where = _module(files, release)
    if where == "module":
        yield Finding(_ERROR, *_NOT_LOADED)
    elif where == "builtin":
        yield Finding(_ERROR, *_BUILTIN_AND_SILENT)
    else:
        yield Finding(_ERROR, *(_NO_DRIVER.fill(release=release) if where == "absent" else _UNSEEN_DRIVER))


def _module(files: Files, release: str) -> str:
    """``builtin``, ``module``, ``absent``, or ``unknown`` without lists of modules."""
    seen = "unknown"
    if not re.fullmatch(r"[\w.+~-]+", release) or release in (".", ".."):
        return seen
    for parent in ("/usr/lib/modules", "/lib/modules"):
        for name, answer in (("modules.builtin", "builtin"), ("modules.dep", "module")):
            try:
                text = files.read(f"{parent}/{release}/{name}", 1 << 24)
            except OSError:
                continue
            if re.search(rb"/lfa_fw\.ko", text):
                return answer
            seen = "absent"
    return seen


def _guest(files: Files) -> str:
    """The hypervisor's name, as far as the machine says that it is virtual."""
    if kind := _line(files, "/sys/hypervisor/type"):
        return kind
    for name in ("sys_vendor", "product_name"):
        text = _line(files, f"/sys/devices/virtual/dmi/id/{name}")
        if re.search(r"QEMU|KVM|VMware|Xen|Virtual Machine|VirtualBox|Amazon EC2|Google Compute Engine", text):
            return text
    return _line(files, "/sys/firmware/devicetree/base/hypervisor/compatible").rstrip("\0")


def _notifier(files: Files) -> Iterator[Finding]:
    found = sorted(n for n in _names(files, "/sys/bus/acpi/devices") if n.startswith(("ARML0003", "ARMHF000")))
    if any(name.startswith("ARML0003") for name in found):
        yield Finding(_INFO, *_NOTIFIER.fill(devices=", ".join(found)))
    elif found:
        yield Finding(_WARNING, *_NOTIFIER_OBSOLETE.fill(devices=", ".join(found)))


def _rights(files: Files) -> Iterator[Finding]:
    try:
        files.records(kmsg.KMSG)
    except OSError as error:
        _, text, hint = tree.unreadable(kmsg.KMSG, error.errno or errno.EIO)
        yield Finding(_WARNING, *_NO_KERNEL_LOG._replace(hint=hint).fill(the_log_cannot_be_read=text))
    if os.geteuid() != 0:
        yield Finding(_WARNING, *_NOT_ROOT)


def log_texts(files: Files) -> list[str]:
    """The driver's lines in the kernel log; none if it cannot be read."""
    return [record.text for record in kmsg.since(files, -1) if record.facility == 0 and log.is_driver(record.text)]


def _names(files: Files, directory: str) -> list[str]:
    try:
        return files.names(directory)
    except OSError:
        return []


def _line(files: Files, path: str) -> str:
    try:
        return decode(files.read(path)).strip()
    except OSError:
        return ""
