# SPDX-License-Identifier: Apache-2.0
"""What a program does with a host, on a modelled machine in virtual time."""

import asyncio
import doctest
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import livefw
from livefw import api, errors
from livefw.providers.base import Claim, Reply
from livefw.testing import ModelMachine

from ..activation.stager import Stager

RMM = "lfa:6c0762a6-12f2-4b56-92cb-ba8f633606d9"
SCP = "lfa:65922703-2f74-e644-8dff-579ac1ff0610"
Connect = Callable[..., livefw.ConnectedHost]


def outcomes(events: Iterator[Any]) -> list[tuple[str, str]]:
    return [(each.result.before.key, each.result.outcome) for each in events if isinstance(each, livefw.Attempt)]


def rows(host: livefw.ConnectedHost) -> list[Any]:
    """Outcomes in the history, newest first; None where there is none yet."""
    return [each.ending.body["outcome"] if each.ending else None for each in host.history().activations]


def test_every_example_is_true(connect: Connect) -> None:
    finder, runner = doctest.DocTestFinder(), doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    host = connect()
    order = ("components", "plan", "activate", "history", "cancel", "watch", "settle")
    for name in order:
        for test in finder.find(getattr(api.ConnectedHost, name), name, globs={"livefw": livefw, "host": host}):
            assert test.examples, name
            runner.run(test)
    assert (runner.failures, runner.tries > len(order)) == (0, True)


def test_components_are_read_anew_each_time(host: livefw.ConnectedHost, machine: ModelMachine) -> None:
    before = {each.key: each.pending for each in host.components()}
    assert before[RMM] is True
    assert before[SCP] is False
    machine.stage(SCP.removeprefix("lfa:"), "7.7")
    after = {each.key: each.pending_version and each.pending_version.text for each in host.components()}
    assert after[SCP] == "7.7"


def test_a_plan_changes_nothing(host: livefw.ConnectedHost, machine: ModelMachine) -> None:
    assert [step.component.key for step in host.plan().steps] == [RMM]
    (blocked,) = host.plan(SCP).steps
    assert blocked.stopped
    assert [problem.check for problem in blocked.problems if problem.stops] == ["not-pending"]
    assert host.history().activations == []
    assert {call.name for call in machine.calls}.isdisjoint({"LFA_PRIME", "LFA_ACTIVATE"})


def test_an_activation_is_a_stream_that_ends_in_a_summary(host: livefw.ConnectedHost, machine: ModelMachine) -> None:
    *events, last = host.activate("tf-rmm", reason="CVE-2026-1234")
    assert [event.point for event in events if isinstance(event, livefw.Reached)] == list(livefw.Point)
    assert isinstance(last, livefw.Finished)
    (attempt,) = last.attempts
    assert attempt in events
    assert attempt.result.outcome is livefw.Outcome.ACTIVATED
    assert machine.running("rmm") == "1.1"
    (activation,) = host.history().activations
    assert activation.intent
    assert (activation.intent.body["reason"], activation.intent.body["actor"]["face"]) == ("CVE-2026-1234", "api")


def test_a_failure_is_an_outcome_and_no_exception(host: livefw.ConnectedHost, machine: ModelMachine) -> None:
    machine.inject("auth-error", "rmm")
    machine.stage(SCP.removeprefix("lfa:"), "7.7")
    first, *others = outcomes(host.activate(RMM, SCP, on_failure=livefw.OnFailure.STOP))
    assert (first, others) == ((RMM, "failed"), [])


def test_a_stream_that_nobody_takes_anything_from_does_nothing(
    host: livefw.ConnectedHost, machine: ModelMachine
) -> None:
    before = len(machine.calls)
    host.activate("tf-rmm").close()
    host.activate("no-such-component")
    assert (len(machine.calls), host.history().activations) == (before, [])


def test_who_breaks_out_before_it_was_asked_withdraws_it(host: livefw.ConnectedHost, machine: ModelMachine) -> None:
    for event in host.activate("tf-rmm"):
        if isinstance(event, livefw.Begun):
            break
    assert rows(host) == ["cancelled"]
    assert machine.running("rmm") == "1.0"
    assert outcomes(host.activate("tf-rmm")) == [(RMM, "activated")]


def test_who_breaks_out_after_it_was_asked_finds_the_outcome_later(
    host: livefw.ConnectedHost, machine: ModelMachine
) -> None:
    for event in host.activate("tf-rmm"):
        if isinstance(event, livefw.StillRunning):
            break
    assert rows(host) == [None]
    machine.pass_time(60)
    settled = [event for event in host.settle() if isinstance(event, livefw.SettledIntent)]
    assert [each.outcome for each in settled] == [livefw.Outcome.ACTIVATED]
    assert (rows(host), machine.running("rmm")) == (["activated"], "1.1")


def test_closing_the_host_closes_what_is_under_way(connect: Connect) -> None:
    with connect() as host:
        stream = host.activate("tf-rmm")
        next(event for event in stream if isinstance(event, livefw.Begun))
    assert list(stream) == []
    assert rows(connect()) == ["cancelled"]


def test_an_error_of_the_program_withdraws_what_was_not_asked(connect: Connect) -> None:
    def fails() -> None:
        with connect() as host:
            for event in host.activate("tf-rmm"):
                if isinstance(event, livefw.Begun):
                    raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fails()
    assert rows(connect()) == ["cancelled"]


@pytest.mark.parametrize("end", ["stop", "detach"])
def test_it_can_be_stopped_before_it_was_asked(host: livefw.ConnectedHost, end: str) -> None:
    stream = host.activate("tf-rmm")
    next(event for event in stream if isinstance(event, livefw.Begun))
    getattr(host, end)()
    with pytest.raises(errors.Interrupted):
        list(stream)
    assert rows(host) == ["cancelled"]
    assert outcomes(host.activate("tf-rmm")) == [(RMM, "activated")], "the next request is not stopped"


@pytest.mark.parametrize(("end", "outcome"), [("stop", "activated"), ("detach", "unknown")])
def test_once_it_was_asked_it_is_followed_or_left(host: livefw.ConnectedHost, end: str, outcome: str) -> None:
    stream = host.activate("tf-rmm")
    next(event for event in stream if isinstance(event, livefw.StillRunning))
    getattr(host, end)()
    assert outcomes(stream) == [(RMM, outcome)]


def test_two_hosts_keep_each_other_out(connect: Connect) -> None:
    one, other = connect(), connect()
    stream = one.activate("tf-rmm")
    next(event for event in stream if isinstance(event, livefw.Begun))
    with pytest.raises(errors.Refused, match="lfa:6c0762a6"):
        list(other.activate("tf-rmm"))
    assert [problem.check for step in other.plan().steps for problem in step.problems if problem.stops] == ["busy"]
    assert outcomes(stream) == [(RMM, "activated")]
    assert outcomes(other.activate("tf-rmm")) == [(RMM, "refused")]


def test_another_thread_may_take_each_event(host: livefw.ConnectedHost) -> None:
    async def follow() -> list[livefw.Event]:
        stream, found = host.activate("tf-rmm"), []
        while (event := await asyncio.to_thread(next, stream, None)) is not None:
            found.append(event)
        return found

    assert outcomes(iter(asyncio.run(follow()))) == [(RMM, "activated")]


def test_an_image_is_staged_and_taken_back(connect: Connect, machine: ModelMachine, tmp_path: Path) -> None:
    stager = Stager(machine.files, machine.clock)
    host, file = connect("", stager), tmp_path / "image.bin"
    file.write_bytes(b"an image")
    assert outcomes(host.stage(file, "stager:one", reason="why")) == [("stager:one", "staged")]
    package = livefw.ImagePackage("image", b"another")
    assert outcomes(host.stage(package, "stager:one")) == [("stager:one", "staged")]
    stager.claim = Claim(Reply.FAILED)
    assert outcomes(host.stage(str(file), "stager:one")) == [("stager:one", "failed")]
    assert outcomes(host.cancel("stager:one")) == [("stager:one", "refused")]


def test_the_history_comes_in_pages(host: livefw.ConnectedHost, machine: ModelMachine) -> None:
    for version in ("1.1", "1.2", "1.3"):
        machine.stage("rmm", version)
        assert outcomes(host.activate("tf-rmm"))
    newest = host.history("tf-rmm", limit=2)
    older = host.history("tf-rmm", limit=2, before=newest.before)
    assert (len(newest.activations), len(older.activations), older.before) == (2, 1, None)
    assert host.history("no-such-component").activations == []
    assert host.history(until="2001-01-01").activations == []


def test_changes_are_reported(host: livefw.ConnectedHost, machine: ModelMachine) -> None:
    went_on: list[float] = []

    def pause(seconds: float) -> bool:
        went_on.append(seconds)
        if len(went_on) == 1:
            machine.stage(SCP.removeprefix("lfa:"), "7.7")
        return len(went_on) < 2

    seen = [(event.what, event.component) for event in host.watch(interval=3, pause=pause)]  # type: ignore[union-attr]
    kind = livefw.WatchEventKind
    keys = [component.key for component in host.components()]
    assert seen == [*((kind.PRESENT, key) for key in keys), (kind.PENDING, SCP)]
    assert went_on == [3, 3]
    assert host.history().activations == [], "it only looks"


def test_a_watch_activates_what_the_settings_name(connect: Connect, machine: ModelMachine) -> None:
    host = connect("automatic = ['tf-rmm']")
    events = list(host.watch(automatic=True, pause=lambda _: False))
    assert outcomes(iter(events)) == []
    (watched,) = [each for each in events if isinstance(each, livefw.WatchEvent) and each.attempt]
    assert watched.attempt
    assert watched.attempt.result.outcome is livefw.Outcome.ACTIVATED
    assert [each for each in events if isinstance(each, livefw.Begun)]
    assert machine.running("rmm") == "1.1"


@pytest.mark.parametrize("automatic", [False, True])
def test_a_watch_ends_when_it_is_stopped(connect: Connect, automatic: bool) -> None:
    host = connect("automatic = ['tf-rmm']")
    stream = host.watch(automatic=automatic)
    next(stream)
    host.stop()
    assert all(isinstance(event, livefw.WatchEvent) and not event.attempt for event in stream)


def _ambiguous(host: livefw.ConnectedHost) -> object:
    return host.plan("6")


ERRORS: dict[str, tuple[Callable[[livefw.ConnectedHost], object], type[errors.LivefwError]]] = {
    "no such component": (lambda host: list(host.activate("nobody")), errors.NoSuchComponent),
    "an ambiguous one": (_ambiguous, errors.AmbiguousComponent),
    "no such check": (lambda host: host.plan(ignore=["windows"]), errors.UsageError),
    "a time that is none": (lambda host: (list(host.activate()), host.history(since="noon")), errors.UsageError),
    "no such file": (lambda host: list(host.stage("/no/such/image", "tf-rmm")), errors.UsageError),
    "an image for nobody": (lambda host: list(host.stage("1.5")), errors.UsageError),
    "one that takes no images": (
        lambda host: list(host.stage(livefw.ImagePackage("i", b"x"), "tf-rmm")),
        errors.Refused,
    ),
}


@pytest.mark.parametrize("row", ERRORS.values(), ids=ERRORS)
def test_errors_are_told_apart_by_type(
    host: livefw.ConnectedHost, row: tuple[Callable[[livefw.ConnectedHost], object], type[errors.LivefwError]]
) -> None:
    act, kind = row
    with pytest.raises(kind):
        act(host)


def test_a_root_without_components(tmp_path: Path) -> None:
    with livefw.connect(str(tmp_path), state=str(tmp_path / "state")) as host:
        assert host.components() == ()
        assert host.plan().absent
        with pytest.raises(errors.NothingHere):
            list(host.activate())


def test_what_cannot_be_opened(tmp_path: Path) -> None:
    (tmp_path / "livefw.toml").write_text("automatik = []")
    with pytest.raises(errors.UsageError, match="automatik"):
        livefw.connect(str(tmp_path), settings=str(tmp_path))
    with pytest.raises(errors.UsageError, match="measure"):
        livefw.connect(str(tmp_path), measure="stopwatch")
    with pytest.raises(errors.UsageError, match="No such file"):
        livefw.connect(str(tmp_path / "nowhere"))


def test_nothing_is_left_behind(folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """No file stays open, no thread was started, and nothing was printed, also where a stream was left."""
    _everything(folder, tmp_path / "first")  # what is loaded on first use stays
    before, threads = sorted(os.listdir("/proc/self/fd")), threading.active_count()
    _everything(folder, tmp_path / "state")
    assert sorted(os.listdir("/proc/self/fd")) == before
    assert threading.active_count() == threads
    assert capfd.readouterr() == ("", "")


def _everything(root: Path, state: Path) -> None:
    with livefw.connect(str(root), state=str(state)) as host:
        (component,) = host.components()
        assert host.plan(component.key).steps
        for event in host.activate(component.key):
            if isinstance(event, livefw.Begun):
                break
        assert outcomes(host.activate(component.key, reason="why"))
        assert outcomes(host.cancel(component.key))
        assert next(host.watch())
        assert host.history().activations
        left = host.activate(component.key)
        next(left)


SIGNALS = """
import signal, sys
import livefw
numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD, signal.SIGPIPE)
before = [signal.getsignal(each) for each in numbers]
with livefw.connect(sys.argv[1], state=sys.argv[2]) as host:
    (component,) = host.components()
    events = list(host.activate(component.key))
assert isinstance(events[-1], livefw.Finished)
print(before == [signal.getsignal(each) for each in numbers])
"""


def test_no_signal_handler_is_installed(folder: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-c", SIGNALS, str(folder), str(tmp_path / "state")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("True\n", "")
