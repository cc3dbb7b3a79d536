# SPDX-License-Identifier: Apache-2.0
"""plan, activate's options, history, watch and policy, as a person and a script meet them."""

import json
import os
import pty
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

import livefw
from livefw.activation.history.journal import Head, Journal
from livefw.activation.measure.meter import CpuRow, Measurement
from livefw.cli.main import main
from livefw.errors import PermissionDenied
from livefw.providers.lfa.fake import RMM
from livefw.render import attempt

KEY = f"lfa:{RMM}"


def trigger(root: Any) -> Path:
    path: Path = root.file(f"/sys/firmware/lfa/{RMM}/activate")
    return path


def settings(root: Any, text: str) -> None:
    path = root.file("/etc/livefw/livefw.toml")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_a_plan_says_what_it_costs_and_does_nothing(ready: Any) -> None:
    done = ready.run("plan")
    assert (done.code, done.err) == (0, "")
    assert re.search(r"TF-RMM +1\.0 +1\.2 +all +never +\d+ \w+ +ready", done.out)
    assert "stops all CPUs; never done here before" in done.out
    (step,) = ready.run("--json", "plan", "tf-rmm").json["steps"]
    assert (step["component"]["key"], step["stopped"]) == (KEY, False)
    assert [problem["check"] for problem in step["problems"]] == ["stake"]
    assert trigger(ready).read_bytes() == b""
    assert ready.run("history").code == 3  # all that it recorded is since when the image is pending


@pytest.mark.parametrize(
    ("outcomes", "text", "tried", "succeeded"),
    [
        ([], "never done here before", 0, 0),
        (["cancelled", "refused"], "never done here before", 0, 0),  # nothing was asked for
        (["failed"], "tried once here, never with success", 1, 0),
        (["failed", "failed", "failed"], "tried 3 times here, never with success", 3, 0),
        (["failed", "unknown"], "tried 2 times here, never with certain success", 2, 0),
        (["activated", *["failed"] * 25], "took 2.5 s here before (once, at worst 2.5 s)", 26, 1),
        (["reconciled"], "done once here before, and nobody saw how long it took", 1, 1),
        (["activated", "activated"], "took 2.5 s here before (2 times, at worst 2.5 s)", 2, 2),
    ],
)
def test_a_plan_says_what_became_of_it_before(
    ready: Any, outcomes: list[str], text: str, tried: int, succeeded: int
) -> None:
    journal = Journal.open(str(ready.path.parent / "state"))
    for outcome in outcomes:
        seconds = {} if outcome == "reconciled" else {"seconds": 2.5}
        ended = {"outcome": "activated" if outcome == "reconciled" else outcome, **seconds}
        journal.end(journal.begin(KEY, {}), KEY, ended)
    journal.close()
    assert text in ready.run("plan").out
    (step,) = ready.run("--json", "plan").json["steps"]
    assert (step["tried"], step["succeeded"]) == (tried, succeeded)


def test_a_plan_does_not_claim_what_it_could_not_read(
    ready: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def denied(*_: str) -> None:
        raise PermissionDenied("history.db cannot be read")

    monkeypatch.setattr(Journal, "open_to_read", denied)
    monkeypatch.setattr(os, "environ", ready.environment)
    assert main(["--root", str(ready.path), "plan"]) == 0
    assert "stops all CPUs; the history of it cannot be read" in capsys.readouterr().out


def test_a_plan_that_cannot_be_carried_out_says_why(ready: Any) -> None:
    settings(ready, f"deny = ['{KEY}']")
    done = ready.run("plan")
    assert done.code == 4
    assert re.search(r"blocks +policy: the policy does not allow", done.out)
    assert ready.run("activate", "--dry-run", "tf-rmm").code == 4
    assert ready.run("activate", "--all").code == 3
    refused = ready.run("--json", "activate", "tf-rmm")
    assert (refused.code, refused.json["results"][0]["code"]) == (4, "policy")
    assert trigger(ready).read_bytes() == b""


@pytest.mark.parametrize(
    ("words", "code", "kind"),
    [
        (("plan",), 3, "nothing-here"),
        (("plan", "x"), 3, "nothing-here"),
        (("plan", "--ignore", "nothing"), 2, "usage"),
        (("activate", "x", "--on-failure", "explode"), 2, "usage"),
        (("history",), 3, "nothing-to-do"),
        (("history", "--head", "x"), 2, "usage"),
        (("watch", "--interval", "0"), 2, "usage"),
    ],
)
def test_what_cannot_be_is_an_error_with_its_code(empty: Any, words: tuple[str, ...], code: int, kind: str) -> None:
    done = empty.run("--json", *words)
    assert (done.code, done.json["error"]["kind"]) == (code, kind)


def test_a_mistake_in_the_settings_is_told_with_its_place(ready: Any) -> None:
    settings(ready, "denny = []")
    for words in (("plan",), ("activate", "tf-rmm"), ("watch",)):
        done = ready.run("--json", *words)
        assert done.code == 2
        assert "livefw.toml: denny: unknown key" in done.json["error"]["message"]
    assert trigger(ready).read_bytes() == b""


def test_policy_lists_every_key_and_check(ready: Any) -> None:
    document = ready.run("--json", "policy", "--keys").json
    assert "window[].from" in {row["path"] for row in document["keys"]}
    assert "cpus-offline" in {row["name"] for row in document["checks"]}
    assert "not there, so the defaults hold" in ready.run("policy").out


def test_no_history_no_activation_unless_told(ready: Any) -> None:
    (ready.path.parent / "state").write_text("in the way")
    done = ready.run("--json", "activate", "tf-rmm")
    assert (done.code, done.json["error"]["kind"]) == (4, "refused")
    assert trigger(ready).read_bytes() == b""
    done = ready.run("--json", "activate", "tf-rmm", "--no-journal")
    assert done.json["results"][0]["record"]["trouble"] == "not recorded, as was asked"
    assert trigger(ready).read_bytes() == b"1\n"


def test_a_cancellation_is_in_the_history_and_needs_no_settings(ready: Any) -> None:
    settings(ready, "denny = []")
    done = ready.run("cancel", "tf-rmm", "--reason", "wrong image")
    assert (done.code, "not in the history" in done.out) == (0, False)
    assert re.search(r"TF-RMM +cancel: cancelled +1\.0 .*wrong image", ready.run("history").out)
    (row,) = ready.run("--json", "history").json["history"]
    assert (row["outcome"]["kind"], row["outcome"]["actor"]["face"]) == ("cancellation", "cli")


def test_a_history_does_not_claim_what_nobody_knows(ready: Any) -> None:
    """The plain file takes the write, and nothing moves: success was reported, and nothing shows it."""
    assert ready.run("activate", "tf-rmm").code == 6
    assert re.search(r"TF-RMM +unknown +1\.0 -> 1\.2\? ", ready.run("history").out)


class Terminal:
    """The command at a terminal."""

    def __init__(self, root: Any, *words: str) -> None:
        self.end, other = pty.openpty()
        self.process = subprocess.Popen(
            root.command(*words), stdin=other, stdout=other, stderr=other, env=root.environment, start_new_session=True
        )
        os.close(other)
        self.seen = ""

    def hear(self, text: str) -> None:
        """Read until this is on the screen."""
        while text not in self.seen:
            self.seen += os.read(self.end, 4096).decode()

    def type(self, text: str) -> int:
        """Type a line; the exit code."""
        os.write(self.end, text.encode())
        return self.wait()

    def wait(self) -> int:
        """The exit code."""
        try:
            while piece := os.read(self.end, 4096):
                self.seen += piece.decode()
        except OSError:
            pass  # EIO: nobody is at the other end any more
        os.close(self.end)
        return self.process.wait()


@pytest.mark.parametrize("answer", ["n\n", "\n", "\x04", "yess\n", "\x03"])
def test_at_a_terminal_it_asks_and_takes_only_yes(ready: Any, answer: str) -> None:
    terminal = Terminal(ready, "activate", "tf-rmm")
    terminal.hear("Activate this now? [y/N] ")
    assert re.search(r"TF-RMM +1\.0 +1\.2 ", terminal.seen)
    if answer == "\x03":  # the terminal is not the controlling one here, so that Ctrl-C is sent by hand
        terminal.process.send_signal(signal.SIGINT)
        assert terminal.wait() == 130
    else:
        assert terminal.type(answer) == 130
    assert "nothing was started" in terminal.seen
    assert trigger(ready).read_bytes() == b""


def test_at_a_terminal_yes_goes_on(ready: Any) -> None:
    terminal = Terminal(ready, "activate", "tf-rmm")
    terminal.hear("[y/N] ")
    terminal.type("y\n")
    assert trigger(ready).read_bytes() == b"1\n"


def test_at_a_terminal_only_what_was_shown_is_activated(ready: Any) -> None:
    terminal = Terminal(ready, "activate", "--all")
    terminal.hear("[y/N] ")
    (trigger(ready).parent / "pending_version").write_text("9.9\n")
    assert terminal.type("y\n") == 4
    assert "version 9.9 is pending, and not 1.2, which was confirmed" in terminal.seen
    assert trigger(ready).read_bytes() == b""


def test_at_a_terminal_nobody_is_asked_who_said_yes(ready: Any) -> None:
    terminal = Terminal(ready, "activate", "tf-rmm", "--yes")
    terminal.wait()
    assert "[y/N]" not in terminal.seen
    assert trigger(ready).read_bytes() == b"1\n"


@pytest.mark.fuse
def test_a_history_from_the_first_row_to_the_picture(vera: Any, tmp_path: Path) -> None:
    done = vera.run("activate", "--all", "--reason", "CVE-2026-0001")
    assert done.code == 0, done.err
    assert "activated, 1.0 -> 1.1" in done.out
    assert "on CPUs 0-87 together; by the model's own clock" in done.out
    shown = vera.run("history")
    assert re.search(r"TF-RMM +activated +1\.0 -> 1\.1 +\d\.\d s +root.*CVE-2026-0001", shown.out)
    (entry,) = vera.run("--json", "history", "tf-rmm", "--since", "1h").json["history"]
    assert (entry["intent"]["reason"], entry["outcome"]["outcome"]) == ("CVE-2026-0001", "activated")
    for nothing in (("history", "nobody"), ("history", "--since", "2200-01-01")):
        assert vera.run(*nothing).code == 3
    assert vera.run("history", "--since", "yesterday").code == 2
    head = vera.run("--json", "history", "--verify").json["head"]
    assert Head.parse(head).sequence == 4  # with those about what is pending
    assert vera.run("history", "--verify", "--head", head).code == 0
    assert vera.run("history", "--verify", "--head", f"2:{'0' * 64}").code == 1
    picture = tmp_path / "cost.svg"
    assert vera.run("history", "--plot", str(picture)).code == 0
    assert ElementTree.parse(picture).getroot().tag.endswith("svg")
    assert vera.run("history", "--plot", str(tmp_path)).code == 1
    vera.machine.stage("rmm")
    assert re.search(r"took \d\.\d s here before \(once", vera.run("plan").out)


@pytest.mark.fuse
def test_what_is_against_it_and_how_to_go_on_regardless(vera: Any) -> None:
    vera.machine.cpu_off(5)
    hook = vera.path.parent / "settings/checks.d/backup"
    hook.parent.mkdir(parents=True, mode=0o755)
    hook.write_text("#!/bin/sh\necho the backup is running; exit 1\n")
    hook.chmod(0o755)
    refused = vera.run("activate", "tf-rmm", "--settings", str(hook.parent.parent))
    assert refused.code == 4
    assert "1 CPU is offline: 5" in refused.out
    assert "also blocked by: hook:backup: the backup is running" in refused.out
    options = re.search(r"to override: (.*)", refused.out)
    assert options
    done = vera.run("activate", "tf-rmm", "--settings", str(hook.parent.parent), *options[1].split())
    assert done.code == 0
    assert "ignored: cpus-offline:" in done.out
    ignored = vera.run("--json", "history").json["history"][0]["intent"]["ignored"]
    assert [each["check"] for each in ignored] == ["cpus-offline", "hook:backup"]


@pytest.mark.fuse
def test_watch_tells_in_json_what_it_does_until_it_is_told_to_end(vera: Any) -> None:
    settings_directory = vera.path.parent / "settings"
    settings_directory.mkdir()
    (settings_directory / "livefw.toml").write_text("automatic = ['tf-rmm']")
    with vera.start("--json", "watch", "--interval", "0.1", "--settings", str(settings_directory)) as watching:
        assert watching.stdout
        events = []
        for line in watching.stdout:
            events.append(json.loads(line))
            if events[-1]["event"] == "not-pending":
                break
        watching.send_signal(signal.SIGTERM)
        assert watching.stdout.read() == ""
        assert watching.wait() == 0
    assert [each["event"] for each in events] == ["present"] * 4 + ["activation", "version", "not-pending"]
    assert {each["schema"] for each in events} == {"livefw/1"}
    assert events[4]["outcome"] == "activated"


def test_starting_is_not_slower_for_it() -> None:
    """What the engine needs is loaded by those who use it. Without `site`, for a .pth may load anything."""
    sources = str(Path(livefw.__file__).parents[1])
    code = f"import sys; sys.path.insert(0, {sources!r}); import livefw.cli.main, livefw.cli.list; print(*sys.modules)"
    probe = [sys.executable, "-S", "-c", code]
    loaded = subprocess.run(probe, capture_output=True, text=True, check=True).stdout.split()
    assert not {"sqlite3", "tomllib", "subprocess", "hashlib", "zoneinfo"} & set(loaded)
    assert not any(name.startswith("livefw.activation.") and name.endswith(("engine", "journal")) for name in loaded)


@pytest.mark.fuse
def test_watch_takes_over_new_settings_while_it_runs(vera: Any) -> None:
    directory = vera.path.parent / "settings"
    directory.mkdir()

    def write(text: str) -> None:  # in one step, or half of it would be read
        (directory / "new").write_text(text)
        (directory / "new").rename(directory / "livefw.toml")

    with vera.start("--json", "watch", "--interval", "0.1", "--settings", str(directory)) as watching:
        assert watching.stdout
        told = []
        for line in watching.stdout:
            told.append(json.loads(line))
            names = [each["event"] for each in told]
            if names.count("present") == 4 and len(told) == 4:
                write("automatik = []")
            elif names[-1] == "settings" and names.count("settings") == 1:
                write("automatic = ['tf-rmm']")
            elif names[-1] == "activation":
                break
        watching.send_signal(signal.SIGTERM)
        watching.stdout.read()
        assert watching.wait() == 0
    assert [each["event"] for each in told] == ["present"] * 4 + ["settings", "settings", "activation"]
    assert "automatik: unknown key" in told[4]["text"]


ONE, ANOTHER, ALL = (CpuRow(cpus, ns, None, ()) for cpus, ns in (("25", 60_300_000), ("49", 5), ("0-87", 7_330_000)))
PAIR = CpuRow("3,49", 5, None, ())
COSTS = {
    (): "no CPU was away",
    (ONE,): "longest stop 60.3 ms (CPU 25); by the model's own clock",
    (ONE, ANOTHER): "longest stop 60.3 ms (CPU 25); by the model's own clock",
    (ONE, ALL): "longest stop 60.3 ms (CPU 25), 7.33 ms on CPUs 0-87 together; by the model's own clock",
    (ANOTHER, ALL): "longest stop 7.33 ms on CPUs 0-87 together; by the model's own clock",
    (ALL, PAIR): "longest stop 7.33 ms on CPUs 0-87 together; by the model's own clock",
}


@pytest.mark.parametrize("rows", COSTS)
def test_what_it_cost_names_the_cpus(rows: tuple[CpuRow, ...]) -> None:
    assert attempt.cost_text(Measurement("model", 1.0, rows)) == COSTS[rows]
