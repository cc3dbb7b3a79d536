# SPDX-License-Identifier: Apache-2.0
"""What BMCs of today can do, by the command: what it says of them, how it stages, and an activation in one step."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from livefw.activation.inventory.guids import instance, made_guid
from livefw.archive import cab
from livefw.archive.cab import CabImage
from livefw.archive.metainfo import Metainfo
from livefw.machine.bmc.firmware import Pattern

from .several import Racks
from .vendor_bmc import Dress, Dressed

NVIDIA = Dress(
    {"Oem": {"Nvidia": {"MultipartHttpPushUriOptions": {"UpdateOptionSupport": ["StageAndActivate", "StageOnly"]}}}},
    {"Vendor": "NVIDIA"},
    slots=True,
)
"""NVIDIA/open-nvfwupd: firmware_update_guide/docs/appendix/spi-staged.rst."""
KEY = "redfish:rack1/tmpm"


@pytest.fixture
def rack(tmp_path: Path) -> Iterator[Racks]:
    """NVIDIA's way to stage, in front of a modelled BMC that has no other."""
    with Racks(tmp_path, "rack1") as made:
        bmc = made.bmcs["rack1"]
        bmc.model.pattern = Pattern.IMMEDIATE
        Dressed(bmc._web, NVIDIA)
        settings = tmp_path / "etc/livefw/livefw.toml"
        settings.write_text(settings.read_text() + "assume-live = true\n")
        yield made


@pytest.fixture
def image(tmp_path: Path) -> str:
    """An archive for the component, which says its version."""
    provider, _, ident = KEY.partition(":")
    guid = made_guid(instance(provider, ident))
    about = Metainfo("org.example.fw", "Example", (guid,), "3.1.0", "fw.bin", summary="For tests")
    path = tmp_path / "fw.cab"
    path.write_bytes(cab.write(CabImage(about, b"version=3.1.0")))
    return str(path)


def test_a_staging_and_an_activation_with_the_same_image(rack: Racks, image: str) -> None:
    listed = rack.livefw("list", "redfish:rack1/tmpm")
    assert (
        "BMC rack1: images by multipart push, SimpleUpdate; they can wait until they are activated (StageOnly)"
        in listed.stdout
    )
    assert rack.answer("stage", KEY, image)["staging"]["outcome"] == "staged"
    (shown,) = rack.answer("list", KEY)["components"]
    assert (shown["pending_version"], shown["cost"]["restart"]) == ("3.1.0", "not-reported")
    refused = rack.livefw("activate", KEY)
    assert refused.returncode == 4, refused.stdout
    assert "activate rack1/tmpm --image IMAGE" in refused.stdout
    planned = rack.answer("activate", "-n", KEY, "--image", image)["steps"]
    assert [(step["component"]["pending_version"], step["stopped"]) for step in planned] == [("3.1.0", False)]
    assert rack.bmcs["rack1"].running("tmpm") == "3.0.1"
    (done,) = rack.answer("activate", KEY, "--image", image)["results"]
    assert (done["outcome"], done["after"]["current_version"]) == ("activated", "3.1.0"), done
    assert rack.bmcs["rack1"].running("tmpm") == "3.1.0"
    assert rack.bmcs["rack1"].sessions == 0
    (last, *_) = rack.answer("history")["history"]
    assert (last["outcome"]["outcome"], last["intent"]["version"]) == ("activated", "3.1.0")


USAGE = {
    "several components": (("redfish:rack1/tmpm", "redfish:rack1/bios"), "an image is for one component"),
    "a pattern": (("redfish:rack1/*",), "an image is for one component"),
    "later": (("redfish:rack1/tmpm", "--at", "+1h"), "--image is for one component, and for now"),
    "everything": (("--all",), "--image is for one component, and for now"),
}


@pytest.mark.parametrize("name", USAGE)
def test_an_image_is_for_one_component_and_for_now(rack: Racks, image: str, name: str) -> None:
    words, text = USAGE[name]
    done = rack.livefw("activate", *words, "--image", image)
    assert (done.returncode, text in done.stderr) == (2, True), done.stderr


HELD = {"BMC": ("/redfish/v1/Managers/1", "BMC"), "BIOS": ("/redfish/v1/Systems/1/Bios", "BIOS")}
"""fwupd/fwupd#4836; bmc-toolbox/bmclib, providers/supermicro/x12.go: the target is no member of the inventory."""


@pytest.mark.parametrize("ident", HELD)
def test_supermicro_is_given_what_the_firmware_is_of_as_target(tmp_path: Path, ident: str) -> None:
    target, keeps = HELD[ident]
    image = tmp_path / "image.bin"
    image.write_bytes(b"version=2.0.0")
    with Racks(tmp_path, "rack1", vendor="supermicro") as made:
        staged = made.livefw("stage", f"redfish:rack1/{ident}", str(image))
        assert (staged.returncode, ": staged, " in staged.stdout) == (0, True), staged.stdout + staged.stderr
        (sent,) = (body for method, path, body in made.bmcs["rack1"].requests if path.endswith("/upload"))
        parameters = json.loads(sent[sent.index(b"{") : sent.index(b"\r\n--", sent.index(b"{"))])
        assert (parameters["Targets"], list(parameters["Oem"]["Supermicro"])) == ([target], [keeps])
        assert made.livefw("list", "--pending", "-o", "name").stdout.split() == [f"redfish:rack1/{ident}"]


def test_the_words_of_a_bmc_that_refuses_the_target_are_shown(tmp_path: Path) -> None:
    """fwupd/fwupd#4836: of two components that are of the same thing, livefw names none in the place of the other."""
    image = tmp_path / "image.bin"
    image.write_bytes(b"version=2.0.0")
    with Racks(tmp_path, "rack1", vendor="supermicro") as made:
        first, second = made.bmcs["rack1"].model.firmware
        first.related = second.related
        refused = made.livefw("stage", "redfish:rack1/BIOS", str(image))
        assert refused.returncode == 4, refused.stdout + refused.stderr
        assert "The id of the target is invalid." in refused.stdout
