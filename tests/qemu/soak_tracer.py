# SPDX-License-Identifier: Apache-2.0
"""How long an activation stops each CPU, by the tracers of a real kernel and by the sampler; for ``make soak``.

The firmware knows for how long it held each CPU, and nobody can have measured less than that.
"""

from pathlib import Path

import pytest
from tests.qemu.soak_faults import RMM, Host
from tests.qemu.soak_module import watched
from tests.qemu.test_module import Module

from livefw.abi.lfa import Function
from livefw.activation.measure.meter import PERIOD_US, Measurement
from livefw.activation.measure.tracer import NOTE_NS
from livefw.machine.faults import FaultRequest

__all__ = ["watched"]

CPUS = 2
TRACING = "/sys/kernel/tracing"
# A tracer of the same family that somebody else uses keeps osnoise out. The threads of timerlat are served before all
# programs, and one turn of them takes this kernel longer than their period: a guest that is slow is not silent.
INSIDE = f"""
import json, os, sys, threading, time
import livefw

os.system("insmod /livefw_lfa.ko && mount -t tracefs trace {TRACING}")


def write(path, text):
    with open("{TRACING}/" + path, "w") as file:
        file.write(text)


def beat():
    while True:
        sys.stdout.write("it runs\\n")
        time.sleep(10)


def activate(guid, by, beside):
    with livefw.connect("/", record=False, measure=by) as host:
        write("current_tracer", beside)
        for each in host.activate("lfa:" + guid):
            if isinstance(each, livefw.Attempt):
                return [str(each.result.outcome), each.measurement and each.measurement.document()]


print("BEGIN", flush=True)
threading.Thread(target=beat, daemon=True).start()
for line in sys.stdin:
    os.system("dmesg -c > /dev/null")
    told = activate(*json.loads(line))
    write("current_tracer", "nop")
    log = os.popen("dmesg | grep -E 'BUG|WARN|Oops|Call trace|KASAN|suspicious|circular|inconsistent'").read()
    sys.stdout.write("@" + json.dumps([*told, os.listdir("{TRACING}/instances"), log]) + "\\n")
"""


def held(host: Host, since: int) -> dict[str, int]:
    """The longest time for which ACTIVATE kept each CPU, in ns."""
    with host.machine.runner.lock:
        calls = [call for call in host.machine.trace.since(since) if call.registers[0] == Function.ACTIVATE]
    return {
        str(cpu): max((call.end_ns - call.start_ns for call in calls if call.cpu == cpu), default=0)
        for cpu in range(CPUS)
    }


def measured(host: Host, by: str, beside: str, ms: int) -> tuple[Measurement, dict[str, int]]:
    """What one activation cost, and for how long the firmware held each CPU; `beside` is somebody else's tracer."""
    host.machine.clear_faults()
    host.machine.stage(RMM)
    if ms:
        host.machine.inject(FaultRequest(name="slow", component=RMM, function="ACTIVATE", ms=float(ms)))
    before = host.machine.trace.next_sequence
    outcome, document, left, log = host.ask([RMM, by, beside])
    assert (outcome, left, log) == ("activated", [], "")
    return Measurement.from_document(document), held(host, before)


@pytest.mark.timeout(7200, func_only=True)
def test_no_stop_is_measured_shorter_than_it_was(watched: Module, python: str, tmp_path: Path) -> None:
    host = Host("vera", watched, python, tmp_path, inside=INSIDE)
    try:
        for by, beside, source in (
            ("tracer", "nop", "osnoise"),
            ("tracer", "timerlat", "timerlat"),
            ("sampler", "nop", "sampled"),
        ):
            for ms in (0, 20, 200):
                found, known = measured(host, by, beside, ms)
                print(source, ms, [row._replace(gaps=row.gaps[-3:]) for row in found.rows], found.note, f"held {known}")
                assert found.source == source, found.note
                assert [row.cpus for row in found.rows] == list(known)
                for row in found.rows:
                    # A sample begins up to a period after the stop; osnoise leaves out what is short.
                    assert row.longest_ns >= known[row.cpus] - max(PERIOD_US * 1000, NOTE_NS)
                    assert not ms or any(row.longest_ns == end - start for start, end in row.gaps)
    finally:
        host.machine.close()
