# SPDX-License-Identifier: Apache-2.0
"""Which component an image is for: the one that was named, or the one that its archive names."""

from collections.abc import Sequence
from typing import NamedTuple

from livefw.abi.guid import Guid
from livefw.activation.inventory import Candidate
from livefw.activation.select import select
from livefw.daemon import cab
from livefw.daemon.cab import Image
from livefw.daemon.devices import guids
from livefw.daemon.metainfo import Metainfo
from livefw.errors import AmbiguousComponent, NoSuchComponent, Refused, UsageError
from livefw.providers.base import Component, Package, Stager

_HINT = "fwupdmgr local-install FILE DEVICE, or livefw stage COMPONENT FILE"


class Taker(NamedTuple):
    """A component and the provider that takes an image for it."""

    provider: Stager
    component: Component


def target(word: str | None, candidates: Sequence[Candidate], package: Package) -> tuple[Taker, Package]:
    """The component that takes the package, and what it is to be handed: of an archive, the image in it.

    `Refused` where it takes none, `UsageError` where the archive is for another or several might be meant.
    """
    chosen = [select(word, candidates)] if word else [each for each in candidates if isinstance(each.provider, Stager)]
    if cab.is_archive(package.data):
        (provider, component), package = _named(chosen, cab.read(package.data))
    elif len(chosen) == 1:
        provider, component = chosen[0]
    else:
        raise UsageError(f"{len(chosen)} components here take images", hint=_HINT, phase="stage")
    if not isinstance(provider, Stager):
        raise Refused(
            f"{provider.name} leaves it to others to stage images", component=component.key, mechanism=provider.name
        )
    return Taker(provider, component), package


def names(about: Metainfo, candidate: Candidate) -> bool:
    """Whether an archive's image is for this component, by any of its GUIDs in either spelling."""
    wanted = {spelling for text in about.guids for spelling in _spellings(text)}
    return not wanted.isdisjoint(guids(candidate))


def _spellings(text: str) -> tuple[str, ...]:
    try:
        guid = Guid.parse(text)
    except ValueError:
        return ()
    return str(guid), guid.efi


def _named(chosen: Sequence[Candidate], images: Sequence[Image]) -> tuple[Candidate, Package]:
    found = [(each, image) for each in chosen for image in images if names(image.about, each)]
    if not found:
        wanted = ", ".join(guid for image in images for guid in image.about.guids)
        raise NoSuchComponent(f"the archive is for {wanted[:200]}, and for nothing that could take it", phase="stage")
    if len(found) > 1:
        keys = tuple(each.component.key for each, _ in found)
        raise AmbiguousComponent(f"the archive is for {', '.join(keys)}", candidates=keys, hint=_HINT, phase="stage")
    ((candidate, image),) = found
    return candidate, Package(image.about.filename, image.payload)
