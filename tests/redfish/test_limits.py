# SPDX-License-Identifier: Apache-2.0
"""Each bound of what a BMC shows and its settings may hold at its very limit: as much is taken, and one more is not."""

from pathlib import Path

import pytest

from livefw.errors import LivefwError
from livefw.providers.component import Discovery
from livefw.providers.fake import SETTINGS, START, FakeFiles
from livefw.providers.redfish.settings import Bmc, read_settings, secret

from .conftest import Bench
from .field import COLLECTION, MONITOR, Field, Rule, answer, message, task


def listed(count: int) -> Discovery:
    """What is seen of a BMC with so many members, each expanded in the collection."""
    place = "/redfish/v1/UpdateService/FirmwareInventory"
    members = [{"@odata.id": f"{place}/{number}", "Id": f"m{number}", "Version": "1"} for number in range(count)]
    bench = Field(Rule(COLLECTION, answer(200, {"Members": members})))
    return bench.provider.discover()


def test_members_of_a_collection() -> None:
    whole, larger = listed(10_000), listed(10_001)
    assert len({each.id for each in whole.components}) == 10_000
    assert {each.id for each in larger.components} == {each.id for each in whole.components}
    assert whole.notes == ()
    assert "has 10001 members, and 1 of them are missing" in larger.notes[0].text


def bmcs(count: int) -> FakeFiles:
    rows = (f'[[redfish.bmc]]\nname = "b{number}"\nurl = "https://b{number}.example"\n' for number in range(count))
    return FakeFiles({SETTINGS: "".join(rows).encode()})


def test_bmcs_of_the_settings() -> None:
    """As many as fit into the file."""
    assert len(read_settings(bmcs(5_000)).bmcs) == 5_000


@pytest.mark.parametrize(("count", "taken"), [(4_096, True), (4_097, False)])
def test_bytes_of_a_credential(tmp_path: Path, count: int, taken: bool) -> None:
    (tmp_path / "livefw-redfish-rack").write_bytes(b"admin\n" + b"x" * (count - 6))
    bmc, environment = Bmc("rack", "https://x.example"), {"CREDENTIALS_DIRECTORY": str(tmp_path)}
    if taken:
        assert len(secret(bmc, FakeFiles(), environment).password) == count - 6
        return
    with pytest.raises(LivefwError, match="cannot be read"):
        secret(bmc, FakeFiles(), environment)


@pytest.mark.parametrize(("count", "kept"), [(62, 62), (63, 63), (64, 63)])  # and one in the first answer
def test_lines_of_a_task(count: int, kept: int) -> None:
    """A message in each answer, of which the last ones are told no more."""
    rules = [
        Rule(MONITOR, answer(200, task("Running", message(f"Oem.1.0.K{number}"))), last=1) for number in range(count)
    ]
    bench = Field(*rules, Rule(MONITOR, answer(200, task("Completed"))), seconds=10_000.0)
    log = bench.do("activate").log
    assert sum(line.startswith("K") for line in log) == kept


def test_a_monitor_that_breaks_is_asked_three_times_and_then_the_task() -> None:
    bench = Field(Rule(MONITOR, answer(500)))
    assert bench.do("activate").reason is None
    looks = [path for method, path, _ in bench.web.log if method == "GET" and "/Task" in path and path[-1].isdigit()]
    assert [("Monitors" in path) for path in looks[:4]] == [True, True, True, False]
    bench = Field(Rule(MONITOR, answer(500), last=2))
    assert bench.do("activate").reason is None
    looks = [path for method, path, _ in bench.web.log if method == "GET" and "/Task" in path and path[-1].isdigit()]
    assert all("Monitors" in path for path in looks)


@pytest.mark.parametrize(("fault", "member", "status"), [("inventory-busy", False, 503), ("member-busy", True, 503)])
def test_what_is_hidden_after_an_activation_is_shown_again(fault: str, member: bool, status: int) -> None:
    """Of the model: from the request on, for 20 seconds and as long as a task takes."""
    bench = Bench(fault, seconds=4.0)
    assert bench.model.hidden(member=member) == 0
    bench.stage()
    running = bench.provider.activate("rack/pmfw-a", bench.watch.progress)
    while not running.touched:
        running.wait(0.0)
    running.wait(0.0)
    asked = bench.clock.passed
    for seconds, shown in ((0.0, status), (23.9, status), (24.1, 0)):
        bench.clock.time = START + asked + seconds
        assert bench.model.hidden(member=member) == shown
    assert bench.model.hidden(member=not member) == 0
