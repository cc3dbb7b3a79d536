# SPDX-License-Identifier: Apache-2.0
"""Whether ZFS or Ceph has another copy of what is on a drive: their own tools are asked, and silence is a no."""

import re
from collections.abc import Callable, Sequence

from livefw.files.protocol import Files
from livefw.providers.nvme.attributes import names, read
from livefw.text import decode

Tool = Callable[[Sequence[str]], str | None]
"""Runs a program of the machine, bounded in time and output: what it printed, or None if it did not succeed."""
_SECONDS = 5.0
"""`zpool` waits for ever at a pool that is suspended, and `ceph` for monitors that it does not reach."""
_OSD_DIRECTORY = "/var/lib/ceph"
_REDUNDANT = re.compile(r"(mirror|raidz[123]?|draid[123]?\S*)-\d+", re.ASCII)
_NOT_AT_REST = ("in progress", "paused")
_OSD_VOLUME = re.compile(r"osd-(?:block|data)-([0-9a-f-]{36})", re.ASCII)


def no_tool(command: Sequence[str]) -> str | None:  # noqa: ARG001 - the shape of every tool
    """Runs nothing, for a machine that is not this one."""
    return None


def system_tool(command: Sequence[str]) -> str | None:
    """Runs a program of this system."""
    from livefw import programs  # only where a drive with an image is used by what has such a tool

    answer = programs.run((programs.find(command[0]), *command[1:]), seconds=_SECONDS, errors=False)
    return decode(answer.output) if answer.code == 0 else None


def pool_carries(tool: Tool, pool: str, devices: Sequence[str]) -> bool:
    """Whether a pool would carry the loss of these devices: all vdevs are online, and each is in a mirror of its own.

    Parity counts as a mirror. ``devices`` are paths such as ``/dev/nvme0n1p1``. A pool that is being scanned is not at
    rest.
    """
    text = tool(["zpool", "status", "-LP", pool])
    return text is not None and _is_whole(text, frozenset(devices))


def _is_whole(text: str, devices: frozenset[str]) -> bool:
    fields = dict(re.findall(r"^ *(state|scan|errors): (.*)$", text, re.MULTILINE))
    _, _, config = text.partition("config:")
    above: list[tuple[int, str]] = []
    found: set[str] = set()
    mirrors: set[str] = set()
    for line in config.partition("errors:")[0].expandtabs().splitlines():
        words = line.split()
        if len(words) < 2 or words[0] == "NAME":
            continue
        depth, name = len(line) - len(line.lstrip()), words[0]
        above = [each for each in above if each[0] < depth]
        if words[1] not in ("ONLINE", "AVAIL"):
            return False
        if name in devices:
            if not (above and _REDUNDANT.fullmatch(above[-1][1])) or above[-1][1] in mirrors:
                return False
            found.add(name)
            mirrors.add(above[-1][1])
        above.append((depth, name))
    at_rest = not any(word in fields.get("scan", "") for word in _NOT_AT_REST)
    return found == devices and at_rest and fields.get("state") == "ONLINE" and "No known" in fields.get("errors", "")


def osd_carries(files: Files, tool: Tool, volume: str) -> bool:
    """Whether the cluster would serve all data without the OSD on this volume (``ceph osd ok-to-stop``).

    ``volume`` is the name of a logical volume as the mapper writes it, where each hyphen is doubled.
    """
    osd = _osd_of(files, volume)
    return osd is not None and tool(["ceph", "osd", "ok-to-stop", osd]) is not None


def _osd_of(files: Files, volume: str) -> str | None:
    """The number of the OSD, from its directory on this host: ``osd/ceph-N``, or ``FSID/osd.N`` in a container."""
    named = _OSD_VOLUME.search(volume.replace("--", "-"))
    for folder in (f"{_OSD_DIRECTORY}/{each}" for each in names(files, _OSD_DIRECTORY)) if named else ():
        for name in names(files, folder):
            number = re.fullmatch(r"(?:ceph-|osd\.)(\d{1,9})", name, re.ASCII)
            if number and named and read(files, f"{folder}/{name}/fsid").strip() == named[1]:
                return number[1]
    return None
