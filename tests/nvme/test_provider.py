# SPDX-License-Identifier: Apache-2.0
"""Drives as components: what runs, what waits, how an image gets into a slot, and how it gets out of the way."""

import errno
from collections.abc import Callable
from itertools import islice

import pytest

from livefw.abi.nvme import CommitAction
from livefw.activation.inventory.discovery import Candidate
from livefw.activation.inventory.guids import guids, made_guid
from livefw.activation.outcome import Outcome
from livefw.activation.status import of_component
from livefw.errors import TransportError, UsageError
from livefw.machine.nvme.subsystem import DriveSpec
from livefw.providers.base import ImagePackage, Reply
from livefw.providers.nvme.component import StagedSlot
from livefw.providers.nvme.staging import choose_slot

from .drive import Machine, onlooker

IMAGE = DriveSpec().image("2.0")


def test_drive_is_a_component_by_model_and_serial_number() -> None:
    machine = Machine(DriveSpec(), DriveSpec(serial="LFW0002", versions=("3.1", "")))
    found = machine.provider.discover()
    assert [(each.key, each.current_version.text if each.current_version else "") for each in found.components] == [
        ("nvme:livefw_modelled_NVMe_LFW0001", "1.0"),
        ("nvme:livefw_modelled_NVMe_LFW0002", "3.1"),
    ]
    assert machine.provider.aliases("livefw_modelled_NVMe_LFW0002") == ("nvme1",)
    details = dict(found.components[0].details)
    assert details["slots"] == "1 1.0, 2 empty; running: 1"
    assert details["longest activation (MTFA)"] == "1 s"


def test_controllers_of_a_subsystem_are_one_drive_that_others_may_use() -> None:
    machine = Machine(DriveSpec(controllers=2))
    (found,) = machine.provider.discover().components
    assert dict(found.details)["device"] == "nvme0, nvme1"
    assert [each.code for each in found.hazards] == ["shared"]


def test_staged_image_waits_in_a_slot_and_is_read_back() -> None:
    machine = Machine(DriveSpec(fwug=2))
    claim = machine.stage(DriveSpec().image("2.0", size=40_000))
    assert (claim.reply, claim.holds) == (Reply.ACCEPTED, "2:2.0")
    assert machine.drives[0].commits == [(2, CommitAction.REPLACE)]
    found = machine.component()
    assert (found.pending, found.pending_version and found.pending_version.text, found.reasons) == (True, "2.0", ())
    assert of_component(found).code == "ready"
    assert machine.provider.replay(machine.ident, "activate") == "nvme fw-commit /dev/nvme0 --slot=2 --action=3"


def test_history_says_which_slot_livefw_staged() -> None:
    """Another process activates. What livefw did not stage is no pending image: it may be what ran before."""
    machine = Machine(DriveSpec(versions=("1.0", "2.0")))
    assert machine.component().pending is False
    assert [each.code for each in machine.component().notes] == ["slot-holds"]
    machine.provider.held = lambda keys: dict.fromkeys(keys, "2:2.0")
    assert machine.component().pending is True
    machine.provider.held = lambda keys: dict.fromkeys(keys, "2:1.9")
    assert [each.code for each in machine.component().reasons] == ["not-pending", "slot-changed"]


@pytest.mark.parametrize("text", ["", "2", "2:", ":1.0", "8:1.0", "0:1.0", "x:1.0", "22:1.0"])
def test_text_of_the_history_that_is_no_slot_is_none(text: str) -> None:
    assert StagedSlot.parse(text) is None


@pytest.mark.parametrize(
    ("spec", "held", "slot"),
    [
        (DriveSpec(versions=("1", "")), None, 2),
        (DriveSpec(versions=("1",)), None, 0),
        (DriveSpec(versions=("1", "2"), running=2), None, 1),
        (DriveSpec(versions=("1", "2"), running=2, slot_1_read_only=True), None, 0),
        (DriveSpec(versions=("1", "2", "", "4")), None, 3),
        (DriveSpec(versions=("1", "2", "3", "4"), running=3), None, 4),
        (DriveSpec(versions=("1", "2", "3", "4"), running=3), StagedSlot(2, "2"), 2),
        (DriveSpec(versions=("1", "2", "", ""), running=3), StagedSlot(3, "2"), 4),
    ],
)
def test_slot_is_never_the_one_that_runs(spec: DriveSpec, held: StagedSlot | None, slot: int) -> None:
    drive = Machine(spec).drives[0]
    assert choose_slot(drive.identity(1), drive.slot_log(), held) == slot


def test_slot_is_never_the_one_that_is_armed() -> None:
    drive = Machine(DriveSpec(versions=("1", "2"))).drives[0]
    drive.commit(2, CommitAction.ARM)
    assert choose_slot(drive.identity(1), drive.slot_log(), None) == 0


@pytest.mark.parametrize(
    ("image", "spec", "reply", "code"),
    [
        (b"", DriveSpec(), Reply.REFUSED, "image"),
        (bytes(4097), DriveSpec(), Reply.REFUSED, "image"),
        (IMAGE, DriveSpec(versions=("1.0",)), Reply.REFUSED, "no-slot"),
        (IMAGE, DriveSpec(has_firmware_commands=False), Reply.REFUSED, "no-firmware-commands"),
        (DriveSpec().image("2.0", model="another"), DriveSpec(), Reply.DECLINED, "image-refused"),
        (bytes(4096), DriveSpec(), Reply.DECLINED, "image-refused"),
        (DriveSpec().image("1.0"), DriveSpec(), Reply.DECLINED, "already-installed"),
    ],
)
def test_image_that_is_not_taken_has_its_reason(image: bytes, spec: DriveSpec, reply: Reply, code: str) -> None:
    machine = Machine(spec)
    claim = machine.stage(image)
    assert (claim.reply, claim.reason and claim.reason.code) == (reply, code)
    assert machine.component().pending is False
    assert machine.drives[0].firmware == "1.0"


def test_drive_fetches_nothing() -> None:
    machine = Machine()
    running = machine.provider.stage(machine.ident, ImagePackage("x", uri="https://example.org/x"), onlooker)
    assert running.wait(None)
    assert running.claim.reason is not None
    assert running.claim.reason.code == "no-transfer"


def test_staging_that_is_given_up_before_its_commit_changed_nothing() -> None:
    machine = Machine()
    running = machine.provider.stage(machine.ident, ImagePackage("x", IMAGE), onlooker)
    claim = running.abandon()
    assert (claim.reply, claim.reason and claim.reason.code, running.touched) == (Reply.REFUSED, "given-up", False)
    assert machine.drives[0].commits == []


def test_drive_that_activates_with_a_reset_only_needs_one() -> None:
    machine = Machine(DriveSpec(without_reset=False)).staged()
    found = machine.component()
    assert (of_component(found).code, found.pending) == ("needs-reset", True)
    assert machine.activate().outcome is Outcome.REFUSED
    assert [action for _, action in machine.drives[0].commits] == [CommitAction.REPLACE]


def test_armed_slot_is_pending_but_never_live_and_can_be_cancelled() -> None:
    """AFI 6:4: nothing else anywhere shows it."""
    machine = Machine(DriveSpec(versions=("1.0", "2.0")))
    machine.drives[0].commit(2, CommitAction.ARM)
    found = machine.component()
    assert (found.pending, of_component(found).code) == (True, "needs-reset")
    assert machine.activate().outcome is Outcome.REFUSED
    assert machine.cancel().outcome is Outcome.CANCELLED
    assert machine.component().pending is False
    machine.drives[0].reset()
    assert machine.drives[0].firmware == "1.0"


def test_setting_arms_the_staged_slot_and_disarms_it() -> None:
    machine = Machine().staged()
    assert machine.component().settings == (("at_reset", False),)
    machine.provider.configure(machine.ident, "at_reset", on=True)
    assert machine.component().settings == (("at_reset", True),)
    assert machine.drives[0].commits[-1] == (2, CommitAction.ARM)
    machine.provider.configure(machine.ident, "at_reset", on=False)
    assert machine.drives[0].commits[-1] == (1, CommitAction.ARM)
    assert machine.component().reasons == ()
    with pytest.raises(UsageError, match="no setting auto_activate"):
        machine.provider.configure(machine.ident, "auto_activate", on=True)
    with pytest.raises(TransportError, match="no longer there"):
        machine.provider.configure("another", "at_reset", on=True)


def test_cancelled_image_stays_in_its_slot_and_waits_no_more() -> None:
    machine = Machine().staged()
    assert machine.cancel().outcome is Outcome.CANCELLED
    assert (machine.component().pending, machine.drives[0].slots) == (False, ["1.0", "2.0"])
    assert machine.cancel().outcome is Outcome.REFUSED


def _denied(machine: Machine) -> None:
    machine.files.break_for_ever("/dev/nvme0", errno.EACCES)


def _dead(machine: Machine) -> None:
    machine.drives[0].dead = True


@pytest.mark.parametrize(
    ("trouble", "code"), [(_denied, "no-permission"), (_dead, "not-ready")], ids=["denied", "dead"]
)
def test_drive_that_tells_nothing_is_listed_with_the_reason(trouble: Callable[[Machine], None], code: str) -> None:
    machine = Machine().staged()
    trouble(machine)
    found = machine.component()
    assert (found.pending, [each.code for each in found.reasons]) == (None, [code])
    assert found.current_version is not None
    assert (found.current_version.text, found.current_version.reliable) == ("1.0", False)
    assert machine.activate().outcome is Outcome.REFUSED


def test_fresh_look_asks_only_the_drive_that_is_meant() -> None:
    machine = Machine(DriveSpec(), DriveSpec(serial="LFW0002"))
    machine.files.break_for_ever("/dev/nvme1", errno.EIO)
    assert machine.component().pending is False
    broken = machine.component("livefw_modelled_NVMe_LFW0002")
    assert [each.code for each in broken.reasons] == ["unreadable"]


def test_archive_means_a_model_by_the_guids_of_fwupd() -> None:
    machine = Machine()
    found = guids(Candidate(machine.provider, machine.component()))
    assert made_guid("NVME\\VEN_144D&DEV_A80A") in found
    assert made_guid("livefw modelled NVMe") in found


def test_link_that_leads_out_of_the_tree_is_not_followed() -> None:
    machine = Machine()
    machine.files.links["/sys/class/nvme/nvme1"] = "../../../../../../etc"
    machine.files.links["/sys/class/nvme/nvme2"] = "/etc"
    assert len(machine.provider.discover().components) == 1


def test_diagnosis_names_the_drives_and_says_each_thing_once() -> None:
    """Two that are up to date, one with an image, one that livefw cannot update."""
    plain = [DriveSpec(serial=f"LFW000{number}") for number in (1, 2, 3)]
    machine = Machine(*plain, DriveSpec(serial="LFW0004", has_firmware_commands=False))
    machine.stage(DriveSpec().image("2.0"), "livefw_modelled_NVMe_LFW0002")
    assert [(each.severity, each.code, each.text, each.lacks) for each in machine.provider.diagnose()] == [
        ("info", "not-pending", "nvme0, nvme2: no image is staged", None),
        ("info", "ready", "nvme1: an image waits for its activation", None),
        ("info", "no-firmware-commands", "nvme3: the drive has no commands for firmware", None),
    ]


def test_machine_none_of_whose_drives_takes_firmware_has_no_mechanism() -> None:
    specs = (DriveSpec(serial=f"LFW000{number}", has_firmware_commands=False) for number in (1, 2))
    (found,) = Machine(*specs).provider.diagnose()
    assert (found.code, found.lacks) == ("no-firmware-commands", "an NVMe drive with firmware commands")


def test_machine_without_drives_says_so() -> None:
    machine = Machine()
    provider = machine.provider
    machine.remove("nvme0")
    assert provider.discover().absent is not None
    assert [each.code for each in provider.diagnose()] == ["no-device"]
    for begin in (provider.activate, provider.cancel):
        running = begin(machine.ident, onlooker)
        assert running.wait(None)
        assert running.claim.reply is Reply.REFUSED
    assert list(islice(provider.discover().components, 1)) == []
