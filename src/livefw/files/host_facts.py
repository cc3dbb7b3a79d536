# SPDX-License-Identifier: Apache-2.0
"""What the files of a machine say about its processor, kernel and firmware: facts that decide which mechanism it has.

Each is bounded, and None where it is not known. An option that no file names is not known; it is not "no".
"""

import re
import zlib
from enum import StrEnum
from functools import cached_property

from livefw.files.protocol import Files
from livefw.text import decode

_CONFIG_BYTES = 4 << 20
"""Bytes of a kernel configuration that are read, compressed or not. Distributions' have 0.3 MB."""
_LIST_BYTES = 16 << 20
"""Bytes of ``modules.dep`` that are read. Distributions' have 0.7 MB."""
_CPUINFO_BYTES = 1 << 16
"""Of ``/proc/cpuinfo`` the first processor is read."""
_RELEASE = re.compile(r"[\w.+~-]{1,64}", re.ASCII)
_GUESTS = r"QEMU|KVM|VMware|Xen|Virtual Machine|VirtualBox|Amazon EC2|Google Compute Engine|OpenStack|Bochs"
_ACPI = "/sys/bus/acpi/devices"
_PRESENT = 1
"""Bit of ``status`` (ACPI, _STA)."""
_DMI = "/sys/devices/virtual/dmi/id"


class Module(StrEnum):
    """Where a kernel module is."""

    LOADED = "loaded"
    BUILT_IN = "built-in"
    AVAILABLE = "available"
    """It is on disk and not loaded."""
    ABSENT = "absent"
    """The lists of the running kernel's modules do not have it."""
    UNKNOWN = "unknown"


class SystemFacts:
    """The facts of the machine behind ``files``, each read once."""

    def __init__(self, files: Files) -> None:
        self._files = files

    @cached_property
    def machine(self) -> str:
        """The architecture as in uname(2); empty if unknown."""
        return self.line("/proc/sys/kernel/arch") or ("x86_64" if self.cpu.get("vendor_id") else "")

    @cached_property
    def release(self) -> str:
        """The kernel's release; empty if unknown."""
        return self.line("/proc/sys/kernel/osrelease")

    @cached_property
    def cpu(self) -> dict[str, str]:
        """The first processor of ``/proc/cpuinfo``; empty if unknown."""
        record = self.text("/proc/cpuinfo", _CPUINFO_BYTES).split("\n\n", 1)[0]
        pairs = (line.partition(":") for line in record.split("\n") if ":" in line)
        return {name.strip(): value.strip() for name, _, value in pairs}

    def has_flag(self, name: str) -> bool | None:
        """Whether the processor has a flag of ``/proc/cpuinfo``."""
        return name in self.cpu["flags"].split() if "flags" in self.cpu else None

    def option(self, name: str) -> str | None:
        """``y``, ``m`` or ``n`` for an option of the running kernel's configuration, such as ``CONFIG_ACPI_PFRUT``."""
        if self._config is None:
            return None
        found = re.search(rf"^{re.escape(name)}=(.)".encode(), self._config, re.MULTILINE)
        return decode(found[1]) if found else "n"

    def module(self, name: str) -> Module:
        """Where a module is."""
        if self.exists(f"/sys/module/{name}"):
            return Module.LOADED
        pattern = re.compile(rb"/%s\.ko" % name.encode().replace(b"_", b"[_-]"))
        seen = Module.UNKNOWN
        for parent in ("/usr/lib/modules", "/lib/modules") if self._is_release else ():
            for file, answer in (("modules.builtin", Module.BUILT_IN), ("modules.dep", Module.AVAILABLE)):
                data = self._bytes(f"{parent}/{self.release}/{file}", _LIST_BYTES)
                if data is not None and pattern.search(data):
                    return answer
                seen = seen if data is None else Module.ABSENT
        return seen

    def acpi(self, ident: str) -> bool | None:
        """Whether ACPI describes a device with this id, and its method _STA does not say that it is not present."""
        try:
            found = [name for name in self._files.names(_ACPI) if name.startswith(f"{ident}:")]
        except FileNotFoundError:
            return False if self.exists("/sys/bus") else None
        except OSError:
            return None
        states = [self.line(f"{_ACPI}/{name}/status") for name in found]
        return any(not state.isdecimal() or len(state) > 10 or int(state) & _PRESENT for state in states)

    @cached_property
    def guest(self) -> str:
        """The name of the hypervisor if the machine is virtual; empty if it is not, or does not say so."""
        if self.has_flag("hypervisor") is False:
            return ""  # on x86 it is set for every guest, and only there
        if kind := self.line("/sys/hypervisor/type"):
            return kind
        vendor, product = (self.line(f"{_DMI}/{name}") for name in ("sys_vendor", "product_name"))
        for text in (vendor, product) if not product.endswith(".metal") else ():  # as EC2 names those without one
            if re.search(_GUESTS, text):
                return text
        described = self.line("/sys/firmware/devicetree/base/hypervisor/compatible").rstrip("\0")
        return described or ("a hypervisor" if self.has_flag("hypervisor") else "")

    @cached_property
    def container(self) -> str:
        """The kind of container that these files are in; empty for none, or if it does not say so."""
        if kind := self.line("/run/systemd/container") or self.line("/run/host/container-manager"):
            return kind
        marks = {"/run/.containerenv": "podman", "/.dockerenv": "docker"}
        return next((kind for mark, kind in marks.items() if self.exists(mark)), "")

    def exists(self, path: str) -> bool:
        """Whether there is anything at this path; no if that cannot be seen."""
        try:
            return self._files.exists(path)
        except OSError:
            return False

    def line(self, path: str) -> str:
        """A text of one line; empty if it cannot be read."""
        return self.text(path).strip()

    def text(self, path: str, limit: int = 4096) -> str:
        """A text; empty if it cannot be read."""
        return decode(self._bytes(path, limit) or b"")

    @cached_property
    def _is_release(self) -> bool:
        return bool(_RELEASE.fullmatch(self.release)) and self.release not in (".", "..")

    @cached_property
    def _config(self) -> bytes | None:
        """The configuration of the running kernel (proc(5), ``CONFIG_IKCONFIG_PROC``; distributions: below /boot)."""
        packed = self._bytes("/proc/config.gz", _CONFIG_BYTES)
        if packed:
            try:
                return zlib.decompressobj(wbits=31).decompress(packed, _CONFIG_BYTES)
            except zlib.error:
                pass
        for path in (f"/boot/config-{self.release}", f"/usr/lib/modules/{self.release}/config"):
            if self._is_release and (text := self._bytes(path, _CONFIG_BYTES)):
                return text
        return None

    def _bytes(self, path: str, limit: int) -> bytes | None:
        try:
            return self._files.read(path, limit)
        except OSError:
            return None
