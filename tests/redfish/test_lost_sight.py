# SPDX-License-Identifier: Apache-2.0
"""A request that cannot be sent, or of which the answer is lost, and a BMC that is away afterwards: for a while, for
ever, and with something hidden."""

from typing import Any, NamedTuple

import pytest
from urllib3.exceptions import ConnectTimeoutError

from livefw.machine.bmc.reply import WebReply
from livefw.providers.base import Claim, Reply
from livefw.providers.redfish.exchange import AWAY_PAUSE_S, AWAY_S
from livefw.providers.redfish.repeated import MOST_REPEATS

from .conftest import Bench
from .field import ACTIVATE, CANCEL, MONITOR, PUSH, Field, Rule, answer, drop_image, forget, hold, run, task

LOGIN = r"POST .*/Sessions"
LOOK = r"GET .*/UpdateService"
"""Once for each look at all that the BMC has."""
ACTS = {"stage": (PUSH, hold), "activate": (ACTIVATE, run), "cancel": (CANCEL, drop_image)}
"""What asks for it, and what the BMC does when it obeys."""


def unreachable(_: Bench) -> None:
    raise ConnectTimeoutError


def code(claim: Claim) -> str:
    return claim.reason.code if claim.reason else ""


@pytest.mark.parametrize("act", ACTS)
def test_a_request_that_cannot_be_sent_is_a_refusal(act: str) -> None:
    bench = Field(Rule(ACTS[act][0], effect=unreachable))
    claim = bench.do(act)
    assert (claim.reply, code(claim), claim.at_work) == (Reply.REFUSED, "unreachable", False)
    assert bench.model.firmware[0].running == "1.0.0"
    assert bench.model.firmware[0].staged == (None if act == "stage" else "2.0.0")
    assert bench.web.sessions == 0


class After(NamedTuple):
    """What the claim is after a lost answer; ``at_work`` if the BMC cannot be looked at any more."""

    reply: Reply
    code: str
    at_work: bool


SEEN = {
    "stage": After(Reply.ACCEPTED, "", at_work=False),
    "activate": After(Reply.LOST, "broken", at_work=False),
    "cancel": After(Reply.LOST, "overtaken", at_work=False),
}


def lost(act: str, *afterwards: Rule) -> tuple[Field, After]:
    """The BMC obeys, the answer is lost, and from the second look on it answers in another way."""
    when, effect = ACTS[act]
    bench = Field(Rule(when, effect=effect, dropped=True), *afterwards)
    claim = bench.do(act)
    assert bench.asked(act) == 1
    return bench, After(claim.reply, code(claim), claim.at_work)


def waited(refusals: int) -> float:
    """Seconds until the first answer after so many: one between two reads of a look, more between two looks."""
    looks, reads = divmod(refusals, 1 + MOST_REPEATS)
    return looks * (MOST_REPEATS + AWAY_PAUSE_S) + reads


LONGEST = AWAY_S + AWAY_PAUSE_S + MOST_REPEATS


@pytest.mark.parametrize("refusals", [0, 1, 7])
@pytest.mark.parametrize("act", ACTS)
def test_a_bmc_that_was_away_is_looked_at_when_it_is_back(act: str, refusals: int) -> None:
    bench, after = lost(act, Rule(LOOK, answer(503), first=2, last=1 + refusals))
    assert after == SEEN[act]
    assert bench.clock.passed == pytest.approx(waited(refusals))


@pytest.mark.parametrize("act", ACTS)
def test_a_bmc_that_stays_away_is_waited_for_as_long_as_it_is_said(act: str) -> None:
    bench, after = lost(act, Rule(LOOK, answer(503), first=2))
    assert after == After(Reply.LOST, "broken", at_work=True)
    assert AWAY_S <= bench.clock.passed <= LONGEST
    assert "cannot be read now" in bench.watch.told[-1].text


@pytest.mark.parametrize("act", ACTS)
def test_a_bmc_that_answers_something_else_is_not_waited_for(act: str) -> None:
    bench, after = lost(act, Rule(LOOK, answer(404), first=2))
    assert after == After(Reply.LOST, "broken", at_work=True)
    assert bench.clock.passed == 0


@pytest.mark.parametrize(
    "state",
    ["Exception", "Killed", "Cancelled"],
)
def test_an_image_that_came_although_the_task_failed_is_told(state: str) -> None:
    bench = Field(Rule(MONITOR, answer(200, task(state)), effect=hold), seconds=600.0)
    claim = bench.do("stage")
    assert After(claim.reply, code(claim), claim.at_work) == After(Reply.LOST, "staged-otherwise", at_work=False)
    assert bench.asked("stage") == 1


# The session had ended: the request was turned away, and may be made once more if everything is as it was.


def unauthorized(act: str, effect: Any = forget) -> Rule:
    return Rule(ACTS[act][0], answer(401), last=1, effect=effect)


@pytest.mark.parametrize("act", ACTS)
def test_a_request_that_was_turned_away_is_made_once_more(act: str) -> None:
    bench = Field(unauthorized(act))
    assert bench.do(act).reply is Reply.ACCEPTED
    assert bench.asked(act) == 2
    assert bench.web.sessions == 0


@pytest.mark.parametrize("act", ACTS)
def test_a_request_that_was_obeyed_and_turned_away_is_not_made_again(act: str) -> None:

    def obey(bench: Bench) -> None:
        forget(bench)
        ACTS[act][1](bench)

    bench = Field(unauthorized(act, obey))
    claim = bench.do(act)
    assert bench.asked(act) == 1
    assert claim.reply is not Reply.REFUSED


@pytest.mark.parametrize("act", ACTS)
def test_who_is_not_let_in_again_has_lost_sight(act: str) -> None:
    bench = Field(unauthorized(act), Rule(LOGIN, answer(401), first=2))
    claim = bench.do(act)
    assert After(claim.reply, code(claim), claim.at_work) == After(Reply.LOST, "locked-out", at_work=True)
    assert bench.asked(act) == 1


# Something of the inventory is hidden: it may be what waits.


def shut(bench: Bench, status: int, *, refusals: int = 10**9, member: str = "pmfw-b") -> None:
    """From the moment on at which something is asked for, a member of the inventory cannot be read."""
    handle = bench.web.handle
    left = [refusals]
    asked = []

    def shutting(method: str, path: str, headers: Any, body: bytes) -> WebReply:
        if method == "POST" and not path.endswith("/Sessions"):
            asked.append(path)
        if asked and method == "GET" and path.endswith(member) and left[0] > 0:
            left[0] -= 1
            return answer(status)
        return handle(method, path, headers, body)

    bench.web.handle = shutting  # type: ignore[method-assign]


def cancelled(make: Any, status: int, **more: Any) -> tuple[Bench, Claim]:
    bench = make()
    bench.stage()
    start = bench.clock.passed
    shut(bench, status, **more)
    running = bench.provider.cancel("rack/pmfw-a", bench.watch.progress)
    assert running.wait(None)
    bench.clock.time -= start
    return bench, running.claim


@pytest.mark.parametrize("refusals", [1, 5])
def test_a_bank_that_is_shut_for_a_while_is_waited_for(make: Any, refusals: int) -> None:
    bench, claim = cancelled(make, 503, refusals=refusals)
    assert claim.reply is Reply.ACCEPTED
    assert bench.clock.passed == pytest.approx(waited(refusals))


def test_a_bank_that_stays_shut_is_waited_for_as_long_as_it_is_said(make: Any) -> None:
    bench, claim = cancelled(make, 503)
    assert (claim.reply, code(claim)) == (Reply.LOST, "unseen")
    assert AWAY_S <= bench.clock.passed <= LONGEST


def test_what_is_seen_to_wait_is_enough_whatever_else_is_hidden(make: type[Bench]) -> None:
    seconds = []
    for hidden in ("none", "tmpm"):
        bench = make()
        shut(bench, 503, member=hidden)
        assert bench.stage().reply is Reply.ACCEPTED
        seconds.append(bench.clock.passed)
    assert seconds[0] == seconds[1] < AWAY_S


def test_a_bank_that_is_broken_is_not_waited_for(make: Any) -> None:
    bench, claim = cancelled(make, 500)
    assert (claim.reply, code(claim), bench.clock.passed) == (Reply.LOST, "unseen", 0)


@pytest.mark.parametrize(("seconds", "begun"), [(100.0, 4), (99.0, 4), (101.0, 3), (301.0, 1)])
def test_a_look_begins_nothing_after_its_time(make: type[Bench], seconds: float, begun: int) -> None:
    """Each exchange has its limit, and how many there are, the BMC decides: after 300 s none is begun."""
    bench = make()
    handle = bench.web.handle

    def slow(method: str, path: str, headers: Any, body: bytes) -> WebReply:
        if method == "GET" and path != "/redfish/v1":
            bench.clock.time += seconds
        return handle(method, path, headers, body)

    bench.web.handle = slow  # type: ignore[method-assign]
    (note,) = bench.provider.discover().notes
    assert "reading it took too long" in note.text
    asked = [path for method, path, _ in bench.web.log if method == "GET" and path.rstrip("/") != "/redfish/v1"]
    assert len(asked) == begun


def test_what_was_read_in_time_is_listed_and_the_rest_is_counted() -> None:
    """A busy BMC with 40 members, of which each takes 10 s: the last that is begun within 300 s is read to its end."""
    place = "/redfish/v1/UpdateService/FirmwareInventory"

    def passes(bench: Bench) -> None:
        bench.clock.time += 10.0

    bench = Field(
        Rule(f"GET {place}", answer(200, {"Members": [{"@odata.id": f"{place}/fw{n}"} for n in range(40)]})),
        Rule(rf"GET {place}/fw\d+", answer(200, {"Name": "Firmware", "Version": "1"}), effect=passes),
    )
    found = bench.provider.discover()
    assert len(found.components) == 31
    assert "10 resource(s) cannot be read" in found.notes[0].text  # 9 members, and the tasks
    assert "reading it took too long" in found.notes[0].text
