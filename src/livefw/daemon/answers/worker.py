# SPDX-License-Identifier: Apache-2.0
"""Answers questions of ordinary users in a process of its own: ``python -m livefw.daemon.answers.worker``.

Python runs one thread at a time, so a stranger's question in the daemon itself would take its time from root's. Here
it takes a share of a CPU, at a low priority, within its own bound of memory, and can be abandoned in the middle.
Frames come on standard input, which is a socket: first where the machine is, then one question after the other.
"""

import json
import os
import resource
import signal
import socket
import struct
from contextlib import suppress

from livefw.assemble import Where
from livefw.daemon.answers.questions import Failure, Question, answer
from livefw.daemon.hosts import Hosts

CANCEL = signal.SIGUSR1
"""Ends the present question; without one it means nothing."""
FRAME_LIMIT = 8 << 20
"""Bytes of a frame; answers are bounded far below, by `Question.most`."""
_MEMORY = 192 << 20
"""Bytes of memory of its own (``RLIMIT_DATA``). A machine with thousands of components takes some tens of megabytes to
answer; what takes more is answered with an error and not with the memory of the service."""
_NICE = 10
_SIZE = struct.Struct("<?I")
"""Whether it is a failure, and the bytes that follow."""


class _Cancelled(BaseException):
    """The client has left. Not an Exception: nothing on the way turns it into a reply."""


class _QuestionLoop:
    def __init__(self, where: Where) -> None:
        self._hosts = Hosts(where)
        self._asked = False

    def cancel(self, *_: object) -> None:
        """For the signal: it may come just before or after a question, too."""
        if self._asked:
            self._asked = False
            raise _Cancelled

    def answer(self, question: Question) -> bytes | Failure:
        try:
            self._asked = True
            reply = answer(self._hosts, question)
            self._asked = False
        except _Cancelled:
            return Failure("interrupted", "", "the client has left")
        except BaseException as error:  # SystemExit from what a verb makes of its words, for instance
            self._asked = False
            return Failure("internal", "", f"{type(error).__name__}: {error}")
        return reply


def send(peer: socket.socket, reply: bytes | Failure) -> None:
    """One frame. OSError."""
    failed = isinstance(reply, Failure)
    data = json.dumps(reply).encode() if isinstance(reply, Failure) else reply
    peer.sendall(_SIZE.pack(failed, len(data)) + data)


def receive(peer: socket.socket) -> bytes | Failure:
    """One frame. OSError, EOFError at the end."""
    failed, size = _SIZE.unpack(_exactly(peer, _SIZE.size))
    if size > FRAME_LIMIT:
        raise EOFError(f"a frame of {size} bytes")
    data = _exactly(peer, size)
    return Failure(*json.loads(data)) if failed else data


def _exactly(peer: socket.socket, size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        more = peer.recv(min(size - len(data), 1 << 18))
        if not more:
            raise EOFError
        data += more
    return bytes(data)


def main() -> None:
    """Answer until the daemon has gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal from which the daemon was started by hand
    with suppress(OSError):
        os.nice(_NICE)
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_DATA, (_MEMORY, _MEMORY))
    with socket.socket(fileno=0) as daemon, suppress(OSError, EOFError):
        answerer = _QuestionLoop(Where(*json.loads(_data(daemon))))
        signal.signal(CANCEL, answerer.cancel)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [CANCEL])
        while True:
            name, words, ignore, most = json.loads(_data(daemon))
            send(daemon, answerer.answer(Question(name, tuple(words), tuple(ignore), most)))


def _data(daemon: socket.socket) -> bytes:
    reply = receive(daemon)
    return reply if isinstance(reply, bytes) else b""


if __name__ == "__main__":
    main()
