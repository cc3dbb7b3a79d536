# SPDX-License-Identifier: Apache-2.0
"""Trees that no firmware and no driver made, by hand: what the write answers, what the log says and what is shown
afterwards are put together as they come. The version file that can be read afterwards is the truth.
"""

import errno
import re
from collections.abc import Callable, Coroutine, Iterator
from itertools import product
from typing import NamedTuple

from livefw.activation.fake import activate
from livefw.activation.outcome import Outcome, Result
from livefw.kernel.log import Level
from livefw.kernel.sysfs import Attribute, Directory
from livefw.machine.machine import Machine
from livefw.providers.fake import FakeResult
from livefw.providers.lfa.drivers import DRIVERS
from livefw.providers.lfa.fake import RMM, TEXTS, FakeLfa
from livefw.providers.lfa.tree import ROOT, TRIGGERS

SCP = "65922703-2f74-e644-8dff-579ac1ff0610"
OLD, ANNOUNCED, ANOTHER = "1.0", "1.2", "1.9"

LAYOUTS = {driver.attributes: driver.name for driver in DRIVERS}
"""One version of the driver for each set of attributes."""
ANSWERS = (
    0,
    errno.ECANCELED,
    errno.EIO,
    errno.EINVAL,
    errno.ENODEV,
    errno.ENOENT,
    errno.EPERM,
    errno.EBUSY,
    errno.ENOSPC,
    errno.EINTR,
    errno.ETIMEDOUT,
)
_DONE = "Arm LFA: TF-RMM: successfully activated"
_OTHERS = "Arm LFA: LFA_PRIME for image BL31 runtime failed: LFA_AUTH_ERROR"
LOGS: dict[str, tuple[str, ...]] = {
    "none": (),
    "success": (_DONE,),
    "not primed": ("Arm LFA: LFA_PRIME for image TF-RMM failed: LFA_AUTH_ERROR",),
    "not activated": ("Arm LFA: LFA_ACTIVATE for image TF-RMM failed: LFA_ACTIVATION_FAILED",),
    "in part": ("Arm LFA: ACTIVATE for image TF-RMM failed: LFA_COMPONENT_WRONG_STATE",),
    "late": ("Arm LFA: LFA_ACTIVATE for image TF-RMM failed: LFA_DEVICE_ERROR",),
    "cancelled": ("Arm LFA: Activation cancelled for image TF-RMM",),
    "another's": (_OTHERS,),
    "unnamed": ("Arm LFA: Firmware prime failed: LFA_AUTH_ERROR", "Arm LFA: Firmware activation succeeded"),
    "nobody's": ("Arm LFA: LFA_PRIME for image (unknown) failed: LFA_AUTH_ERROR", _DONE),
    "success, another's failure": (_DONE, _OTHERS),
    "failure, success": ("Arm LFA: LFA_ACTIVATE for image TF-RMM failed: LFA_BUSY", _DONE),
}
GONE = "gone"
VERSIONS = (OLD, ANNOUNCED, ANOTHER, "0.0", "unreadable", GONE)
"""What ``current_version`` holds afterwards; ``0.0`` is that of a firmware that reports none."""
FLAGS = ("0", "1", "unreadable", "garbage", "component gone", "all gone")


class Case(NamedTuple):
    """What a write finds. ``log`` is a key of `LOGS`."""

    layout: str
    answer: int
    log: str
    version: str
    flag: str

    @property
    def runs(self) -> str | None:
        """The version that can be read afterwards; None if there is none to be read."""
        if self.flag.endswith("gone") or "current_version" not in _attributes(self.layout):
            return None
        return self.version if self.version in (OLD, ANNOUNCED, ANOTHER) else None

    @property
    def pending(self) -> bool | None:
        """What the flag says afterwards."""
        return {"0": False, "1": True}.get(self.flag)


def cases(layout: str) -> Iterator[Case]:
    """All of one layout; one that shows no version has the versions' dimension for nothing."""
    versions = VERSIONS if "current_version" in _attributes(layout) else VERSIONS[:1]
    return (Case(layout, *rest) for rest in product(ANSWERS, LOGS, versions, FLAGS))


def _attributes(layout: str) -> frozenset[str]:
    return next(driver.attributes for driver in DRIVERS if driver.name == layout)


def lay_out(case: Case) -> FakeLfa:
    """The tree before the write, which makes of it what the case says."""
    bench = FakeLfa()
    bench.add(RMM, driver=case.layout, current_version=OLD, pending_version=ANNOUNCED)
    bench.add(SCP, driver=case.layout, name="SCP firmware", activation_pending="0")
    bench.files.answers[bench.path("activate")] = [FakeResult(case.answer, effect=lambda: become(bench, case))]
    return bench


def become(bench: FakeLfa, case: Case) -> None:
    """What is left after the write."""
    files = bench.files
    for line in LOGS[case.log]:
        files.say(line)
    if case.flag == "all gone":
        files.remove(ROOT)
    elif case.flag == "component gone":
        files.remove(f"{ROOT}/{RMM}")
    else:
        _leave(bench, "activation_pending", case.flag)
        _leave(bench, "current_version", case.version)
        if case.flag == "0":
            _leave(bench, "pending_version", "N/A")


def _leave(bench: FakeLfa, attribute: str, text: str) -> None:
    path = bench.path(attribute)
    if path not in bench.files.tree:
        return
    if text == GONE:
        del bench.files.tree[path]
    elif text == "unreadable":
        bench.files.break_for_ever(path, errno.EIO)
    else:
        bench.set(attribute, text)


def told(case: Case) -> Result:
    """What the engine makes of it."""
    bench = lay_out(case)
    return activate(bench.provider, RMM, files=bench.files, clock=bench.clock)


class Planted:
    """The same in the tree of a modelled machine, in place of what its driver made; it can be mounted."""

    def __init__(self, machine: Machine, case: Case) -> None:
        self._machine = machine
        self._case = case
        self._root = machine.tree.lookup(ROOT)
        assert isinstance(self._root, Directory)
        for name in self._root.names:
            self._root.remove(name)
        self._texts = {guid: self._component(guid) for guid in (RMM, SCP)}
        self._texts[RMM] |= {"current_version": OLD, "pending_version": ANNOUNCED}
        self._texts[SCP] |= {"name": "SCP firmware", "activation_pending": "0"}

    def _component(self, guid: str) -> dict[str, str]:
        directory, texts = Directory(), {name: str(text) for name, text in TEXTS.items()}
        for name in sorted(_attributes(self._case.layout)):
            if name in TRIGGERS:
                directory.add(name, Attribute(mode=0o200, store=self._store))
            else:
                directory.add(name, Attribute(mode=0o644, show=self._show(guid, name)))
        assert isinstance(self._root, Directory)
        self._root.add(guid, directory)
        return texts

    def _show(self, guid: str, name: str) -> Callable[[], Coroutine[None, None, str]]:
        async def show() -> str:
            if (text := self._texts[guid][name]) == "unreadable":
                raise OSError(errno.EIO, "unreadable")
            return f"{text}\n"

        return show

    async def _store(self, data: bytes) -> None:
        case, root, texts = self._case, self._root, self._texts[RMM]
        assert isinstance(root, Directory)
        for line in LOGS[case.log]:
            self._machine.os.log.write(Level.ERR, line)
        if case.flag.endswith("gone"):
            for guid in root.names if case.flag == "all gone" else (RMM,):
                root.remove(guid)
        else:
            texts |= {"activation_pending": case.flag, "current_version": case.version}
            if case.flag == "0":
                texts["pending_version"] = "N/A"
            directory = root.get(RMM)
            assert isinstance(directory, Directory)
            if case.version == GONE and "current_version" in directory.names:
                directory.remove("current_version")
        if case.answer:
            raise OSError(case.answer, "as the case says")


def untrue(case: Case, outcome: str) -> str:
    """Why an outcome is untrue; empty if it is not."""
    if outcome == Outcome.ACTIVATED and case.runs == OLD:
        return "activated, and the old version runs"
    if outcome in (Outcome.FAILED, Outcome.REFUSED, Outcome.CANCELLED) and case.runs in (ANNOUNCED, ANOTHER):
        return f"{outcome}, and another version runs"
    return ""


# What the text of an answer says, and what must hold then. Written down apart from the tables that the text is from.

_SUCCESS, _FAILURE = ("succeeded", "successfully"), ("failed",)


def _logged(case: Case, words: tuple[str, ...]) -> bool:
    return any(word in line for line in LOGS[case.log] for word in words)


SAYS: tuple[tuple[str, Callable[[Case], bool]], ...] = (
    (r"still pending", lambda case: case.pending is not False),
    (r"no longer pending|no image is pending|no new image is pending", lambda case: case.pending is not True),
    (r"old version (still runs|is still shown)|version is the same as before", lambda case: case.runs in (OLD, None)),
    (r"(announced|different) version (is running|runs|is shown)", lambda case: case.runs in (ANNOUNCED, ANOTHER)),
    (r"the announced version is running", lambda case: case.runs == ANNOUNCED),
    (r"not the announced one", lambda case: case.runs == ANOTHER),
    (r"success was reported", lambda case: case.answer == 0),
    (r"a failure was reported|the reply was that nothing was tried", lambda case: case.answer != 0),
    (r"log reports (the same|(a|its) success)", lambda case: _logged(case, _SUCCESS)),
    (r"log reports (a|its) failure", lambda case: _logged(case, _FAILURE)),
    (r"component is not visible", lambda case: case.pending is None),
    (r"component (is gone|no longer exists)", lambda case: case.pending is None or case.answer != 0),
)
"""A pattern in the text, and what must be so where it stands."""
_NOW = re.compile(r"^  now: (\S+) runs", re.MULTILINE)
_BECAME = re.compile(r": activated, (\S+) -> (\S+), ")


def contradictions(case: Case, text: str) -> Iterator[str]:
    """What a text says that is not so, or that another part of it denies."""
    own = "\n".join(line for line in text.splitlines() if not line.startswith("  kernel log:"))
    outcome = re.search(r"\): (\w+)", own)
    word = outcome[1] if outcome else ""
    if why := untrue(case, word):
        yield why
    for pattern, holds in SAYS:
        if (found := re.search(pattern, own)) and not holds(case):
            yield f"says {found[0]!r}"
    now = _NOW.search(own)
    if now and now[1] != case.runs:
        yield f"says that {now[1]} runs now"
    if now and word == Outcome.ACTIVATED and now[1] == OLD:
        yield "activated, and now the old version runs"
    if now and word in (Outcome.FAILED, Outcome.REFUSED, Outcome.CANCELLED) and now[1] != OLD:
        yield f"{word}, and now another version runs"
    became = _BECAME.search(own)
    if became and (became[1], became[2]) != (OLD, case.runs):
        yield f"says {became[1]} -> {became[2]}"
    if "still pending" in own and re.search(r"no longer pending|no image is pending", own):
        yield "is still pending and is not"
