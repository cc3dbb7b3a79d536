# SPDX-License-Identifier: Apache-2.0
"""What is refused before a BMC is asked for anything: each reason alone, and that nothing was sent."""

import json
import re
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from livefw.machine.bmc.firmware import Pattern
from livefw.machine.bmc.reply import WebReply
from livefw.providers.base import Claim, ImagePackage, Reply, Running

from .conftest import Bench
from .field import MEMBER, Field, Rule, answer, page

SERVICE = "/redfish/v1/UpdateService"
CAPABILITIES = f"{SERVICE}/Capabilities"
A, B = (f"{SERVICE}/FirmwareInventory/pmfw-{bank}" for bank in "ab")
MEMBERS = rf"{SERVICE}/FirmwareInventory/.*"
IMAGE = b"version=1.9.0"
BY_URI = ImagePackage("fw.bin", uri="https://repo.example/version=1.9.0")
PUSHED = ImagePackage("fw.bin", IMAGE)
Change = Callable[[dict[str, Any]], object]
Make = Callable[..., Bench]


def edit(bench: Bench, when: str, change: Change) -> None:
    """Have the BMC show what is at these paths in another way."""
    handle = bench.web.handle

    def edited(method: str, path: str, headers: Any, body: bytes) -> WebReply:
        found = handle(method, path, headers, body)
        if method != "GET" or not re.fullmatch(when, path.rstrip("/")):
            return found
        document = json.loads(found.body)
        change(document)
        return found._replace(status=200, body=json.dumps(document).encode())

    bench.web.handle = edited  # type: ignore[method-assign]


def sets(**fields: Any) -> Change:
    return lambda document: document.update(fields)


def lacks(*names: str) -> Change:
    """Without these fields, or the actions of these names."""

    def change(document: dict[str, Any]) -> None:
        for name in names:
            document.pop(name, None)
            document.get("Actions", {}).pop(name, None)

    return change


def capable(**fields: Any) -> Change:
    """As a service that has UpdateServiceCapabilities; the second path is theirs."""
    return sets(UpdateServiceCapabilities={"@odata.id": CAPABILITIES}, **fields)


class Refused(NamedTuple):
    """Why; what the BMC shows otherwise, and where; and what was to be staged or done."""

    code: str
    edits: tuple[tuple[str, Change], ...] = ()
    package: ImagePackage = PUSHED
    make: dict[str, Any] = {}  # noqa: RUF012 - nobody changes it
    ident: str = "pmfw-a"


STAGING = {
    "the service is off": Refused("service-disabled", ((SERVICE, sets(ServiceEnabled=False)),)),
    "no push": Refused("no-transfer", ((SERVICE, lacks("MultipartHttpPushUri")),)),
    "push to elsewhere": Refused("no-transfer", ((SERVICE, sets(MultipartHttpPushUri="ftp://else.example/x")),)),
    "no SimpleUpdate": Refused("no-transfer", ((SERVICE, lacks("#UpdateService.SimpleUpdate")),), BY_URI),
    "one byte too many": Refused("too-large", ((SERVICE, sets(MaxImageSizeBytes=len(IMAGE) - 1)),)),
    "the running bank is fixed": Refused("not-updateable", ((A, sets(Updateable=False)),)),
    "the other bank is fixed": Refused("not-updateable", ((B, sets(Updateable=False)),)),
    "a bank is protected": Refused("not-updateable", ((B, sets(WriteProtected=True)),)),
    "not among what can be staged": Refused(
        "not-stageable", ((SERVICE, capable()), (CAPABILITIES, sets(AllowableStaging=[], AllowableTargets=[A, B])))
    ),
    "not among the targets": Refused(
        "not-stageable", ((SERVICE, capable()), (CAPABILITIES, sets(AllowableTargets=[f"{A}x"])))
    ),
    "it can only be installed at once": Refused("no-staging", make={"pattern": Pattern.IMMEDIATE}),
    "no such component": Refused("vanished", ident="none"),
}


def end(running: Running) -> Claim:
    assert running.wait(None)
    return running.claim


def nothing_was_sent(bench: Bench, running: Running) -> None:
    assert bench.posts("") == bench.posts("/Sessions")
    assert not [method for method, _, _ in bench.web.log if method in ("PATCH", "PUT")]
    assert [path for method, path, _ in bench.web.log if method == "DELETE" and "/Sessions/" not in path] == []
    assert bench.web.sessions == 0
    assert not running.touched
    assert bench.watch.told == []


def stage(bench: Bench, package: ImagePackage = PUSHED, ident: str = "pmfw-a") -> Running:
    return bench.provider.stage(f"rack/{ident}", package, bench.watch.progress)


@pytest.mark.parametrize("name", STAGING)
def test_staging_is_refused_before_anything_is_sent(make: Make, name: str) -> None:
    row = STAGING[name]
    bench = make(**row.make)
    for when, change in row.edits:
        edit(bench, when, change)
    running = stage(bench, row.package, row.ident)
    claim = end(running)
    assert (claim.reply, claim.reason and claim.reason.code) == (Reply.REFUSED, row.code)
    assert [each.staged for each in bench.model.firmware] == [None] * len(bench.model.firmware)
    nothing_was_sent(bench, running)


STAGED = {
    "exactly as large as it takes": (((SERVICE, sets(MaxImageSizeBytes=len(IMAGE))),), PUSHED),
    "a size that says nothing": (((SERVICE, sets(MaxImageSizeBytes=0)),), PUSHED),
    "no push, and none is needed": (((SERVICE, lacks("MultipartHttpPushUri")),), BY_URI),
    "no SimpleUpdate, and none is needed": (((SERVICE, lacks("#UpdateService.SimpleUpdate")),), PUSHED),
    "the service does not say that it is on": (((SERVICE, lacks("ServiceEnabled")),), PUSHED),
    "the bank that runs is named alone": (
        ((SERVICE, capable()), (CAPABILITIES, sets(AllowableStaging=[A], AllowableTargets=[]))),
        PUSHED,
    ),
    "among the targets": (((SERVICE, capable()), (CAPABILITIES, sets(AllowableTargets=[B]))), PUSHED),
    "only the service can activate": (((MEMBERS, lacks("#SoftwareInventory.Activate")),), PUSHED),
    "only the members can activate": (((SERVICE, lacks("#UpdateService.Activate")),), PUSHED),
}


@pytest.mark.parametrize("name", STAGED)
def test_what_is_left_is_enough_to_stage(make: Make, name: str) -> None:
    edits, package = STAGED[name]
    bench = make()
    for when, change in edits:
        edit(bench, when, change)
    assert end(stage(bench, package)).reply is Reply.ACCEPTED
    assert bench.model.firmware[0].staged is not None
    (sent,) = bench.posts("SimpleUpdate" if package.uri else "/update-multipart")
    named = A if name == "the bank that runs is named alone" else B
    assert json.dumps({"Targets": [named]})[1:-1].encode() in sent
    assert b'"Stage": true' in sent


def test_a_service_that_only_has_start_update_is_told_so_in_its_words(make: Make) -> None:
    bench = make(pattern=Pattern.START)
    assert end(stage(bench)).reply is Reply.ACCEPTED
    (sent,) = bench.posts("/update-multipart")
    assert b'"@Redfish.OperationApplyTime": "OnStartUpdateRequest"' in sent
    assert b"Stage" not in sent.partition(b"UpdateFile")[0]


NO_ACTIONS = ((MEMBERS, lacks("#SoftwareInventory.Activate")), (SERVICE, lacks("#UpdateService.Activate")))
ACTIVATING = {
    "the service is off": Refused("service-disabled", ((SERVICE, sets(ServiceEnabled=False)),)),
    "no action": Refused("no-activation", NO_ACTIONS),
    "a reset is required": Refused("reset-required", ((MEMBERS, sets(ResetRequiredOnUpdate=True)),)),
    "it may take a reset": Refused("reset-untold", ((MEMBERS, lacks("ResetRequiredOnUpdate")),)),
    "a BIOS": Refused("ocp-scope", ((MEMBERS, sets(Name="Host UEFI image")),)),
    "somebody else's work": Refused("foreign-work", make={"pattern": Pattern.START, "faults": ("foreign-work",)}),
    "no such component": Refused("vanished", ident="none"),
}


def staged(make: Make, row: Refused) -> Bench:
    """A BMC that holds an image, and is looked at anew."""
    more = dict(row.make)
    bench = make(*more.pop("faults", ()), **more)
    assert end(stage(bench)).reply is Reply.ACCEPTED
    bench.web.log.clear()
    bench.watch.told.clear()
    for when, change in row.edits:
        edit(bench, when, change)
    return bench


@pytest.mark.parametrize("name", ACTIVATING)
def test_an_activation_is_refused_before_anything_is_sent(make: Make, name: str) -> None:
    """The engine refuses what it sees; this is what has changed since."""
    row = ACTIVATING[name]
    bench = staged(make, row)
    running = bench.provider.activate(f"rack/{row.ident}", bench.watch.progress)
    claim = end(running)
    assert (claim.reply, claim.reason and claim.reason.code) == (Reply.REFUSED, row.code)
    assert bench.running == "1.2.0"
    nothing_was_sent(bench, running)


def test_without_an_image_nothing_is_activated_and_nothing_cancelled(make: Make) -> None:
    for act, code in (("activate", "not-pending"), ("cancel", "nothing-staged")):
        bench = make()
        running = getattr(bench.provider, act)("rack/pmfw-a", bench.watch.progress)
        claim = end(running)
        assert (claim.reply, claim.reason and claim.reason.code) == (Reply.REFUSED, code)
        nothing_was_sent(bench, running)


CANCELLING = {
    "no action": Refused("no-cancel", ((MEMBERS, lacks("#SoftwareInventory.Cancel")),)),
    "a task without a monitor": Refused(
        "no-cancel", ((r"/redfish/v1/TaskService/Tasks/\d+", lacks("TaskMonitor")),), make={"pattern": Pattern.START}
    ),
    "no such component": Refused("vanished", ident="none"),
}


@pytest.mark.parametrize("name", CANCELLING)
def test_a_cancellation_is_refused_before_anything_is_sent(make: Make, name: str) -> None:
    row = CANCELLING[name]
    bench = staged(make, row)
    running = bench.provider.cancel(f"rack/{row.ident}", bench.watch.progress)
    claim = end(running)
    assert (claim.reply, claim.reason and claim.reason.code) == (Reply.REFUSED, row.code)
    nothing_was_sent(bench, running)


@pytest.mark.parametrize("act", ["stage", "activate", "cancel"])
@pytest.mark.parametrize("shown", [answer(500), answer(404), page(200)], ids=["500", "404", "a page"])
def test_what_cannot_be_read_is_asked_for_nothing(act: str, shown: WebReply) -> None:
    bench = Field(Rule(MEMBER, shown))
    bench.model.firmware[0].staged = None if act == "stage" else "2.0.0"
    running = (
        stage(bench, ident="mcu") if act == "stage" else getattr(bench.provider, act)("rack/mcu", bench.watch.progress)
    )
    claim = end(running)
    assert (claim.reply, claim.reason and claim.reason.code) == (Reply.REFUSED, "unread")
    nothing_was_sent(bench, running)


@pytest.mark.parametrize("act", ["stage", "activate", "cancel"])
def test_who_gives_up_before_the_first_look_has_asked_for_nothing(make: Make, act: str) -> None:
    bench = staged(make, Refused(""))
    running = stage(bench) if act == "stage" else getattr(bench.provider, act)("rack/pmfw-a", bench.watch.progress)
    claim = running.abandon()
    assert (claim.reply, claim.reason and claim.reason.code) == (Reply.REFUSED, "given-up")
    assert bench.web.log == []
