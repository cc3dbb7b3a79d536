# SPDX-License-Identifier: Apache-2.0
"""One pattern for a component of several BMCs: each verb takes what it matches, and says what that is."""

import csv
from collections.abc import Iterator
from pathlib import Path

import pytest

from .several import Racks

RACKS = ("rack1", "rack2", "rack3")
KEYS = [f"redfish:{rack}/pmfw-a" for rack in RACKS]


@pytest.fixture
def racks(tmp_path: Path) -> Iterator[Racks]:
    with Racks(tmp_path, *RACKS) as made:
        yield made


@pytest.fixture
def image(tmp_path: Path) -> str:
    path = tmp_path / "pmfw.pldm"
    path.write_text("version=1.9.0\n")
    return str(path)


def test_an_image_is_staged_planned_and_activated_on_every_bmc_that_a_pattern_matches(racks: Racks, image: str) -> None:
    staged = racks.livefw("stage", "redfish:*/pmfw-a", image)
    assert staged.returncode == 0, staged.stderr
    assert f"for {', '.join(KEYS)}" in staged.stderr
    assert staged.stdout.count(": staged, ") == 3
    assert racks.livefw("list", "--pending", "-o", "name").stdout.split() == KEYS
    cost = "cost: nothing stops (each of 3); none was done here before\n"
    assert cost in racks.livefw("plan", "redfish:*/pmfw-a").stdout
    assert racks.livefw("plan", "redfish:rack[12]/*", "-o", "name").stdout.split() == KEYS[:2]
    done = racks.livefw("activate", "redfish:rack[12]/*", "--yes")
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("activated after ") == 2
    assert racks.livefw("list", "--pending", "-o", "name").stdout.split() == KEYS[2:]
    nothing = racks.livefw("activate", "redfish:rack[12]/*", "--yes")
    assert (nothing.returncode, "nothing is pending that matches 'redfish:rack[12]/*'" in nothing.stderr) == (3, True)
    shown = racks.livefw("history", "redfish:rack1/*", "--columns", "name,outcome", "--no-headings").stdout
    assert [line.split()[-1] for line in shown.splitlines()] == ["activated", "staged"]
    assert all(line.startswith("rack1: CPU0 ") for line in shown.splitlines())


def test_a_pattern_cancels_what_is_staged_and_has_nothing_to_do_elsewhere(racks: Racks, image: str) -> None:
    assert racks.livefw("stage", "rack2/pmfw-a", image).returncode == 0
    done = racks.livefw("cancel", "*/pmfw-a")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("rack2: CPU0 power management firmware (redfish:rack2/pmfw-a): cancelled") == 1
    assert racks.livefw("cancel", "*/pmfw-a").returncode == 3


def test_the_first_that_does_not_take_an_image_is_the_last(racks: Racks, image: str) -> None:
    racks.bmcs["rack2"].model.faults = frozenset({"verify-fails"})
    done = racks.answer("stage", "redfish:*/pmfw-a", image)
    assert [each["component"] for each in done["stagings"]] == KEYS[:2]
    assert done["stagings"][0]["outcome"] == "staged"
    assert done["stagings"][1]["outcome"] != "staged"
    assert done["not_started"] == KEYS[2:]


def test_a_list_has_the_host_and_is_narrowed_to_it(racks: Racks) -> None:
    rows = list(csv.DictReader(racks.livefw("list", "-o", "csv", "--bmc", "rack[13]").stdout.splitlines()))
    assert {row["host"] for row in rows} == {"rack1", "rack3"}
    assert all(row["name"].startswith(f"{row['host']}: ") for row in rows)
    assert all(row["id"].startswith(f"{row['host']}/") for row in rows)
    assert [row["id"] for row in rows if row["component"] == KEYS[0]] == ["rack1/pmfw-a"]
    assert racks.livefw("show", "rack3/pmfw-a").stdout.startswith("rack3: CPU0 power management firmware\n")
    assert racks.livefw("list", "--bmc", "rack9").returncode == 3


@pytest.fixture
def with_silent(tmp_path: Path) -> Iterator[Racks]:
    with Racks(tmp_path, "rack1", "rack2", silent=("rack3",), settings="[redfish]\npatience = 0.5\n") as made:
        yield made


def test_a_silent_bmc_that_a_pattern_may_mean_is_named_first_and_last(with_silent: Racks, image: str) -> None:
    for verb in (("stage", image), ("activate", "--yes")):
        done = with_silent.livefw(verb[0], "redfish:*/pmfw-a", *verb[1:])
        assert done.returncode == 0, done.stderr
        assert done.stderr.splitlines()[0].startswith("livefw: BMC rack3 does not answer")
        assert done.stdout.splitlines()[-1].startswith("note: BMC rack3 does not answer")
        assert done.stdout.count("rack3") == 1
    assert "rack3 does not answer" in with_silent.livefw("activate", "redfish:*/pmfw-a", "--yes").stderr
    newer = Path(image).with_name("newer.pldm")
    newer.write_text("version=2.0.0\n")
    stage = ("stage", "redfish:*/pmfw-a", str(newer))
    for words in (stage, ("activate", "--all", "--yes"), ("cancel", "redfish:*/pmfw-a")):
        assert [each["code"] for each in with_silent.answer(*words)["notes"]] == ["silent"]
    assert with_silent.answer("stage", "redfish:rack[12]/pmfw-a", image)["notes"] == []


def test_strict_begins_nothing_while_a_bmc_is_silent(with_silent: Racks, image: str) -> None:
    assert with_silent.livefw("stage", "--strict", "redfish:rack[12]/pmfw-a", image).returncode == 0
    for words in (("stage", "redfish:*/bmc", image), ("activate", "redfish:*/pmfw-a", "--yes"), ("activate", "--all")):
        done = with_silent.livefw(words[0], "--strict", *words[1:])
        assert (done.returncode, done.stdout) == (1, ""), done.stdout
        assert "nothing was begun: BMC rack3 does not answer" in done.stderr
    assert len(with_silent.answer("list", "--pending")["components"]) == 2
    assert with_silent.livefw("activate", "--strict", "redfish:rack[12]/pmfw-a", "--yes").returncode == 0


def test_one_that_has_the_version_already_does_not_keep_the_rest_from_it(racks: Racks, image: str) -> None:
    assert racks.livefw("stage", "rack1/pmfw-a", image).returncode == 0
    assert racks.livefw("activate", "rack1/pmfw-a", "--yes").returncode == 0
    done = racks.livefw("stage", "redfish:rack[12]/pmfw-a", image)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("this version is installed already") == 1
    assert done.stdout.count(": staged, ") == 1
    assert racks.livefw("activate", "rack2/pmfw-a", "--yes").returncode == 0
    again = racks.livefw("stage", "redfish:rack[12]/pmfw-a", image)
    assert (again.returncode, again.stdout.count("installed already")) == (3, 2)
