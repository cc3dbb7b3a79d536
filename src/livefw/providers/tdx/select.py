# SPDX-License-Identifier: Apache-2.0
"""Which image may be loaded on a machine as it is now, and why another may not.

The kernel checks little and P-SEAMLDR checks after the running module is shut down, so that a refusal there kills
every TD (Linux ``arch/x86/virt/vmx/tdx/seamldr.c``; public P-SEAMLDR source). Everything is therefore judged here
first: all rules are rows of `RULES`, every image is put to every rule, and only what is left over is chosen from.
"""

from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import NamedTuple

from livefw.abi.tdx import SEAMRET_ERRATUM, Svn, TdxVersion
from livefw.providers.base import Reason
from livefw.providers.tdx.images import TdxImage, TdxImages
from livefw.providers.tdx.mapping import ModuleRelease
from livefw.providers.tdx.releases import KNOWN


class TdxPlatform(NamedTuple):
    """A machine as its files show it; None is what is unknown."""

    node: bool
    """Whether the upload node is there."""
    version: TdxVersion | None = None
    lost: bool = False
    """The module was shut down by an update that failed."""
    status: str | None = None
    loading: str | None = None
    slots: int | None = None
    seamldr: TdxVersion | None = None
    unreadable: tuple[tuple[str, str], ...] = ()
    """Files that should have been readable: name and error."""
    denied: tuple[str, ...] = ()
    """Files that want more rights than the caller has."""
    online: frozenset[int] | None = None
    present: frozenset[int] | None = None
    cpus: frozenset[int] = frozenset()
    """CPUID.1:EAX of all CPU models, without stepping."""
    bugs: frozenset[str] = frozenset()
    tds: int | None = None
    """TDs that exist, as the misc cgroup controller counts their key ids."""
    td_appeared: bool = False
    """A TD came into being since the machine was looked at last, so it is likely to be under construction."""


class ReleaseChoice(StrEnum):
    """Which of several possible releases to take."""

    NEWEST = "newest"
    SMALLEST = "smallest"


class TdxPolicy(NamedTuple):
    """What an administrator may decide; the defaults are the careful ones."""

    step: ReleaseChoice = ReleaseChoice.NEWEST
    allow_debug: bool = False
    strict: bool = False
    """Only releases that the table calls strictly compatible with the running one."""
    assume_svn: bool = False
    """Take a later release's security version not to fall, where the running one's is unknown."""
    mrseam: frozenset[str] | None = None
    """Values of MRSEAM that relying parties accept, in lower-case hexadecimal; None if none is checked."""

    def accepts(self, image: TdxImage) -> bool:
        """Whether relying parties accept a TD under this module."""
        return self.mrseam is None or image.seamhash in self.mrseam


class ImageCandidate(NamedTuple):
    """An image together with what is said of it elsewhere."""

    image: TdxImage
    release: ModuleRelease | None
    running_svn: Svn | None


PlatformCheck = Callable[[TdxPlatform], str | None]
CandidateCheck = Callable[[TdxPlatform, ImageCandidate, TdxPolicy], str | None]


class SelectionRule(NamedTuple):
    """One rule: what ``check`` returns blocks an update; None lets it pass. ``about`` is what it finds."""

    code: str
    about: str
    hint: str
    check: PlatformCheck


class ImageRule(NamedTuple):
    """One rule about an image on a machine."""

    code: str
    about: str
    hint: str
    check: CandidateCheck


def _unsupported(platform: TdxPlatform) -> str | None:
    if SEAMRET_ERRATUM in platform.bugs:
        return f"this CPU has the erratum {SEAMRET_ERRATUM}, which prevents updates"
    return None if platform.node else "this TDX module or this kernel has no run-time update"


def _lost(platform: TdxPlatform) -> str | None:
    return "the TDX module was lost in a failed update, and every TD with it" if platform.lost else None


def _denied(platform: TdxPlatform) -> str | None:
    return f"no permission to read {', '.join(platform.denied)}" if platform.denied else None


def _unreadable(platform: TdxPlatform) -> str | None:
    texts = [f"{name} cannot be read: {error}" for name, error in platform.unreadable]
    return "; ".join(texts) or None


def _busy(platform: TdxPlatform) -> str | None:
    if platform.status not in ("idle", None):
        return f"an upload is running ({platform.status})"
    return "another process has started to load an image" if platform.loading not in ("0", None) else None


_NO_SLOTS = "the loader has no update slot left until the next reboot, or supports no updates"


def _no_slots(platform: TdxPlatform) -> str | None:
    return _NO_SLOTS if platform.slots == 0 else None


def _cpu_offline(platform: TdxPlatform) -> str | None:
    if platform.online is None or platform.present is None:
        return "the CPUs that are online are unknown"
    missing = sorted(platform.present - platform.online)
    names = ", ".join(map(str, missing[:8])) + (", ..." if len(missing) > 8 else "")
    return f"{len(missing)} of {len(platform.present)} CPUs are offline: {names}" if missing else None


def _cpu_unknown(platform: TdxPlatform) -> str | None:
    return None if platform.cpus else "the CPU models are unknown"


def _td_build(platform: TdxPlatform) -> str | None:
    return "a TD is being built" if platform.td_appeared else None


PLATFORM_RULES = (
    SelectionRule(
        "unsupported",
        "the processor, the module or the kernel cannot update it at run time",
        "a microcode update or a newer kernel may add it",
        _unsupported,
    ),
    SelectionRule(
        "module-lost",
        "the TDX module was lost in a failed update, and every TD with it",
        "reboot the machine; nothing else restores it",
        _lost,
    ),
    SelectionRule("no-permission", "required files cannot be read: no permission", "run it as root", _denied),
    SelectionRule(
        "unreadable",
        "required files cannot be read",
        "see the kernel log for lines of seamldr and virt/tdx",
        _unreadable,
    ),
    SelectionRule(
        "busy",
        "an upload is running, or another process has started to load an image",
        "wait for it; writing -1 to `loading` discards an image that was left behind",
        _busy,
    ),
    SelectionRule(
        "no-slots",
        _NO_SLOTS,
        "reboot; all slots are available again afterwards, and if none is, only newer platform firmware helps",
        _no_slots,
    ),
    SelectionRule(
        "cpu-offline",
        "CPUs are offline, or the offline CPUs are unknown",
        "bring every present CPU online; with nosmt or maxcpus= no update is possible",
        _cpu_offline,
    ),
    SelectionRule("cpu", "the CPU models are unknown", "look at /proc/cpuinfo", _cpu_unknown),
    SelectionRule("td-build", "a TD is being built", "stop launching TDs, then try again", _td_build),
)
"""Rules about the machine alone (TDX host ABI, Documentation/arch/x86/tdx.rst; class E of its failures for offline
CPUs: every INSTALL returns success, nothing is installed, and the old module can no longer be entered)."""


def _mapping(_: TdxPlatform, candidate: ImageCandidate, __: TdxPolicy) -> str | None:
    return None if candidate.release else "the compatibility table does not know this release"


def _series(platform: TdxPlatform, candidate: ImageCandidate, _: TdxPolicy) -> str | None:
    if platform.version is None or candidate.image.version.series == platform.version.series:
        return None
    return f"only the last number of {platform.version} can change at run time"


def _downgrade(platform: TdxPlatform, candidate: ImageCandidate, _: TdxPolicy) -> str | None:
    newer = platform.version is None or candidate.image.version >= platform.version
    return None if newer else f"older than {platform.version}, which is running"


def _same(platform: TdxPlatform, candidate: ImageCandidate, _: TdxPolicy) -> str | None:
    same = candidate.image.version == platform.version
    return "is running already; loading it again would cost a slot" if same else None


def _min_version(platform: TdxPlatform, candidate: ImageCandidate, _: TdxPolicy) -> str | None:
    release = candidate.release
    if release is None or platform.version is None or platform.version >= release.min_running:
        return None
    return f"preserves TDs only from {release.min_running} on, and {platform.version} is running"


def _seamldr(platform: TdxPlatform, candidate: ImageCandidate, _: TdxPolicy) -> str | None:
    release, loader = candidate.release, platform.seamldr
    if release is None or loader is None:
        return None
    if any(wanted.series == loader.series and wanted <= loader for wanted in release.min_seamldr):
        return None
    return (
        f"needs P-SEAMLDR {' or '.join(map(str, release.min_seamldr)) or '(none named)'}, and this machine has {loader}"
    )


def _cpu(platform: TdxPlatform, candidate: ImageCandidate, _: TdxPolicy) -> str | None:
    if candidate.image.cpus is None:
        return None
    missing = sorted(platform.cpus - set(candidate.image.cpus))
    return f"is not for this CPU ({', '.join(map('{:#010x}'.format, missing))})" if missing else None


def _debug(_: TdxPlatform, candidate: ImageCandidate, policy: TdxPolicy) -> str | None:
    return "is signed for debugging" if candidate.image.debug and not policy.allow_debug else None


def _svn(platform: TdxPlatform, candidate: ImageCandidate, policy: TdxPolicy) -> str | None:
    new, old = candidate.image.svn, candidate.running_svn
    if new is None or platform.version is None:
        return None
    if new.major == 0:
        return "has security version 0, which no loader accepts"
    if old is None:
        known = candidate.image.version == platform.version or policy.assume_svn
        return None if known else f"the security version of {platform.version}, which is running, is not known"
    if new.major != old.major:
        return f"security version {new} is not comparable with {old}, which is running"
    return f"security version {new} is lower than {old}, which is running" if new < old else None


def _image(_: TdxPlatform, candidate: ImageCandidate, __: TdxPolicy) -> str | None:
    return "; ".join(candidate.image.faults) or None


def _strict(platform: TdxPlatform, candidate: ImageCandidate, policy: TdxPolicy) -> str | None:
    sources = candidate.release.strict_from if candidate.release else None
    if not policy.strict or sources is None or platform.version is None or platform.version in sources:
        return None
    return None if platform.version == candidate.image.version else f"not strictly compatible with {platform.version}"


IMAGE_RULES = (
    ImageRule("image", "the image itself is invalid", "fetch it again", _image),
    ImageRule(
        "mapping",
        "the compatibility table does not know this release",
        "fetch mapping_file.json of the same revision as the images",
        _mapping,
    ),
    ImageRule(
        "series",
        "only the last number of the version can change at run time",
        "another series needs new platform firmware and a reboot",
        _series,
    ),
    ImageRule(
        "downgrade",
        "the image is older than the running module",
        "reboot to return to an older module, if platform firmware has it",
        _downgrade,
    ),
    ImageRule("same", "the image is running already; loading it again would cost a slot", "", _same),
    ImageRule(
        "min-version",
        "the image preserves TDs only from a later version than the running one",
        "update to an intermediate release first",
        _min_version,
    ),
    ImageRule(
        "seamldr",
        "the image needs a different P-SEAMLDR",
        "P-SEAMLDR comes with platform firmware; another series is no substitute",
        _seamldr,
    ),
    ImageRule("cpu", "the image is not for this CPU", "take the release that names this CPU", _cpu),
    ImageRule("debug", "the image is signed for debugging", "", _debug),
    ImageRule(
        "svn",
        "the security version is refused, lower than the running one, or not known",
        "keep the image of the running release in the directory; it provides the version. If it was never published, "
        "set assume_svn = true in [tdx] of livefw.toml",
        _svn,
    ),
    ImageRule("strict", "the image is not strictly compatible with the running module", "", _strict),
)
"""Rules about an image on this machine (mapping_file.json; public P-SEAMLDR, handler of SEAMLDR.INSTALL)."""

CODES = frozenset(rule.code for rule in (*PLATFORM_RULES, *IMAGE_RULES))


class Judgement(NamedTuple):
    """One image, and all that blocks it on this machine; nothing does if ``reasons`` is empty."""

    image: TdxImage
    reasons: tuple[Reason, ...]


def objections(platform: TdxPlatform) -> tuple[Reason, ...]:
    """What blocks any update on this machine now."""
    found = ((rule, rule.check(platform)) for rule in PLATFORM_RULES)
    return tuple(Reason(rule.code, text, rule.hint) for rule, text in found if text)


def judge(platform: TdxPlatform, images: TdxImages, policy: TdxPolicy) -> list[Judgement]:
    """Put every image to every rule about images, in order of version."""
    svn = running_svn(platform, images)
    judged = []
    for image in images.files:
        candidate = ImageCandidate(image, images.mapping.releases.get(image.version), svn)
        found = ((rule, rule.check(platform, candidate, policy)) for rule in IMAGE_RULES)
        judged.append(Judgement(image, tuple(Reason(rule.code, text, rule.hint) for rule, text in found if text)))
    return judged


def running_svn(platform: TdxPlatform, images: TdxImages) -> Svn | None:
    """Security version of the running module: from the table of known releases, else from its image, if sound."""
    if platform.version is None:
        return None
    if (known := KNOWN.get(platform.version)) is not None:
        return known.svn
    return next((i.svn for i in images.files if i.version == platform.version and not i.faults), None)


def running_mrseam(platform: TdxPlatform, images: TdxImages | None) -> str | None:
    """MRSEAM of the running module, which sysfs does not show: that of a release of its version.

    Of its image, if sound, as signers besides Intel may be trusted; else from the table of known releases.
    """
    for image in images.files if images else ():
        if image.version == platform.version and not image.faults:
            return image.seamhash
    known = KNOWN.get(platform.version) if platform.version else None
    return known.seamhash if known else None


def choose(judged: Iterable[Judgement], policy: TdxPolicy) -> TdxImage | None:
    """The image to load, or None. Of those that nothing blocks: the newest, or the one next to the running version.

    Where relying parties accept one of them, another is not considered.
    """
    free = [judgement.image for judgement in judged if not judgement.reasons]
    left = [image for image in free if policy.accepts(image)] or free
    take = max if policy.step is ReleaseChoice.NEWEST else min
    return take(left, key=lambda image: image.version, default=None)
