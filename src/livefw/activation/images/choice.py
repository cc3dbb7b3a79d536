# SPDX-License-Identifier: Apache-2.0
"""The image that somebody means: a file, a URI, or one of those that lie in the image directory."""

import errno
import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from livefw import reading
from livefw.activation.checks.facts import Facts
from livefw.activation.images import releases
from livefw.activation.images.directory import LocalImage
from livefw.activation.inventory.discovery import Inventory
from livefw.activation.inventory.select import select
from livefw.activation.policy.document import Policy
from livefw.errors import UsageError
from livefw.providers.base import ImageFile, ImagePackage

MOST_BYTES = 512 << 20
"""Largest image that is taken; the largest bundles for servers have about 200 MiB."""


def is_place(image: str) -> bool:
    """Whether it is a file or a URI, and not the version of an image in the image directory."""
    return "://" in image or os.path.lexists(image)


def local_image(
    word: str, wanted: str | None, found: Inventory, images: Sequence[LocalImage], policy: Policy, facts: Facts
) -> tuple[str, str, str]:
    """An image in the image directory for the component that a word names: its file, its version in the metainfo, and
    the SHA-256 that the file has to have by signed metadata, empty where there are none.

    ``wanted`` is its version, None for the newest that is newer than what runs. Errors as for `Inventory.require`,
    `select` and `releases.pick`.
    """
    candidate = select(word, found.require().candidates)
    known = releases.table([candidate], images, policy, facts, others=found.candidates).get(candidate.component.key, ())
    image = releases.pick(candidate.component, known, wanted)
    local = image.local
    return image.path, local.about.version if local else "", local.sha256 if local and local.signed else ""


@contextmanager
def opened(image: str, release: str = "", sha256: str = "") -> Iterator[ImagePackage]:
    """The image at a place, a file of which stays open. `UsageError` if it cannot be read, or is empty.

    ``release`` is which version is meant of an archive with several, and ``sha256`` what the file has to be.
    """
    if "://" in image:
        yield ImagePackage(image.partition("?")[0].rpartition("/")[2], uri=image)
        return
    try:
        file = reading.opened(image)
    except OSError as error:
        raise UsageError(f"{image}: {error.strerror}", errno=error.errno) from error
    with file:
        found = ImageFile(file)
        if found.size > MOST_BYTES:
            raise UsageError(f"{image}: it is larger than {MOST_BYTES:,} bytes", errno=errno.EFBIG)
        if not found.size:
            raise UsageError(f"{image} is empty")
        package = ImagePackage(os.path.basename(image), file=found, release=release)
        if sha256 and _digest(package) != sha256:
            raise UsageError(f"{image} is not the archive that the signed metadata name: its SHA-256 is another one")
        yield package


def _digest(package: ImagePackage) -> str:
    work = hashlib.sha256()
    for piece in package.pieces():
        work.update(piece)
    return work.hexdigest()
