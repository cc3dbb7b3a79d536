# SPDX-License-Identifier: Apache-2.0
"""PRIME, ACTIVATE and CANCEL as the driver goes through them.

Results are the driver's own: 0, or a negative number that is a firmware code, one of the inner codes, or an errno. The
three share one number space here as there, which is why BUSY (-2) of an automatic activation passes as -ENOENT.
"""

import errno
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from livefw.abi.lfa import ActivateFlag, ActivateRequest, CancelRequest, PrimeRequest, StepResult, status
from livefw.abi.smccc import WORD, Registers
from livefw.kernel.lfa.codes import CALL_AGAIN, TIMED_OUT, c_int, error_name
from livefw.kernel.lfa.guards import Guards
from livefw.kernel.lfa.image import GONE, DriverImage
from livefw.kernel.lfa.inventory import Log
from livefw.kernel.lfa.versions import DriverVersion, Pacing
from livefw.kernel.log import Level
from livefw.kernel.os import Os, Smc

Rescan = Callable[[], Awaitable[None]]


class _Primed(NamedTuple):
    code: int
    seq_id: int


class Activator:
    """Runs activations; the caller ensures that the version's rules on concurrency are kept."""

    def __init__(self, os: Os, *, version: DriverVersion, guards: Guards, log: Log, rescan: Rescan) -> None:
        self.shutting_down = False
        """The driver goes away: versions that pin ids start no call any more."""
        self._os = os
        self._version = version
        self._texts = version.texts
        self._guards = guards
        self._log = log
        self._rescan = rescan

    async def run(self, image: DriverImage, *, success: str) -> int:
        """PRIME and ACTIVATE one image; 0 or a negative result."""
        primed = await self._prime(image)
        if primed.code:
            self._say(Level.ERR, self._texts.prime_gave_up, image, primed.code & WORD)
            return primed.code
        code = await self._activate(image, primed.seq_id)
        if code:
            self._say(Level.ERR, self._texts.activate_gave_up, image, code & WORD)
        else:
            self._say(Level.INFO, success, image)
        return code

    async def cancel(self, image: DriverImage, seq_id: int | None = None) -> int:
        """CANCEL what is primed under ``seq_id``, or the image's present id; 0, -EINVAL, or -ENOENT if it is gone."""
        async with self._guards.identified_call():
            if seq_id is None or not self._version.pins_id:
                seq_id = image.seq_id
            if seq_id == GONE and self._version.errnos.cancel_vanished is not None:
                return -self._version.errnos.cancel_vanished
            reply = await self._os.smc(CancelRequest(seq_id & WORD).encode())
        if reply[0] == 0:
            self._say(Level.INFO, self._texts.cancelled, image)
            return 0
        self._say(Level.ERR, self._texts.not_cancelled, image, reply[0])
        return -self._version.errnos.cancel_refused

    async def _prime(self, image: DriverImage) -> _Primed:
        async with self._guards.priming():
            return await self._prime_calls(image)

    async def _prime_calls(self, image: DriverImage) -> _Primed:
        end = self._deadline(self._version.prime)
        seq_id = image.seq_id
        pinned: int | None = None
        request: Registers | None = None
        while True:
            async with self._guards.identified_call():
                if code := self._refusal(image, pinned=pinned, first=request is None):
                    break
                seq_id = image.seq_id
                if request is None or not self._version.reuses_registers:
                    request = PrimeRequest(image.seq_word).encode()
                reply = await self._os.smc(request)
            if status(reply) < 0:
                self._say(Level.ERR, self._texts.prime_failed, image, reply[0])
                code = c_int(reply[0])
                break
            pinned = seq_id if status(reply) == 0 else None
            if not StepResult.decode(reply).call_again:
                return _Primed(0, seq_id)
            if not await self._pause(self._version.prime, end):
                self._say(Level.ERR, self._texts.prime_timed_out, image)
                return _Primed(await self.cancel(image, seq_id) or -errno.ETIMEDOUT, seq_id)
            request = reply
        if pinned is not None and self._version.cancels_broken_prime:
            code = await self.cancel(image, pinned) or code
        return _Primed(code, seq_id)

    def _refusal(self, image: DriverImage, *, pinned: int | None, first: bool) -> int:
        """Why PRIME is not called, or not again; 0 if it is."""
        pins = self._version.pins_id
        if pins and self.shutting_down:
            return -errno.ESHUTDOWN
        vanished = self._version.errnos.prime_vanished
        if vanished is not None and (image.seq_id == GONE or (pinned is not None and pinned != image.seq_id)):
            self._say(Level.ERR, self._texts.vanished, image)
            return -vanished
        if image.may_reset_cpu and (first or pins):
            self._say(Level.ERR, self._texts.reset, image)
            return -errno.EINVAL
        return 0

    async def _activate(self, image: DriverImage, primed_id: int) -> int:
        version = self._version
        end = self._deadline(version.activate)
        while True:
            async with self._guards.attempt():
                aborted = version.pins_id and (self.shutting_down or image.seq_id != primed_id)
                code = -errno.ESHUTDOWN if aborted else await self._attempt(image)
                if not code:
                    await self._rescan()
                    return 0
            if aborted:
                return await self.cancel(image, primed_id) or code
            if code not in version.retried:
                break
            if not await self._pause(version.activate, end):
                code = -TIMED_OUT
                break
        cancelled = await self.cancel(image, primed_id)
        if version.cancel_result_wins:
            return cancelled
        self._say(Level.ERR, self._texts.activate_failed, image, code & WORD)
        return code

    async def _attempt(self, image: DriverImage) -> int:
        """One ACTIVATE: by all CPUs at once, or by this one only."""
        if not image.rendezvous:
            return await self._call_activate(image, self._os.smc)

        async def on_each(cpu: int, smc: Smc) -> int:  # noqa: ARG001 - every CPU does the same
            return await self._call_activate(image, smc)

        return await self._os.stop_machine(on_each)

    async def _call_activate(self, image: DriverImage, smc: Smc) -> int:
        flags = ActivateFlag(0) if image.rendezvous else ActivateFlag.SKIP_CPU_RENDEZVOUS
        request = ActivateRequest(image.seq_word, flags).encode()
        while True:
            reply = await smc(request)
            if status(reply) < 0:
                self._say(Level.ERR, self._texts.attempt_failed, image, reply[0])
                return c_int(reply[0])
            if not StepResult.decode(reply).call_again:
                return c_int(reply[0]) if self._version.positive_status_fails else 0
            if not self._version.loops_inside_stop_machine:
                return -CALL_AGAIN
            await self._os.relax()
            if self._version.reuses_registers:
                request = reply

    def _deadline(self, pacing: Pacing) -> int | None:
        return None if pacing.budget_ns is None else self._os.now() + pacing.budget_ns

    async def _pause(self, pacing: Pacing, end: int | None) -> bool:
        """Wait before the next call; False if there is no time for one. Even a spin costs the model a moment."""
        if end is not None and self._os.now() >= end:
            return False
        if pacing.pause_ns:
            await self._os.sleep(pacing.pause_ns)
        else:
            await self._os.relax()
        return True

    def _say(self, level: Level, text: str | None, image: DriverImage, word: int = 0) -> None:
        if text is not None:
            code = error_name(word, checked=self._version.checks_error_names)
            self._log(level, text.format(title=image.title, label=image.label, code=code))
