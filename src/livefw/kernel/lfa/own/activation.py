# SPDX-License-Identifier: Apache-2.0
"""PRIME, ACTIVATE and CANCEL as the driver of ``dkms/`` goes through them.

Results are 0 or a positive errno. `CONTINUE` stands for "there may be another call".
"""

import errno
from collections.abc import Callable

from livefw.abi.lfa import (
    ActivateFlag,
    ActivateRequest,
    CancelRequest,
    Function,
    InventoryFlag,
    LfaStatus,
    PrimeRequest,
    StepResult,
    status,
)
from livefw.abi.smccc import Registers
from livefw.kernel.lfa.codes import status_errno, status_name
from livefw.kernel.lfa.own.image import HARMLESS, CallOutcome, InventoryRow, OwnImage
from livefw.kernel.lfa.own.inventory import OwnInventory
from livefw.kernel.lfa.versions import DriverVersion, Pacing
from livefw.kernel.log import Level
from livefw.kernel.os import Os, Smc

CONTINUE = errno.EAGAIN


class OwnActivator:
    """Runs activations; the caller of `activate` holds the transaction."""

    def __init__(
        self, os: Os, inventory: OwnInventory, *, version: DriverVersion, log: Callable[[Level, str], None]
    ) -> None:
        self.closing = False
        """Nothing begins any more, and what runs ends before its next call."""
        self._os = os
        self._inventory = inventory
        self._version = version
        self._log = log

    async def activate(self, image: OwnImage, *, success: str) -> int:
        """PRIME and ACTIVATE one component."""
        if self.closing:
            return errno.ESHUTDOWN
        try:
            row = await self._look(image)
        except OSError as error:
            return error.errno or 0
        if row.has(InventoryFlag.MAY_RESET_CPU):
            self._log(Level.ERR, self._version.texts.reset)
            return errno.EOPNOTSUPP
        # All attempts have to be of one kind.
        alone = row.has(InventoryFlag.CPU_RENDEZVOUS_OPTIONAL) and not image.force_cpu_rendezvous
        await self._let_go_of_others(image)
        code = await self._prime(image) or await self._activate_primed(image, alone=alone)
        if not code:
            self._log(Level.INFO, success.format(label=image.label))
        return code

    async def activate_automatic(self) -> int:
        """Activate what is pending and may be activated unasked, each once, up to the first that fails."""
        tried: set[str] = set()
        while image := self._next_automatic(tried):
            tried.add(image.guid)
            if code := await self.activate(image, success=self._version.texts.activated_by_notification):
                return code
        return 0

    async def cancel(self, image: OwnImage) -> int:
        """CANCEL as somebody asked for it, by the file."""
        async with self._inventory.ids.read():
            if image.seq_id is None:
                return errno.ENOENT
            code = await self._cancel(image)
            image.last = CallOutcome(Function.CANCEL, code, bool(code))
        return errno.EINVAL if code else 0

    async def _look(self, image: OwnImage) -> InventoryRow:
        """What the agent says of a component; where another one has its place, find its own."""
        try:
            return await self._refresh(image)
        except OSError as error:
            if error.errno != errno.ENOENT:
                raise
        await self._inventory.scan()
        return await self._refresh(image)

    async def _refresh(self, image: OwnImage) -> InventoryRow:
        async with self._inventory.ids.read():
            return await self._inventory.refresh(image)

    async def _let_go_of_others(self, image: OwnImage) -> None:
        """CANCEL whatever else was primed: an agent may hold it after its activation. A refusal is no news."""
        async with self._inventory.ids.read():
            for other in self._inventory.images.values():
                if other is not image and other.seq_id is not None and other.primed:
                    await self._os.smc(CancelRequest(other.seq_id).encode())
                    other.primed = False

    async def _prime(self, image: OwnImage) -> int:
        end = self._os.now() + (self._version.prime.budget_ns or 0)
        held = False
        while True:
            async with self._inventory.ids.read():
                reply = await self._os.smc(PrimeRequest(_id(image)).encode())
                code = status(reply)
                held |= code not in HARMLESS
                waits = code == LfaStatus.BUSY or _again(reply)
                error = self._repeat(end) if waits else status_errno(code)
                image.last = CallOutcome(Function.PRIME, code, bool(code), timed_out=error == errno.ETIMEDOUT)
                if error and error != CONTINUE:
                    self._complain(image, Function.PRIME, code, error)
                    if held:
                        await self._cancel(image)
            if error != CONTINUE:
                image.primed = not error
                return error
            await self._pause(self._version.prime)

    async def _activate_primed(self, image: OwnImage, *, alone: bool) -> int:
        end = self._os.now() + (self._version.activate.budget_ns or 0)
        while True:
            async with self._inventory.ids.write():
                error = await self._attempt(image, alone=alone, end=end)
                if error != CONTINUE:
                    if error:
                        await self._cancel(image)
                    await self._inventory.scan_locked()  # ids and versions may be others now, however it ended
            if error != CONTINUE:
                return error
            await self._pause(self._version.activate)

    async def _attempt(self, image: OwnImage, *, alone: bool, end: int) -> int:
        """One ACTIVATE, by this CPU or by all at once; a failure is that with the lowest status."""
        request = ActivateRequest(_id(image), ActivateFlag(alone)).encode()
        replies: list[Registers] = []

        async def on_each(cpu: int, smc: Smc) -> int:  # noqa: ARG001 - every CPU does the same
            replies.append(await smc(request))
            return 0

        if alone:
            replies.append(await self._os.smc(request))
        else:
            await self._os.stop_machine(on_each)
        codes = [status(reply) for reply in replies]
        busy = codes.count(LfaStatus.BUSY)
        failures = [code for code in codes if code not in (LfaStatus.SUCCESS, LfaStatus.BUSY)]
        code, error = LfaStatus.SUCCESS.value, 0
        if failures:
            code, busy = min(failures), 0
            error = status_errno(code)
        elif busy or any(map(_again, replies)):
            code = LfaStatus.BUSY if busy else LfaStatus.SUCCESS
            error = self._repeat(end)
        failed = len(failures) or busy
        image.last = CallOutcome(Function.ACTIVATE, code, failed, len(codes), timed_out=error == errno.ETIMEDOUT)
        if error and error != CONTINUE:
            self._complain(image, Function.ACTIVATE, code, error)
        return error

    async def _cancel(self, image: OwnImage) -> int:
        """CANCEL what is primed; the firmware's status. The caller holds the ids."""
        code = status(await self._os.smc(CancelRequest(_id(image)).encode()))
        if code:
            text = self._version.texts.not_cancelled.format(label=image.label, code=status_name(code))
            self._log(Level.ERR, text)
            return code
        image.primed = False
        self._log(Level.INFO, self._version.texts.cancelled.format(label=image.label))
        return 0

    def _next_automatic(self, tried: set[str]) -> OwnImage | None:
        for image in self._inventory.images.values():
            if image.guid in tried or not image.auto_activate or image.seq_id is None:
                continue
            if image.has(InventoryFlag.ACTIVATION_CAPABLE) and image.has(InventoryFlag.ACTIVATION_PENDING):
                return image
        return None

    def _repeat(self, end: int) -> int:
        if self.closing:
            return errno.ESHUTDOWN
        return errno.ETIMEDOUT if self._os.now() >= end else CONTINUE

    async def _pause(self, pacing: Pacing) -> None:
        await self._os.sleep(pacing.pause_ns)

    def _complain(self, image: OwnImage, call: Function, code: int, error: int) -> None:
        how = {errno.ETIMEDOUT: "timed out", errno.ESHUTDOWN: "interrupted"}.get(error, f"failed: {status_name(code)}")
        self._log(Level.ERR, f"LFA_{call.name} for image {image.label} {how}")


def _again(reply: Registers) -> bool:
    return reply[0] == 0 and StepResult.decode(reply).call_again


def _id(image: OwnImage) -> int:
    """The present id. The transaction keeps it what it was when the component was looked at."""
    if image.seq_id is None:
        raise RuntimeError(f"{image.guid} has lost its sequence id in the middle of an activation")
    return image.seq_id
