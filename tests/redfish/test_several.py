# SPDX-License-Identifier: Apache-2.0
"""Several BMCs of one model behind one machine: every line says which of them it is about."""

from collections.abc import Iterator
from pathlib import Path

import pytest

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
        for text in (planned, done.stdout, kept):
            assert sum(name in line for line in text.splitlines()) == 1, text
        assert f"activate {name} 1.2.0 -> 1.9.0" in done.stderr


def test_the_host_is_in_every_document_and_in_the_history(racks: Racks) -> None:
    listed = racks.answer("list")["components"]
    assert {each["key"].partition(":")[2].partition("/")[0] for each in listed} == set(RACKS)
    assert all(each["key"].startswith(f"redfish:{each['host']}/") for each in listed)
    assert racks.livefw("activate", "redfish:rack3/pmfw-a").returncode == 0
    (row,) = racks.answer("history")["history"]
    assert (row["host"], row["intent"]["host"]) == ("rack3", "rack3")
