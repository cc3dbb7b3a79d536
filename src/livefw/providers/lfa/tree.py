# SPDX-License-Identifier: Apache-2.0
"""Reading ``/sys/firmware/lfa/<guid>/<attribute>``.

The tree differs by driver version, changes while it is read, and carries text that firmware chose. What is there is
found out by looking at which files exist (Linux, ``Documentation/ABI/testing/sysfs-firmware-lfa``, and each posting
of the driver), never by a kernel's version.
"""

from __future__ import annotations

import errno

from livefw.abi.version import ComponentVersion
from livefw.providers.component import Component, Cost, Reason, Rendezvous, Version
from livefw.providers.lfa import agents
from livefw.text import decode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NamedTuple

    from livefw.clock import Clock
    from livefw.files.protocol import Files
else:
    from livefw.light_tuple import NamedTuple

PROVIDER = "lfa"
ROOT = "/sys/firmware/lfa"

READABLE = (
    "name",
    "activation_capable",
    "activation_pending",  # before pending_version: reading it refreshes the flag that pending_version looks at
    "may_reset_cpu",
    "cpu_rendezvous",
    "force_cpu_rendezvous",
    "current_version",
    "pending_version",
    "auto_activate",
    "last_error",
)
"""Attributes that can be read, in the order in which they have to be read."""

TRIGGERS = ("activate", "cancel")
"""Attributes that act on any write, whatever is written; never opened except to act."""

SETTINGS = ("force_cpu_rendezvous", "auto_activate")

GONE = frozenset({errno.ENOENT, errno.ENODEV, errno.ENOTDIR})
"""A directory that was removed answers ENOENT at open and ENODEV on a descriptor that was open."""

_ATTEMPTS = 3
_FIRST_PAUSE = 0.01
_NOT_REPORTED = "0.0"
_NO_NAME = frozenset({"", "(unknown)"})


class Patience:
    """A bounded wait for what is only busy for the moment, shared by all reads of one task."""

    def __init__(self, clock: Clock, *, seconds: float = 1.0) -> None:
        self._clock = clock
        self._left = seconds
        self._pause = _FIRST_PAUSE

    def pause(self) -> bool:
        """Wait a little, longer each time; False without waiting once the time is used up."""
        if self._left <= 0:
            return False
        pause = min(self._pause, self._left)
        self._left -= pause
        self._pause *= 2
        self._clock.sleep(pause)
        return True


class TreeEntry(NamedTuple):
    """One directory as it was read: the names in it, texts without their newline, and what could not be read."""

    guid: str
    names: frozenset[str]
    texts: dict[str, str]
    errors: dict[str, int]

    def flag(self, attribute: str) -> bool | None:
        """A ``0`` or ``1``; None if it is missing, unreadable or anything else."""
        return {"0": False, "1": True}.get(self.texts.get(attribute, ""))


def is_guid(name: str) -> bool:
    """Whether a directory name is a GUID in the spelling of sysfs; all else in the tree is not a component."""
    return len(name) == 36 and name.translate(_SHAPE) == _GUID_SHAPE


_SHAPE = {ord(c): "x" for c in "0123456789abcdef"} | {ord("x"): "?"}
_GUID_SHAPE = "-".join("x" * count for count in (8, 4, 4, 4, 12))


def read_entry(files: Files, guid: str, patience: Patience) -> TreeEntry | None:
    """Read one directory; None if it vanished meanwhile.

    A file that was listed and is gone when it is read means that the directory is being removed, or was made anew.
    """
    for _ in range(_ATTEMPTS):
        try:
            names = frozenset(files.names(f"{ROOT}/{guid}"))
        except OSError as error:
            if error.errno in GONE:
                return None
            return TreeEntry(guid, frozenset(), {}, {"": error.errno or errno.EIO})
        entry = _read_attributes(files, TreeEntry(guid, names, {}, {}), patience)
        if entry is not None:
            return entry
    return None


def _read_attributes(files: Files, entry: TreeEntry, patience: Patience) -> TreeEntry | None:
    directory = f"{ROOT}/{entry.guid}/"
    for attribute in READABLE:
        if attribute not in entry.names:
            continue
        while True:
            try:
                entry.texts[attribute] = decode(files.read(directory + attribute)).removesuffix("\n")
            except OSError as error:
                if error.errno in GONE:
                    return None
                if error.errno == errno.EBUSY and patience.pause():
                    continue
                entry.errors[attribute] = error.errno or errno.EIO
            break
    return entry


def in_parts(files: Files, guid: str) -> bool:
    """Whether each CPU activates the component by itself: it could do with one, and the settings demand all.

    Then one CPU may fail where others succeed. A component that demands all CPUs waits until they have met.
    """
    return _shows(files, guid, "cpu_rendezvous", b"0") and not _shows(files, guid, "force_cpu_rendezvous", b"0")


def _shows(files: Files, guid: str, attribute: str, text: bytes) -> bool:
    try:
        return files.read(f"{ROOT}/{guid}/{attribute}").strip() == text
    except OSError:
        return False


def component(entry: TreeEntry, agent: agents.AgentRow = agents.NOT_STATED) -> Component:
    """What an entry means."""
    notes: list[Reason] = []
    pending = entry.flag("activation_pending")
    current = _current(entry, notes)
    announced = _pending(entry, notes) if pending else None
    # Firmware that announces a version of the next image will report it once it runs.
    versions = any(version is not None and version.reliable for version in (current, announced))
    return Component(
        provider=PROVIDER,
        id=entry.guid,
        name=_name(entry),
        current_version=current,
        pending=pending,
        pending_version=announced,
        cost=_cost(entry),
        reasons=_reasons(entry, pending=pending),
        settings=tuple((name, value) for name in SETTINGS if (value := entry.flag(name)) is not None),
        notes=_notes(entry, notes),
        details=tuple(entry.texts.items()),
        unconfirmed=agents.unconfirmed(agent, entry.guid, versions=versions),
        distrusted=FALSE_SUCCESS if _hides_failures(entry) else None,
        flag=agents.flag(agent, entry.guid, versions=versions),
        copied=True,  # the driver asks for it when it scans: when it is loaded, and after each success
        at_stake=agents.at_stake(agent, entry.guid),
        listed_anew_by=_LISTED_ANEW_BY,
        stated=f"agent {agent.name}" if agent.name else "",
    )


def _name(entry: TreeEntry) -> str:
    """The driver's name for it if that is printable text, else ours for a public GUID, else nothing.

    Versions of the driver print ``(unknown)``, an empty line, the GUID, or what happens to lie on the stack.
    """
    text = entry.texts.get("name", "").strip()
    if text not in _NO_NAME and text != entry.guid and text.isprintable() and "\\x" not in text:
        return text
    from livefw.abi.guid import BY_GUID, Guid  # most components have a name

    known = BY_GUID.get(Guid.parse(entry.guid))
    return known.title if known else ""


def _current(entry: TreeEntry, notes: list[Reason]) -> Version | None:
    text = entry.texts.get("current_version")
    if text is None:
        return None
    if text == _NOT_REPORTED:
        notes.append(_CURRENT_NOT_REPORTED)
        return Version(text, reliable=False)
    version = _version(text)
    if version is None:
        notes.append(_CURRENT_GARBAGE)
    return version


def _pending(entry: TreeEntry, notes: list[Reason]) -> Version | None:
    text = entry.texts.get("pending_version")
    if text is None or text in ("N/A", _NOT_REPORTED):
        return None
    version = _version(text)
    if version is None:
        notes.append(_PENDING_GARBAGE)
    elif "auto_activate" not in entry.names:
        notes.append(_PENDING_DOUBTFUL)
        return version._replace(reliable=False)
    return version


def _version(text: str) -> Version | None:
    try:
        version = ComponentVersion.parse(text)
    except ValueError:
        return None
    return Version(str(version), tuple(version)) if version.known else None


def _cost(entry: TreeEntry) -> Cost:
    required = entry.flag("cpu_rendezvous")
    rendezvous = None
    if required:
        rendezvous = Rendezvous.REQUIRED
    elif required is False:
        # Without the setting (the first posting of the driver) the driver always stops all CPUs.
        forced = "force_cpu_rendezvous" not in entry.names or entry.flag("force_cpu_rendezvous") is not False
        rendezvous = Rendezvous.FORCED if forced else Rendezvous.OPTIONAL
    return Cost(rendezvous, entry.flag("may_reset_cpu"))


def _reasons(entry: TreeEntry, *, pending: bool | None) -> tuple[Reason, ...]:
    reasons = []
    if "" in entry.errors:
        reasons.append(unreadable("the directory", entry.errors[""]))
    elif pending is None:
        reasons.append(unreadable("activation_pending", entry.errors.get("activation_pending", 0)))
    elif not pending:
        reasons.append(_NOT_PENDING)
    if entry.flag("activation_capable") is False:
        reasons.append(_NOT_CAPABLE)
    if entry.flag("may_reset_cpu"):
        reasons.append(_RESETS_CPU)
    if entry.names and "activate" not in entry.names:
        reasons.append(_NO_TRIGGER)
    return tuple(reasons)


def _notes(entry: TreeEntry, notes: list[Reason]) -> tuple[Reason, ...]:
    notes += [unreadable(name, error) for name, error in entry.errors.items() if name not in ("", "activation_pending")]
    if entry.flag("auto_activate"):
        notes.append(_AUTO_ACTIVATE)
    if _hides_failures(entry):
        notes.append(FALSE_SUCCESS)
    return tuple(notes)


def _hides_failures(entry: TreeEntry) -> bool:
    """Whether the driver is version 1 or NVIDIA's after it.

    The table of `drivers` takes too long to import for a list; tests compare this with it.
    """
    return "pending_version" in entry.names and "auto_activate" not in entry.names


def unreadable(what: str, error: int) -> Reason:
    """The reason for a file that could not be read, or held nothing that makes sense."""
    if not error:
        return _NO_FLAG.fill(what=what)
    name = errno.errorcode.get(error, str(error))
    hint = "read it as root" if error in (errno.EACCES, errno.EPERM) else ""
    return _UNREADABLE._replace(hint=hint).fill(what=what, error=name)


_NO_FLAG = Reason("unreadable", "{what} holds neither 0 nor 1, or is missing")
_UNREADABLE = Reason("unreadable", "{what} cannot be read: {error}")
_LISTED_ANEW_BY = (
    "reload the driver (modprobe -r lfa_fw; modprobe lfa_fw) or reboot; livefw help cancel shows how to cancel a"
    " component that stays primed"
)
_NOT_PENDING = Reason("not-pending", "no new image is pending", "stage one first; LFA itself cannot stage")
_NOT_CAPABLE = Reason("not-capable", "the firmware cannot activate this component live", "a reboot is required")
_RESETS_CPU = Reason("resets-cpu", "activating it may reset CPUs, which Linux does not support", "a reboot is required")
_NO_TRIGGER = Reason("no-trigger", "the driver provides no file to activate it")
_CURRENT_NOT_REPORTED = Reason("version-not-reported", "the firmware does not report the running version")
_CURRENT_GARBAGE = Reason("version-garbage", "current_version is not a version")
_PENDING_GARBAGE = Reason("pending-version-garbage", "pending_version is not a version")
_PENDING_DOUBTFUL = Reason(
    "pending-version-doubtful", "this version of the driver may print uninitialised memory as pending_version"
)
HIDES_FAILURES = "reports a failed activation as a success if the automatic cancel works"
FALSE_SUCCESS = Reason(
    "false-success",
    f"this driver {HIDES_FAILURES}",
    "livefw compares the versions before and after, and reads the kernel log",
)
_AUTO_ACTIVATE = Reason(
    "auto-activate", "the kernel activates it automatically on a platform notification", "echo 0 > auto_activate"
)
