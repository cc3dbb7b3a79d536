# SPDX-License-Identifier: Apache-2.0
"""A machine and the images there are for it, looked at together, and told in the words of every mechanism."""

from collections.abc import Iterator
from typing import NamedTuple

from livefw.abi.tdx import TdxVersion
from livefw.files.protocol import Files
from livefw.providers.component import AttestedValue, Component, Cost, Flag, Reason, Rendezvous, Version
from livefw.providers.tables import FILE
from livefw.providers.tdx.images import ImagesError, TdxImage, TdxImages, scan
from livefw.providers.tdx.platform import read_platform
from livefw.providers.tdx.select import Judgement, TdxPlatform, choose, judge, objections, running_mrseam
from livefw.providers.tdx.settings import VARIABLE, Settings

PROVIDER = "tdx"
IDENT = "module"


class Outlook(NamedTuple):
    """What was seen. ``trouble`` is why images could not be judged at all; ``chosen`` is what would be loaded."""

    platform: TdxPlatform
    settings: Settings
    images: TdxImages | None = None
    judged: tuple[Judgement, ...] = ()
    chosen: TdxImage | None = None
    trouble: Reason | None = None


def look(files: Files, settings: Settings, *, tds_before: int | None = None, every: bool = False) -> Outlook | None:
    """Look at the machine, and at those images that can matter, or ``every`` one. None without a TDX host device.

    Versions of another series, and older ones, cannot matter, so that their files need not be read.
    """
    platform = read_platform(files, tds_before=tds_before)
    if platform is None:
        return None
    if settings.images is None:
        return Outlook(platform, settings, trouble=_NO_DIRECTORY)
    running = platform.version

    def matters(version: TdxVersion) -> bool:
        return every or (running is not None and version.series == running.series and version >= running)

    try:
        images = scan(settings.source or files, settings.images, signers=settings.signers, wanted=matters)
    except ImagesError as error:
        return Outlook(platform, settings, trouble=_NO_IMAGES.fill(what_is_wrong_with_the_directory=error))
    judged = tuple(judge(platform, images, settings.policy))
    chosen = choose(judged, settings.policy) if running else None
    return Outlook(platform, settings, images, judged, chosen)


_DIRECTORY_HINT = f"set [tdx] images in {FILE}, or {VARIABLE} in the environment"
_NO_IMAGES = Reason("images", "{what_is_wrong_with_the_directory}", _DIRECTORY_HINT)
_NO_DIRECTORY = Reason("not-pending", "no image directory is configured, so there is nothing to load", _DIRECTORY_HINT)
_NOTHING_FITS = Reason("not-pending", "no image in the directory can be loaded here", "livefw tdx candidates shows why")
_UP_TO_DATE = Reason("not-pending", "the directory has no newer image", "livefw tdx candidates lists them")


def reasons(seen: Outlook) -> tuple[Reason, ...]:
    """Why no update can be made now; empty if it can."""
    found = objections(seen.platform)
    if seen.trouble:
        return (*found, seen.trouble)
    if seen.chosen is None and not seen.platform.lost:
        newer = any(judged.image.version != seen.platform.version for judged in seen.judged)
        found = (*found, _NOTHING_FITS if newer else _UP_TO_DATE)
    return found


def notes(seen: Outlook) -> tuple[Reason, ...]:
    """What to know beforehand."""
    platform = seen.platform
    found = [_PERSISTENCE] if platform.node else []
    if platform.node and not platform.lost and platform.tds != 0:
        count = "the number of TDs is unknown" if platform.tds is None else f"{platform.tds} TDs exist"
        found.append(_TD_LAUNCH.fill(count=count))
    if seen.chosen and seen.chosen.converted:
        found.append(_CONVERTED.fill(path=seen.chosen.path))
    if seen.images and seen.images.mapping.unknown:
        keys = ", ".join(seen.images.mapping.unknown[:8])
        found.append(_UNKNOWN_RULES.fill(keys=keys))
    return tuple(found)


_PERSISTENCE = Reason(
    "volatile", "an update lasts until the next boot, when platform firmware loads its own copy again"
)
_TD_LAUNCH = Reason(
    "td-launch",
    "{count}: a TD that is being built during the update would be measured incorrectly, and neither kernel nor"
    " module reports it",
    "do not launch TDs during the update",
)
_CONVERTED = Reason("converted", "{path} has layout 0x100 and is loaded as 0x200")
_UNKNOWN_RULES = Reason("unknown-rules", "the compatibility table has unknown keys: {keys}")
_NOT_ACCEPTED = Reason(
    "attestation",
    "MRSEAM of {version} is not in the allow-list: relying parties may refuse every TD of this machine",
    "when they accept it, add to mrseam in [tdx] of livefw.toml what livefw plan COMPONENT shows",
)


def component(seen: Outlook) -> Component:
    """The module as every mechanism's components look."""
    platform = seen.platform
    return Component(
        provider=PROVIDER,
        id=IDENT,
        name="Intel TDX module",
        current_version=version(platform.version) if platform.version else None,
        pending=None if seen.trouble and seen.trouble.code == "images" else seen.chosen is not None,
        pending_version=version(seen.chosen.version) if seen.chosen else None,
        cost=Cost(Rendezvous.REQUIRED, resets_cpu=False),
        reasons=reasons(seen),
        notes=notes(seen),
        details=tuple(_details(seen)),
        flag=Flag.ABSENT,
        hazards=tuple(_hazards(seen)),
        attestation=_attestation(seen),
    )


def _hazards(seen: Outlook) -> Iterator[Reason]:
    if seen.chosen and not seen.settings.policy.accepts(seen.chosen):
        yield _NOT_ACCEPTED.fill(version=seen.chosen.version)


def _attestation(seen: Outlook) -> AttestedValue | None:
    """MRSEAM is the SHA-384 of the module pages, which the image is judged by; with every image that has a version."""
    if seen.platform.version is None:
        return None
    pending = seen.chosen.seamhash if seen.chosen else None
    return AttestedValue("MRSEAM", running_mrseam(seen.platform, seen.images), pending)


def _details(seen: Outlook) -> list[tuple[str, str]]:
    platform, chosen = seen.platform, seen.chosen
    rows = [
        ("seamldr_version", platform.seamldr),
        ("num_remaining_updates", platform.slots),
        ("status", platform.status),
        ("tds", platform.tds),
        ("image", chosen.path if chosen else None),
        ("security version", chosen.svn if chosen else None),
        ("seamhash", chosen.seamhash if chosen else None),
    ]
    return [(name, str(value)) for name, value in rows if value is not None]


def version(value: TdxVersion) -> Version:
    """A version as every mechanism's components have it."""
    return Version(str(value), tuple(value))
