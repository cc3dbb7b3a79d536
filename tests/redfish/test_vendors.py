# SPDX-License-Identifier: Apache-2.0
"""What real BMCs can do: how an image gets in, and that it waits, as each vendor has published it."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from livefw.activation.outcome import Outcome
from livefw.machine.bmc.documents import SERVICE, SYSTEM
from livefw.machine.bmc.firmware import Firmware, Pattern
from livefw.machine.bmc.reply import WebReply
from livefw.providers.base import Reply
from livefw.providers.component import RestartScope

from .conftest import Bench
from .field import answer
from .test_staging import RAW, World
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
    restart: RestartScope = RestartScope.NOT_REPORTED
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
        restart=RestartScope.NOTHING,
    ),
    "a BIOS until the next reset": Staging(
        "dell/iDRAC-Redfish-Scripting, DeviceFirmwareMultipartUploadREDFISH.py: OnReset without --reboot",
        Dress({MULTIPART_TIMES: {"SupportedValues": ["Immediate", "OnReset"]}}, {"Vendor": "Dell"}),
        {"Targets": [MCU], "@Redfish.OperationApplyTime": "OnReset"},
        firmware=bios(),
        restart=RestartScope.HOST,
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
        restart=RestartScope.HOST,
    ),
    "Supermicro takes the BIOS as target, and keeps its settings": Staging(
        "fwupd, fu-redfish-smc-device.c; fwupd/fwupd#4836",
        Dress({}, {"Vendor": "SMCI"}),
        {
            "Targets": [f"{SYSTEM}/Bios"],
            "@Redfish.OperationApplyTime": "OnStartUpdateRequest",
            "Oem": {"Supermicro": {"BIOS": {"PreserveME": True, "PreserveNVRAM": True, "PreserveSMBIOS": True}}},
        },
        firmware=bios(),
        pattern=Pattern.START,
        restart=RestartScope.HOST,
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
    "HttpPushUri only, and Stage cannot be said with it": Refused(
        "DMTF/Redfish-Tacklebox#99, bmc-toolbox/bmclib#341", "no-staging", Dress(OCTETS_ONLY), pattern=Pattern.STAGE
    ),
    "HttpPushUri only, and no apply time can be set": Refused(
        "DMTF/Redfish-Tacklebox#99, bmc-toolbox/bmclib#341", "no-staging", Dress(OCTETS_ONLY), pattern=Pattern.START
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
    f"{SYSTEM}/Processors/CPU0": RestartScope.HOST,
    f"{SYSTEM}/Bios": RestartScope.HOST,
    f"{SYSTEM}/Storage/1/Drives/2": RestartScope.DEVICE,
    "/redfish/v1/Chassis/1/NetworkAdapters/3": RestartScope.DEVICE,
    "/redfish/v1/Managers/bmc": RestartScope.BMC,
    "/redfish/v1/Chassis/1": RestartScope.SOMETHING,
}


@pytest.mark.parametrize(("related", "restart"), RESTARTS.items())
def test_what_restarts_is_what_the_firmware_is_of(related: str, restart: RestartScope) -> None:
    """SoftwareInventory 1.14: ResetRequiredOnUpdate, RelatedItem."""
    bench = dressed(Dress(), Firmware("mcu", "MCU", related, needs_reset=True), pattern=Pattern.STAGE)
    shown = bench.component("mcu")
    assert shown.cost.restart is restart
    refused = restart in (RestartScope.HOST, RestartScope.SOMETHING)
    assert ("reset-required" in [each.code for each in shown.reasons]) is refused


BMC_OF_TODAY = Dress({MULTIPART_TIMES: {"SupportedValues": ["Immediate", "OnReset"]}})
"""OpenBMC (bmcweb, update_service.hpp), which applies an image with the next reset if nothing is said."""
LIVE = Firmware("mcu", "MCU", f"{SYSTEM}/Processors/CPU0")


class OneStep(NamedTuple):
    """An activation with an image: what was said with it and where it was sent."""

    source: str
    dress: Dress
    said: dict[str, Any]
    to: str = f"{SERVICE}/update-multipart"
    pattern: Pattern = Pattern.IMMEDIATE
    settings: str = "assume-live = true\n"
    firmware: Firmware = LIVE


MANAGER = "/redfish/v1/Managers/1"
ONE_STEP = {
    "OpenBMC": OneStep(
        "bmcweb, update_service.hpp: MultipartHttpPushUri@Redfish.OperationApplyTimeSupport",
        BMC_OF_TODAY,
        {"Targets": [MCU], "@Redfish.OperationApplyTime": "Immediate"},
    ),
    "OpenBMC of before, without targets": OneStep(
        "DMTF/Redfishtool#63: HttpPushUri only", Dress(OCTETS_ONLY), {"Targets": None}, OCTETS
    ),
    "Lenovo: reserved targets": OneStep(
        "fwupd, fu-redfish-legacy-device.c", Dress(OCTETS_ONLY | FLAGS), {"Targets": [MCU]}, OCTETS
    ),
    "NVIDIA: StageAndActivate": OneStep(
        "NVIDIA/open-nvfwupd, spi-staged.rst",
        NVIDIA,
        {"Targets": [MCU], "Oem": {"Nvidia": {"UpdateOption": "StageAndActivate"}}},
    ),
    "Supermicro takes the manager as target, and keeps its settings": OneStep(
        "bmc-toolbox/bmclib, providers/supermicro/x12.go",
        Dress({}, {"Vendor": "Supermicro"}),
        {
            "Targets": [MANAGER],
            "@Redfish.OperationApplyTime": "Immediate",
            "Oem": {"Supermicro": {"BMC": {"PreserveCfg": True, "PreserveSdr": True, "PreserveSsl": True}}},
        },
        firmware=Firmware("mcu", "BMC", MANAGER, needs_reset=None),
    ),
    "declared live": OneStep(
        "SoftwareInventory 1.14, ResetRequiredOnUpdate = false",
        Dress(),
        {"Targets": [MCU], "@Redfish.OperationApplyTime": "Immediate"},
        pattern=Pattern.STAGE,
        settings="",
    ),
}


@pytest.mark.parametrize("name", ONE_STEP)
def test_an_image_is_activated_in_one_step(name: str, tmp_path: Path) -> None:
    row = ONE_STEP[name]
    bench = dressed(row.dress, replace(row.firmware), pattern=row.pattern, settings=row.settings)
    here = World(bench, tmp_path)
    attempt = here.install()
    assert (pushes(bench), bench.dress.wanted) == ([row.to], [row.said])  # type: ignore[attr-defined]
    assert bench.running == "1.9.0"
    shown = row.dress.slots or row.pattern is Pattern.STAGE
    assert attempt.result.outcome is (Outcome.ACTIVATED if shown else Outcome.UNKNOWN), attempt.result.why
    (_, intent), (_, outcome) = here.rows()
    assert (intent["file"], intent["current_version"] or "1.2.0") == ("pmfw.bin", "1.2.0")
    assert outcome["outcome"] == attempt.result.outcome
    assert bench.web.sessions == 0


class Named(NamedTuple):
    """What the service lists that it takes, what else is in the inventory, and the target that is named for a BIOS.

    None as target: it is refused before anything is sent.
    """

    source: str
    target: str | None
    lists: tuple[str, ...] | None = None
    others: tuple[Firmware, ...] = ()
    vendor: str = "SMCI"


BIOS = f"{SYSTEM}/Bios"
TARGETS = {
    "the vendor's services take no member": Named("fwupd/fwupd#4836", BIOS),
    "another's services do": Named("UpdateService 1.17, Targets", MCU, vendor="Contoso"),
    "another that could be updated is of the same": Named(
        "fwupd/fwupd#4836; Supermicro's Backup_BIOS", MCU, others=(Firmware("backup", "Backup BIOS", BIOS),)
    ),
    "the service lists the member": Named("UpdateServiceCapabilities 1.0, AllowableTargets", MCU, (MCU, BIOS)),
    "the service lists what it is of": Named(
        "UpdateServiceCapabilities 1.0, AllowableTargets", BIOS, (f"{BIOS}/",), vendor="Contoso"
    ),
    "the service lists nothing of it": Named(
        "UpdateServiceCapabilities 1.0, AllowableTargets", None, ("/redfish/v1/Managers/1",)
    ),
}


@pytest.mark.parametrize("name", TARGETS)
def test_the_target_is_what_the_service_takes(name: str) -> None:
    row = TARGETS[name]
    place = f"{SERVICE}/Capabilities"
    listed = {"Links": {"UpdateServiceCapabilities": {"@odata.id": place}}} if row.lists is not None else {}
    bench = dressed(Dress(listed, {"Vendor": row.vendor}), bios(), *map(replace, row.others), pattern=Pattern.START)
    handle = bench.web.handle

    def capable(method: str, path: str, headers: Any, body: bytes) -> WebReply:
        known = (method, path.rstrip("/")) == ("GET", place)
        return answer(200, {"AllowableTargets": row.lists}) if known else handle(method, path, headers, body)

    bench.web.handle = capable  # type: ignore[method-assign]
    claim = bench.stage("mcu")
    said = [each["Targets"] for each in bench.dress.wanted]  # type: ignore[attr-defined]
    assert said == ([[row.target]] if row.target else []), claim
    assert (claim.reason and claim.reason.code) == (None if row.target else "not-stageable")


NOT_IN_ONE_STEP = {
    "it takes a reset": (Dress(), Pattern.STAGE, True, "reset-required"),
    "not reported whether it takes one": (BMC_OF_TODAY, Pattern.IMMEDIATE, False, "reset-untold"),
    "only until a reset": (
        Dress({MULTIPART_TIMES: {"SupportedValues": ["OnReset"]}, "HttpPushUri": None}),
        Pattern.STAGE,
        False,
        "no-install",
    ),
}


@pytest.mark.parametrize("name", NOT_IN_ONE_STEP)
def test_nothing_is_sent_that_would_not_be_live(name: str, tmp_path: Path) -> None:
    dress, pattern, needs_reset, code = NOT_IN_ONE_STEP[name]
    bench = dressed(dress, mcu(needs_reset=needs_reset), pattern=pattern)
    attempt = World(bench, tmp_path).install()
    assert (attempt.result.outcome, attempt.result.why.code) == (Outcome.REFUSED, code)
    assert (pushes(bench), bench.running) == ([], "1.2.0")


def test_an_image_that_waits_is_not_overtaken_by_another(tmp_path: Path) -> None:
    bench = dressed(Dress(), mcu(), pattern=Pattern.STAGE)
    here = World(bench, tmp_path)
    here.stage(RAW, "redfish:rack/mcu")
    attempt = here.install()
    assert attempt.result.why.code == "waits-already"


def test_a_device_that_restarts_is_asked_about(tmp_path: Path) -> None:
    bench = dressed(
        Dress(), Firmware("mcu", "NIC", f"{SYSTEM}/NetworkInterfaces/1", needs_reset=True), pattern=Pattern.STAGE
    )
    here = World(bench, tmp_path)
    attempt = here.install()
    assert (attempt.result.outcome, attempt.result.why.code) == (Outcome.REFUSED, "device-restart")
    assert pushes(bench) == []
    ignored = here.install(ignore=("device-restart",))
    assert ignored.result.why.code != "device-restart"
    assert len(pushes(bench)) == 1


class Ended(NamedTuple):
    """How an update ends that is shown in a vendor's own way: its answer, what is shown then, and what it means."""

    source: str
    dress: Dress
    first: WebReply
    shown: tuple[dict[str, Any], ...]
    reply: Reply
    code: str | None = None
    place: str = "GET /redfish/v1/Managers/iDRAC.Embedded.1/Jobs/JID_1"


def job(state: str, key: str = "", text: str = "") -> dict[str, Any]:
    return {"@odata.id": "/redfish/v1/Jobs/1", "JobState": state, "MessageId": key, "Message": text}


def task(state: str, job_state: str) -> dict[str, Any]:
    return {"TaskState": state, "Oem": {"Dell": {"JobState": job_state}}, "TaskStatus": "OK"}


def ilo(state: str, percent: int = 0, key: str = "") -> dict[str, Any]:
    return {"Oem": {"Hpe": {"State": state, "FlashProgressPercent": percent, "Result": {"MessageId": key}}}}


JOB = answer(202, Location="/redfish/v1/Managers/iDRAC.Embedded.1/Jobs/JID_1")
DELL_BMC = BMC_OF_TODAY._replace(root={"Vendor": "Dell"})
MAPPINGS = "sapcc/sushy-oem-idrac, taskservice/mappings.py"
HPE_BMC = Dress({}, {"Vendor": "HPE"})
ACCEPTED = answer(200, {"error": {"@Message.ExtendedInfo": [{"MessageId": "Base.1.4.Success"}]}})
UPDATE_SERVICE = f"GET {SERVICE}"
FWUPD_HPE = "fwupd, fu-redfish-hpe-device.c"
ENDED = {
    "a job that is done": Ended(
        MAPPINGS, DELL_BMC, JOB, (job("Downloading"), job("Running"), job("Completed", "RED001")), Reply.ACCEPTED
    ),
    "a job that failed": Ended(
        MAPPINGS, DELL_BMC, JOB, (job("Downloaded"), job("Failed", "RED007")), Reply.FAILED, "auth-failed"
    ),
    "a job with errors behind a completed task": Ended(
        MAPPINGS, DELL_BMC, JOB, (task("Running", "Running"), task("Completed", "CompletedWithErrors")), Reply.FAILED
    ),
    "a job that begins a little later": Ended(
        "sushy-oem-idrac, test_task.py",
        DELL_BMC,
        JOB,
        (job("Scheduled", "IDRAC.2.5.JCP001"), job("Running"), job("Completed", "RED001")),
        Reply.ACCEPTED,
    ),
    "iLO: Complete": Ended(
        FWUPD_HPE,
        HPE_BMC,
        ACCEPTED,
        (ilo("Idle"), ilo("Writing", 40), ilo("Complete", 100)),
        Reply.ACCEPTED,
        place=UPDATE_SERVICE,
    ),
    "iLO: Error": Ended(
        FWUPD_HPE,
        HPE_BMC,
        ACCEPTED,
        (ilo("Verifying"), ilo("Error", key="iLO.2.13.InvalidFile")),
        Reply.FAILED,
        "task-failed",
        place=UPDATE_SERVICE,
    ),
    "iLO: waits for the system": Ended(
        "HewlettPackard/ilo-rest-api-docs, SystemResetRequired",
        HPE_BMC,
        ACCEPTED,
        (ilo("Writing", 99), ilo("Complete", 100, "iLO.2.13.SystemResetRequired")),
        Reply.FAILED,
        "reset-required",
        place=UPDATE_SERVICE,
    ),
    "iLO: never begun": Ended(
        "HPE developer blog, Part 3: 200 for a package that is never flashed",
        HPE_BMC,
        ACCEPTED,
        (ilo("Idle"),),
        Reply.LOST,
        "no-monitor",
        place=UPDATE_SERVICE,
    ),
}


@pytest.mark.parametrize("name", ENDED)
def test_an_update_ends_as_the_vendor_says_it(name: str) -> None:
    row = ENDED[name]
    bench = dressed(row.dress, mcu(), settings="assume-live = true\n")
    handle, asked, begun = bench.web.handle, [0], [False]

    def answered(method: str, path: str, headers: Any, body: Any) -> WebReply:
        if method == "POST" and path.endswith("/update-multipart"):
            begun[0] = True
            return row.first
        if begun[0] and f"{method} {path}" == row.place and asked[0] < 99:
            shown = row.shown[min(asked[0], len(row.shown) - 1)]
            asked[0] += 1
            plain = json.loads(handle(method, path, headers, body).body) if row.place == UPDATE_SERVICE else {}
            return answer(200, plain | shown)
        return handle(method, path, headers, body)

    bench.web.handle = answered  # type: ignore[method-assign]
    running = bench.provider.install("rack/mcu", RAW, bench.watch.progress)
    assert running.wait(None)
    claim = running.claim
    assert claim.reply is row.reply, claim
    if row.code:
        assert (claim.reason and claim.reason.code) == row.code
    assert bench.web.sessions == 0
