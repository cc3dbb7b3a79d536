# SPDX-License-Identifier: Apache-2.0
"""The modelled BMC as any client meets it: who is let in, what is answered to requests that cannot be meant.

Statuses: DMTF DSP0266 1.21, "Status codes" and "Authentication"; forms: RFC 7578 and DSP0266, "Multipart HTTP push".
"""

import base64
import json
import socket
import ssl
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest

from livefw.machine.bmc.firmware import INVENTORY, Pattern
from livefw.machine.bmc.model import Model
from livefw.machine.bmc.web import INTEGRITY, MONITORS, ROOT, SERVICE, SESSIONS, TASKS, Web, WebReply
from livefw.providers.fake import FakeClock
from livefw.testing import ModelBmc

WORD = "a word of passage"
ACTIONS = f"{SERVICE}/Actions/UpdateService"


def basic(text: str) -> dict[str, str]:
    return {"authorization": f"Basic {base64.b64encode(text.encode()).decode()}"}


ADMIN = basic(f"admin:{WORD}")


class Bmc:
    """One with its own clock."""

    def __init__(self, *faults: str, pattern: Pattern = Pattern.BOTH) -> None:
        self.clock = FakeClock()
        self.web = Web(Model(self.clock.now, pattern=pattern, faults=faults), {"admin": WORD})

    def ask(self, method: str, path: str, body: object = b"", **headers: str) -> WebReply:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.web.handle(method, path, headers or ADMIN, data)

    def log_in(self, user: object = "admin", password: object = WORD) -> WebReply:
        return self.web.handle("POST", SESSIONS, {}, json.dumps({"UserName": user, "Password": password}).encode())


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (ADMIN, 200),
        ({}, 401),
        (basic("admin:wrong"), 401),
        (basic(f"nobody:{WORD}"), 401),
        (basic("admin"), 401),
        ({"authorization": ADMIN["authorization"].replace("Basic", "Bearer")}, 401),
        ({"authorization": "Basic no base64!"}, 401),
        ({"authorization": "Basic " + base64.b64encode(b"\xff:\xff").decode()}, 401),
        ({"x-auth-token": "0" * 32}, 401),
        ({"x-auth-token": "0" * 32} | ADMIN, 401),
    ],
)
def test_who_is_let_in(headers: dict[str, str], status: int) -> None:
    web = Bmc().web
    assert web.handle("GET", INVENTORY, headers, b"").status == status
    assert web.handle("GET", f"{ROOT}/", headers, b"").status == 200  # the root is open to all
    assert web.handle("GET", "/redfish", headers, b"").status == 200


def test_a_session_from_its_begin_to_its_end() -> None:
    bmc = Bmc()
    begun = bmc.log_in()
    assert begun.status == 201
    token, place = begun.headers["X-Auth-Token"], begun.headers["Location"]
    listed = json.loads(bmc.ask("GET", SESSIONS, **{"x-auth-token": token}).body)
    assert (listed["Members"], listed["Members@odata.count"]) == ([{"@odata.id": place}], 1)
    assert bmc.ask("DELETE", f"{SESSIONS}/99", **{"x-auth-token": token}).status == 404
    second = bmc.log_in().headers["Location"]
    assert bmc.ask("DELETE", second, **{"x-auth-token": token}).status == 204
    assert bmc.ask("DELETE", place, **{"x-auth-token": token}).status == 204
    assert bmc.ask("GET", SESSIONS, **{"x-auth-token": token}).status == 401
    assert bmc.web.sessions == 0


@pytest.mark.parametrize(
    ("user", "password"), [("admin", "wrong"), ("nobody", WORD), ("admin", None), (["admin"], WORD), (None, None)]
)
def test_no_session_for_who_does_not_know_the_word(user: object, password: object) -> None:
    bmc = Bmc()
    assert bmc.log_in(user, password).status == 401
    assert bmc.web.sessions == 0


def test_there_are_64_sessions_at_most() -> None:
    bmc = Bmc()
    assert [bmc.log_in().status for _ in range(65)] == [201] * 64 + [503]
    last = json.loads(bmc.ask("GET", SESSIONS).body)["Members"][-1]
    assert bmc.ask("DELETE", last["@odata.id"]).status == 204
    assert bmc.log_in().status == 201


BOUNDARY = {"content-type": "multipart/form-data; boundary=b"} | ADMIN


def form(*parts: tuple[str, bytes], end: bytes = b"--b--\r\n") -> bytes:
    """A form as DSP0266 has it."""
    head = 'Content-Disposition: form-data; name="{}"'
    return (
        b"".join(b"--b\r\n" + head.format(name).encode() + b"\r\n\r\n" + data + b"\r\n" for name, data in parts) + end
    )


GOOD = (("UpdateParameters", b"{}"), ("UpdateFile", b"version=9.0"))


class Case(NamedTuple):
    """A request, and how it is answered."""

    method: str
    path: str
    body: object
    status: int
    part: str
    headers: dict[str, str] = ADMIN


PUSH = f"{SERVICE}/update-multipart"
NAMELESS = form(*GOOD).replace(b'name="Up', b'nom="Up', 1)
CONTENTLESS = form(*GOOD).replace(b"\r\n\r\n", b"\r\n", 1)
WRONG = form(("UpdateParameters", b"x"), GOOD[1])
MEASURE = f"{INTEGRITY}/CPU0/Actions/ComponentIntegrity.SPDMGetSignedMeasurements"
TEXT, NO_BOUNDARY = {"content-type": "text/plain; boundary=b"}, {"content-type": "multipart/form-data"}
CASES = {
    "another method": Case("DELETE", SERVICE, b"", 405, "no such resource"),
    "another path": Case("GET", f"{ROOT}/Chassis", b"", 404, "no such resource"),
    "a query is no part of a path": Case("GET", f"{SERVICE}/?$expand=.", b"", 200, "UpdateService"),
    "no member": Case("GET", f"{INVENTORY}/none", b"", 404, "no such image"),
    "no task": Case("GET", f"{TASKS}/7", b"", 404, "no such task"),
    "no monitor": Case("GET", f"{MONITORS}/7", b"", 404, "no such task"),
    "no monitor to delete": Case("DELETE", f"{MONITORS}/7", b"", 404, "no such task"),
    "no target": Case("POST", f"{ACTIONS}.Activate", {"Targets": [f"{INVENTORY}/none"]}, 404, "no such target"),
    "targets that are no list": Case("POST", f"{ACTIONS}.Activate", {"Targets": "all"}, 400, ""),
    "cancel of nothing": Case("POST", f"{INVENTORY}/none/Actions/SoftwareInventory.Cancel", {}, 404, "no such image"),
    "no JSON": Case("POST", f"{ACTIONS}.SimpleUpdate", b"{", 400, "not a JSON object"),
    "no object": Case("POST", f"{ACTIONS}.SimpleUpdate", [], 400, "not a JSON object"),
    "half a character": Case("POST", f"{ACTIONS}.SimpleUpdate", b'{"a": "\\ud800"}', 400, "not a JSON object"),
    "depth without end": Case("POST", f"{ACTIONS}.SimpleUpdate", b"[" * 100_000, 400, "not a JSON object"),
    "no URI": Case("POST", f"{ACTIONS}.SimpleUpdate", {"ImageURI": 5}, 400, "ImageURI is missing"),
    "no nonce": Case("POST", MEASURE, {}, 400, "Nonce"),
    "a short nonce": Case("POST", MEASURE, {"Nonce": "00" * 31}, 400, "Nonce"),
    "a push": Case("POST", PUSH, form(*GOOD), 202, "Task", BOUNDARY),
    "not a multipart form": Case("POST", PUSH, form(*GOOD), 400, "not a multipart form", TEXT | ADMIN),
    "no boundary": Case("POST", PUSH, form(*GOOD), 400, "not a multipart form", NO_BOUNDARY | ADMIN),
    "no type at all": Case("POST", PUSH, form(*GOOD), 400, "not a multipart form"),
    "nothing in it": Case("POST", PUSH, b"--b--\r\n", 400, "no end", BOUNDARY),
    "no end": Case("POST", PUSH, form(*GOOD, end=b""), 400, "no end", BOUNDARY),
    "another end": Case("POST", PUSH, form(*GOOD, end=b"--b\r\n"), 400, "no end", BOUNDARY),
    "a part without a name": Case("POST", PUSH, NAMELESS, 400, "no name", BOUNDARY),
    "a part without content": Case("POST", PUSH, CONTENTLESS, 400, "no name", BOUNDARY),
    "no parameters": Case("POST", PUSH, form(GOOD[1]), 400, "UpdateParameters", BOUNDARY),
    "no file": Case("POST", PUSH, form(GOOD[0]), 400, "UpdateFile", BOUNDARY),
    "parameters that are none": Case("POST", PUSH, WRONG, 400, "not a JSON object", BOUNDARY),
}


@pytest.mark.parametrize("name", CASES)
def test_a_request_is_answered(name: str) -> None:
    case, bmc = CASES[name], Bmc()
    answer = bmc.ask(case.method, case.path, case.body, **case.headers)
    document = json.loads(answer.body)
    assert answer.status == case.status
    assert case.part in answer.body.decode()
    assert ("error" in document) is (case.status >= 400)
    assert (bmc.web.model.tasks != {}) is (case.status == 202)


@pytest.mark.parametrize(
    ("fault", "status", "location"),
    [("unfollowable", 202, None), ("no-location", 202, None), ("one-bank", 202, MONITORS)],
)
def test_where_a_task_is_to_be_followed(fault: str, status: int, location: str | None) -> None:
    answer = Bmc(fault).ask("POST", PUSH, form(*GOOD), **BOUNDARY)
    assert answer.status == status
    assert answer.headers.get("Location", "").rpartition("/")[0] == (location or "")
    assert (answer.body == b"") is (fault == "unfollowable")


@pytest.mark.parametrize(
    ("pattern", "present", "absent"),
    [
        (Pattern.STAGE, {"SimpleUpdate", "Activate"}, {"StartUpdate"}),
        (Pattern.START, {"SimpleUpdate", "StartUpdate"}, {"Activate"}),
        (Pattern.BOTH, {"SimpleUpdate", "StartUpdate", "Activate"}, set()),
        (Pattern.IMMEDIATE, {"SimpleUpdate"}, {"StartUpdate", "Activate"}),
    ],
)
def test_a_service_tells_what_it_can(pattern: Pattern, present: set[str], absent: set[str]) -> None:
    told: dict[str, Any] = json.loads(Bmc(pattern=pattern).ask("GET", SERVICE).body)
    names = {name.rpartition(".")[2] for name in told["Actions"]}
    assert present <= names
    assert not absent & names


LENGTHS = [(64 << 20, 401), ((64 << 20) + 1, 413), ("-1", 413), ("1e3", 413), ("9" * 19, 413)]


@pytest.mark.parametrize(("length", "status"), LENGTHS)
def test_a_request_has_64_mib_at_most(livefw_bmc: ModelBmc, length: int | str, status: int) -> None:
    """Beyond the limit its head is sent only: nothing of the rest is waited for."""
    url = urlsplit(livefw_bmc.url)
    context = ssl.create_default_context(cadata=livefw_bmc.certificate.decode())
    head = f"POST {PUSH} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n".encode()
    with (
        socket.create_connection((url.hostname, url.port), timeout=60) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1") as client,
    ):
        client.sendall(head)
        if isinstance(length, int) and status == 401:
            client.sendall(bytes(length))
        assert client.recv(4096).split(b" ")[1] == str(status).encode()
