# SPDX-License-Identifier: Apache-2.0
"""Each fault of a drive, and SIGKILL at each moment, on a real kernel: the rows of `ends`, with nvme-cli beside us."""

from functools import partial

from ..daemon.systemd_guest import Checks, run, until
from . import kernel_process as process
from .ends import DEATHS, ENDS, OF_DRIVE, STAGING_DEATHS
from .kernel_guest import ask, connect, connected, disconnect, identify, image, inside, key, slots

STATUSES, KILLED = "LFW0003", "LFW0004"
"""The drive that answers with each status, and the one whose engines are killed."""
FAULTY = {fault: f"LFW{number:04}" for number, fault in enumerate(OF_DRIVE, 5)}
"""A drive for each fault after which it is another one than before."""
EXIT_CODES = {"activated": 0, "failed": 1, "refused": 4, "unknown": 6}


def fault_ends_as_in_process(fault: str) -> object:
    """Outcome, exit code, what the history has, and what runs."""
    end, serial = ENDS[fault], FAULTY.get(fault, STATUSES)
    name = connect(serial)
    code, told = process.command("stage", key(serial), image("2.0"))
    assert code == 0, told
    ask("fault", fault={"name": f"nvme-{fault}", "component": serial})
    try:
        code, told = process.activate(key(serial))
        (result,) = told["results"]
        found = result["outcome"], result["code"]
        assert code == EXIT_CODES[result["outcome"]], told
        if fault == "dies":  # of which nobody knows before the kernel has given it up; then the next request tells
            assert found == ("unknown", "no-identify"), result
            until(lambda: serial not in connected(), "the end of a dead drive")
            process.activate(key(serial))
        else:
            assert found == end[:2], result
        kept = process.recorded(result["record"]["activation"])["outcome"]
        assert (kept["outcome"], kept["code"], inside(serial)["current_version"]) == end, kept
    finally:
        ask("clear")
    if fault in FAULTY:
        disconnect(serial)
        return kept["text"]
    running, armed, versions = slots(name)
    assert (running, versions) == (1, ["1.0", "2.0"])
    if armed not in (0, running):  # nvme-cli's way of saying that it is not to be
        run("nvme", "fw-commit", f"/dev/{name}", "--slot=1", "--action=2", code=0)
    return f"{kept['text']}; slot at the next reset: {armed}"


def killed_activation_is_told_truly(at: str) -> object:
    """The history at once, the next request, and nvme-cli: nothing untrue is told, and the drive has it in the end."""
    name, row = connect(KILLED), DEATHS[at]
    version = _next()
    code, told = process.command("stage", key(KILLED), image(version))
    assert code == 0, told
    before = process.recorded(key(KILLED))
    process.killed(at, key(KILLED))
    left = process.recorded(key(KILLED))
    assert (left != before) == bool(row.left or row.settled), left
    if left != before:
        assert (left["outcome"] and left["outcome"]["outcome"]) == row.left, left
    code, told = process.activate(key(KILLED))
    assert [(each["outcome"], each["code"]) for each in told["settled"]] == ([row.settled] if row.settled else []), told
    (result,) = told["results"]
    ends = ("refused", "not-pending", 3) if row.done else ("activated", "version-arrived", 0)
    assert (result["outcome"], result["code"], code) == ends, result
    assert identify(name)["fr"].strip() == version
    assert process.recorded(key(KILLED))["outcome"]["outcome"] == "activated"
    return f"left {row.left or 'open'}, settled as {row.settled or 'nothing'}"


def killed_staging_is_told_truly(at: str) -> object:
    """The same. A slot does not say who has filled it, so what was not recorded is unknown; then it is staged again."""
    name, row = connect(KILLED), STAGING_DEATHS[at]
    version = _next()
    process.killed(at, key(KILLED), image(version, size=400 << 10))
    left = process.recorded(key(KILLED))
    assert (left["outcome"] and left["outcome"]["outcome"]) == row.left, left
    process.until_unlocked()
    code, told = process.command("stage", key(KILLED), image(version))
    assert (code, version in slots(name)[2]) == (0, True), told
    if row.settled:
        found = process.recorded(left["activation"])["outcome"]
        assert (found["outcome"], found["code"]) == row.settled, found
    code, told = process.activate(key(KILLED))
    assert (code, identify(name)["fr"].strip()) == (0, version), told
    return f"left {row.left or 'open'}, settled as {row.settled or 'nothing'}"


def _next() -> str:
    return f"{float(inside(KILLED)['current_version']) + 1}"


EVERY: Checks = {
    **{f"fault_{fault}": partial(fault_ends_as_in_process, fault) for fault in ENDS},
    **{f"killed_activation_{at}": partial(killed_activation_is_told_truly, at) for at in DEATHS},
    **{f"killed_staging_{at}": partial(killed_staging_is_told_truly, at) for at in STAGING_DEATHS},
}
IN_EVERY_RUN = (
    "fault_too-slow",
    "fault_dies",
    "fault_other-version",
    "fault_changes-nothing",
    "fault_read-only",
    "fault_commit-internal-error",
    "fault_commit-needs-controller-reset",
    "fault_commit-activation-prohibited",
    "killed_activation_intended",
    "killed_activation_commit-sent",
    "killed_activation_judged",
    "killed_staging_download-again",
    "killed_staging_commit-sent",
)
"""One of each kind; each takes some 15 s of an emulated machine, and `dies` 110 s, in which the kernel waits."""
