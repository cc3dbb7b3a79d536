# SPDX-License-Identifier: Apache-2.0
"""HTTPS as a BMC is to be met: with a limit on everything that the other side decides.

It is an adapter below DMTF's ``redfish`` and below ``requests``, because both trust the peer more than a root tool
may: the library of 2026 verifies no certificate unless it is given a file of authorities, repeats a failed POST by
itself, and follows redirects; `requests` reads bodies to their end, and its time-out is one between two bytes.
"""

import ssl
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

from requests.adapters import HTTPAdapter
from urllib3.util import Timeout

from livefw.providers.redfish.exchange import OVERSIZED, REDIRECTED, UNHURRIED, ExchangeError, normal_url

CONNECT_S = 10.0
"""For the connection, and for each step of the TLS handshake."""
EXCHANGE_S = UNHURRIED.each
"""From the first byte sent to the last received. A push of a large image has its own, see `transfer_seconds`."""
MOST_BYTES = 4 << 20
"""Largest body believed. The largest documents in the field, message registries, have about 300 KiB."""
_CHUNK = 1 << 16
_SLOWEST = 64 << 10
"""Bytes a second below which a push is given up."""


def transfer_seconds(size: int) -> float:
    """How long an exchange may take that sends ``size`` bytes."""
    return EXCHANGE_S + size / _SLOWEST


class _Socket(ssl.SSLSocket):
    """A socket whose operations all end at one moment: a peer that sends a byte a second does not renew anything."""

    def _hurry(self) -> None:
        context = self.context
        if isinstance(context, TlsContext):
            left = context.deadline - context.now()
            if left <= 0:
                raise TimeoutError("the exchange took too long")
            self.settimeout(left)

    def recv_into(self, *arguments: Any, **named: Any) -> int:
        self._hurry()
        return super().recv_into(*arguments, **named)

    def send(self, *arguments: Any, **named: Any) -> int:
        self._hurry()
        return super().send(*arguments, **named)


class _Deadline(threading.local):
    """The moment at which the exchange of a thread has to be over."""

    moment = float("inf")


class TlsContext(ssl.SSLContext):
    """TLS settings of one BMC, and the moment at which the present exchange of each thread has to be over."""

    sslsocket_class = _Socket
    now: Callable[[], float]
    _of_thread: _Deadline

    @property
    def deadline(self) -> float:
        """That of this thread, on the clock of `now`."""
        return self._of_thread.moment

    @deadline.setter
    def deadline(self, moment: float) -> None:
        self._of_thread.moment = moment


def tls(authorities: bytes | None, *, verify: bool, now: Callable[[], float] = time.monotonic) -> TlsContext:
    """TLS that verifies name and certificate, by these PEM authorities or the system's; ssl.SSLError, ValueError."""
    context = TlsContext(ssl.PROTOCOL_TLS_CLIENT)
    context.now, context._of_thread = now, _Deadline()  # noqa: SLF001 - a class of C takes no arguments of ours
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif authorities is not None:
        context.load_verify_locations(cadata=authorities.decode("ascii"))
    else:
        context.load_default_certs()
    return context


class BoundedAdapter(HTTPAdapter):  # type: ignore[misc]  # requests has no types here
    """The way to one BMC and to nowhere else, for ``lanes`` requests at a time: BMCs are slow.

    ``seconds`` is for an exchange, and may be changed between two.
    """

    lanes = 2

    def __init__(
        self, origin: str, context: TlsContext, *, seconds: float = EXCHANGE_S, most: int = MOST_BYTES
    ) -> None:
        self._origin = normal_url(origin)
        self._place = urlsplit(origin)
        self._context = context
        self.seconds = seconds
        self._most = most
        super().__init__(max_retries=0)

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **named: Any) -> None:  # noqa: FBT001, FBT002
        """As in `HTTPAdapter`, with our own TLS."""
        super().init_poolmanager(connections, maxsize, block, ssl_context=self._context, **named)

    def build_connection_pool_key_attributes(
        self, request: Any, verify: Any, cert: Any = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """As in `HTTPAdapter`, without what the caller says of TLS: that is the context's to decide."""
        del verify, cert
        host, _ = super().build_connection_pool_key_attributes(request, verify=True)
        return host, {}

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        """Nothing: see `build_connection_pool_key_attributes`."""

    def send(self, request: Any, **named: Any) -> Any:
        """Exchange one request, with its whole body read and every limit kept; `ExchangeError`."""
        if normal_url(request.url + "/").partition(self._origin + "/")[0]:
            raise ExchangeError(REDIRECTED, sent=False)
        size = len(request.body or b"")
        seconds = self.seconds + size / _SLOWEST
        self._context.deadline = self._context.now() + seconds
        named |= {"stream": True, "proxies": {}, "timeout": (min(CONNECT_S, seconds), seconds)}
        response = super().send(request, **named)
        try:
            response._content = self._body(response.raw)  # noqa: SLF001 - where `requests` keeps what it has read
            response._content_consumed = True  # noqa: SLF001
        finally:
            response.raw.release_conn() if response._content_consumed else response.raw.close()  # noqa: SLF001
        return response

    def read(self, path: str, headers: Mapping[str, str]) -> tuple[int, Iterable[tuple[str, str]], bytes]:
        """Status, header and body of the answer to a GET; `ExchangeError`, and what is raised below `requests`.

        With the limits of `send`, and without `requests`: what it does around each request takes longer than all that
        is below it. Redirections are not followed.
        """
        self._context.deadline = self._context.now() + self.seconds
        pool = self.poolmanager.connection_from_host(
            self._place.hostname, self._place.port or 443, scheme="https", pool_kwargs={}
        )
        raw = pool.urlopen(
            "GET",
            self._place.path + path,
            headers={"Accept-Encoding": "gzip, deflate", **headers},
            retries=False,
            redirect=False,
            preload_content=False,
            timeout=Timeout(connect=min(CONNECT_S, self.seconds), read=self.seconds),
        )
        whole = False
        try:
            data = self._body(raw)
            whole = True
        finally:
            raw.release_conn() if whole else raw.close()
        return raw.status, raw.headers.items(), data

    def _body(self, raw: Any) -> bytes:
        parts, size = [], 0
        while part := raw.read(_CHUNK, decode_content=True):
            size += len(part)
            if size > self._most:
                raise ExchangeError(OVERSIZED.fill(most=self._most), sent=True)
            parts.append(part)
        return b"".join(parts)
