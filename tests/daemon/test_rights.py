# SPDX-License-Identifier: Apache-2.0
"""Everybody may look; who may activate is decided by the kernel's word on who asks, and by polkit."""

import os
import select
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from livefw.daemon import introspection
from livefw.daemon.client import CallFailed
from livefw.daemon.dispatch import snake
from livefw.daemon.fwupd import Fwupd
from livefw.daemon.own import Own
from livefw.daemon.wire import Variant

from .conftest import Daemon, Serve

NOBODY, GROUP = 65534, 54_321
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become somebody else")

ASK = """
import os, sys
from livefw.daemon.client import Call, CallFailed, Client
from livefw.daemon.wire import Variant
path, uid, gid, *groups = sys.argv[1:]
os.setgroups([int(each) for each in groups]); os.setgid(int(gid)); os.setuid(int(uid))
with Client(path, timeout=30) as client:
    own = lambda member, signature="", *body: client.call(
        Call("/org/livefw", "org.livefw.Livefw1", member, signature, body))
    print(own("List")[2])
    print(own("Activate", "asa{sv}", [], {"interactive": Variant("b", True)})[1])
    try:
        own("SetLogLevel", "s", "debug")
    except CallFailed as error:
        print(error.name)
    try:
        client.call(Call("/", "org.freedesktop.fwupd", "Quit"))
    except CallFailed as error:
        print(error.name)
"""


def _ask(daemon: Daemon, uid: int, *groups: int) -> list[str]:
    words = [sys.executable, "-c", ASK, daemon.path, str(uid), str(NOBODY), *map(str, groups)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@as_root
def test_strangers_may_look_and_no_more(planted: Path, serve: Serve) -> None:
    looked, activated, *others = _ask(serve(planted), NOBODY)
    assert looked == "0"
    assert "may not activate firmware here" in activated
    assert others == ["org.freedesktop.DBus.Error.AccessDenied", "org.freedesktop.fwupd.PermissionDenied"]


@as_root
def test_members_of_the_group_may_activate(planted: Path, serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    daemon = serve(planted, "--group", _group_name())
    answer = _ask(daemon, NOBODY, _group_number())
    assert not any("may not activate" in line for line in answer)
    assert "(lfa:6c0762a6-12f2-4b56-92cb-ba8f633606d9)" in answer[1]
    assert "may not activate" in _ask(daemon, NOBODY)[1]


def _group_name() -> str:
    import grp

    return next(row.gr_name for row in grp.getgrall() if 0 < row.gr_gid < NOBODY)


def _group_number() -> int:
    import grp

    return grp.getgrnam(_group_name()).gr_gid


POLKIT = """
import sys
from livefw.daemon.client import Call, Client
from livefw.daemon.wire import Message, MessageType
path, answer = sys.argv[1:]
client = Client(path)
bus = lambda member, signature="", *body: client.call(Call(
    "/org/freedesktop/DBus", "org.freedesktop.DBus", member, signature, body, "org.freedesktop.DBus"))
bus("Hello")
bus("RequestName", "su", "org.freedesktop.PolicyKit1", 0)
print("ready", flush=True)
while True:
    message = client.receive()
    if message.member != "CheckAuthorization":
        continue
    (kind, subject), action, _, flags, _ = message.body
    told = (subject["uid"].value, subject["pid"].value > 0, subject["start-time"].value > 0)
    print(kind, *told, action, flags, flush=True)
    client.send(Message(MessageType.RETURN, 1, ((answer == "yes", False, {}),), "(bba{ss})",
                        reply_serial=message.serial, destination=message.sender))
"""


@pytest.fixture
def bus(folder: Path) -> Iterator[str]:
    """A bus of our own, on which anybody may take any name."""
    program = shutil.which("dbus-daemon")
    if program is None:
        pytest.skip("dbus-daemon is missing; on Debian: apt-get install dbus-daemon")
    config = folder / "bus.conf"
    config.write_text(
        '<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"'
        ' "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">'
        f"<busconfig><listen>unix:path={folder}/bus</listen><auth>EXTERNAL</auth>"
        '<policy context="default"><allow send_destination="*"/><allow receive_sender="*"/><allow own="*"/>'
        '<allow user="*"/>'
        "</policy></busconfig>",
        encoding="ascii",
    )
    with subprocess.Popen(
        [program, f"--config-file={config}", "--nofork", "--print-address"], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield str(folder / "bus")
        finally:
            process.kill()


@as_root
@pytest.mark.parametrize("answer", ["yes", "no"])
def test_polkit_is_asked_about_others(planted: Path, serve: Serve, bus: str, answer: str) -> None:
    with subprocess.Popen([sys.executable, "-c", POLKIT, bus, answer], stdout=subprocess.PIPE, text=True) as polkit:
        try:
            assert polkit.stdout is not None
            assert polkit.stdout.readline() == "ready\n"
            told = _ask(serve(planted, "--bus", bus), NOBODY)[1]
            assert polkit.stdout.readline() == f"unix-process {NOBODY} True True org.livefw.activate 1\n"
        finally:
            polkit.kill()
    assert ("polkit does not let" in told) == (answer == "no")


@as_root
def test_without_an_answer_of_polkit_nobody_else_may(planted: Path, serve: Serve, folder: Path) -> None:
    assert "polkit cannot be asked" in _ask(serve(planted, "--bus", str(folder / "nowhere")), NOBODY)[1]


FLOOD = """
import os, sys
from livefw.daemon.client import Client
from livefw.daemon.wire import Message, MessageType
path, uid = sys.argv[1:]
os.setgroups([]); os.setgid(int(uid)); os.setuid(int(uid))
clients = [Client(path, timeout=60) for _ in range(40)]
for client in clients:
    for _ in range(16):
        client.send(Message(MessageType.CALL, 1, ([], []), "asas", path="/org/livefw", interface="org.livefw.Livefw1",
                            member="Plan"))
print("sent", flush=True)
for client in clients:
    for _ in range(16):
        client.receive()
print("answered", flush=True)
sys.stdin.read()
"""


@as_root
def test_users_take_turns(planted: Path, serve: Serve) -> None:
    daemon = serve(planted)
    words = [sys.executable, "-c", FLOOD, daemon.path, str(NOBODY)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment) as flood:
        assert flood.stdout is not None
        assert flood.stdout.readline() == "sent\n"
        for _ in range(3):
            assert daemon.call("List")[2] == 0
        answered = select.select([flood.stdout], [], [], 0)[0]
        flood.kill()
    assert answered == [], "640 questions of somebody else came first"


@pytest.mark.parametrize("face", [Fwupd, Own])
def test_every_method_of_the_xml_is_there(face: type[Fwupd | Own]) -> None:
    name = "org.freedesktop.fwupd" if face is Fwupd else "org.livefw.Livefw1"
    methods = introspection.load(name).methods
    assert [each for each in methods if not callable(getattr(face, snake(each), None))] == []


WRONG = [
    ("Activate", "as", (["x"],), "InvalidArgs"),
    ("Activate", "asa{sv}", ([], {"reason": Variant("u", 1)}), "InvalidArgs"),
    ("Activate", "asa{sv}", ([], {"reasons": Variant("s", "")}), "InvalidArgs"),
    ("Activate", "asa{sv}", ([], {"on-failure": Variant("s", "explode")}), "InvalidArgs"),
    ("SetLogLevel", "s", ("loud",), "InvalidArgs"),
    ("Nonsense", "", (), "UnknownMethod"),
]


def test_wrong_calls_are_told_what_is_wrong(planted: Path, serve: Serve) -> None:
    daemon = serve(planted)
    for member, signature, body, name in WRONG:
        with pytest.raises(CallFailed) as caught:
            daemon.call(member, signature, *body)
        assert caught.value.name == f"org.freedesktop.DBus.Error.{name}", member


def test_options_do_not_come_in_as_words(planted: Path, serve: Serve) -> None:
    daemon = serve(planted)
    for word in ("--root=/", "--plot=/tmp/x", "-h"):
        text, code = daemon.call("Plan", "asas", [word], [])[1:]
        assert code == 2
        assert "there is no component" in text
        assert daemon.call("History", "ss", word, "")[2] == 3
        assert daemon.call("Plan", "asas", [], [word])[2] == 2
