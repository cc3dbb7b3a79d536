# SPDX-License-Identifier: Apache-2.0
"""What the metainfo of an image requires, judged by this machine (LVFS, "Metainfo Files", requirements).

As in fwupd, a requirement that cannot be judged is one that is not met: its author had a reason to write it.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import NamedTuple

from livefw.activation.checks.facts import Facts
from livefw.activation.inventory.discovery import Candidate
from livefw.activation.inventory.guids import guids
from livefw.activation.inventory.short_ids import is_guid
from livefw.activation.inventory.versions import compare, of_image
from livefw.archive.metainfo import ImageRequirement, Metainfo
from livefw.providers.base import Reason, Version, dotted

READS_AS = "2.0.20"
"""The fwupd whose reading of archives `livefw.archive` has and is compared with."""
_ORDERS: Mapping[str, frozenset[int]] = MappingProxyType(
    {
        "eq": frozenset({0}),
        "ne": frozenset({-1, 1}),
        "lt": frozenset({-1}),
        "le": frozenset({-1, 0}),
        "gt": frozenset({1}),
        "ge": frozenset({0, 1}),
    }
)
"""For each operator how what is here may compare with what is required."""
_WORDS: Mapping[str, str] = MappingProxyType(
    {"eq": "", "ne": "other than ", "lt": "before ", "le": "up to ", "gt": "after ", "ge": "at least "}
)
_PLAIN_REGEX = re.compile(r"\^?(?:[\w:-]|\\?\.|\[[\w-]+\])+\$?(?:\|\^?(?:[\w:-]|\\?\.|\[[\w-]+\])+\$?)*", re.ASCII)
"""Regular expressions that take no longer than their text. Attack: one with nested repetitions takes for ever."""
_RELEASE = re.compile(r"[0-9]+(\.[0-9]+)*")


class RequirementContext(NamedTuple):
    """What requirements are judged by: the component and its image's metainfo, all components, and the machine."""

    candidate: Candidate
    about: Metainfo
    others: Sequence[Candidate]
    facts: Facts


def unmet(around: RequirementContext) -> tuple[Reason, ...]:
    """Each requirement that is not met, or cannot be judged. What is only recommended counts too, as it does in
    fwupd, and can be ignored like the rest."""
    return tuple(
        Reason("requirements", f"the image requires {_printed(each)}: {why}", "livefw image cab FILE shows all")
        for each in around.about.requirements
        if (why := _JUDGES.get(each.kind, _unknown)(each, around))
    )


def _printed(required: ImageRequirement) -> str:
    return " ".join(filter(None, (required.kind, required.compare, required.version, required.value)))[:200]


def _unknown(required: ImageRequirement, _: RequirementContext) -> str:
    return f"requirements of the kind {required.kind[:40]!r} cannot be judged here"


def _firmware(required: ImageRequirement, around: RequirementContext) -> str:
    if required.depth:
        return "components here have no parent and no child"
    if required.value in ("bootloader", "vendor-id", "not-child"):
        return f"no {required.value} of the component is known here"
    found = around.candidate
    if required.value:
        if not is_guid(required.value):
            return f"{required.value[:60]!r} cannot be judged here"
        wanted = required.value.lower()
        others = [each for each in around.others if wanted in guids(each)]
        if not others:
            return "no such component is here"
        if not required.version:
            return ""
        found = others[0]
    component = found.component
    running = component.current_version
    if running is None or not running.reliable:
        return "the running version is not known"
    declared = around.about.version_format if found == around.candidate else ""
    return _compared(required, running, of_image(required.version, component, declared))


def _compared(required: ImageRequirement, running: Version, wanted: Version) -> str:
    """Why the running version is none of those that are required; empty if it is."""
    operator, here = required.compare or "ge", f"it is {running.text}"
    if not required.version:
        return "it names no version"
    if operator == "glob":
        return "" if fnmatchcase(running.text, required.version) else here
    if operator == "regex":
        if not _PLAIN_REGEX.fullmatch(required.version):
            return "regular expressions with groups or repetitions are not judged here"
        return "" if re.search(required.version, running.text) else here
    if operator not in _ORDERS:
        return f"the comparison {operator[:20]!r} is unknown"
    order = compare(running, wanted)
    if order is None:
        return f"{here}, and cannot be compared"
    return "" if order in _ORDERS[operator] else f"{_WORDS[operator]}{wanted.text} is needed, and {here}"


def _hardware_ids(required: ImageRequirement, around: RequirementContext) -> tuple[list[str], frozenset[str]]:
    return [each.strip().lower() for each in required.value.split("|")], around.facts.hardware_ids()


def _hardware(required: ImageRequirement, around: RequirementContext) -> str:
    wanted, here = _hardware_ids(required, around)
    if not here:
        return "the hardware IDs of this machine are not known"
    return "" if here.intersection(wanted) else "this machine has no such hardware ID"


def _not_hardware(required: ImageRequirement, around: RequirementContext) -> str:
    wanted, here = _hardware_ids(required, around)
    if not here:
        return "the hardware IDs of this machine are not known"
    return "this machine has this hardware ID" if here.intersection(wanted) else ""


def _ident(required: ImageRequirement, around: RequirementContext) -> str:
    versions: dict[str, Callable[[], str]] = {
        "org.freedesktop.fwupd": lambda: READS_AS,
        "org.kernel": around.facts.kernel_release,
    }
    release = _RELEASE.match(versions[required.value]()) if required.value in versions else None
    if release is None:
        return "no version of it is known here"
    return _compared(required, _of_program(release[0]), _of_program(required.version))


def _of_program(text: str) -> Version:
    """The version of a program, whose single number is the first of several."""
    order = dotted(text)
    return Version(text, order if len(order) != 1 else (*order, 0))


_Judge = Callable[[ImageRequirement, RequirementContext], str]
_JUDGES: Mapping[str, _Judge] = MappingProxyType(
    {"firmware": _firmware, "hardware": _hardware, "not_hardware": _not_hardware, "id": _ident}
)
"""Why a requirement of a kind is not met; empty if it is."""


def described(found: Iterable[ImageRequirement]) -> list[str]:
    """Each requirement in a line, for a person."""
    return [_printed(each) for each in found]
