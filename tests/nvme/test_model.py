# SPDX-License-Identifier: Apache-2.0
"""The modelled drive, by the Base Specification 2.0 (5.12 Firmware Commit, 5.13 Firmware Image Download)."""

from typing import NamedTuple

import pytest

from livefw.abi import nvme
from livefw.abi.nvme import AdminOpcode, CommitAction, LogPage, NvmeStatus
from livefw.machine.nvme.controller import Completion, Controller, IoOpcode, Property, Submission
from livefw.machine.nvme.faults import FAULTS
from livefw.machine.nvme.subsystem import DriveSpec, Subsystem
from livefw.providers.fake import FakeClock

REPLACE, REPLACE_AND_ARM, ARM, ACTIVATE = CommitAction


def drive(spec: DriveSpec | None = None, *faults: str) -> tuple[Subsystem, FakeClock]:
    clock = FakeClock()
    return Subsystem(spec or DriveSpec(), clock.now, faults), clock


def downloaded(spec: DriveSpec | None = None, image: bytes | None = None) -> tuple[Subsystem, FakeClock]:
    made, clock = drive(spec)
    assert made.download(0, image or made.spec.image("2.0")) is NvmeStatus.SUCCESS
    return made, clock


def admin(controller: Controller, opcode: int, cdw10: int = 0, cdw11: int = 0, *, nsid: int = 0) -> Completion:
    done = controller.admin(Submission(7, opcode, nsid, cdw10, cdw11, 0, 4096))
    assert done
    assert done.cid == 7
    return done


def test_image_is_staged_and_runs_after_its_time() -> None:
    made, clock = downloaded()
    assert made.commit(2, REPLACE) is NvmeStatus.SUCCESS
    assert (made.firmware, made.slot_log().versions[:2], made.slot_log().at_reset) == ("1.0", ("1.0", "2.0"), 0)
    assert made.commit(2, ACTIVATE) is NvmeStatus.SUCCESS
    assert (made.paused, made.firmware) == (True, "1.0")
    assert made.commit(2, ACTIVATE) is NvmeStatus.COMMAND_SEQUENCE_ERROR
    clock.sleep(0.5)
    assert (made.paused, made.firmware, made.slot_log().running) == (False, "2.0", 2)
    assert [(each.previous, each.new, each.slot, each.result) for each in made.history] == [("1.0", "2.0", 2, 0)]


class Row(NamedTuple):
    """A commit, and what it is answered with."""

    status: NvmeStatus
    slot: int = 2
    action: int = REPLACE
    spec: DriveSpec = DriveSpec()
    image: bytes | None = None


@pytest.mark.parametrize(
    "row",
    [
        Row(NvmeStatus.INVALID_FIRMWARE_SLOT, slot=3),
        Row(NvmeStatus.INVALID_FIRMWARE_SLOT, slot=1, spec=DriveSpec(slot_1_read_only=True)),
        Row(NvmeStatus.INVALID_FIRMWARE_IMAGE, image=DriveSpec().image("2.0", model="another")),
        Row(NvmeStatus.INVALID_FIRMWARE_IMAGE, image=DriveSpec().image("2.0")[:-8] + b"forged\0\0"),
        Row(NvmeStatus.INVALID_FIRMWARE_IMAGE, image=b"short" * 4),
        Row(NvmeStatus.INVALID_FIELD, action=4),
        Row(NvmeStatus.NEEDS_CONTROLLER_RESET, action=ACTIVATE, spec=DriveSpec(without_reset=False)),
        Row(NvmeStatus.SUCCESS, slot=0),
    ],
)
def test_commit_is_answered_as_specified(row: Row) -> None:
    made, _ = downloaded(row.spec, row.image)
    assert made.commit(row.slot, row.action) is row.status
    assert made.firmware == "1.0"


def test_action_without_an_image_needs_one_in_the_slot() -> None:
    made, _ = drive()
    assert made.commit(2, ARM) is NvmeStatus.INVALID_FIRMWARE_SLOT
    assert made.commit(2, ACTIVATE) is NvmeStatus.INVALID_FIRMWARE_SLOT
    assert made.commit(2, REPLACE) is NvmeStatus.INVALID_FIRMWARE_IMAGE


def test_armed_slot_runs_after_a_reset_and_can_be_disarmed() -> None:
    made, _ = downloaded()
    assert made.commit(2, REPLACE_AND_ARM) is NvmeStatus.SUCCESS
    assert (made.slot_log().encode()[0], made.firmware) == (0x21, "1.0")  # AFI, as a kernel saw it
    made.commit(1, ARM)
    made.reset()
    assert made.firmware == "1.0"
    made.commit(2, ARM)
    made.reset()
    assert (made.firmware, made.slot_log().at_reset) == ("2.0", 0)


def test_pieces_have_to_fit() -> None:
    made, _ = drive(DriveSpec(fwug=2))
    assert made.download(4096, bytes(4096)) is NvmeStatus.INVALID_FIELD  # between two units of FWUG
    assert made.download(0, bytes(8192)) is NvmeStatus.SUCCESS
    assert made.download(0, made.spec.image("2.0")) is NvmeStatus.SUCCESS  # anew
    assert made.download(16384, bytes(8192)) is NvmeStatus.SUCCESS
    assert made.download(16384, bytes(8192)) is NvmeStatus.OVERLAPPING_RANGE
    assert made.commit(2, REPLACE) is NvmeStatus.INVALID_FIRMWARE_IMAGE  # for the gap


def test_identify_and_logs_are_what_the_drive_is() -> None:
    made, clock = drive(DriveSpec(controllers=2))
    second = Controller(made, 2)
    told = nvme.ControllerIdentity.decode(admin(second, AdminOpcode.IDENTIFY, 1).data)
    assert (told.model, told.serial, told.firmware, told.cntlid) == ("livefw modelled NVMe", "LFW0001", "1.0", 2)
    assert (told.slots, told.mtfa_s, told.piece_bytes, told.is_shared) == (2, 1.0, 4096, True)
    assert told.has_firmware_commands
    assert told.announces_activation
    assert nvme.SlotLog.decode(admin(second, AdminOpcode.GET_LOG_PAGE, LogPage.SLOTS).data).running == 1
    assert nvme.HealthLog.decode(admin(second, AdminOpcode.GET_LOG_PAGE, LogPage.HEALTH).data).warning == 0
    made.download(0, made.spec.image("2.0"))
    made.commit(2, ACTIVATE)
    clock.sleep(1)
    made.advance()
    (record,) = nvme.decode_history(admin(second, AdminOpcode.GET_LOG_PAGE, LogPage.OCP_ACTIVATIONS).data)
    assert (record.new, record.action) == ("2.0", ACTIVATE)
    assert admin(second, 0x80).status == NvmeStatus.INVALID_OPCODE
    assert admin(second, AdminOpcode.GET_LOG_PAGE, 0xC0).status == 0x109


def test_event_is_sent_to_each_controller_that_asked_for_it() -> None:
    made, _ = downloaded(DriveSpec(controllers=2))
    first, second = Controller(made, 1), Controller(made, 2)
    for each in (first, second):
        each.admin(Submission(9, AdminOpcode.ASYNC_EVENT, 0, 0, 0, 0, 0))
    admin(second, AdminOpcode.SET_FEATURES, 0x0B, nvme.OAES_ACTIVATION)
    assert first.get_property(Property.CSTS) == 0
    made.commit(2, ACTIVATE)
    assert list(first.due()) == []
    assert [(each.cid, each.result) for each in second.due()] == [(9, 0x030102)]
    first.set_property(Property.CC, 1)
    assert first.get_property(Property.CSTS) == 0x21  # ready, and processing is paused


def test_io_waits_while_an_activation_is_under_way() -> None:
    made, clock = downloaded()
    controller = Controller(made)
    data = bytes(range(256)) * 2
    assert controller.io(Submission(1, IoOpcode.WRITE, 1, 5, 0, 0, 512, data)) == Completion(1)
    made.commit(2, ACTIVATE)
    assert controller.io(Submission(2, IoOpcode.READ, 1, 5, 0, 0, 512), 3) is None
    assert list(controller.due(3)) == []
    clock.sleep(0.5)
    assert list(controller.due(2)) == []
    assert list(controller.due(3)) == [Completion(2, data=data)]
    assert controller.io(Submission(3, IoOpcode.READ, 1, (1 << 15) - 1, 0, 1, 1024)) == Completion(3, 0x080)


@pytest.mark.parametrize("fault", [name for name in FAULTS if name.startswith("commit-")])
def test_each_status_can_be_the_answer(fault: str) -> None:
    made, _ = drive(DriveSpec(versions=("1.0", "2.0")), fault)
    status = made.commit(2, ACTIVATE)
    assert fault == f"commit-{status.name.lower().replace('_', '-')}"
    assert (made.firmware, made.armed) == ("1.0", 2 if "needs" in fault else 0)


def test_fault_that_there_is_not_is_refused() -> None:
    with pytest.raises(ValueError, match="there is no fault melts"):
        drive(None, "melts")


@pytest.mark.parametrize(
    ("fwug", "mdts", "size"),
    [(0, 5, 4096), (1, 0, 4096), (4, 5, 16384), (0xFF, 5, 4096), (64, 5, 131072), (2, 31, 8192)],
)
def test_pieces_follow_fwug_within_mdts(fwug: int, mdts: int, size: int) -> None:
    made, _ = drive(DriveSpec(fwug=fwug, mdts=mdts))
    assert made.identity(1).piece_bytes == size


def test_structures_have_the_sizes_of_the_specification() -> None:
    assert nvme.PASSTHROUGH_BYTES == 72
    command = nvme.firmware_commit(2, ACTIVATE, timeout_ms=9)
    assert nvme.AdminCommand.decode(command.encode()) == command
    assert (command.cdw10, nvme.firmware_download(8192, 4096).cdw10, nvme.firmware_download(8192, 4096).cdw11) == (
        0x1A,
        1023,
        2048,
    )
    assert nvme.get_log_page(LogPage.SLOTS, 512).cdw10 == 127 << 16 | 3
    assert nvme.status_name(nvme.status_of(0x4113)) == "Firmware Activation Prohibited"
    assert nvme.status_name(0x3FF) == "status 0x3ff"
    for read, size in (
        (nvme.ControllerIdentity.decode, 4096),
        (nvme.SlotLog.decode, 512),
        (nvme.HealthLog.decode, 512),
    ):
        with pytest.raises(ValueError, match=f"{size} bytes, not 3"):
            read(b"abc")
    with pytest.raises(ValueError, match="not OCP's"):
        nvme.decode_history(bytes(4096))
