# SPDX-License-Identifier: Apache-2.0
"""The agent's end of the monitor's secure UART: frames become calls of a conduit, and its answers frames.

A CPU is held by not answering it. One thread reads, keeps the time of firmware work, and tells the monitor once a
second that nobody was forgotten.
"""

import heapq
import os
import select
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from livefw.abi.lfa import LfaStatus
from livefw.abi.smccc import COUNT, Exit, Held, Registers, Restart
from livefw.kernel.clock import SECOND
from livefw.kernel.conduit import Conduit
from livefw.machine.qemu.frames import Decoder, Frame, Type

_PING_S = 1.0
"""The monitor gives the agent up after three seconds of silence."""

_FAILED = {0: LfaStatus.DEVICE_ERROR.word}


class Bridge:
    """Serves one machine's monitor over a connected socket until either end closes.

    ``lock`` is held around every step; take it to look at the conduit from another thread. ``lost`` is called once, in
    the bridge's thread, when the machine has gone. ``restarted``: another agent was there before; its calls fail.
    """

    def __init__(
        self,
        link: socket.socket,
        conduit: Conduit,
        *,
        cpus: int,
        restarted: bool = False,
        lost: Callable[[], None] = lambda: None,
        lock: "threading.RLock | None" = None,
    ) -> None:
        self.lock = lock or threading.RLock()
        self.problems: list[str] = []
        """What should not have come from the monitor, and was ignored."""
        self._link = link
        self._conduit = conduit
        self._cpus = cpus
        self._online = {0}
        self._lost = lost
        self._inside: dict[int, tuple[int, Registers]] = {}
        self._abandoned: set[int] = set()
        self._leaving: set[int] = set()
        self._timers: list[tuple[int, int, int]] = []
        self._tokens: dict[int, int] = {}
        self._decoder = Decoder()
        self._wake = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._closed = False
        self._adopt()
        if restarted:
            self._send(Frame(Type.HELLO))
        self._thread = threading.Thread(target=self._run, name="livefw-qemu-bridge", daemon=True)
        self._thread.start()

    @property
    def online(self) -> tuple[int, ...]:
        """CPUs that are on."""
        return tuple(sorted(self._online))

    def replace(self, conduit: Conduit) -> None:
        """Another agent from now on, with the same CPUs on. Calls under way end with DEVICE_ERROR."""
        with self.lock:
            self._conduit = conduit
            for cpu in list(self._inside):
                self._answer(cpu, None)
            self._abandoned.clear()
            self._leaving.clear()
            self._timers.clear()
            self._tokens.clear()
            self._adopt()

    def raise_interrupt(self, number: int) -> None:
        """Make a shared interrupt of the machine pending."""
        with self.lock:
            self._send(Frame(Type.RAISE, words={0: number}))

    def close(self) -> None:
        """Hang up; CPUs that are inside get DEVICE_ERROR from the monitor after a while."""
        self._closed = True
        os.write(self._wake[1], b"x")
        self._thread.join()
        self._link.close()
        os.close(self._wake[0])
        os.close(self._wake[1])

    def _adopt(self) -> None:
        """A new agent believes that every CPU is on."""
        for cpu in set(range(self._cpus)) - self._online:
            self._conduit.cpu_off(cpu)

    def _run(self) -> None:
        pinged = time.monotonic()
        while not self._closed:
            readable, _, _ = select.select([self._link.fileno(), self._wake[0]], [], [], self._timeout())
            if self._link.fileno() in readable:
                try:
                    data = self._link.recv(65536)
                except OSError:
                    data = b""
                if not data:
                    self._lost()
                    return
                with self.lock:
                    for frame in self._decoder.feed(data):
                        self._take(frame)
            with self.lock:
                self._work_off()
                if self._inside and time.monotonic() - pinged > _PING_S:
                    pinged = time.monotonic()
                    self._send(Frame(Type.PING))

    def _timeout(self) -> float:
        if not self._timers:
            return _PING_S
        return min(max(self._timers[0][0] - time.monotonic_ns(), 0) / SECOND, _PING_S)

    def _take(self, frame: Frame) -> None:
        cpu = frame.cpu
        if cpu >= self._cpus:
            self._note(f"a frame from CPU {cpu}, which does not exist")
        elif frame.type is Type.CALL:
            self._call(frame)
        elif frame.type is Type.ON:
            self._on(cpu)
        elif frame.type is Type.OFF:
            self._off(cpu)
        elif frame.type is Type.STATE:
            self._state(frame.words.get(0, 0))
        elif frame.type is Type.PANIC:
            words = " ".join(f"{frame.words.get(index, 0):#x}" for index in range(4))
            self._note(f"the monitor failed on CPU {cpu}: ESR, ELR, FAR, x30 = {words}")
        else:
            self._note(f"a frame of type {frame.type.name}")

    def _call(self, frame: Frame) -> None:
        cpu = frame.cpu
        inside = self._inside.get(cpu)
        if inside is not None and inside[0] == frame.sequence:
            self._note(f"a call of CPU {cpu} twice")
            return
        registers = Registers(*(frame.words.get(index, 0) for index in range(COUNT)))
        if inside is not None:
            self._abandoned.add(cpu)  # the monitor gave the call up, the agent has not ended it
        if cpu in self._abandoned or cpu not in self._online:
            self._note(f"a call of CPU {cpu}, which is {'inside' if cpu in self._abandoned else 'off'}")
            self._inside.pop(cpu, None)
            self._send(Frame(Type.REPLY, cpu, frame.sequence, _FAILED))
            return
        self._inside[cpu] = (frame.sequence, registers)
        self._outcome(cpu, self._conduit.call(cpu, registers))

    def _outcome(self, cpu: int, outcome: Exit | Held) -> None:
        self._one(cpu, outcome)
        for release in self._conduit.released():
            self._one(release.cpu, release.exit)

    def _one(self, cpu: int, outcome: Exit | Held) -> None:
        if not isinstance(outcome, Held):
            self._answer(cpu, outcome)
            if cpu in self._abandoned:
                self._abandoned.discard(cpu)
                if cpu in self._leaving:
                    self._leaving.discard(cpu)
                    self._conduit.cpu_off(cpu)
        elif outcome.work_ns is not None:
            self._tokens[cpu] = token = self._tokens.get(cpu, 0) + 1
            heapq.heappush(self._timers, (time.monotonic_ns() + outcome.work_ns, cpu, token))

    def _answer(self, cpu: int, outcome: Exit | None) -> None:
        sequence, registers = self._inside.pop(cpu, (None, None))
        if sequence is None or registers is None:
            return
        if isinstance(outcome, Restart):
            words = {0: outcome.entry_point, 1: outcome.context_id}
            self._send(Frame(Type.RESTART, cpu, sequence, words))
            return
        words = _FAILED if outcome is None else {i: word for i, word in enumerate(outcome) if word != registers[i]}
        self._send(Frame(Type.REPLY, cpu, sequence, words))

    def _work_off(self) -> None:
        while self._timers and self._timers[0][0] <= time.monotonic_ns():
            _, cpu, token = heapq.heappop(self._timers)
            if self._tokens.get(cpu) == token:
                self._outcome(cpu, self._conduit.complete(cpu))

    def _on(self, cpu: int) -> None:
        if cpu in self._online:
            self._note(f"CPU {cpu} came on twice")
            return
        self._online.add(cpu)
        if cpu in self._leaving:
            self._leaving.discard(cpu)  # its old call has not ended; to the agent it was never off
        else:
            self._conduit.cpu_on(cpu)

    def _off(self, cpu: int) -> None:
        if cpu not in self._online:
            self._note(f"CPU {cpu} went off twice")
            return
        self._online.discard(cpu)
        if cpu in self._inside or cpu in self._abandoned:
            self._inside.pop(cpu, None)
            self._abandoned.add(cpu)
            self._leaving.add(cpu)
            return
        self._conduit.cpu_off(cpu)
        for release in self._conduit.released():
            self._one(release.cpu, release.exit)

    def _state(self, mask: int) -> None:
        for cpu in range(self._cpus):
            if mask >> cpu & 1 and cpu not in self._online:
                self._on(cpu)
            elif not mask >> cpu & 1 and cpu in self._online:
                self._off(cpu)

    def _note(self, text: str) -> None:
        if len(self.problems) < 100:
            self.problems.append(text)

    def _send(self, frame: Frame) -> None:
        with suppress(OSError):  # the reader meets it too, and ends
            self._link.sendall(frame.encode())
