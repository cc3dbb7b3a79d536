# SPDX-License-Identifier: Apache-2.0
"""Which component an image is for: the one that the user names, or the one that its archive names."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from livefw.abi.guid import Guid
from livefw.activation.checks.facts import Facts
from livefw.activation.checks.table import ImageFindings
from livefw.activation.images import requirements
from livefw.activation.inventory.discovery import Candidate
from livefw.activation.inventory.guids import guids
from livefw.activation.inventory.select import select
from livefw.activation.inventory.versions import of_image
from livefw.activation.policy.document import Policy
from livefw.archive import cab
from livefw.archive.cab import CabImage
from livefw.archive.metainfo import RejectedRelease
from livefw.errors import AmbiguousComponent, NoSuchComponent, Refused, UsageError
from livefw.providers.base import Component, ImagePackage, Reason, Stager, Version, is_stager

_SIGNED_HINT = "image-keys and signed-images in livefw.toml"
_HINT = "fwupdmgr local-install FILE DEVICE, or livefw stage COMPONENT FILE"


class StagingRequest(NamedTuple):
    """A request to stage an image.

    ``word`` selects the component; None if the image does. ``ignore`` are names of checks.
    """

    package: ImagePackage
    word: str | None = None
    reason: str = ""
    ignore: tuple[str, ...] = ()


class StagingTarget(NamedTuple):
    """The component that an image is for, its provider, and the image.

    ``version`` is the one that the image's archive declares, None without an archive; ``archive`` is the archive's
    name, and ``image`` what is in it. ``others`` are all components that were there to choose from.
    """

    provider: Stager
    component: Component
    package: ImagePackage
    version: Version | None = None
    archive: str = ""
    image: CabImage | None = None
    others: tuple[Candidate, ...] = ()


def find_target(word: str | None, candidates: Sequence[Candidate], package: ImagePackage) -> StagingTarget:
    """The component that an image is for, and the image as the mechanism takes it: the one inside an archive.

    Raises:
        NoSuchComponent, AmbiguousComponent: the word or the archive does not select one component.
        UsageError: no component or several components take images, and none is named; or the archive is not valid.
        Refused: the mechanism does not take images.
    """
    chosen = (
        [select(word, candidates)]
        if word
        else [each for each in candidates if is_stager(each.provider, each.component)]
    )
    version, archive, image = None, "", None
    if cab.is_archive(package.head(len(cab.MAGIC))):
        (provider, component), image = _named(chosen, cab.read_each(b"".join(package.pieces())), package.release)
        version = of_image(image.about.version, component, image.about.version_format)
        archive = package.name
        package = ImagePackage(image.about.filename, image.payload)
    elif len(chosen) == 1:
        provider, component = chosen[0]
    else:
        text = f"{len(chosen)} components here accept images" if chosen else "nothing here takes images"
        raise UsageError(text, hint=_HINT if chosen else "they are staged by other means", phase="stage")
    if not is_stager(provider, component):
        raise Refused(f"{provider.name} cannot stage images", component=component.key, mechanism=provider.name)
    return StagingTarget(provider, component, package, version, archive, image, tuple(candidates))


def find_against(target: StagingTarget, facts: Facts, policy: Policy, keys: str) -> ImageFindings:
    """What there is against an image by its archive; ``keys`` is the directory of those that vouch for it."""
    from livefw.activation.images import signatures  # imports what only archives need

    image = target.image
    if image is None:
        why = Reason("signature", "the image is not in an archive, and nobody has signed it", _SIGNED_HINT)
        return ImageFindings((), why, blocks=True) if policy.signed_images else ImageFindings()
    candidate = Candidate(target.provider, target.component)
    required = requirements.unmet(requirements.RequirementContext(candidate, image.about, target.others, facts))
    found = signatures.of_image(image, keys)
    if found.holds:
        return ImageFindings(required)
    blocks = policy.signed_images or found.verdict is signatures.SignatureVerdict.BROKEN
    return ImageFindings(required, Reason("signature", f"the archive: {found.text}", _SIGNED_HINT), blocks=blocks)


def is_for(named: Iterable[str], candidate: Candidate) -> bool:
    """Whether the image of an archive is for this component, by any of its GUIDs."""
    wanted = {spelling for text in named for spelling in spellings(text)}
    return not wanted.isdisjoint(guids(candidate))


def spellings(text: str) -> tuple[str, ...]:
    """Both spellings of a GUID; none if the text is not a GUID."""
    try:
        guid = Guid.parse(text)
    except ValueError:
        return ()
    return str(guid), guid.efi


def _named(
    chosen: Sequence[Candidate], entries: Sequence[CabImage | RejectedRelease], release: str
) -> tuple[Candidate, CabImage]:
    """The component, and the first image that there is for it: what comes first is the newest (LVFS, "Metainfo Files").

    A first one that is damaged is an error, and no reason to take an older one.
    """
    first: dict[str, tuple[Candidate, CabImage | RejectedRelease]] = {}
    for each in chosen:
        for entry in entries:
            if release in ("", entry.version) and is_for(entry.guids, each):
                first.setdefault(each.component.key, (each, entry))
    if not first:
        for entry in entries:
            if isinstance(entry, RejectedRelease) and not entry.guids:
                raise entry.error
        wanted = ", ".join(guid for entry in entries for guid in entry.guids)
        raise NoSuchComponent(f"the archive is for {wanted[:200]}, and no component here accepts it", phase="stage")
    if len(first) > 1:
        keys = tuple(first)
        raise AmbiguousComponent(f"the archive is for {', '.join(keys)}", candidates=keys, hint=_HINT, phase="stage")
    ((candidate, found),) = first.values()
    if isinstance(found, RejectedRelease):
        raise found.error
    return candidate, found
