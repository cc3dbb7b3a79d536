# SPDX-License-Identifier: Apache-2.0
"""The TDX half of a modelled machine: SEAM firmware, host driver, and the files that an update has to do with."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any, NamedTuple

from livefw.abi.tdx import STEPPING_MASK, Feature, Leaf, SeamldrStatus, Svn, TdxVersion
from livefw.errors import UsageError
from livefw.firmware.seam import SeamFirmware, SeamSpec, TdState
from livefw.firmware.tdx_image import SIGNER
from livefw.firmware.tdx_repository import EMR, GNR, GNR_D, RELEASES, SPR, SRF, files
from livefw.kernel.os import Os
from livefw.kernel.release import Kernel
from livefw.kernel.sysfs import Attribute, BinaryAttribute, Tree
from livefw.kernel.tdx import TdxHost
from livefw.machine.faults import FaultRequest, FaultScope, FaultSite

IMAGES = "/var/lib/livefw/tdx"
SETTINGS = f"""\
# Images of this modelled machine are signed by a fictitious vendor.
[tdx]
images = "{IMAGES}"
signers = ["{SIGNER}"]
"""

CPUS = {"spr": SPR, "emr": EMR, "srf": SRF, "gnr": GNR, "gnr-d": GNR_D}
"""CPU models by their usual abbreviation."""

_NAMES = {
    "spr": "Intel(R) Xeon(R) Platinum 8480+",
    "emr": "Intel(R) Xeon(R) Platinum 8592+",
    "srf": "Intel(R) Xeon(R) 6780E",
    "gnr": "Intel(R) Xeon(R) 6980P",
    "gnr-d": "Intel(R) Xeon(R) 6726P-B",
}
RANGES: Mapping[str, tuple[int, int]] = MappingProxyType({"slots": (0, (1 << 32) - 1), "tds": (0, 64)})
"""Smallest and largest value of the numbers of a `TdxSpec`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TdxSpec:
    """TDX of a machine's description. ValueError for what cannot be."""

    cpu: str
    """CPU model by its usual abbreviation."""
    module: str
    """Version of the TDX module that runs, as major.minor.update."""
    seamldr: str
    """Version of P-SEAMLDR, as major.minor.update."""
    slots: int = 3
    """Updates until the next boot; how many a real platform has is not public."""
    tds: int = 1
    """TDs that run from the start."""
    erratum: bool = False
    """The CPU has the bug seamret_invd_vmcs, which prevents updates."""
    td_preserving: bool = True
    """The module can be updated while TDs run."""
    detects_td_build: bool = False
    """A later kernel than 7.2, which answers device-busy while a TD is being built."""
    locked: bool = True
    """A production platform, which takes no debug modules."""
    lost: bool = False
    """The module was lost in an update before we look."""

    def __post_init__(self) -> None:
        if self.cpu not in CPUS:
            raise ValueError(f"tdx.cpu: {self.cpu!r} is not one of {', '.join(CPUS)}")
        for field, (low, high) in RANGES.items():
            if not low <= getattr(self, field) <= high:
                raise ValueError(f"tdx.{field}: {getattr(self, field)} is not between {low} and {high}")
        TdxVersion.parse(self.seamldr)
        self.svn  # noqa: B018 - raises if the module is unknown

    @property
    def svn(self) -> Svn:
        """Security version of the module that runs at boot; only modules of the table have one."""
        wanted = TdxVersion.parse(self.module)
        for release in RELEASES:
            if TdxVersion.parse(release.version) == wanted:
                return release.svn
        raise ValueError(f"tdx.module: {self.module} is not one of {', '.join(r.version for r in RELEASES)}")

    def seam(self, cpus: int) -> SeamSpec:
        """The firmware's part."""
        return SeamSpec(
            module=TdxVersion.parse(self.module),
            svn=self.svn,
            seamldr=TdxVersion.parse(self.seamldr),
            cpus=cpus,
            eax=frozenset({CPUS[self.cpu] & STEPPING_MASK}),
            slots=self.slots,
            features=Feature.TD_PRESERVING if self.td_preserving else 0,
            locked=self.locked,
        )


class TdxHalf:
    """SEAM firmware and its driver in a machine's kernel and tree."""

    def __init__(self, spec: TdxSpec, os: Os, tree: Tree, *, kernel: Kernel, cpus: int) -> None:
        self.seam = SeamFirmware(spec.seam(cpus))
        self.driver = TdxHost(
            os, tree, self.seam, kernel=kernel, erratum=spec.erratum, detects_td_build=spec.detects_td_build
        )
        self._spec = spec
        self._os = os
        for number in range(spec.tds):
            self.seam.add_td(f"td{number}")
        self._add(tree, "/proc/cpuinfo", self._cpuinfo)
        for path, data in files().items():
            self._add(tree, f"{IMAGES}/{path}", partial(bytes, data))
        self._add(tree, "/etc/livefw/livefw.toml", SETTINGS.encode)
        tree.make_directories("/sys/fs/cgroup").add("misc.current", Attribute(mode=0o444, show=self._show_tds))

    async def probe(self) -> bool:
        """Load the driver; whether there is a device."""
        found = await self.driver.probe()
        if self._spec.lost:
            self.lose()
        return found

    def lose(self) -> None:
        """Let an earlier update have failed."""
        self.driver.lose_module()
        self.seam.lose()

    def begin_td(self) -> None:
        """Begin to build one more TD."""
        self.seam.add_td(f"td{len(self.seam.tds)}", finished=False)

    def state(self) -> dict[str, Any]:
        """What the firmware knows, and files do not tell."""
        tds = [self.seam.td(name) for name in self.seam.tds]
        return {
            "module": str(self.seam.module_version),
            "state": self.seam.state.name.lower(),
            "svn": str(self.seam.svn),
            "slots": self.seam.slots,
            "tds": {state: sum(td.state is state for td in tds) for state in TdState},
            "wrong_measurements": sum(not td.measurement_right for td in tds),
        }

    async def _show_tds(self) -> str:
        return f"tdx {sum(self.seam.td(name).state is not TdState.DEAD for name in self.seam.tds)}\n"

    def _cpuinfo(self) -> bytes:
        eax = CPUS[self._spec.cpu]
        bugs = "spectre_v1 spectre_v2 swapgs" + " seamret_invd_vmcs" * self._spec.erratum
        lines = (
            "vendor_id\t: GenuineIntel",
            f"cpu family\t: {eax >> 8 & 15}",
            f"model\t\t: {eax >> 12 & 0xF0 | eax >> 4 & 15}",
            f"model name\t: {_NAMES[self._spec.cpu]}",
            f"stepping\t: {(eax & 15) or 2}",
            "flags\t\t: fpu vme de pse tsc msr lm constant_tsc vmx tdx_host_platform",
            f"bugs\t\t: {bugs}",
        )
        text = "\n".join(lines)
        return "".join(f"processor\t: {cpu}\n{text}\n\n" for cpu in self._os.online).encode()

    @staticmethod
    def _add(tree: Tree, path: str, content: Callable[[], bytes]) -> None:
        """A file that may be longer than a page."""

        async def read_at(offset: int, size: int) -> bytes:
            return content()[offset : offset + size]

        parent, _, name = path.rpartition("/")
        tree.make_directories(parent).add(
            name, BinaryAttribute(mode=0o444, read_at=read_at, length=lambda: len(content()))
        )


class TdxFault(NamedTuple):
    """One row of the table; see `livefw.machine.faults.Fault`."""

    name: str
    text: str
    apply: Callable[[TdxHalf, int], None]
    where: FaultSite = FaultSite.SEAM
    target: FaultScope = FaultScope.NONE
    options: tuple[str, ...] = ()


def _answers(leaf: Leaf, status: int = SeamldrStatus.EUNSPECERR) -> Callable[[TdxHalf, int], None]:
    return lambda half, times: half.seam.inject(leaf, status, times=times)


_ROWS = (
    TdxFault("tdx-shutdown", "the module refuses to be shut down: nothing is changed", _answers(Leaf.TDH_SYS_SHUTDOWN)),
    TdxFault("tdx-install", "P-SEAMLDR refuses the image: the module is lost", _answers(Leaf.SEAMLDR_INSTALL)),
    TdxFault("tdx-entropy", "P-SEAMLDR has no entropy: the module is lost",
             _answers(Leaf.SEAMLDR_INSTALL, SeamldrStatus.ENOENTROPY)),
    TdxFault("tdx-init", "the new module does not start: the module is lost", _answers(Leaf.TDH_SYS_INIT)),
    TdxFault("tdx-init-cpu", "the new module fails on one CPU: the module is lost", _answers(Leaf.TDH_SYS_LP_INIT)),
    TdxFault("tdx-restore", "the new module loses the TDs: the module is lost", _answers(Leaf.TDH_SYS_UPDATE)),
    TdxFault("tdx-loader", "P-SEAMLDR does not answer queries", _answers(Leaf.SEAMLDR_INFO)),
    TdxFault("tdx-lost", "the module was lost in an earlier update", lambda half, _: half.lose()),
    TdxFault("tdx-td-build", "a TD is being built from now on", lambda half, _: half.begin_td()),
)  # fmt: skip

TDX_FAULTS: Mapping[str, TdxFault] = MappingProxyType({row.name: row for row in _ROWS})
"""What can be made to go wrong with TDX."""

_FOR_EVER = 1 << 62


def inject(half: TdxHalf | None, request: FaultRequest) -> TdxFault:
    """Inject a fault from now on; `UsageError` if the request is invalid."""
    fault = TDX_FAULTS[request.name]
    if half is None:
        raise UsageError("this machine has no TDX", hint="livefw machine run --platform tdx-spr")
    for option in ("component", "function", "code", "ms", "cpu", "count"):
        if getattr(request, option) is not None:
            raise UsageError(f"the fault {fault.name} has no option {option}")
    times = _FOR_EVER if request.times is None else request.times
    if times < 1:
        raise UsageError(f"times: {times} is not above 0")
    fault.apply(half, times)
    return fault
