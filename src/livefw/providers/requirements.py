# SPDX-License-Identifier: Apache-2.0
"""What a mechanism needs of a machine, as a table: what each need is, how it is seen, and what to do for it.

A provider whose mechanism shows by a device or a file has a table ``NEEDS`` in ``providers/<name>/requirements.py``,
from the processor up to that device. The first need that is seen to be missing explains why the mechanism is not there.
"""

from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import NamedTuple

from livefw.files.host_facts import Module, SystemFacts
from livefw.providers.base import Finding, Severity
from livefw.providers.component import Reason

Seen = Callable[[SystemFacts], bool | None]
"""Whether a need is met; None if that is not known."""


class Need(StrEnum):
    """What sort of need it is."""

    PLATFORM = "platform"
    """Another machine is needed."""
    FIRMWARE = "firmware"
    """This machine offers the mechanism if it is met."""
    KERNEL = "kernel"
    MODULE = "module"
    DEVICE = "device"


class MechanismNeed(NamedTuple):
    """One need: how it is seen, why there is nothing without it, ``lacks`` in a few words, and the next command.

    The fields of the reason's text are ``machine`` and ``release``.
    """

    need: Need
    seen: Seen
    missing: Reason
    lacks: str = ""
    command: str = ""


def why_absent(needs: Iterable[MechanismNeed], facts: SystemFacts) -> Finding:
    """Why a mechanism is not there. It is a warning if the machine offers it and only the kernel is in the way.

    ``needs`` ends with what is missing in any case.
    """
    offered = False
    last = None
    for last in needs:
        met = last.seen(facts)
        if met is False:
            break
        offered = offered or (met is True and last.need is Need.FIRMWARE)
    if last is None:
        raise ValueError("a mechanism without needs")
    why = last.missing.fill(machine=facts.machine or "unknown", release=facts.release or "of an unknown release")
    severity = Severity.WARNING if offered else Severity.INFO
    return Finding(severity, *why, command=last.command, lacks=last.lacks)


# How a need is seen.


def machine(name: str) -> Seen:
    """The architecture."""
    return lambda facts: facts.machine == name if facts.machine else None


def vendor(name: str) -> Seen:
    """The maker of the processor, as in ``/proc/cpuinfo``."""
    return lambda facts: facts.cpu["vendor_id"] == name if "vendor_id" in facts.cpu else None


def flag(name: str) -> Seen:
    """A flag of the processor."""
    return lambda facts: facts.has_flag(name)


def bare_metal(facts: SystemFacts) -> bool | None:
    """Not in a guest: a hypervisor keeps these devices and calls to itself."""
    return False if facts.guest else None


def acpi(ident: str) -> Seen:
    """A device that ACPI describes."""
    return lambda facts: facts.acpi(ident)


def option(name: str, module: str = "") -> Seen:
    """An option of the kernel; the list of its modules serves where the configuration is not known."""

    def seen(facts: SystemFacts) -> bool | None:
        if (value := facts.option(name)) is not None:
            return value in ("y", "m")
        return {Module.ABSENT: False, Module.UNKNOWN: None}.get(facts.module(module), True) if module else None

    return seen


def loaded(name: str) -> Seen:
    """A module that is loaded or built in."""
    answers = {Module.LOADED: True, Module.BUILT_IN: True, Module.AVAILABLE: False, Module.ABSENT: False}
    return lambda facts: answers.get(facts.module(name))


def installed(name: str) -> Seen:
    """A module that is loaded, built in or on disk."""
    return lambda facts: {Module.ABSENT: False, Module.UNKNOWN: None}.get(facts.module(name), True)


def present(path: str) -> Seen:
    """A file or device."""
    return lambda facts: facts.exists(path)


# Needs that several mechanisms share.


def on_processor(architecture: str, maker: str = "") -> tuple[MechanismNeed, ...]:
    """An architecture, and a maker of the processor."""
    other = Reason("other-platform", f"this machine is {{machine}}; the mechanism exists on {architecture} only")
    needs = [MechanismNeed(Need.PLATFORM, machine(architecture), other)]
    if maker:
        others = Reason("other-platform", f"the processor is not made by {maker} (/proc/cpuinfo, vendor_id)")
        needs.append(MechanismNeed(Need.PLATFORM, vendor(maker), others))
    return tuple(needs)


def in_kernel(name: str, module: str = "", *, note: str = "") -> tuple[MechanismNeed, ...]:
    """An option of the kernel, and the module that it builds."""
    without = Reason("no-kernel-option", f"kernel {{release}} is built without {name}{note}")
    needs = [MechanismNeed(Need.KERNEL, option(name, module), without, f"a kernel with {name}")]
    if module:
        gone = Reason(
            "module-not-installed", f"kernel {{release}} supports it, but the module {module} is not installed"
        )
        idle = Reason("module-not-loaded", f"the kernel module {module} is not loaded")
        load = f"modprobe {module}"
        needs += [
            MechanismNeed(Need.MODULE, installed(module), gone, f"the module {module} of the running kernel"),
            MechanismNeed(Need.MODULE, loaded(module), idle, f"the module {module}, not loaded", load),
        ]
    return tuple(needs)


ON_HOST = MechanismNeed(
    Need.PLATFORM, bare_metal, Reason("guest", "this is a guest; its hypervisor keeps the mechanism to itself")
)
"""No guest."""
