# SPDX-License-Identifier: Apache-2.0
"""What the files of a machine say about its TDX module (Linux ABI ``testing/sysfs-devices-faux-tdx-host``)."""

import errno
import os
from collections.abc import Callable
from typing import NamedTuple, TypeVar

from livefw.abi.tdx import TdxVersion, masked_eax
from livefw.files.protocol import Files
from livefw.providers.tdx.select import TdxPlatform
from livefw.text import decode

T = TypeVar("T")

DEVICE = "/sys/devices/faux/tdx_host"
NODE = f"{DEVICE}/firmware/tdx_module"
"""The place itself: ``/sys/class/firmware/tdx_module`` is a symbolic link to it."""

CPUS = "/sys/devices/system/cpu"
CPUINFO = "/proc/cpuinfo"
CGROUP = "/sys/fs/cgroup/misc.current"

_CPUINFO_LIMIT = 64 << 20
"""8192 CPUs, the most a kernel can be built for on x86, with 2 KiB each, and as much again for luck."""
_CPU_LIMIT = 1 << 16
"""Highest CPU number believed: ``0-99999999999`` must not eat memory."""
_DENIED = frozenset({errno.EACCES, errno.EPERM})


def read_platform(files: Files, *, tds_before: int | None = None) -> TdxPlatform | None:
    """Read everything that the rules look at; None if there is no TDX host device at all.

    ``tds_before`` is how many TDs there were at an earlier look.
    """
    version, error = _text(files, f"{DEVICE}/version")
    if error in (errno.ENOENT, errno.ENOTDIR):
        return None
    lost = error == errno.ENXIO
    problems = _Problems([], [])
    if error and not lost:
        problems.add("version", error)
    node = files.exists(f"{NODE}/loading")
    values = dict.fromkeys(("seamldr_version", "num_remaining_updates", "status", "loading"), "")
    if node:
        for name in values:
            path = f"{DEVICE if name in ROOT_ONLY else NODE}/{name}"
            values[name], error = _text(files, path)
            if error:
                problems.add(name, error)
    cpus, bugs = _cpuinfo(files)
    tds = _tds(files)
    return TdxPlatform(
        node=node,
        version=problems.parsed("version", version, TdxVersion.parse),
        lost=lost,
        status=values["status"] or None,
        loading=values["loading"] or None,
        slots=problems.parsed("num_remaining_updates", values["num_remaining_updates"], _number),
        seamldr=problems.parsed("seamldr_version", values["seamldr_version"], TdxVersion.parse),
        unreadable=tuple(problems.unreadable),
        denied=tuple(problems.denied),
        online=_cpu_list(files, "online"),
        present=_cpu_list(files, "present"),
        cpus=cpus,
        bugs=bugs,
        tds=tds,
        td_appeared=tds is not None and tds_before is not None and tds > tds_before,
    )


ROOT_ONLY = ("seamldr_version", "num_remaining_updates")
"""Files that only root may read, and that ask the loader each time."""


class _Problems(NamedTuple):
    unreadable: list[tuple[str, str]]
    denied: list[str]

    def add(self, name: str, error: int) -> None:
        if error in _DENIED and name in ROOT_ONLY and os.geteuid() != 0:
            self.denied.append(name)
        else:
            self.unreadable.append((name, os.strerror(error)))

    def parsed(self, name: str, text: str, parse: Callable[[str], T]) -> T | None:
        if not text:
            return None
        try:
            return parse(text)
        except ValueError:
            self.unreadable.append((name, f"not understood: {text[:40]!r}"))
            return None


def _text(files: Files, path: str) -> tuple[str, int]:
    try:
        return decode(files.read(path)).strip(), 0
    except OSError as error:
        return "", error.errno or errno.EIO


def _number(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 10):
        raise ValueError(text)
    return int(text)


def _cpu_list(files: Files, name: str) -> frozenset[int] | None:
    text, error = _text(files, f"{CPUS}/{name}")
    return None if error else cpu_list(text)


def cpu_list(text: str) -> frozenset[int] | None:
    """CPUs of a list such as ``0-3,8``; None if it is not one (Documentation/admin-guide/cputopology.rst)."""
    cpus: set[int] = set()
    for part in text.split(","):
        first, dash, last = part.partition("-")
        try:
            begin, end = _number(first), _number(last if dash else first)
        except ValueError:
            return None
        if not begin <= end < _CPU_LIMIT:
            return None
        cpus.update(range(begin, end + 1))
    return frozenset(cpus)


def _cpuinfo(files: Files) -> tuple[frozenset[int], frozenset[str]]:
    """CPU models as CPUID.1:EAX without stepping, and names of bugs; over all CPUs that are online."""
    try:
        text = decode(files.read(CPUINFO, _CPUINFO_LIMIT))
    except OSError:
        return frozenset(), frozenset()
    models, bugs = set(), set()
    for record in text.split("\n\n"):
        fields = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in record.split("\n"))}
        bugs.update(fields.get("bugs", "").split())
        try:
            models.add(masked_eax(family=_number(fields["cpu family"]), model=_number(fields["model"])))
        except (KeyError, ValueError):
            if "processor" in fields:
                return frozenset(), frozenset(bugs)  # an unknown CPU may be any
    return frozenset(models), frozenset(bugs)


def _tds(files: Files) -> int | None:
    """Key ids in use, one a TD from before its building starts (kernel, misc cgroup controller, resource ``tdx``)."""
    text, error = _text(files, CGROUP)
    for line in () if error else text.splitlines():
        name, _, count = line.partition(" ")
        if name == "tdx":
            try:
                return _number(count.strip())
            except ValueError:
                return None
    return None
