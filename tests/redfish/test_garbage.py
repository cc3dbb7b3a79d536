# SPDX-License-Identifier: Apache-2.0
"""A BMC whose documents hold anything: what cannot be used is passed over, and nothing else happens."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from livefw.providers.redfish import components, resources
from livefw.providers.redfish.exchange import ExchangeError, Response
from livefw.providers.redfish.known import KnownBmc
from livefw.providers.redfish.parts import grouped
from livefw.providers.redfish.settings import Bmc

ROOT = "/redfish/v1"
NAMES = [
    "@odata.id",
    "Id",
    "Name",
    "Version",
    "Members",
    "Actions",
    "target",
    "SoftwareId",
    "RelatedItem",
    "Active",
    "Staged",
    "Updateable",
    "Links",
    "Messages",
    "ResetRequiredOnUpdate",
    "MultipartHttpPushUri",
    "TaskState",
    "Payload",
    "JsonBody",
    "Targets",
    "MessageId",
    "MaxImageSizeBytes",
    "#SoftwareInventory.Activate",
    "#UpdateService.Activate",
    "#UpdateService.StartUpdate",
    "SupportedValues",
    "AllowableTargets",
    "FirmwareInventory",
    "Tasks",
    "TaskMonitor",
    "ComponentIntegrity",
    "ComponentsProtected",
    "TargetComponentURI",
    "UpdateServiceCapabilities",
]
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=8)
    | st.sampled_from(
        [ROOT + "/a", ROOT + "/b", "Pending", '{"Targets": ["/redfish/v1/a"]}', "Update.1.2.AwaitToUpdate"]
    )
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=6),
    max_leaves=25,
)
BODIES = st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=10)


EXPANDS = {"ProtocolFeaturesSupported": {"ExpandQuery": {"NoLinks": True}}}


class Garbage:
    """Every path answers with one of a few documents."""

    def __init__(self, bodies: list[dict[str, Any]]) -> None:
        self._bodies = bodies
        links = ("UpdateService", "Tasks", "ComponentIntegrity")
        self.root = {name: {"@odata.id": f"{ROOT}/{name}"} for name in links} | EXPANDS
        self.known = KnownBmc()

    def get(self, path: str) -> Response:
        return Response(200, {}, self._bodies[sum(path.encode()) % len(self._bodies)])

    def get_each(self, paths: list[str]) -> list[Response]:
        return [self.get(path) for path in paths]

    def resource(self, path: str) -> dict[str, Any]:
        return self.get(path).body

    def within(self, seconds: float) -> Any:
        from contextlib import nullcontext

        return nullcontext()


@settings(max_examples=settings().max_examples * 2)
@given(st.lists(BODIES, min_size=1, max_size=4))
def test_documents_that_hold_anything_do_no_harm(bodies: list[dict[str, Any]]) -> None:
    client: Any = Garbage(bodies)
    bmc = Bmc("rack", "https://bmc.example")
    try:
        seen = resources.look(client)
    except ExchangeError:
        return
    for part in grouped(seen):
        found = components.component(part, seen, bmc)
        assert found.id.startswith("rack/")
        way = components.way(part, seen)
        assert way is None or way.uri.startswith("/")
