# SPDX-License-Identifier: Apache-2.0
"""The first look at a BMC, whatever its web server is like: the framing of answers, its address, and who is let in."""

import gzip
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from urllib3.util import connection

from livefw.machine.bmc.reply import WebReply
from livefw.providers.redfish.client import RedfishClient
from livefw.providers.redfish.settings import Bmc, Secret
from livefw.providers.redfish.transport import BoundedAdapter, tls

from .field import Field, Rule, answer
from .test_hostile import ROOT, Hostile, Script, hangs_up, says

PLAIN = says(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(ROOT), ROOT))
PACKED = gzip.compress(ROOT)
FRAMES: dict[str, Script] = {
    "RFC 9110, 8.4.1.3: gzip": says(
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%s" % (len(PACKED), PACKED)
    ),
    "RFC 9112, 7.1: chunked": says(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n%s\r\n%x\r\n%s\r\n0\r\n\r\n"
        % (ROOT[:5], len(ROOT) - 5, ROOT[5:])
    ),
    "RFC 1945, 7.2.2: HTTP/1.0, up to the end of the connection": hangs_up(b"HTTP/1.0 200 OK\r\n\r\n" + ROOT),
}


@pytest.fixture
def hostile() -> Iterator[Callable[..., Hostile]]:
    made: list[Hostile] = []

    def start(*hosts: str) -> Hostile:
        made.append(Hostile(*hosts))
        return made[-1]

    yield start
    for each in made:
        each.close()


def root_of(server: Hostile, url: str) -> dict[str, Any]:
    adapter = BoundedAdapter(url, tls(server.pem.certificate, verify=True))
    client = RedfishClient(Bmc("rack", url, auth="basic"), Secret("admin", "a word of passage"), adapter)
    try:
        return client.resource("/redfish/v1/")
    finally:
        client.close()


@pytest.mark.parametrize("source", FRAMES)
def test_an_answer_is_read_in_every_framing(hostile: Callable[..., Hostile], source: str) -> None:
    server = hostile()
    server.script = FRAMES[source]
    assert root_of(server, server.url)["Links"]


def test_the_name_of_a_host_is_read_in_any_case(hostile: Callable[..., Hostile]) -> None:
    """RFC 3986, 6.2.2.1."""
    server = hostile("localhost")
    server.script = PLAIN
    assert root_of(server, server.url.replace("127.0.0.1", "LocalHost"))["Links"]


def test_a_bmc_is_found_by_its_ipv6_address(hostile: Callable[..., Hostile], monkeypatch: pytest.MonkeyPatch) -> None:
    """RFC 3986, 3.2.2; for machines without IPv6, the connection itself is made to 127.0.0.1."""
    server, reached = hostile("::1"), list[str]()
    server.script = PLAIN
    connect = connection.create_connection

    def here(address: tuple[str, int], *more: Any, **named: Any) -> Any:
        reached.append(address[0])
        return connect(("127.0.0.1", address[1]), *more, **named)

    monkeypatch.setattr(connection, "create_connection", here)
    assert root_of(server, server.url.replace("127.0.0.1", "[::1]"))["Links"]
    assert set(reached) == {"::1"}
    assert all(b"\r\nhost: [::1]:" in request.lower() for request in server.requests)


@pytest.mark.parametrize("settings", ["", 'auth = "basic"\n'], ids=["session", "basic"])
def test_a_service_that_shows_strangers_not_even_its_root(settings: str) -> None:
    """DSP0266, authentication: only the service root has to be shown without it, and some do not show that either."""
    bench = Field(settings=settings)
    handle = bench.web.handle

    def shut(method: str, path: str, headers: Any, body: bytes) -> WebReply:
        stranger = headers.keys().isdisjoint(("x-auth-token", "authorization"))
        refused = path.rstrip("/") == "/redfish/v1" and stranger
        return answer(401) if refused else handle(method, path, headers, body)

    bench.web.handle = shut  # type: ignore[method-assign]
    found = bench.provider.discover()
    assert (len(found.components), found.notes, bench.web.sessions) == (3, (), 0)


def test_basic_credentials_need_no_session_of_a_bmc_that_has_none_left() -> None:
    """bb-Ricardo/check_redfish#89."""
    full = Rule(r"POST .*/Sessions", answer(503, {"error": {"message": "Too many sessions."}}))
    assert Field(full, settings='auth = "basic"\n').component("mcu").id == "rack/mcu"
