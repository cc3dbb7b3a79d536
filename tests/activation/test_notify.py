# SPDX-License-Identifier: Apache-2.0
"""Events for notify.d: each is sent once, few are sent, none is lost, and none disturbs an activation."""

import json
import os
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from livefw.activation.events import SettledIntent
from livefw.activation.inventory.discovery import Candidate, Inventory
from livefw.activation.notify import sender, waiting
from livefw.activation.notify.conditions import Observed, compare
from livefw.activation.notify.executables import executables
from livefw.activation.notify.notifier import Notifier
from livefw.activation.notify.outbox import MOST_CONDITIONS, MOST_EVENTS, Outbox
from livefw.activation.notify.outcomes import like
from livefw.activation.paths import Paths
from livefw.activation.policy.document import parse
from livefw.activation.policy.reader import SettingsError
from livefw.activation.watch.watcher import Watcher
from livefw.machine.faults import FaultRequest
from livefw.providers.base import Reason, Source

from .conftest import Bench

Make = Any
RMM = "6c0762a6-12f2-4b56-92cb-ba8f633606d9"
KEY = f"lfa:{RMM}"


class Notified:
    """A machine with one executable that keeps what it is given, a clock of its own, and senders that run at once."""

    def __init__(self, bench: Bench, script: str = "") -> None:
        self.bench = bench
        self.now = 1_000_000.0
        self.got = Path(bench.paths.root) / "got"
        self.hooks = Path(bench.paths.settings) / "notify.d"
        self.hooks.mkdir(parents=True)
        os.chmod(bench.paths.settings, 0o755)
        self.hook("keep", script or f"cat >> {self.got}; echo >> {self.got}")
        self.said: list[str] = []
        self.outbox = Outbox(bench.paths.state)
        self.started = 0

    def hook(self, name: str, script: str, mode: int = 0o755) -> Path:
        path = self.hooks / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(mode)
        return path

    def host(self) -> Any:
        host = self.bench.host()
        policy = host.policy.notify
        notifier = Notifier(
            self.bench.paths, policy, say=self.said.append, now=lambda: self.now, send=lambda _: self.send()
        )
        return host._replace(notifier=notifier)

    def run(self, *words: str) -> None:
        self.bench.changes["notifier"] = self.host().notifier
        self.bench.run(*words)

    def watcher(self, *, automatic: bool = True) -> Watcher:
        return Watcher(self.host(), automatic=automatic)

    def look(self, watcher: Watcher) -> None:
        for _ in watcher.look():
            pass

    def send(self, seconds: float = 20.0) -> None:
        self.started += 1
        sender.send(self.outbox, self.bench.paths.settings, "/x", seconds=seconds, now=lambda: self.now)

    def events(self) -> list[dict[str, Any]]:
        """What came since this was asked last."""
        text = self.got.read_text() if self.got.exists() else ""
        self.got.unlink(missing_ok=True)
        return [json.loads(line) for line in text.splitlines() if line]

    def kinds(self) -> list[str]:
        return [event["event"] for event in self.events()]


OUTCOMES: tuple[Any, ...] = (
    ("vera", (), "", ["activated"]),
    ("vera", (FaultRequest(name="auth-error", component=RMM, times=1),), "", ["failed"]),
    ("fvp", (), "", ["unknown"]),
    ("fvp", (), "accept-unconfirmed = ['*']", ["unconfirmed"]),
    ("vera", (), "deny = ['*']", []),  # a refusal is the answer of the command
)


@pytest.mark.parametrize(("platform", "faults", "settings", "kinds"), OUTCOMES)
def test_each_outcome_is_one_event(make: Make, platform: str, faults: Any, settings: str, kinds: list[str]) -> None:
    notified = Notified(make(platform, faults=faults))
    notified.bench.settings = settings
    notified.run("tf-rmm")
    events = notified.events()
    assert [event["event"] for event in events] == kinds
    for event in events:
        row = notified.bench.journal.activations()[0]
        assert (event["activation"], event["key"]) == (row.first_row.activation, KEY)
        assert row.ending
        assert event["head"] == f"{row.ending.sequence}:{row.ending.hash}"
        assert (event["outcome"], event["code"]) == (row.ending.body["outcome"], row.ending.body["code"])
    notified.run("tf-rmm") if not kinds else None
    notified.look(notified.watcher(automatic=False))
    assert [kind for kind in notified.kinds() if kind in kinds] == []


def test_what_is_older_than_the_first_look_is_no_news(make: Make) -> None:
    bench = make("vera")
    bench.run("tf-rmm")
    notified = Notified(bench)
    notified.look(notified.watcher())
    assert "activated" not in notified.kinds()


def test_an_engine_that_dies_before_it_sends_loses_no_event(make: Make) -> None:
    notified = Notified(make("vera"))
    notified.look(notified.watcher())
    notified.events()
    notified.bench.run("tf-rmm")  # without a notifier: as if it had died before it came to that
    notified.look(notified.watcher())
    assert notified.kinds() == ["activated"]


def test_an_image_is_one_event_for_all_watchers(make: Make) -> None:
    notified = Notified(make("vera"))
    one, other = notified.watcher(automatic=False), notified.watcher(automatic=False)
    for watcher in (one, other, one, notified.watcher(automatic=False)):
        notified.look(watcher)
    assert [(event["event"], event["key"], event["pending_version"]) for event in notified.events()] == [
        ("pending", KEY, "1.1")
    ]
    notified.bench.machine.stage("rmm", "7.0")
    notified.look(one)
    notified.look(other)
    assert [event["pending_version"] for event in notified.events()] == ["7.0"]


def test_what_the_policy_wants_and_a_check_blocks_is_held_once(make: Make) -> None:
    notified = Notified(make("vera"))
    notified.bench.settings = "automatic = ['tf-rmm']\n[component.tf-rmm]\npin = '9'"
    watcher = notified.watcher()
    notified.look(watcher)
    held = [event for event in notified.events() if event["event"] == "held"]
    assert len(held) == 1
    assert "pin" in held[0]["text"]
    notified.look(notified.watcher())
    assert notified.kinds() == []


def test_an_activation_without_outcome_is_unfinished_and_then_settled(make: Make) -> None:
    notified = Notified(make("vera"))
    notified.look(notified.watcher(automatic=False))
    with notified.bench.engine().open() as session:
        history = session._history
        history.begin(_intent(), KEY, {"name": "TF-RMM", "boot_id": "", "mark": ""})
    notified.look(notified.watcher(automatic=False))
    notified.look(notified.watcher(automatic=False))
    assert [kind for kind in notified.kinds() if kind != "pending"] == ["unfinished"]
    notified.bench.changes["notifier"] = notified.host().notifier
    assert [event for event in notified.bench.engine().settle() if isinstance(event, SettledIntent)]
    (event,) = notified.events()
    assert event["settled"]


def _intent() -> Any:
    from livefw.activation.history.journal import RowKind

    return RowKind.INTENT


# Conditions that no modelled machine of these tests has


def _inventory(*silent: str, components: tuple[str, ...] = ()) -> Inventory:
    provider: Any = None
    found = [Candidate(provider, like(key, {})) for key in components]
    asked = [Source("redfish", each.component.host or "rack1") for each in found]
    sources = asked + [Source("redfish", "rack1", Reason("silent", text), silent=True) for text in silent]
    return Inventory(tuple(found), (), sources=tuple(sources))


def test_a_bmc_that_is_silent_answers_again() -> None:
    told = "BMC rack1 does not answer"
    conditions: dict[str, str] = {}
    seen = []
    for found in (
        _inventory(components=("redfish:rack1/bios",)),
        _inventory(told),
        _inventory(f"{told} (after 31 s)"),
        _inventory(),  # nothing is known of it
        _inventory(components=("redfish:rack1/bios",)),
    ):
        conditions, notices = compare(conditions, Observed(found))
        seen.append([(notice.event.value, notice.document(id="", time_s=0, root="/")["bmc"]) for notice in notices])
    assert seen == [[], [("silent", "rack1")], [], [], [("answering", "rack1")]]


def test_components_that_cannot_be_seen_are_no_new_event_afterwards() -> None:
    there, away = Inventory((_pending("x"),), ()), Inventory((), ())
    conditions, first = compare({}, Observed(there))
    assert len(first) == 1
    for found in (away, there, away, there):
        conditions, notices = compare(conditions, Observed(found))
        assert notices == []


def test_a_machine_that_invents_components_does_not_fill_the_disk() -> None:
    def found(round_: int) -> Inventory:
        each = (like(f"redfish:a/{round_}-{number}", {})._replace(pending=True) for number in range(500))
        provider: Any = None
        return Inventory(tuple(Candidate(provider, component) for component in each), ())

    conditions: dict[str, str] = {}
    for round_ in range(10):
        conditions, _ = compare(conditions, Observed(found(round_)))
    assert len(conditions) == MOST_CONDITIONS


# How much is sent


def test_a_component_that_flaps_sends_few(make: Make) -> None:
    notified = Notified(make("vera"))
    watcher = notified.watcher(automatic=False)
    for number in range(20):
        notified.bench.machine.stage("rmm", f"7.{number}")
        notified.look(watcher)
    assert notified.kinds() == ["pending"] * 4
    notified.now += 3601
    notified.bench.machine.stage("rmm", "8.0")
    notified.look(watcher)
    assert [(event["event"], event["suppressed"]) for event in notified.events()] == [("pending", 16)]


class Selection(NamedTuple):
    """Settings, and the events of a run that fails and is watched before."""

    settings: str
    keep: list[str]
    other: list[str]


SELECTIONS = {
    "everything": Selection("", ["pending", "failed"], ["pending", "failed"]),
    "events": Selection("[notify]\nevents = ['failed']", ["failed"], ["failed"]),
    "none": Selection("[notify]\nevents = []", [], []),
    "one-executable": Selection("[notify.hook.other]\nevents = ['failed']", ["pending", "failed"], ["failed"]),
    "components": Selection("[notify.hook.other]\ncomponents = ['lfa:0*']", ["pending", "failed"], []),
    "by-name": Selection("[notify]\ncomponents = ['tf-rmm']", ["pending", "failed"], ["pending", "failed"]),
    "rate-0": Selection("[notify]\nrate = 0", [], []),
}


@pytest.mark.parametrize("name", SELECTIONS)
def test_the_settings_select(make: Make, name: str) -> None:
    chosen = SELECTIONS[name]
    notified = Notified(make("vera", faults=[FaultRequest(name="auth-error", component=RMM, times=1)]))
    other = Path(notified.bench.paths.root) / "other"
    notified.hook("other", f"cat >> {other}; echo >> {other}")
    notified.bench.settings = chosen.settings
    notified.look(notified.watcher(automatic=False))
    notified.run("tf-rmm")
    seen = [json.loads(line)["event"] for line in other.read_text().splitlines()] if other.exists() else []
    assert (notified.kinds(), seen) == (chosen.keep, chosen.other)


@pytest.mark.parametrize(
    "text",
    [
        "[notify]\nevents = ['faild']",
        "[notify]\nevents = 'failed'",
        "[notify]\nevents = ['test']",
        "[notify]\nrate = -1",
        "[notify]\nretries = true",
        "[notify]\ncomponents = 'x'",
        "[notify]\nevent = []",
        "[notify.hook.mail]\nrate = 1",
        "notify = 1",
    ],
)
def test_a_wrong_table_is_an_error(text: str) -> None:
    with pytest.raises(SettingsError, match="notify"):
        parse(text.encode())


# Delivery


def test_one_that_fails_is_tried_again_later_and_given_up(make: Make) -> None:
    notified = Notified(make("vera"), "echo out of order; exit 1")
    notified.hook("fine", f"cat >> {notified.got}; echo >> {notified.got}")
    notified.run("tf-rmm")
    assert notified.kinds() == ["activated"]
    tries = []
    for _ in range(7):
        known = notified.outbox.read()
        tries.append((len(known.waiting), known.hooks["keep"].failures))
        notified.send()  # too early: nothing is tried
        assert notified.outbox.read().hooks["keep"].failures == known.hooks["keep"].failures
        notified.now = max(known.hooks["keep"].not_before, notified.now)
        notified.send()
    assert tries == [(1, 1), (1, 2), (1, 3), (1, 4), (1, 5), (0, 6), (0, 6)]
    known = notified.outbox.read()
    assert (known.hooks["keep"].given_up, known.hooks["keep"].last_error) == (1, "exit code 1: out of order")
    assert notified.events() == []


def test_a_clock_that_was_put_back_does_not_stop_it(make: Make) -> None:
    notified = Notified(make("vera"), "exit 1")
    notified.run("tf-rmm")
    notified.hook("keep", f"cat >> {notified.got}")
    notified.now -= 1_000_000
    notified.send()
    assert len(notified.events()) == 1


BROKEN = {
    "hangs": "sleep 1000",
    "hangs-with-children": "(trap '' TERM; sleep 1000) & sleep 1000",
    "endless-output": "yes",
    "does-not-read": "exec 0<&-; exit 3",
    "is-killed": "kill -9 $$",
}


@pytest.mark.parametrize("script", BROKEN.values(), ids=BROKEN)
def test_a_broken_one_changes_no_outcome_and_keeps_nobody(make: Make, script: str) -> None:
    notified = Notified(make("vera"))
    notified.hook("bad", script)
    notified.bench.changes["notifier"] = Notifier(
        notified.bench.paths, notified.bench.host().policy.notify, send=lambda _: notified.send(seconds=0.5)
    )
    assert notified.bench.one("tf-rmm").result.outcome == "activated"
    assert notified.kinds() == ["activated"]
    assert notified.outbox.read().hooks["bad"].failures == 1


def test_one_that_may_be_another_users_is_not_run(make: Make) -> None:
    notified = Notified(make("vera"))
    ran = Path(notified.bench.paths.root) / "ran"
    notified.hook("open", f"touch {ran}", 0o777)
    notified.hook("plain", f"touch {ran}", 0o644)
    notified.hook("backup~", f"touch {ran}")
    (notified.hooks / "link").symlink_to(notified.hook("../outside", f"touch {ran}"))
    notified.run("tf-rmm")
    assert not ran.exists()
    assert notified.kinds() == ["activated"]
    known = notified.outbox.read()
    assert "other than its owner may write" in known.hooks["open"].last_error
    assert "not a plain file" in known.hooks["link"].last_error
    assert known.waiting[0].left.keys() == {"open", "link"}
    (notified.hooks / "link").unlink()
    (notified.hooks / "open").chmod(0o755)
    notified.now += 61
    notified.send()
    assert ran.exists()
    assert notified.outbox.read().waiting == []


def test_a_queue_that_nobody_takes_from_is_bounded(make: Make) -> None:
    notified = Notified(make("vera"), "exit 1")
    notified.run("tf-rmm")
    hooks, policy = executables(notified.bench.paths.settings), parse(b"").notify
    for number in range(MOST_EVENTS + 50):
        notified.now += 3600
        notices = compare({}, Observed(Inventory((_pending(f"7.{number}"),), ())))[1]
        notified.outbox.change(
            partial(waiting.put, notices=notices, hooks=hooks, policy=policy, now=notified.now, root="/")
        )
    known = notified.outbox.read()
    assert len(known.waiting) == MOST_EVENTS
    assert known.waiting[0].document["event"] == "activated"  # observations go first: they are seen again
    assert known.hooks["keep"].given_up == 51


def _pending(name: str) -> Candidate:
    provider: Any = None
    return Candidate(provider, like("lfa:x", {"name": name})._replace(pending=True))


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b'{"cursor": "x"}', b"\xff" * 100, b'{"waiting": [{"id": 1}]}', b"{" * 9999, b'{"cursor": 1}'],
)
def test_a_queue_that_makes_no_sense_is_begun_anew(make: Make, content: bytes) -> None:
    notified = Notified(make("vera"))
    os.makedirs(notified.outbox.directory, 0o700)
    (Path(notified.outbox.directory) / "queue.json").write_bytes(content)
    notified.run("tf-rmm")
    assert notified.kinds() == ["activated"]


def test_a_queue_that_cannot_be_written_changes_no_outcome(make: Make) -> None:
    notified = Notified(make("vera"))
    Path(notified.bench.paths.state).mkdir(parents=True, mode=0o750)
    Path(notified.outbox.directory).write_text("in the way")
    notified.bench.changes["notifier"] = notified.host().notifier
    assert notified.bench.one("tf-rmm").result.outcome == "activated"
    assert len(notified.said) == 1
    assert "notifications" in notified.said[0]


def test_an_interruption_while_events_are_sent_takes_no_outcome_away(make: Make) -> None:
    def interrupted(_: object) -> None:
        raise KeyboardInterrupt

    notified = Notified(make("vera"))
    policy = notified.bench.host().policy.notify
    notified.bench.changes["notifier"] = Notifier(notified.bench.paths, policy, send=interrupted)
    assert notified.bench.one("tf-rmm").result.outcome == "activated"
    assert len(notified.outbox.read().waiting) == 1


def test_without_executables_nothing_is_made(make: Make, tmp_path: Path) -> None:
    bench = make("vera")
    bench.changes["notifier"] = Notifier(bench.paths, bench.host().policy.notify)
    bench.run("tf-rmm")
    assert not os.path.exists(os.path.join(bench.paths.state, "notify"))
    Notifier(Paths(str(tmp_path), "", "", "/"), bench.host().policy.notify).end()
    assert os.listdir(tmp_path) == ["machine-0"]
