# SPDX-License-Identifier: Apache-2.0
"""The SFS provider: one opaque package, which the secure processor loads, verifies and executes in a single call.

There is no pending state, no way back, and nothing that survives a reboot; what runs is 4 KiB of bytes that only AMD
can read, so that the version shown here is their digest: another digest, another firmware.
"""

import errno
import os
from typing import NamedTuple

from livefw.abi import sfs
from livefw.files.protocol import LOST, DeviceCall, DeviceCalls, DeviceReply, Files
from livefw.providers.base import (
    Claim,
    Component,
    Cost,
    Flag,
    Observer,
    Reason,
    Reply,
    Version,
    Witness,
)
from livefw.providers.inband import OneCall, SingleProvider, not_reported, read_path
from livefw.providers.opening import not_asked
from livefw.providers.steps import Refusal, Work
from livefw.providers.tables import FILE

NODE = "/dev/sfs"
IDENT = "package"
_OWN_FOLDER = "/sys/module/firmware_class/parameters/path"
_FOLDERS = ("/usr/lib/firmware", "/lib/firmware")

ABSENT = Reason("no-device", f"there is no {NODE}", "requires an EPYC 9005 and a kernel whose ccp driver supports SFS")
_NO_CANCEL = Reason("no-cancel", "SFS loads, verifies and executes in one call, which cannot be cancelled")


class SfsPackage(NamedTuple):
    """What the settings name; ``size`` is None if the file is not found."""

    name: str | None
    path: str = ""
    size: int | None = None


class SfsProvider(SingleProvider):
    """The component ``sfs:package``."""

    name = "sfs"
    ident = IDENT
    absent = ABSENT
    no_cancel = _NO_CANCEL

    def inspect(self, ident: str) -> Component | None:
        """See `livefw.providers.base.Provider`."""
        if ident != IDENT or not self._files.exists(NODE):
            return None
        calls = self._files.start_calls(NODE, [DeviceCall(sfs.SfsIoctl.FW_VERSIONS, bytes(sfs.VERSIONS_BYTES))])
        calls.wait(None)
        answer, package = calls.answers[-1], self._package()
        reasons = _reasons(package)
        if answer.error:
            reasons = [not_reported(NODE, "the running version", answer.error), *reasons]
        told = None if answer.error else sfs.decode_versions(answer.data)
        words = [("package", package.path)] if package.name else []
        if told:
            words.append(("status of the query", f"{told.status:#x} {told.extended:#x}"))
        return Component(
            provider="sfs",
            id=IDENT,
            name="AMD seamless firmware package",
            current_version=_digest(told.blob) if told else None,
            pending=None if package.size is not None else False,
            pending_version=None,
            cost=Cost(None, None),
            reasons=tuple(reasons),
            notes=(_VOLATILE, _UNTOLD) if package.size is not None else (_VOLATILE,),
            details=tuple(words),
            flag=Flag.ABSENT,
        )

    def work(self, ident: str, observer: Observer) -> Work:  # noqa: ARG002 - there is one component
        """The one call."""
        package = self._package()
        return _Update(self._files, package.name, observer) if package.name else Refusal(ABSENT)

    def replay(self, ident: str, action: str) -> str:  # noqa: ARG002 - there is one action
        """See `livefw.providers.base.Provider`; there is no tool of AMD's that could be named."""
        return f"ioctl({NODE}, {int(sfs.SfsIoctl.UPDATE_PACKAGE):#x}, PACKAGE-NAME)"

    def _package(self) -> SfsPackage:
        name = read_path(self._files, "sfs", "package")
        if name is None:
            return SfsPackage(None)
        for folder in (*self._own_folder(), *_FOLDERS):
            path = f"{folder}/amd/{name}"
            try:
                return SfsPackage(name, path, len(self._files.read(path, sfs.MOST_BYTES + 1)))
            except OSError:
                continue
        return SfsPackage(name, f"amd/{name}")

    def _own_folder(self) -> tuple[str, ...]:
        """The directory that the kernel is configured to search first."""
        try:
            text = self._files.read(_OWN_FOLDER).decode().strip()
        except (OSError, UnicodeDecodeError):
            return ()
        return (text.rstrip("/"),) if text.startswith("/") else ()


_VOLATILE = Reason("volatile", "the update is lost at reboot and must be repeated")
_UNTOLD = Reason("pending-untold", "whether the package is already running is not known in advance")
_NOT_SET = Reason("not-pending", "no package is set", f'[sfs] package = "NAME" in {FILE}')
_NO_NAME = Reason("image", "[sfs] package: {error}")
_NO_FILE = Reason("image", "there is no {path} in the kernel's firmware path")
_TOO_LARGE = Reason("too-large", "{path} is too large for the driver's buffer of {most} bytes")


def _digest(blob: bytes) -> Version:
    from hashlib import sha256

    return Version(f"blob {sha256(blob).hexdigest()[:16]}")


def _reasons(package: SfsPackage) -> list[Reason]:
    if package.name is None:
        return [_NOT_SET]
    try:
        sfs.UpdatePackage(package.name).encode()
    except ValueError as error:
        return [_NO_NAME.fill(error=error)]
    if package.size is None:
        return [_NO_FILE.fill(path=package.path)]
    if not sfs.fits(package.size):
        return [_TOO_LARGE.fill(path=package.path, most=sfs.MOST_BYTES)]
    return []


_LOOK = "see livefw show COMPONENT for the running version"
_ERRNO = {
    errno.EINVAL: (
        Reply.DECLINED,
        Reason("bad-request", "the driver or the processor rejected the request as invalid"),
    ),
    errno.E2BIG: (Reply.DECLINED, Reason("too-large", "the package is too large")),
    errno.EFAULT: (Reply.DECLINED, Reason("bad-request", "the driver could not read the request")),
    errno.EBUSY: (Reply.REFUSED, Reason("busy", "the mailbox of the secure processor is in use or recovering")),
    errno.EAGAIN: (Reply.REFUSED, Reason("busy", "the secure processor is not ready for it")),
    errno.ENODEV: (Reply.DECLINED, Reason("no-device", "the driver has no secure processor")),
    errno.EACCES: (Reply.DECLINED, Reason("no-permission", "this process or this request is not permitted")),
    errno.ENOENT: (
        Reply.DECLINED,
        Reason("not-found", "the package is not in the firmware path, or the request is not implemented"),
    ),
    errno.ENFILE: (Reply.DECLINED, Reason("overflow", "the secure processor has no space for it")),
    errno.EPERM: (Reply.DECLINED, Reason("auth-failed", "the signature is not valid")),
    errno.EIO: (Reply.FAILED, Reason("activation-failed", "the secure processor tried and failed")),
    errno.ETIMEDOUT: (
        Reply.LOST,
        Reason("timeout", "the secure processor did not answer within the driver's ten seconds", _LOOK),
    ),
    LOST: (
        Reply.LOST,
        Reason("lost", "the process that made the call died; the firmware may have been updated", _LOOK),
    ),
}
"""What each errno of the driver says (Linux ``psp-sfs.h``)."""
_UNEXPECTED = Reason("unexpected-errno", "the driver returned: {error}")


class _Update(OneCall):
    def __init__(self, files: Files, package: str, observer: Observer) -> None:
        super().__init__(observer, "the secure processor loads, verifies and executes the package")
        self._files = files
        self._argument = sfs.UpdatePackage(package).encode()
        self._calls: DeviceCalls | None = None

    def start(self) -> DeviceCalls:
        """The one call."""
        self._calls = self._files.start_calls(NODE, [DeviceCall(sfs.SfsIoctl.UPDATE_PACKAGE, self._argument)])
        return self._calls

    def judge(self) -> Claim:
        """By errno; the status words are there with success and EIO only."""
        error, data, *_ = self._calls.answers[-1] if self._calls else DeviceReply(LOST)
        if self._calls and not self._calls.opened:
            return Claim(Reply.REFUSED, error=error, reason=not_asked(error))
        code = None
        if error in (0, errno.EIO) and len(data) == sfs.UPDATE_BYTES:
            told = sfs.decode_update(data)
            code = f"{told.status:#x} {told.extended:#x}" if told.status or told.extended else None
        if not error:
            return Claim(Reply.ACCEPTED, firmware_code=code)
        said, reason = _ERRNO.get(error) or (Reply.FAILED, _UNEXPECTED.fill(error=os.strerror(error)))
        witness = Witness.FAILED if said is Reply.FAILED else Witness.NONE
        lost = said is Reply.LOST
        return Claim(said, witness=witness, error=max(error, 0), firmware_code=code, reason=reason, at_work=lost)
