# SPDX-License-Identifier: Apache-2.0
"""What holds for every test: profiles of the property tests, no silent skip where all parts are required, and an end of
each test that does not come to its own."""

import faulthandler
import gc
import importlib
import json
import os
import select
import signal
import sys
import tempfile
import threading
from collections.abc import Generator, Iterator
from contextlib import suppress
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, Phase, settings

# `make test` is the same run each time; `make properties` and `make soak` (--hypothesis-profile) look for what it
# misses.
# A deadline on an example would measure the machine that runs the tests, not the code.
settings.register_profile("gate", derandomize=True, deadline=None)
settings.register_profile("soak", max_examples=500, deadline=None, print_blob=True)
settings.register_profile(
    "properties", max_examples=5_000, deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
# `make mutate` asks whether an example fails, and not for the smallest one.
settings.register_profile(
    "mutate", derandomize=True, deadline=None, phases=(Phase.explicit, Phase.reuse, Phase.generate)
)
settings.load_profile("gate")

# A shell without job control starts what it puts in the background with SIGINT ignored, and every child inherits that:
# the tests of Ctrl-C would then wait for ever. nohup does the same with SIGHUP, by which daemons are told to end, and
# whatever else starts us with others, or with some blocked. Two are ignored by Python itself.
for number in signal.valid_signals() - {signal.SIGPIPE, signal.SIGXFSZ}:
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
signal.pthread_sigmask(signal.SIG_SETMASK, ())

# With another one, what the tests write could be changed by a group, and would not be relied on.
os.umask(0o022)

# pytest loads GNU readline, which sets both for every child as if a terminal had 80 columns, and so for the processes
# of xdist: tables would be cut there and nowhere else. It sets them behind the back of os.environ, hence both calls.
for variable in ("COLUMNS", "LINES"):
    os.environ.pop(variable, None)
    os.unsetenv(variable)

# The path of a socket has room for 107 bytes, and the folder of a test for some seventy of them.
if len(os.fsencode(tempfile.gettempdir())) > 20:
    os.environ["TMPDIR"] = tempfile.tempdir = "/tmp"

_PATIENCE_S = 10.0
"""At most, for each step of ending a test whose time-out did not."""

Report = TypeVar("Report", pytest.TestReport, pytest.CollectReport)


def _refuse_skip(report: Report) -> Report:
    """Turn a skip into a failure under LIVEFW_REQUIRE=all; an expected failure is not a skip."""
    if os.environ.get("LIVEFW_REQUIRE") == "all" and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"LIVEFW_REQUIRE=all allows no skip: {reason}"
    return report


@pytest.fixture(autouse=True)
def _nothing_left_behind() -> Iterator[None]:
    """A test that changes the environment or leaves a thread or a fork of ours fails itself, and not what comes after.

    A fork that is left holds what its process holds: whoever waits for the end of the output of `make test` would wait
    for ever.
    """
    environment, threads, forks = dict(os.environ), set(threading.enumerate()), set(_forks())
    yield
    told = "PYTEST_CURRENT_TEST"
    changed = {name for name, _ in environment.items() ^ os.environ.items()} - {told}
    for name in changed:
        if name in environment:
            os.environ[name] = environment[name]
        else:
            del os.environ[name]
    assert not changed, f"left in the environment: {sorted(changed)}"
    ours = [each for each in threading.enumerate() if each not in threads and each.name.startswith("livefw")]
    for each in ours:
        each.join(_PATIENCE_S)  # told to end, it may not have done so yet
    left = [each for each in ours if each.is_alive()]
    assert not left, f"left running: {[each.name for each in left]}"
    forked = [pid for pid in _forks() if pid not in forks and not _comes_to_its_end(pid)]
    assert not forked, f"left forked: {forked}"


def _forks() -> Iterator[int]:
    """The processes that we have forked and that have not become another program."""
    ours = _command_line("self")
    return (pid for pid in below(os.getpid()) if _command_line(pid) == ours)


def _command_line(pid: int | str) -> bytes:
    """What a process was started with; nothing of one that has ended."""
    with suppress(OSError), open(f"/proc/{pid}/cmdline", "rb") as file:
        return file.read()
    return b""


def _comes_to_its_end(pid: int) -> bool:
    """In time, or it is killed."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        ended = select.poll()
        ended.register(descriptor, select.POLLIN)
        if ended.poll(1000 * _PATIENCE_S) or pid not in _forks():
            return True
        signal.pidfd_send_signal(descriptor, signal.SIGKILL)
        return False
    finally:
        os.close(descriptor)


_FIRST = ("tests/daemon/test_systemd.py", "tests/nvme/test_kernel", "tests/ansible/")
"""What takes longest as a whole. Begun last, one process would be at it when the others have nothing left to steal."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The order of the directories, but for those."""
    items.sort(key=lambda item: not item.nodeid.startswith(_FIRST))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Look at the result of each test."""
    return _refuse_skip((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Look at the result of collecting each module, which can be skipped as a whole."""
    return _refuse_skip((yield))


@pytest.hookimpl(wrapper=True, optionalhook=True)
def pytest_timeout_set_timer(item: pytest.Item, settings: Any) -> Generator[None, object, object]:
    """Watch over the time-out too. It is a signal, and whoever waits for an answer of FUSE's hears none."""
    item.stash[_OVER] = over = threading.Event()
    threading.Thread(target=_watch, args=(over, settings.timeout, item.config), name="watch", daemon=True).start()
    return (yield)


@pytest.hookimpl(wrapper=True, optionalhook=True)
def pytest_timeout_cancel_timer(item: pytest.Item) -> Generator[None, object, object]:
    """The test has come to its end."""
    if _OVER in item.stash:
        item.stash[_OVER].set()
    return (yield)


_OVER = pytest.StashKey[threading.Event]()


def _watch(over: threading.Event, seconds: float, config: pytest.Config) -> None:
    """Take away what a test may still wait for, one step after the other; after the last one we end ourselves."""
    patience = min(seconds, _PATIENCE_S)
    for pause, step in ((seconds + patience, _hang_up), (patience, _kill_children), (patience, None)):
        if over.wait(pause):
            return
        if step:
            step()
    capture = config.pluginmanager.getplugin("capturemanager")
    if capture:
        capture.suspend_global_capture()
    faulthandler.dump_traceback(sys.__stderr__ or 2)
    os._exit(1)


def _hang_up() -> None:
    """Close our end of each mount of this process, and unmount it: who waits there hears ENOTCONN."""
    fuse = sys.modules.get("livefw.machine.fuse.server")
    for tree in [each for each in gc.get_objects() if fuse and type(each) is fuse.MountedTree]:
        with suppress(OSError), open(os.devnull, "rb") as nothing:
            os.dup2(nothing.fileno(), tree._mount.device)
            tree._server.stop()
        with suppress(Exception):  # whatever it is, there may be further ones
            sys.modules["livefw.machine.fuse.mount"].unmount(tree.directory)


def _kill_children() -> None:
    """Everything below us; a mount whose server is gone answers at once."""
    for pid in below(os.getpid()):
        with suppress(OSError):
            os.kill(pid, signal.SIGKILL)


def below(pid: int) -> Iterator[int]:
    """All processes that a process has started, and those have."""
    with suppress(OSError):
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/children", encoding="ascii") as file:
                for child in map(int, file.read().split()):
                    yield from below(child)
                    yield child


_COUNTED = {"truth": "truth.conftest", "faults": "faults.conftest", "docs": "docs.conftest"}
"""Properties in which tests keep counts, and the module with a ``summary`` of each."""


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Tell what was counted. Here, because a run in several processes knows of no other file in its first."""
    reports = [r for kind in ("passed", "failed") for r in terminalreporter.stats.get(kind, ())]
    told = [entry for report in reports for entry in getattr(report, "user_properties", ())]
    known = {name for name, _ in told}
    for module in (module for name, module in _COUNTED.items() if name in known):  # where one of its tests has run
        for line in importlib.import_module(f".{module}", __package__).summary(told):
            terminalreporter.write_line(line)


@pytest.fixture(autouse=True, scope="session")
def documents() -> Iterator[None]:
    """Hold every document that a test reads against the schema that livefw ships of its JSON output."""
    loads = json.loads

    def checked(text: Any, **options: Any) -> Any:
        found = loads(text, **options)
        if isinstance(found, dict) and found.get("schema") == "livefw/1":
            from .schema.checked import errors  # where there is one

            assert errors(found) == []
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json, "loads", checked)
        yield
