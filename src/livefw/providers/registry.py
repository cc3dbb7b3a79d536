# SPDX-License-Identifier: Apache-2.0
"""All providers there are. A new mechanism is one new module and one line here."""

from __future__ import annotations

import os

from livefw.clock import SystemClock
from livefw.errors import TransportError, UsageError
from livefw.files.host import HostFiles
from livefw.providers import tables
from livefw.providers.lfa import agents
from livefw.providers.lfa.provider import LfaProvider

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from livefw.clock import Clock
    from livefw.files.host_facts import SystemFacts
    from livefw.files.protocol import Files
    from livefw.providers.base import Finding, Held, Provider


MECHANISMS = ("lfa", "tdx", "redfish", "pfrut", "sfs", "microcode", "nvme")
"""Names of all providers, whether or not their mechanism is on this machine; also of their tables in livefw.toml."""


def open_files(root: str, *, settings: str | None = None) -> HostFiles:
    """The files of the machine at ``root``. `UsageError` if it is no directory, or the settings are in none."""
    if settings and not os.path.isdir(settings):
        raise UsageError(f"--settings {settings} is no directory")
    try:
        return HostFiles(root, settings=settings)
    except OSError as error:
        kind = UsageError if isinstance(error, FileNotFoundError | NotADirectoryError) else TransportError
        raise kind(f"--root {root}: {error.strerror}", errno=error.errno) from error


def providers(files: Files, clock: Clock | None = None, *, held: Held | None = None) -> tuple[Provider, ...]:
    """Every mechanism, looking at one machine. `UsageError` where the settings are not to be relied on.

    ``held`` asks the history for what mechanisms hold and do not show.
    """
    found = [each for name in MECHANISMS if (each := provider(name, files, clock, held=held))]
    return tuple(_linked(found, files, clock) if tables.mentions(files, "link") else found)


def provider(name: str, files: Files, clock: Clock | None = None, *, held: Held | None = None) -> Provider | None:
    """One mechanism; None if it is not on this machine, except for LFA, which says so itself. `UsageError`.

    ``held`` as for `providers`.
    """
    clock = clock or SystemClock()
    if name == "lfa":
        return LfaProvider(files, clock, agent=agents.stated(files))
    # Redfish is there where the settings name a BMC.
    there = tables.mentions(files, name) if name == "redfish" else _is_there(files, _DEVICES[name])
    made: Any = _load(name)(files, clock) if there else None
    if held and hasattr(made, "held"):
        made.held = held
    return made  # type: ignore[no-any-return]


def _linked(found: list[Provider], files: Files, clock: Clock | None) -> list[Provider]:
    """The providers, LFA's with the links of the settings if there are any. `UsageError`."""
    from livefw.providers import links  # as below

    there: Any = next((each for each in found if each.name == links.WAY), None)
    known = links.read_links(files, there.hosts if there else ())
    if not known or there is None:
        return found
    from livefw.providers.linked.provider import LinkedProvider  # only where there are links

    clock = clock or SystemClock()
    return [LinkedProvider(each, there, known, clock) if each.name == "lfa" else each for each in found]


def why_absent(name: str, facts: SystemFacts) -> Finding:
    """Why there is no such mechanism; for those of which `provider` gives None."""
    from importlib import import_module  # only for a diagnosis

    from livefw.providers.requirements import why_absent as explained

    return explained(import_module(f"livefw.providers.{name}.requirements").NEEDS, facts)


def _is_there(files: Files, path: str) -> bool:
    """Where not even this can be seen, as on a mount whose server died, the LFA provider meets the same and says so."""
    try:
        return files.exists(path)
    except OSError:
        return False


def _load(name: str) -> Callable[[Files, Clock], Provider]:
    from importlib import import_module  # only where there is one of these devices

    made: Callable[[Files, Clock], Provider] = getattr(
        import_module(f"livefw.providers.{name}.provider"), f"{name.capitalize()}Provider"
    )
    return made


_DEVICES = {
    "tdx": "/sys/devices/faux/tdx_host",
    "pfrut": "/dev/acpi_pfr_update0",
    "sfs": "/dev/sfs",
    "microcode": "/sys/devices/system/cpu/microcode/reload",
    "nvme": "/sys/class/nvme",
}
"""What shows that a mechanism is there. Its provider is imported only then."""
