# SPDX-License-Identifier: Apache-2.0
"""Everybody may look; who may activate is decided by the kernel's word on who asks, and by polkit."""

import json
import os
import select
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from livefw.daemon.fwupd.devices import device_id
from livefw.daemon.fwupd.values import InstallFlag
from livefw.daemon.interfaces.fwupd import Fwupd
from livefw.daemon.interfaces.livefw1 import Livefw1
from livefw.dbus import introspection
from livefw.dbus.client import CallFailed
from livefw.dbus.dispatch import snake
from livefw.dbus.wire import Variant

from .conftest import Daemon, Serve
from .enemy import somebody

NOBODY, GROUP = 65534, 54_321
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become somebody else")

ASK = """
import os, sys
from livefw.dbus.client import MethodCall, CallFailed, Client
from livefw.dbus.wire import Variant
path, ignore, uid, gid, *groups = sys.argv[1:]
os.setgroups([int(each) for each in groups]); os.setgid(int(gid)); os.setuid(int(uid))
with Client(path, timeout=30) as client:
    own = lambda member, signature="", *body: client.call(
        MethodCall("/org/livefw", "org.livefw.Livefw1", member, signature, body))
    print(own("List")[2])
    options = {"interactive": Variant("b", True), "ignore": Variant("as", list(filter(None, ignore.split(","))))}
    print(own("Activate", "asa{sv}", [], options)[1].splitlines()[0])
    try:
        own("SetLogLevel", "s", "debug")
    except CallFailed as error:
        print(error.name)
    try:
        client.call(MethodCall("/", "org.freedesktop.fwupd", "Quit"))
    except CallFailed as error:
        print(error.name)
"""


CANCEL = ASK.replace('"Activate", "asa{sv}", [], options', '"Cancel", "sa{sv}", "nothing", {}')


def _ask(daemon: Daemon, uid: int, *groups: int, ignore: str = "", program: str = ASK) -> list[str]:
    with somebody(program, daemon.path, ignore, uid, NOBODY, *groups) as asking:
        said, _ = asking.communicate(timeout=60)
    assert asking.returncode == 0
    return [*said.splitlines(), str(asking.pid)]


@as_root
def test_strangers_may_look_and_no_more(planted: Path, serve: Serve) -> None:
    daemon = serve(planted)
    looked, activated, *others, _ = _ask(daemon, NOBODY)
    assert looked == "0"
    assert "may not activate firmware here" in activated
    assert "may not activate firmware here" in _ask(daemon, NOBODY, program=CANCEL)[1]
    assert others == ["org.freedesktop.DBus.Error.AccessDenied", "org.freedesktop.fwupd.PermissionDenied"]


@as_root
def test_members_of_the_group_may_activate(planted: Path, serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    daemon = serve(planted, "--group", _group_name())
    answer = _ask(daemon, NOBODY, _group_number())
    assert not any("may not activate" in line for line in answer)
    assert "lfa:6c0762a6-12f2-4b56-92cb-ba8f633606d9" in answer[1]
    assert "may not activate" in _ask(daemon, NOBODY)[1]


def _group_name() -> str:
    import grp

    return next(row.gr_name for row in grp.getgrall() if 0 < row.gr_gid < NOBODY)


def _group_number() -> int:
    import grp

    return grp.getgrnam(_group_name()).gr_gid


POLKIT = """
import os, socket, sys
from livefw.dbus.client import MethodCall, Client
from livefw.dbus.wire import Message, MessageType, Variant
path, version, *allowed = sys.argv[1:]
received = []
class Peer(Client):
    def _more(self):
        data, descriptors, _, _ = socket.recv_fds(self._socket, 65536, 8)
        received.extend(descriptors)
        self._buffer += data or sys.exit("the bus has gone")
client = Peer(path, descriptors=True)
bus = lambda member, signature="", *body: client.call(MethodCall(
    "/org/freedesktop/DBus", "org.freedesktop.DBus", member, signature, body, "org.freedesktop.DBus"))
bus("Hello")
bus("RequestName", "su", "org.freedesktop.PolicyKit1", 0)
print("ready", flush=True)
while True:
    message = client.receive()
    answer = lambda kind, signature, *body, error="": client.send(Message(
        kind, 1, body, signature, error_name=error, reply_serial=message.serial, destination=message.sender))
    if message.member == "Get" and version == "none":
        answer(MessageType.ERROR, "s", "no such property", error="org.freedesktop.DBus.Error.InvalidArgs")
    elif message.member == "Get":
        answer(MessageType.RETURN, "v", Variant("s", version))
    elif message.member == "CheckAuthorization":
        (kind, subject), action, _, flags, _ = message.body
        told = [kind, "uid", subject["uid"].value]
        if "pid" in subject:
            told += ["pid", subject["pid"].value, "started", subject["start-time"].value > 0]
        if "pidfd" in subject:
            with open(f"/proc/self/fdinfo/{received[subject['pidfd'].value]}") as file:
                told += ["pidfd", next(line.split()[1] for line in file if line.startswith("Pid:"))]
        print(*told, action, flags, flush=True)
        answer(MessageType.RETURN, "(bba{ss})", (action in allowed, False, {}))
"""

ACTIVATE, IGNORE = "org.livefw.activate", "org.livefw.ignore-checks"
OLD, NEW = "123", "124"


@contextmanager
def _polkit(bus: str, version: str, *allowed: str) -> Iterator[Callable[[], str]]:
    """A polkit that allows some actions; what it is asked next."""
    with somebody(POLKIT, bus, version, *allowed) as polkit:
        try:
            assert polkit.stdout is not None
            assert polkit.stdout.readline() == "ready\n"
            yield polkit.stdout.readline
        finally:
            polkit.kill()


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
@pytest.mark.parametrize("version", [NEW, "126", OLD, "0.105", "none", "1e9"])
@pytest.mark.parametrize("allowed", [(ACTIVATE,), ()])
def test_polkit_is_asked_about_others(
    planted: Path, serve: Serve, bus: str, version: str, allowed: tuple[str, ...]
) -> None:
    """By the pidfd of who asks where polkit knows it (124 and later), else by number and start time."""
    with _polkit(bus, version, *allowed) as asked:
        *_, told, _, _, pid = _ask(serve(planted, "--bus", bus), NOBODY)
        by = f"pidfd {pid}" if version in (NEW, "126") else f"pid {pid} started True"
        assert asked() == f"unix-process uid {NOBODY} {by} {ACTIVATE} 1\n"
    assert ("polkit does not let" in told) == (not allowed)


MAY_NOT = "polkit does not let nobody have checks ignored"
NEVER = "the check 'load' cannot be ignored here: never-ignore in livefw.toml"
IGNORING: list[tuple[str, bool, str, str, tuple[str, ...], list[str]]] = [
    # settings, in the group, ignored, what polkit allows beside activating -> what polkit is asked, whether it may
    ("", True, "load", "", (), [IGNORE]),
    ("", True, "load", "yes", (IGNORE,), [IGNORE]),
    ("", True, "", "yes", (), []),
    ("group-may-ignore = false", True, "load", "", (), [IGNORE]),
    ("group-may-ignore = true", True, "load,window", "yes", (), []),
    ("group-may-ignore = true", False, "load", "", (), [ACTIVATE, IGNORE]),
    ('group-may-ignore = ["load"]', True, "load", "yes", (), []),
    ('group-may-ignore = ["load"]', True, "load,window", "", (), [IGNORE]),
    ("group-may-ignore = []", True, "load", "", (), [IGNORE]),
    ("", False, "load", "yes", (IGNORE,), [ACTIVATE, IGNORE]),
    ("", False, "", "yes", (), [ACTIVATE]),
    ('never-ignore = ["load"]\ngroup-may-ignore = true', True, "load", NEVER, (), []),
    ('never-ignore = ["load"]\ngroup-may-ignore = ["load"]', True, "window,load", NEVER, (), []),
    ('never-ignore = ["load"]', False, "load", NEVER, (IGNORE,), [ACTIVATE]),
    ('never-ignore = ["load"]', True, "window", "yes", (IGNORE,), [IGNORE]),
    ("group-may-ignore = 3", True, "load", "must be true, false or a list of checks", (), []),
]


@as_root
@pytest.mark.parametrize(("settings", "member", "ignore", "may", "allowed", "asks"), IGNORING)
def test_to_have_checks_ignored_is_a_right_of_its_own(
    planted: Path,
    serve: Serve,
    bus: str,
    settings: str,
    member: bool,
    ignore: str,
    may: str,
    allowed: tuple[str, ...],
    asks: list[str],
) -> None:
    """A member of the group went from version 1.18 to 0.1, past windows and watchdogs, by --ignore."""
    place = planted / "etc/livefw"
    place.mkdir(parents=True)
    (place / "livefw.toml").write_text(settings, encoding="ascii")
    with _polkit(bus, NEW, ACTIVATE, *allowed) as asked:
        daemon = serve(planted, "--bus", bus, "--group", _group_name())
        told = _ask(daemon, NOBODY, *([_group_number()] if member else []), ignore=ignore)[1]
        assert [asked().split()[-2] for _ in asks] == asks
    why = {"": MAY_NOT, "yes": ""}.get(may, may)
    assert (why in told) if why else ("polkit" not in told and "has to be" not in told)


INSTALL = """
import os, sys
from livefw.dbus.client import MethodCall, CallFailed, Client
from livefw.dbus.wire import Variant
path, device, flags, uid, gid, *groups = sys.argv[1:]
image = os.memfd_create("image")
os.write(image, b"version=0.1.0")
os.setgroups([int(each) for each in groups]); os.setgid(int(gid)); os.setuid(int(uid))
with Client(path, timeout=30, descriptors=True) as client:
    options = {"install-flags": Variant("t", int(flags))}
    try:
        question = MethodCall("/", "org.freedesktop.fwupd", "Install", "sha{sv}", (device, 0, options))
        print(client.call(question, descriptors=[image]))
    except CallFailed as error:
        print(error.name, error.text)
"""


@as_root
def test_older_images_by_fwupds_clients_are_a_check_that_is_ignored(bmc: Path, serve: Serve) -> None:
    """fwupd's flag for an older version asks for what ``--ignore downgrade`` does, and takes the same right."""
    daemon = serve(bmc, "--group", _group_name())
    told = {}
    for flag in (InstallFlag.ALLOW_OLDER, 0):
        words = (daemon.path, device_id("redfish:model/pmfw-a"), int(flag), NOBODY, NOBODY, _group_number())
        with somebody(INSTALL, *words) as asking:
            told[flag], _ = asking.communicate(timeout=60)
    assert "may not have checks ignored" in told[InstallFlag.ALLOW_OLDER]
    assert told[0] == "()\n"


@as_root
def test_without_polkit_the_settings_say_what_the_group_may_ignore(planted: Path, serve: Serve) -> None:
    daemon = serve(planted, "--group", _group_name())
    told = _ask(daemon, NOBODY, _group_number(), ignore="load")[1]
    assert "nobody may not have checks ignored here; root, and members of the group as group-may-ignore says" in told


@as_root
def test_without_an_answer_of_polkit_nobody_else_may(planted: Path, serve: Serve, folder: Path) -> None:
    assert "polkit cannot be asked" in _ask(serve(planted, "--bus", str(folder / "nowhere")), NOBODY)[1]


FLOOD = """
import os, sys
from livefw.dbus.client import Client
from livefw.dbus.wire import Message, MessageType
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


@pytest.mark.parametrize("face", [Fwupd, Livefw1])
def test_every_method_of_the_xml_is_there(face: type[Fwupd | Livefw1]) -> None:
    name = "org.freedesktop.fwupd" if face is Fwupd else "org.livefw.Livefw1"
    methods = introspection.load(name, package="livefw.daemon").methods
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


def test_no_other_version_is_activated_than_the_one_that_was_shown(planted: Path, serve: Serve) -> None:
    daemon = serve(planted)
    document, text, code = daemon.call("Activate", "asa{sv}", ["tf-rmm"], {"to": Variant("as", ["9.9"])})
    (result,) = json.loads(document)["results"]
    assert (code, result["outcome"], result["code"]) == (4, "refused", "other-version")
    assert "9.9" in text
    document, _, code = daemon.call("Activate", "asa{sv}", ["tf-rmm"], {"to": Variant("as", ["1.1", "1.1"])})
    assert (code, json.loads(document)["error"]["kind"]) == (2, "usage")


def test_options_do_not_come_in_as_words(planted: Path, serve: Serve) -> None:
    daemon = serve(planted)
    for word in ("--root=/", "--plot=/tmp/x", "-h"):
        text, code = daemon.call("Plan", "asas", [word], [])[1:]
        assert code == 2
        assert "there is no component" in text
        assert daemon.call("History", "ss", word, "")[2] == 3
        assert daemon.call("Plan", "asas", [], [word])[2] == 2
