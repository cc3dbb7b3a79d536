# SPDX-License-Identifier: Apache-2.0
"""Why there is nothing here, or which driver this looks like and what to know about it. Reads only."""

import errno
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from livefw.clock import Clock
from livefw.files import kmsg
from livefw.files.host_facts import Module, SystemFacts
from livefw.files.protocol import Files
from livefw.providers.base import Finding, Reason, Severity, Trust
from livefw.providers.lfa import agents, drivers, log, tree

_INFO, _WARNING, _ERROR = Severity.INFO, Severity.WARNING, Severity.ERROR
_MODULE = "lfa_fw"
_MODULES = (_MODULE, "livefw_lfa")
"""Of the postings, and of dkms/."""
_SAMPLE = 64
"""Directories that are read to guess the driver's version; the first already tells nearly all."""

_NAMED = 8
"""Components that one line names at most."""

_COMPONENTS = Reason("components", f"{tree.ROOT} lists {{count}} component(s)")
_TREE_UNREADABLE = Reason("tree-unreadable", f"{tree.ROOT} cannot be read: {{error}}")
_INCOMPLETE = Reason(
    "inventory-incomplete",
    "the firmware lists {count} components, and {shown} are shown: one could not be read, or two have the same GUID",
    "see the kernel log; livefw does not activate what the driver cannot tell apart",
)
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
)
_LOADED_AND_SILENT = Reason(
    "no-agent",
    "the driver is loaded but lists nothing: no LFA agent, or an empty inventory",
)
_NOT_LOADED = Reason(
    "driver-not-loaded", "the driver is a module and is not loaded; one version of it is not loaded automatically"
)
_BUILTIN_AND_SILENT = Reason(
    "no-agent",
    "the driver is built in but lists nothing: no LFA agent, or an empty inventory",
)
_OPTION = "CONFIG_ARM_LFA"
_WHERE = (
    "not in mainline as of November 2026; the package livefw-dkms adds one to kernels from 6.1 on; NVIDIA's kernels"
    f" since 6.17 and openSUSE's have one ({_OPTION})"
)
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


def diagnose(files: Files, clock: Clock, *, agent: agents.AgentRow = agents.NOT_STATED) -> list[Finding]:
    """All findings, the most important first; ``agent`` is the one that the settings name."""
    facts = SystemFacts(files)
    try:
        guids = sorted(name for name in files.names(tree.ROOT) if tree.is_guid(name))
    except OSError as error:
        if error.errno not in tree.GONE:
            why = tree.unreadable(tree.ROOT, error.errno or errno.EIO)
            return [Finding(_ERROR, _TREE_UNREADABLE.code, why.text, why.hint)]
        guids = []
    if guids:
        found = [Finding(_INFO, *_COMPONENTS.fill(count=len(guids))), *_incomplete(facts, len(guids))]
        found += _driver(files, facts, clock, guids, agent)
    elif facts.machine not in ("", "aarch64"):
        return [_missing(_NOT_ARM64.fill(machine=facts.machine), "")]
    else:
        found = [_missing(_NO_COMPONENT, ""), _why_nothing(files, facts)]
    return [*found, *_notifier(files), *_rights(files)]


def _incomplete(facts: SystemFacts, shown: int) -> Iterator[Finding]:
    """Only some drivers show how many components the firmware has told them of."""
    count = facts.line(f"{tree.ROOT}/count")
    if count.isdecimal() and count != str(shown):
        yield Finding(_WARNING, *_INCOMPLETE.fill(count=count, shown=shown))


def _driver(
    files: Files, facts: SystemFacts, clock: Clock, guids: list[str], agent: agents.AgentRow
) -> Iterator[Finding]:
    entries = _entries(files, clock, guids)
    yield from _guessed(drivers.guess(_evidence(files, entries)), DriverScene(facts, entries))
    yield from _confirms(entries, agent)
    automatic = sum(bool(entry.flag("auto_activate")) for entry in entries)
    if automatic:
        yield Finding(_WARNING, *_AUTO_ACTIVATE.fill(count=automatic))


def driver_versions(files: Files, clock: Clock) -> str:
    """The names of the versions that the driver looks like. OSError if its files cannot be read."""
    guids = sorted(name for name in files.names(tree.ROOT) if tree.is_guid(name))
    candidates = drivers.guess(_evidence(files, _entries(files, clock, guids)))
    return " or ".join(driver.name for driver in candidates)


def _entries(files: Files, clock: Clock, guids: list[str]) -> list[tree.TreeEntry]:
    patience = tree.Patience(clock)
    return [entry for guid in guids[:_SAMPLE] if (entry := tree.read_entry(files, guid, patience))]


def _confirms(entries: list[tree.TreeEntry], agent: agents.AgentRow) -> Iterator[Finding]:
    """What there is here that will show whether an activation was one."""
    components = [tree.component(entry, agent) for entry in entries]
    in_doubt: dict[Reason, list[str]] = {}
    for each in components:
        if each.unconfirmed:
            in_doubt.setdefault(each.unconfirmed, []).append(each.name or each.id)
    count = len(components) - sum(map(len, in_doubt.values()))
    yield Finding(_WARNING if in_doubt else _INFO, *_CONFIRMED.fill(count=count, all=len(components)))
    for why, names in in_doubt.items():
        shown = ", ".join(names[:_NAMED]) + (", ..." if len(names) > _NAMED else "")
        yield Finding(_WARNING, why.code, f"{shown}: {why.text}", why.hint)
    if agent.name:
        yield Finding(_INFO, *_STATED.fill(agent=f"{agent.name} ({agent.title})"))


def _evidence(files: Files, entries: list[tree.TreeEntry]) -> drivers.DriverEvidence:
    attributes = frozenset[str]().union(*(entry.names for entry in entries))
    naming = (
        drivers.naming(entry.texts["name"], entry.guid)
        for entry in entries
        if "name" in entry.texts and log.is_unnamed(entry.guid)
    )
    return drivers.DriverEvidence(attributes, frozenset(naming), drivers.device(files))


class DriverScene(NamedTuple):
    """What decides which of a driver's bugs can happen here."""

    facts: SystemFacts
    entries: list[tree.TreeEntry]

    def names(self) -> list[str]:
        """What the driver calls its components."""
        return [entry.texts["name"].strip() for entry in self.entries if "name" in entry.texts]

    def is_notified(self) -> bool:
        """Whether the platform may notify the driver; an old one knows both devices."""
        return self.facts.acpi("ARML0003") is not False or self.facts.acpi("ARMHF000") is not False


def _guessed(candidates: tuple[drivers.DriverRow, ...], scene: DriverScene) -> Iterator[Finding]:
    if not candidates:
        names = ", ".join(sorted(frozenset[str]().union(*(entry.names for entry in scene.entries))))
        yield Finding(_WARNING, *_DRIVER_UNKNOWN.fill(files=names))
        return
    which = " or ".join(f"{driver.name} ({driver.title})" for driver in candidates)
    yield Finding(_INFO, *_DRIVER_VERSION.fill(versions=which))
    trust, why = drivers.trust(candidates)
    if trust is Trust.DOUBTFUL:
        yield Finding(_WARNING, *_DRIVER_TRUST.fill(why_a_success_proves_nothing=why))
    for bug, certain in _bugs(candidates):
        if _HAPPENS.get(bug.code, _always)(scene):
            yield Finding(_WARNING, bug.code, bug.text if certain else f"possibly: {bug.text}", bug.hint)


def _bugs(candidates: Iterable[drivers.DriverRow]) -> list[tuple[Reason, bool]]:
    """Every bug of the candidates, and whether all of them have it; the certain ones first."""
    lists = [driver.bugs for driver in candidates]
    every = dict.fromkeys(bug for bugs in lists for bug in bugs)
    return sorted(((bug, all(bug in bugs for bugs in lists)) for bug in every), key=lambda row: not row[1])


def _always(_: DriverScene) -> bool:
    return True


_HAPPENS: dict[str, Callable[[DriverScene], bool]] = {
    "false-success": lambda _: False,  # `driver-trust` reports it
    "empty-name": lambda scene: "" in scene.names(),
    "name-garbage": lambda scene: any(not name.isprintable() or "\\x" in name for name in scene.names()),
    "auto-activate-loops": lambda scene: any(entry.flag("auto_activate") for entry in scene.entries),
    "activates-unasked": DriverScene.is_notified,
    # A module has this file, and a driver that is built in has not.
    "not-auto-loaded": lambda scene: scene.facts.exists(f"/sys/module/{_MODULE}/initstate"),
}
"""When a bug can happen here, by its code; any other always can."""


def _why_nothing(files: Files, facts: SystemFacts) -> Finding:
    """The chain from the driver up to the inventory; the first link that is missing explains the rest."""
    seen = "\n".join(log_texts(files))
    if "no firmware agent found" in seen:
        return _missing(_NO_AGENT, _AN_AGENT)
    if "Error getting number of LFA components" in seen:
        return _missing(_NO_INVENTORY, "an LFA agent that reports its components", _LOG, _ERROR)
    if "irmware Activation: detected" in seen or "(LFA): detected" in seen:
        return _missing(_EMPTY_INVENTORY, "a component in the firmware's list, or the driver", _LOAD, _WARNING)
    return _why_no_driver(facts)


def _why_no_driver(facts: SystemFacts) -> Finding:
    where = {facts.module(name): name for name in _MODULES}
    if Module.LOADED in where:
        return _missing(_LOADED_AND_SILENT, _AN_AGENT, _LOG)
    if Module.AVAILABLE in where:
        load = f"modprobe {where[Module.AVAILABLE]}"
        return _missing(_NOT_LOADED, "the driver, not loaded", load, _WARNING)
    if Module.BUILT_IN in where or facts.option(_OPTION) == "y":
        return _missing(_BUILTIN_AND_SILENT, _AN_AGENT, _LOG)
    certain = set(where) == {Module.ABSENT} or facts.option(_OPTION) == "n"
    why = _NO_DRIVER.fill(release=facts.release) if certain else _UNSEEN_DRIVER
    # Without a driver nobody asks the firmware, but ACPI may tell of it.
    offered = facts.acpi("ARML0003")
    return _missing(why, "a kernel with the LFA driver", "", _WARNING if offered else _INFO)


_AN_AGENT = "firmware with an LFA agent"
_LOG = "dmesg | grep 'Arm LFA'"
_LOAD = f"modprobe {_MODULE}"


def _missing(why: Reason, lacks: str, command: str = "", severity: Severity = _INFO) -> Finding:
    return Finding(severity, *why, command=command, lacks=lacks)


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


def log_texts(files: Files) -> list[str]:
    """The driver's lines in the kernel log; none if it cannot be read."""
    return [record.text for record in kmsg.since(files, -1) if record.facility == 0 and log.is_driver(record.text)]


def _names(files: Files, directory: str) -> list[str]:
    try:
        return files.names(directory)
    except OSError:
        return []
