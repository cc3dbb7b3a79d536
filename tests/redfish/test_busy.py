# SPDX-License-Identifier: Apache-2.0
"""What a BMC has no time to show is asked for again: as it wishes, and within limits."""

import pytest

from livefw.providers.redfish.repeated import MOST_REPEATS, MOST_S

from .field import COLLECTION, MEMBER, Field, Rule, answer, page

TASKS = r"GET .*/TaskService/Tasks"
PLACES = {
    "ibm-openbmc/dev#358: a member": MEMBER,
    "ibm-openbmc/dev#358: the collection": COLLECTION,
    "RFC 9110, 15.6.4: the update service": r"GET .*/UpdateService",
    "openbmc/bmcweb#98: the TaskService": r"GET .*/TaskService",
    "openbmc/bmcweb#98: the tasks": TASKS,
    "openbmc/bmcweb#98: what is measured": r"GET .*/ComponentIntegrity",
}


@pytest.mark.parametrize("times", [1, MOST_REPEATS])
@pytest.mark.parametrize("status", [408, 429, 502, 503, 504])
@pytest.mark.parametrize("place", PLACES)
def test_what_is_busy_for_a_moment_is_shown_all_the_same(place: str, status: int, times: int) -> None:
    found = Field(Rule(PLACES[place], answer(status), last=times)).provider.discover()
    assert (len(found.components), found.notes) == (3, ())


WISHES = [
    ({}, 1, 1.0),
    ({"Retry_After": "5"}, 1, 5.0),
    ({"Retry_After": "0"}, 2, 2.0),
    ({"Retry_After": "-7"}, 1, 1.0),
    ({"Retry_After": "soon"}, 1, 1.0),
    ({"Retry_After": "99999999999999999999"}, 1, 1.0),
    ({"Date": "Tue, 01 Jan 2019 00:00:00 GMT", "Retry_After": "Tue, 01 Jan 2019 00:00:04 GMT"}, 1, 4.0),
    ({"Date": "Tue, 01 Jan 2019 00:00:00 GMT", "Retry_After": "Mon, 31 Dec 2018 00:00:00 GMT"}, 1, 1.0),
]


@pytest.mark.parametrize(("headers", "times", "seconds"), WISHES)
def test_the_bmc_says_when_to_ask_again(headers: dict[str, str], times: int, seconds: float) -> None:
    """RFC 9110, 10.2.3: seconds, or a moment by the clock of the service; whatever is neither does not count."""
    bench = Field(Rule(MEMBER, answer(503, **headers), last=times))
    assert len(bench.provider.discover().components) == 3
    assert bench.clock.passed == pytest.approx(seconds)


@pytest.mark.parametrize("wish", ["120", "11"])
def test_nobody_waits_for_long(wish: str) -> None:
    bench = Field(Rule(MEMBER, page(503, Retry_After=wish)))
    found = bench.provider.discover()
    assert len(found.components) == 2
    assert "answered 503 (503 Service Unavailable)" in found.notes[0].text
    assert bench.clock.passed == 0


def test_a_look_waits_for_all_together_no_longer_than_for_one() -> None:
    bench = Field(Rule(r"GET .*/UpdateService", answer(503, Retry_After="6"), last=1), Rule(MEMBER, answer(503)))
    assert len(bench.provider.discover().components) == 2
    assert 6.0 < bench.clock.passed <= MOST_S
