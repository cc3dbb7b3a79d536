# SPDX-License-Identifier: Apache-2.0
"""A BMC that does not show all it has, or ends sessions: nothing is taken for gone, and nothing stays behind."""

import json
from typing import Any

import pytest

from livefw.errors import PermissionDenied, TransportError
from livefw.machine.bmc.firmware import Pattern
from livefw.machine.bmc.reply import WebReply
from livefw.providers.base import Reply, Witness
from livefw.providers.redfish.exchange import AWAY_S

from .conftest import URL, Bench
from .field import COLLECTION, MEMBER, MONITOR, Field, Rule, answer, forget, message, page

# What cannot be read is not gone.

ERROR = {"error": {"@Message.ExtendedInfo": [message("Base.1.8.InternalError", "It failed.")]}}
EMPTY = {"@odata.id": "/redfish/v1/UpdateService/FirmwareInventory", "Name": "Firmware"}
SHUT = {
    "ibm-openbmc/dev#358: collection 503": (Rule(COLLECTION, answer(503, Retry_After="3")), True),
    "ibm-openbmc/dev#358: collection 429": (Rule(COLLECTION, answer(429)), True),
    "ibm-openbmc/dev#358: a page, 503": (Rule(COLLECTION, page(503)), True),
    "ibm-openbmc/dev#358: member 503": (Rule(MEMBER, answer(503)), True),
    "openbmc/bmcweb#98: member is a page, 503": (Rule(MEMBER, page(503)), True),
    "UpdateService 503": (Rule(r"GET .*/UpdateService", answer(503)), True),
    "dell/iDRAC-Redfish-Scripting#139: no Members": (Rule(COLLECTION, answer(200, EMPTY)), False),
    "collection 404": (Rule(COLLECTION, answer(404)), False),
    "collection is a page, 404": (Rule(COLLECTION, page(404)), False),
    "collection is an error": (Rule(COLLECTION, answer(200, EMPTY | ERROR)), False),
    "member 500": (Rule(MEMBER, answer(500)), False),
    "member 404": (Rule(MEMBER, answer(404)), False),
    "member is a page, 200": (Rule(MEMBER, page(200)), False),
    "UpdateService 404": (Rule(r"GET .*/UpdateService", answer(404)), False),
}


@pytest.mark.parametrize("name", SHUT)
def test_what_cannot_be_read_is_not_gone(name: str) -> None:
    rule, passes = SHUT[name]
    bench = Field(rule)
    with pytest.raises(TransportError):
        bench.provider.inspect("rack/mcu")
    assert (bench.clock.passed > 0) == passes
    found = bench.provider.discover()
    assert "rack/mcu" not in {each.id for each in found.components}
    assert found.notes
    if not found.components:
        assert found.absent == found.notes[0]
    if passes:
        bench = Field(rule._replace(last=3))
        assert bench.component("mcu").id == "rack/mcu"


def test_what_is_not_there_is_gone() -> None:
    assert Field().provider.inspect("rack/none") is None


def test_an_error_beside_the_members_is_told() -> None:
    """ibm-openbmc/dev#358: 200, with Members, and an InternalError in the same body."""
    bench = Field()
    whole = json.loads(bench._handle("GET", "/redfish/v1/UpdateService/FirmwareInventory", _basic(), b"").body)
    bench.rules = (Rule(COLLECTION, answer(200, whole | ERROR)),)
    bench._seen = [0]
    found = bench.provider.discover()
    assert len(found.components) == 3
    assert "InternalError: It failed." in found.notes[0].text
    assert [each.code for each in bench.provider.diagnose()] == ["reached", "ability", "unread"]


def test_a_collection_that_is_linked_and_not_there_hides_nothing() -> None:
    """As on services that link what they do not have; the captured ones have both or one."""
    bench = Field()
    place = "/redfish/v1/UpdateService"
    service = json.loads(bench._handle("GET", place, _basic(), b"").body)
    linked = service | {"SoftwareInventory": {"@odata.id": f"{place}/SoftwareInventory"}}
    bench.rules, bench._seen = (Rule(rf"GET {place}", answer(200, linked)),), [0]
    assert bench.provider.discover().notes == ()
    assert bench.component("mcu").pending is False
    with pytest.raises(TransportError):
        bench.provider.inspect("rack/somewhere-else")


def test_a_queue_that_cannot_be_read_is_not_empty() -> None:
    bench = Bench(pattern=Pattern.START)
    assert bench.component().pending is False
    bench.model.faults = frozenset({"monitor-breaks"})
    bench.stage()
    assert bench.component().pending is None


def _basic() -> dict[str, str]:
    import base64

    return {"authorization": "Basic " + base64.b64encode(b"admin:a word of passage").decode()}


@pytest.mark.parametrize("act", ["activate", "cancel"])
def test_what_could_be_asked_by_hand_is_what_is_asked(act: str) -> None:
    bench = Field()
    bench.do(act)
    (path,) = (path for method, path, _ in bench.web.log if method == "POST" and "/Actions/" in path)
    assert bench.provider.replay("rack/mcu", act) == f"curl --netrc --json '{{}}' {URL}{path}"
    assert bench.provider.replay("none/mcu", act) == f"curl --netrc --json '{{}}' https://BMC{path}"


# Sessions.


def test_no_session_stays_behind_where_the_password_has_to_be_changed() -> None:
    """openbmc/bmcweb#103: a session is made, and says that it cannot be used."""
    bench = Field()
    info = {"@Message.ExtendedInfo": [{"MessageId": "Base.1.8.PasswordChangeRequired", "MessageArgs": ["/x"]}]}

    def handle(method: str, path: str, headers: Any, body: bytes) -> WebReply:
        found = bench._handle(method, path, headers, body)
        made = method == "POST" and path.endswith("/Sessions")
        return found._replace(body=json.dumps(json.loads(found.body) | info).encode()) if made else found

    bench.web.handle = handle  # type: ignore[method-assign]
    with pytest.raises(TransportError, match="password must be changed"):
        bench.provider.inspect("rack/mcu")
    assert bench.web.sessions == 0


LOGINS = {400: "no-session", 401: "login", 403: "no-session", 404: "no-session", 500: "no-session", 503: "no-session"}


@pytest.mark.parametrize("status", LOGINS)
def test_a_bmc_that_gives_no_session_may_give_one_later(status: int) -> None:
    """It may have none left (DSP0266, sessions). Credentials that it does not take are not tried again."""
    code, login = LOGINS[status], Rule(r"POST .*/Sessions", answer(status))
    bench = Field(login)
    with pytest.raises(TransportError) as caught:
        bench.provider.inspect("rack/mcu")
    assert caught.value.firmware_code == code
    assert isinstance(caught.value, PermissionDenied) == (code == "login")
    if code == "login":
        assert len(bench.posts("/Sessions")) == 1
    else:
        assert bench.clock.passed >= AWAY_S
        assert Field(login._replace(last=3)).component("mcu").id == "rack/mcu"


@pytest.mark.parametrize("status", LOGINS)
def test_where_no_session_is_given_any_more_the_task_is_out_of_sight(status: int) -> None:
    bench = Field(
        Rule(MONITOR, last=1, effect=forget), Rule(r"POST .*/Sessions", answer(status), first=2), seconds=600.0
    )
    claim = bench.do("activate")
    assert (claim.reply, claim.reason and claim.reason.code) == (Reply.LOST, "locked-out")


def test_a_session_that_only_seemed_to_be_void_is_closed_as_well() -> None:
    bench = Field(Rule(MONITOR, answer(401), last=1))
    assert bench.do("activate").reply is Reply.ACCEPTED
    assert bench.web.sessions == 0


def test_logins_are_counted() -> None:
    """A BMC locks a user out who is refused too often."""
    bench = Field(Rule(MONITOR, last=1, effect=forget), Rule(r"POST .*/Sessions", answer(401), first=2), seconds=600.0)
    bench.do("activate")
    assert len(bench.posts("/Sessions")) == 3
    bench = Field(*(Rule(MONITOR, first=n, last=n, effect=forget) for n in range(1, 99, 2)), seconds=600.0)
    claim = bench.do("activate")
    assert (claim.reply, claim.reason and claim.reason.code) == (Reply.LOST, "locked-out")
    assert len(bench.posts("/Sessions")) == 7


def test_basic_credentials_are_tried_once_more_as_well() -> None:
    bench = Field(Rule(MONITOR, answer(401), last=1), settings='auth = "basic"\n')
    assert bench.do("activate").reply is Reply.ACCEPTED
    assert bench.posts("/Sessions") == []


# What a restart of this machine does to an image on a BMC.


@pytest.mark.parametrize(
    ("ident", "by_restart"), [("mcu", False), ("bios", True), ("none", True)], ids=["a microcontroller", "BIOS", "gone"]
)
def test_a_restart_of_this_machine_brings_in_what_is_firmware_of_it(ident: str, by_restart: bool) -> None:
    memory = Field().provider.recall(f"rack/{ident}", "")
    assert (memory.by_restart, memory.complete) == (by_restart, False)


def test_what_a_restart_does_is_not_known_while_the_bmc_is_away() -> None:
    memory = Field(Rule(r"GET .*/UpdateService", answer(503))).provider.recall("rack/mcu", "")
    assert (memory.by_restart, memory.complete, memory.witness) == (True, False, Witness.NONE)


@pytest.mark.parametrize("member", ["pmfw-a", "pmfw-b"])
def test_a_bank_that_is_not_shown_may_be_the_one_that_waits(member: str) -> None:
    bench = Bench(pattern=Pattern.STAGE)
    handle = bench.web.handle

    def hide(method: str, path: str, headers: Any, body: bytes) -> WebReply:
        return answer(500) if path.endswith(f"/{member}") else handle(method, path, headers, body)

    bench.web.handle = hide  # type: ignore[method-assign]
    (found,) = (each for each in bench.provider.discover().components if each.id.startswith("rack/pmfw"))
    assert found.pending is None


@pytest.mark.parametrize(
    ("lacks", "code"),
    [((), None), (("no-measurements",), None), (("active-untold",), None), (("no-measurements", "active-untold"), "x")],
)
def test_what_would_show_nothing_is_told_beforehand(lacks: tuple[str, ...], code: str | None) -> None:
    found = Bench(*lacks, "one-bank").component("pmfw")
    assert (found.unconfirmed and found.unconfirmed.code) == (code and "no-evidence")
