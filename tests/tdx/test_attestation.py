# SPDX-License-Identifier: Apache-2.0
"""MRSEAM of the running and of the pending module, and the list of values that relying parties accept."""

import hashlib
from collections.abc import Iterator

import pytest

from livefw.abi.tdx import TdxVersion
from livefw.abi.tdx_image import MODULE_OFFSET, with_checksum
from livefw.firmware import tdx_repository
from livefw.firmware.tdx_image import SIGNER
from livefw.machine.config import load
from livefw.machine.files import MachineClock, MachineFiles
from livefw.machine.machine import Machine
from livefw.machine.tdx import IMAGES
from livefw.providers.component import AttestedValue, Component
from livefw.providers.tdx.provider import TdxProvider
from livefw.providers.tdx.releases import KNOWN
from livefw.providers.tdx.select import TdxPlatform, TdxPolicy, choose, judge, running_mrseam
from livefw.providers.tdx.settings import Settings

from .conftest import MakeImages
from .test_select import READY


def mrseam(version: str) -> str:
    """By its definition: SHA-384 of the module's pages."""
    return hashlib.sha384(tdx_repository.image(version)[MODULE_OFFSET:]).hexdigest()


@pytest.fixture
def machine() -> Iterator[Machine]:
    made = Machine(load("tdx-spr"))
    made.boot()
    yield made
    made.close()


def component(machine: Machine, policy: TdxPolicy = TdxPolicy()) -> Component:  # noqa: B008 - it is immutable
    settings = Settings(IMAGES, None, policy, frozenset({SIGNER}))
    found = TdxProvider(MachineFiles(machine), MachineClock(machine), settings).inspect("module")
    assert found is not None
    return found


def test_both_values_are_named_before_and_after_an_update(machine: Machine) -> None:
    assert component(machine).attestation == AttestedValue("MRSEAM", mrseam("1.5.06"), mrseam("1.5.24"))
    running = TdxProvider(
        MachineFiles(machine), MachineClock(machine), Settings(IMAGES, None, TdxPolicy(), frozenset({SIGNER}))
    ).activate("module", lambda _: None)
    assert running.wait(None)
    assert component(machine).attestation == AttestedValue("MRSEAM", mrseam("1.5.24"), None)


def test_a_lost_module_attests_nothing(machine: Machine) -> None:
    assert machine.tdx
    machine.tdx.lose()
    assert component(machine).attestation is None


ACCEPTED = {
    "the newest": (("1.5.24",), "1.5.24", False),
    "an older one is taken": (("1.5.06", "1.5.13", "1.5.09"), "1.5.13", False),
    "only what runs": (("1.5.06",), "1.5.24", True),
    "one that cannot be loaded": (("1.5.25", "2.0.08"), "1.5.24", True),
}


@pytest.mark.parametrize(("versions", "chosen", "blocked"), ACCEPTED.values(), ids=ACCEPTED)
def test_an_accepted_value_is_preferred_and_another_is_a_hazard(
    machine: Machine, versions: tuple[str, ...], chosen: str, blocked: bool
) -> None:
    found = component(machine, TdxPolicy(mrseam=frozenset(map(mrseam, versions))))
    assert found.pending_version
    assert found.pending_version.text == chosen
    assert [reason.code for reason in found.hazards] == ["attestation"] * blocked
    assert found.reasons == ()


def test_without_a_list_there_is_no_hazard(machine: Machine) -> None:
    assert component(machine).hazards == ()


def test_the_running_value_is_that_of_the_directory_before_that_of_the_table(make_images: MakeImages) -> None:
    images = make_images("1.5.06", "1.5.24")
    assert running_mrseam(READY, images) == mrseam("1.5.06") != KNOWN[TdxVersion(1, 5, 6)].seamhash


@pytest.mark.parametrize(
    ("version", "value"),
    [
        (TdxVersion(1, 5, 6), KNOWN[TdxVersion(1, 5, 6)].seamhash),
        (TdxVersion(1, 5, 20), None),
        (None, None),
    ],
)
def test_without_an_image_of_it_the_table_decides(version: TdxVersion | None, value: str | None) -> None:
    assert running_mrseam(TdxPlatform(node=True, version=version), None) == value


def test_a_faulty_image_of_the_running_version_says_nothing(make_images: MakeImages) -> None:
    bad = bytearray(tdx_repository.image("1.5.06"))
    bad[MODULE_OFFSET] ^= 1
    images = make_images("1.5.08", files={"1.5.06": with_checksum(bytes(bad))})
    assert running_mrseam(READY, images) == KNOWN[TdxVersion(1, 5, 6)].seamhash


def test_smallest_step_among_the_accepted(make_images: MakeImages) -> None:
    images = make_images("1.5.08", "1.5.09", "1.5.13")
    policy = TdxPolicy(mrseam=frozenset({mrseam("1.5.09"), mrseam("1.5.13")}))
    chosen = choose(judge(READY, images, policy), policy)
    assert chosen
    assert str(chosen.version) == "1.5.13"
