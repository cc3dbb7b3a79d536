# SPDX-License-Identifier: Apache-2.0
"""Any number of BMCs in one process and one thread: they must not be what limits a measurement of who asks them.

All listen on one socket, each at an address of its own out of 127.0.0.0/8. Of an image that is sent to them they keep
the beginning and the end.
"""

import asyncio
import os
import ssl
import tempfile
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple, Self

from livefw.machine.bmc import certificate
from livefw.machine.bmc.model import Dropped
from livefw.machine.bmc.reply import WebReply

_KEPT = 1 << 15
"""Bytes that are kept of the beginning of a body, and as many of its end."""
_PIECE = 1 << 18
_LINE = 1 << 16


class Request(NamedTuple):
    """What a BMC is asked; header names in lower case. ``size`` is that of the whole body, ``host`` its address."""

    host: str
    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    size: int


Answer = Callable[[Request], WebReply]


def address(number: int) -> str:
    """The address of one of them."""
    return f"127.{1 + number // 62_500}.{number // 250 % 250}.{1 + number % 250}"


class BmcFarm:
    """Serves in a thread, until it is closed. A context manager."""

    def __init__(self, answer: Answer, *, latency: float = 0.0) -> None:
        """``latency`` is how many seconds each answer takes."""
        self._answer, self._latency = answer, latency
        self.pem = certificate.make("127.0.0.1", *map(address, range(3)))
        self._tls = _tls(self.pem)
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self.connections = 0
        """How many were made."""
        ready = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(ready,), name="bmc-farm", daemon=True)
        self._thread.start()
        ready.wait()

    def url(self, number: int = 0) -> str:
        """Where one of them is."""
        return f"https://{address(number)}:{self.port}"

    def close(self) -> None:
        """Serve no more."""
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(self, ready: threading.Event) -> None:
        async def serve() -> None:
            server = await asyncio.start_server(self._talk, "0.0.0.0", 0, ssl=self._tls, backlog=1024, limit=_LINE)
            self.port = server.sockets[0].getsockname()[1]
            ready.set()
            await self._stop.wait()
            server.close()
            others = asyncio.all_tasks() - {asyncio.current_task()}
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)

        self._loop.run_until_complete(serve())
        self._loop.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        host = writer.get_extra_info("sockname")[0]
        with suppress(OSError, EOFError, Dropped, asyncio.CancelledError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                first, *lines = head.decode("latin-1").rstrip().split("\r\n")
                fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
                size = int(fields.get("content-length", "0"))
                body = await _ends(reader, size) if size else b""
                if self._latency:
                    await asyncio.sleep(self._latency)
                method, path, _ = first.split(" ")
                reply = self._answer(Request(host, method, path, fields, body, size))
                headers = "".join(f"{name}: {value}\r\n" for name, value in reply.headers.items())
                start = f"HTTP/1.1 {reply.status} -\r\n{headers}Content-Length: {len(reply.body)}\r\n\r\n"
                writer.write(start.encode("latin-1") + reply.body)
                await writer.drain()
        writer.close()


async def _ends(reader: asyncio.StreamReader, size: int) -> bytes:
    kept, left = bytearray(), size
    while left:
        piece = await reader.read(min(left, _PIECE))
        if not piece:
            raise EOFError
        left -= len(piece)
        kept += piece
        if len(kept) > 4 * _KEPT:
            del kept[_KEPT:-_KEPT]
    return bytes(kept if size <= 2 * _KEPT else kept[:_KEPT] + kept[-_KEPT:])


def _tls(pem: certificate.Pem) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.NamedTemporaryFile() as file:
        os.chmod(file.name, 0o600)
        file.write(pem.key + pem.certificate)
        file.flush()
        context.load_cert_chain(file.name)
    return context
