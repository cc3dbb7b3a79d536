# SPDX-License-Identifier: Apache-2.0
"""A BMC that fetches its image: one image, one path, one client, and only while it is needed."""

import http.client
import threading
from typing import Any
from urllib.parse import urlsplit

import pytest

from livefw.machine.bmc.documents import SERVICE
from livefw.machine.bmc.firmware import Firmware, Pattern
from livefw.providers.base import ImagePackage, Reply
from livefw.providers.redfish import image_server
from livefw.providers.redfish.exchange import ExchangeError
from livefw.providers.redfish.settings import Bmc

from . import conftest
from .conftest import Bench
from .vendor_bmc import Dress, dressed

IMAGE = ImagePackage("image.bin", b"version=1.9.0" * 1000)
HERE = Bmc("rack", "https://127.0.0.1", serve="127.0.0.1")


def fetch(uri: str, method: str = "GET", path: str = "") -> tuple[int, bytes]:
    place = urlsplit(uri)
    connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=10)
    try:
        connection.request(method, path or place.path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def test_the_image_is_read_by_its_path_and_nothing_else_is() -> None:
    with image_server.served(IMAGE, HERE) as uri:
        assert fetch(uri) == (200, IMAGE.data)
        assert fetch(uri, "HEAD") == (200, b"")
        for path in ("/", "/etc/passwd", urlsplit(uri).path + "/..", "/image.bin"):
            assert fetch(uri, path=path)[0] == 404
        assert fetch(uri, "POST")[0] == 501


def test_it_is_read_a_few_times_only() -> None:
    with image_server.served(IMAGE, HERE) as uri:
        assert [fetch(uri)[0] for _ in range(9)] == [200] * 8 + [404]


def test_each_image_has_a_path_of_its_own() -> None:
    with image_server.served(IMAGE, HERE) as one, image_server.served(IMAGE, HERE) as other:
        assert urlsplit(one).path != urlsplit(other).path
        assert len(urlsplit(one).path) > 30


@pytest.mark.parametrize(
    ("bmc", "now"),
    [
        (HERE._replace(url="https://192.0.2.7"), [0.0]),
        (HERE, [0.0, 3601.0]),
    ],
    ids=["another client than the BMC", "after its time"],
)
def test_nobody_else_and_nobody_later_is_answered(bmc: Bmc, now: list[float]) -> None:
    times = iter(now)
    last = now[-1]
    with (
        image_server.served(IMAGE, bmc, lambda: next(times, last)) as uri,
        pytest.raises((OSError, http.client.HTTPException)),
    ):
        fetch(uri)


def test_it_ends_with_its_need_even_while_somebody_reads() -> None:
    with image_server.served(IMAGE, HERE) as uri:
        place = urlsplit(uri)
        idle = http.client.HTTPConnection(place.hostname or "", place.port, timeout=10)
        idle.connect()
    with pytest.raises(ConnectionError):
        fetch(uri)
    idle.close()
    assert [each.name for each in threading.enumerate() if each.name.startswith("livefw")] == []


def test_an_address_that_is_not_ours_is_an_error_before_anything_is_asked() -> None:
    with pytest.raises(ExchangeError) as caught, image_server.served(IMAGE, HERE._replace(serve="192.0.2.7")):
        pass
    assert caught.value.reason.code == "unserved"
    assert not caught.value.sent


PULL_ONLY: dict[str, Any] = {"MultipartHttpPushUri": None}
MCU = "/redfish/v1/UpdateService/FirmwareInventory/mcu"


def fetching(
    monkeypatch: pytest.MonkeyPatch, settings: str, service: dict[str, Any]
) -> tuple[Bench, list[dict[str, Any]]]:
    """A BMC that takes no push, and the bodies of SimpleUpdate; it fetches from where it is told to."""
    local = conftest.SETTINGS.replace(conftest.URL, "https://127.0.0.1")
    monkeypatch.setattr(conftest, "SETTINGS", local)
    firmware = Firmware("mcu", "MCU", "/redfish/v1/Systems/1/Processors/CPU0")
    bench = dressed(Dress(PULL_ONLY | service), firmware, pattern=Pattern.STAGE, settings=settings)
    update, asked = bench.model.update, []

    def pull(image: bytes, parameters: dict[str, Any], place: str) -> Any:
        asked.append(parameters)
        status, data = fetch(image.decode())
        assert status == 200
        return update(data, parameters, place)

    monkeypatch.setattr(bench.model, "update", pull)
    return bench, asked


SERVE = 'serve = "127.0.0.1"\n'


def test_a_bmc_fetches_what_it_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    bench, (asked) = fetching(monkeypatch, SERVE, {})
    claim = bench.stage("mcu")
    assert claim.reply is Reply.ACCEPTED, claim
    uri = asked[0].pop("ImageURI")
    assert uri.startswith("http://127.0.0.1:")
    assert asked == [{"Targets": [MCU], "Stage": True, "TransferProtocol": "HTTP"}]
    assert bench.component("mcu").pending
    with pytest.raises(ConnectionError):
        fetch(uri)


NOT_SERVED = {
    "not asked for": ("", {}, "no-transfer"),
    "not by HTTP": (
        SERVE,
        {
            "Actions": {
                "#UpdateService.SimpleUpdate": {
                    "target": f"{SERVICE}/Actions/UpdateService.SimpleUpdate",
                    "TransferProtocol@Redfish.AllowableValues": ["NFS", "CIFS"],
                }
            }
        },
        "no-transfer",
    ),
}


@pytest.mark.parametrize("name", NOT_SERVED)
def test_nothing_is_served_unless_it_is_asked_for_and_can_be_fetched(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, service, code = NOT_SERVED[name]
    bench, asked = fetching(monkeypatch, settings, service)
    claim = bench.stage("mcu")
    assert (claim.reply, claim.reason and claim.reason.code) == (Reply.REFUSED, code)
    assert asked == []
