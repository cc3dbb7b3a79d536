# SPDX-License-Identifier: Apache-2.0
"""Run a modelled operating system in virtual time."""

from collections.abc import Coroutine
from typing import Any, TypeVar

from livefw.kernel.clock import VirtualClock
from livefw.kernel.os import KernelPanic, KernelTask, Os

T = TypeVar("T")


class Deadlock(RuntimeError):  # noqa: N818 - the field's own word
    """A task waits for something that no timer and no CPU will bring."""


def run(os: Os, clock: VirtualClock, work: Coroutine[Any, Any, T], *, name: str = "task") -> T:
    """Run ``work`` to its end, jumping over the time in which nothing happens.

    Raises what ``work`` raises, `KernelPanic` if the machine dies under it, and `Deadlock` if it can never end.
    """
    task = os.spawn(work, name=name)
    advance(os, clock, task)
    return task.result()


def advance(os: Os, clock: VirtualClock, task: KernelTask[Any], *, until_ns: int | None = None) -> None:
    """Run until ``task`` is done or, where ``until_ns`` is given, virtual time reaches it."""
    os.step()
    while not task.done:
        deadline = os.deadline()
        if os.panic is not None:
            raise KernelPanic(os.panic)
        if until_ns is not None and (deadline is None or deadline > until_ns):
            clock.advance_to(max(until_ns, clock.now()))
            return
        if deadline is None:
            raise Deadlock(f"{task.name} can never continue")
        clock.advance_to(max(deadline, clock.now()))
        os.step()


def settle(os: Os, clock: VirtualClock) -> None:
    """Run until nothing is left to do: workers have finished and no timer is set."""
    os.step()
    while (deadline := os.deadline()) is not None:
        clock.advance_to(max(deadline, clock.now()))
        os.step()
