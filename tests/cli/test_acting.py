# SPDX-License-Identifier: Apache-2.0
"""activate and cancel on plain files: outcomes, exit codes, and Ctrl-C while a write blocks.

A FIFO in the place of ``activate`` is a kernel that is at work until the test opens it for reading.
"""

import json
import os
import resource
import select
import signal
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from livefw.providers.lfa.fake import RMM, FakeLfa

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

DIRECTORY = f"/sys/firmware/lfa/{RMM}"


class Blocking:
    """A command that is in the middle of its write."""

    def __init__(self, root: Any, *words: str) -> None:
        self.root = root
        self.fifo: Path = root.file(f"{DIRECTORY}/{words[-2] if words[-2] in ('activate', 'cancel') else 'activate'}")
        self.fifo.unlink()
        os.mkfifo(self.fifo)
        self.process: subprocess.Popen[str] = root.start(*words)
        while not self.writer():
            assert self.process.poll() is None, self.process.communicate()

    def writer(self) -> list[int]:
        """The child that writes, once it has left the session of its parent and is out of reach of its signals."""
        path = f"/proc/{self.process.pid}/task/{self.process.pid}/children"
        with open(path, encoding="ascii") as file:
            return [child for child in map(int, file.read().split()) if os.getsid(child) == child]

    def interrupt(self, number: int = signal.SIGINT) -> None:
        """As a terminal does: everybody in the foreground gets it."""
        os.killpg(self.process.pid, number)

    def hear(self, text: str) -> None:
        """Read standard error until this is said."""
        assert self.process.stderr
        for line in self.process.stderr:
            if text in line:
                return
        pytest.fail(f"{text!r} was never said")

    def answer(self, **texts: str) -> bytes:
        """Let the kernel finish, with other attribute texts; what was written to it."""
        for name, text in texts.items():
            self.root.file(f"{DIRECTORY}/{name}").write_text(f"{text}\n")
        return self.fifo.read_bytes()

    def end(self) -> tuple[int, str]:
        """Exit code and standard output."""
        out, _ = self.process.communicate(timeout=60)
        return self.process.returncode, out


@pytest.fixture
def blocking(ready: Any) -> Iterator[Blocking]:
    """Whatever a test does, nobody is left waiting at the FIFO."""
    running = Blocking(ready, "--json", "activate", RMM)
    yield running
    os.close(os.open(running.fifo, os.O_RDONLY | os.O_NONBLOCK))
    running.process.kill()
    running.process.communicate()


def outcome(out: str) -> str:
    (result,) = json.loads(out)["results"]
    return str(result["outcome"])


def test_a_success_that_shows(blocking: Blocking) -> None:
    assert blocking.answer(activation_pending="0", current_version="1.2") == b"1\n"
    code, out = blocking.end()
    assert (code, outcome(out)) == (0, "activated")
    (result,) = json.loads(out)["results"]
    assert (result["before"]["current_version"], result["after"]["current_version"]) == ("1.0", "1.2")


def test_a_success_that_does_not_show_is_not_believed(blocking: Blocking) -> None:
    blocking.answer()
    code, out = blocking.end()
    assert (code, outcome(out)) == (6, "unknown")


def test_the_first_ctrl_c_tells_the_truth_and_keeps_watching(blocking: Blocking) -> None:
    blocking.interrupt()
    blocking.hear("cannot be interrupted")
    blocking.hear(f" cancel lfa:{RMM}")
    blocking.answer(activation_pending="0", current_version="1.2")
    code, out = blocking.end()
    assert (code, outcome(out)) == (0, "activated")


def test_the_second_ctrl_c_stops_the_watching_and_nothing_else(blocking: Blocking) -> None:
    blocking.interrupt()
    blocking.hear("cannot be interrupted")
    blocking.interrupt()
    blocking.hear(f" show lfa:{RMM}")
    code, out = blocking.end()
    assert (code, outcome(out)) == (6, "unknown")
    assert blocking.answer() == b"1\n"


def test_while_it_runs_every_command_says_who_is_at_work(blocking: Blocking) -> None:
    """And none takes it for an earlier one, though the history has no outcome of it yet."""
    root, pid = blocking.root, blocking.process.pid
    user = root.run("--json", "plan").json["running"]["user"]
    by = f"by {user}, process {pid}, for "
    for words in (("list",), ("show", RMM), ("plan",)):
        done = root.run(*words)
        assert ("activating for " in done.out, f"by {user}" in done.out, "no outcome yet" in done.out) == (
            True,
            True,
            False,
        ), words
    assert by in root.run("plan").out
    assert by in root.run("activate", RMM).err
    (component,) = root.run("--json", "list").json["components"]
    assert component["state"]["running"]["pid"] == pid
    assert component["state"]["activation"]
    blocking.answer(activation_pending="0", current_version="1.2")
    assert blocking.end()[0] == 0
    (component,) = root.run("--json", "list").json["components"]
    assert component["state"]["code"] == "up-to-date"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_being_told_to_end_stops_the_watching_at_once(blocking: Blocking, number: int) -> None:
    blocking.interrupt(number)
    code, out = blocking.end()
    assert (code, outcome(out)) == (6, "unknown")
    assert blocking.answer() == b"1\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_what_nobody_watched_to_its_end_is_found_out_later(ready: Any, number: int) -> None:
    """A connection that breaks takes the terminal with it, and the record still tells the truth in the end."""
    boot_id = ready.file("/proc/sys/kernel/random/boot_id")
    boot_id.parent.mkdir(parents=True)
    boot_id.write_text("0f2e\n")
    running = Blocking(ready, "activate", RMM)
    (writer,) = map(os.pidfd_open, running.writer())
    running.interrupt(number)
    code, out = running.end()
    if number != signal.SIGKILL:
        assert (code, "unfinished in the history: the next run" in out) == (6, True)
    assert "unfinished" in ready.run("history").out
    assert ready.run("--json", "activate", RMM).json["error"]["kind"] == "refused", "the write has the machine"
    running.answer(activation_pending="0", current_version="1.2")
    select.select([writer], [], [], 60)
    os.close(writer)
    done = ready.run("--json", "activate", "--all")
    assert done.code == 3
    (entry,) = ready.run("--json", "history").json["history"]
    assert (entry["outcome"]["outcome"], entry["outcome"]["reconciled"]) == ("activated", True)
    assert ready.run("history", "--verify").code == 0


def test_a_kill_does_not_reach_the_write(blocking: Blocking) -> None:
    blocking.interrupt(signal.SIGKILL)
    blocking.end()
    assert blocking.answer() == b"1\n"


def test_after_a_ctrl_c_nothing_further_is_started(ready: Any) -> None:
    other = "0509b633-5734-422f-a681-6096e932d93a"
    bench = FakeLfa()
    bench.add(other, name="other")
    ready.plant(bench)
    running = Blocking(ready, "--json", "activate", RMM, other)
    running.interrupt()
    running.hear("cannot be interrupted")
    running.answer(activation_pending="0", current_version="1.2")
    code, out = running.end()
    assert code == 130
    assert outcome(out) == "activated"
    assert ready.file(f"/sys/firmware/lfa/{other}/activate").read_bytes() == b""


@pytest.mark.parametrize(
    ("texts", "code", "why"),
    [
        ({"activation_pending": "0"}, 3, "not-pending"),
        ({"activation_capable": "0"}, 4, "not-capable"),
        ({"may_reset_cpu": "1"}, 4, "resets-cpu"),
    ],
)
def test_what_cannot_work_is_refused_and_nothing_is_written(
    planted: Any, texts: dict[str, str], code: int, why: str
) -> None:
    bench = FakeLfa()
    bench.add()
    for name, text in texts.items():
        bench.set(name, text)
    root = planted(bench)
    done = root.run("--json", "activate", RMM)
    assert done.code == code
    (result,) = done.json["results"]
    assert (result["outcome"], result["code"]) == ("refused", why)
    assert root.file(f"{DIRECTORY}/activate").read_bytes() == b""


def test_all_with_nothing_pending_is_nothing_to_do(planted: Any) -> None:
    bench = FakeLfa()
    bench.add(activation_pending="0")
    done = planted(bench).run("--json", "activate", "--all")
    assert (done.code, done.json["error"]["kind"]) == (3, "nothing-to-do")


def test_cancel(ready: Any) -> None:
    done = ready.run("--json", "cancel", "tf-rmm")
    assert done.code == 0
    assert done.json["results"][0]["outcome"] == "cancelled"
    assert ready.file(f"{DIRECTORY}/cancel").read_bytes() == b"1\n"
    assert ready.file(f"{DIRECTORY}/activate").read_bytes() == b""


def test_a_trigger_that_is_gone(ready: Any) -> None:
    ready.file(f"{DIRECTORY}/cancel").unlink()
    done = ready.run("--json", "cancel", RMM)
    assert (done.code, done.json["results"][0]["code"]) == (4, "vanished")


@pytest.mark.parametrize("limit", range(8, 24))
def test_with_too_few_descriptors_nothing_is_said_to_have_been_tried_that_was_not(ready: Any, limit: int) -> None:
    """Wherever they run out: in looking, at the history, at the pipe to the writer, or in the writer."""

    def few() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))

    done = ready.run("--json", "activate", RMM, preexec_fn=few)
    told = {result["outcome"] for result in done.json.get("results", [])}
    if ready.file(f"{DIRECTORY}/activate").read_bytes():
        assert told - {"refused"}, done.out
    else:
        assert told <= {"refused"}, done.out
        assert done.code == 4 if told else "error" in done.json


def test_the_text_of_a_result_names_outcome_reason_and_hint(ready: Any) -> None:
    ready.file(f"{DIRECTORY}/may_reset_cpu").write_text("1\n")
    done = ready.run("activate", RMM)
    assert done.code == 4
    assert f"TF-RMM (lfa:{RMM}): refused" in done.out
    assert "reset CPUs" in done.out
    assert "hint: " in done.out
