# SPDX-License-Identifier: Apache-2.0
"""Somebody else's firmware in QEMU's flash, with the test guest as its non-secure payload (BL33)."""

import errno
import struct
from dataclasses import replace
from typing import Self

from livefw import reading
from livefw.abi import guid
from livefw.abi.smccc import Exit, Registers
from livefw.errors import MechanismFailed, UsageError
from livefw.firmware.image import fip
from livefw.firmware.image.errors import PackageError
from livefw.machine.qemu.guest import GuestCaller
from livefw.machine.qemu.process import FlashConfig, Qemu, firmware

_LARGEST = 64 * 1024 * 1024
"""The secure half of the flash of QEMU's virt machine."""

_PAGE = 4096
"""Packages begin at a multiple of this: TF-A's at 256 KiB."""

_MAGIC = struct.pack("<I", fip.MAGIC)


def with_payload(flash: bytes, payload: bytes) -> bytes:
    """The flash with another BL33 in each of its packages; as it is where there is none.

    `UsageError` if there is no space in the place of a BL33. The table keeps its order and every image its place.
    """
    out = bytearray(flash)
    for at in range(0, len(flash), _PAGE):
        if flash[at : at + len(_MAGIC)] != _MAGIC:
            continue
        try:
            package = fip.parse(flash[at:])
        except PackageError:
            continue  # four bytes that look like one
        old = package.find(guid.BL33.guid)
        if old is None:
            continue
        start = at + old.offset
        if out[start + old.size : start + len(payload)].strip(b"\0\xff"):  # all that follows an image may be another
            raise UsageError(f"the BL33 of that firmware has {old.size} bytes, and the test program {len(payload)}")
        entries = tuple(entry._replace(size=len(payload)) if entry == old else entry for entry in package.entries)
        table = fip.encode_toc(replace(package, entries=entries))
        out[at : at + len(table)] = table
        out[start : start + len(payload)] = payload
    return bytes(out)


def read(path: str) -> bytes:
    """A flash image; `TransportError` or `UsageError` if it cannot be one."""
    try:
        image = reading.read(path, _LARGEST)
    except OSError as error:
        if error.errno == errno.EFBIG:
            raise UsageError(f"{path}: a flash image has at most {_LARGEST >> 20} MiB") from error
        raise
    if not image:
        raise UsageError(f"{path}: a flash image is not empty")
    if image.isascii() and b"\0" not in image:
        raise UsageError(f"{path}: this is a text, and no flash image")
    return image


class FlashCaller:
    """CPUs 0 to ``cpus`` - 1 above that firmware, for the conformance suite. A cold boot is another QEMU.

    A context manager.
    """

    def __init__(self, path: str, *, cpus: int, options: tuple[str, ...] = ()) -> None:
        """Boot it; `MechanismFailed` with what it printed if the test guest does not come up."""
        self.cpus = cpus
        flash = read(path)
        with open(firmware("guest.bin"), "rb") as file:
            guest = file.read()
        self._config = FlashConfig(image=with_payload(flash, guest), cpus=cpus, options=options)
        self._boot()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._qemu.close()

    def fresh(self) -> bool:
        """Switch the machine off and on."""
        if self._used:
            self._qemu.close()
            self._boot()
        return True

    def begin(self, cpu: int, registers: Registers) -> None:
        """As `livefw.conformance.caller.Caller`."""
        self._used = True
        self._caller.begin(cpu, registers)

    def stays(self, cpu: int) -> bool:
        """As `livefw.conformance.caller.Caller`."""
        return self._caller.stays(cpu)

    def outcome(self, cpu: int, *, patience: float) -> Exit | None:
        """As `livefw.conformance.caller.Caller`."""
        return self._caller.outcome(cpu, patience=patience)

    def _boot(self) -> None:
        self._used = False
        self._qemu = Qemu(self._config)
        try:
            self._caller = GuestCaller(self._qemu.console, cpus=self.cpus)
            self.entry_point = self._caller.entry_point
        except MechanismFailed as error:
            said = self._qemu.complaints()
            self._qemu.close()
            raise MechanismFailed(
                error.message,
                hint=f"QEMU said: {said}"
                if said
                else "the firmware must load the BL33 of a package in its flash, or use --qemu-options",
            ) from error
        except BaseException:
            self._qemu.close()
            raise
