# SPDX-License-Identifier: Apache-2.0
"""HTTPS as a BMC is to be met: with a limit on everything that the other side decides.

It is an adapter below DMTF's ``redfish`` and below ``requests``, because both trust the peer more than a root tool
may: the library of 2026 verifies no certificate unless it is given a file of authorities, repeats a failed POST by
itself, and follows redirects; `requests` reads bodies to their end, and its time-out is one between two bytes.
"""

import select
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar
from urllib.parse import urlsplit

from requests.adapters import HTTPAdapter
from urllib3.util import Timeout

from livefw.providers.redfish.exchange import OVERSIZED, REDIRECTED, UNHURRIED, ExchangeError, normal_url

CONNECT_S = 10.0
"""For the connection."""
EXCHANGE_S = UNHURRIED.each
"""For all of it once there is a connection. A push of a large image has its own, see `transfer_seconds`."""
MOST_BYTES = 4 << 20
"""Largest body believed. The largest documents in the field, message registries, have about 300 KiB."""
_CHUNK = 1 << 16
_SLOWEST = 64 << 10
"""Bytes a second below which a push is given up."""
_SLICES = 30
"""In how many parts the time of an exchange is waited for. Each time this thread is woken late, one is lost at most."""

T = TypeVar("T")


def transfer_seconds(size: int) -> float:
    """How long an exchange may take that sends ``size`` bytes."""
    return EXCHANGE_S + size / _SLOWEST


class PeerTime(threading.local):
    """How much longer the peer of this thread's exchange may take.

    Only what is the peer's doing counts: waits for it, and the CPU time that its bytes take here. A thread that gets no
    CPU, or no turn of the interpreter, does not wait for its peer: on a machine with too much to do, that may be longer
    than any patience. So a wait is in slices, none of which counts as longer than it was to be; and nobody is late
    whose bytes are there.
    """

    def __init__(self, now: Callable[[], float], spent: Callable[[], float]) -> None:
        """``now`` is a clock, and ``spent`` the CPU time of the calling thread. `threading.local`: once a thread."""
        self._now, self._spent = now, spent
        self._left = self._slice = float("inf")
        self._counted = 0.0
        self._reached: Callable[[], None] = _nothing

    def begin(self, seconds: float, reached: Callable[[], None]) -> None:
        """An exchange begins that may take so many seconds; ``reached`` is called if a connection is made for it."""
        self._left, self._slice = seconds, seconds / _SLICES
        self._counted = self._spent()
        self._reached = reached

    def connected(self) -> None:
        """There is a connection, and TLS begins."""
        self._reached()

    def work(self) -> None:
        """Count the CPU time since this was last done; `TimeoutError` if the time is over."""
        spent = self._spent()
        self._left -= spent - self._counted
        self._counted = spent
        if self._left <= 0:
            raise TimeoutError("the exchange took too long")

    def wait(self, descriptor: int, event: int) -> None:
        """Return as soon as the peer has let the ``event`` of poll(2) happen; `TimeoutError`."""
        poller = select.poll()
        poller.register(descriptor, event)
        ready: object = None
        while not ready:
            self.work()
            length = min(self._left, self._slice)
            begun = self._now()
            ready = poller.poll(length * 1e3)
            self._left -= min(self._now() - begun, length)


def _nothing() -> None:
    """What happens where nobody wants to know."""


class _Socket(ssl.SSLSocket):
    """A socket whose operations all take from the one `PeerTime`: a peer that sends a byte a second renews nothing."""

    @property
    def _peer_time(self) -> PeerTime:
        context: Any = self.context  # the one whose `sslsocket_class` this is
        return context.peer_time  # type: ignore[no-any-return]

    def _take(self, operation: Callable[..., T], *arguments: Any, **named: Any) -> T:
        left = self._peer_time
        if self.gettimeout() != 0.0:
            self.settimeout(0.0)
        while True:
            left.work()
            try:
                return operation(*arguments, **named)
            except ssl.SSLWantReadError:
                event = select.POLLIN
            except ssl.SSLWantWriteError:
                event = select.POLLOUT
            left.wait(self.fileno(), event)  # not among the causes of what this raises

    def do_handshake(self, block: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002 - the shape of `SSLSocket`
        self._peer_time.connected()
        self._take(super().do_handshake)

    def recv_into(self, *arguments: Any, **named: Any) -> int:
        return self._take(super().recv_into, *arguments, **named)

    def send(self, *arguments: Any, **named: Any) -> int:
        return self._take(super().send, *arguments, **named)


class TlsContext(ssl.SSLContext):
    """TLS settings of some BMCs, and what is left of the present exchange of each thread."""

    sslsocket_class = _Socket
    peer_time: PeerTime


def tls(
    authorities: bytes | None,
    *,
    verify: bool,
    now: Callable[[], float] = time.monotonic,
    spent: Callable[[], float] = time.thread_time,
) -> TlsContext:
    """TLS that verifies name and certificate, by these PEM authorities or the system's; ssl.SSLError, ValueError.

    For ``now`` and ``spent`` see `PeerTime`.
    """
    context = TlsContext(ssl.PROTOCOL_TLS_CLIENT)
    context.peer_time = PeerTime(now, spent)
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

    ``seconds`` is for an exchange, and may be changed between two; ``reached`` is called when a connection is made.
    """

    lanes = 2

    def __init__(
        self, origin: str, context: TlsContext, *, seconds: float = EXCHANGE_S, most: int = MOST_BYTES
    ) -> None:
        self._origin = normal_url(origin)
        self._place = urlsplit(origin)
        self._context = context
        self.seconds = seconds
        self.reached: Callable[[], None] = _nothing
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
        self._context.peer_time.begin(seconds, self.reached)
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
        self._context.peer_time.begin(self.seconds, self.reached)
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
