# SPDX-License-Identifier: Apache-2.0
"""A machine that is nothing but drives: each is served over NVMe/TCP on a port of the loopback interface."""

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from livefw import suggest
from livefw.errors import UsageError
from livefw.machine.catalog import DRIVE_FAULTS, DriveFaultRow, refuse_options
from livefw.machine.drives.platform import ADDRESS
from livefw.machine.faults import FaultRequest
from livefw.machine.nvme.subsystem import DriveSpec, Subsystem
from livefw.machine.nvme.tcp import Target, serve

_Found = TypeVar("_Found")


class Drives:
    """Drives that are served by a thread until they are closed. Every method may be called from any thread."""

    def __init__(self, drives: tuple[DriveSpec, ...]) -> None:
        """OSError if no port can be bound."""
        self._loop = asyncio.new_event_loop()
        self._targets = {each.serial: Target(Subsystem(each, time.monotonic)) for each in drives}
        self.ports: dict[str, int] = {}
        """Of each drive, by its serial number."""
        self._connections: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=self._loop.run_forever, name="livefw-drives", daemon=True)
        self._thread.start()
        try:
            self._servers = [self._do(self._listen(*row)) for row in self._targets.items()]
        except OSError:
            self._end()
            raise

    def close(self) -> None:
        """Serve no more: every connection ends."""

        async def end() -> None:
            for each in self._servers:
                each.close()
            for task in self._connections:
                task.cancel()
            await asyncio.gather(*self._connections, return_exceptions=True)

        self._do(end())
        self._end()

    def inject(self, request: FaultRequest) -> DriveFaultRow:
        """Let something go wrong with a drive, or with each; `UsageError` if the request is invalid."""
        fault = DRIVE_FAULTS.get(request.name)
        if fault is None:
            hint = suggest.hint(request.name, DRIVE_FAULTS, rest="livefw machine fault --list")
            raise UsageError(f"drives have no fault {request.name[:60]!r}", hint=hint)
        refuse_options(request, "times", "function", "code", "ms", "cpu", "count")
        chosen = self._chosen(request.component)

        def inject() -> None:
            for each in chosen:
                each.faults |= {fault.name_of_drive}

        self._call(inject)
        return fault

    def clear_faults(self) -> None:
        """Let everything behave from now on. A drive that has died comes back as after a power cycle."""

        def clear() -> None:
            for target in self._targets.values():
                target.subsystem.clear_faults()

        self._call(clear)

    def state(self) -> list[dict[str, Any]]:
        """What each drive is, as no host can know it."""
        return self._call(lambda: [self._state(serial) for serial in self._targets])

    def _state(self, serial: str) -> dict[str, Any]:
        target = self._targets[serial]
        subsystem = target.subsystem
        slots = subsystem.slot_log()
        return {
            "model": subsystem.spec.model,
            "serial": serial,
            "nqn": subsystem.spec.subnqn,
            "address": ADDRESS,
            "port": self.ports[serial],
            "current_version": subsystem.firmware,
            "slots": list(subsystem.slots),
            "running_slot": slots.running,
            "slot_at_reset": slots.at_reset or slots.running,
            "activating": subsystem.paused,
            "dead": subsystem.dead,
            "faults": sorted(subsystem.faults),
            "controllers": len(target.controllers),
            "commits": [{"slot": slot, "action": action} for slot, action in subsystem.commits],
        }

    def _chosen(self, serial: str | None) -> list[Subsystem]:
        if serial is not None and serial not in self._targets:
            hint = suggest.hint(serial, self._targets, rest="livefw machine show")
            raise UsageError(f"there is no drive with the serial number {serial[:60]!r}", hint=hint)
        return [each.subsystem for key, each in self._targets.items() if serial in (None, key)]

    async def _listen(self, serial: str, target: Target) -> asyncio.Server:
        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.ensure_future(serve(target, reader, writer))
            self._connections.add(task)
            task.add_done_callback(self._connections.discard)

        server = await asyncio.start_server(connected, ADDRESS)
        self.ports[serial] = server.sockets[0].getsockname()[1]
        return server

    def _call(self, work: Callable[[], _Found]) -> _Found:
        """In the thread that serves: there is no other lock."""

        async def run() -> _Found:
            return work()

        return self._do(run())

    def _do(self, work: Coroutine[Any, Any, _Found]) -> _Found:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def _end(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
