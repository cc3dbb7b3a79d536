# SPDX-License-Identifier: Apache-2.0
"""The loop calls back in order, whom it should, and goes on after a defect; the worker lets users take turns."""

import logging
import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from livefw.dbus.loop import Loop, Worker
from livefw.errors import InternalError, Interrupted


class Hands:
    """A clock that stands still until somebody turns its hands."""

    def __init__(self) -> None:
        self.time = 1234.5

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds


@pytest.fixture
def hands() -> Hands:
    return Hands()


@pytest.fixture
def loop(hands: Hands) -> Iterator[Loop]:
    made = Loop(hands.now)
    yield made
    made.close()


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    one, other = socket.socketpair()
    with one, other:
        yield one, other


def turn(loop: Loop) -> None:
    """Everything that is to be done now, once."""
    loop._running = True  # it has been stopped before
    loop.soon(loop.stop)
    loop.run()


def test_what_is_handed_over_comes_in_order(loop: Loop) -> None:
    seen: list[str] = []

    def first() -> None:
        seen.append("first")
        loop.soon(lambda: seen.append("handed over by the first"))

    loop.soon(first)
    loop.soon(lambda: seen.append("second"))
    turn(loop)
    turn(loop)
    assert seen == ["first", "second", "handed over by the first"]


def test_time_comes_in_order_and_once(loop: Loop, hands: Hands) -> None:
    seen: list[str] = []
    for seconds, name in ((2.0, "late"), (1.0, "soon"), (1.0, "soon, asked for later"), (2.5, "latest")):
        loop.later(seconds, lambda name=name: seen.append(name))  # type: ignore[misc]
    turn(loop)
    assert seen == []
    hands.time += 0.999
    turn(loop)
    assert seen == []
    hands.time += 0.001
    turn(loop)
    assert seen == ["soon", "soon, asked for later"]
    hands.time += 1.0
    turn(loop)
    turn(loop)
    assert seen == ["soon", "soon, asked for later", "late"]


def test_a_defect_is_told_and_ends_nothing(loop: Loop, caplog: pytest.LogCaptureFixture) -> None:
    seen: list[str] = []

    def defect() -> None:
        raise ZeroDivisionError("ours")

    loop.soon(defect)
    loop.soon(lambda: seen.append("after it"))
    loop.later(0, defect)
    loop.later(0, lambda: seen.append("time after it"))
    with caplog.at_level(logging.ERROR):
        turn(loop)
    assert seen == ["after it", "time after it"]
    assert [record.exc_info is not None for record in caplog.records] == [True, True]


def test_who_watches_is_told_what_can_be_done(loop: Loop, pair: tuple[socket.socket, socket.socket]) -> None:
    seen: list[str] = []
    one, other = pair
    loop.watch(one, lambda: seen.append("read"))
    turn(loop)
    assert seen == []
    other.send(b"x")
    turn(loop)
    assert seen == ["read"]
    loop.watch(one, lambda: seen.append("read"), write=lambda: seen.append("write"))
    turn(loop)
    assert seen == ["read", "write", "read"]
    one.recv(1)
    turn(loop)
    assert seen == ["read", "write", "read", "write"]
    loop.watch(one, None)
    other.send(b"x")
    turn(loop)
    loop.forget(one)
    turn(loop)
    assert len(seen) == 4


@pytest.mark.parametrize("unread", [False, True])
@pytest.mark.parametrize("reads", [False, True])
def test_who_asked_for_it_is_told_of_the_end_and_of_nothing_else(
    loop: Loop, pair: tuple[socket.socket, socket.socket], *, unread: bool, reads: bool
) -> None:
    seen: list[str] = []
    one, other = pair
    loop.watch(one, (lambda: seen.append("read")) if reads else None, gone=lambda: seen.append("gone"))
    if unread:
        other.send(b"x")
    other.close()
    turn(loop)
    assert seen == ["gone"]


def test_the_end_is_for_reader_and_writer_where_nobody_waits_for_it(
    loop: Loop, pair: tuple[socket.socket, socket.socket]
) -> None:
    seen: list[str] = []
    one, other = pair
    loop.watch(one, lambda: seen.append("read"), write=lambda: seen.append("write"))
    other.close()
    turn(loop)
    assert seen == ["write", "read"]


def test_who_was_closed_by_an_earlier_callback_is_not_called(loop: Loop) -> None:
    seen: list[int] = []
    pairs = [socket.socketpair() for _ in range(2)]

    def called(number: int) -> Callable[[], None]:
        def call() -> None:
            seen.append(number)
            for here, _ in pairs:
                loop.forget(here)

        return call

    for number, (here, there) in enumerate(pairs):
        loop.watch(here, called(number))
        there.send(b"x")
    turn(loop)
    for end in (end for each in pairs for end in each):
        end.close()
    assert len(seen) == 1


def until(loop: Loop, told: list[object], count: int) -> None:
    """Run until so many answers have been told; each of them stops the loop."""
    while len(told) < count:
        loop._running = True
        loop.run()


@pytest.fixture
def told(loop: Loop) -> tuple[list[object], Callable[[object], None]]:
    answers: list[object] = []

    def tell(answer: object) -> None:
        answers.append(answer)
        loop.stop()

    return answers, tell


def test_work_is_told_in_the_loop_whatever_it_comes_to(
    loop: Loop, told: tuple[list[object], Callable[[object], None]]
) -> None:
    answers, tell = told
    worker = Worker(loop)

    def ends(error: BaseException) -> Callable[[], None]:
        def work() -> None:
            raise error

        return work

    worker.do(1, lambda: threading.current_thread() is not threading.main_thread(), tell)
    worker.do(1, ends(ValueError("x")), tell)
    worker.do(1, ends(SystemExit("y")), tell)
    worker.do(1, lambda: answers.append("never"), tell, wanted=lambda: False)
    until(loop, answers, 4)
    assert answers[0] is True
    assert [type(each) for each in answers[1:]] == [ValueError, InternalError, Interrupted]
    assert str(answers[2]) == "SystemExit: y"


@pytest.mark.parametrize(("each", "passes"), [(1, False), (2, True)])
def test_one_user_has_only_so_many_threads(
    loop: Loop, told: tuple[list[object], Callable[[object], None]], *, each: int, passes: bool
) -> None:
    """The second task of the first user passes only where two of one are let in at once."""
    answers, tell = told
    worker = Worker(loop, threads=3, each=each)
    held = threading.Event()
    worker.do(1, lambda: held.wait(60) and "first", tell)
    worker.do(1, lambda: "second", tell)
    worker.do(2, lambda: "other user", tell)
    until(loop, answers, 1 + passes)
    assert set(answers) == {"other user", *(["second"] if passes else [])}
    held.set()
    until(loop, answers, 3)
    assert set(answers) == {"other user", "first", "second"}
