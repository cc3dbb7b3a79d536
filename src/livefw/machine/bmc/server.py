# SPDX-License-Identifier: Apache-2.0
"""A modelled BMC on a socket: HTTPS with a certificate of its own.

HTTP is the standard library's. The model is synchronous and one request at a time reaches it, so that an event loop
(aiohttp, uvicorn) would only be one more thread to cross, and a dozen packages, partly compiled, for who has a model to
try livefw with. What its server leaves out is here: no body follows a HEAD, a large body goes to a file, and one
without a length is refused.
"""

import mmap
import os
import socket
import ssl
import tempfile
import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BufferedIOBase
from typing import Any, cast

from livefw.machine.bmc import certificate
from livefw.machine.bmc.model import Dropped
from livefw.machine.bmc.web import MOST_BYTES, Web

_PATIENCE = 30.0
"""Seconds that a client may keep quiet in the middle of a request."""
_LARGE = 1 << 20
"""Bytes from which on a body goes to a file, and of which a piece has."""
_MOST = MOST_BYTES + _LARGE
"""Largest request: an image, and the form around it."""


class BmcServer:
    """Serves until closed, in threads of its own; one request at a time reaches the model."""

    def __init__(self, web: Web, *, host: str = "127.0.0.1", port: int = 0, latency: float = 0.0) -> None:
        """Raises OSError if the port cannot be bound. ``latency`` is how many seconds each answer takes."""
        self.pem = certificate.make(host)
        self._server = (_Server6 if ":" in host else _Server)((host, port), _handler(web, latency))
        self._server.tls = _tls(self.pem)
        self.host, self.port = host, self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """Where it is."""
        return f"https://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"

    def close(self) -> None:
        """Serve no more."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    tls: ssl.SSLContext

    def finish_request(self, request: Any, client_address: Any) -> None:
        """The handshake is the thread's own business: one client must not keep the others waiting."""
        request.settimeout(_PATIENCE)
        with suppress(OSError), self.tls.wrap_socket(request, server_side=True) as secured:
            super().finish_request(secured, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Nothing: clients that break off are part of the exercise."""


class _Server6(_Server):
    address_family = socket.AF_INET6


def _tls(pem: certificate.Pem) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # The standard library takes keys from files only.
    with tempfile.NamedTemporaryFile() as file:
        os.chmod(file.name, 0o600)
        file.write(pem.key + pem.certificate)
        file.flush()
        context.load_cert_chain(file.name)
    return context


def _body(file: BufferedIOBase, length: int) -> bytes:
    """What follows the header; less if the client breaks off."""
    if length < _LARGE:
        return file.read(length)
    with tempfile.TemporaryFile() as kept:
        while (missing := length - kept.tell()) > 0 and (piece := file.read(min(missing, _LARGE))):
            kept.write(piece)
        kept.flush()
        # The view keeps the mapping, and that the file, until nobody has it any more. It does what a body is asked for.
        return cast("bytes", memoryview(mmap.mmap(kept.fileno(), 0, access=mmap.ACCESS_READ))) if kept.tell() else b""


def _handler(web: Web, latency: float) -> type[BaseHTTPRequestHandler]:
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        server_version = "livefw-bmc"

        def _do(self) -> None:
            length = self.headers.get("Content-Length", "0")
            if "Transfer-Encoding" in self.headers:
                self.send_error(411)
                return
            if not (length.isascii() and length.isdecimal() and len(length) < 19 and int(length) <= _MOST):
                self.send_error(413)
                return
            body = _body(self.rfile, int(length))
            fields = {name.lower(): value for name, value in self.headers.items()}
            time.sleep(latency)
            try:
                with lock:
                    response = web.handle(self.command, self.path, fields, body)
            except Dropped:
                self.close_connection = True
                return
            self.send_response(response.status)
            for name, value in response.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(response.body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(response.body)

        do_GET = do_POST = do_DELETE = do_PATCH = do_PUT = do_HEAD = _do  # noqa: N815 - names of the base class

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            """Nothing: tests and people look at the model."""

    return Handler
