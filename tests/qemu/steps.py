# SPDX-License-Identifier: Apache-2.0
"""Steps for the driver of dkms/ and its model: the model plays them first, a guest with the real module second.

`LOOSE` says what may differ between the two. All else has to be the same to the letter: answers, errno, the driver's
log, its uevents, and the calls that the firmware gets.
"""

import errno
import itertools
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from livefw.abi.lfa import Function, LfaStatus, status
from livefw.abi.smccc import Registers
from livefw.errors import LivefwError
from livefw.kernel.clock import MS
from livefw.kernel.lfa.versions import Pacing
from livefw.kernel.sysfs import Directory, OpenFile
from livefw.machine.config import MachineConfig, decode
from livefw.machine.faults import FaultRequest
from livefw.machine.host import KernelJob, VirtualRunner
from livefw.machine.machine import Machine
from livefw.machine.trace import TracedCall

LOOSE = {
    "which CPU": "A call that one CPU makes may come from any; of those that all make at once, the answers count.",
    "how often BUSY": "While a write waits for somebody else's change, its calls that are answered BUSY do not count.",
    "clean-up": "Directories are removed by a work item after an activation; a write that meets it gets EBUSY, and is"
    " tried again where the model is not busy.",
    "limited lines": "Those about rows of the inventory: the kernel's have to be among the model's.",
    "a CPU that comes late": "What needs no rendezvous is activated by the first CPU, and one that comes after its end"
    " is refused: where several CPUs are on, one activates it.",
    "which CPU leads": "An RMM that refuses to boot does so on the CPU that came last, and not on that one again:"
    " played on one CPU.",
    "left out": "hang, reset and the preempted faults: CPUs that never return, or late.",
}
"""What may come in two orders, or was left out, and why."""

LFA = "/sys/firmware/lfa"
LONG = 3_600_000
"""Milliseconds that no step of the play takes: a busy machine is slow, and nothing times out."""
ZERO = 0
"""Whoever would have to call again is timed out at once."""

LIMITED = re.compile(r"cannot be read|no room for|listed more than once|callbacks suppressed")

RMM = "6c0762a6-12f2-4b56-92cb-ba8f633606d9"
BL31 = "47d4086d-4cfe-9846-9b95-2950cbbd5a00"
BL33 = "d6d0eea7-fcea-d54b-9782-9934f234b6e4"
A, B, C, D, E = (f"{letter * 8}-1111-2222-3333-{letter * 12}" for letter in "abcde")
NEWCOMER = "11111111-2222-4333-8444-555555555555"
NOBODY = "99999999-2222-4333-8444-555555555555"

_CONTROLLER = """
[[components]]
guid = "{}"
kind = "controller"
current_version = "{}"
prime_steps = {}
prime_ms = 1.0
activate_steps = {}
activate_ms = 1.0
"""
_MACHINE = f"""
name = "steps"
cpus = 4
agent = "bet1"
driver = "lw1"
notification = "dt"
{_CONTROLLER.format(A, "3.2", 1, 1)}
{_CONTROLLER.format(B, "1.14", 3, 1)}
{_CONTROLLER.format(C, "2.7", 1, 3)}
[[components]]
guid = "{BL31}"
kind = "bl31"
current_version = "1.0"
pending_version = "1.1"
[[components]]
guid = "{BL33}"
kind = "bl33"
current_version = "0.0"
{_CONTROLLER.format(D, "42949.4294967295", 2, 2)}
{_CONTROLLER.format(E, "0.1", 1, 1)}
[[components]]
guid = "{RMM}"
kind = "rmm"
current_version = "1.0"
pending_version = "1.1"
prime_steps = 3
prime_ms = 1.0
activate_ms = 1.0
"""


def config(cpus: int, release: str) -> MachineConfig:
    """The machine of both, with the kernel of the guest."""
    return replace(decode(_MACHINE.encode(), source="steps"), cpus=cpus, kernel=release)


Step = tuple[Any, ...]


class Seen(NamedTuple):
    """What a step showed."""

    answer: Any
    lines: list[str]
    uevents: list[list[str]]


@dataclass(slots=True)
class Played:
    """A step as the model took it; ``timed`` while a write waits for another's change."""

    step: Step
    seen: Seen
    listed: list[str]
    calls: list[str]
    timed: bool


def change(machine: Machine, step: Step) -> Any:
    """Play a step ``host``: what somebody outside the operating system does; a word if it is refused."""
    _, what, *words = step
    try:
        if what == "stage":
            guid, version, authentic = words
            return str(machine.stage(guid, version, authentic=authentic))
        if what == "fault":
            return machine.inject(FaultRequest(**words[0])).name
        if what == "clear":
            return machine.clear_faults()
        if what == "revive":
            with machine.runner.lock:
                for component in machine.platform.components():
                    component.dead = False
            return None
        if what == "notify":
            machine.notify()
            return None
    except LivefwError as error:
        return f"{type(error).__name__}: {error.message}"
    raise ValueError(what)


def calls_of(traced: Iterable[TracedCall], *, timed: bool) -> list[str]:
    """The calls as text; those that all CPUs made at once as one, and a long run of the same as a short one."""
    rounds: list[dict[int, str]] = []
    for call in traced:
        if timed and isinstance(call.outcome, Registers) and status(call.outcome) == LfaStatus.BUSY:
            continue
        together = call.registers[0] == Function.ACTIVATE and not call.registers[2] & 1
        text = call.text.partition(" ")[2]
        last = rounds[-1] if rounds else {}
        if together and last and call.cpu not in last and all("LFA_ACTIVATE" in each for each in last.values()):
            last[call.cpu] = text
        else:
            rounds.append({call.cpu if together else -1: text})
    return [" & ".join(sorted(each.values())) for each in rounds]


class ModelPlayer:
    """Plays steps on the model, in virtual time."""

    def __init__(self, cpus: int, release: str) -> None:
        self.machine = Machine(config(cpus, release))
        self.steps: list[Played] = []
        self._lines = self._calls = self._uevents = 0
        self._writer: KernelJob[int] | None = None
        self._opened: OpenFile | None = None
        self._seen_uevents = 0

    def play(self, *step: Any) -> Any:
        """Play one step; its answer."""
        timed = self._writer is not None
        begun = self.machine.os.now()
        answer = (
            change(self.machine, step)
            if step[0] == "host"
            else _answer(lambda: getattr(self, f"play_{step[0]}")(*step[1:]))
        )
        self._settle()
        if self.machine.os.now() - begun > LONG * MS // 2:
            raise ValueError(f"step {len(self.steps)}, {step}, takes a guest hours")
        timed = timed or self._writer is not None
        log, trace = self.machine.os.log, self.machine.trace
        lines = [record.text for record in log.since(self._lines)]
        calls = calls_of(trace.since(self._calls), timed=timed)
        events = list(self.machine.os.uevents)[self._uevents :]
        self._lines, self._calls, self._uevents = log.next_sequence, trace.next_sequence, self._uevents + len(events)
        if self._uevents > 4000:
            self.machine.os.uevents.clear()
            self._uevents = 0
        uevents = [
            [f"{event.action}@{event.devpath}", *sorted(f"{name}={value}" for name, value in event.environment)]
            for event in events
            if dict(event.environment).get("SUBSYSTEM") == "lfa"
        ]
        self.steps.append(Played(step, Seen(answer, lines, uevents), self.names(), calls, timed))
        return answer

    def names(self) -> list[str]:
        """What is in the driver's directory."""
        try:
            return sorted(self.machine.tree.listdir(LFA))
        except FileNotFoundError:
            return []

    def guids(self) -> list[str]:
        """Names of the directories."""
        return [name for name in self.names() if "-" in name]

    def text(self, path: str) -> Any:
        """What a file says now, outside of the play: nothing that asks the firmware."""
        return _answer(lambda: self.play_read(path))

    def _settle(self) -> None:
        if self._writer is not None:
            self.machine.runner.run(self.machine.os.sleep(60 * MS), name="sleep")
        elif isinstance(self.machine.runner, VirtualRunner):
            self.machine.runner.settle()

    # One method for each kind of step; those of the guest (steps_guest.py) have the same names.

    def play_list(self) -> list[str]:
        return self.names()

    def play_show(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name in self.guids():
            directory = self.machine.tree.lookup(f"{LFA}/{name}")
            for file in sorted(directory.names if isinstance(directory, Directory) else ()):
                path = f"{name}/{file}"
                found[path] = [self.machine.tree.lookup(f"{LFA}/{path}").stat.mode, self.text(path)]
        return found

    def play_read(self, path: str) -> str:
        return self._shown(self.machine.tree.open(f"{LFA}/{path}", reading=True))

    def play_write(self, path: str, text: str) -> int:
        return self.machine.runner.run(self._write(path, text), name="write")

    def play_open(self, path: str) -> str:
        self._opened = None
        self._opened = self.machine.tree.open(f"{LFA}/{path}", reading=True)
        return "opened"

    def play_again(self) -> str:
        return self._shown(self._opened) if self._opened is not None else "none"

    def play_cpu(self, cpu: int, digit: str) -> int:
        (self.machine.cpu_on if digit == "1" else self.machine.cpu_off)(cpu)
        return len(digit)

    def play_load(self, *limits: str) -> bool:
        prime, activate = (Pacing(int(limit.partition("=")[2]) * MS, 10 * MS) for limit in limits)
        self.machine.driver.version = replace(self.machine.driver.version, prime=prime, activate=activate)
        # busybox tries the older system call where the newer one has failed, whatever the reason.
        return self._changed(self.machine.load_driver) or self._changed(self.machine.load_driver)

    def play_unload(self) -> bool:
        return self._changed(self.machine.unload_driver, loaded=False)

    def play_begin(self, path: str, text: str) -> str:
        self._writer = self.machine.runner.start(self._write(path, text), name="writer")
        return "begun"

    def play_until(self, path: str, text: str) -> str:
        while (said := self.play_read(path)) != text:
            self.machine.runner.run(self.machine.os.sleep(10 * MS), name="sleep")
        return said

    def play_end(self) -> int:
        job, self._writer = self._writer, None
        if job is None:
            raise ValueError("nobody writes")
        job.wait()
        return job.result()

    def _changed(self, begin: Callable[[], KernelJob[bool]], *, loaded: bool = True) -> bool:
        """Whether the driver could be loaded, or unloaded."""
        try:
            job = begin()
        except LivefwError:
            return False
        job.wait()
        return job.result() is loaded

    def _shown(self, file: OpenFile) -> str:
        return self.machine.runner.run(file.read(4096, 0), name="read").decode()

    async def _write(self, path: str, text: str) -> int:
        return await self.machine.tree.open(f"{LFA}/{path}", writing=True).write(text.encode())


def _answer(action: Callable[[], Any]) -> Any:
    try:
        return action()
    except OSError as error:
        return errno.errorcode[error.errno or 0]


def load(ms: int) -> Step:
    """Load the module with these limits."""
    return ("load", f"prime_ms={ms}", f"activate_ms={ms}")


def grouped(calls: Iterable[str], *, limit: int = 5) -> list[str]:
    """Runs of the same call, the longest ones cut."""
    return [each for each, run in itertools.groupby(calls) for _ in range(min(limit, len(list(run))))]
