# SPDX-License-Identifier: Apache-2.0
"""What hangs holds up nobody but itself: mechanisms behind a network, and users who ask for what never ends."""

import socket
import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import ClassVar, cast

import pytest

from livefw.activation.engine import Host
from livefw.activation.inventory.discovery import Candidate, Inventory
from livefw.activation.watch import remote
from livefw.activation.watch.remote import RemoteMechanisms
from livefw.daemon.fwupd import devices
from livefw.daemon.fwupd.values import DeviceFlag, DeviceProblem
from livefw.daemon.snapshot import Snapshot
from livefw.dbus.client import CallFailed
from livefw.dbus.loop import Loop, Worker
from livefw.errors import TransportError
from livefw.providers.base import Component, Cost, Discovery, Provider, Rendezvous, Source
from livefw.providers.declaration import is_out_of_band

from .conftest import FWUPD, Serve

WAIT_S = 30
ALICE, BOB = 1000, 1001
FOUND = Discovery((Component("redfish", "bmc/bios", "BIOS", None, None, None, Cost(Rendezvous.OPTIONAL, None)),))


class Controller:
    """A provider ``redfish`` that answers when it is let."""

    name = "redfish"

    def __init__(self) -> None:
        self.answers: list[Discovery | Exception] = [FOUND]
        self.asked = 0
        self.let = threading.Event()
        self.let.set()

    def aliases(self, ident: str) -> tuple[str, ...]:
        return (ident,)

    def discover(self) -> Discovery:
        self.asked += 1
        assert self.let.wait(WAIT_S)
        answer = self.answers[-1]
        if isinstance(answer, Exception):
            raise answer
        return answer


class Bench:
    """A controller that is asked through `RemoteMechanisms`, at a time that the test chooses."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        self.controller = Controller()
        self.remote = RemoteMechanisms(self._machine, lambda: self.now, is_remote=is_out_of_band)
        self._monkeypatch = monkeypatch
        self.patience(WAIT_S)

    def patience(self, seconds: float, *, first: float | None = None) -> None:
        """How long is waited from now on."""
        self._monkeypatch.setattr(remote, "PATIENCE_S", seconds)
        self._monkeypatch.setattr(remote, "FIRST_PATIENCE_S", seconds if first is None else first)

    @contextmanager
    def _machine(self) -> Iterator[Host]:
        yield cast("Host", SimpleNamespace(providers=(self.controller,)))

    def ask(self, newer_than: float = 0.0) -> Discovery:
        return self.remote.discover(cast("Provider", self.controller), newer_than=newer_than)


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    """One that waits for answers unless it is told otherwise."""
    return Bench(monkeypatch)


def test_others_are_asked_at_once(bench: Bench) -> None:
    bench.patience(0)
    near = SimpleNamespace(name="lfa", discover=lambda: FOUND)
    assert bench.remote.discover(cast("Provider", near), newer_than=0) is FOUND


def test_answer_is_kept_until_a_newer_one_is_wanted(bench: Bench) -> None:
    assert bench.ask() is FOUND
    bench.now = 105.0
    assert bench.ask(newer_than=100.0) is FOUND
    assert bench.controller.asked == 1
    assert bench.ask(newer_than=100.5) is FOUND
    assert bench.controller.asked == 2


def test_error_is_told_and_asked_about_again(bench: Bench) -> None:
    bench.controller.answers = [FOUND, TransportError("the settings cannot be read")]
    with pytest.raises(TransportError, match="settings"):
        bench.ask()
    bench.now = 101.0
    bench.controller.answers = [FOUND]
    assert bench.ask(newer_than=100.5) is FOUND


def test_nothing_is_known_of_one_that_never_answered(bench: Bench) -> None:
    bench.patience(0)
    bench.controller.let.clear()
    told = bench.ask()
    assert told.components == ()
    assert told.absent is not None
    assert told.absent.code == "unreachable"
    bench.controller.let.set()


def test_one_that_hangs_is_told_as_it_was_and_cannot_be_activated(bench: Bench) -> None:
    bench.ask()
    bench.patience(0, first=WAIT_S)
    bench.controller.let.clear()
    bench.now = 400.0
    for _ in range(3):  # nobody waits again, and it is not asked twice
        told = bench.ask(newer_than=399.0)
        assert [each.id for each in told.components] == ["bmc/bios"]
        assert told.components[0].reasons[0].code == "unreachable"
        assert "5 min" in told.components[0].reasons[0].text
    assert bench.controller.asked == 2
    told = bench.ask(newer_than=399.0)
    candidate = Candidate(cast("Provider", bench.controller), told.components[0])
    shown = devices.device(candidate, Snapshot(Inventory((candidate,), ()), {}, {}, busy=False, releases={}, images=""))
    assert shown["Flags"].value & DeviceFlag.UNREACHABLE
    assert shown["Problems"].value == DeviceProblem.UNREACHABLE
    bench.controller.let.set()
    while bench.ask(newer_than=399.0) is not FOUND:  # as soon as it has answered
        pass


class Controllers:
    """A provider ``redfish`` of several BMCs, of which one may hang."""

    name = "redfish"
    hosts = ("rack1", "rack2")
    host_groups: ClassVar[dict[str, tuple[str, ...]]] = {}

    def __init__(self) -> None:
        self.hanging: set[str] = set()
        self.let = threading.Event()

    def discover(self, hosts: Collection[str]) -> Discovery:
        (host,) = hosts
        if host in self.hanging:
            assert self.let.wait(WAIT_S)
        component = FOUND.components[0]._replace(id=f"{host}/bios", host=host)
        return Discovery((component,), sources=(Source("redfish", host),))


def test_one_bmc_that_hangs_makes_no_other_old(bench: Bench) -> None:
    controllers = Controllers()
    bench.controller = cast("Controller", controllers)
    assert [each.id for each in bench.ask().components] == ["rack1/bios", "rack2/bios"]
    controllers.hanging = {"rack1"}
    bench.now = 400.0
    bench.patience(0.2)
    told = bench.ask(newer_than=399.0)
    while told.components[1].reasons:  # the other may not have had a turn yet
        told = bench.ask(newer_than=399.0)
    assert [[each.text for each in component.reasons] for component in told.components] == [
        ["BMC rack1 does not respond; this is 5 min old"],
        [],
    ]
    assert [(each.host, each.silent) for each in told.sources] == [("rack1", True), ("rack2", False)]
    assert [note.code for note in told.notes] == ["unreachable"]
    controllers.let.set()
    while bench.ask(newer_than=399.0).notes:  # as soon as it has answered
        pass


@pytest.fixture
def loop() -> Iterator[Loop]:
    made = Loop()
    yield made
    made.close()


def test_user_whose_work_hangs_holds_up_nobody_else(loop: Loop) -> None:
    worker, let, told = Worker(loop, threads=2), threading.Event(), list[object]()

    def last(result: object) -> None:
        told.append(result)
        loop.stop()

    def other(result: object) -> None:
        told.append(result)
        let.set()

    worker.do(ALICE, lambda: let.wait(WAIT_S), told.append)
    worker.do(ALICE, lambda: "more of the first", last)
    worker.do(BOB, lambda: "another user's", other)
    loop.run()
    assert told == ["another user's", True, "more of the first"]


SETTINGS = """[[redfish.bmc]]
name = "mute"
url = "https://127.0.0.1:{port}"
credentials = "/etc/livefw/mute"
"""


@pytest.fixture
def mute(folder: Path) -> Iterator[Path]:
    """The root of a machine with a controller that takes connections and says nothing."""
    root = folder / "root"
    settings = root / "etc/livefw"
    settings.mkdir(parents=True)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        (settings / "livefw.toml").write_text(SETTINGS.format(port=listener.getsockname()[1]), encoding="ascii")
        (settings / "mute").write_text("admin\nsecret\n", encoding="ascii")
        (settings / "mute").chmod(0o600)
        yield root


def test_controller_that_says_nothing_hides_no_other_component(planted: Path, mute: Path, serve: Serve) -> None:
    assert planted == mute
    daemon = serve(mute, changed={"activation.watch.remote.FIRST_PATIENCE_S": 1.0})
    names = [each["Name"].value for each in daemon.call("GetDevices", interface=FWUPD)[0]]
    assert "TF-RMM" in names
    assert "redfish:mute does not respond" in daemon.log.read_text(encoding="ascii")


def test_machine_whose_only_controller_says_nothing_is_not_called_empty(mute: Path, serve: Serve) -> None:
    daemon = serve(mute, changed={"activation.watch.remote.FIRST_PATIENCE_S": 0.1})
    with pytest.raises(CallFailed, match="BMC mute has not replied yet"):
        daemon.call("GetDevices", interface=FWUPD)
