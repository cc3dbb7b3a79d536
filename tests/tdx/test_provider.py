# SPDX-License-Identifier: Apache-2.0
"""The provider against a modelled machine, in process and in virtual time: refusals, failure classes, pitfalls.

What the provider tells is held against what the model's own firmware knows.
"""

import errno
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from livefw.abi.tdx import Svn, TdxVersion
from livefw.abi.tdx_image import MODULE_OFFSET, with_checksum
from livefw.activation.inventory.discovery import take_inventory
from livefw.activation.inventory.versions import reliable_text
from livefw.activation.outcome import Outcome
from livefw.activation.verdict import evidence
from livefw.activation.verdict.judgement import judge
from livefw.firmware import tdx_repository
from livefw.firmware.seam import ModuleState, TdState
from livefw.firmware.tdx_image import ModuleSpec, build
from livefw.firmware.tdx_repository import SPR
from livefw.kernel.clock import SECOND
from livefw.kernel.os import Stall
from livefw.kernel.sysfs import BinaryAttribute
from livefw.machine.config import load
from livefw.machine.faults import FaultRequest
from livefw.machine.files import MachineClock, MachineFiles
from livefw.machine.machine import Machine
from livefw.machine.tdx import IMAGES, TdxHalf
from livefw.providers.base import Claim, Component, Cost, Phase, Progress, Reason, Rendezvous, Reply
from livefw.providers.registry import providers
from livefw.providers.steps import RunningSteps
from livefw.providers.tdx.platform import NODE, read_platform
from livefw.providers.tdx.provider import TdxProvider
from livefw.providers.tdx.request import (
    UpdateRequest,
    UpdateWork,
)


class Bench:
    """A machine, the provider on it, and the firmware behind both."""

    def __init__(self, platform: str = "tdx-spr", **changes: Any) -> None:
        config = load(platform)
        assert config.tdx is not None
        self.machine = Machine(replace(config, cpus=4, tdx=replace(config.tdx, **changes)))
        self.machine.boot()
        assert self.machine.tdx is not None
        self.half: TdxHalf = self.machine.tdx
        self.seam = self.half.seam
        self.files = MachineFiles(self.machine)
        self.provider = TdxProvider(self.files, MachineClock(self.machine))
        self.progress: list[Progress] = []

    def look(self) -> Component:
        component = self.provider.inspect("module")
        assert component is not None
        return component

    def codes(self) -> list[str]:
        return [reason.code for reason in self.look().reasons]

    def activate(self) -> tuple[Outcome, Reason, Claim]:
        """As the engine does it, without asking whether there are reasons against it."""
        before = self.look()
        running = self.provider.activate("module", self.progress.append)
        assert running.wait(None)
        claim, after = running.claim, self.provider.inspect("module")
        seen = evidence.of_attempt(before, after, claim, announced=reliable_text(before.pending_version))
        found = judge(seen, own=claim.reason, accept=False)
        return found.outcome, found.why, claim

    def fault(self, name: str, times: int | None = 1) -> None:
        self.machine.inject(FaultRequest(name=name, times=times))

    def put_image(self, version: str, data: bytes) -> None:
        series = self.machine.tree.make_directories(f"{IMAGES}/joined_files/{version.rpartition('.')[0]}")
        name = f"tdx_module_{version}.blob"
        if series.get(name):
            series.remove(name)

        async def read_at(offset: int, size: int) -> bytes:
            return data[offset : offset + size]

        series.add(name, BinaryAttribute(mode=0o444, read_at=read_at))

    def write(self, name: str, data: bytes) -> int:
        write = self.files.start_write(f"{NODE}/{name}", data)
        write.wait(None)
        return write.error

    def stalls(self) -> list[Stall]:
        return list(self.machine.os.stalls)


@pytest.fixture
def bench() -> Bench:
    return Bench()


# What is seen.


def test_component_as_it_is_listed(bench: Bench) -> None:
    component = bench.look()
    assert component.key == "tdx:module"
    assert component.current_version
    assert component.current_version.text == "1.5.06"
    assert component.pending_version
    assert component.pending_version.text == "1.5.24"
    assert (component.pending, component.reasons) == (True, ())
    assert component.cost == Cost(Rendezvous.REQUIRED, resets_cpu=False)
    assert {note.code for note in component.notes} == {"volatile", "td-launch"}


def test_granite_rapids_gets_its_own_series() -> None:
    component = Bench("tdx-gnr").look()
    assert component.pending_version
    assert component.pending_version.text == "2.0.08"


def test_no_td_needs_no_warning() -> None:
    assert {note.code for note in Bench(tds=0).look().notes} == {"volatile"}


def test_one_machine_can_have_both_mechanisms() -> None:
    config = load("tdx-spr")
    machine = Machine(replace(load("vera"), tdx=config.tdx))
    machine.boot()
    every = providers(MachineFiles(machine), MachineClock(machine))
    keys = [candidate.component.key for candidate in take_inventory(every).candidates]
    assert [key.partition(":")[0] for key in keys] == ["lfa"] * 4 + ["tdx"]


def test_other_ids_and_other_machines_have_nothing() -> None:
    provider = TdxProvider(MachineFiles(Machine(load("fvp"))), MachineClock(Machine(load("fvp"))))
    assert provider.inspect("module") is None
    assert provider.discover().absent is not None
    assert Bench().provider.inspect("other") is None


# Refused beforehand: everything that is fatal in P-SEAMLDR, or known not to work. Nothing may be tried.


def _offline(bench: Bench) -> None:
    bench.machine.cpu_off(2)


def _open_load(bench: Bench) -> None:
    assert bench.write("loading", b"1\n") == 0


def _running_upload(bench: Bench) -> None:
    """One that takes a minute before it begins."""

    async def prepare(data: bytes) -> None:
        await bench.machine.os.sleep(60 * SECOND)

    bench.half.driver.prepare = prepare  # type: ignore[method-assign]
    _open_load(bench)
    bench.write("data", tdx_repository.image("1.5.08"))
    bench.write("loading", b"0\n")


BEFOREHAND: dict[str, tuple[dict[str, Any], Callable[[Bench], object], str]] = {
    "erratum": ({"erratum": True}, lambda b: None, "unsupported"),
    "no feature": ({"td_preserving": False}, lambda b: None, "unsupported"),
    "lost module at start": ({"lost": True}, lambda b: None, "module-lost"),
    "no slots": ({"slots": 0}, lambda b: None, "no-slots"),
    "CPU offline": ({}, _offline, "cpu-offline"),
    "somebody's open load": ({}, _open_load, "busy"),
    "running upload": ({}, _running_upload, "busy"),
    "loader does not answer": ({}, lambda b: b.fault("tdx-loader", times=None), "unreadable"),
}


@pytest.mark.parametrize(("changes", "prepare", "code"), BEFOREHAND.values(), ids=BEFOREHAND)
def test_refused_beforehand(changes: dict[str, Any], prepare: Callable[[Bench], object], code: str) -> None:
    bench = Bench(**changes)
    prepare(bench)
    assert bench.codes()[0] == code
    outcome, why, _ = bench.activate()
    assert (outcome, why.code) == (Outcome.REFUSED, code)
    assert bench.seam.slots == changes.get("slots", 3)


SOUND = tdx_repository.image("1.5.08")


def made(**fields: Any) -> bytes:
    spec: dict[str, Any] = {"version": TdxVersion(1, 5, 8), "svn": Svn(1, 7), "cpus": (SPR,)}
    return build(ModuleSpec(**spec | fields))


FATAL = {
    "wrong CPU": made(cpus=(0xA06D0,)),
    "no CPU": made(cpus=()),
    "lower security version": made(svn=Svn(1, 5)),
    "other kind of security version": made(svn=Svn(3, 7)),
    "debug module": made(debug=True),
    "bad hash": with_checksum(SOUND[:MODULE_OFFSET] + b"x" + SOUND[MODULE_OFFSET + 1 :]),
    "bad signature": with_checksum(SOUND[:4700] + b"x" + SOUND[4701:]),
    "bad checksum": SOUND[:-1] + bytes([SOUND[-1] ^ 1]),
    "cut short": SOUND[:-4096],
}


@pytest.mark.parametrize("data", FATAL.values(), ids=FATAL)
def test_fatal_image_is_never_loaded(bench: Bench, data: bytes) -> None:
    for release in tdx_repository.RELEASES:
        if release.version.startswith("1.5"):
            bench.put_image(release.version, b"")
    bench.put_image("1.5.08", data)
    assert bench.codes() == ["not-pending"]
    assert bench.activate()[0] is Outcome.REFUSED
    assert bench.stalls() == []
    assert bench.look().current_version == ("1.5.06", (1, 5, 6), True)


def test_nothing_is_chosen_for_a_lost_module() -> None:
    seen = Bench(lost=True).provider.look(every=True)
    assert seen
    assert seen.judged
    assert seen.chosen is None


def test_td_that_appears_between_the_look_and_the_update_stops_it(bench: Bench) -> None:
    bench.look()
    bench.fault("tdx-td-build")
    running = bench.provider.activate("module", lambda _: None)
    assert running.wait(None)
    assert running.claim.reason
    assert running.claim.reason.code == "td-build"
    assert bench.stalls() == []
    assert not running.touched


class Interfering(MachineFiles):
    """Files on which something happens right before or after the write with this number."""

    def __init__(self, machine: Machine) -> None:
        super().__init__(machine)
        self.before: dict[int, Callable[[], object]] = {}
        self.after: dict[int, Callable[[], object]] = {}
        self.written: list[tuple[str, int]] = []
        self.unopened: set[int] = set()

    def start_write(self, path: str, data: bytes) -> Any:
        name = path.rpartition("/")[2]
        self.written.append((name, len(data)))
        if len(self.written) in self.unopened:
            path = f"{NODE}/none"
        if happens := self.before.pop(len(self.written), None):
            happens()
        write = super().start_write(path, data)
        if happens := self.after.pop(len(self.written), None):
            write.wait(None)
            happens()
        return write


@pytest.fixture
def interfering(bench: Bench) -> Interfering:
    files = Interfering(bench.machine)
    bench.provider = TdxProvider(files, MachineClock(bench.machine))
    return files


LATE: dict[str, tuple[Callable[[Bench], object], str]] = {
    "CPU goes offline": (_offline, "cpu-offline"),
    "TD appears": (lambda b: b.fault("tdx-td-build"), "td-build"),
    "slots are used up": (lambda b: setattr(b.seam, "slots", 0), "no-slots"),
    "somebody else updated": (lambda b: setattr(b.seam, "slots", 2), "changed"),
    "module is lost": (lambda b: b.fault("tdx-lost"), "module-lost"),
}


@pytest.mark.parametrize(("happens", "code"), LATE.values(), ids=LATE)
def test_change_after_the_image_was_written_takes_it_back(
    bench: Bench, interfering: Interfering, happens: Callable[[Bench], object], code: str
) -> None:
    """The last look is just before the point of no return; then ``loading`` gets -1, the only real cancel."""
    interfering.after[1] = lambda: happens(bench)
    outcome, why, claim = bench.activate()
    assert (outcome, why.code) == (Outcome.REFUSED, code)
    assert [name for name, _ in interfering.written] == ["loading", "data", "loading"]
    assert bench.files.read(f"{NODE}/loading") == b"0\n"
    assert bench.stalls() == []
    assert claim.reply is Reply.REFUSED


def test_what_could_be_written_by_hand(bench: Bench) -> None:
    """Linux, Documentation/ABI/testing/sysfs-class-firmware: the order of the writes; -1 takes them back."""
    assert bench.provider.replay("module", "activate") == (
        f"cd {NODE} && echo 1 > loading && cat IMAGE > data && echo 0 > loading; cat status error"
    )
    assert bench.provider.replay("module", "cancel") == f"echo -1 > {NODE}/loading"


@pytest.mark.parametrize(
    ("number", "written"),
    [
        (1, ["loading"]),
        (2, ["loading", "data", "loading"]),
        (3, ["loading", "data", "loading", "loading"]),  # the one that would have started it, and that which discards
    ],
)
def test_write_whose_file_could_not_be_opened_was_not_made(
    bench: Bench, interfering: Interfering, number: int, written: list[str]
) -> None:
    interfering.unopened = {number}
    outcome, why, claim = bench.activate()
    assert (outcome, why.code, claim.error) == (Outcome.REFUSED, "vanished", errno.ENOENT)
    assert why.text.startswith("no request was made")
    assert [name for name, _ in interfering.written] == written
    assert bench.files.read(f"{NODE}/loading") == b"0\n"


# Tried: what the kernel and the firmware make of it.


def test_success(bench: Bench) -> None:
    outcome, why, _ = bench.activate()
    assert (outcome, why.code) == (Outcome.ACTIVATED, "version-arrived")
    assert (bench.seam.slots, bench.seam.state) == (2, ModuleState.RUNNING)
    assert [step.phase for step in bench.progress] == [Phase.RUNNING, Phase.RUNNING]
    assert all(bench.seam.td(name).state is TdState.RUNNING for name in bench.seam.tds)
    assert bench.codes() == ["not-pending"]


UNHARMED, LOST = "update-refused", "module-lost"
CLASSES: dict[str, tuple[Callable[[Bench], object], str, str | None]] = {
    "A no memory": (lambda b: setattr(b.half.driver, "no_memory", True), UNHARMED, None),
    "B shutdown refused": (lambda b: b.fault("tdx-shutdown"), UNHARMED, "TDH_SYS_SHUTDOWN"),
    "C install refused": (lambda b: b.fault("tdx-install"), LOST, "SEAMLDR_INSTALL EUNSPECERR"),
    "D no entropy": (lambda b: b.fault("tdx-entropy"), LOST, "SEAMLDR_INSTALL ENOENTROPY"),
    "F init": (lambda b: b.fault("tdx-init"), LOST, "TDH_SYS_INIT"),
    "F init of a CPU": (lambda b: b.fault("tdx-init-cpu"), LOST, "TDH_SYS_LP_INIT"),
    "G restore": (lambda b: b.fault("tdx-restore"), LOST, "TDH_SYS_UPDATE"),
    "C room": (lambda b: setattr(b.seam, "spec", replace(b.seam.spec, room_pages=1)), LOST, "SEAMLDR_INSTALL ENOMEM"),
    "C another key": (lambda b: setattr(b.seam, "spec", replace(b.seam.spec, signer="")), LOST,
                      "SEAMLDR_INSTALL EBADSIG"),
    "E CPU unknown to us": (lambda b: setattr(b.seam, "spec", replace(b.seam.spec, cpus=5)), LOST,
                            "TDH_SYS_INIT module not loaded"),
}  # fmt: skip


@pytest.mark.parametrize(("prepare", "code", "firmware"), CLASSES.values(), ids=CLASSES)
def test_failure_is_told_as_what_it_was(
    bench: Bench, prepare: Callable[[Bench], object], code: str, firmware: str | None
) -> None:
    """One error word stands for all of these; the version tells whether TDs live."""
    prepare(bench)
    outcome, why, claim = bench.activate()
    assert (outcome, why.code) == (Outcome.FAILED, code)
    assert (claim.firmware_code or "").startswith(firmware or "")
    assert (claim.firmware_code is None) == (firmware is None)
    alive = all(bench.seam.td(name).state is TdState.RUNNING for name in bench.seam.tds)
    assert alive == (code == UNHARMED)
    assert bench.codes()[:1] == ([] if alive else ["module-lost"])
    assert "reboot" in why.hint or alive


def test_never_again_after_a_lost_module(bench: Bench) -> None:
    bench.fault("tdx-restore")
    bench.activate()
    stalls = len(bench.stalls())
    outcome, why, _ = bench.activate()
    assert (outcome, why.code, len(bench.stalls())) == (Outcome.REFUSED, "module-lost", stalls)


def test_class_b_can_be_tried_again(bench: Bench) -> None:
    bench.fault("tdx-shutdown")
    assert bench.activate()[0] is Outcome.FAILED
    assert bench.activate()[0] is Outcome.ACTIVATED


def test_weakness_result_version_is_never_compared(bench: Bench) -> None:
    """The kernel says success, and the image was not what its name said: neither a success nor without effect."""
    bench.put_image("1.5.24", made(version=TdxVersion(1, 5, 23), svn=Svn(1, 12)))
    outcome, why, claim = bench.activate()
    assert (outcome, why.code) == (Outcome.UNKNOWN, "version-astray")
    assert claim.reason
    assert claim.reason.code == "mislabelled"
    assert bench.seam.slots == 2


def test_busy_of_a_later_kernel_is_waited_out() -> None:
    bench = Bench(detects_td_build=True)
    bench.fault("tdx-td-build")

    def finished(step: Progress) -> None:
        bench.progress.append(step)
        if step.phase is Phase.WAITING:
            bench.seam.tds["td2"].state = TdState.RUNNING

    running = bench.provider.activate("module", finished)
    assert running.wait(None)
    assert running.claim.reply is Reply.ACCEPTED
    assert [step.phase for step in bench.progress].count(Phase.WAITING) == 1
    assert len(bench.stalls()) == 1


def test_busy_without_end_is_given_up_with_nothing_changed() -> None:
    bench = Bench(detects_td_build=True)
    bench.fault("tdx-td-build")
    outcome, why, _ = bench.activate()
    assert (outcome, why.code) == (Outcome.REFUSED, "busy")
    assert (bench.seam.slots, bench.stalls()) == (3, [])


NODE_ERRORS: dict[str, tuple[Callable[[Bench], object], str]] = {
    "no CAP_SYS_RAWIO": (lambda b: setattr(b.half.driver.upload, "may_write", False), "no-permission"),
    "no memory for data": (lambda b: setattr(b.half.driver.upload, "grow_error", errno.ENOMEM), "no-memory"),
    "security module": (lambda b: setattr(b.half.driver.upload, "map_error", errno.EACCES), "no-permission"),
}


@pytest.mark.parametrize(("prepare", "code"), NODE_ERRORS.values(), ids=NODE_ERRORS)
def test_errno_of_the_node_is_a_refusal(bench: Bench, prepare: Callable[[Bench], object], code: str) -> None:
    prepare(bench)
    outcome, why, _ = bench.activate()
    assert (outcome, why.code) == (Outcome.REFUSED, code)
    assert bench.look().current_version == ("1.5.06", (1, 5, 6), True)


def test_stuck_node_swallows_and_is_found_out(bench: Bench, interfering: Interfering) -> None:
    """A write to ``loading`` succeeds and does nothing: only reading it back tells. Nothing else is written."""
    upload = bench.half.driver.upload
    assert upload
    upload.map_error = errno.EACCES
    bench.activate()
    upload.map_error = 0
    interfering.written.clear()
    outcome, why, _ = bench.activate()
    assert (outcome, why.code) == (Outcome.REFUSED, "busy")
    assert [name for name, _ in interfering.written] == ["loading"]


def test_other_bytes_in_the_kernel_than_ours_are_not_handed_over(bench: Bench, interfering: Interfering) -> None:
    """The node has no owner: somebody else's writes go into the same load."""
    interfering.after[2] = lambda: bench.write("data", b"other")
    outcome, why, _ = bench.activate()
    assert (outcome, why.code) == (Outcome.REFUSED, "busy")
    assert (bench.seam.slots, bench.stalls()) == (3, [])


@pytest.mark.parametrize("old", [b"", b"not an image"])
def test_nothing_started_is_found_out_and_an_old_error_is_not_believed(
    bench: Bench, interfering: Interfering, old: bytes
) -> None:
    """Somebody opens the load anew between our last look and the hand-over: size 0, success everywhere, no update."""
    _open_load(bench)
    bench.write("data", old)
    bench.write("loading", b"0\n")
    bench.machine.runner.run(bench.machine.os.sleep(SECOND), name="pause")
    assert (bench.files.read(f"{NODE}/error") != b"") == (old != b"")
    interfering.before[3] = lambda: bench.write("loading", b"1\n")
    outcome, why, _ = bench.activate()
    assert (outcome, why.code) == (Outcome.FAILED, "not-started")
    assert bench.seam.slots == 3


# Watching, giving up, cancelling.


def test_giving_up_before_the_hand_over_takes_the_image_back(bench: Bench) -> None:
    running = bench.provider.activate("module", lambda _: None)
    assert isinstance(running, RunningSteps)
    next(running._steps).wait(None)  # type: ignore[union-attr]  # the first step is a write
    next(running._steps).wait(None)  # type: ignore[union-attr]
    assert not running.touched
    claim = running.abandon()
    assert claim.reason
    assert (claim.reply, claim.reason.code) == (Reply.REFUSED, "given-up")
    assert bench.files.read(f"{NODE}/loading") == b"0\n"


def test_giving_up_after_the_hand_over_says_that_it_goes_on(bench: Bench) -> None:
    def observer(step: Progress) -> None:
        bench.progress.append(step)

    running = bench.provider.activate("module", observer)
    while not running.touched:
        assert not running.wait(0)
    claim = running.abandon()
    assert claim.reason
    assert (claim.reply, claim.reason.code) == (Reply.LOST, "not-watched")
    assert running.claim is claim


def test_upload_without_end_is_unknown_and_no_other_is_started(bench: Bench) -> None:
    class Endless(Interfering):
        def read(self, path: str, limit: int = 4096) -> bytes:
            return b"transferring\n" if path.endswith("status") and self.written else super().read(path, limit)

    files = Endless(bench.machine)
    platform = read_platform(bench.files)
    assert platform
    order = UpdateRequest(SOUND, TdxVersion(1, 5, 8), platform)
    clock = MachineClock(bench.machine)
    update = UpdateWork(order, files, clock, lambda _: None)
    update._objections = lambda: None  # type: ignore[method-assign]
    running = RunningSteps(update, clock)
    start = clock.now()
    assert running.wait(None)
    assert running.claim.reason
    assert (running.claim.reply, running.claim.reason.code) == (Reply.LOST, "no-end")
    assert 120 <= clock.now() - start < 125
    assert [name for name, _ in files.written].count("loading") == 2


def test_waiting_is_bounded_by_what_was_asked_for(bench: Bench) -> None:
    clock = MachineClock(bench.machine)
    running = bench.provider.activate("module", lambda _: None)
    with pytest.raises(ValueError, match="not ended"):
        _ = running.claim
    start = clock.now()
    while not running.wait(0.0001):
        assert clock.now() - start < 1
    assert running.wait(0)
    assert running.abandon() is running.claim


def test_cancel_takes_back_what_somebody_left_behind(bench: Bench) -> None:
    _open_load(bench)
    running = bench.provider.cancel("module", lambda _: None)
    assert running.wait(None)
    assert running.claim.reply is Reply.ACCEPTED
    assert bench.codes() == []


def test_cancel_with_nothing_to_cancel(bench: Bench) -> None:
    running = bench.provider.cancel("module", lambda _: None)
    assert running.wait(None)
    assert running.claim.reason
    assert (running.claim.reply, running.claim.reason.code) == (Reply.REFUSED, "nothing-to-cancel")


def test_cancel_of_a_running_update_is_not_called_done(bench: Bench) -> None:
    """The node's own ``cancel`` would say success, and the update would go on."""
    _running_upload(bench)
    running = bench.provider.cancel("module", lambda _: None)
    assert running.wait(None)
    assert running.claim.reason
    assert (running.claim.reply, running.claim.reason.code) == (Reply.REFUSED, "cannot-cancel-now")


def test_weakness_deadline_of_ten_seconds_and_looks_once_a_second(bench: Bench) -> None:
    """The script exits while the update runs; here one of eleven seconds is watched to its end, and a short one too."""

    async def prepare(data: bytes) -> None:
        await bench.machine.os.sleep(11 * SECOND)

    bench.half.driver.prepare = prepare  # type: ignore[method-assign]
    clock = MachineClock(bench.machine)
    start = clock.now()
    assert bench.activate()[0] is Outcome.ACTIVATED
    assert 11 < clock.now() - start < 12


def test_weakness_short_update_takes_no_second_to_be_seen(bench: Bench) -> None:
    clock = MachineClock(bench.machine)
    start = clock.now()
    assert bench.activate()[0] is Outcome.ACTIVATED
    assert clock.now() - start < 0.1


def test_weakness_parallel_runs_clash(bench: Bench) -> None:
    """Two at once: one is done, the other refuses, and one slot is used."""
    clock = MachineClock(bench.machine)
    other = TdxProvider(bench.files, clock)
    first, second = (each.activate("module", lambda _: None) for each in (bench.provider, other))
    while not first.touched:
        first.wait(0)
    assert second.wait(None)
    assert first.wait(None)
    assert (first.claim.reply, second.claim.reply) == (Reply.ACCEPTED, Reply.REFUSED)
    assert bench.seam.slots == 2


def test_weakness_td_being_built_is_not_noticed(bench: Bench) -> None:
    """What the files show of it is a TD more than a moment ago; its measurement would go wrong in silence."""
    bench.look()
    bench.fault("tdx-td-build")
    running = bench.provider.activate("module", lambda _: None)
    assert running.wait(None)
    assert running.claim.reply is Reply.REFUSED
    assert bench.seam.td("td2").measurement_right


def test_record_of_the_log(bench: Bench) -> None:
    mark = bench.provider.mark()
    assert bench.provider.recall("module", mark).firmware_code is None
    bench.fault("tdx-restore")
    bench.activate()
    memory = bench.provider.recall("module", mark)
    assert memory.firmware_code
    assert memory.firmware_code.startswith("TDH_SYS_UPDATE")
    for garbage in ("", "x", "-2", "9" * 30, "999999"):
        assert bench.provider.recall("module", garbage).log == ()
