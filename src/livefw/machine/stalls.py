# SPDX-License-Identifier: Apache-2.0
"""How long the firmware kept CPUs from running anything else, as a file that a tool may read.

The tool measures its own CPUs, and those are not the model's. The file lies outside ``/sys``: a mechanism's provider
sees nothing there that a real machine would not show.
"""

from collections import deque

from livefw.kernel.clock import US
from livefw.kernel.os import Os
from livefw.machine.trace import CallTrace

SHOWN = 64
"""Stalls shown at most, the last ones: what a reader gets is one page, and a line takes up to 60 characters."""

_NOTED_NS = 100 * US
"""Shortest call that is shown; inventories are made of shorter ones."""

_LOOKED_AT = 4096
"""Calls looked at: a rendezvous of the largest machine."""


def show(os: Os, trace: CallTrace, *, online: str) -> str:
    """First line the time, then ``START END CPUS`` of each stall, oldest first; times in ns since boot.

    A stop_machine stops all CPUs, and the calls made inside it are not told again.
    """
    stops = [(stall.start_ns, stall.end_ns, online) for stall in list(os.stalls)[-SHOWN:]]
    calls: deque[tuple[int, int, str]] = deque(maxlen=SHOWN)
    inside = iter(stops)
    stop = next(inside, None)
    for call in trace.since(trace.next_sequence - _LOOKED_AT):
        while stop is not None and stop[1] < call.start_ns:
            stop = next(inside, None)
        if call.end_ns - call.start_ns >= _NOTED_NS and not (stop and stop[0] <= call.start_ns <= stop[1]):
            calls.append((call.start_ns, call.end_ns, str(call.cpu)))
    last = sorted([*stops, *calls])[-SHOWN:]
    return "".join([f"{os.now()}\n", *(f"{start} {end} {cpus}\n" for start, end, cpus in last)])
