# SPDX-License-Identifier: Apache-2.0
"""The PFRUT provider: what the device reports, and one capsule that the settings name.

The mechanism has no pending state that could be asked for, no way back, and one errno (EBUSY) for all that the
firmware may object to; what it said goes to the kernel's debug output only.
"""

import errno
from typing import NamedTuple

from livefw.abi.pfrut import CAPABILITY_BYTES, Capability, Capsule, CapsuleKind, PfrutIoctl
from livefw.files.protocol import LOST, DeviceCall, DeviceCalls, DeviceReply, Files
from livefw.providers.base import (
    Claim,
    Component,
    Cost,
    Discovery,
    Flag,
    Observer,
    Reason,
    Reply,
    Version,
    Witness,
)
from livefw.providers.inband import InbandProvider, OneCall, not_reported, read_path
from livefw.providers.opening import not_asked
from livefw.providers.steps import Work
from livefw.providers.tables import FILE
from livefw.text import errno_text

NODE = "/dev/acpi_pfr_update"
_MOST_DEVICES = 16
MOST_BYTES = 64 << 20
"""Largest capsule that is read; the firmware's own buffer is smaller, and its size cannot be asked for."""


ABSENT = Reason("no-device", f"there is no {NODE}0", "requires the kernel module pfr_update and firmware with INTC1080")
_NO_CANCEL = Reason("no-cancel", "PFRUT cannot drop a staged capsule; the next one replaces it")
_UNUSABLE = Reason("image", "{path}: {error}")
_NOT_PENDING = Reason("not-pending", "there is no capsule with a different version for it")
_WRONG_PLATFORM = Reason("wrong-platform", "the capsule is for platform {platform}")
_OLDER = Reason("version-refused", "the capsule is older than the running version, and the kernel would refuse it")


class PfrutDevice(NamedTuple):
    """One device: its number, and what it told; None with the errno if it did not."""

    number: int
    capability: Capability | None
    error: int = 0


class CapsuleCandidate(NamedTuple):
    """The capsule that the settings name: its headers, or why it cannot be used."""

    path: str | None
    data: bytes = b""
    capsule: Capsule | None = None
    trouble: Reason | None = None


class PfrutProvider(InbandProvider):
    """Components ``N/code`` and ``N/driver`` of each device N."""

    name = "pfrut"
    absent = ABSENT
    no_cancel = _NO_CANCEL

    def discover(self) -> Discovery:
        """See `livefw.providers.base.Provider`."""
        candidate = self._candidate()
        found = tuple(
            component(device, kind, candidate)
            for number in range(_MOST_DEVICES)
            if self._files.exists(f"{NODE}{number}")
            for device in [self._ask(number)]
            for kind in CapsuleKind
        )
        return Discovery(found, absent=None if found else ABSENT)

    def work(self, ident: str, observer: Observer) -> Work:
        """One descriptor for the whole sequence."""
        node = f"{NODE}{ident.partition('/')[0]}"
        return _Update(self._files, node, self._candidate().data, observer)

    def replay(self, ident: str, action: str) -> str:  # noqa: ARG002 - there is one action
        """See `livefw.providers.base.Provider`: with the tool of the kernel's source tree."""
        return "tools/power/acpi/pfrut --load CAPSULE && pfrut --stage && pfrut --activate"

    def _ask(self, number: int) -> PfrutDevice:
        calls = self._files.start_calls(f"{NODE}{number}", [DeviceCall(PfrutIoctl.QUERY_CAP, bytes(CAPABILITY_BYTES))])
        calls.wait(None)
        answer = calls.answers[-1]
        return PfrutDevice(number, None if answer.error else Capability.decode(answer.data), answer.error)

    def _candidate(self) -> CapsuleCandidate:
        path = read_path(self._files, "pfrut", "capsule")
        if path is None:
            return CapsuleCandidate(None)
        try:
            data = self._files.read(path, MOST_BYTES)
            return CapsuleCandidate(path, data, Capsule.parse(data))
        except OSError as error:
            return CapsuleCandidate(path, trouble=_UNUSABLE.fill(path=path, error=errno_text(error)))
        except ValueError as error:
            return CapsuleCandidate(path, trouble=_UNUSABLE.fill(path=path, error=error))


def component(device: PfrutDevice, kind: CapsuleKind, candidate: CapsuleCandidate) -> Component:
    """Code injection, or driver update, of one device."""
    told = device.capability
    current = _running(told, kind) if told else None
    capsule = candidate.capsule if candidate.capsule and candidate.capsule.kind is kind else None
    pending = capsule is not None and (current is None or capsule.rt_version != current)
    return Component(
        provider="pfrut",
        id=f"{device.number}/{kind}",
        name=f"Management Mode {'code injection' if kind is CapsuleKind.CODE else 'driver'} {device.number}",
        current_version=None if current is None else Version(str(current), (current,)),
        pending=None if told is None else pending,
        pending_version=Version(str(capsule.rt_version), (capsule.rt_version,)) if capsule and pending else None,
        cost=Cost(None, None),
        reasons=tuple(_reasons(device, kind, candidate, pending=pending)),
        details=_details(told, candidate),
        flag=Flag.ABSENT,
    )


def _running(told: Capability, kind: CapsuleKind) -> int:
    return told.code_rt_version if kind is CapsuleKind.CODE else told.drv_rt_version


def _reasons(device: PfrutDevice, kind: CapsuleKind, candidate: CapsuleCandidate, *, pending: bool) -> list[Reason]:
    told, capsule = device.capability, candidate.capsule
    if told is None:
        return [not_reported(f"{NODE}{device.number}", "its capabilities", device.error)]
    if candidate.trouble:
        return [candidate.trouble]
    if not pending or capsule is None:
        hint = f'[pfrut] capsule = "..." in {FILE}' if candidate.path is None else ""
        return [_NOT_PENDING._replace(hint=hint)]
    found = []
    if capsule.platform_id != told.platform_id:
        found.append(_WRONG_PLATFORM.fill(platform=capsule.platform_id.efi))
    # Before August 2025 the kernel compared runtime versions for both, and security versions for drivers since.
    older = capsule.rt_version < _running(told, kind) and (kind is CapsuleKind.CODE or capsule.svn is None)
    if older or (kind is CapsuleKind.DRIVER and capsule.svn is not None and capsule.svn < told.drv_svn):
        found.append(_OLDER)
    return found


def _details(told: Capability | None, candidate: CapsuleCandidate) -> tuple[tuple[str, str], ...]:
    rows: list[tuple[str, object]] = [("capsule", candidate.path)]
    if told:
        rows += [("firmware version", f"{told.fw_version:#x}"), ("driver security version", told.drv_svn)]
        rows += [("platform", told.platform_id.efi), ("capabilities", f"{told.update_cap:#x}")]
    return tuple((name, str(value)) for name, value in rows if value is not None)


class _Step(NamedTuple):
    """A call of the sequence: what a refusal of it means, by errno or for any."""

    reply: Reply
    reason: Reason


_STEPS = (
    _Step(
        Reply.DECLINED,
        Reason("capsule-refused", "the kernel rejected the capsule: too large, of the wrong type, or too old"),
    ),
    _Step(Reply.DECLINED, Reason("stage-refused", "the firmware did not stage the capsule; nothing was activated")),
    _Step(Reply.FAILED, Reason("activation-failed", "the firmware did not activate the capsule")),
)
"""For the three calls in their order. The firmware's own status does not get here: EBUSY stands for all of it."""
_DENIED = Reason("no-permission", "this process may not use the device", "run it as root")
_NO_WORD = Reason(
    "lost", "the process that made the calls died; the firmware may have been updated", "livefw show COMPONENT"
)


class _Update(OneCall):
    def __init__(self, files: Files, node: str, capsule: bytes, observer: Observer) -> None:
        super().__init__(observer, "handing the capsule over, staging, activating")
        self._files = files
        self._node = node
        self._capsule = capsule
        self._calls: DeviceCalls | None = None

    def start(self) -> DeviceCalls:
        """One descriptor, three calls, the first failure ends it."""
        unused = bytes(4)  # the request numbers promise an argument, which the driver does not read
        calls = [
            DeviceCall(0, self._capsule),
            DeviceCall(PfrutIoctl.STAGE, unused),
            DeviceCall(PfrutIoctl.ACTIVATE, unused),
        ]
        self._calls = self._files.start_calls(self._node, calls)
        return self._calls

    def judge(self) -> Claim:
        """By the last call that was made."""
        answers: list[DeviceReply] = list(self._calls.answers) if self._calls else []
        step, error = _STEPS[len(answers) - 1], answers[-1].error
        if error == LOST:
            return Claim(Reply.LOST, reason=_NO_WORD, at_work=True)
        if not error:
            return Claim(Reply.ACCEPTED)
        if self._calls and not self._calls.opened:
            return Claim(Reply.REFUSED, error=error, reason=not_asked(error))
        if len(answers) == 1 and error in (errno.EACCES, errno.EPERM):
            return Claim(Reply.REFUSED, error=error, reason=_DENIED)
        witness = Witness.FAILED if step.reply is Reply.FAILED else Witness.NONE
        return Claim(step.reply, witness=witness, error=error, reason=step.reason)
