# SPDX-License-Identifier: Apache-2.0
"""Who is there: the lines before the first message (D-Bus Specification, "Authentication Protocol").

Only EXTERNAL: the kernel has told who the peer is (SO_PEERCRED), and what the peer claims has to agree. Without input
and output of its own; bytes go in, bytes come out.
"""

from enum import Enum, auto

LINE_LIMIT = 512
"""Bytes of a line. One without an end would otherwise fill the memory before anybody has said who he is."""
LINES_LIMIT = 16
"""Lines before BEGIN. Each REJECTED would otherwise invite the next AUTH for ever."""

_END = b"\r\n"


class SaslError(Exception):
    """This peer cannot be talked to."""


class _State(Enum):
    NUL = auto()
    AUTH = auto()
    DATA = auto()
    BEGIN = auto()
    DONE = auto()


class Sasl:
    """The server's side for one peer with the user id ``uid``."""

    def __init__(self, uid: int, guid: str) -> None:
        self._uid = str(uid).encode().hex().encode()
        self._guid = guid.encode()
        self._state = _State.NUL
        self._buffer = b""
        self._lines = 0
        self.passes_fds = False

    @property
    def done(self) -> bool:
        """Whether messages follow."""
        return self._state is _State.DONE

    def feed(self, data: bytes) -> tuple[bytes, bytes]:
        """Take bytes; what to answer, and what is left over behind BEGIN. `SaslError`."""
        self._buffer += data
        answer = b""
        if self._state is _State.NUL and self._buffer:
            if self._buffer[:1] != b"\0":
                raise SaslError("the first byte is not NUL")
            self._buffer = self._buffer[1:]
            self._state = _State.AUTH
        while not self.done and _END in self._buffer:
            line, _, self._buffer = self._buffer.partition(_END)
            self._lines += 1
            if len(line) > LINE_LIMIT or self._lines > LINES_LIMIT:
                raise SaslError("too long a line, or too many")
            answer += self._answer(line)
        if self.done:
            rest, self._buffer = self._buffer, b""
            return answer, rest
        if len(self._buffer.removesuffix(_END[:1])) > LINE_LIMIT:
            raise SaslError("a line without an end")
        return answer, b""

    def _answer(self, line: bytes) -> bytes:
        word, _, rest = line.partition(b" ")
        if self._state is _State.AUTH and word == b"AUTH":
            mechanism, _, claim = rest.partition(b" ")
            if mechanism == b"EXTERNAL" and not claim:
                self._state = _State.DATA
                return b"DATA\r\n"
            return self._judge(claim) if mechanism == b"EXTERNAL" else b"REJECTED EXTERNAL\r\n"
        if self._state is _State.DATA and word == b"DATA":
            return self._judge(rest or self._uid)
        if self._state is _State.BEGIN and word == b"NEGOTIATE_UNIX_FD":
            self.passes_fds = True
            return b"AGREE_UNIX_FD\r\n"
        if self._state is _State.BEGIN and word == b"BEGIN":
            self._state = _State.DONE
            return b""
        if word == b"BEGIN":
            raise SaslError("BEGIN without authentication")
        if word in (b"CANCEL", b"ERROR"):
            self._state = _State.AUTH
            return b"REJECTED EXTERNAL\r\n"
        return b"ERROR\r\n"

    def _judge(self, claim: bytes) -> bytes:
        if claim.lower() == self._uid:
            self._state = _State.BEGIN
            return b"OK " + self._guid + _END
        self._state = _State.AUTH
        return b"REJECTED EXTERNAL\r\n"
