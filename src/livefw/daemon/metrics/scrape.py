# SPDX-License-Identifier: Apache-2.0
"""A port on loopback that answers every HTTP request with one text (RFC 9112), for Prometheus.

Every account of this machine can connect to it. The server that prometheus_client has starts a thread for each who
does, and waits for ever for what they say.
"""

import logging
import socket
from collections.abc import Callable

from livefw.dbus.loop import Loop

CLIENTS_LIMIT = 16
"""Above it the oldest is let go."""
_REQUEST_LIMIT = 8_192
_PATIENCE_S = 5.0
_CHUNK = 4_096

_log = logging.getLogger(__name__)


class Port:
    """Listens; OSError if it cannot. ``text`` makes what is answered, with its media type."""

    def __init__(self, loop: Loop, number: int, text: Callable[[], tuple[bytes, str]]) -> None:
        self._loop = loop
        self._text = text
        self._clients: dict[socket.socket, bytes] = {}
        self._listener = socket.create_server(("127.0.0.1", number))
        self._listener.setblocking(False)  # noqa: FBT003 - positional in the standard library
        loop.watch(self._listener, self._accept)

    def close(self) -> None:
        """Let everybody go."""
        for client in [self._listener, *self._clients]:
            self._loop.forget(client)
            client.close()

    def _accept(self) -> None:
        try:
            client, _ = self._listener.accept()
        except OSError as error:
            _log.warning("metrics: no client could be accepted: %s", error)
            return
        if len(self._clients) >= CLIENTS_LIMIT:
            self._drop(next(iter(self._clients)))
        client.setblocking(False)  # noqa: FBT003 - positional in the standard library
        self._clients[client] = b""
        self._loop.watch(client, lambda: self._read(client))
        self._loop.later(_PATIENCE_S, lambda: self._drop(client))

    def _read(self, client: socket.socket) -> None:
        try:
            data = client.recv(_CHUNK)
        except OSError:
            data = b""
        request = self._clients[client] + data
        if not data or len(request) > _REQUEST_LIMIT:
            self._drop(client)
        elif b"\r\n\r\n" in request:
            self._write(client, memoryview(self._answer(request)))
        else:
            self._clients[client] = request

    def _answer(self, request: bytes) -> bytes:
        method = request.partition(b" ")[0]
        text, kind = self._text() if method in (b"GET", b"HEAD") else (b"GET\n", "text/plain")
        status = "200 OK" if method in (b"GET", b"HEAD") else "405 Method Not Allowed"
        head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(text)}\r\nConnection: close\r\n\r\n"
        return head.encode("ascii") + (b"" if method == b"HEAD" else text)

    def _write(self, client: socket.socket, rest: memoryview) -> None:
        try:
            sent = client.send(rest)
        except BlockingIOError:
            sent = 0
        except OSError:
            sent = len(rest)
        if sent < len(rest):
            self._loop.watch(client, None, write=lambda: self._write(client, rest[sent:]))
        else:
            self._drop(client)

    def _drop(self, client: socket.socket) -> None:
        if self._clients.pop(client, None) is not None:
            self._loop.forget(client)
            client.close()
