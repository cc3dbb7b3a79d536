# SPDX-License-Identifier: Apache-2.0
"""A BMC that means harm, or is broken, on the loopback: everything that it decides has a limit.

Its certificate is good and the TLS is real; time passes only where the client looks at its clock.
"""

import gzip
import itertools
import json
import socket
import ssl
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest

from livefw.machine.bmc import certificate
from livefw.providers.redfish.client import RedfishClient
from livefw.providers.redfish.exchange import ExchangeError, local_path
from livefw.providers.redfish.settings import Bmc, Secret
from livefw.providers.redfish.transport import BoundedAdapter, TlsContext, tls

MOST = 20_000
Script = Callable[[ssl.SSLSocket], None]


class Hostile:
    """Answers each connection with a script, and keeps the requests."""

    def __init__(self, *hosts: str) -> None:
        self.pem = certificate.make(*(hosts or ("127.0.0.1",)))
        self.requests: list[bytes] = []
        self.script: Script = lambda _: None
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with tempfile.NamedTemporaryFile() as file:
            file.write(self.pem.key + self.pem.certificate)
            file.flush()
            self._context.load_cert_chain(file.name)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"https://127.0.0.1:{self._listener.getsockname()[1]}"
        self._plain: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._serve)]
        self._threads[0].start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                self._plain.append(self._listener.accept()[0])
                self._threads.append(threading.Thread(target=self._talk, args=(self._plain[-1],)))
                self._threads[-1].start()

    def _talk(self, plain: socket.socket) -> None:
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # A duplicate, so that `close` can end the connection whoever holds what.
        with suppress(OSError, ValueError), self._context.wrap_socket(plain.dup(), server_side=True) as secured:
            while request := _request(secured):
                self.requests.append(request)
                self.script(secured)
        with suppress(OSError):
            plain.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._threads[0].join()
        for plain in self._plain:
            with suppress(OSError):
                plain.shutdown(socket.SHUT_RDWR)
            plain.close()
        for thread in self._threads:
            thread.join()


def _request(secured: ssl.SSLSocket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        if not (more := secured.recv(4096)):
            return b""
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    length = next((int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0)
    while len(body) < length:
        body += secured.recv(4096)
    return head + b"\r\n\r\n" + body


def answer(body: bytes, *headers: str, status: str = "200 OK", length: int | None = None) -> bytes:
    size = len(body) if length is None else length
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {size}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def says(data: bytes) -> Script:
    return lambda secured: secured.sendall(data)


def endless(head: bytes, piece: bytes) -> Script:
    """Send for ever, in records of their own."""

    def script(secured: ssl.SSLSocket) -> None:
        secured.sendall(head)
        while True:
            secured.sendall(piece)

    return script


def hangs_up(data: bytes) -> Script:
    def script(secured: ssl.SSLSocket) -> None:
        secured.sendall(data)
        secured.shutdown(socket.SHUT_RDWR)

    return script


@pytest.fixture
def hostile() -> Iterator[Callable[..., Hostile]]:
    made: list[Hostile] = []

    def start(*hosts: str) -> Hostile:
        made.append(Hostile(*hosts))
        return made[-1]

    yield start
    for each in made:
        each.close()


def ticking(step: float) -> Callable[[], float]:
    """A clock that goes on by one step whenever somebody looks at it."""
    counter = itertools.count()
    return lambda: next(counter) * step


def enter(server: Hostile, context: TlsContext | None = None, **bmc: Any) -> RedfishClient:
    context = context or tls(server.pem.certificate, verify=True)
    adapter = BoundedAdapter(server.url, context, most=MOST)
    return RedfishClient(Bmc("rack", server.url, **bmc), Secret("admin", "a word of passage"), adapter)


ROOT = json.dumps({"Links": {"Sessions": {"@odata.id": "/redfish/v1/SessionService/Sessions"}}}).encode()
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
BOMB = gzip.compress(b" " * 10_000_000)

SCRIPTS = {
    "larger than it may be": (says(answer(b" " * (MOST + 1))), "oversized"),
    "endless": (endless(CHUNKED, b"1000\r\n" + b" " * 4096 + b"\r\n"), "oversized"),
    "larger when unpacked": (says(answer(BOMB, "Content-Encoding: gzip")), "oversized"),
    "no JSON": (says(answer(b"<html>")), "malformed"),
    "deep": (says(answer(b"[" * 10_000)), "malformed"),
    "not UTF-8": (says(answer(b'{"a": "\xff\xfe"')), "malformed"),
    "cut off": (hangs_up(answer(b"{", length=100)), "broken"),
    "gone": (hangs_up(b""), "broken"),
    "no HTTP": (hangs_up(b"SSH-2.0-dropbear\r\n\r\n"), "broken"),
    "many header fields": (endless(b"HTTP/1.1 200 OK\r\n", b"X-A: b\r\n" * 300), "broken"),
    "long header field": (endless(b"HTTP/1.1 200 OK\r\nX-A: ", b"b" * 16_000), "broken"),
    "round and round": (says(answer(b"", "Location: /redfish/v1/", status="302 Found")), "broken"),
}


@pytest.mark.parametrize("name", SCRIPTS)
def test_answer_is_bounded(hostile: Callable[..., Hostile], name: str) -> None:
    server = hostile()
    server.script, code = SCRIPTS[name]
    with pytest.raises(ExchangeError) as caught:
        enter(server)
    assert caught.value.code == code
    assert not any(b"word of passage" in request for request in server.requests)


@pytest.mark.parametrize(("size", "whole"), [(4 << 20, True), ((4 << 20) + 1, False)])
def test_an_answer_has_4_mib_at_most(hostile: Callable[..., Hostile], size: int, whole: bool) -> None:
    """Without a limit of the test's own."""
    server = hostile()
    server.script = says(answer(ROOT.ljust(size)))
    adapter = BoundedAdapter(server.url, tls(server.pem.certificate, verify=True))
    bmc = Bmc("rack", server.url, auth="basic")
    if whole:
        client = RedfishClient(bmc, Secret("admin", "a word of passage"), adapter)
        assert client.resource("/redfish/v1/")["Links"]
        client.close()
        return
    with pytest.raises(ExchangeError) as caught:
        RedfishClient(bmc, Secret("admin", "a word of passage"), adapter)
    assert caught.value.code == "oversized"


@pytest.mark.parametrize(
    ("head", "piece"),
    [(b"", b"H"), (b"HTTP/1.1 200 OK\r\n", b"X"), (answer(b"", length=10_000), b" "), (CHUNKED + b"F000\r\n", b" ")],
    ids=["status line", "header field", "body", "chunk"],
)
def test_slow_drip_ends(hostile: Callable[..., Hostile], head: bytes, piece: bytes) -> None:
    """Every byte renews a time-out between two bytes; none renews the end of the exchange. Time passes with the work
    that they make here."""
    server = hostile()
    server.script = endless(head, piece)
    with pytest.raises(ExchangeError) as caught:
        enter(server, tls(server.pem.certificate, verify=True, spent=ticking(1.0)))
    assert caught.value.code == "silent"


def test_silence_ends(hostile: Callable[..., Hostile]) -> None:
    server = hostile()
    adapter = BoundedAdapter(server.url, tls(server.pem.certificate, verify=True), seconds=0.2)
    with pytest.raises(ExchangeError) as caught:
        RedfishClient(Bmc("rack", server.url), Secret("a", "b"), adapter)
    assert (caught.value.code, caught.value.sent) == ("silent", False)


class Waits:
    """The wall clock of a thread that is woken so many seconds after its time, or after the bytes came."""

    def __init__(self, late: float) -> None:
        self._late, self._looks, self.waits = late, 0, 0

    def __call__(self) -> float:
        self._looks += 1
        self.waits = self._looks // 2
        return self.waits * self._late


def test_a_bmc_is_not_late_because_this_machine_is(hostile: Callable[..., Hostile]) -> None:
    """Each time it is woken a day late: what it waited for was there, and the BMC has had no more than its part."""
    server, clock = hostile(), Waits(86_400.0)
    server.script = says(answer(ROOT, "X-Auth-Token: t", "Location: /redfish/v1/SessionService/Sessions/1"))
    client = enter(server, tls(server.pem.certificate, verify=True, now=clock))
    assert client.get("/redfish/v1/").status == 200
    assert clock.waits > 0


def test_a_bmc_is_silent_after_its_time_however_late_it_is_looked_at(hostile: Callable[..., Hostile]) -> None:
    """In thirty parts, of which each counts once."""
    server, clock = hostile(), Waits(86_400.0)
    adapter = BoundedAdapter(server.url, tls(server.pem.certificate, verify=True, now=clock), seconds=0.2)
    with pytest.raises(ExchangeError) as caught:
        RedfishClient(Bmc("rack", server.url), Secret("a", "b"), adapter)
    assert caught.value.code == "silent"
    assert 1 <= clock.waits <= 31


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "307 Temporary", "308 Permanent"])
def test_redirect_to_another_host_is_not_followed(hostile: Callable[..., Hostile], status: str) -> None:
    server, other = hostile(), hostile()
    server.script = says(answer(b"", f"Location: {other.url}/redfish/v1/", status=status))
    with pytest.raises(ExchangeError) as caught:
        enter(server, auth="basic")
    assert (caught.value.code, caught.value.sent) == ("redirected", False)
    assert other.requests == []


# TLS.


@pytest.mark.parametrize("hosts", [("127.0.0.2",), ("bmc.example",)])
def test_wrong_name_is_refused_before_anything_is_sent(hostile: Callable[..., Hostile], hosts: tuple[str]) -> None:
    server = hostile(*hosts)
    with pytest.raises(ExchangeError) as caught:
        enter(server)
    assert (caught.value.code, caught.value.sent, server.requests) == ("tls", False, [])


def test_unknown_authority_is_refused_before_anything_is_sent(hostile: Callable[..., Hostile]) -> None:
    server = hostile()
    for authorities in (None, certificate.make("127.0.0.1").certificate):
        with pytest.raises(ExchangeError) as caught:
            enter(server, tls(authorities, verify=True))
        assert (caught.value.code, caught.value.sent, server.requests) == ("tls", False, [])


def test_exception_of_the_settings_takes_any_certificate(hostile: Callable[..., Hostile]) -> None:
    server = hostile("bmc.example")
    server.script = says(answer(ROOT, "X-Auth-Token: t", "Location: /redfish/v1/SessionService/Sessions/1"))
    assert enter(server, tls(None, verify=False)).get("/redfish/v1/").status == 200


def test_environment_redirects_nothing(
    hostile: Callable[..., Hostile], monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    """Neither a proxy nor other credentials nor other authorities than the settings name."""
    server, other = hostile(), hostile()
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login mallory password other\n", encoding="ascii")
    netrc.chmod(0o600)
    bundle = tmp_path / "bundle.pem"
    bundle.write_bytes(other.pem.certificate)
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, other.url)
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
    server.script = says(answer(ROOT, "X-Auth-Token: t", "Location: /redfish/v1/SessionService/Sessions/1"))
    enter(server).get("/redfish/v1/")
    assert b"Authorization" not in server.requests[-1]
    assert b"X-Auth-Token: t" in server.requests[-1]
    assert other.requests == []


# What is sent.


def test_request_that_was_not_answered_is_not_repeated(hostile: Callable[..., Hostile]) -> None:
    server = hostile()
    server.script = says(answer(ROOT, "X-Auth-Token: t", "Location: /redfish/v1/SessionService/Sessions/1"))
    client = enter(server)
    before = len(server.requests)
    server.script = hangs_up(b"")
    with pytest.raises(ExchangeError) as caught:
        client.post("/redfish/v1/UpdateService/Actions/UpdateService.Activate", {})
    assert caught.value.sent
    assert len(server.requests) == before + 1


def test_unreachable_bmc_got_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"https://127.0.0.1:{listener.getsockname()[1]}"
    with pytest.raises(ExchangeError) as caught:
        RedfishClient(Bmc("rack", url), Secret("a", "b"), BoundedAdapter(url, tls(None, verify=True)))
    assert (caught.value.code, caught.value.sent) == ("silent", False)


@pytest.mark.parametrize("auth", ["session", "basic"])
def test_nothing_secret_is_logged(hostile: Callable[..., Hostile], caplog: pytest.LogCaptureFixture, auth: str) -> None:
    server = hostile()
    server.script = says(
        answer(ROOT, "X-Auth-Token: a-token", "Location: /redfish/v1/SessionService/Sessions/1", status="201 Created")
    )
    caplog.set_level(0)
    with suppress(ExchangeError):
        enter(server, auth=auth).get("/redfish/v1/")
    assert "word of passage" not in caplog.text
    assert "a-token" not in caplog.text
    assert "Basic" not in caplog.text


@pytest.mark.parametrize(
    ("uri", "path"),
    [
        ("/redfish/v1/Tasks/1", "/redfish/v1/Tasks/1"),
        ("https://bmc.example/redfish/v1/Tasks/1", "/redfish/v1/Tasks/1"),
        ("HTTPS://BMC.example:443/redfish/v1/Tasks/1", "/redfish/v1/Tasks/1"),
        # BMCs call themselves by names of their own; whatever they say, the BMC of the settings is asked.
        ("https://evil/redfish/v1/", "/redfish/v1/"),
        ("https://bmc.example@evil/redfish/v1/", "/redfish/v1/"),
        ("http://bmc.example/redfish/v1/", "/redfish/v1/"),
        ("//evil/redfish/v1/", "/redfish/v1/"),
        ("https://bmc.example", None),
        ("https://evil?/redfish/v1/", None),
        ("https://bmc.example//evil/", None),
        ("/\\evil/", None),
        ("/redfish/v1/../../etc", None),
        ("/a\r\nX-Injected: 1", None),
        ("file:///etc/passwd", None),
        ("", None),
        (7, None),
        (None, None),
    ],
)
def test_addresses_lead_nowhere_else(uri: object, path: str | None) -> None:
    assert local_path(uri) == path
