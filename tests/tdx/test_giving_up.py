# SPDX-License-Identifier: Apache-2.0
"""An update that is given up at any point, on a node that misbehaves: what is claimed is what the node shows.

Until the image is handed over the module is untouched, and the node has to be closed again, for while it takes an image
nobody else can update (Linux ``sysfs_upload.c``; ABI ``testing/sysfs-class-firmware``).
"""

import errno
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import pytest

from livefw.activation.events import Control, StillRunning, drain
from livefw.activation.execution.mechanism import ask
from livefw.activation.mishaps import Mishaps
from livefw.errors import Interrupted
from livefw.files.protocol import LOST
from livefw.firmware.seam import ModuleState
from livefw.machine.files import MachineClock, MachineFiles
from livefw.machine.machine import Machine
from livefw.providers.base import Claim, Phase, Progress, Reply, Running
from livefw.providers.tdx.platform import DEVICE, NODE
from livefw.providers.tdx.provider import TdxProvider

from .test_provider import Bench


class Way(NamedTuple):
    """How one kind of write goes: the seconds in the kernel, the errno that is told, and whether it is done at all."""

    seconds: float = 0.1
    error: int = 0
    done: bool = True
    opened: bool = True


class _Write:
    """A write that is done after its time in the kernel, whether or not somebody waits for it then."""

    def __init__(self, way: Way, clock: MachineClock, begin: Callable[[], Any]) -> None:
        self._way, self._clock, self._begin = way, clock, begin
        self._until = clock.now() + way.seconds
        self._made: Any = None

    def wait(self, seconds: float | None) -> bool:
        left = self._until - self._clock.now()
        self._clock.sleep(max(min(left, left if seconds is None else seconds), 0.0))
        if self._clock.now() < self._until - 1e-6:  # clocks round
            return False
        if self._made is None:
            self._made = self._begin() if self._way.done else True
            if self._way.done:
                self._made.wait(None)
        return True

    @property
    def error(self) -> int:
        return self._way.error or (int(self._made.error) if self._way.done else 0)

    @property
    def opened(self) -> bool:
        return self._way.opened


class Unruly(MachineFiles):
    """Files whose writes go their ways: by ``open`` (1), ``image``, ``commit`` (0) and ``discard`` (-1)."""

    def __init__(self, machine: Machine, **ways: Way) -> None:
        super().__init__(machine)
        self._machine = machine
        self._ways = ways
        self.made: list[_Write] = []
        self.written: list[str] = []
        self.unreadable: dict[str, int] = {}

    def start_write(self, path: str, data: bytes) -> Any:
        kind = {b"1\n": "open", b"0\n": "commit", b"-1\n": "discard"}.get(data, "image")
        self.written.append(kind)
        start = super().start_write
        write = _Write(self._ways.get(kind, Way()), MachineClock(self._machine), lambda: start(path, data))
        self.made.append(write)
        return write

    def read(self, path: str, limit: int = 4096) -> bytes:
        if code := self.unreadable.get(path.rpartition("/")[2]):
            raise OSError(code, "unreadable")
        return super().read(path, limit)

    def let_end(self) -> None:
        """The kernel ends what it has begun."""
        for write in self.made:
            write.wait(None)
        self._machine.runner.settle()  # type: ignore[attr-defined]  # in virtual time


def unruly(bench: Bench, **ways: Way) -> tuple[Unruly, Running]:
    """An update that nobody has waited for yet."""
    files = Unruly(bench.machine, **ways)
    provider = TdxProvider(files, MachineClock(bench.machine))
    assert provider.inspect("module")
    return files, provider.activate("module", bench.progress.append)


def code(claim: Claim) -> str:
    assert claim.reason or claim.reply is Reply.ACCEPTED
    return claim.reason.code if claim.reason else ""


STUCK = 60.0
"""Seconds in the kernel, longer than whoever gives up waits."""
STEP, MOST = 0.06, 12
"""Seconds of waiting before it is given up, and how often that at most: a few times within each write."""
NODES: dict[str, dict[str, Way]] = {
    "sound": {},
    "stuck in open": {"open": Way(STUCK)},
    "stuck in image": {"image": Way(STUCK)},
    "stuck in discard": {"discard": Way(STUCK)},
    "discard refused": {"discard": Way(error=errno.EPERM, done=False)},
    "discard not opened": {"discard": Way(error=errno.EMFILE, done=False, opened=False)},
    "discard does nothing": {"discard": Way(done=False)},
    "discard dies": {"discard": Way(error=LOST, done=False)},
    "discard dies after it": {"discard": Way(error=LOST)},
    "open dies": {"open": Way(error=LOST, done=False)},
    "open dies after it": {"open": Way(error=LOST)},
    "open dies, no discard": {"open": Way(error=LOST), "discard": Way(done=False)},
    "open refused": {"open": Way(error=errno.EBUSY, done=False)},
    "image refused": {"image": Way(error=errno.EPERM, done=False)},
    "image dies": {"image": Way(error=LOST, done=False)},
    "image dies, no discard": {"image": Way(error=LOST, done=False), "discard": Way(done=False)},
    "commit not opened": {"commit": Way(error=errno.EMFILE, done=False, opened=False)},
    "commit not opened, no discard": {
        "commit": Way(error=errno.EMFILE, done=False, opened=False),
        "discard": Way(done=False),
    },
}
UNCHANGED = ("given-up", "not-asked", "busy", "no-permission", "unexpected-errno", "vanished")
"""Codes that say that everything is as before."""
OPEN = ("left-open", "may-stay-open")
"""Codes that say what is to be done about the node."""


@pytest.mark.parametrize("node", NODES)
def test_given_up_after_any_number_of_steps_the_claim_is_what_the_node_shows(node: str) -> None:
    for steps in range(MOST):
        bench = Bench()
        files, running = unruly(bench, **NODES[node])
        over = any(running.wait(STEP) for _ in range(steps))
        claim = running.abandon()
        assert running.claim is claim
        told, where = code(claim), f"after {steps} steps: {claim.reply} {claim.reason}"
        files.let_end()
        shown = bench.files.read(f"{NODE}/loading")
        if shown == b"1\n":
            assert told in OPEN, where
        if told in UNCHANGED and claim.reply is Reply.REFUSED:
            assert shown == b"0\n", where
            assert (bench.seam.slots, bench.stalls()) == (3, []), where
        if told in OPEN:
            assert claim.reason is not None
            assert "livefw cancel" in claim.reason.hint, where
            assert "nothing was changed" not in claim.reason.text, where
            assert (claim.at_work, bench.seam.slots) == (told == "may-stay-open", 3), where
        if bench.seam.slots != 3:
            assert claim.reply in (Reply.LOST, Reply.ACCEPTED), where
        if over:
            return
    assert "stuck" in node, "it takes more steps than were tried"


def test_given_up_before_anything_was_written() -> None:
    files, running = unruly(Bench())
    claim = running.abandon()
    assert (claim.reply, code(claim), files.written, running.touched) == (Reply.REFUSED, "given-up", [], False)


@pytest.mark.parametrize("number", [1, 2])
def test_who_interrupts_between_two_steps_leaves_nothing_behind(number: int) -> None:
    """A first Ctrl-C is heard at the next step; the last one is just before what cannot be undone."""
    bench = Bench()

    def observer(step: Progress) -> None:
        bench.progress.append(step)
        if step.phase is Phase.RUNNING and len(bench.progress) == number:
            raise Interrupted("now")

    files = Unruly(bench.machine)
    provider = TdxProvider(files, MachineClock(bench.machine))
    running = provider.activate("module", observer)
    with pytest.raises(Interrupted):
        running.wait(None)
    assert (running.touched, running.claim.reply, code(running.claim)) == (False, Reply.REFUSED, "given-up")
    assert running.wait(None)
    assert files.written == [*WHOLE[:number], "discard"]
    assert bench.files.read(f"{NODE}/loading") == b"0\n"
    assert (bench.seam.slots, bench.stalls()) == (3, [])


def test_who_detaches_gets_one_more_event_before_it_is_given_up() -> None:
    """To give up waits for a write in the kernel, so who follows has to be able to say first that it has detached."""
    bench, control = Bench(), Control()
    files, clock = Unruly(bench.machine, image=Way(5.0)), MachineClock(bench.machine)
    begin = partial(TdxProvider(files, clock).activate, "module")
    steps = ask(begin, bench.look(), control=control, clock=clock, mishaps=Mishaps())
    next(event for event in steps if isinstance(event, StillRunning) and files.written == WHOLE[:2])
    control.detach()  # after that event was shown, and before the next step
    start = clock.now()
    assert isinstance(next(steps), StillRunning)
    assert (files.written, clock.now()) == (WHOLE[:2], start)
    claim, _ = drain(steps)
    assert (claim.reply, code(claim), files.written) == (Reply.REFUSED, "given-up", BACK)
    assert bench.files.read(f"{NODE}/loading") == b"0\n"


# What an update makes of a node that misbehaves, where nobody gives up.


class Case(NamedTuple):
    """The ways of the node, and what is claimed: what was said, its code, and what was written."""

    ways: dict[str, Way]
    reply: Reply
    code: str
    written: list[str]


WHOLE, BACK = ["open", "image", "commit"], ["open", "image", "discard"]
CASES: dict[str, Case] = {
    "first writer dies before it": Case(NODES["open dies"], Reply.REFUSED, "unexpected-errno", ["open"]),
    "first writer dies after it": Case(
        NODES["open dies after it"], Reply.REFUSED, "unexpected-errno", ["open", "discard"]
    ),
    "first writer dies, and the node stays open": Case(
        NODES["open dies, no discard"], Reply.FAILED, "left-open", ["open", "discard"]
    ),
    "writer of the image dies": Case(NODES["image dies"], Reply.REFUSED, "unexpected-errno", BACK),
    "image refused, discard refused": Case(
        {"image": Way(error=errno.EACCES, done=False), **NODES["discard refused"]}, Reply.FAILED, "left-open", BACK
    ),
    "image refused, discard without effect": Case(
        {"image": Way(error=errno.ENOMEM, done=False), **NODES["discard does nothing"]}, Reply.FAILED, "left-open", BACK
    ),
    "commit not opened, discard without effect": Case(
        NODES["commit not opened, no discard"], Reply.FAILED, "left-open", [*WHOLE, "discard"]
    ),
    "commit refused, and the load is open": Case(
        {"commit": Way(error=errno.EPERM, done=False)}, Reply.REFUSED, "no-permission", [*WHOLE, "discard"]
    ),
} | {
    f"commit ends with {name}, {'done' if done else 'not done'}": Case(
        {"commit": Way(error=error, done=done)}, Reply.LOST, "lost", WHOLE
    )
    for name, error in {
        "a dead writer": LOST,
        "ENOTCONN": errno.ENOTCONN,
        "ECONNABORTED": errno.ECONNABORTED,
        "EINTR": errno.EINTR,
    }.items()
    for done in (False, True)
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_node_that_misbehaves(case: Case) -> None:
    bench = Bench()
    files, running = unruly(bench, **case.ways)
    assert running.wait(None)
    claim = running.claim
    assert (claim.reply, code(claim), files.written) == (case.reply, case.code, case.written)
    assert claim.at_work == (case.reply is Reply.LOST)
    assert (bench.files.read(f"{NODE}/loading") == b"1\n") == (
        case.code == "left-open" or (case.reply is Reply.LOST and not case.ways["commit"].done)
    )


def test_a_connection_that_breaks_at_the_commit_is_not_called_harmless() -> None:
    """The kernel goes on with it: the module is replaced, or every TD is lost, and nobody here has seen which."""
    bench = Bench()
    bench.fault("tdx-restore")
    files, running = unruly(bench, commit=Way(error=errno.ENOTCONN))
    assert running.wait(None)
    files.let_end()
    assert bench.seam.state is not ModuleState.RUNNING
    assert (running.claim.reply, running.claim.at_work, running.touched) == (Reply.LOST, True, True)
    assert running.claim.reason
    assert "may still be running" in running.claim.reason.text


READS: dict[str, tuple[str, str, Reply, str]] = {
    "the node after its opening": ("open", "loading", Reply.FAILED, "left-open"),
    "the image before the commit": ("image", "data", Reply.REFUSED, "busy"),
    "the module before the commit": ("image", "version", Reply.REFUSED, "unreadable"),
    "the error after the update": ("commit", "error", Reply.LOST, "contradiction"),
    "the slots after the update": ("commit", "num_remaining_updates", Reply.ACCEPTED, ""),
    "the module after the update": ("commit", "version", Reply.LOST, "contradiction"),
}
"""After which write, which file cannot be read any more, and what is claimed then."""


@pytest.mark.parametrize("row", READS.values(), ids=READS)
def test_what_cannot_be_read_is_not_guessed(row: tuple[str, str, Reply, str]) -> None:
    after, name, said, told = row
    bench = Bench()
    files = Unruly(bench.machine)
    start = files.start_write

    def start_write(path: str, data: bytes) -> Any:
        write = start(path, data)
        if files.written[-1] == after:
            write.wait(None)
            files.unreadable[name] = errno.EIO
        return write

    files.start_write = start_write  # type: ignore[method-assign]
    provider = TdxProvider(files, MachineClock(bench.machine))
    assert provider.inspect("module")
    running = provider.activate("module", lambda _: None)
    assert running.wait(None)
    assert (running.claim.reply, code(running.claim)) == (said, told)
    files.unreadable.clear()
    assert bench.files.read(f"{NODE}/loading") == b"0\n"


def test_a_driver_that_is_unloaded_before_the_commit_leaves_nothing_open() -> None:
    bench = Bench()
    files = Unruly(bench.machine)
    start = files.start_write

    def start_write(path: str, data: bytes) -> Any:
        write = start(path, data)
        if files.written[-1] == "image":
            write.wait(None)
            parent, _, name = DEVICE.rpartition("/")
            bench.machine.tree.make_directories(parent).remove(name)
        return write

    files.start_write = start_write  # type: ignore[method-assign]
    provider = TdxProvider(files, MachineClock(bench.machine))
    assert provider.inspect("module")
    running = provider.activate("module", lambda _: None)
    assert running.wait(None)
    assert (running.claim.reply, code(running.claim)) == (Reply.REFUSED, "vanished")


DISCARDS: dict[str, tuple[Way, Reply, str]] = {
    "works": (Way(), Reply.ACCEPTED, ""),
    "is refused": (Way(error=errno.EPERM, done=False), Reply.REFUSED, "no-permission"),
    "does nothing": (Way(done=False), Reply.FAILED, "busy"),
    "dies": (Way(error=LOST), Reply.LOST, "lost"),
}


@pytest.mark.parametrize("given_up", [False, True])
@pytest.mark.parametrize("row", DISCARDS.values(), ids=DISCARDS)
def test_a_cancellation_says_what_the_node_shows(row: tuple[Way, Reply, str], given_up: bool) -> None:
    way, said, told = row
    bench = Bench()
    bench.write("loading", b"1\n")
    files = Unruly(bench.machine, discard=way._replace(seconds=3.0))
    running = TdxProvider(files, MachineClock(bench.machine)).cancel("module", lambda _: None)
    if given_up:
        assert not running.wait(1.0)
        running.abandon()
    assert running.wait(None)
    assert (running.claim.reply, code(running.claim)) == (said, told)


def test_a_cancellation_that_the_kernel_does_not_answer_is_not_called_harmless() -> None:
    bench = Bench()
    bench.write("loading", b"1\n")
    files = Unruly(bench.machine, discard=Way(STUCK))
    provider = TdxProvider(files, MachineClock(bench.machine))
    early = provider.cancel("module", lambda _: None).abandon()
    assert (early.reply, code(early), files.written) == (Reply.REFUSED, "given-up", [])
    running = provider.cancel("module", lambda _: None)
    assert not running.wait(1.0)
    claim = running.abandon()
    assert (claim.reply, claim.at_work) == (Reply.LOST, True)
    files.let_end()
    assert bench.files.read(f"{NODE}/loading") == b"0\n"
