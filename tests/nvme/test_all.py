# SPDX-License-Identifier: Apache-2.0
"""Several drives: one at a time, those with a copy first, boot drives by name only, none after one that is unwell."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from livefw.activation.actor import Actor
from livefw.activation.engine import ActivationRequest, Engine, Host
from livefw.activation.events import Control, Event, Finished, Progressed
from livefw.activation.fake import followed
from livefw.activation.history.journal import Journal, RowKind
from livefw.activation.host import OnFailure
from livefw.activation.measure.device import DeviceStop
from livefw.activation.measure.meter import Measurement
from livefw.activation.outcome import Outcome
from livefw.activation.paths import Paths
from livefw.activation.policy.document import parse
from livefw.files.protocol import DeviceCall, DeviceReply
from livefw.machine.nvme.subsystem import DriveSpec, Subsystem
from livefw.providers.base import Component, Reading
from livefw.render.attempt import cost_text

from .drive import Machine

ACTIVATED, REFUSED = Outcome.ACTIVATED, Outcome.REFUSED
MD = "/sys/devices/virtual/block/md0/md"


class Site:
    """Three drives with an image each: the first boots the machine, the other two are a mirror."""

    def __init__(self, folder: Path, settings: str = "", *specs: DriveSpec) -> None:
        plain = [DriveSpec(serial=f"LFW000{number}") for number in (1, 2, 3)]
        self.machine = machine = Machine(*(specs or plain))
        self.keys = [f"nvme:livefw_modelled_NVMe_LFW000{number + 1}" for number in range(len(machine.drives))]
        for number, key in enumerate(self.keys):
            assert machine.stage(DriveSpec().image("2.0"), key.removeprefix("nvme:")).reply == "accepted"
            machine.block(f"nvme{number}n1", number=f"259:{number}")
        for number in (1, 2):
            machine.hold(f"{machine.place(f'nvme{number}')}/nvme{number}n1", "md0", md__level="raid1")
        self.array(degraded="0", sync_action="idle")
        machine.mount(("259:0", "/", "/dev/nvme0n1"), ("9:0", "/srv", "/dev/md0"))
        paths = Paths(str(folder), str(folder / "lock"), str(folder / "settings"), str(folder))
        actor = Actor("root", "", "test")
        self.host = Host(machine.files, (machine.provider,), machine.clock, paths, parse(settings.encode()), actor)
        self.events: list[Event] = []

    def array(self, **texts: str) -> None:
        self.machine.files.tree |= {f"{MD}/{name}": f"{text}\n".encode() for name, text in texts.items()}

    def run(
        self,
        *words: str,
        ignore: tuple[str, ...] = (),
        on_failure: OnFailure = OnFailure.STOP,
        hear: Callable[[Event, Control], None] | None = None,
    ) -> Finished:
        control = Control()

        def listen(event: Event, control: Control) -> None:
            self.events.append(event)
            if hear:
                hear(event, control)

        request = ActivationRequest(words or None, ignore=ignore, on_failure=on_failure)
        return followed(Engine(self.host).activate(request, control=control), control, hear=listen)

    def ends(self, finished: Finished) -> list[tuple[str, Outcome, str]]:
        """The number of each drive, and how its turn ended."""
        return [(each.result.before.key[-1], each.result.outcome, each.result.why.code) for each in finished.attempts]

    def after_commit(self, number: int, happens: Callable[[], None]) -> None:
        """Something that happens as soon as a drive was asked to activate."""
        node = f"/dev/nvme{number}"
        real = self.machine.files.devices[node]

        class Watched:
            def call(self, call: DeviceCall) -> DeviceReply:
                done = real.call(call)
                if call.data[0] == 0x10:
                    happens()
                return done

        self.machine.files.devices[node] = Watched()


def test_drives_with_a_copy_come_first_and_the_boot_drive_last(tmp_path: Path) -> None:
    site = Site(tmp_path)
    assert site.ends(site.run()) == [
        ("2", ACTIVATED, "version-arrived"),
        ("3", ACTIVATED, "version-arrived"),
        ("1", REFUSED, "boot"),
    ]
    assert [each.firmware for each in site.machine.drives] == ["1.0", "2.0", "2.0"]


@pytest.mark.parametrize("words", [(), ("nvme:*",)])
def test_boot_drive_is_activated_by_its_name_only(tmp_path: Path, words: tuple[str, ...]) -> None:
    site = Site(tmp_path)
    assert site.ends(site.run(*words, ignore=("boot",)))[-1] == ("1", REFUSED, "boot")
    assert site.ends(site.run(site.keys[0], ignore=("boot",))) == [("1", ACTIVATED, "version-arrived")]


def test_next_drive_waits_until_the_array_is_in_sync_again(tmp_path: Path) -> None:
    site = Site(tmp_path)
    clock, began = site.machine.clock, site.machine.clock.now()

    def dropped() -> None:
        site.array(degraded="1", sync_action="recover")

    def healed(event: Event, _: Control) -> None:
        if clock.now() - began > 100:
            site.array(degraded="0", sync_action="idle")

    site.after_commit(1, dropped)
    ends = site.ends(site.run(hear=healed))
    assert [(number, outcome) for number, outcome, _ in ends[:2]] == [("2", ACTIVATED), ("3", ACTIVATED)]
    assert 100 < clock.now() - began < 120
    told = [each.text for each in site.events if isinstance(each, Progressed)]
    assert "waiting until it is well again: the array md0 is degraded" in told


def test_nothing_is_started_while_the_array_stays_degraded(tmp_path: Path) -> None:
    site = Site(tmp_path, "[limits]\nrecovery = 50")
    site.after_commit(1, lambda: site.array(degraded="1"))
    finished = site.run()
    assert site.ends(finished) == [("2", ACTIVATED, "version-arrived")]
    assert [each.code for each in finished.attempts[0].mishaps] == ["not-recovered"]
    assert "the array md0 is degraded" in finished.attempts[0].mishaps[0].text
    assert set(finished.not_started) == {site.keys[0], site.keys[2]}


def test_whoever_stops_the_request_ends_the_wait(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.after_commit(1, lambda: site.array(degraded="1"))

    def stop(event: Event, control: Control) -> None:
        if isinstance(event, Progressed) and "well again" in event.text:
            control.stop()

    assert len(site.run(hear=stop).attempts) == 1
    assert site.machine.clock.passed < 10


@pytest.mark.parametrize("fault", ["dies", "read-only", "too-slow", "changes-nothing", "other-version"])
@pytest.mark.parametrize("on_failure", OnFailure)
def test_none_follows_a_drive_that_is_not_proven_well(tmp_path: Path, fault: str, on_failure: OnFailure) -> None:
    site = Site(tmp_path)
    site.machine.drives[1].faults = frozenset({fault})
    finished = site.run(on_failure=on_failure)
    assert [each.firmware for each in site.machine.drives][2] == "1.0"
    assert site.ends(finished)[0][0] == "2"
    rest = site.ends(finished)[1:]
    assert all(outcome is REFUSED for _, outcome, _ in rest), rest


@pytest.mark.parametrize(
    ("fault", "word"), [("dies", "failed"), ("read-only", "left damage"), ("other-version", "unknown")]
)
def test_failure_on_a_drive_stops_those_of_its_model_until_somebody_decides(
    tmp_path: Path, fault: str, word: str
) -> None:
    site = Site(tmp_path)
    site.machine.drives[1].faults = frozenset({fault})
    site.run(site.keys[1])
    site.array(degraded="0")
    site.machine.remove("nvme1")  # whoever finds it dead takes it out; the history still knows
    site.machine.files.links.pop("/sys/devices/virtual/block/md0/slaves/nvme1n1")
    (end,) = site.ends(site.run(site.keys[2]))
    assert end == ("3", REFUSED, "kin")
    (attempt,) = site.run(site.keys[2]).attempts
    assert word in attempt.result.why.text
    assert site.keys[1] in attempt.result.why.text
    assert site.ends(site.run(site.keys[2], ignore=("kin",)))[0][1] is ACTIVATED


class Standing:
    """Measures a modelled drive by its own clock: how long it processes no I/O from an activation on."""

    def __init__(self, drive: Subsystem, component: Component) -> None:
        self._drive, self._component = drive, component
        self._stops: list[tuple[int, int]] = []
        self._began = 0.0

    def start(self) -> None:
        self._drive.on_activation.append(self._begins)

    def mark(self) -> None:
        self._began = self._drive.now()

    def stop(self) -> DeviceStop:
        declared = dict(self._component.readings)[Reading.PAUSE]
        longest = max((end - begin for begin, end in self._stops), default=0)
        return DeviceStop(self._component.probe, longest, 0, round(declared * 1e9), 0, tuple(self._stops))

    def close(self) -> None:
        self._drive.on_activation.remove(self._begins)

    def _begins(self) -> None:
        assert self._drive.resumes_at is not None
        moments = (self._drive.now(), self._drive.resumes_at)
        self._stops.append((round((moments[0] - self._began) * 1e9), round((moments[1] - self._began) * 1e9)))


def test_how_long_a_drive_stood_still_is_in_the_attempt_and_in_the_history(tmp_path: Path) -> None:
    site = Site(tmp_path)
    by_key = dict(zip(site.keys, site.machine.drives, strict=True))
    site.host = site.host._replace(probe=lambda component: Standing(by_key[component.key], component))
    (attempt,) = site.run(site.keys[1]).attempts
    assert attempt.measurement is not None
    found = attempt.measurement.device
    assert found is not None
    assert (found.device, found.longest_ns, found.declared_ns) == ("/dev/nvme1n1", 500_000_000, 1_000_000_000)
    assert cost_text(attempt.measurement) == (
        "I/O to /dev/nvme1n1 stood still for 500 ms, 0 ns just before; it declares up to 1 s"
    )
    opened = Journal.open_to_read(str(tmp_path))
    assert opened is not None
    with closing(opened) as journal:
        (row,) = journal.recent(site.keys[1], RowKind.OUTCOME, limit=1)
    assert Measurement.from_document(row.body["cost"]) == attempt.measurement
