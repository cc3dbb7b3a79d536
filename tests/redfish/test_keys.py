# SPDX-License-Identifier: Apache-2.0
"""What a component is called: by its address, because an ``Id`` is unique within its collection only."""

from typing import Any

import pytest

from livefw.activation.inventory.discovery import take_inventory
from livefw.activation.inventory.select import select
from livefw.errors import NoSuchComponent

from .field import Field, Rule, answer

SERVICE = "/redfish/v1/UpdateService"
FIRMWARE, SOFTWARE = f"{SERVICE}/FirmwareInventory", f"{SERVICE}/SoftwareInventory"


def shown(*members: tuple[str, dict[str, Any]]) -> Field:
    """A BMC with these members of its two collections, by address."""
    collections = {place: [uri for uri, _ in members if uri.startswith(place)] for place in (FIRMWARE, SOFTWARE)}
    rules = [
        Rule(f"GET {place}", answer(200, {"Members": [{"@odata.id": uri} for uri in uris]}))
        for place, uris in collections.items()
    ]
    rules += [Rule(f"GET {uri}", answer(200, {"@odata.id": uri} | body)) for uri, body in members]
    links = {name: {"@odata.id": f"{SERVICE}/{name}"} for name in ("FirmwareInventory", "SoftwareInventory")}
    return Field(Rule(f"GET {SERVICE}", answer(200, {"@odata.id": SERVICE} | links)), *rules)


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
