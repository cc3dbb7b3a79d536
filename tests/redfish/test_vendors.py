# SPDX-License-Identifier: Apache-2.0
"""What real BMCs can do: how an image gets in, and that it waits, as each vendor has published it."""

from typing import Any, NamedTuple

import pytest

from livefw.machine.bmc.firmware import SYSTEM, Firmware, Pattern
from livefw.machine.bmc.web import SERVICE
from livefw.providers.base import Reply
from livefw.providers.component import Restart

from .conftest import Bench
from .vendor_bmc import CONCURRENT, OCTETS, Dress, Dressed, dressed

MCU = "/redfish/v1/UpdateService/FirmwareInventory/mcu"
BOTH_OPTIONS = {"Nvidia": {"MultipartHttpPushUriOptions": {"UpdateOptionSupport": ["StageAndActivate", "StageOnly"]}}}
NVIDIA = Dress({"Oem": BOTH_OPTIONS}, {"Vendor": "NVIDIA"}, slots=True)
OCTETS_ONLY: dict[str, Any] = {"MultipartHttpPushUri": None, "HttpPushUri": OCTETS}
FLAGS = {"HttpPushUriTargets": [], "HttpPushUriTargetsBusy": False, "HttpPushUriOptionsBusy": False}
TIME = {"HttpPushUriOptions": {"HttpPushUriApplyTime": {"ApplyTime": "Immediate"}}}
MULTIPART_TIMES = "MultipartHttpPushUri@Redfish.OperationApplyTimeSupport"


def mcu(**more: Any) -> Firmware:
    return Firmware("mcu", "MCU", f"{SYSTEM}/Processors/CPU0", **more)


def bios() -> Firmware:
    return Firmware("mcu", "System BIOS", f"{SYSTEM}/Bios", needs_reset=True)


def pushes(bench: Bench) -> list[str]:
    return [path for method, path, _ in bench.web.log if method == "POST" and "/Sessions" not in path]


class Staging(NamedTuple):
    """A staging that succeeds: what was said with the image, where it was sent, and what was set for it before."""

    source: str
    dress: Dress
    said: dict[str, Any]
    to: str = f"{SERVICE}/update-multipart"
    firmware: Firmware = mcu()
    pattern: Pattern = Pattern.IMMEDIATE
    before: tuple[dict[str, Any], ...] = ()
    pending: bool = True
    restart: Restart | None = None
    version: str | None = None


STAGED = {
    "NVIDIA: StageOnly": Staging(
        "NVIDIA/open-nvfwupd, spi-staged.rst",
        NVIDIA,
        {"Targets": [MCU], "Oem": {"Nvidia": {"UpdateOption": "StageOnly"}}},
        version="1.9.0",
    ),
    "HttpPushUri and StartUpdate": Staging(
        "UpdateService 1.11; fwupd, fu-redfish-legacy-device.c (targets and busy flags)",
        Dress(OCTETS_ONLY | FLAGS | TIME | {"@odata.etag": 'W/"1"'}),
        {"Targets": [MCU], "@Redfish.OperationApplyTime": "OnStartUpdateRequest"},
        OCTETS,
        pattern=Pattern.START,
        before=(
            {
                "HttpPushUriTargets": [MCU],
                "HttpPushUriTargetsBusy": True,
                "HttpPushUriOptions": {"HttpPushUriApplyTime": {"ApplyTime": "OnStartUpdateRequest"}},
                "HttpPushUriOptionsBusy": True,
            },
            {
                "HttpPushUriTargets": [],
                "HttpPushUriTargetsBusy": False,
                "HttpPushUriOptions": {"HttpPushUriApplyTime": {"ApplyTime": "Immediate"}},
                "HttpPushUriOptionsBusy": False,
            },
        ),
        restart=Restart.NOTHING,
    ),
    "a BIOS until the next reset": Staging(
        "dell/iDRAC-Redfish-Scripting, DeviceFirmwareMultipartUploadREDFISH.py: OnReset without --reboot",
        Dress({MULTIPART_TIMES: {"SupportedValues": ["Immediate", "OnReset"]}}, {"Vendor": "Dell"}),
        {"Targets": [MCU], "@Redfish.OperationApplyTime": "OnReset"},
        firmware=bios(),
        restart=Restart.HOST,
    ),
    "IBM: ConcurrentUpdate": Staging(
        "ibm-openbmc/bmcweb#1193: the action supports OnReset",
        Dress(
            OCTETS_ONLY
            | FLAGS
            | TIME
            | {"Actions": {"Oem": {"#OemUpdateService.v1_0_0.ConcurrentUpdate": {"target": CONCURRENT}}}}
        ),
        {"Targets": [MCU], "@Redfish.OperationApplyTime": "OnReset"},
        CONCURRENT,
        firmware=bios(),
        restart=Restart.HOST,
    ),
    "Supermicro keeps the settings of a BIOS": Staging(
        "fwupd, fu-redfish-smc-device.c",
        Dress({}, {"Vendor": "SMCI"}),
        {
            "Targets": [MCU],
            "@Redfish.OperationApplyTime": "OnStartUpdateRequest",
            "Oem": {"Supermicro": {"BIOS": {"PreserveME": True, "PreserveNVRAM": True, "PreserveSMBIOS": True}}},
        },
        firmware=bios(),
        pattern=Pattern.START,
        restart=Restart.HOST,
    ),
}


def bench_of(row: Staging) -> tuple[Bench, Dressed]:
    firmware = Firmware(
        row.firmware.ident, row.firmware.name, row.firmware.related, needs_reset=row.firmware.needs_reset
    )
    bench = dressed(row.dress, firmware, pattern=row.pattern)
    return bench, bench.dress  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", STAGED)
def test_an_image_waits_by_the_way_that_the_vendor_has(name: str) -> None:
    row = STAGED[name]
    bench, dress = bench_of(row)
    claim = bench.stage("mcu")
    assert claim.reply is Reply.ACCEPTED, claim
    assert (pushes(bench), dress.wanted) == ([row.to], [row.said])
    assert [each for each in dress.set if row.before] == list(row.before)
    shown = bench.component("mcu")
    assert (shown.pending, shown.cost.restart) == (row.pending, row.restart)
    if row.version:
        assert shown.pending_version is not None
        assert shown.pending_version.text == row.version
    assert bench.running == "1.2.0"
    assert bench.web.sessions == 0


class Refused(NamedTuple):
    """A staging of which no byte of an image is sent."""

    source: str
    code: str
    dress: Dress
    firmware: Firmware = mcu()
    pattern: Pattern = Pattern.IMMEDIATE


REFUSED = {
    "NVIDIA without StageOnly": Refused(
        "bmcweb of NVIDIA without BMCWEB_NVIDIA_OEM_FW_UPDATE_STAGING",
        "no-staging",
        Dress({"Oem": {"Nvidia": {"MultipartHttpPushUriOptions": {"UpdateOptionSupport": ["StageAndActivate"]}}}}),
    ),
    "NVIDIA denies it of the member": Refused(
        "bmcweb of NVIDIA, getFWSlotInformation",
        "no-staging",
        NVIDIA._replace(slots=False, member={"Oem": {"Nvidia": {"StageOnlyUpdateOptionSupported": False}}}),
    ),
    "only Immediate": Refused(
        "bmcweb of NVIDIA: SupportedValues", "no-staging", Dress({MULTIPART_TIMES: {"SupportedValues": ["Immediate"]}})
    ),
    "StartUpdate, and a push that does not support it": Refused(
        "UpdateService 1.11, OperationApplyTimeSupport",
        "no-staging",
        Dress({MULTIPART_TIMES: {"SupportedValues": ["Immediate"]}}),
        pattern=Pattern.START,
    ),
    "OnReset of what may take effect at once": Refused(
        "dell/iDRAC-Redfish-Scripting: iDRAC firmware takes effect immediately",
        "no-staging",
        Dress({MULTIPART_TIMES: {"SupportedValues": ["Immediate", "OnReset"]}}, {"Vendor": "Dell"}),
        Firmware("mcu", "iDRAC", "/redfish/v1/Managers/iDRAC.Embedded.1", needs_reset=True),
    ),
    "reserved by another client": Refused(
        "UpdateService 1.4, HttpPushUriTargetsBusy",
        "busy",
        Dress(OCTETS_ONLY | FLAGS | TIME | {"HttpPushUriTargetsBusy": True}),
        pattern=Pattern.START,
    ),
    "a PATCH that does nothing": Refused(
        "DMTF Redfish-Mockup-Server: 204 to anything",
        "not-prepared",
        Dress(OCTETS_ONLY | FLAGS | TIME, deaf=True),
        pattern=Pattern.START,
    ),
    "HPE: HttpPushUri takes a form of its own": Refused(
        "fwupd, fu-redfish-hpe-device.c",
        "no-transfer",
        Dress(OCTETS_ONLY | {"Oem": {"Hpe": {"State": "Idle"}}}, {"Vendor": "HPE"}),
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_nothing_is_sent_to_a_bmc_that_could_not_keep_it(name: str) -> None:
    row = REFUSED[name]
    firmware = Firmware(
        row.firmware.ident, row.firmware.name, row.firmware.related, needs_reset=row.firmware.needs_reset
    )
    bench = dressed(row.dress, firmware, pattern=row.pattern)
    claim = bench.stage("mcu")
    assert (claim.reply, claim.reason and claim.reason.code) == (Reply.REFUSED, row.code)
    assert pushes(bench) == []
    assert (bench.running, bench.web.sessions) == ("1.2.0", 0)


def test_what_nvidia_has_staged_is_activated_only_with_the_image() -> None:
    bench = dressed(NVIDIA, mcu(), settings="assume-live = true\n")
    bench.stage("mcu")
    shown = bench.component("mcu")
    assert [each.code for each in shown.reasons] == ["takes-image"]
    assert shown.current_version is not None
    assert (shown.current_version.text, shown.current_version.reliable) == (
        "1.2.0",
        True,
    )


PENDING = {
    "an image that waits for a reset": ("1.9.0", True, "reset-required"),
    "an erased slot": ("", False, "not-pending"),
}


@pytest.mark.parametrize("name", PENDING)
def test_a_slot_that_waits_for_a_reset_is_pending_only_with_a_version(name: str) -> None:
    """fwupd, fu-redfish-nvidia-device.c: PendingActivation is shown of a slot that was erased as well."""
    version, pending, code = PENDING[name]
    slot = {"ActiveFirmwareSlot": {"FirmwareState": "PendingActivation", "Version": version}}
    bench = dressed(NVIDIA._replace(slots=False, member={"Oem": {"Nvidia": slot}}), mcu())
    shown = bench.component("mcu")
    assert (bool(shown.pending), code in [each.code for each in shown.reasons]) == (pending, True)


RESTARTS = {
    f"{SYSTEM}/Processors/CPU0": Restart.HOST,
    f"{SYSTEM}/Bios": Restart.HOST,
    f"{SYSTEM}/Storage/1/Drives/2": Restart.DEVICE,
    "/redfish/v1/Chassis/1/NetworkAdapters/3": Restart.DEVICE,
    "/redfish/v1/Managers/bmc": Restart.BMC,
    "/redfish/v1/Chassis/1": Restart.SOMETHING,
}


@pytest.mark.parametrize(("related", "restart"), RESTARTS.items())
def test_what_restarts_is_what_the_firmware_is_of(related: str, restart: Restart) -> None:
    """SoftwareInventory 1.14: ResetRequiredOnUpdate, RelatedItem."""
    bench = dressed(Dress(), Firmware("mcu", "MCU", related, needs_reset=True), pattern=Pattern.STAGE)
    shown = bench.component("mcu")
    assert shown.cost.restart is restart
    refused = restart in (Restart.HOST, Restart.SOMETHING)
    assert ("reset-required" in [each.code for each in shown.reasons]) is refused
