# SPDX-License-Identifier: Apache-2.0
"""Watching: what changes is told once, what the policy wants is done when it may be, and trouble ends nothing."""

import errno
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from livefw.activation.engine import Host
from livefw.activation.lock.machine_lock import Lock
from livefw.activation.outcome import Outcome
from livefw.activation.policy.document import PolicyFollower, load
from livefw.activation.watch import uevents
from livefw.activation.watch.watcher import Watcher, WatchEvent, WatchEventKind
from livefw.machine.faults import FaultRequest

Make = Any
RMM = "6c0762a6-12f2-4b56-92cb-ba8f633606d9"
KEY = f"lfa:{RMM}"


class Watching:
    """A watcher, and what it told since it was asked last."""

    def __init__(self, bench: Any) -> None:
        self.bench = bench
        self.events: list[WatchEvent] = []
        follower = PolicyFollower(bench.paths.settings)

        def renew() -> Host | None:
            if not follower.changed():
                return None
            host: Host = bench.host()
            return host._replace(policy=load(bench.paths.settings))

        self.watcher = Watcher(bench.host(), renew=renew)

    def hear(self) -> None:
        self.events += [event for event in self.watcher.look() if isinstance(event, WatchEvent)]

    def look(self) -> list[tuple[WatchEventKind, str]]:
        self.hear()
        told = [(event.what, event.component) for event in self.events]
        self.events.clear()
        return told

    def settle(self) -> None:
        self.bench.machine.runner.settle()


def test_changes_are_told_once(make: Make) -> None:
    bench = make("vera")
    watching = Watching(bench)
    assert watching.look()[-1] == (WatchEventKind.PRESENT, KEY)
    assert watching.look() == []
    bench.one("tf-rmm")
    assert watching.look() == [(WatchEventKind.VERSION, KEY), (WatchEventKind.NOT_PENDING, KEY)]
    bench.machine.stage("rmm", "7.0")
    assert watching.look() == [(WatchEventKind.PENDING, KEY)]
    assert watching.look() == []


def test_the_driver_is_unloaded_and_loaded(make: Make) -> None:
    bench = make("vera")
    watching = Watching(bench)
    watching.look()
    bench.machine.unload_driver().wait()
    assert watching.look() == [(WatchEventKind.ABSENT, "")] + [
        (WatchEventKind.VANISHED, key) for key in sorted(_keys())
    ]
    assert watching.look() == []
    bench.machine.boot()
    assert watching.look() == [(WatchEventKind.APPEARED, key) for key in sorted(_keys())]


def test_who_has_activated_is_named(make: Make) -> None:
    bench = make("vera", faults=[FaultRequest(name="auth-error", component=RMM, times=1)])
    watching = Watching(bench)
    watching.look()
    bench.one("tf-rmm")
    watching.hear()
    assert [(event.what, event.text) for event in watching.events] == [
        (WatchEventKind.ACTIVATION, f"failed by root: {bench.journal.activations()[-1].ending.body['text']}")
    ]
    watching.events.clear()
    bench.one("tf-rmm")
    watching.hear()
    assert [(event.what, event.text) for event in watching.events] == [
        (WatchEventKind.VERSION, "version 1.0 -> 1.1, activated by root"),
        (WatchEventKind.NOT_PENDING, "no image is pending"),
    ]


def test_what_was_done_before_the_first_look_is_no_event(make: Make) -> None:
    bench = make("vera")
    bench.one("tf-rmm")
    watching = Watching(bench)
    assert {what for what, _ in watching.look()} == {WatchEventKind.PRESENT}
    assert watching.look() == []


def test_its_own_activation_is_one_event_and_says_what_follows(make: Make) -> None:
    bench = make("vera", faults=[FaultRequest(name="auth-error", component=RMM, times=1)])
    bench.settings = "automatic = ['tf-rmm']"
    watching = Watching(bench)
    watching.hear()
    (text,) = [event.text for event in watching.events if event.what is WatchEventKind.ACTIVATION]
    assert text.endswith("; not tried again before another image is pending")
    watching.events.clear()
    assert watching.look() == []


def _keys() -> list[str]:
    others = ("0509b633-5734-422f-a681-6096e932d93a", "3ab71f81-32b9-496d-841b-e3d0e9fd1a48")
    return [f"lfa:{guid}" for guid in (*others, "65922703-2f74-e644-8dff-579ac1ff0610", RMM)]


def test_what_the_policy_wants_is_activated_once_for_each_image(make: Make) -> None:
    bench = make("vera")
    bench.settings = "automatic = ['tf-rmm']"
    watching = Watching(bench)
    assert watching.look()[-3:] == [
        (WatchEventKind.ACTIVATION, KEY),
        (WatchEventKind.VERSION, KEY),
        (WatchEventKind.NOT_PENDING, KEY),
    ]
    assert watching.look() == []
    bench.machine.stage("rmm")
    assert watching.look() == [
        (WatchEventKind.PENDING, KEY),
        (WatchEventKind.ACTIVATION, KEY),
        (WatchEventKind.VERSION, KEY),
        (WatchEventKind.NOT_PENDING, KEY),
    ]
    assert [each.first_row.body["reason"] for each in bench.journal.activations()] == ["automatic, by policy"] * 2


@pytest.mark.parametrize("restarted", [False, True], ids=["same-watcher", "new-watcher"])
def test_a_flag_that_never_clears_is_not_looped_on(make: Make, restarted: bool) -> None:
    bench = make("fvp")
    bench.settings = "automatic = ['tf-rmm']"
    watching = Watching(bench)
    assert (WatchEventKind.ACTIVATION, KEY) in watching.look()
    again = Watching(bench) if restarted else watching
    assert (WatchEventKind.ACTIVATION, KEY) not in again.look()
    assert len(bench.journal.activations()) == 1


@pytest.mark.parametrize("restarted", [False, True], ids=["same-watcher", "new-watcher"])
def test_an_image_that_fails_is_tried_once_and_a_newer_one_again(make: Make, restarted: bool) -> None:
    bench = make("vera", faults=[FaultRequest(name="auth-error", component=RMM, times=1)])
    bench.settings = "automatic = ['tf-rmm']"
    watching = Watching(bench)
    watching.look()
    assert bench.journal.activations()[0].ending.body["outcome"] == "failed"
    again = Watching(bench) if restarted else watching
    assert (WatchEventKind.ACTIVATION, KEY) not in again.look()
    bench.machine.stage("rmm", "9.9")
    assert (WatchEventKind.ACTIVATION, KEY) in again.look()
    assert bench.journal.activations()[-1].ending.body["outcome"] == "activated"


def write_settings(bench: Any, text: str) -> None:
    """As a careful editor does: a new file in the place of the old one."""
    directory = Path(bench.paths.settings)
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "new").write_text(text)
    (directory / "new").rename(directory / "livefw.toml")


def test_new_settings_hold_from_the_next_look(make: Make) -> None:
    bench = make("vera")
    watching = Watching(bench)
    assert (WatchEventKind.ACTIVATION, KEY) not in watching.look()
    write_settings(bench, "automatic = ['tf-rmm']\ndeny = ['tf-rmm']")
    assert watching.look() == [(WatchEventKind.SETTINGS, ""), (WatchEventKind.HELD_BACK, KEY)]
    write_settings(bench, "automatic = ['tf-rmm']")
    assert watching.look()[:2] == [(WatchEventKind.SETTINGS, ""), (WatchEventKind.ACTIVATION, KEY)]
    assert watching.look() == []


def test_wrong_settings_are_told_once_and_the_earlier_ones_hold(make: Make) -> None:
    bench = make("vera")
    write_settings(bench, "automatic = ['tf-rmm']\n[[window]]\nfrom = '22:00'\nto = '23:00'\nzone = 'UTC'")
    hour = [12]
    bench.changes = {
        "now": lambda: datetime(2026, 11, 23, hour[0], 30, tzinfo=UTC),
        "policy": load(bench.paths.settings),
    }
    watching = Watching(bench)
    assert watching.look()[-1] == (WatchEventKind.HELD_BACK, KEY)
    write_settings(bench, "automatik = []")
    watching.hear()
    (told,) = watching.events
    assert told.what is WatchEventKind.SETTINGS
    assert "the earlier settings remain in effect" in told.text
    assert "automatik: unknown key" in told.text
    watching.events.clear()
    assert watching.look() == []
    hour[0] = 22
    assert watching.look()[0] == (WatchEventKind.ACTIVATION, KEY)
    Path(bench.paths.settings, "livefw.toml").unlink()
    bench.machine.stage("rmm")
    assert watching.look() == [
        (WatchEventKind.SETTINGS, ""),
        (WatchEventKind.PENDING, KEY),
    ]  # without a file, nothing is automatic


def test_what_matches_nothing_is_told_once_for_settings_and_components(make: Make) -> None:
    bench = make("vera")
    write_settings(bench, "deny = ['tf-rm']\nautomatic = ['x']")
    bench.changes = {"policy": load(bench.paths.settings)}
    watching = Watching(bench)
    assert watching.look()[-2:] == [(WatchEventKind.SETTINGS, "")] * 2
    assert watching.look() == []
    bench.machine.stage("rmm", "7.0")
    assert (WatchEventKind.SETTINGS, "") not in watching.look()
    write_settings(bench, "deny = ['tf-rm']")
    watching.hear()
    changed, told = watching.events
    assert "in effect from now on" in changed.text
    assert told.text == "deny: 'tf-rm' matches no component here; close to it: TF-RMM"
    watching.events.clear()
    bench.machine.unload_driver().wait()
    assert (WatchEventKind.SETTINGS, "") not in watching.look()  # with nothing here there is nothing to compare with
    write_settings(bench, "deny = ['tf-rmm']")
    bench.machine.boot()
    assert [what for what, _ in watching.look()].count(WatchEventKind.SETTINGS) == 1


def test_strict_settings_hold_back_what_is_automatic(make: Make) -> None:
    bench = make("vera")
    write_settings(bench, "strict = true\nautomatic = ['tf-rmm']\ndeny = ['tf-rm']")
    bench.changes = {"policy": load(bench.paths.settings)}
    watching = Watching(bench)
    watching.hear()
    assert [each.text.partition(":")[0] for each in watching.events if each.what is WatchEventKind.HELD_BACK] == [
        "settings-match"
    ]
    watching.events.clear()
    assert watching.look() == []
    write_settings(bench, "strict = true\nautomatic = ['tf-rmm']")
    assert (WatchEventKind.ACTIVATION, KEY) in watching.look()


def test_it_waits_for_the_window_and_says_so_once(make: Make) -> None:
    bench = make("vera")
    bench.settings = "automatic = ['*']\n[[window]]\nfrom = '22:00'\nto = '23:00'\nzone = 'UTC'"
    hour = [12]
    bench.changes = {"now": lambda: datetime(2026, 11, 23, hour[0], 30, tzinfo=UTC)}
    watching = Watching(bench)
    assert watching.look()[-1] == (WatchEventKind.HELD_BACK, KEY)
    assert watching.look() == []
    hour[0] = 22
    assert watching.look()[0] == (WatchEventKind.ACTIVATION, KEY)


def test_another_engine_in_the_way_is_waited_for(make: Make) -> None:
    bench = make("vera")
    bench.settings = "automatic = ['*']"
    watching = Watching(bench)
    with Lock.acquire(bench.paths.lock):
        assert watching.look()[-1] == (WatchEventKind.HELD_BACK, KEY)
        assert watching.look() == []
    assert (WatchEventKind.ACTIVATION, KEY) in watching.look()


def test_settings_that_were_lost_come_back(make: Make) -> None:
    bench = make("vera")
    bench.settings = "[component.tf-rmm]\nsettings = {auto_activate = true}"
    watching = Watching(bench)
    watching.look()
    path = f"/sys/firmware/lfa/{RMM}/auto_activate"
    assert bench.host().files.read(path) == b"1\n"
    bench.machine.unload_driver().wait()
    bench.machine.boot()
    watching.look()
    assert bench.host().files.read(path) == b"1\n"


@pytest.mark.parametrize("refuses", [True, False], ids=["refused", "swallowed"])
def test_settings_that_cannot_come_back_are_told_once_and_not_written_all_the_time(make: Make, refuses: bool) -> None:
    bench = make("vera")
    bench.settings = "[component.tf-rmm]\nsettings = {auto_activate = true}"
    written: list[bytes] = []

    async def store(data: bytes) -> None:
        written.append(data)
        if refuses:
            raise OSError(1, "Operation not permitted")

    bench.machine.tree.lookup(f"/sys/firmware/lfa/{RMM}/auto_activate").store = store
    watching = Watching(bench)
    assert (WatchEventKind.SETTINGS, KEY) in watching.look()
    for _ in range(3):
        assert watching.look() == []
    assert written == [b"1\n"]
    assert [row.body["trouble"] != "" for row in bench.journal.rows()] == [True]
    bench.host().clock.sleep(61)
    assert watching.look() == []
    assert written == [b"1\n"] * 2


def test_what_an_engine_left_unfinished_is_told(make: Make) -> None:
    bench = make("vera")
    bench.settings = "automatic = ['tf-rmm']"

    class Death(BaseException):
        pass

    def die(point: Any) -> None:
        if point == "judged":
            raise Death

    bench.changes = {"at": die}
    with pytest.raises(Death):
        bench.run("tf-rmm")
    bench.changes = {}
    bench.machine.stage("rmm")
    watching = Watching(bench)
    assert (WatchEventKind.SETTLED, KEY) in watching.look()
    assert bench.journal.activations()[0].ending.body["outcome"] == Outcome.ACTIVATED


def test_a_history_that_cannot_be_written_is_told_once_and_stops_only_activations(make: Make, tmp_path: Any) -> None:
    bench = make("vera")
    bench.settings = "automatic = ['tf-rmm']"
    bench.paths = bench.paths._replace(state="/proc/nowhere")
    watching = Watching(bench)
    assert watching.look()[-1] == (WatchEventKind.TROUBLE, "")
    assert watching.look() == []
    bench.machine.stage("65922703", "9.0")
    assert (WatchEventKind.PENDING, "lfa:65922703-2f74-e644-8dff-579ac1ff0610") in watching.look()


@pytest.mark.parametrize(
    ("message", "matters"),
    [
        (b"change@/devices/arm_smccc/arm-smccc-lfa-1\0ACTION=change\0", True),
        (b"add@/module/lfa_fw\0", True),
        (b"remove@/module/lfa_fw\0", True),
        (b"libudev\0\xfe\xed\xca\xfe", False),
        (b"online@/devices/system/cpu/cpu1\0", False),
        (b"", False),
    ],
)
def test_events(message: bytes, matters: bool) -> None:
    assert uevents.is_change(message) is matters


CHANGE, UDEV = b"change@/devices/x\0", b"libudev\0"
KERNEL, NO_ROOM = 0, OSError(errno.ENOBUFS, "No buffer space available")
Said = tuple[bytes, int] | OSError
"""What netlink tells: a message and the number of who sent it, or that some were lost."""


class _Netlink:
    """A socket of netlink that has something to tell, and then nothing more."""

    def __init__(self, *said: Said, bind: OSError | None = None) -> None:
        self.left = list(said)
        self.closed = False
        self._bind = bind
        self._inner, self._told = socket.socketpair()
        if said:
            self._told.send(b"x")

    def bind(self, address: tuple[int, int]) -> None:
        assert address == (0, 1)  # the kernel's own group
        if self._bind:
            raise self._bind

    def fileno(self) -> int:
        return self._inner.fileno()

    def recvfrom(self, size: int) -> tuple[bytes, tuple[int, int]]:
        if not self.left:
            raise BlockingIOError
        said = self.left.pop(0)
        if isinstance(said, OSError):
            raise said
        return said[0], (said[1], 1)

    def close(self) -> None:
        self.closed = True
        self._inner.close()
        self._told.close()


@contextmanager
def _waking(monkeypatch: pytest.MonkeyPatch, netlink: _Netlink, *, rung: bool, own: bool = True) -> Iterator[Any]:
    """What a watcher waits with, on this machine or on a modelled one."""
    made = lambda family, *_: netlink if family == socket.AF_NETLINK else None  # noqa: E731
    with monkeypatch.context() as changed:
        changed.setattr("livefw.activation.watch.uevents.socket.socket", made)
        listen, ring = uevents.new_bell()
        waker = uevents.wake(listen, own_machine=own)
    if rung:
        os.write(ring, b"x")
    try:
        yield waker
    finally:
        waker.close()
        os.close(listen)
        os.close(ring)
        netlink.close()


ENDLESS = 3600.0
"""Seconds of a pause that a test does not survive: something else has to end it."""


@pytest.mark.parametrize(
    ("said", "rung", "heard"),
    [
        ([], True, False),
        ([(CHANGE, KERNEL)], False, True),
        ([(CHANGE, KERNEL)], True, True),
        ([(UDEV, KERNEL)], False, False),
        ([(CHANGE, 4711)], False, False),  # netlink(7): nl_pid is 0 for the kernel, and anybody may send
        ([(UDEV, KERNEL), (CHANGE, KERNEL), (UDEV, KERNEL)], False, True),
        ([NO_ROOM], False, True),
        ([NO_ROOM, (UDEV, KERNEL)], False, True),
    ],
    ids=str,
)
def test_events_of_the_kernel_and_a_bell_end_a_pause(
    monkeypatch: pytest.MonkeyPatch, said: list[Said], rung: bool, heard: bool
) -> None:
    netlink = _Netlink(*said)
    with _waking(monkeypatch, netlink, rung=rung) as waker:
        assert waker.wait(ENDLESS) is heard
        assert netlink.left == []


def test_a_pause_without_an_event_ends_by_time(monkeypatch: pytest.MonkeyPatch) -> None:
    with _waking(monkeypatch, _Netlink(), rung=False) as waker:
        assert waker.wait(0.001) is False
        assert waker.wait(-1.0) is False


def test_a_storm_of_events_does_not_keep_from_looking(monkeypatch: pytest.MonkeyPatch) -> None:
    netlink = _Netlink(*[(UDEV, KERNEL)] * 4097)
    with _waking(monkeypatch, netlink, rung=False) as waker:
        assert waker.wait(ENDLESS) is False
        assert len(netlink.left) == 1


def test_an_error_of_netlink_that_means_nothing_lost_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        _waking(monkeypatch, _Netlink(OSError(errno.EIO, "Input/output error")), rung=False) as waker,
        pytest.raises(OSError, match="Input/output error"),
    ):
        waker.wait(ENDLESS)


@pytest.mark.parametrize(("own", "refused"), [(False, False), (True, True)], ids=["modelled machine", "no netlink"])
def test_where_no_event_is_heard_time_and_the_bell_end_a_pause(
    monkeypatch: pytest.MonkeyPatch, own: bool, refused: bool
) -> None:
    netlink = _Netlink((CHANGE, KERNEL), bind=OSError(errno.EPERM, "Operation not permitted") if refused else None)
    with _waking(monkeypatch, netlink, rung=True, own=own) as waker:
        assert waker.wait(ENDLESS) is False
        assert netlink.closed is refused
        assert netlink.left == [(CHANGE, KERNEL)]


def test_a_mechanism_that_refused_is_left_alone_for_a_while(make: Make) -> None:
    bench = make("vera")
    bench.settings = "automatic = ['tf-rmm']"
    directory = bench.machine.tree.lookup(f"/sys/firmware/lfa/{RMM}")
    trigger = directory.get("activate")

    def take_away(point: Any) -> None:
        if point == "intended" and not refused:
            directory.remove("activate")
            refused.append(point)

    refused: list[Any] = []
    bench.changes = {"at": take_away}
    watching = Watching(bench)
    watching.hear()
    assert [e.attempt.result.outcome for e in watching.events if e.attempt] == [Outcome.REFUSED]
    watching.events.clear()
    trigger.removed = False
    directory.add("activate", trigger)
    assert watching.look() == []
    bench.host().clock.sleep(60)
    assert (WatchEventKind.ACTIVATION, KEY) in watching.look()
    assert bench.journal.activations()[-1].ending.body["outcome"] == Outcome.ACTIVATED
