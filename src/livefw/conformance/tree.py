# SPDX-License-Identifier: Apache-2.0
"""The table of checks of a driver's sysfs tree: what a program on the machine can see and do.

Source of every row: the ABI document of the postings (Documentation/ABI/testing/sysfs-firmware-lfa) and the driver of
the version that is expected; what versions differ in is the table `livefw.kernel.lfa.VERSIONS`.
"""

import errno
import re
from collections.abc import Callable, Iterator
from enum import IntEnum
from typing import NamedTuple, Protocol

from livefw.abi.guid import Guid
from livefw.conformance.run import CheckVerdict
from livefw.kernel.lfa import DriverVersion
from livefw.kernel.lfa.image import DriverImage

LFA = "/sys/firmware/lfa"
PATIENCE = 120.0
"""Seconds until a write counts as one that does not end. The longest limit of a driver is 40 s, between two calls."""

_ABI = "Documentation/ABI/testing/sysfs-firmware-lfa"
_SHOW = "lfa_fw.c, show functions"
_STORE = "lfa_fw.c, store functions"
_KERNFS = "kernel, fs/kernfs/file.c"
_FLAGS = ("activation_capable", "activation_pending", "may_reset_cpu", "cpu_rendezvous")
_SETTINGS = ("force_cpu_rendezvous", "auto_activate")
_TRIGGERS = ("activate", "cancel")
_VERSION = re.compile(r"(\d{1,10})\.(\d{1,10})")


class CheckedWrite(Protocol):
    """A write that was started."""

    def wait(self, seconds: float | None) -> bool:
        """Wait until it has ended, at most so long; whether it has."""
        ...

    @property
    def error(self) -> int:
        """The errno it ended with, or 0."""
        ...


class CheckedFiles(Protocol):
    """A tree of files: a mounted one, a directory, or a model's own. Methods raise OSError with an errno."""

    def names(self, path: str) -> list[str]:
        """Names in a directory."""
        ...

    def read(self, path: str, limit: int = 4096) -> bytes:
        """What one read of the file gives."""
        ...

    def start_write(self, path: str, data: bytes) -> CheckedWrite:
        """Begin to write."""
        ...


class CheckEffect(IntEnum):
    """What a check does to the machine; each includes those before it."""

    READS = 0
    SETS = 1
    """Changes settings, and puts them back; asks for what the driver has to refuse."""
    ACTIVATES = 2
    """Activates every component that can be activated."""


class CheckedTree(NamedTuple):
    """What a check gets: a tree, and what is expected of it."""

    files: CheckedFiles
    driver: DriverVersion
    pause: Callable[[float], None]
    """Lets so many seconds pass."""

    def components(self) -> list[str]:
        """Names of the directories."""
        return [name for name in self.files.names(LFA) if name not in self.driver.root_attributes]

    def read(self, component: str, attribute: str) -> str:
        """The text of a file."""
        return self.files.read(f"{LFA}/{component}/{attribute}").decode("utf-8", "backslashreplace")

    def write(self, component: str, attribute: str, text: str) -> int | None:
        """The errno of a write, or 0; None if it does not end."""
        write = self.files.start_write(f"{LFA}/{component}/{attribute}", text.encode())
        return write.error if write.wait(PATIENCE) else None

    def with_files(self, names: tuple[str, ...]) -> Iterator[tuple[str, str]]:
        """Component and file, for those of these files that the version has."""
        for component in self.components():
            for name in names:
                if name in self.driver.attributes:
                    yield component, name


class TreeCheck(NamedTuple):
    """One row: a name for reports, where it comes from, and what finds what is wrong."""

    name: str
    source: str
    problems: Callable[[CheckedTree], Iterator[str]]
    effect: CheckEffect = CheckEffect.READS

    @property
    def dangerous(self) -> str:
        """What it does to a machine, empty if it only reads."""
        return {
            CheckEffect.READS: "",
            CheckEffect.SETS: "changes settings",
            CheckEffect.ACTIVATES: "activates firmware",
        }[self.effect]


class TreeResult(NamedTuple):
    """A check with its verdict; ``detail`` says what was wrong, or what was missing."""

    check: TreeCheck
    verdict: CheckVerdict
    detail: str = ""


def run_tree(
    files: CheckedFiles,
    driver: DriverVersion,
    *,
    pause: Callable[[float], None],
    effect: CheckEffect = CheckEffect.READS,
) -> Iterator[TreeResult]:
    """All checks up to an effect, in order. ``pause`` lets so many seconds pass on the machine of the files."""
    subject = CheckedTree(files, driver, pause)
    for check in TREE_CHECKS:
        if check.effect <= effect:
            yield _play(check, subject)


def _play(check: TreeCheck, subject: CheckedTree) -> TreeResult:
    try:
        found = list(check.problems(subject))
    except _Missing as missing:
        return TreeResult(check, CheckVerdict.NOT_APPLICABLE, str(missing))
    except OSError as error:
        found = [f"{getattr(error, 'filename', None) or LFA}: {_name(error.errno)}"]
    return TreeResult(check, CheckVerdict.FAILED if found else CheckVerdict.PASSED, "; ".join(found))


class _Missing(Exception):  # noqa: N818 - it ends a check, nothing else
    """What the check needs is not there."""


def _name(code: int | None) -> str:
    return "no end" if code is None else errno.errorcode.get(code, str(code)) if code else "success"


def _directories(subject: CheckedTree) -> Iterator[str]:
    for name in subject.components():
        try:
            right = str(Guid.parse(name)) == name
        except ValueError:
            right = False
        if not right:
            yield f"{name!r} is not a GUID in lower case"


def _attributes(subject: CheckedTree) -> Iterator[str]:
    expected = set(subject.driver.attributes)
    for component in subject.components():
        found = set(subject.files.names(f"{LFA}/{component}"))
        for text, names in (("lacks", expected - found), ("has besides", found - expected)):
            if names:
                yield f"{component} {text} {', '.join(sorted(names))}"


def _newlines(subject: CheckedTree) -> Iterator[str]:
    readable = tuple(name for name in subject.driver.attributes if name not in _TRIGGERS)
    for component, name in subject.with_files(readable):
        text = subject.read(component, name)
        if text.count("\n") != 1 or not text.endswith("\n"):
            yield f"{component}/{name} is {text!r}, not one line"


def _digits(names: tuple[str, ...]) -> Callable[[CheckedTree], Iterator[str]]:
    def problems(subject: CheckedTree) -> Iterator[str]:
        for component, name in subject.with_files(names):
            if (text := subject.read(component, name)) not in ("0\n", "1\n"):
                yield f"{component}/{name} is {text!r}, neither 0 nor 1"

    return problems


def _is_version(text: str) -> bool:
    found = _VERSION.fullmatch(text)
    return bool(found) and all(int(number) < 1 << 32 for number in found.groups()) if found else False


def _versions(subject: CheckedTree) -> Iterator[str]:
    for component, name in subject.with_files(("current_version", "pending_version")):
        text = subject.read(component, name).removesuffix("\n")
        if not (_is_version(text) or (name == "pending_version" and text == "N/A")):
            yield f"{component}/{name} is {text!r}, not two 32-bit numbers"


def _titles(subject: CheckedTree) -> Iterator[str]:
    for component, _ in subject.with_files(("name",)):
        image = DriverImage.new(component, subject.driver)
        expected = subject.driver.name_file.format(title=image.title, label=image.label)
        text = subject.read(component, "name").removesuffix("\n")
        if text != expected:
            yield f"{component}/name is {text!r}, not {expected!r}"


def _unreadable(subject: CheckedTree) -> Iterator[str]:
    for component, name in subject.with_files(_TRIGGERS):
        try:
            subject.read(component, name)
        except OSError as error:
            if error.errno == errno.EACCES:
                continue
            yield f"{component}/{name}: {_name(error.errno)}, not EACCES"
        else:
            yield f"{component}/{name} can be read"


def _unwritable(subject: CheckedTree) -> Iterator[str]:
    fixed = tuple(name for name in subject.driver.attributes if name not in (*_TRIGGERS, *_SETTINGS))
    for component, name in subject.with_files(fixed):
        if (code := subject.write(component, name, "1\n")) != errno.EACCES:
            yield f"a write to {component}/{name}: {_name(code)}, not EACCES"


_BOOLEANS = {"1\n": "1", "0\n": "0", "y": "1", "n": "0", "on": "1", "off": "0"}
"""Of kstrtobool, those that every kernel takes."""


def _booleans(subject: CheckedTree) -> Iterator[str]:
    for component, name in subject.with_files(_SETTINGS):
        before = subject.read(component, name)
        for text, expected in _BOOLEANS.items():
            code = subject.write(component, name, text)
            shown = subject.read(component, name).strip()
            if code or shown != expected:
                yield f"{text!r} in {component}/{name}: {_name(code)}, and then {shown!r}"
        if (code := subject.write(component, name, "maybe")) != errno.EINVAL:
            yield f"'maybe' in {component}/{name}: {_name(code)}, not EINVAL"
        subject.write(component, name, before)


def _refused_cancel(subject: CheckedTree) -> Iterator[str]:
    expected = subject.driver.errnos.cancel_refused
    for component in subject.components():
        if (code := subject.write(component, "cancel", "1\n")) != expected:
            yield f"cancel of {component}, of which nothing is primed: {_name(code)}, not {_name(expected)}"


def _refused_activation(subject: CheckedTree) -> Iterator[str]:
    expected = subject.driver.errnos.not_pending
    idle = [each for each in subject.components() if subject.read(each, "activation_pending") == "0\n"]
    if not idle:
        raise _Missing("needs a component that is not pending")
    for component in idle:
        if (code := subject.write(component, "activate", "1\n")) != expected:
            yield f"activate of {component}, which is not pending: {_name(code)}, not {_name(expected)}"


def _activations(subject: CheckedTree) -> Iterator[str]:
    ready = [each for each in subject.components() if _is_ready(subject, each)]
    if not ready:
        raise _Missing("needs a component that can be activated and is pending")
    for component in ready:
        announced = subject.read(component, "pending_version").strip()
        if code := _activate(subject, component):
            if subject.driver.reuses_registers:
                raise _Missing(f"{component}: this version cannot activate what needs more than one call of PRIME")
            yield f"activate of {component}: {_name(code)}"
            continue
        after = subject.read(component, "current_version").strip()
        subject.write(component, "cancel", "1\n")  # TF-A keeps a component selected, and no other can be activated
        # Whether it is still pending proves nothing: on Arm's FVP an image always is.
        if not subject.driver.pending_version_wrong_slot and announced not in ("N/A", after):
            yield f"{component} runs {after} after the activation of {announced}"


def _activate(subject: CheckedTree, component: str) -> int | None:
    """The errno of an activation; EBUSY only if it is not the clean-up after the one before."""
    code = subject.write(component, "activate", "1\n")
    if code and code == subject.driver.errnos.activate_busy:
        subject.pause(1)
        return subject.write(component, "activate", "1\n")
    return code


def _is_ready(subject: CheckedTree, component: str) -> bool:
    wanted = {"activation_capable": "1\n", "activation_pending": "1\n", "may_reset_cpu": "0\n"}
    return all(subject.read(component, name) == text for name, text in wanted.items())


TREE_CHECKS = (
    TreeCheck("tree: a directory for each component", _ABI, _directories),
    TreeCheck("tree: files of each component", _ABI, _attributes),
    TreeCheck("read: one line", _SHOW, _newlines),
    TreeCheck("read: flags", _ABI, _digits(_FLAGS)),
    TreeCheck("read: settings", _ABI, _digits(_SETTINGS)),
    TreeCheck("read: versions", _ABI, _versions),
    TreeCheck("read: names", _SHOW, _titles),
    TreeCheck("read: triggers cannot be read", _KERNFS, _unreadable),
    TreeCheck("write: what is shown cannot be written", _KERNFS, _unwritable, CheckEffect.SETS),
    TreeCheck("write: settings take booleans", f"{_STORE}; kernel, lib/kstrtox.c", _booleans, CheckEffect.SETS),
    TreeCheck("write: cancel without a primed image", _STORE, _refused_cancel, CheckEffect.SETS),
    TreeCheck("write: activate without a pending image", _STORE, _refused_activation, CheckEffect.SETS),
    TreeCheck("write: activate", _STORE, _activations, CheckEffect.ACTIVATES),
)
"""All checks, those that change more of the machine after those that change less."""
