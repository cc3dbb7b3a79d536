# SPDX-License-Identifier: Apache-2.0
"""A machine's description: one TOML file, decoded strictly, errors named by file and key."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from importlib import resources
from types import MappingProxyType
from typing import Any, get_type_hints

import msgspec

from livefw import reading, suggest, toml
from livefw.abi.guid import Guid
from livefw.errors import UsageError
from livefw.firmware.profile import PROFILES
from livefw.firmware.spec import AfterActivation, ComponentKind, ComponentSpec
from livefw.kernel.lfa import VERSIONS, Notification
from livefw.kernel.release import Kernel
from livefw.machine.catalog import ALL_FAULTS
from livefw.machine.faults import FaultRequest
from livefw.machine.tdx import TdxSpec

MAX_CPUS = 4096
"""Linux's own limit on arm64 (CONFIG_NR_CPUS). One stop_machine costs the model about 20 microseconds a CPU."""

MAX_COMPONENTS = 100_000
"""Ten times what the bench needs. Each takes about 10 kB in the modelled kernel, and a discovery reads them all."""

MAX_FILE = 16 * 1024 * 1024
"""A description is read whole; `MAX_COMPONENTS` written out fit in it."""

NAME = r"[a-z0-9][a-z0-9._-]{0,31}"
"""Names become file names in the runtime directory, and a Unix socket's path is 108 bytes at most."""


CHOICES: Mapping[str, Mapping[str, object]] = MappingProxyType({"agent": PROFILES, "driver": VERSIONS})
"""Tables of which a field of a `MachineConfig` names a row."""


class ConfigError(UsageError):
    """A description that cannot be: ``source`` is its file or platform, ``key`` the culprit, such as ``$.cpus``."""

    def __init__(self, source: str, key: str, reason: str, *, hint: str = "") -> None:
        super().__init__(f"{source}: {key}: {reason}" if key else f"{source}: {reason}", hint=hint)
        self.source = source
        self.key = key
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """Any number of like components, for scale. GUIDs are made from the index, and the same every time."""

    count: int = 10
    """Number of components."""
    kind: ComponentKind = ComponentKind.CONTROLLER
    """What sort of firmware each of them is."""
    pending_every: int = 10
    """Every so many a component has an image staged; 0: none has."""
    prime_ms: float = 0.0
    """Duration of PRIME in ms."""
    activate_ms: float = 1.0
    """Duration of ACTIVATE in ms.

    Not 0: where all CPUs activate a component without a holding pen, the later ones must find the first at work.
    """

    def __post_init__(self) -> None:
        if min(self.count, self.pending_every) < 0:
            raise ValueError("grid: a number below 0")
        self._component(0)  # SpecError if its times cannot be

    def components(self) -> tuple[ComponentSpec, ...]:
        """All components; ``1.index`` is their version."""
        return tuple(self._component(index) for index in range(self.count))

    def _component(self, index: int) -> ComponentSpec:
        staged = self.pending_every > 0 and index % self.pending_every == 0
        return ComponentSpec(
            guid=str(Guid(hashlib.sha256(f"livefw grid {index}".encode()).digest()[:16])),
            kind=self.kind,
            current_version=f"1.{index}",
            pending_version=f"2.{index}" if staged else None,
            prime_steps=1,
            prime_ms=self.prime_ms,
            activate_steps=1,
            activate_ms=self.activate_ms,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineConfig:
    """A machine. `ConfigError` comes from `load`; building one by hand raises ValueError for what cannot be."""

    name: str
    """Name of the platform: lower-case letters, digits, dots, dashes and underscores."""
    description: str = ""
    """One line about the machine."""
    cpus: int = 4
    """Number of CPUs, all online after boot."""
    agent: str = "tfa-2026"
    """Agent profile: the release of TF-A that answers the calls."""
    driver: str = "v3"
    """Version of the Linux driver."""
    notification: Notification = Notification.NONE
    """How the platform tells the driver that something changed."""
    kernel: str = "7.2.0"
    """What ``/proc/sys/kernel/osrelease`` says; some of what the driver answers depends on the version in it."""
    zeroes_stack: bool = True
    """Whether the kernel was built with CONFIG_INIT_STACK_ALL_ZERO, so that nothing reads an unwritten stack."""
    components: tuple[ComponentSpec, ...] = ()
    """Components in the order of their sequence ids."""
    grid: Grid | None = None
    """Further components, for scale."""
    tdx: TdxSpec | None = None
    """Makes it a machine with Intel TDX; it has LFA as well if there are components."""
    faults: tuple[FaultRequest, ...] = ()
    """In force from before the driver loads."""
    notes: tuple[str, ...] = ()
    """Sources, and what to know of the real machine."""
    invented: tuple[str, ...] = ()
    """What is not public of the real machine, and invented here."""

    def __post_init__(self) -> None:
        if not re.fullmatch(NAME, self.name):
            raise ValueError("name: up to 32 of a-z, 0-9, dot, dash and underscore, and no dot or dash first")
        if not 1 <= self.cpus <= MAX_CPUS:
            raise ValueError(f"cpus: {self.cpus} is not between 1 and {MAX_CPUS}")
        for field, table in CHOICES.items():
            _one_of(field, getattr(self, field), table)
        _ = self.running  # ValueError for a kernel without a version
        for request in self.faults:
            _one_of("faults.name", request.name, ALL_FAULTS)
        if len(self.components) + (self.grid.count if self.grid else 0) > MAX_COMPONENTS:
            raise ValueError(f"components: more than {MAX_COMPONENTS}")

    @property
    def running(self) -> Kernel:
        """The kernel."""
        return Kernel(release=self.kernel, zeroes_stack=self.zeroes_stack)

    @property
    def all_components(self) -> tuple[ComponentSpec, ...]:
        """Components that are written out, then those of the grid; the order is that of the sequence ids."""
        return self.components + (self.grid.components() if self.grid else ())

    def with_components(self, count: int) -> "MachineConfig":
        """The same with another size of its grid; `UsageError` if it has none."""
        if self.grid is None:
            raise UsageError(
                f"the platform {self.name} has a fixed set of components", hint="livefw machine run --platform grid"
            )
        try:
            return replace(self, grid=replace(self.grid, count=count))
        except ValueError as error:
            raise UsageError(str(error)) from None


class _NotOneOfError(ValueError):
    """A value that is not in its table."""

    def __init__(self, field: str, value: str, table: Mapping[str, object]) -> None:
        super().__init__(f"{field}: {value!r} is not one of {suggest.listed(table)}")
        self.hint = suggest.hint(value, table)


def _one_of(field: str, value: str, table: Mapping[str, object]) -> None:
    if value not in table:
        raise _NotOneOfError(field, value, table)


def platforms() -> tuple[str, ...]:
    """Names of the platforms that come with livefw."""
    files = resources.files("livefw.machine").joinpath("platforms").iterdir()
    return tuple(sorted(file.name.removesuffix(".toml") for file in files if file.name.endswith(".toml")))


def load(platform: str) -> MachineConfig:
    """Read a shipped platform by name, or a file by a path that has a slash or ends in ``.toml``.

    `ConfigError` if it cannot be read or cannot be; `UsageError` for a name that nobody has.
    """
    if "/" in platform or platform.endswith(".toml"):
        try:
            text = reading.read(platform, MAX_FILE)
        except OSError as error:
            raise ConfigError(platform, "", error.strerror or str(error)) from error
        return decode(text, source=platform)
    if platform not in platforms():
        more = "livefw machine run --list shows them; a file is ./NAME.toml"
        raise UsageError(f"there is no platform {platform[:60]!r}", hint=suggest.hint(platform, platforms(), rest=more))
    file_of = resources.files("livefw.machine").joinpath("platforms", f"{platform}.toml")
    return decode(file_of.read_bytes(), source=f"platform {platform}")


def decode(text: bytes, *, source: str) -> MachineConfig:
    """Decode a description; `ConfigError`."""
    if len(text) > MAX_FILE:
        raise ConfigError(source, "", f"larger than {MAX_FILE} bytes")
    try:
        table = toml.loads(text)
    except ValueError as error:
        raise ConfigError(source, "", f"not TOML: {error}") from error
    return from_table(table, source=source)


def from_table(table: dict[str, Any], *, source: str) -> MachineConfig:
    """A description that was read from TOML; `ConfigError`."""
    _check_keys(table, MachineConfig, source, "$")
    try:
        return msgspec.convert(table, MachineConfig)
    except msgspec.ValidationError as error:
        reason, _, key = str(error).partition(" - at `")
        hint = getattr(error.__cause__, "hint", "") or _enum_hint(reason, key.rstrip("`"))
        if lacks := re.fullmatch(r"Object missing required field `(\w+)`", reason):
            reason, hint = f"{lacks[1]} is missing", _required_hint(key, lacks[1])
        raise ConfigError(source, key.rstrip("`") or "$", reason, hint=hint) from error


def _enum_hint(reason: str, key: str) -> str:
    """What was meant where msgspec says ``Invalid enum value 'x'``."""
    value, name = reason.partition("'")[2].rstrip("'"), re.sub(r"\[\d*\.*\]$", "", key).rpartition(".")[2]
    for shape in (MachineConfig, *NESTED.values()):
        kind = get_type_hints(shape).get(name)
        if isinstance(kind, type) and issubclass(kind, StrEnum):
            return suggest.hint(value, kind, rest=f"the values are {', '.join(kind)}")
    return ""


def _required_hint(key: str, name: str) -> str:
    """What a key holds that is missing."""
    if name == "name" and "faults" in key:
        return 'name = "auth-error"; livefw machine fault --list'
    if name == "name":
        return 'name = "mine", of small letters, digits and . _ -'
    if name == "guid":
        return 'guid = "6c0762a6-12f2-4b56-92cb-ba8f633606d9" is an RMM; each component has its own'
    for shape in (MachineConfig, *NESTED.values()):
        kind = get_type_hints(shape).get(name)
        if isinstance(kind, type) and issubclass(kind, StrEnum):
            return f"{name} is one of {', '.join(kind)}"
    return ""


NESTED: Mapping[tuple[type, str], type] = {
    (MachineConfig, "components"): ComponentSpec,
    (MachineConfig, "grid"): Grid,
    (MachineConfig, "faults"): FaultRequest,
    (MachineConfig, "tdx"): TdxSpec,
    (ComponentSpec, "after_activation"): AfterActivation,
    (AfterActivation, "appears"): ComponentSpec,
}
"""Fields that hold tables of their own, and what these are."""


def _check_keys(value: Any, shape: Any, source: str, path: str) -> None:
    """Refuse keys that nobody knows: msgspec passes over them in dataclasses, and a typing error would go unseen."""
    if isinstance(value, list):
        for index, item in enumerate(value):
            _check_keys(item, shape, source, f"{path}[{index}]")
    elif isinstance(value, dict):
        known = {field.name for field in fields(shape)}
        for key, item in value.items():
            if key not in known:
                hint = suggest.hint(key, known, rest=f"the keys are {', '.join(sorted(known))}")
                if shape is ComponentSpec and suggest.hint(key, ["name"]):
                    hint = "a component is named by the driver, which knows the guid of BL31, BL33 and the RMM"
                raise ConfigError(source, f"{path}.{key}", "unknown key", hint=hint)
            nested = NESTED.get((shape, key))
            if nested is not None:
                _check_keys(item, nested, source, f"{path}.{key}")
