# SPDX-License-Identifier: Apache-2.0
"""Of a thousand BMCs with the same inventory, it is kept once: what a list of them takes must not add up."""

from livefw.activation.status import of_component
from livefw.machine.bmc.model import Model
from livefw.machine.bmc.web import Web
from livefw.providers.fake import SETTINGS, FakeClock, FakeFiles
from livefw.providers.redfish.provider import RedfishProvider
from livefw.render import document

from .conftest import CREDENTIALS, USERS, InProcess

NAMES = ("rack1", "rack2")
FILES = {
    SETTINGS: "".join(
        f'[[redfish.bmc]]\nname = "{name}"\nurl = "https://{name}.example"\ncredentials = "{CREDENTIALS}"\n'
        for name in NAMES
    ).encode(),
    CREDENTIALS: b"admin\na word of passage\n",
}


def provider() -> RedfishProvider:
    """Two BMCs of one model with the same firmware."""
    clock = FakeClock()
    return RedfishProvider(FakeFiles(FILES), clock, adapter=lambda _: InProcess(Web(Model(clock.now), USERS)))


def test_what_bmcs_of_one_model_show_alike_is_kept_once() -> None:
    found = provider().discover().components
    one, other = ([each for each in found if each.host == name] for name in NAMES)
    assert [each.id.partition("/")[2] for each in one] == [each.id.partition("/")[2] for each in other] != []
    for left, right in zip(one, other, strict=True):
        for field in ("name", "current_version", "cost", "reasons", "notes", "details"):
            assert getattr(left, field) is getattr(right, field), field


def test_documents_of_many_are_those_of_each() -> None:
    shown = [(each, of_component(each)) for each in provider().discover().components]
    documents = document.components(shown)
    assert documents == [document.component(*each) for each in shown]
    assert len({id(each["cost"]) for each in documents}) < len(documents)
    assert all(each["state"]["reasons"] is each["reasons"] for each in documents)
