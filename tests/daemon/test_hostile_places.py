# SPDX-License-Identifier: Apache-2.0
"""Clients that come in numbers, and a host that has run out of things."""

import logging
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, cast
from urllib.request import urlopen

import pytest

from livefw.assemble import Where
from livefw.daemon import service
from livefw.daemon.core import Core
from livefw.daemon.metrics import scrape
from livefw.daemon.upload.incoming import Incoming
from livefw.dbus import peer, server
from livefw.dbus.client import Client, MethodCall
from livefw.dbus.loop import Loop, Worker
from livefw.errors import InternalError

from .conftest import FWUPD, OWN, Serve
from .enemy import PEER, PING, call, descriptors, fewest_descriptors, inside, lets_go, raw, receive, somebody

GROWTH_KIB = 24 * 1024
NOBODY = 65534
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become somebody else")
LIST = MethodCall("/org/livefw", OWN, "List")
PING_CALL = MethodCall("/", PEER, "Ping")


def test_a_hundred_clients_and_some_that_are_silent(planted: Path, serve: Serve) -> None:
    daemon = serve(planted)
    with ExitStack() as stack:
        talking = [stack.enter_context(daemon.client()) for _ in range(100)]
        silent = [stack.enter_context(raw(daemon)) for _ in range(server.CLIENTS_LIMIT)]
        assert len(silent) == server.CLIENTS_LIMIT
        answers = [client.call(MethodCall("/", FWUPD, "GetDevices"))[0] for client in talking]
        assert {len(answer) for answer in answers} == {3}
        assert daemon.call("List")[2] == 0
    assert "its place is needed" in daemon.log.read_text()


CROWD = """
import os, sys
from livefw.dbus.client import Client
from livefw.dbus.wire import Message, MessageType
path, asks, *uids = sys.argv[1:]
clients = []
for uid in uids:
    os.setresuid(int(uid), int(uid), 0)
    client = Client(path, timeout=60)
    ping = Message(MessageType.CALL, 1, path="/", interface="org.freedesktop.DBus.Peer", member="Ping")
    client.send(ping)
    client.receive()
    if asks == "activate":
        client.send(Message(MessageType.CALL, 1, ([], {}), "asa{sv}", path="/org/livefw",
                            interface="org.livefw.Livefw1", member="Activate"))
    clients.append(client)
    os.setresuid(0, 0, 0)
print("here", flush=True)
sys.stdin.readline()
"""


@as_root
def test_one_account_does_not_take_all_places(planted: Path, serve: Serve) -> None:
    daemon = serve(planted, changed={"dbus.server.CLIENTS_PER_USER": 4})
    for count, answer in ((4, "here\n"), (5, "")):
        with somebody(CROWD, daemon.path, "idle", *[NOBODY] * count) as crowd:
            assert crowd.stdout is not None
            assert crowd.stdout.readline() == answer
    with ExitStack() as stack:
        for _ in range(6):
            assert stack.enter_context(daemon.client()).call(LIST)[2] == 0
    assert f"user {NOBODY} has 4 clients already" in daemon.log.read_text()


@as_root
def test_many_accounts_do_not_take_all_places(planted: Path, serve: Serve) -> None:
    """One account may have thousands of others (subuid(5))."""
    daemon = serve(planted, changed={"dbus.server.CLIENTS_LIMIT": 6})
    with somebody(CROWD, daemon.path, "idle", *range(60_001, 60_007)) as crowd, ExitStack() as stack:
        assert crowd.stdout is not None
        assert crowd.stdout.readline() == "here\n"
        with somebody(CROWD, daemon.path, "idle", NOBODY, NOBODY) as others:
            assert others.stdout is not None
            assert others.stdout.readline() == "here\n"
            for _ in range(3):
                assert stack.enter_context(daemon.client()).call(LIST)[2] == 0
    assert "its place is needed" in daemon.log.read_text()


@as_root
def test_root_finds_a_place_among_those_who_wait_for_polkit(planted: Path, serve: Serve, folder: Path) -> None:
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(folder / "bus"))
        silent.listen(64)
        daemon = serve(planted, "--bus", str(folder / "bus"), changed={"dbus.server.CLIENTS_LIMIT": 6})
        with somebody(CROWD, daemon.path, "activate", *range(60_001, 60_007)) as crowd:
            assert crowd.stdout is not None
            assert crowd.stdout.readline() == "here\n"
            with daemon.client() as first, daemon.client() as second:
                assert first.call(LIST)[2] == second.call(LIST)[2] == 0
            crowd.kill()


@as_root
def test_polkit_is_asked_so_much_and_no_more(planted: Path, serve: Serve, folder: Path) -> None:
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(folder / "bus"))
        silent.listen(64)
        daemon = serve(planted, "--bus", str(folder / "bus"), changed={"daemon.authority.QUESTIONS_LIMIT": 3})
        for uids in ((60_001, 60_001), range(60_002, 60_007)):
            with somebody(CROWD, daemon.path, "activate", *uids) as crowd:
                assert crowd.stdout is not None
                assert crowd.stdout.readline() == "here\n"
                daemon.call("List")
        assert daemon.log.read_text().count("polkit is being asked already") == 4


def test_questions_wait_in_the_socket_of_who_asks(planted: Path, serve: Serve, folder: Path) -> None:
    """Those that want no answer, too, of which nothing is ever left unread."""
    checks = folder / "settings/checks.d"
    checks.mkdir(parents=True)
    for number in range(60):  # of ten seconds each: whoever has them run waits, and so does every question
        (checks / f"wait{number}").write_text("#!/bin/sh\nexec sleep 1000\n", encoding="ascii")
        (checks / f"wait{number}").chmod(0o755)
    daemon = serve(planted, "--log-level", "debug", "--settings", str(folder / "settings"))
    with inside(daemon) as client, inside(daemon) as other:
        client.sendall(call("Plan", "asas", [], [], interface=OWN, path="/org/livefw", flags=1) * 400)
        for _ in range(20):
            other.sendall(PING)
            receive(other, 1)
        assert daemon.log.read_text().count(f"calls {OWN}.Plan") == server.CALLS_LIMIT


def test_a_defect_costs_nobody_else_anything(planted: Path, serve: Serve) -> None:
    daemon = serve(planted, changed={"daemon.interfaces.livefw1._LEVELS": 5})  # which is no table
    with inside(daemon) as other, inside(daemon) as client:
        client.sendall(call("SetLogLevel", "s", "info", interface=OWN, path="/org/livefw"))
        assert lets_go(client)
        other.sendall(PING)
        receive(other, 1)
    assert "defect in org.livefw.Livefw1.SetLogLevel" in daemon.log.read_text()


def test_our_clients_wait_to_be_let_in(folder: Path) -> None:
    path = str(folder / "full")
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket(socket.AF_UNIX))
        listener.bind(path)
        listener.listen(0)
        with suppress(BlockingIOError):
            while True:
                waiting = stack.enter_context(socket.socket(socket.AF_UNIX))
                waiting.setblocking(False)
                waiting.connect(path)

        def accept() -> None:
            for _ in range(2):
                with suppress(OSError):
                    listener.accept()[0].close()

        listener.settimeout(5)
        accepting = threading.Timer(0.2, accept)
        accepting.start()
        with pytest.raises((ConnectionResetError, BrokenPipeError)):  # it was let in, and then sent away
            Client(path, timeout=5)
        accepting.join()


def test_who_comes_and_goes_leaves_nothing(planted: Path, serve: Serve) -> None:
    daemon = serve(planted, "--log-level", "error")
    before, memory = fewest_descriptors(daemon), daemon.memory_kib()
    for _ in range(10_000):
        raw(daemon).close()
    for _ in range(500):
        inside(daemon).close()
    daemon.call("List")
    assert daemon.memory_kib() - memory < GROWTH_KIB // 2
    after = fewest_descriptors(daemon, enough=len(before))
    assert len(after) <= len(before), f"{len(before)} before, now {len(after)}: {dict(after.items() - before.items())}"


def test_many_calls_leave_nothing(planted: Path, serve: Serve) -> None:
    daemon = serve(planted, "--log-level", "error")
    batch = (
        PING * 8
        + call("GetDevices")
        + call("GetReleases", "s", "0" * 40)
        + call("GetAll", "s", FWUPD, interface="org.freedesktop.DBus.Properties")
        + call("Introspect", interface="org.freedesktop.DBus.Introspectable")
        + call("Nonsense")
        + call("Watch", "b", True, interface=OWN, path="/org/livefw")
    )
    with inside(daemon) as client:
        memory = 0
        for turn in range(500):
            client.sendall(batch)
            receive(client, 14)
            if turn == 100:
                memory = daemon.memory_kib()
        assert daemon.memory_kib() - memory < 4 * 1024


def test_without_descriptors_left_it_goes_on(planted: Path, serve: Serve) -> None:
    daemon = serve(planted, descriptors=40)
    with ExitStack() as stack, inside(daemon) as known:
        for _ in range(60):
            stack.enter_context(raw(daemon)).send(b"\0")
        known.sendall(PING)
        receive(known, 1)
        while "no client could be accepted" not in daemon.log.read_text():
            known.sendall(PING)
            receive(known, 1)
        known.sendall(call("Activate", "asa{sv}", [], {}, interface=OWN, path="/org/livefw"))
        assert receive(known, 1)[0].body[2] != 0  # with what is available, or for want of descriptors
    assert daemon.call("List")[2] == 0
    assert daemon.log.read_text().count("no client could be accepted") < 10


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_it_ends_in_order(number: int, planted: Path, serve: Serve) -> None:
    daemon = serve(planted)
    with inside(daemon) as client:
        assert daemon.end(number) == 0
        assert client.recv(10) == b""
    assert not Path(daemon.path).exists()


def test_a_record_that_cannot_be_written_refuses_activations(planted: Path, serve: Serve, folder: Path) -> None:
    """A full disk, as every write to it looks: nothing is started that could not be written down."""
    daemon = serve(planted, environment={"LIVEFW_STATE": ""})
    os.mkdir(folder / "state")
    for _ in range(2):
        subprocess.run(["prlimit", f"--pid={daemon.popen.pid}", "--fsize=4096:4096"], check=True)
        document, text, code = daemon.call("Activate", "asa{sv}", ["TF-RMM"], {})
        assert code not in (0, 6), text
        assert (planted / "sys/firmware/lfa/6c0762a6-12f2-4b56-92cb-ba8f633606d9/activate").read_bytes() == b""
        assert daemon.call("List")[2] == 0
        assert '"kind"' in document


def test_metrics_that_cannot_be_written_are_told(planted: Path, serve: Serve, folder: Path) -> None:
    daemon = serve(planted, "--metrics", str(folder / "missing" / "livefw.prom"))
    while "No such file or directory" not in daemon.log.read_text():
        assert daemon.call("List")[2] == 0


def _port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        number: int = probe.getsockname()[1]
        return number


def test_the_port_of_the_metrics_is_no_door(planted: Path, serve: Serve) -> None:
    port = _port()
    daemon = serve(planted, "--metrics-port", str(port), changed={"daemon.metrics.scrape._PATIENCE_S": 3.0})
    tasks = f"/proc/{daemon.popen.pid}/task"
    daemon.call("List")
    threads, files = len(os.listdir(tasks)), len(descriptors(daemon))
    with ExitStack() as stack:
        silent = [stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=10)) for _ in range(100)]
        for each in silent:
            with suppress(OSError):
                each.sendall(b"GET / HTTP/1.1\r\n")
        with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            assert answer.status == 200
        assert len(os.listdir(tasks)) <= threads
        assert len(descriptors(daemon)) <= files + scrape.CLIENTS_LIMIT
        for each in silent:
            with suppress(ConnectionResetError):
                assert each.recv(10) == b""  # all of them are let go in the end
    started = time.monotonic()
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client, suppress(OSError):
        while True:
            client.sendall(b"x" * 10_000)
    assert time.monotonic() - started < 2  # who never comes to an end is not listened to for long
    for request, expected in (
        (b"POST / HTTP/1.1\r\n\r\n", b"HTTP/1.1 405"),
        (b"HEAD / HTTP/1.1\r\n\r\n", b"HTTP/1.1 200"),
        (b"\r\n\r\n", b"HTTP/1.1 405"),
    ):
        with socket.create_connection(("127.0.0.1", port), timeout=10) as client, suppress(ConnectionResetError):
            client.sendall(request)
            assert client.recv(100).startswith(expected)


def test_a_port_that_is_taken_costs_the_metrics_only(planted: Path, serve: Serve) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        daemon = serve(planted, "--metrics-port", str(taken.getsockname()[1]))
        assert daemon.call("List")[2] == 0
    assert "no metrics on port" in daemon.log.read_text()


def test_the_log_has_room_for_what_counts() -> None:
    now = [1_234_567.0]
    quota = service.Quota(lambda: now[0])

    def written(name: str, level: int = logging.INFO) -> str:
        record = logging.LogRecord(f"livefw.{name}", level, "", 0, "%s is let go", ("x",), None)
        return record.getMessage() if quota.filter(record) else ""

    lines = [written("dbus.server") for _ in range(service.QUOTA_LINES + 500)]
    assert lines.count("x is let go") == service.QUOTA_LINES
    for name in ("daemon.authority", "daemon.upload.images"):
        assert written(name) == ""
    assert written("daemon.core") == written("dbus.server", logging.DEBUG) == "x is let go"
    now[0] += service.QUOTA_S
    assert written("dbus.server") == "x is let go (and 502 lines about clients left out)"
    assert written("dbus.server") == "x is let go"


def test_what_anybody_asks_for_ends_no_thread_and_no_loop() -> None:
    loop = Loop()
    worker = Worker(loop)
    told: list[Any] = []

    def done(result: object) -> None:
        told.append(result)
        if len(told) == 3:
            loop.stop()

    def fail() -> None:
        raise ValueError("a defect")

    loop.soon(fail)
    loop.later(0, fail)
    worker.do(1, lambda: sys.exit(3), done)
    worker.do(1, fail, done)
    worker.do(2, lambda: "good", done)
    loop.later(20, loop.stop)
    loop.run()
    loop.close()
    assert [type(each) for each in told] == [InternalError, ValueError, str] or [type(each) for each in told] == [
        InternalError,
        str,
        ValueError,
    ]


def test_users_take_turns_where_there_are_more_than_threads() -> None:
    loop = Loop()
    worker = Worker(loop)
    begun, go_on = threading.Event(), threading.Event()
    order: list[str] = []

    def done(result: object) -> None:
        order.append(str(result))
        if len(order) == 5:
            loop.stop()

    def first() -> str:
        begun.set()
        go_on.wait(20)
        return "first"

    worker.do(1, first, done)
    assert begun.wait(20)
    for name in ("greedy 1", "greedy 2", "greedy 3"):
        worker.do(1, lambda name=name: name, done)  # type: ignore[misc]
    worker.do(2, lambda: "modest", done)
    go_on.set()
    loop.later(20, loop.stop)
    loop.run()
    loop.close()
    assert order.index("modest") < order.index("greedy 2")


def test_clients_that_come_while_a_look_takes_long_are_not_counted_up() -> None:
    loop = Loop()
    try:
        core = Core(loop, Where(), cast("Any", None), Incoming(""), measure=False)
        looks: list[object] = []
        core.machine.do = lambda *arguments: looks.append(arguments)  # type: ignore[method-assign]
        for _ in range(1_000):
            core.snapshots.refresh_soon()
        assert (len(looks), len(core.snapshots._waiting)) == (1, 1)
    finally:
        loop.close()


DEPART = """
import os, sys
from livefw.dbus.client import Client
from livefw.dbus.wire import Message, MessageType
path = sys.argv[1]
os.setgid(65534); os.setuid(65534)
reading, writing = os.pipe()
started = os.fork()
if started == 0:
    client = Client.__new__(Client)
    import socket
    made = socket.socket(socket.AF_UNIX)
    made.connect(path)
    if os.fork():
        os._exit(0)  # whoever connected has ended; somebody else has the socket
    os.read(reading, 1)
    made.sendall(b"\\0AUTH EXTERNAL " + b"65534".hex().encode() + b"\\r\\nBEGIN\\r\\n")
    made.recv(100)
    client._socket, client._buffer, client._serial = made, b"", 0
    client.send(Message(MessageType.CALL, 1, ([], {}), "asa{sv}", path="/org/livefw",
                        interface="org.livefw.Livefw1", member="Activate"))
    print(client.receive().body[1], flush=True)
    os._exit(0)
os.waitpid(started, 0)
print("gone", flush=True)
sys.stdin.readline()
os.write(writing, b"x")
os.wait()
"""


@as_root
def test_who_has_ended_is_not_taken_to_polkit(planted: Path, serve: Serve, folder: Path) -> None:
    """Its number may be that of somebody's by now who may do more."""
    with socket.socket(socket.AF_UNIX) as bus:
        bus.bind(str(folder / "bus"))
        bus.listen(8)
        daemon = serve(planted, "--bus", str(folder / "bus"))
        daemon.popen.send_signal(signal.SIGSTOP)
        with somebody(DEPART, daemon.path) as gone:
            assert gone.stdout is not None
            assert gone.stdin is not None
            assert gone.stdout.readline() == "gone\n"
            daemon.popen.send_signal(signal.SIGCONT)
            gone.stdin.write("\n")
            gone.stdin.flush()
            assert "may not activate firmware here" in gone.stdout.readline()
            gone.kill()
        assert select.select([bus], [], [], 0)[0] == []


def test_without_the_handle_another_owner_gives_it_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on Linux before 6.5: the option is not known."""
    monkeypatch.setattr(peer, "_SO_PEERPIDFD", 9_999)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert peer.identify(ours).started > 0
        monkeypatch.setattr(peer, "_effective_uid", lambda _: 12_345)
        assert peer.identify(ours).started == 0


PRETENDER = """
import mmap, os, sys
from livefw.dbus.client import MethodCall, Client
path, folder, uid = sys.argv[1:]
os.makedirs(folder + "/fwupd-9.9.9/lib", exist_ok=True)
with open(folder + "/fwupd-9.9.9/lib/x", "wb+") as file:
    file.write(bytes(4096))
    file.flush()
    mapped = mmap.mmap(file.fileno(), 4096)
os.setuid(int(uid))
with Client(path, timeout=30) as client:
    call = MethodCall("/", "org.freedesktop.DBus.Properties", "GetAll", "s", ("org.freedesktop.fwupd",))
    (found,) = client.call(call)
print(found["DaemonVersion"].value)
"""


@as_root
def test_nobody_tells_others_which_version_they_have(planted: Path, serve: Serve, folder: Path) -> None:
    daemon = serve(planted, "--fwupd-version", "1.2.3")
    with somebody(PRETENDER, daemon.path, folder / "lie", NOBODY) as pretender:
        assert pretender.stdout is not None
        assert pretender.stdout.readline() == "9.9.9\n"  # to itself
    honest = PRETENDER.replace("    mapped = ", "    ")
    with somebody(honest, daemon.path, folder / "other", 0) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "1.2.3\n"


def test_a_version_that_is_not_told_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever holds the lock of its own memory keeps us from its mappings."""
    over = threading.Event()
    asked: list[int] = []

    def hang(pid: int) -> str:
        asked.append(pid)
        over.wait(30)
        return "1.2.3"

    monkeypatch.setattr(peer, "_mapped_version", hang)
    versions = peer.FwupdVersions()
    ours, theirs = socket.socketpair()
    with ours, theirs:
        who = peer.identify(ours)._replace(uid=1000)
        started = time.monotonic()
        assert [versions.of(who) for _ in range(50)] == [""] * 50
        assert time.monotonic() - started < 5
        assert len(asked) == 1
        over.set()


NAMESPACE = r"""
import os, socket, sys
client = socket.socket(socket.AF_UNIX)
client.connect(sys.argv[1])
client.sendall(b"\0AUTH EXTERNAL 30\r\n")
print(os.getuid(), client.recv(100))
client.sendall(b"AUTH EXTERNAL " + b"65534".hex().encode() + b"\r\n")
print(client.recv(3))
"""


@as_root
def test_a_client_in_another_user_namespace_is_whom_the_kernel_says(planted: Path, serve: Serve) -> None:
    """There it is root; here it is nobody, and what it claims does not count."""
    daemon = serve(planted)
    become = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    program = [*become, "unshare", "--user", "--map-root-user", "python3", "-c", NAMESPACE, daemon.path]
    done = subprocess.run(program, capture_output=True, text=True, check=False, timeout=30)
    if "unshare failed" in done.stderr:
        pytest.skip(f"no user namespaces: {done.stderr}")
    assert done.stdout.splitlines() == ["0 b'REJECTED EXTERNAL\\r\\n'", "b'OK '"]
