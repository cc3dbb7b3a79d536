# SPDX-License-Identifier: Apache-2.0
"""The modelled BMC as any client meets it: who is let in, what is answered to requests that cannot be meant.

Statuses: DMTF DSP0266 1.21, "Status codes" and "Authentication"; forms: RFC 7578 and DSP0266, "Multipart HTTP push".
"""

import base64
import json
import socket
import ssl
import tracemalloc
from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest

from livefw.machine.bmc.documents import ACCOUNTS, INTEGRITY, MONITORS, ROOT, SERVICE, SESSIONS, TASKS
from livefw.machine.bmc.firmware import INVENTORY, Pattern
from livefw.machine.bmc.model import Model
from livefw.machine.bmc.reply import WebReply
from livefw.machine.bmc.web import Web
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
    "another method": Case("DELETE", SERVICE, b"", 405, "cannot do this"),
    "another path": Case("GET", f"{ROOT}/Fabrics", b"", 404, "no such resource"),
    "a query is no part of a path": Case("GET", f"{SERVICE}/?expand=.", b"", 200, "UpdateService"),
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


REFUSED = {
    "longer than an image and its form": ("Content-Length: 537919489", 413),
    "negative": ("Content-Length: -1", 413),
    "no whole number": ("Content-Length: 1e3", 413),
    "longer than any": (f"Content-Length: {'9' * 19}", 413),
    "of no length that is known before (RFC 9110, section 15.5.12)": ("Transfer-Encoding: chunked", 411),
}


class Line:
    """A TLS connection to the BMC, and what is sent as it is."""

    def __init__(self, bmc: ModelBmc) -> None:
        url = urlsplit(bmc.url)
        context = ssl.create_default_context(cadata=bmc.certificate.decode())
        plain = socket.create_connection((url.hostname, url.port), timeout=60)
        self.socket = context.wrap_socket(plain, server_hostname="127.0.0.1")

    def send(self, *lines: str) -> None:
        self.socket.sendall("\r\n".join([*lines, "Host: x", "", ""]).encode())

    def received(self) -> bytes:
        return self.socket.recv(65536)


@pytest.fixture
def line(livefw_bmc: ModelBmc) -> Iterator[Line]:
    made = Line(livefw_bmc)
    with made.socket:
        yield made


@pytest.mark.parametrize("name", REFUSED)
def test_a_body_that_is_refused_is_not_waited_for(line: Line, name: str) -> None:
    field, status = REFUSED[name]
    line.send(f"POST {PUSH} HTTP/1.1", field)
    assert line.received().split(b" ")[1] == str(status).encode()


def test_a_large_image_is_not_held_in_memory(livefw_bmc: ModelBmc, line: Line) -> None:
    """None of its 64 MiB is on the heap; what a request costs there is less than a quarter of it."""
    basic = base64.b64encode(f"{livefw_bmc.user}:{livefw_bmc.password}".encode()).decode()
    head = b'--b\r\nContent-Disposition: form-data; name="UpdateParameters"\r\n\r\n{}\r\n'
    head += b'--b\r\nContent-Disposition: form-data; name="UpdateFile"\r\n\r\nversion=9.9.9'
    end, piece = b"\r\n--b--\r\n", bytes(1 << 20)
    length = len(head) + 64 * len(piece) + len(end)
    tracemalloc.start()
    try:
        line.send(
            f"POST {PUSH} HTTP/1.1",
            f"Authorization: Basic {basic}",
            "Content-Type: multipart/form-data; boundary=b",
            f"Content-Length: {length}",
        )
        for each in (head, *([piece] * 64), end):
            line.socket.sendall(each)
        answer = line.received()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert answer.split(b" ")[1] == b"202", answer
    assert peak < 16 << 20


def test_what_follows_a_head_request_is_its_reply(livefw_bmc: ModelBmc, line: Line) -> None:
    """A body after it would be read as the next reply."""
    line.send("HEAD /redfish/v1 HTTP/1.1")
    line.send("GET /redfish HTTP/1.1")
    answers = b""
    while b'"v1"' not in answers:
        answers += line.received()
    head, _, rest = answers.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200")
    assert rest.startswith(b"HTTP/1.1 200")


READER = basic("reader:a word of its own")


class Allowed(NamedTuple):
    """A request of somebody with the role ReadOnly, and its status (DSP0266, "Roles"; DSP8011, PrivilegeRegistry)."""

    method: str
    path: str
    status: int
    body: bytes = b""


ALLOWED = {
    "read": Allowed("GET", INVENTORY, 200),
    "push": Allowed("POST", PUSH, 403),
    "activate": Allowed("POST", f"{ACTIONS}.Activate", 403),
    "set one's own password": Allowed("PATCH", f"{ACCOUNTS}/2", 200, b'{"Password": "another word"}'),
    "take another role": Allowed("PATCH", f"{ACCOUNTS}/2", 403, b'{"RoleId": "Administrator"}'),
    "set somebody's password": Allowed("PATCH", f"{ACCOUNTS}/1", 403, b'{"Password": "another word"}'),
    "make an account": Allowed("POST", ACCOUNTS, 403, b"{}"),
    "remove an account": Allowed("DELETE", f"{ACCOUNTS}/1", 403),
    "end somebody's session": Allowed("DELETE", f"{SESSIONS}/1", 403),
    "end one's own session": Allowed("DELETE", f"{SESSIONS}/2", 204),
}


@pytest.mark.parametrize("name", ALLOWED)
def test_a_role_allows_what_it_is_for(name: str) -> None:
    case, bmc = ALLOWED[name], Bmc()
    wanted = {"UserName": "reader", "Password": "a word of its own", "RoleId": "ReadOnly"}
    assert bmc.ask("POST", ACCOUNTS, json.dumps(wanted).encode()).status == 201
    assert [bmc.log_in().status, bmc.log_in("reader", "a word of its own").status] == [201, 201]
    answer = bmc.ask(case.method, case.path, case.body, **READER)
    assert answer.status == case.status, answer.body
    assert "another word" not in answer.body.decode()


REFUSED_ACCOUNTS: dict[str, tuple[dict[str, Any], str]] = {
    "no role": ({"RoleId": ...}, "RoleId is missing"),
    "another role": ({"RoleId": "King"}, "no such role"),
    "a name that is taken": ({"UserName": "admin"}, "an account of this name"),
    "a short password": ({"Password": "short"}, "too short"),
    "a number for a name": ({"UserName": 7}, "wrong type"),
    "something else": ({"Colour": "red"}, "Colour cannot be set"),
}


@pytest.mark.parametrize("name", REFUSED_ACCOUNTS)
def test_an_account_that_cannot_be_is_not_made(name: str) -> None:
    change, part = REFUSED_ACCOUNTS[name]
    wanted = {"UserName": "reader", "Password": "a word of its own", "RoleId": "ReadOnly"} | change
    body = json.dumps({key: value for key, value in wanted.items() if value is not ...}).encode()
    bmc = Bmc()
    answer = bmc.ask("POST", ACCOUNTS, body)
    assert answer.status == 400
    assert part in answer.body.decode()
    assert json.loads(bmc.ask("GET", ACCOUNTS).body)["Members@odata.count"] == 1


def test_what_was_changed_meanwhile_is_not_overwritten() -> None:
    """DSP0266, "ETags"."""
    bmc, place = Bmc(), f"{ACCOUNTS}/1"
    tag = bmc.ask("GET", place).headers["ETag"]
    assert bmc.ask("GET", place, **ADMIN, **{"if-none-match": tag}).status == 304
    change = b'{"UserName": "admin"}'
    asked = [bmc.ask("PATCH", place, change, **ADMIN, **{"if-match": tag}).status for _ in range(2)]
    assert asked == [200, 412]
    assert bmc.ask("GET", place, **ADMIN, **{"if-none-match": tag}).status == 200


def test_an_account_that_is_removed_is_let_in_no_more() -> None:
    bmc = Bmc()
    wanted = {"UserName": "reader", "Password": "a word of its own", "RoleId": "ReadOnly"}
    place = bmc.ask("POST", ACCOUNTS, json.dumps(wanted).encode()).headers["Location"]
    token = {"x-auth-token": bmc.log_in("reader", "a word of its own").headers["X-Auth-Token"]}
    assert [bmc.ask("GET", SERVICE, **each).status for each in (READER, token)] == [200, 200]
    assert bmc.ask("DELETE", place).status == 204
    assert [bmc.ask("GET", SERVICE, **each).status for each in (READER, token)] == [401, 401]
