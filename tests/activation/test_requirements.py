# SPDX-License-Identifier: Apache-2.0
"""What metainfo requires: met, not met, or not to be judged, which is as good as not met."""

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from livefw.activation.checks.facts import Facts
from livefw.activation.images import requirements
from livefw.activation.images.requirements import RequirementContext
from livefw.activation.inventory.discovery import Candidate
from livefw.archive import metainfo
from livefw.providers.base import Component, Cost, Version
from livefw.providers.fake import FakeFiles

OTHER = "4f1c2d3e-0000-4000-8000-00000000000b"
NOBODY = "00000000-0000-4000-8000-000000000001"
DMI = {
    "sys_vendor": "LENOVO",
    "product_family": "ThinkPad T440s",
    "product_name": "20ARS19C0C",
    "product_sku": "LENOVO_MT_20AR_BU_Think_FM_ThinkPad T440s",
    "bios_vendor": "LENOVO",
    "bios_version": "GJET75WW (2.25 )",
    "board_vendor": "LENOVO",
    "board_name": "20ARS19C0C",
    "chassis_type": "10",
}
LENOVO = "6de5d951-d755-576b-bd09-c5cf66b27234"
"""HardwareID-14 of this manufacturer, from Microsoft's ComputerHardwareIds.exe (fwupd, self test of hwids)."""


class Named:
    name = "mech"

    def aliases(self, ident: str) -> tuple[str, ...]:
        return ()


def candidate(ident: str, version: Version | None) -> Candidate:
    provider: Any = Named()
    return Candidate(provider, Component("mech", ident, ident, version, False, None, Cost(None, None)))


def facts(files: dict[str, str]) -> Facts:
    return Facts(FakeFiles({path: text.encode() for path, text in files.items()}))


LAPTOP = {f"/sys/class/dmi/id/{name}": f"{text}\n" for name, text in DMI.items()} | {
    "/proc/sys/kernel/osrelease": "6.1.0-18-amd64\n"
}
MINE, BESIDE = candidate("a", Version("1.2.0", (1, 2, 0))), candidate(OTHER, Version("7.1", (7, 1)))


def judged(inner: str, mine: Candidate = MINE, files: dict[str, str] | None = None, extra: str = "") -> list[str]:
    text = (
        f'<component type="firmware"><provides><firmware type="flashed">{OTHER}</firmware></provides>{extra}{inner}'
        '<releases><release version="1.9"/></releases></component>'
    )
    (about,) = metainfo.read_each("a", text.encode())
    assert isinstance(about, metainfo.Metainfo)
    around = RequirementContext(mine, about, (mine, BESIDE), facts(LAPTOP if files is None else files))
    return [why.text.partition(": ")[2] for why in requirements.unmet(around)]


def firmware(compare: str, version: str, what: str = "") -> str:
    return f'<firmware compare="{compare}" version="{version}">{what}</firmware>'


# LVFS, "Metainfo Files", "Requirements"; AppStream, "requires".
MET = {
    "this version": firmware("eq", "1.2.0"),
    "this version, written otherwise": firmware("eq", "1.2"),
    "another version": firmware("ne", "1.3.0"),
    "an older one": firmware("lt", "1.10.0"),
    "not a newer one": firmware("le", "1.2.0"),
    "a newer one": firmware("gt", "1.1.9"),
    "at least": firmware("ge", "1.2.0"),
    "at least, without saying so": '<firmware version="1.2.0"/>',
    "glob": firmware("glob", "1.2.*"),
    "regex": firmware("regex", "^1.2.0$|^1.3.[0-9]$"),
    "another component": firmware("ge", "7.0", OTHER),
    "another component in capitals": firmware("eq", "7.1", OTHER.upper()),
    "another component of any version": f"<firmware>{OTHER}</firmware>",
    "hardware": f"<hardware>{LENOVO}</hardware>",
    "one of several": f"<hardware>{NOBODY}|{LENOVO}</hardware>",
    "not this hardware": f"<not_hardware>{NOBODY}</not_hardware>",
    "kernel": '<id compare="ge" version="5.10">org.kernel</id>',
    "fwupd": '<id compare="ge" version="1.9.7">org.freedesktop.fwupd</id>',
}
UNMET = {
    firmware("eq", "1.2.1"): "1.2.1 is needed, and it is 1.2.0",
    firmware("ne", "1.2"): "other than 1.2 is needed, and it is 1.2.0",
    firmware("lt", "1.2.0"): "before 1.2.0 is needed, and it is 1.2.0",
    firmware("le", "1.1"): "up to 1.1 is needed, and it is 1.2.0",
    firmware("gt", "1.2.0"): "after 1.2.0 is needed, and it is 1.2.0",
    firmware("ge", "1.10.0"): "at least 1.10.0 is needed, and it is 1.2.0",
    firmware("glob", "1.3.*"): "it is 1.2.0",
    firmware("regex", "^1.3"): "it is 1.2.0",
    firmware("regex", "(1+)+$"): "regular expressions with groups or repetitions are not judged here",
    firmware("like", "1.2"): "the comparison 'like' is unknown",
    firmware("ge", "65536"): "it is 1.2.0, and cannot be compared",
    firmware("ge", ""): "it names no version",
    firmware("ge", "7.2", OTHER): "at least 7.2 is needed, and it is 7.1",
    firmware("ge", "1", NOBODY): "no such component is here",
    firmware("ge", "1", "bootloader"): "no bootloader of the component is known here",
    firmware("eq", "PCI:0x8086", "vendor-id"): "no vendor-id of the component is known here",
    firmware("ge", "1", "nonsense"): "'nonsense' cannot be judged here",
    '<firmware compare="ge" version="1" depth="1"/>': "components here have no parent and no child",
    f"<hardware>{NOBODY}</hardware>": "this machine has no such hardware ID",
    f"<not_hardware>{NOBODY}|{LENOVO}</not_hardware>": "this machine has this hardware ID",
    '<id compare="ge" version="6.2">org.kernel</id>': "at least 6.2 is needed, and it is 6.1.0",
    '<id compare="ge" version="99">org.freedesktop.fwupd</id>': "99 is needed, and it is 2.0.20",
    '<id compare="ge" version="1">org.example.tool</id>': "no version of it is known here",
    "<client>detach-action</client>": "requirements of the kind 'client' cannot be judged here",
    "<memory>8</memory>": "requirements of the kind 'memory' cannot be judged here",
}


@pytest.mark.parametrize("name", MET)
def test_what_is_so_is_met(name: str) -> None:
    for section in ("requires", "recommends", "suggests"):
        assert judged(f"<{section}>{MET[name]}</{section}>") == []


@pytest.mark.parametrize("required", UNMET)
def test_what_is_not_so_or_cannot_be_judged_is_not_met(required: str) -> None:
    for section in ("requires", "recommends", "suggests"):
        (why,) = judged(f"<{section}>{required}</{section}>")
        assert UNMET[required] in why


def test_each_requirement_counts() -> None:
    both = firmware("ge", "2.0") + MET["hardware"] + f"<hardware>{NOBODY}</hardware>"
    assert len(judged(f"<requires>{both}</requires>")) == 2


def test_the_format_of_the_versions_holds_for_what_is_required_too() -> None:
    form = '<custom><value key="LVFS::VersionFormat">triplet</value></custom>'
    assert judged(f"<requires>{firmware('ge', '65536')}</requires>", extra=form) == []
    (why,) = judged(f"<requires>{firmware('lt', '65536')}</requires>", extra=form)
    assert "before 0.1.0 is needed, and it is 1.2.0" in why


@pytest.mark.parametrize("version", [None, Version("1.2.0", (1, 2, 0), reliable=False)])
def test_a_version_that_is_not_known_meets_nothing(version: Version | None) -> None:
    assert judged(f"<requires>{firmware('ge', '0')}</requires>", candidate("a", version)) == [
        "the running version is not known"
    ]


def test_a_machine_without_hardware_ids_is_none_of_those_and_not_known_to_be_another() -> None:
    both = MET["hardware"] + MET["not this hardware"]
    assert judged(f"<requires>{both}</requires>", files={}) == ["the hardware IDs of this machine are not known"] * 2


def test_hardware_ids_are_those_of_fwupd(tmp_path: Path) -> None:
    """fwupd has no release of the BIOS from the kernel's files, so neither has the directory."""
    if shutil.which("fwupdtool") is None:
        pytest.skip("needs fwupdtool (Debian: fwupd)")
    for name, text in DMI.items():
        (tmp_path / name).write_text(f"{text}\n")
    environment = os.environ | {"FWUPD_SYSFSDMIDIR": str(tmp_path)}
    done = subprocess.run(["fwupdtool", "hwids"], env=environment, capture_output=True, text=True, check=True)
    theirs = set(re.findall(r"^\{([0-9a-f-]{36})\}", done.stdout, re.MULTILINE))
    assert LENOVO in theirs
    assert facts(LAPTOP).hardware_ids() == theirs


def test_the_release_of_the_bios_makes_three_more() -> None:
    """HardwareID-0 to 2, whose numbers have two digits in hexadecimal; values as Microsoft's tool gives them."""
    more = LAPTOP | {"/sys/class/dmi/id/bios_release": "2.37\n"}
    assert len(facts(more).hardware_ids() - facts(LAPTOP).hardware_ids()) == 3
    for nonsense in ("2", "2.x", "a.b", "1.2.3", "9" * 400 + ".1"):
        more["/sys/class/dmi/id/bios_release"] = nonsense
        assert facts(more).hardware_ids() == facts(LAPTOP).hardware_ids()
