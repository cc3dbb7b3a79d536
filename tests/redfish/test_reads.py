# SPDX-License-Identifier: Apache-2.0
"""How few requests a look takes: expanded collections, ETags, and what is read again around a request."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from livefw.machine.bmc.firmware import Firmware
from livefw.machine.bmc.reply import WebReply
from livefw.providers.base import Component
from livefw.providers.redfish import known

from .conftest import Bench
from .several import Racks

COLLECTION = "/redfish/v1/UpdateService/FirmwareInventory"
COUNT = 8
BMCWEB = {"ExpandAll": True, "Levels": True, "Links": True, "MaxLevels": 6, "NoLinks": True}
OFFERS = {
    # ServiceRoot 1.3, ProtocolFeaturesSupported.ExpandQuery; DSP0266, "The $expand query parameter"
    "bmcweb": (BMCWEB, ".($levels=1)"),
    "without levels": ({"NoLinks": True, "Levels": False}, "."),
    "everything or nothing": ({"ExpandAll": True, "NoLinks": False}, "*"),
    "nothing": ({"ExpandAll": False, "NoLinks": False}, None),
    "no object": (True, None),
}
Change = Callable[[dict[str, Any]], object]


class Expanding(Bench):
    """A BMC that expands its inventory, and may make mistakes in it. It answers 304 where nothing has changed."""

    def __init__(self, offer: Any = BMCWEB, change: Change = lambda document: None, status: int = 200) -> None:
        firmware = [Firmware(f"fw{number}", f"fw{number}", f"/redfish/v1/Chassis/{number}") for number in range(COUNT)]
        super().__init__("one-bank", "no-measurements", firmware=firmware)
        self._offer, self._change, self._status = offer, change, status
        self._handle = self.web.handle
        self.web.handle = self._answer  # type: ignore[assignment]
        self.asked: list[tuple[str, int]] = []
        self.tags = True

    def _answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> WebReply:
        plain, _, query = path.partition("?")
        if method == "POST":
            self.asked.clear()
        if not self.tags or query:
            headers = {**headers, "if-none-match": ""}
        reply = self._handle(method, plain, headers, body)
        if plain.rstrip("/") == "/redfish/v1" and reply.status == 200:
            features = {"ProtocolFeaturesSupported": {"ExpandQuery": self._offer}}
            reply = reply._replace(body=json.dumps(json.loads(reply.body) | features).encode())
        if query:
            document = json.loads(reply.body)
            rows = [self._handle("GET", row["@odata.id"], headers, b"").body for row in document["Members"]]
            document["Members"] = [json.loads(row) for row in rows]
            self._change(document)
            reply = WebReply(self._status, {}, json.dumps(document).encode())
        if not self.tags:
            reply.headers.pop("ETag", None)
        if method == "GET":
            self.asked.append((path.removeprefix(COLLECTION), reply.status))
        return reply

    def look(self) -> tuple[list[Component], list[tuple[str, int]]]:
        """What is listed, and what of the inventory was asked for it."""
        self.asked.clear()
        found = self.provider.discover()
        assert found.notes == ()
        return list(found.components), [each for each in self.asked if "/v1" not in each[0]]


def plain() -> list[Component]:
    return Expanding(offer=None).look()[0]


@pytest.mark.parametrize("name", OFFERS)
def test_an_expanded_collection_saves_its_members(name: str) -> None:
    """The collection itself, the expanded one, and once for each BMC a member to compare it with."""
    offer, wanted = OFFERS[name]
    bench = Expanding(offer)
    found, asked = bench.look()
    assert found == plain()
    if wanted is None:
        assert [path for path, _ in asked] == ["", *(f"/fw{number}" for number in range(COUNT))]
        return
    assert asked == [("", 200), (f"?$expand={wanted}", 200), (f"/fw{COUNT - 1}", 200)]
    bench.tags = False
    assert bench.look()[1] == [("", 200), (f"?$expand={wanted}", 200)]


def lie(document: dict[str, Any]) -> None:
    for row in document["Members"]:
        row["Version"] = "9.9.9"


def forget(document: dict[str, Any]) -> None:
    for row in document["Members"]:
        row.pop("Actions", None)


def repeat(document: dict[str, Any]) -> None:
    for row in document["Members"]:
        row.update(document["Members"][0])


MISTAKES: dict[str, tuple[dict[str, Any], int]] = {
    # what is wrong, and how many members are read alone: one of them is compared
    "some are missing": ({"change": lambda document: document["Members"].__delitem__(slice(0, 3))}, 3 + 1),
    "some are links": ({"change": lambda document: [row.pop("Name") for row in document["Members"][:3]]}, 3 + 1),
    "some have an error": ({"change": lambda document: document["Members"][0].update(error={})}, 1 + 1),
    "all are missing": ({"change": lambda document: document["Members"].clear()}, COUNT),
    "none is an object": ({"change": lambda document: document.update(Members=[1, None, "x", []])}, COUNT),
    "no list": ({"change": lambda document: document.update(Members={})}, COUNT),
    "all are one": ({"change": repeat}, COUNT),
    "another version": ({"change": lie}, COUNT),
    "actions are missing": ({"change": forget}, COUNT),
    "400": ({"status": 400}, COUNT),
    "501": ({"status": 501}, COUNT),
    "503": ({"status": 503}, COUNT),
    "it leads to itself": (
        {"change": lambda document: document.update({"Members@odata.nextLink": f"{COLLECTION}?$expand=.($levels=1)"})},
        1,
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_no_member_is_lost_by_an_expanded_collection(name: str) -> None:
    how, alone = MISTAKES[name]
    bench = Expanding(**how)
    found, asked = bench.look()
    assert found == plain()
    assert len({path for path, _ in asked if path.startswith("/")}) == alone
    expanded = [path for path, _ in bench.look()[1] if path.startswith("?")]
    assert bool(expanded) == (alone < COUNT)  # a BMC that cannot do it is not asked for it again


def test_a_few_members_are_read_alone() -> None:
    bench = Expanding()
    del bench.model.firmware[3:]
    assert [path for path, _ in bench.look()[1]] == ["", "/fw0", "/fw1", "/fw2"]


def test_what_is_the_same_is_not_sent_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """RFC 9110, 13.1.2. Answers are kept from the second look on, and believed for ten minutes."""
    bench = Expanding(offer=None)
    found = [bench.look() for _ in range(3)]
    assert [each for each, _ in found] == [found[0][0]] * 3
    assert [{status for _, status in asked} for _, asked in found] == [{200}, {200}, {304}]
    bench.model.firmware[0].staged = "2.0.0"
    components, asked = bench.look()
    assert [path for path, status in asked if status == 200] == ["/fw0"]
    assert [each.pending for each in components].count(True) == 1
    monkeypatch.setattr(known, "FRESH_S", 0.0)
    assert {status for _, status in bench.look()[1]} == {200}


def test_what_decides_is_read_anew() -> None:
    bench = Expanding(offer=None)
    for _ in range(3):
        bench.look()
    bench.model.firmware[0].staged = "2.0.0"
    assert bench.activate("fw0").outcome == "activated"
    assert ("/fw0", 200) in bench.asked
    assert {status for _, status in bench.asked} <= {200, 202}
    assert {status for _, status in bench.look()[1]} == {200}  # something was changed by us: nothing of before counts


@pytest.fixture
def rack(tmp_path: Path) -> Iterator[Racks]:
    with Racks(tmp_path, "rack1") as made:
        yield made


def read(rack: Racks, *words: str) -> list[str]:
    """What a command reads."""
    before = len(rack.bmcs["rack1"].requests)
    done = rack.livefw(*words)
    assert done.returncode == 0, done.stderr
    return [path for method, path, _ in rack.bmcs["rack1"].requests[before:] if method == "GET"]


def test_a_request_reads_its_own_component(rack: Racks) -> None:
    """Of three components: a whole look, and after an activation another for what else has changed."""
    (rack.root / "image").write_bytes(b"version=1.9.0")
    looked = read(rack, "list")
    first = read(rack, "stage", "redfish:rack1/pmfw-a", str(rack.root / "image"))
    assert first.count(f"{COLLECTION}/bios") == 2  # nothing is known here: is there such a component at all?
    assert read(rack, "activate", "redfish:rack1/pmfw-a").count(f"{COLLECTION}/bios") == 2
    (rack.root / "image").write_bytes(b"version=2.0.0")
    again = read(rack, "stage", "redfish:rack1/pmfw-a", str(rack.root / "image"))
    once = ("/bios", "/tmpm", "/CPU0", "/TaskService", "/ComponentIntegrity")
    assert [again.count(path) for path in looked if path.endswith(once)] == [1] * len(once)
    assert again.count(f"{COLLECTION}/pmfw-a") == 4
