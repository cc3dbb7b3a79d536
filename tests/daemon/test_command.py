# SPDX-License-Identifier: Apache-2.0
"""The command says the same through the daemon as alone."""

import json
import os
import pty
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from livefw.cli.main import main
from livefw.dbus import wire
from livefw.dbus.wire import Message, MessageType

from .conftest import Daemon, Serve


def _livefw(daemon: Daemon, *words: str, through: bool, **more: Any) -> subprocess.CompletedProcess[str]:
    environment = {**daemon.environment, **({"LIVEFW_SOCKET": daemon.path} if through else {})}
    return subprocess.run(
        [sys.executable, "-m", "livefw", "--root", str(daemon.root), *words],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        stdin=subprocess.DEVNULL,
        **more,
    )


LOOKS = [
    ("list",),
    ("--json", "list"),
    ("show", "TF-RMM"),
    ("--json", "show", "tf-rmm", "0509b633"),
    ("show", "nothing"),
    ("plan",),
    ("--json", "plan", "TF-RMM"),
    ("plan", "SCP"),
    ("plan", "--ignore", "nonsense"),
    ("history",),
    ("--json", "history"),
    ("history", "--verify"),
    ("activate", "--dry-run", "--all"),
    ("activate",),
    ("activate", "nothing"),
    ("--json", "activate", "nothing"),
]


def _timeless(done: subprocess.CompletedProcess[str]) -> tuple[int, list[str], str]:
    """What it says, without how old an image is, and how wide that is."""
    return done.returncode, re.sub(r"\b\d+ (s|min)\b", "<age>", done.stdout).split(), done.stderr


def test_looking_says_the_same(planted: Path, serve: Serve) -> None:
    daemon = serve(planted)
    different = {}
    for words in LOOKS:
        alone = _livefw(daemon, *words, through=False)
        served = _livefw(daemon, *words, through=True)
        if _timeless(alone) != _timeless(served):
            different[words] = (alone, served)
    assert different == {}


def test_activating_goes_through_it(planted: Path, serve: Serve) -> None:
    daemon = serve(planted)
    done = _livefw(daemon, "--json", "activate", "TF-RMM", "--reason", "a test", through=True)
    (result,) = json.loads(done.stdout)["results"]
    assert result["component"].startswith("lfa:")
    history = json.loads(_livefw(daemon, "--json", "history", through=True).stdout)["history"]
    assert [(row["intent"]["actor"]["face"], row["intent"]["reason"]) for row in history] == [("daemon", "a test")]


def test_without_a_daemon_it_works_alone(planted: Path, serve: Serve) -> None:
    daemon = serve(planted)
    daemon.end()
    alone = _livefw(daemon, "plan", through=False)
    assert _timeless(_livefw(daemon, "plan", through=True)) == _timeless(alone)
    assert alone.stdout != ""


@pytest.mark.fwupd
def test_fwupdmgr_is_led_to_it(planted: Path, serve: Serve, fwupdmgr: str) -> None:
    daemon = serve(planted)
    environment = {**daemon.environment, "LIVEFW_SOCKET": daemon.path, "FWUPD_POLKIT_NOCHECK": "1"}
    words = [sys.executable, "-m", "livefw", "fwupdmgr", "get-devices", "--json"]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "TF-RMM" in {device["Name"] for device in json.loads(done.stdout)["Devices"]}


class Terminal:
    """The command at a terminal, through the daemon."""

    def __init__(self, daemon: Daemon, *words: str) -> None:
        self.end, other = pty.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "livefw", "--root", str(daemon.root), *words],
            env={**daemon.environment, "LIVEFW_SOCKET": daemon.path},
            stdin=other,
            stdout=other,
            stderr=other,
            start_new_session=True,
        )
        os.close(other)
        self.seen = ""

    def answer(self, text: str) -> int:
        """Type something at the question; the exit code."""
        while "[y/N] " not in self.seen:
            self.seen += os.read(self.end, 4096).decode()
        os.write(self.end, text.encode())
        return self.wait()

    def wait(self) -> int:
        """The exit code, with the rest of what is seen."""
        with suppress(OSError):  # EIO: nobody is at the other end any more
            while piece := os.read(self.end, 4096):
                self.seen += piece.decode()
        os.close(self.end)
        return self.process.wait(60)


def _tried(daemon: Daemon) -> list[str]:
    """Reasons of the activations of the history."""
    done = _livefw(daemon, "--json", "history", through=True)
    return [row["intent"]["reason"] for row in json.loads(done.stdout).get("history", [])]


@pytest.mark.parametrize("answer", ["n\n", "\n", "\x04", "yess\n"])
def test_at_a_terminal_it_asks_and_takes_only_yes(planted: Path, serve: Serve, answer: str) -> None:
    daemon = serve(planted)
    terminal = Terminal(daemon, "activate", "TF-RMM")
    assert terminal.answer(answer) == 130
    assert re.search(r"TF-RMM +1\.0 +1\.2 ", terminal.seen)
    assert "not confirmed; nothing was started" in terminal.seen
    assert _tried(daemon) == []


@pytest.mark.parametrize("words", [(), ("--yes",)])
def test_at_a_terminal_yes_goes_on_and_tells_what_begins(planted: Path, serve: Serve, words: tuple[str, ...]) -> None:
    daemon = serve(planted)
    terminal = Terminal(daemon, "activate", "TF-RMM", "--reason", "yes", *words)
    assert terminal.wait() if words else terminal.answer("Y\n")  # of files that nothing stands behind
    assert "activate TF-RMM 1.0 -> 1.2" in terminal.seen
    assert ("Activate now?" in terminal.seen) is (not words)
    assert _tried(daemon) == ["yes"]


def _settings(planted: Path, text: str) -> None:
    (planted / "etc/livefw").mkdir(parents=True)
    (planted / "etc/livefw/livefw.toml").write_text(text, encoding="ascii")


def test_at_a_terminal_nobody_is_asked_about_what_cannot_be(planted: Path, serve: Serve) -> None:
    _settings(planted, 'deny = ["TF-RMM"]')
    daemon = serve(planted)
    terminal = Terminal(daemon, "activate", "TF-RMM", "--reason", "in vain")
    assert terminal.wait() == 4
    assert "Activate now?" not in terminal.seen
    assert "the policy does not allow" in terminal.seen


@pytest.mark.parametrize("through", [True, False])
def test_what_matches_nothing_is_told_by_both(planted: Path, serve: Serve, through: bool) -> None:
    _settings(planted, 'deny = ["tf-rm"]')
    places = () if through else ("--settings", str(planted / "etc/livefw"))
    done = _livefw(serve(planted), "activate", "TF-RMM", *places, through=through)
    assert "livefw: settings: deny: 'tf-rm' matches no component here; close to it: TF-RMM\n" in done.stderr


RETURN, ERROR = MessageType.RETURN, MessageType.ERROR
DENIED, LIMITS = "org.freedesktop.DBus.Error.AccessDenied", "org.freedesktop.DBus.Error.LimitsExceeded"
Reply = Callable[[Message], list[Message]]


def _returns(document: str, text: str = "done", code: int = 0) -> Reply:
    return lambda asked: [Message(RETURN, 1, (document, text, code), "ssi", reply_serial=asked.serial)]


def _fails(name: str, *text: str) -> Reply:
    return lambda asked: [Message(ERROR, 1, text, "s" * len(text), error_name=name, reply_serial=asked.serial)]


def _watched(*events: dict[str, Any]) -> Reply:
    """An activation, with what happens meanwhile."""
    told = [
        Message(MessageType.SIGNAL, 1, (json.dumps(each),), "s", path="/a", interface="a.b", member="Event")
        for each in events
    ]
    other = Message(MessageType.SIGNAL, 1, ("no JSON",), "s", path="/a", interface="a.b", member="Changed")
    return lambda asked: [*told, other, *_returns('{"results": []}')(asked)]


@contextmanager
def _livefwd(path: Path, reply: Reply) -> Iterator[None]:
    """A daemon that answers one client as it is told."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()

        def serve() -> None:
            client, _ = listener.accept()
            with client, client.makefile("rb") as stream:
                while (line := stream.readline()) != b"BEGIN\r\n":
                    client.sendall(b"OK 00\r\n" if b"AUTH" in line else b"ERROR\r\n")
                while head := stream.read(16):
                    asked = wire.decode(head + stream.read((wire.message_size(head) or 0) - 16))
                    watch = [Message(RETURN, 1, reply_serial=asked.serial)]
                    told = watch if asked.member == "Watch" else reply(asked)
                    if not told:
                        return
                    for each in told:
                        client.sendall(wire.encode(each))

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield
        finally:
            thread.join()


AGAIN = "the activation continues without it; livefw --root {root} history shows how it ended"


@pytest.mark.parametrize(
    ("words", "reply", "code", "text"),
    [
        (("plan",), _fails(DENIED, "root may"), 5, "livefwd: root may"),
        (("plan",), _fails(LIMITS, "too many words"), 1, "livefwd: too many words"),
        (("plan",), _fails(LIMITS), 1, "livefwd: "),
        (("plan",), lambda _: [], 1, "livefwd has not answered: the peer has closed"),
        (("plan",), _returns("no JSON"), 1, "livefwd has not answered"),
        (("activate", "x"), lambda _: [], 1, AGAIN),
        (("activate", "x"), _fails(DENIED, "root may"), 5, "livefwd: root may"),
        (("plan",), _returns('{"error": {"kind": "x"}}', "it says so", 4), 4, "it says so"),
        (("activate", "x"), _watched(), 0, ""),
        (("activate", "x"), _watched({"event": "said", "text": "a hint"}), 0, "livefw: a hint"),
        (("activate", "x"), _watched({"event": "tick", "seconds": 1.0}), 0, ""),
    ],
)
def test_whatever_the_daemon_answers_is_told(
    folder: Path, words: tuple[str, ...], reply: Reply, code: int, text: str
) -> None:
    with _livefwd(folder / "s", reply):
        done = subprocess.run(
            [sys.executable, "-m", "livefw", "--root", str(folder), *words],
            env=os.environ | {"LIVEFW_SOCKET": str(folder / "s")},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            stdin=subprocess.DEVNULL,
        )
    assert done.returncode == code
    assert text.format(root=folder) in done.stderr
    assert "Traceback" not in done.stderr


AGENT = """#!{python}
import os, signal, sys
with open("{folder}/agent", "w") as file:
    print(os.getpid(), *sys.argv[1:-1], file=file)
os.close(int(sys.argv[-1]))
signal.pause()
"""


@pytest.mark.parametrize("there", [True, False])
def test_polkits_agent_is_there_while_a_person_is_asked(
    folder: Path, monkeypatch: pytest.MonkeyPatch, there: bool
) -> None:
    """polkit: pkttyagent(1), ``--notify-fd`` is closed when the agent has registered."""
    program, agent = folder / "pkttyagent", folder / "agent"
    if there:
        program.write_text(AGENT.format(python=sys.executable, folder=folder), encoding="ascii")
        program.chmod(0o755)
    states: list[str] = []

    def reply(asked: Message) -> list[Message]:
        if there:
            status = Path("/proc", agent.read_text().split()[0], "status").read_text()
            states.append(status.partition("State:")[2].split()[0])
        return _returns('{"results": []}')(asked)

    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setattr("sys.stdin", SimpleNamespace(isatty=lambda: True))
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("LIVEFW_SOCKET", str(folder / "s"))
    with _livefwd(folder / "s", reply):
        assert main(["--root", str(folder), "activate", "x", "--yes"]) == 0
    assert agent.exists() is there
    if there:
        pid, *words = agent.read_text().split()
        assert words == ["--fallback", "--notify-fd"]
        assert not {*states} & {"Z", "X"}
        assert not Path("/proc", pid).exists()


def test_what_the_daemons_calls_cannot_say_is_answered_alone(planted: Path, serve: Serve) -> None:
    daemon = serve(planted)
    for _ in range(2):
        _livefw(daemon, "activate", "TF-RMM", through=True)
    for words, count in ((("--limit", "1"), 1), (("--until", "2001-01-01"), 0), ((), 2)):
        done = _livefw(daemon, "--json", "history", *words, through=True)
        assert len(json.loads(done.stdout).get("history", [])) == count
