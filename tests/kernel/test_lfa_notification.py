# SPDX-License-Identifier: Apache-2.0
"""Notifications, automatic activation and uevents. Sources: activate_pending_image and its callers in lfa_fw.c."""

import pytest
from tests.kernel.postings import ALL

from livefw.abi.guid import FVP_SP1, RMM, Guid
from livefw.abi.lfa import Function, InventoryFlag, InventoryResult, LfaStatus
from livefw.abi.smccc import Registers
from livefw.abi.version import ComponentVersion
from livefw.kernel.clock import MS, SECOND
from livefw.kernel.lfa import Notification
from livefw.kernel.scripted import AGAIN, DONE, Answer, ScriptedFirmware, Working
from livefw.testing.driver import ModelDriver

LISTENING = ["v2", "v3", "nv3"]
RMM_ID, SP_ID = str(RMM.guid), str(FVP_SP1.guid)
THIRD = Guid(b"\x33" * 16)
P, A, C = Function.PRIME, Function.ACTIVATE, Function.CANCEL


class Staged(ScriptedFirmware):
    """Firmware on which an activation takes the pending flag back, as a real platform does."""

    def __init__(self, flags: dict[Guid, int]) -> None:
        self.flags = dict(flags)
        super().__init__()
        self._refresh()
        self.script(A, self._activate)

    def _refresh(self) -> None:
        version = ComponentVersion(1, 0)
        self.components = [
            InventoryResult(guid, InventoryFlag(bits), version, version) for guid, bits in self.flags.items()
        ]

    def _activate(self, registers: tuple[int, ...]) -> tuple[int, ...]:
        guid = list(self.flags)[registers[1]]
        self.flags[guid] &= ~0b10
        self._refresh()
        return DONE

    def activated(self) -> list[int]:
        """Sequence ids in the order of their PRIME."""
        return [call.registers[1] for call in self.calls if call.registers[0] == P]


def loaded(
    version: str, flags: dict[Guid, int], *, notification: Notification = Notification.ACPI, auto: bool = True
) -> tuple[ModelDriver, Staged]:
    firmware = Staged(flags)
    bench = ModelDriver(firmware, version=version, notification=notification)
    assert bench.load()
    if auto and version != "v1":
        for guid in bench.guids():
            assert bench.write(guid, "auto_activate", b"1") == 0
    firmware.calls.clear()
    return bench, firmware


@pytest.mark.parametrize("version", ALL)
@pytest.mark.parametrize("notification", Notification)
def test_what_is_registered(version: str, notification: Notification) -> None:
    bench, firmware = loaded(version, {RMM.guid: 0b11}, notification=notification)
    told = [line for line in bench.lines() if line.startswith("registered")]
    lines = {"acpi": "registered LFA ACPI notification", "dt": "registered LFA DT notification interrupt"}
    listens = version != "v1" and notification is not Notification.NONE
    assert told == ([lines[notification]] if listens else [])
    bench.run(bench.driver.notify())
    assert firmware.activated() == ([0] if listens else [])


@pytest.mark.parametrize("version", LISTENING)
@pytest.mark.parametrize("notification", [Notification.ACPI, Notification.DT])
def test_everything_pending_is_activated_in_inventory_order(version: str, notification: Notification) -> None:
    bench, firmware = loaded(
        version, {RMM.guid: 0b0011, FVP_SP1.guid: 0b0001, THIRD: 0b1011}, notification=notification
    )
    bench.run(bench.driver.notify())
    assert firmware.activated() == [0, 2]
    assert bench.lines()[-2:] == [
        "TF-RMM: automatic activation succeeded",
        f"{THIRD}: automatic activation succeeded",
    ]


@pytest.mark.parametrize("version", LISTENING)
@pytest.mark.parametrize("bits", [0b0000, 0b0001, 0b0010])
def test_only_capable_and_pending_images_are_activated(version: str, bits: int) -> None:
    bench, firmware = loaded(version, {RMM.guid: bits})
    before = bench.lines()
    bench.run(bench.driver.notify())
    assert firmware.activated() == []
    assert bench.lines() == before


@pytest.mark.parametrize("version", LISTENING)
def test_nothing_is_activated_without_consent(version: str) -> None:
    bench, firmware = loaded(version, {RMM.guid: 0b11}, auto=False)
    bench.run(bench.driver.notify())
    assert [call.registers[0] for call in firmware.calls] == [Function.GET_INVENTORY]  # and no rescan either


@pytest.mark.parametrize("version", LISTENING)
def test_a_notification_refreshes_the_pending_flags(version: str) -> None:
    bench, firmware = loaded(version, {RMM.guid: 0b01}, auto=False)
    firmware.components = [
        InventoryResult(RMM.guid, InventoryFlag(0b11), ComponentVersion(1, 0), ComponentVersion(1, 1))
    ]
    assert bench.read(RMM_ID, "pending_version") == "N/A\n"
    bench.run(bench.driver.notify())
    assert bench.read(RMM_ID, "pending_version") == "1.1\n"


FAILURES: list[tuple[Function, Answer, dict[str, int | None]]] = [
    # The number is whatever the failure returned: a firmware code, an errno, or an inner code.
    (P, LfaStatus.AUTH_ERROR, {"v2": -3, "v3": -3, "nv3": -3}),
    (P, LfaStatus.BUSY, {"v2": None, "v3": None, "nv3": None}),  # -2 is also -ENOENT, "nothing pending": no line
    (A, LfaStatus.BUSY, {"v2": None, "v3": -32, "nv3": -32}),
    (A, LfaStatus.CRITICAL_ERROR, {"v2": -5, "v3": -5, "nv3": -5}),
    (A, AGAIN, {"v2": -32, "v3": -32, "nv3": -32}),
    (P, AGAIN, {"v2": -110, "v3": -110, "nv3": -110}),
]


@pytest.mark.parametrize("version", LISTENING)
@pytest.mark.parametrize(("function", "answer", "numbers"), FAILURES)
def test_the_first_failure_ends_it(
    version: str, function: Function, answer: Answer, numbers: dict[str, int | None]
) -> None:
    bench, firmware = loaded(version, {RMM.guid: 0b11, THIRD: 0b11})
    firmware.script(function, answer)
    bench.run(bench.driver.notify())
    assert set(firmware.activated()) == {0}
    told = [line for line in bench.lines() if line.startswith("notified")]
    number = numbers[version]
    assert told == ([] if number is None else [f"notified image activation failed: {number}"])


@pytest.mark.parametrize("version", LISTENING)
def test_an_image_that_resets_cpus_blocks_automatic_activation_of_those_behind_it(version: str) -> None:
    bench, firmware = loaded(version, {RMM.guid: 0b111, THIRD: 0b11})
    bench.run(bench.driver.notify())
    assert firmware.activated() == []
    assert bench.lines()[-1] == "notified image activation failed: -22"


@pytest.mark.parametrize("version", LISTENING)
def test_an_agent_whose_pending_flag_never_clears_is_activated_for_ever(version: str) -> None:
    """TF-A's FVP platform reports RMM as pending at all times."""
    bench, firmware = loaded(version, {RMM.guid: 0b11})
    firmware.script(A, Working(5 * MS))
    task = bench.start(bench.driver.notify())
    bench.sleep(30 * SECOND)
    assert not task.done
    assert firmware.count(P) > 1000
    assert bench.read(RMM_ID, "activation_pending") == "1\n"  # the rest of the kernel lives on
    assert bench.write(RMM_ID, "auto_activate", b"0") == 0
    bench.wait(task)


@pytest.mark.parametrize("version", LISTENING)
def test_even_an_agent_that_needs_no_time_leaves_the_kernel_alive(version: str) -> None:
    bench, firmware = loaded(version, {RMM.guid: 0b11})
    firmware.script(A, DONE)
    task = bench.start(bench.driver.notify())
    bench.sleep(1 * MS)
    assert not task.done
    assert bench.write(RMM_ID, "auto_activate", b"0") == 0
    bench.wait(task)


def test_interrupts_during_the_handler_become_one() -> None:
    bench, firmware = loaded("v3", {RMM.guid: 0b11}, notification=Notification.DT)
    firmware.script(P, Working(10 * MS))
    handler = bench.start(bench.driver.notify())
    for _ in range(3):
        assert bench.start(bench.driver.notify()).done
    firmware.calls.clear()
    bench.wait(handler)
    searches = [call for call in firmware.calls if call.registers[0] == Function.GET_INVENTORY]
    assert len(searches) == 3  # the rescan, the search after it, and one more handler run


@pytest.mark.parametrize(
    ("notification", "inside", "online", "waits"),
    [  # an interrupt without an affinity goes to the first CPU that is on; seen on Linux 6.12 with 2 CPUs
        (Notification.DT, 0, (0, 1, 2), True),
        (Notification.DT, 1, (0, 1, 2), False),
        (Notification.DT, 2, (0, 1, 2), False),
        (Notification.DT, 1, (1, 2), True),
        (Notification.DT, 2, (1, 2), False),
        (Notification.DT, 0, (0,), True),
        (Notification.ACPI, 0, (0, 1, 2), True),
        (Notification.ACPI, 1, (0, 1, 2), False),
    ],
)
def test_a_notification_waits_for_its_cpu(
    notification: Notification, inside: int, online: tuple[int, ...], waits: bool
) -> None:
    firmware = Staged({RMM.guid: 0b11})
    bench = ModelDriver(firmware, version="v3", notification=notification, cpus=3)
    assert bench.load()
    assert bench.write(RMM_ID, "auto_activate", b"1") == 0
    for cpu in {0, 1, 2} - set(online):
        bench.os.cpu_off(cpu)
    firmware.script(Function.FEATURES, Working(50 * MS))
    while not firmware.calls or firmware.calls[-1] != (inside, Registers(Function.FEATURES)):
        bench.settle()  # whoever was on another CPU has left it
        bench.start(_feature(bench))
    handler = bench.start(bench.driver.notify())
    again = bench.start(bench.driver.notify())
    bench.sleep(20 * MS)
    assert (firmware.activated() == []) is waits
    bench.wait(handler)
    bench.wait(again)
    assert len(firmware.activated()) == (2 if waits and notification is Notification.ACPI else 1)


async def _feature(bench: ModelDriver) -> Registers:
    return await bench.os.smc(Registers(Function.FEATURES))


def test_a_notification_that_waits_while_the_driver_goes_is_forgotten() -> None:
    firmware = Staged({RMM.guid: 0b11})
    bench = ModelDriver(firmware, version="v3", notification=Notification.DT, cpus=1)
    assert bench.load()
    assert bench.write(RMM_ID, "auto_activate", b"1") == 0
    firmware.script(Function.FEATURES, Working(50 * MS))
    bench.start(_feature(bench))
    handler = bench.start(bench.driver.notify())
    remover = bench.start(bench.driver.remove())
    bench.wait(remover)
    bench.wait(handler)
    assert firmware.activated() == []


def test_acpi_notifications_run_beside_each_other() -> None:
    bench, firmware = loaded("v3", {RMM.guid: 0b11})
    firmware.script(P, Working(10 * MS))
    handlers = [bench.start(bench.driver.notify()) for _ in range(2)]
    for handler in handlers:
        bench.wait(handler)
    assert firmware.activated() == [0, 0]


def test_unloading_waits_for_a_handler() -> None:
    bench, firmware = loaded("v3", {RMM.guid: 0b11})
    firmware.script(P, Working(10 * MS))
    handler = bench.start(bench.driver.notify())
    remover = bench.start(bench.driver.remove())
    bench.sleep(5 * MS)
    assert not remover.done
    bench.wait(handler)
    bench.wait(remover)
    bench.run(bench.driver.notify())
    assert firmware.activated() == [0]


@pytest.mark.parametrize("version", ALL)
def test_uevents(version: str) -> None:
    """nv3 only: on the arm_smccc device, after the first inventory and after each clean-up."""
    bench, firmware = loaded(version, {RMM.guid: 0b11}, auto=False)
    after_load = len(bench.os.uevents)
    assert after_load == (1 if version == "nv3" else 0)
    assert bench.write(RMM_ID, "activate") == 0
    bench.settle()
    firmware.script(P, LfaStatus.AUTH_ERROR)
    bench.write(RMM_ID, "activate")
    bench.settle()
    assert len(bench.os.uevents) == 2 * after_load
    for event in bench.os.uevents:
        assert (event.action, event.devpath) == ("change", "/devices/arm-smccc-lfa-1")
        assert dict(event.environment)["SUBSYSTEM"] == "arm_smccc"
    bench.run(bench.driver.remove())
    assert len(bench.os.uevents) == 2 * after_load


@pytest.mark.parametrize(("version", "registers"), [("v1", False), ("v2", False), ("v3", True), ("nv3", False)])
def test_a_failed_first_inventory(version: str, registers: bool) -> None:
    """lfa_fw.c v3: lfa_smccc_probe unregisters its kset and goes on; notifications then look at freed memory."""
    firmware = ScriptedFirmware()
    bench = ModelDriver(firmware, version=version)
    assert not bench.load()
    with pytest.raises(FileNotFoundError):
        bench.tree.lookup("/sys/firmware/lfa")
    assert bench.lines()[1:] == [
        "Error getting number of LFA components",
        *(["registered LFA ACPI notification"] if registers else []),
    ]
    bench.run(bench.driver.notify())
    assert firmware.count(Function.GET_INVENTORY) == 0
    bench.run(bench.driver.remove())
    assert not bench.os.uevents
