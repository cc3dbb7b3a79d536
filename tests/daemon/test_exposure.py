# SPDX-License-Identifier: Apache-2.0
"""What the service may do that not every service may: as little as can be, and each of it with its reason."""

import json
import re
import shutil
import subprocess
from decimal import Decimal
from pathlib import Path

import pytest

from .conftest import CHECKOUT

UNITS = CHECKOUT / "packaging/systemd"
_ROW = re.compile(r"^\| `([^`]+=[^`]*)` \| ([0-9.]+) \| (.+) \|$", re.MULTILINE)
_SAID = re.compile(r"`systemd-analyze security` reports ([0-9.]+) of 10")
_SAID_WITHOUT_NETWORK = re.compile(r"needs no network and reaches ([0-9.]+):")
pytestmark = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is missing; on Debian: apt-get install systemd"
)


def _analyse(unit: Path, *options: str) -> str:
    command = ["systemd-analyze", "security", "--offline=true", *options, str(unit)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout, done.stderr
    return done.stdout


def _level(unit: Path) -> Decimal:
    found = re.search(r"Overall exposure level for \S+: ([0-9.]+)", _analyse(unit))
    assert found is not None
    return Decimal(found[1])


def _exposed(unit: Path) -> dict[str, str]:
    rows = json.loads(_analyse(unit, "--json=short"))
    return {row["name"]: row["exposure"] for row in rows if row.get("exposure") and Decimal(row["exposure"])}


def _without_network(folder: Path) -> Path:
    """The unit with its drop-in, in one file: the tool takes no drop-ins of a unit that is not installed."""
    unit = folder / "livefwd.service"
    drop_in = (UNITS / "no-network.conf").read_text(encoding="utf-8").partition("[Service]")[2]
    before, install, after = (UNITS / "livefwd.service").read_text(encoding="utf-8").partition("[Install]")
    unit.write_text(before + drop_in + install + after, encoding="utf-8")
    return unit


@pytest.fixture(scope="module")
def document() -> str:
    """The document that says so."""
    return (CHECKOUT / "docs/reference/daemon.md").read_text(encoding="utf-8")


def test_each_point_has_its_reason(document: str) -> None:
    """A newer systemd looks at more; what this one finds is in the table, with the points that it gives."""
    written = {name.replace("\\|", "|"): points for name, points, reason in _ROW.findall(document) if reason}
    assert _exposed(UNITS / "livefwd.service") == written


def test_the_level_is_the_one_that_is_promised(document: str, tmp_path: Path) -> None:
    for unit, pattern, most in (
        (UNITS / "livefwd.service", _SAID, "3.0"),
        (_without_network(tmp_path), _SAID_WITHOUT_NETWORK, "2.3"),
    ):
        said = pattern.search(document)
        assert said is not None
        assert _level(unit) <= Decimal(said[1]) <= Decimal(most)


def test_nothing_more_is_left_without_the_network(tmp_path: Path) -> None:
    less = _exposed(UNITS / "livefwd.service").keys() - _exposed(_without_network(tmp_path)).keys()
    network = {"PrivateNetwork=", "IPAddressDeny=", "RestrictAddressFamilies=~AF_(INET|INET6)"}
    assert less == network


def _service(unit: Path) -> set[str]:
    text = unit.read_text(encoding="utf-8").partition("[Service]")[2].partition("[Install]")[0]
    return {line for line in text.splitlines() if line and not line.startswith("#")}


OWN = {"ExecStart", "TimeoutStopSec", "WatchdogSec", "RestartSec", "StateDirectory", "MemoryHigh", "LimitNOFILE"}
"""What each of the two services has for itself; none of it is a right."""


def test_what_watches_may_do_no_more_than_the_daemon() -> None:
    watch, daemon = _service(UNITS / "livefw-watch.service"), _service(UNITS / "livefwd.service")
    assert {line.partition("=")[0] for line in watch ^ daemon} <= OWN
    assert _level(UNITS / "livefw-watch.service") <= _level(UNITS / "livefwd.service")


def test_what_sends_events_is_not_exposed_more_than_it_was() -> None:
    assert _level(UNITS / "livefw-notify.service") <= Decimal("6.0")
