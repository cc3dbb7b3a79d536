# SPDX-License-Identifier: Apache-2.0
"""The daemon under load: root has a place of its own, users take turns, and nothing is done for who has left."""

import json
import os
import re
import select
import signal
import socket
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
from bench.records import fill

from livefw.activation.history.journal import Journal
from livefw.assemble import Where
from livefw.daemon.answers import questions
from livefw.daemon.answers.pool import AnswerPool
from livefw.daemon.answers.questions import ROWS, Question
from livefw.daemon.fwupd.history import HISTORY_LIMIT
from livefw.daemon.hosts import Hosts
from livefw.dbus import connection, server
from livefw.dbus.client import CallFailed, MethodCall
from livefw.dbus.connection import Account
from livefw.dbus.loop import Loop, Worker
from livefw.dbus.peer import Peer
from livefw.dbus.server import Server
from livefw.dbus.turns import Turns
from livefw.dbus.wire import Message
from livefw.errors import ExitCode, Interrupted
from livefw.providers.fake import START
from livefw.render.report.forms import ReportFormat

from .conftest import FWUPD, OWN, Daemon, Serve
from .enemy import PING, call, claim, somebody

if TYPE_CHECKING:
    from livefw.dbus.dispatch import Dispatcher

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become somebody else")
ALICE, BOB, CAROL = 60_001, 60_002, 60_003
ROOT = 0
PLAN = call("Plan", "asas", [], [], interface=OWN, path="/org/livefw")


def test_turns_go_round_by_user() -> None:
    turns = Turns[str]()
    for user, item in ((ALICE, "a1"), (ALICE, "a2"), (ALICE, "a3"), (BOB, "b1"), (CAROL, "c1"), (BOB, "b2")):
        turns.add(user, item)
    turns.discard(BOB, "b1")
    taken = [turns.take(lambda user: user != CAROL) for _ in range(5)]
    assert [each and each[1] for each in taken] == ["a1", "b2", "a2", "a3", None]
    assert turns.take(lambda _: True) == (CAROL, "c1")


class StandingLoop:
    """A loop that does one thing at a time, when it is told to, at a time that the test chooses."""

    def __init__(self) -> None:
        self.watched: dict[int, tuple[Any, ...]] = {}
        self.todo: deque[Callable[[], None]] = deque()
        self.timed: list[tuple[float, Callable[[], None]]] = []
        self.time = START

    def now(self) -> float:
        return self.time

    def watch(self, target: Any, read: Any, *, write: Any = None, gone: Any = None) -> None:
        self.watched[target.fileno()] = (read, write, gone)

    def forget(self, target: Any) -> None:
        self.watched.pop(target.fileno(), None)

    def soon(self, callback: Callable[[], None]) -> None:
        self.todo.append(callback)

    def later(self, seconds: float, callback: Callable[[], None]) -> None:
        """What waits for time waits for the test."""
        self.timed.append((self.time + seconds, callback))

    def until(self, time: float) -> None:
        """Let time pass, with all that waits for it."""
        while due := [each for each in self.timed if each[0] <= time]:
            first = min(due, key=lambda each: each[0])
            self.timed.remove(first)
            self.time = first[0]
            first[1]()
        self.time = time


class Desk:
    """A server over socket pairs, with clients of any user; what is handled is written down, and answered by nobody."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, stack: ExitStack) -> None:
        self.loop = StandingLoop()
        self.handled: list[tuple[int, str]] = []
        self.cost_s = 0.0
        self._uid = 0
        self._stack = stack
        self._accepted: deque[socket.socket] = deque()
        monkeypatch.setattr(server, "identify", lambda _: Peer(1, self._uid, frozenset(), 1))
        listener = stack.enter_context(socket.socket(socket.AF_UNIX))
        self.server = Server(
            listener,
            cast("Loop", self.loop),
            cast("Dispatcher", self),
            come=lambda: None,
            left=lambda _: None,
        )

    def handle(self, client: connection.Connection, message: Message) -> None:
        """For the server, as `Dispatcher`."""
        self.handled.append((client.peer.uid, message.member))
        client.count(1)
        self.loop.time += self.cost_s

    def client(self, uid: int) -> socket.socket:
        """A client that has authenticated."""
        self._uid = uid
        ours, theirs = socket.socketpair()
        self.server._let_in(theirs)
        ours.sendall(b"\0AUTH EXTERNAL " + claim(uid) + b"\r\nBEGIN\r\n")
        self._stack.enter_context(ours)
        self.turn()
        while self.step():
            pass
        return ours

    def stranger(self) -> socket.socket:
        """A client that says nothing."""
        ours, theirs = socket.socketpair()
        self.server._let_in(theirs)
        return self._stack.enter_context(ours)

    def turn(self) -> None:
        """Everything that is ready, as the loop would call it."""
        for descriptor, (read, *_) in list(self.loop.watched.items()):
            if read and select.select([descriptor], [], [], 0)[0] and descriptor in self.loop.watched:
                read()

    def step(self) -> bool:
        """One of the things that were handed over."""
        if self.loop.todo:
            self.loop.todo.popleft()()
        return bool(self.loop.todo)

    def end_call(self, uid: int) -> None:
        """One call of a user is answered."""
        client = next(each for each in self.server.clients if each.peer.uid == uid and each.calls)
        client.count(-1)
        self.server._call_next()


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    """Nobody is trusted there but root."""
    monkeypatch.setattr(server, "is_trusted", lambda uid: uid == ROOT)
    with ExitStack() as stack:
        made = Desk(monkeypatch, stack)
        yield made
        made.server.close()


def test_a_turn_lasts_as_long_as_it_is_said(desk: Desk) -> None:
    """Not one message each: who has little to say is done at once."""
    desk.cost_s = server.TURN_S / 10
    clients = [desk.client(uid) for uid in (ALICE, BOB)]
    for each in clients:
        each.sendall(PING * 5)
    desk.turn()
    while desk.step():
        desk.turn()
    assert [uid for uid, _ in desk.handled] == [ALICE] * 5 + [BOB] * 5


def test_each_has_ten_seconds_to_say_who_it_is(desk: Desk) -> None:
    gone = []
    for seconds in (0.0, 9.0):
        desk.loop.until(START + seconds)
        gone.append(desk.stranger())
    for seconds, left in ((9.5, 2), (10.5, 1), (18.5, 1), (30.0, 0)):
        desk.loop.until(START + seconds)
        assert len(desk.server.clients) == left, seconds
    assert [each.recv(1) for each in gone] == [b"", b""]


def test_root_is_listened_to_before_whoever_waits(desk: Desk) -> None:
    desk.cost_s = 1.5 * server.TURN_S  # each message takes a turn and more
    flood = [desk.client(ALICE) for _ in range(4)] + [desk.client(BOB)]
    root = desk.client(ROOT)
    for each in flood:
        each.sendall(PING * 5)
    desk.turn()
    for _ in range(3):
        desk.step()
    root.sendall(PING * 2)
    desk.turn()
    while desk.step():
        desk.turn()
    users = [uid for uid, _ in desk.handled]
    assert users[:8] == [ALICE, BOB, ALICE, ROOT, ROOT, BOB, ALICE, BOB]
    assert users.count(ALICE) == 20


def test_a_user_has_so_many_calls_under_way_and_no_more(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    flood = [desk.client(ALICE) for _ in range(10)]
    for each in flood:
        each.sendall(PING * 40)
    other, root = desk.client(BOB), desk.client(ROOT)

    def work() -> int:
        desk.turn()
        while desk.step():
            desk.turn()
        return sum(uid == ALICE for uid, _ in desk.handled)

    assert work() == server.CALLS_PER_USER
    other.sendall(PING)
    root.sendall(PING)
    assert work() == server.CALLS_PER_USER
    assert {uid for uid, _ in desk.handled} == {ALICE, BOB, ROOT}
    desk.end_call(ALICE)
    assert work() == server.CALLS_PER_USER + 1
    for each in flood:
        each.close()
    for client in desk.server.clients:
        for gone in filter(None, [desk.loop.watched[client.socket.fileno()][2]]):
            gone()
    desk.turn()
    assert {each.peer.uid for each in desk.server.clients} == {BOB, ROOT}


def test_all_ordinary_users_together_leave_room_for_root() -> None:
    everybody = Account(3)
    alice, bob, root = Account(2, everybody), Account(2, everybody), Account(99)
    alice.count(2)
    assert (alice.full, bob.full, root.full) == (True, False, False)
    bob.count(1)
    assert (alice.full, bob.full, root.full) == (True, True, False)
    alice.count(-1)
    assert (alice.full, bob.full) == (False, False)


def test_listening_to_ordinary_users_has_a_share(desk: Desk) -> None:
    desk.cost_s = 2 * server.BURST_S
    client = desk.client(ALICE)
    client.sendall(PING * 3)
    desk.turn()
    while desk.step():
        pass
    assert len(desk.handled) == 1, "the share is used up by one"
    pause = desk.server.pause_s()
    assert pause > 0
    desk.loop.time += pause + 1e-6
    assert desk.server.pause_s() < 0


def test_what_is_not_wanted_is_not_begun() -> None:
    loop = Loop()
    worker = Worker(loop)
    go_on, begun, told = threading.Event(), list[str](), list[object]()

    def done(result: object) -> None:
        told.append(result)
        if len(told) == 3:
            loop.stop()

    here = {"alice": True, "bob": True}
    worker.do(1, lambda: go_on.wait(30), done)
    for name in here:
        worker.do(2, lambda name=name: begun.append(name), done, wanted=lambda name=name: here[name])  # type: ignore[misc]
    here["alice"] = False
    go_on.set()
    loop.later(30, loop.stop)
    loop.run()
    loop.close()
    assert begun == ["bob"]
    assert [type(each) for each in told if each is not True] == [Interrupted, type(None)]


@pytest.fixture
def long(tmp_path: Path) -> Path:
    """A history of more activations than anybody is told at once."""
    fill(tmp_path, ROWS[0] + 50)
    return tmp_path


def _where(state: Path, root: Path) -> Where:
    return Where(str(root), str(state))


def test_a_process_abandons_its_question(long: Path, planted: Path) -> None:
    """`Verify` on a history of any length: the same process goes on with the next question."""
    answerers = AnswerPool(_where(long, planted))
    verify = Question("verify")
    assert isinstance(answerers.ask(verify, lambda: True), bytes)
    (process,) = answerers._free
    told = answerers.ask(verify, lambda: False)
    assert isinstance(told, bytes) or told.kind == "interrupted"
    assert isinstance(answerers.ask(verify, lambda: True), bytes)
    assert answerers._free == [process]
    answerers.close()


@pytest.mark.parametrize("name", ["history", "fwupd-history"])
def test_the_history_is_cut_where_it_is_read(
    name: str, long: Path, planted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing goes through all rows."""

    def all_rows(*_: object, **__: object) -> None:
        raise AssertionError("all rows are read")

    monkeypatch.setattr(Journal, "rows", all_rows)
    monkeypatch.setattr(Journal, "activations", all_rows)
    question = Question(name, ("", "") if name == "history" else ())
    told = questions.answer(Hosts(_where(long, planted)), question)
    assert isinstance(told, bytes), told


def _history(daemon: Daemon) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(daemon.call("History", "ss", "", "")[0])
    return document


def test_of_a_long_history_the_last_rows_are_told(planted: Path, serve: Serve, long: Path) -> None:
    daemon = serve(planted, "--state", str(long))
    document = _history(daemon)
    assert len(document["history"]) == ROWS[0]
    assert document["history"][0]["outcome"]["sequence"] == 2 * (ROWS[0] + 50)
    assert document["before"] == document["history"][-1]["intent"]["sequence"]
    assert len(daemon.call("GetHistory", interface=FWUPD)[0]) == HISTORY_LIMIT
    assert "older ones: livefw history --before" in daemon.call("History", "ss", "", "")[1]


def test_page_by_page_a_long_history_is_told_whole(planted: Path, serve: Serve, long: Path) -> None:
    daemon = serve(planted, "--state", str(long))
    document = _history(daemon)
    pages = [document["history"]]
    while document["before"] is not None:
        document = json.loads(daemon.call("HistoryBefore", "ssx", "", "", document["before"])[0])
        pages.append(document["history"])
    assert [len(page) for page in pages] == [ROWS[0], 50]
    rows = [row["intent"]["sequence"] for page in pages for row in page]
    assert rows == sorted(set(rows), reverse=True)
    assert daemon.call("HistoryBefore", "ssx", "", "", rows[-1])[2] == ExitCode.NOTHING_TO_DO
    assert len(json.loads(daemon.call("HistoryBefore", "ssx", "", "", 2**63 - 1)[0])["history"]) == ROWS[0]
    for number in (0, -(2**63)):
        with pytest.raises(CallFailed, match="number of a row"):
            daemon.call("HistoryBefore", "ssx", "", "", number)


def test_a_report_of_a_long_history_has_what_fits(planted: Path, serve: Serve, long: Path) -> None:
    """The same page as `livefw report` writes, as JSON and as Markdown."""
    daemon = serve(planted, "--state", str(long))
    document, text, code = daemon.call("Report", "asss", [], "", "")
    found = json.loads(document)
    assert code == 0
    assert len(found["activations"]) in ROWS
    assert found["report"]["left_out"] == ROWS[0] + 50 - len(found["activations"])
    assert found["report"]["proof"]["verification"]["whole"]
    assert text.startswith("<!-- livefw report -->\n")
    ident = found["activations"][0]["activation"]
    (one,) = json.loads(daemon.call("Report", "asss", [ident], "", "")[0])["activations"]
    assert one["activation"] == ident
    assert daemon.call("Report", "asss", ["nothing"], "", "")[2] == 3


def test_a_report_comes_in_each_form_of_a_file(planted: Path, serve: Serve, long: Path) -> None:
    daemon = serve(planted, "--state", str(long))
    whole = json.loads(daemon.call("Report", "asss", [], "", "")[0])
    idents = [row["activation"] for row in whole["activations"]]
    starts = {"html": "<!DOCTYPE html>\n", "md": "<!-- livefw report -->\n", "json": '{\n  "schema": "livefw/1",'}
    assert starts.keys() == {*ReportFormat}
    for form, start in starts.items():
        document, text, code = daemon.call("ReportAs", "assss", [], "", "", form)
        found = json.loads(document)
        assert (found.keys(), code) == ({"schema", "about"}, ExitCode.DONE)
        shown = ROWS[0] + 50 - found["about"]["left_out"]
        assert shown in ROWS
        assert text.startswith(start)
        assert all(each in text for each in idents[:shown])
    text = daemon.call("ReportAs", "assss", [idents[0]], "", "", "json")[1]
    assert [row["activation"] for row in json.loads(text)["activations"]] == [idents[0]]
    document, _, code = daemon.call("ReportAs", "assss", ["nothing"], "", "", "html")
    assert (json.loads(document)["error"]["kind"], code) == ("nothing-to-do", ExitCode.NOTHING_TO_DO)
    with pytest.raises(CallFailed, match="format is html, md, json"):
        daemon.call("ReportAs", "assss", [], "", "", "pdf")


def test_of_large_rows_fewer_are_told(planted: Path, serve: Serve, long: Path) -> None:
    daemon = serve(planted, "--state", str(long), changed={"daemon.interfaces.livefw1.ANSWER_LIMIT": 100_000})
    document = _history(daemon)
    assert len(document["history"]) in ROWS[1:3]
    assert document["history"][0]["outcome"]["sequence"] == 2 * (ROWS[0] + 50)
    assert document["before"]


def test_metrics_count_all_of_a_long_history(long: Path, planted: Path) -> None:
    told = questions.answer(Hosts(_where(long, planted)), Question("metrics"))
    assert isinstance(told, bytes), told
    counted = [line for line in told.decode().splitlines() if line.startswith("livefw_activations_total{")]
    assert sum(int(line.rpartition(" ")[2]) for line in counted) == ROWS[0] + 50


CROWD = """
import os, sys
from livefw.dbus.client import Client
from livefw.dbus.wire import Message, MessageType
path, calls, *uids = sys.argv[1:]
clients = []
for uid in uids:
    os.setresuid(int(uid), int(uid), 0)
    client = Client(path, timeout=60)
    for _ in range(int(calls)):
        client.send(Message(MessageType.CALL, 1, ([], []), "asas", path="/org/livefw",
                            interface="org.livefw.Livefw1", member="Plan"))
    clients.append(client)
    os.setresuid(0, 0, 0)
print("sent", flush=True)
for line in sys.stdin:
    for client in clients:
        print(client.receive().type, flush=True)
"""


def _answerers(daemon: Daemon) -> list[int]:
    with open(f"/proc/{daemon.popen.pid}/task/{daemon.popen.pid}/children", encoding="ascii") as file:
        children = {int(each) for each in file.read().split()}
    for task in os.listdir(f"/proc/{daemon.popen.pid}/task"):
        with open(f"/proc/{daemon.popen.pid}/task/{task}/children", encoding="ascii") as file:
            children |= {int(each) for each in file.read().split()}
    return sorted(children)


@contextmanager
def _crowd(daemon: Daemon, calls: int, *uids: int) -> Iterator[Callable[[], list[str]]]:
    """Ordinary users who have asked for plans; the types of the next answers, one of each."""
    with somebody(CROWD, daemon.path, calls, *uids) as crowd:
        assert crowd.stdout is not None
        assert crowd.stdin is not None
        assert crowd.stdout.readline() == "sent\n"

        def answers() -> list[str]:
            assert crowd.stdout is not None
            assert crowd.stdin is not None
            crowd.stdin.write("\n")
            crowd.stdin.flush()
            return [crowd.stdout.readline() for _ in uids]

        yield answers
        crowd.kill()


@as_root
def test_root_is_answered_while_nobody_else_is(planted: Path, serve: Serve, long: Path) -> None:
    """The processes that answer others are stopped, and their lines are full."""
    daemon = serve(planted, "--state", str(long), "--log-level", "debug", changed={"daemon.core.THREADS": 1})
    with _crowd(daemon, 1, ALICE) as answers:
        answers()
    (process,) = _answerers(daemon)
    os.kill(process, signal.SIGSTOP)
    try:
        with _crowd(daemon, 20, *[ALICE] * 6, BOB, CAROL) as answers:
            for _ in range(3):
                assert daemon.call("List")[2] == 0
                assert daemon.call("Plan", "asas", [], [])[2] in (0, 4)
                assert len(_history(daemon)["history"]) == ROWS[0]
                assert daemon.call("GetDevices", interface=FWUPD)[0]
            os.kill(process, signal.SIGCONT)
            assert len(answers()) == 8
    finally:
        os.kill(process, signal.SIGCONT)


@as_root
def test_no_process_is_left_behind(planted: Path, serve: Serve) -> None:
    """One that is stopped in the middle of a question, too: the service manager would say that something remains."""
    daemon = serve(planted)
    with _crowd(daemon, 1, ALICE) as answers:
        answers()
        (process,) = _answerers(daemon)
        os.kill(process, signal.SIGSTOP)
        assert daemon.end() == 0
    assert not os.path.exists(f"/proc/{process}")


@as_root
def test_an_answer_is_the_same_wherever_it_is_worked_out(planted: Path, serve: Serve, long: Path) -> None:
    """Root's are worked out in the daemon, others' in another process."""
    asked = [
        MethodCall("/org/livefw", OWN, "List"),
        MethodCall("/org/livefw", OWN, "Show", "as", (["TF-RMM", "nobody"],)),
        MethodCall("/org/livefw", OWN, "History", "ss", ("", "")),
        MethodCall("/org/livefw", OWN, "History", "ss", ("", "nonsense")),
        MethodCall("/org/livefw", OWN, "Verify"),
        MethodCall("/", FWUPD, "GetHistory"),
        MethodCall("/", FWUPD, "GetResults", "s", ("0" * 40,)),
        MethodCall("/", FWUPD, "GetHostSecurityAttrs"),
    ]
    daemon = serve(planted, "--state", str(long))
    told = []
    with daemon.client() as client:
        for each in asked:
            try:
                told.append(repr(client.call(each)))
            except CallFailed as error:
                told.append(f"{error.name}: {error.text}")
    words = [f"{tuple(each)!r}" for each in asked]
    with somebody(SAME, daemon.path, ALICE, *words) as other:
        said, _ = other.communicate(timeout=60)
    assert [*map(_ageless, said.splitlines())] == [*map(_ageless, told)]


def _ageless(answer: str) -> str:
    """Without how long something has been pending, which is more each time."""
    return re.sub(r" +\d+ (?:s|min) +", " AGE ", answer)


SAME = """
import ast, os, sys
from livefw.dbus.client import MethodCall, CallFailed, Client
path, uid, *asked = sys.argv[1:]
os.setgroups([]); os.setgid(int(uid)); os.setuid(int(uid))
with Client(path, timeout=60) as client:
    for each in asked:
        try:
            print(repr(client.call(MethodCall(*ast.literal_eval(each)))))
        except CallFailed as error:
            print(f"{error.name}: {error.text}")
"""

UNREAD = """
import os, socket, sys
from livefw.dbus.client import Client
from livefw.dbus.wire import Message, MessageType
path, uid, connections, calls = sys.argv[1:]
os.setgroups([]); os.setgid(int(uid)); os.setuid(int(uid))
clients = [Client(path, timeout=1) for _ in range(int(connections))]
for client in clients:
    try:
        for _ in range(int(calls)):
            client.send(Message(MessageType.CALL, 1, path="/", interface="org.freedesktop.DBus.Introspectable",
                                member="Introspect"))
    except OSError:
        pass
print("sent", flush=True)
sys.stdin.readline()
print(sum(1 for client in clients if client.receive()), flush=True)
"""


@as_root
def test_what_one_account_leaves_unread_lets_go_of_nobody_else(planted: Path, serve: Serve) -> None:
    daemon = serve(planted, changed={"dbus.server.UNSENT_PER_USER": 300_000})
    with (
        somebody(UNREAD, daemon.path, ALICE, 1, 14) as modest,
        somebody(UNREAD, daemon.path, BOB, 12, 400) as greedy,
    ):
        for each in (modest, greedy):
            assert each.stdout is not None
            assert each.stdout.readline() == "sent\n"
        while "too much waits for its user" not in (log := daemon.log.read_text()):
            daemon.call("List")
        said, _ = modest.communicate("\n", timeout=60)
        assert said == "1\n"
        greedy.kill()
    assert f"user {BOB} is let go: too much waits for its user" in log
    assert f"user {ALICE} is let go" not in log


@as_root
def test_who_leaves_is_noticed_with_its_calls_under_way(planted: Path, serve: Serve) -> None:
    """Of one who had as many calls under way as may be, nothing was read, and so it was not seen that it had gone."""
    daemon = serve(planted, changed={"daemon.core.THREADS": 1})
    with _crowd(daemon, 1, ALICE) as answers:
        answers()
    (process,) = _answerers(daemon)
    os.kill(process, signal.SIGSTOP)
    with _crowd(daemon, server.CALLS_LIMIT, ALICE, ALICE, BOB):
        pass
    while process in _answerers(daemon):  # it cannot abandon what nobody wants any more, and so it is ended
        assert daemon.call("List")[2] == 0
    with _crowd(daemon, 1, ALICE) as answers:
        assert len(answers()) == 1
