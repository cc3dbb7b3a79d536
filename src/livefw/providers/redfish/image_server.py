# SPDX-License-Identifier: Apache-2.0
"""Serves one image to one BMC while it fetches it (SimpleUpdate), and nothing else to anybody.

A BMC that takes no push fetches an image from a URI. The settings name the address to serve it from
(``serve``); without that nothing is ever served. There is one path, with a random name, of one image, which only the
BMC's own address may read, a few times, for a bounded time.
"""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from ipaddress import ip_address
from secrets import token_urlsafe
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

from livefw.errors import UsageError
from livefw.providers.base import ImagePackage
from livefw.providers.component import Reason
from livefw.providers.redfish.exchange import ExchangeError
from livefw.providers.redfish.settings import Bmc

_MOST_READS = 8
"""BMCs read an image to see what it is, and again to install it; some once more after a lost connection."""
_MOST_S = 3600.0
_EACH_S = 60.0
"""For one read or write of a connection that says nothing."""
_UNSERVED = Reason("unserved", "the image cannot be served from {place}: {why}", "serve in livefw.toml")
_UNRESOLVED = Reason("unserved", "the address of the BMC is not known: {why}")


@contextmanager
def served(package: ImagePackage, bmc: Bmc, now: Callable[[], float] = monotonic) -> Iterator[str]:
    """The URI of the image, as long as it is served. `ExchangeError` if it cannot be."""
    host, port = _place(bmc.serve or "")
    path = f"/{token_urlsafe(24)}"
    try:
        server = _OneImageServer((host, port), path, package, _addresses(bmc), now() + _MOST_S, now)
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise ExchangeError(_UNSERVED.fill(place=bmc.serve, why=why), sent=False) from error
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, name="livefw-image")
    thread.daemon = True
    try:
        thread.start()
        shown = f"[{host}]" if ":" in host else host
        yield f"http://{shown}:{server.server_address[1]}{path}"
    finally:
        server.stop()
        thread.join()


def _place(serve: str) -> tuple[str, int]:
    parts = urlsplit(f"//{serve}")
    return parts.hostname or "", parts.port or 0


def _addresses(bmc: Bmc) -> frozenset[str]:
    """The addresses of the BMC: nobody else may read the image."""
    host = urlsplit(bmc.url).hostname or ""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise ExchangeError(_UNRESOLVED.fill(why=why), sent=False) from error
    return frozenset(_plain(str(each[4][0])) for each in found)


def _plain(address: str) -> str:
    """An address without its zone, and an IPv4 address as such."""
    found = ip_address(address.partition("%")[0])
    return str(getattr(found, "ipv4_mapped", None) or found)


class _OneImageServer(HTTPServer):
    """One connection at a time; those of others are closed unread."""

    request_queue_size = 4

    def __init__(
        self,
        place: tuple[str, int],
        path: str,
        package: ImagePackage,
        clients: frozenset[str],
        until: float,
        now: Callable[[], float],
    ) -> None:
        self.address_family = socket.AF_INET6 if ":" in place[0] else socket.AF_INET
        self.path, self.package = path, package
        self._clients, self._until, self._now = clients, until, now
        self._reads = 0
        self._connection: socket.socket | None = None
        super().__init__(place, _Reader)

    def verify_request(self, request: object, client_address: object) -> bool:  # noqa: ARG002 - as in the base
        """Whether this client may ask at all."""
        address = client_address[0] if isinstance(client_address, tuple) else ""
        return _plain(str(address)) in self._clients and self._now() < self._until

    def process_request(self, request: socket.socket | tuple[bytes, socket.socket], client_address: Any) -> None:
        """As in `HTTPServer`, with the connection at hand for `stop`."""
        self._connection = request if isinstance(request, socket.socket) else None
        super().process_request(request, client_address)

    def may_read(self) -> bool:
        """Whether the image may be read once more."""
        self._reads += 1
        return self._reads <= _MOST_READS

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: a BMC that hangs up has read what it wanted."""

    def stop(self) -> None:
        """End it, and the connection that it may be serving."""
        if self._connection is not None:
            with suppress(OSError):  # it has ended already
                self._connection.shutdown(socket.SHUT_RDWR)
        self.shutdown()
        self.server_close()


class _Reader(BaseHTTPRequestHandler):
    """A request for the image."""

    timeout = _EACH_S
    server: _OneImageServer
    server_version, sys_version = "livefw", ""

    def do_HEAD(self) -> None:
        """How large it is."""
        self._answer(body=False)

    def do_GET(self) -> None:
        """The image."""
        self._answer(body=True)

    def _answer(self, *, body: bool) -> None:
        package = self.server.package
        if self.path != self.server.path or (body and not self.server.may_read()):
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Content-Length", str(package.size))
        self.end_headers()
        if not body:
            return
        try:
            for piece in package.pieces():
                self.wfile.write(piece)
        except UsageError:  # the BMC sees that it ends too early
            self.close_connection = True

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - the shape of the base class
        """Log nothing: the path is a secret."""
