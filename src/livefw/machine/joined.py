# SPDX-License-Identifier: Apache-2.0
"""A BMC beside a modelled machine. Both have the same images: what is pushed to the BMC is pending for the agent.

The chain that the authors of Linux's LFA driver describe (RFC of June 2025): a BMC brings the image, the platform
notifies the operating system, and the image is activated in band. How a BMC and the agent share a store is up to a
platform (DEN0147 leaves it out); here the BMC writes the bank that the agent reads, after it has verified the package
as the agent will.
"""

import io
import re
import secrets
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial

from livefw.abi.guid import Guid
from livefw.errors import UsageError
from livefw.firmware.image import note
from livefw.firmware.image.errors import ImageError
from livefw.firmware.image.names import label
from livefw.firmware.store_platform import StorePlatform
from livefw.kernel.clock import SECOND
from livefw.kernel.sysfs import BinaryAttribute
from livefw.machine.bmc.documents import SYSTEM
from livefw.machine.bmc.firmware import Firmware, Pattern
from livefw.machine.bmc.model import Model
from livefw.machine.bmc.server import BmcServer
from livefw.machine.bmc.settings import USER, contents
from livefw.machine.bmc.web import Web
from livefw.machine.machine import Machine, title

_FORGED = re.compile(b"forged")
_VERSION = re.compile(rb"version=(\d+)\.(\d+)")


@dataclass(slots=True, kw_only=True)
class SharedFirmware(Firmware):
    """A component of the machine, as the BMC has it. It is activated by the machine only."""

    machine: Machine
    guid: Guid
    in_band: bool = True
    aside: str | None = None
    """A version that was received and not written where the agent looks."""

    def refresh(self, faults: frozenset[str]) -> None:
        """See `Firmware`: from what the firmware of the machine has."""
        with self.machine.runner.lock:
            platform = self.machine.platform
            try:
                component = platform.find(self.guid)
            except KeyError:
                return  # it went with an activation; the inventory keeps what it knew
            current, pending = platform.image_info(component)
            decode = platform.version(self.guid).decode
            waits = str(decode(pending)) if platform.is_activation_pending(component) else None
            commits = sum(commit.guid == self.guid for commit in platform.commits())
        self.staged = self.aside or waits
        runs = str(decode(current))
        if runs != self.running and "inventory-stays" not in faults:
            self.other, self.running = self.running, runs
            self.active_bank = (self.active_bank + 1) % self.banks
        if "measurement-stays" not in faults:
            self.generation = commits

    def objection(self, image: bytes | memoryview) -> str:
        """See `Firmware`: what the store has against a package, by the rules that the agent applies when it primes."""
        platform = self.machine.platform
        if not isinstance(platform, StorePlatform) or not self._is_stored(platform):
            return "The image is not authentic." if _FORGED.search(image) else ""
        try:
            verified = platform.check(io.BytesIO(image))
        except ImageError as error:
            return f"{error.message}."
        return "" if self.guid in verified.images else f"The package holds no {label(self.guid)}."

    def version_of(self, image: bytes | memoryview) -> str:
        """See `Firmware`."""
        platform = self.machine.platform
        if isinstance(platform, StorePlatform) and self._is_stored(platform):
            try:
                return str(note.read(platform.check(io.BytesIO(image)).images[self.guid].tail))
            except (ImageError, KeyError):
                return ""  # which `objection` explains
        if found := _VERSION.search(image):
            return f"{int(found[1])}.{int(found[2])}"
        runs = platform.version(self.guid)
        return str(runs._replace(minor=runs.minor + 1))

    def hold(self, image: bytes | memoryview, version: str, faults: frozenset[str]) -> None:
        """See `Firmware`: the bank is written, and the platform notifies the operating system. `ImageError`."""
        if "staged-aside" in faults:
            self.staged = self.aside = version
            return
        self.aside = None
        machine, platform = self.machine, self.machine.platform
        with machine.runner.lock:
            if isinstance(platform, StorePlatform) and self._is_stored(platform):
                platform.store.stage(io.BytesIO(image))
            else:
                machine.stage(str(self.guid), version)
        machine.notify()
        self.refresh(faults)

    def release(self) -> None:
        """See `Firmware`."""
        self.aside = None
        with self.machine.runner.lock:
            self.machine.platform.withdraw(self.guid)

    @property
    def software_id(self) -> str:
        """See `Firmware`: the GUID of the component."""
        return str(self.guid)

    def _is_stored(self, platform: StorePlatform) -> bool:
        return platform.holds(self.guid)


class JoinedBmc:
    """The state of the BMC of a machine; `Machine.bmc` is set to it."""

    def __init__(
        self, machine: Machine, now: Callable[[], float], *, seconds: float = 2.0, faults: Iterable[str] = ()
    ) -> None:
        """``seconds`` is how long a task takes. `UsageError` if the machine has no component."""
        if not machine.config.all_components:
            raise UsageError("a BMC brings images of LFA components, and this machine has none")
        self._firmware = firmware = _firmware(machine)
        self.model = Model(now, pattern=Pattern.STAGE, seconds=seconds, firmware=firmware, faults=faults)
        self.links = {str(each.guid): each.uris()[0].rpartition("/")[2] for each in firmware}
        """The members of its inventory, by the GUID of the component."""
        self.url = ""
        self._machine = machine
        machine.bmc = self

    def inject(self, fault: str) -> None:
        """Let this go wrong from now on, by a name of `livefw.machine.bmc.faults.FAULTS`."""
        self.model.faults |= {fault}

    def clear_faults(self) -> None:
        """Let everything behave from now on."""
        self.model.faults = frozenset()
        for each in self._firmware:
            each.aside = None

    def write_settings(self, url: str, certificate: bytes, password: str) -> Mapping[str, str]:
        """Add settings, certificate and credentials to the files of the machine, and return their paths."""
        found = contents(url, certificate, password, links=self.links)
        for name, data in found.items():
            tree = self._machine.tree.make_directories("/etc/livefw")
            tree.add(name, _file(data, 0o400 if name.endswith(".credentials") else 0o444))
        return {name: f"/etc/livefw/{name}" for name in found}


class JoinedServer:
    """The BMC of a machine on a socket of the loopback interface, until it is closed. Its clock is the machine's."""

    def __init__(self, machine: Machine, *, seconds: float = 2.0, faults: Iterable[str] = ()) -> None:
        """As `JoinedBmc`; its settings are among the files of the machine then. OSError if no port can be bound."""
        self.bmc = JoinedBmc(machine, lambda: machine.os.now() / SECOND, seconds=seconds, faults=faults)
        self.password = secrets.token_urlsafe(18)
        self.web = Web(self.bmc.model, {USER: self.password})
        self.server = BmcServer(self.web)
        self.bmc.url = self.server.url
        self.settings = self.bmc.write_settings(self.server.url, self.server.pem.certificate, self.password)

    @property
    def url(self) -> str:
        """Where it is."""
        return self.server.url

    def close(self) -> None:
        """Serve no more."""
        self.server.close()


def _firmware(machine: Machine) -> list[SharedFirmware]:
    components = machine.platform.components()
    kinds = Counter(each.kind for each in components)
    found = []
    for each in components:
        short = str(each.guid)[:8]
        ident = str(each.kind) if kinds[each.kind] == 1 else f"{each.kind}-{short}"
        name = title(each.guid) or f"{each.kind} {short}"
        found.append(
            SharedFirmware(
                ident,
                f"{name} (CPU0)",
                f"{SYSTEM}/Processors/CPU0",
                banks=2,
                running=str(machine.platform.version(each.guid)),
                other="0.0",
                machine=machine,
                guid=each.guid,
            )
        )
    return found


def _file(data: bytes, mode: int) -> BinaryAttribute:
    return BinaryAttribute(mode=mode, read_at=partial(_read_at, data), length=lambda: len(data))


async def _read_at(data: bytes, offset: int, size: int) -> bytes:
    return data[offset : offset + size]
