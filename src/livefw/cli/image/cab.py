# SPDX-License-Identifier: Apache-2.0
"""``livefw image cab``: an archive as fwupd takes it, with the metainfo that says for which component its image is."""

import argparse
import os
import re
import time
from collections.abc import Callable
from typing import Any

from livefw import reading
from livefw.abi.guid import Guid
from livefw.activation.images import requirements, signatures
from livefw.activation.images.signatures import SignatureJudgement
from livefw.activation.inventory.guids import instance, made_guid
from livefw.archive import cab, metainfo, version_format
from livefw.archive.cab import CabImage
from livefw.archive.metainfo import Metainfo, RejectedRelease
from livefw.cli.invocation.session import CommandSession
from livefw.errors import ExitCode, UsageError
from livefw.text import printable


def configure(parser: argparse.ArgumentParser) -> None:
    """What to read, or to make it from."""
    parser.add_argument("archive", metavar="FILE.cab", help="the archive to look into or, with --image, to write")
    parser.add_argument("--image", metavar="FILE", help="make an archive of this image")
    parser.add_argument("--component", metavar="KEY", help="for which component: PROVIDER:ID, as livefw list has it")
    parser.add_argument("--version", metavar="X.Y", help="of the image; with --extract, of one of several")
    parser.add_argument("--name", help="what to call it (the KEY)")
    parser.add_argument(
        "--keys", metavar="DIR", help="verify the signatures in it by the keys there; 4 unless all images are signed"
    )
    parser.add_argument("--extract", metavar="FILE", help="write the image that is in the archive to this new file")


def run(session: CommandSession, arguments: argparse.Namespace) -> int:
    """Make or look."""
    if arguments.image is not None:
        image = _make(arguments)
        reading.write(arguments.archive, cab.write(image))
        return _answer(session.report, [image], [])
    entries = cab.read_each(reading.read(arguments.archive, cab.MOST_BYTES))
    if arguments.version is not None:
        entries = tuple(each for each in entries if each.version == arguments.version)
        if not entries:
            raise UsageError(f"{arguments.archive} has no version {arguments.version}")
    images = [each for each in entries if isinstance(each, CabImage)]
    rejected = [each for each in entries if isinstance(each, RejectedRelease)]
    if not images:
        raise rejected[0].error
    verified = _verified(images, arguments.keys)
    if arguments.extract is not None:
        if len(images) != 1:
            raise UsageError(
                f"there are {len(images)} images in {arguments.archive}, and --extract is for one",
                hint="name one with --version",
            )
        with open(arguments.extract, "xb") as file:
            file.write(images[0].payload)
        return _answer(session.report, images, rejected, verified)
    return _answer(session.answer, images, rejected, verified)


def _verified(images: list[CabImage], directory: str | None) -> list[SignatureJudgement] | None:
    """What the signatures of each image are worth; None if nobody asked."""
    if directory is None:
        return None
    if not os.path.isdir(directory):
        raise UsageError(f"{directory} is no directory")
    return [signatures.of_image(image, os.path.abspath(directory)) for image in images]


def _make(arguments: argparse.Namespace) -> CabImage:
    provider, colon, ident = (arguments.component or "").partition(":")
    if not (provider and colon and ident and arguments.version) or arguments.extract is not None:
        raise UsageError("--image goes with --component KEY and --version, and without --extract")
    with reading.opened(arguments.image) as file:
        payload = file.read(cab.MOST_BYTES // 2 + 1)
        changed = time.gmtime(os.fstat(file.fileno()).st_mtime)
    if not 0 < len(payload) <= cab.MOST_BYTES // 2:  # so that a receiver has space for the archive and the image
        raise UsageError(f"{arguments.image} has to have 1 byte to {cab.MOST_BYTES >> 21} MiB")
    filename = os.path.basename(arguments.image)
    if not metainfo.is_name(filename):
        raise UsageError(f"an image in an archive cannot be called {filename!r}", hint="ASCII, and no path")
    about = Metainfo(
        ident="org.livefw." + re.sub(r"[^A-Za-z0-9]+", "_", f"{provider}.{ident}"),
        name=arguments.name or arguments.component,
        summary=f"Firmware of {arguments.component}",
        guids=(*_own_guid(ident), made_guid(instance(provider, ident))),
        version=arguments.version,
        filename=filename,
        license="LicenseRef-proprietary",
        protocol=f"org.livefw.{provider}",
        version_format=version_format.shape(arguments.version),
        date=time.strftime("%Y-%m-%d", changed),
    )
    return CabImage(about, payload)


def _own_guid(ident: str) -> tuple[str, ...]:
    try:
        return (str(Guid.parse(ident)),)
    except ValueError:
        return ()


def _answer(
    tell: Callable[..., None],
    images: list[CabImage],
    rejected: list[RejectedRelease],
    verified: list[SignatureJudgement] | None = None,
) -> int:
    about: list[SignatureJudgement | None] = [*verified] if verified else [None] * len(images)
    left_out = [(each.version, each.error.message) for each in rejected]
    tell(
        lambda: "\n".join(
            [
                *(line for image, found in zip(images, about, strict=True) for line in _lines(image, found)),
                *(printable(f"left out: {f'{version}: ' if version else ''}{why}") for version, why in left_out),
            ]
        ),
        lambda: {
            "archive": [_document(image, found) for image, found in zip(images, about, strict=True)],
            "left_out": [{"version": version or None, "why": why} for version, why in left_out],
        },
    )
    return ExitCode.DONE if verified is None or all(each.holds for each in verified) else ExitCode.REFUSED


def _lines(image: CabImage, found: SignatureJudgement | None) -> list[str]:
    about = image.about
    lines = [f"{about.name} {about.version}: {about.filename}, {len(image.payload):,} bytes"]
    lines += [f"  for {guid}" for guid in about.guids]
    lines += [f"  requires {requirement}" for requirement in requirements.described(about.requirements)]
    if found:
        lines.append(f"  {found.text}")
    return list(map(printable, lines))


def _document(image: CabImage, found: SignatureJudgement | None) -> dict[str, Any]:
    about = image.about
    return {
        "id": about.ident,
        "name": about.name,
        "version": about.version,
        "file": about.filename,
        "size": len(image.payload),
        "guids": list(about.guids),
        "requires": requirements.described(about.requirements),
        "signature": None if found is None else {"verdict": found.verdict, "text": found.text},
    }
