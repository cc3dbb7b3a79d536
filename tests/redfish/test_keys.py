# SPDX-License-Identifier: Apache-2.0
"""What a component is called: by its address, because an ``Id`` is unique within its collection only."""

from typing import Any

import pytest

from livefw.activation.inventory.discovery import take_inventory
from livefw.activation.inventory.select import select
from livefw.errors import NoSuchComponent
from livefw.machine.bmc.vendors.table import SHAPES

from .conftest import Bench
from .field import Field, Rule, answer

SERVICE = "/redfish/v1/UpdateService"
FIRMWARE, SOFTWARE = f"{SERVICE}/FirmwareInventory", f"{SERVICE}/SoftwareInventory"


def shown(*members: tuple[str, dict[str, Any]], vendor: str = "") -> Field:
    """A BMC with these members of its two collections, by address."""
    collections = {place: [uri for uri, _ in members if uri.startswith(place)] for place in (FIRMWARE, SOFTWARE)}
    rules = [
        Rule(f"GET {place}", answer(200, {"Members": [{"@odata.id": uri} for uri in uris]}))
        for place, uris in collections.items()
    ]
    rules += [Rule(f"GET {uri}", answer(200, {"@odata.id": uri} | body)) for uri, body in members]
    links = {name: {"@odata.id": f"{SERVICE}/{name}"} for name in ("FirmwareInventory", "SoftwareInventory")}
    oem: dict[str, Any] = {"Oem": {vendor: {}}} if vendor else {}
    return Field(Rule(f"GET {SERVICE}", answer(200, {"@odata.id": SERVICE} | links | oem)), *rules)


# HPE iLO 5 (captured, ProLiant DL325): FirmwareInventory/1..12 and SoftwareInventory/1..36 share their Ids.
ILO = (
    (f"{FIRMWARE}/1", {"Id": "1", "Name": "System ROM", "Version": "A43"}),
    (f"{FIRMWARE}/2", {"Id": "2", "Name": "iLO 5", "Version": "2.1"}),
    (f"{SOFTWARE}/1", {"Id": "1", "Name": "NIC driver", "Version": "7.0"}),
)


def test_ids_of_two_collections_are_two_components() -> None:
    bench = shown(*ILO)
    found = take_inventory([bench.provider])
    assert [(each.component.id, each.component.name) for each in found.candidates] == [
        ("rack/1", "System ROM"),
        ("rack/2", "iLO 5"),
        ("rack/SoftwareInventory/1", "NIC driver"),
    ]
    for word, name in {
        "redfish:rack/1": "System ROM",
        "rack/SoftwareInventory/1": "NIC driver",
        "softwareinventory/1": "NIC driver",
    }.items():
        assert select(word, found.candidates).component.name == name
    assert [bench.component(ident).name for ident in ("1", "SoftwareInventory/1")] == ["System ROM", "NIC driver"]


EARLIER = {
    "an Id that is not the last part of the address": ((f"{FIRMWARE}/7", {"Id": "BMC"}), "rack/7"),
    "an Id with a slash": ((f"{FIRMWARE}/a%2Fb", {"Id": "a/b"}), "rack/a%2Fb"),
    "the other collection alone": ((f"{SOFTWARE}/3", {"Id": "3"}), "rack/SoftwareInventory/3"),
}


@pytest.mark.parametrize("name", EARLIER)
def test_earlier_keys_resolve(name: str) -> None:
    (uri, body), ident = EARLIER[name]
    bench = shown((uri, body | {"Version": "1"}))
    found = take_inventory([bench.provider])
    for word in (f"redfish:rack/{body['Id']}", f"rack/{body['Id']}", ident, f"redfish:{ident}"):
        assert select(word, found.candidates).component.id == ident
    component = bench.provider.inspect(f"rack/{body['Id']}")
    assert component
    assert component.id == ident


def test_an_earlier_key_that_is_anothers_now_is_not_taken_for_it() -> None:
    found = take_inventory([shown(*ILO, (f"{SOFTWARE}/9", {"Id": "2", "Name": "Agent", "Version": "1"})).provider])
    assert select("redfish:rack/2", found.candidates).component.name == "iLO 5"
    with pytest.raises(NoSuchComponent):
        select("redfish:rack/9", found.candidates)


def test_a_member_without_an_id_has_one_by_its_address() -> None:
    """Intel (captured): the member HSBP1 has no Id."""
    found = take_inventory([shown((f"{FIRMWARE}/HSBP1", {"Name": "Backplane", "Version": "1"})).provider])
    assert [each.component.id for each in found.candidates] == ["rack/HSBP1"]


def test_two_members_of_one_software_id_are_two_components_unless_they_say_which_of_them_runs() -> None:
    """Dell (captured): what is installed, and what was before, have the same SoftwareId and no RelatedItem."""
    versions = {"Installed-159-2.19.1__FW.1": "2.19.1", "Previous-159-2.18.0__FW.1": "2.18.0"}
    rows = (
        (f"{FIRMWARE}/{ident}", {"Id": ident, "Name": "Controller", "SoftwareId": "159", "Version": version})
        for ident, version in versions.items()
    )
    found = shown(*rows).provider.discover().components
    assert {each.id: each.current_version and each.current_version.text for each in found} == {
        f"rack/{ident}": version for ident, version in versions.items()
    }


@pytest.mark.parametrize(("ident", "place"), [("1", FIRMWARE), ("SoftwareInventory/1", SOFTWARE)])
def test_of_two_with_the_same_id_the_one_that_is_named_is_activated(ident: str, place: str) -> None:
    """HPE iLO 5 (captured), with an image that waits in both collections."""
    waits = {"Id": "1", "Version": "1", "Active": True, "Staged": True, "ResetRequiredOnUpdate": False}
    acts = {where: f"{where}/1/Actions/SoftwareInventory.Activate" for where in (FIRMWARE, SOFTWARE)}
    bench = shown(
        *(
            (f"{where}/1", waits | {"Actions": {"#SoftwareInventory.Activate": {"target": acts[where]}}})
            for where in acts
        )
    )
    bench.rules += (Rule(r"POST .*/SoftwareInventory\.Activate", answer(204)),)
    bench._seen.append(0)
    running = bench.provider.activate(f"rack/{ident}", bench.watch.progress)
    assert running.wait(None)
    asked = [path for method, path, _ in bench.web.log if method == "POST" and "/Sessions" not in path]
    assert asked == [acts[place]]


# Addresses that change with the version.


MANAGER = {"RelatedItem": [{"@odata.id": "/redfish/v1/Managers/bmc"}]}
HOST = {"RelatedItem": [{"@odata.id": "/redfish/v1/Systems/system/Bios"}]}
LASTING: dict[str, tuple[str, dict[str, dict[str, Any]], list[str]]] = {
    # dell/iDRAC-Redfish-Scripting, GetFirmwareInventoryREDFISH.py
    "Dell": (
        "Dell",
        {
            "Installed-159-2.19.1__BIOS.Setup.1-1": {"Version": "2.19.1"},
            "Previous-159-2.18.0__BIOS.Setup.1-1": {"Version": "2.18.0"},
            "Installed-0-22.00.6.00__NIC.Embedded.1-1-1": {"Version": "22.00.6.00"},
            "Installed-0-22.00.6.00__NIC.Embedded.2-1-1": {"Version": "22.00.6.00"},
        },
        [
            "Installed-159__BIOS.Setup.1-1",
            "Previous-159__BIOS.Setup.1-1",
            "Installed-0__NIC.Embedded.1-1-1",
            "Installed-0__NIC.Embedded.2-1-1",
        ],
    ),
    "Dell, another version in the address than the member shows": (
        "Dell",
        {"Installed-159-2.19.1__BIOS": {"Version": "2.19"}},
        ["Installed-159-2.19.1__BIOS"],
    ),
    "Dell, two versions of one thing": (
        "Dell",
        {"Installed-159-1.0__FAN": {"Version": "1.0"}, "Installed-159-2.0__FAN": {"Version": "2.0"}},
        ["Installed-159-1.0__FAN", "Installed-159-2.0__FAN"],
    ),
    "Dell, another has that address": (
        "Dell",
        {"Installed-159-1.0__FAN": {"Version": "1.0"}, "Installed-159__FAN": {"Version": "7"}},
        ["Installed-159-1.0__FAN", "Installed-159__FAN"],
    ),
    "nobody known": ("", {"Installed-159-1.0__FAN": {"Version": "1.0"}}, ["Installed-159-1.0__FAN"]),
    # openbmc/phosphor-bmc-code-mgmt, version.cpp; openbmc/docs, REDFISH-cheatsheet.md
    "OpenBMC": (
        "",
        {"6eb0a45c": {"Version": "2.18.0"} | MANAGER, "bios_active": {"Version": "1.4.0"} | HOST},
        ["Managers/bmc", "bios_active"],
    ),
    "OpenBMC with two images": (
        "",
        {"6eb0a45c": {"Version": "2.18.0"} | MANAGER, "81fb83a5": {"Version": "2.17.0"} | MANAGER},
        ["6eb0a45c", "81fb83a5"],
    ),
    "OpenBMC that does not say what it is of": ("", {"6eb0a45c": {"Version": "2.18.0"}}, ["6eb0a45c"]),
}


@pytest.mark.parametrize("name", LASTING)
def test_an_id_does_not_follow_the_version(name: str) -> None:
    vendor, members, idents = LASTING[name]
    bench = shown(*((f"{FIRMWARE}/{last}", body) for last, body in members.items()), vendor=vendor)
    found = take_inventory([bench.provider]).candidates
    by_address = {each.component.details[0][1].split(" ")[0].rpartition("/")[2]: each for each in found}
    assert [by_address[last].component.id for last in members] == [f"rack/{ident}" for ident in idents]
    for last in members:  # by its address as well, as it was before
        assert select(f"redfish:rack/{last}", found) == by_address[last]
        assert f"/FirmwareInventory/{last}/" in bench.provider.replay(by_address[last].component.id, "activate")


@pytest.mark.parametrize(
    ("vendor", "ident"), [("dell", "Installed-25227__iDRAC.Embedded.1-1"), ("openbmc", "Managers/bmc")]
)
def test_a_component_is_the_same_after_its_update(vendor: str, ident: str) -> None:
    """Key, and with it history, policy and the version that was expected, go on; the address does not."""
    bench = Bench(shape=SHAPES[vendor], pattern=None)
    before = bench.component(ident)
    firmware = bench.model.firmware[0]
    firmware.staged = firmware.version_of(b"")
    (earlier,) = firmware.uris()
    firmware.activate()
    (address,) = firmware.uris()
    assert address != earlier
    after = bench.component(ident)
    assert after.key == before.key
    assert after.current_version != before.current_version
    assert [dict(each.details)["images"].split(" ")[0] for each in (before, after)] == [earlier, address]
