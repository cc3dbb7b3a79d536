# SPDX-License-Identifier: Apache-2.0
"""Several BMCs of one model behind one machine: every line says which of them it is about."""

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from livefw.activation.inventory import discovery
from livefw.activation.inventory.discovery import Candidate, Inventory
from livefw.providers.base import Component, Cost, Reason, Source

from .several import Racks

RACKS = ("rack1", "rack2", "rack3", "rack4")


@pytest.fixture
def racks(tmp_path: Path) -> Iterator[Racks]:
    with Racks(tmp_path, *RACKS) as made:
        for each in made.bmcs.values():
            each.stage("pmfw", "1.9.0")
        yield made


def test_no_two_lines_of_an_activation_are_the_same(racks: Racks) -> None:
    planned = racks.livefw("plan").stdout
    done = racks.livefw("activate", "--all")
    assert done.returncode == 0, done.stderr
    kept = racks.livefw("history").stdout
    for rack in RACKS:
        name = f"{rack}: CPU0 power management firmware"
        assert sum(name in line for line in done.stdout.splitlines()) == 1, done.stdout
        for text in (planned, kept):  # tables, in which a long name is cut
            assert sum(f"{rack}: CPU0" in line for line in text.splitlines()) == 1, text
        assert f"activate {name} 1.2.0 -> 1.9.0" in done.stderr


def test_the_host_is_in_every_document_and_in_the_history(racks: Racks) -> None:
    listed = racks.answer("list")["components"]
    assert {each["key"].partition(":")[2].partition("/")[0] for each in listed} == set(RACKS)
    assert all(each["key"].startswith(f"redfish:{each['host']}/") for each in listed)
    assert racks.livefw("activate", "redfish:rack3/pmfw-a").returncode == 0
    (row,) = racks.answer("history")["history"]
    assert (row["host"], row["intent"]["host"]) == ("rack3", "rack3")


SILENT = ("deafa", "deafb", "deafc")


@pytest.fixture
def half_deaf(tmp_path: Path) -> Iterator[Racks]:
    with Racks(tmp_path, "rack1", silent=SILENT, settings="[redfish]\npatience = 0.5\n") as made:
        yield made


def test_each_silent_bmc_is_named_and_hides_nothing(half_deaf: Racks) -> None:
    done = half_deaf.livefw("list")
    assert done.returncode == 0
    assert "rack1: System BIOS" in done.stdout
    for name in SILENT:
        assert f"livefw: BMC {name} does not answer (timed out after 0.5 s)\n" in done.stderr
    codes = [note["code"] for note in half_deaf.answer("list")["notes"]]
    assert codes == ["silent"] * 3


@pytest.mark.parametrize(
    ("words", "plain", "strict"), [(("list",), 0, 1), (("plan",), 3, 1), (("plan", "redfish:rack1/bios"), 3, 3)]
)
def test_strict_is_for_scripts_that_need_all(half_deaf: Racks, words: tuple[str, ...], plain: int, strict: int) -> None:
    assert half_deaf.livefw(*words).returncode == plain
    assert half_deaf.livefw(*words, "--strict").returncode == strict


ASKED = {
    "a key": (("show", "redfish:rack3/pmfw-a"), {"rack3"}),
    "an id": (("show", "rack3/pmfw-a"), {"rack3"}),
    "an id in capitals": (("show", "RACK3/pmfw-a"), {"rack3"}),
    "the beginning of a key": (("plan", "redfish:rack3/pm"), {"rack3"}),
    "a pattern of BMCs": (("plan", "redfish:rack[12]/pmfw-a"), {"rack1", "rack2"}),
    "a key and a pattern": (("plan", "redfish:rack1/bios", "rack4/*"), {"rack1", "rack4"}),
    "another mechanism": (("show", "lfa:6c0762a6"), set()),
    "a name": (("show", "CPU0 power management firmware"), set(RACKS)),
    "an id that several may have": (("show", "pmfw-a"), set(RACKS)),
    "nothing": (("list",), set(RACKS)),
    "one BMC": (("list", "--bmc", "rack1"), {"rack1"}),
    "some BMCs": (("list", "--bmc", "RACK[23]"), {"rack2", "rack3"}),
    "a pattern to list": (("list", "redfish:rack4/*"), {"rack4"}),
    "a list of another mechanism": (("list", "--provider", "lfa"), set()),
    "an activation": (("activate", "redfish:rack2/pmfw-a"), {"rack2"}),
    "a cancellation": (("cancel", "redfish:rack4/pmfw-a"), {"rack4"}),
}


@pytest.mark.parametrize("name", ASKED)
def test_only_what_is_named_is_asked(racks: Racks, name: str) -> None:
    words, asked = ASKED[name]
    racks.livefw(*words)
    assert {rack for rack, bmc in racks.bmcs.items() if bmc.requests} == asked


def test_an_order_is_looked_after_on_other_bmcs(tmp_path: Path) -> None:
    order = "[[order]]\nfirst = 'redfish:rack2/pmfw-a'\nthen = 'redfish:rack1/pmfw-a'\n"
    with Racks(tmp_path, "rack1", "rack2", "rack3", settings=order) as made:
        for each in made.bmcs.values():
            each.stage("pmfw", "1.9.0")
        done = made.livefw("plan", "redfish:rack1/pmfw-a")
        assert (done.returncode, "rack2: CPU0 power management firmware comes first" in done.stdout) == (4, True)
        assert not made.bmcs["rack3"].requests


def test_a_silent_bmc_that_is_named_is_an_error(half_deaf: Racks) -> None:
    done = half_deaf.livefw("show", "redfish:deafb/x")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("livefw: BMC deafb does not answer (timed out after 0.5 s)")
    assert not half_deaf.bmcs["rack1"].requests
    elsewhere = half_deaf.livefw("show", "no-such-name")
    assert elsewhere.returncode == 2
    assert all(f"BMC {name} does not answer" in elsewhere.stderr for name in SILENT)


def test_an_activation_reads_its_own_component_only(racks: Racks) -> None:
    """Of three components with five members, the inventory as a whole is read before and after."""
    assert racks.livefw("activate", "redfish:rack2/pmfw-a").returncode == 0  # from now on there is a history
    assert racks.livefw("activate", "redfish:rack1/pmfw-a").returncode == 0
    read = [path for method, path, _ in racks.bmcs["rack1"].requests if method == "GET"]
    assert sum(path.endswith("/FirmwareInventory/bios") for path in read) == 2
    assert sum(path.endswith("/FirmwareInventory/pmfw-a") for path in read) <= 6
    assert racks.bmcs["rack1"].sessions == 0


def test_a_bmc_that_stops_answering_is_silent_and_not_empty(racks: Racks) -> None:
    """The events of `livefw watch`: what was known of it is kept, and cannot be activated."""
    with racks.watching("--interval", "0.2") as events:
        seen = [next(events) for _ in range(3 * len(RACKS))]
        assert {each["event"] for each in seen} <= {"present", "pending"}
        racks.bmcs["rack2"].close()
        silent = next(event for event in events if event["event"] == "silent")
        assert silent["text"].startswith("BMC rack2 ")
        racks.bmcs["rack3"].stage("tmpm", "9.9.9")
        after = []
        for event in events:
            after.append(event)
            if event["event"] == "pending" and event["key"] == "redfish:rack3/tmpm":
                break
    assert "vanished" not in {each["event"] for each in (*seen, silent, *after)}


HOST = Component("redfish", "rack1/bios", "BIOS", None, False, None, Cost(None, None), host="rack1")
SILENCE = Reason("silent", "BMC rack1 does not answer")
LATER: dict[str, tuple[Inventory, list[str]]] = {
    "it answers, and has it no more": (Inventory((), (), sources=(Source("redfish", "rack1"),)), []),
    "it is silent": (Inventory((), (), sources=(Source("redfish", "rack1", SILENCE, silent=True),)), ["silent"]),
    "it does not show all": (Inventory((), (), sources=(Source("redfish", "rack1", SILENCE),)), ["silent"]),
    "it was not asked": (Inventory((), (), narrowed=True), []),
    "it is no longer in the settings": (Inventory((), ()), []),
}


@pytest.mark.parametrize("name", LATER)
def test_what_is_known_lasts_until_it_is_seen_to_be_gone(name: str) -> None:
    later, reasons = LATER[name]
    provider: Any = None
    shown = discovery.in_sight(Inventory((Candidate(provider, HOST),), ()), later).candidates
    kept = name in ("it is silent", "it does not show all", "it was not asked")
    assert [each.component.id for each in shown] == (["rack1/bios"] if kept else [])
    assert [why.code for each in shown for why in each.component.reasons] == reasons


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_leaves_no_session_behind(tmp_path: Path, number: int) -> None:
    """bmcweb#103: a session that is left behind is kept for half an hour, and there are few."""
    with Racks(tmp_path, "rack1", "rack2", latency=0.2) as made, made.start("list") as process:
        bmcs = made.bmcs.values()
        while not all(bmc.sessions for bmc in bmcs):
            assert process.poll() is None
        process.send_signal(number)
        code = process.wait()
        assert code == (-signal.SIGTERM if number == signal.SIGTERM else 130)
        assert [bmc.sessions for bmc in bmcs] == [0, 0]


@pytest.mark.parametrize(
    ("logins", "number"), [(1, signal.SIGHUP), (2, signal.SIGTERM), (3, signal.SIGTERM), (4, signal.SIGTERM)]
)
def test_a_signal_in_the_middle_of_an_activation_leaves_no_session_behind(
    tmp_path: Path, logins: int, number: int
) -> None:
    """The sessions of two inventories, of the component alone, and of the request itself."""
    with Racks(tmp_path, "rack1", latency=0.1) as made:
        (bmc,) = made.bmcs.values()
        bmc.stage("tmpm", "3.1.0")
        with made.start("activate", "redfish:rack1/tmpm", "--yes") as process:
            while sum(method == "POST" and path.endswith("/Sessions") for method, path, _ in bmc.requests) < logins:
                assert process.poll() is None
            while not bmc.sessions:
                assert process.poll() is None
            process.send_signal(number)
            process.wait()
            assert bmc.sessions == 0
