# SPDX-License-Identifier: Apache-2.0
"""A directory of module images, laid out like Intel's repository, so that a plain clone of it serves.

::

    mapping_file.json
    joined_files/<major>.<minor>/tdx_module_<version>.blob

An image does not say its version: that is in its file name only. A file is read once, and what was judged is what is
loaded.
"""

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from livefw.abi.tdx import Svn, TdxVersion
from livefw.abi.tdx_image import MAX_IMAGE, Sigstruct
from livefw.files.protocol import Files
from livefw.providers.tdx.blob import BlobError, parse
from livefw.providers.tdx.mapping import MAX_BYTES, NAME, Mapping, MappingError
from livefw.providers.tdx.mapping import parse as parse_mapping
from livefw.providers.tdx.releases import KNOWN
from livefw.providers.tdx.sigstruct import INTEL_SIGNER, objections, signer
from livefw.text import errno_text

FOLDER = "joined_files"
MAX_FILES = 4096
"""Files looked at; Intel published 20 in three years."""

_SERIES = re.compile(r"\d{1,5}\.\d{1,5}", re.ASCII)
_FILE = re.compile(r"tdx_module_(\d{1,5}\.\d{1,5}\.\d{1,5})\.blob", re.ASCII)


class ImagesError(Exception):
    """The directory cannot serve; the text names the file and what is wrong."""


class TdxImage(NamedTuple):
    """One image file. ``faults`` is what is wrong with it; the fields below are None where that hides them."""

    path: str
    version: TdxVersion
    faults: tuple[str, ...] = ()
    svn: Svn | None = None
    cpus: tuple[int, ...] | None = None
    debug: bool | None = None
    converted: bool = False
    """Whether the file has layout 0x100, which Linux does not take: `load` gives layout 0x200."""
    seamhash: str = ""


class TdxImages(NamedTuple):
    """All images of a directory, and what its table says of them."""

    folder: str
    mapping: Mapping
    files: tuple[TdxImage, ...]


def scan(
    files: Files,
    folder: str,
    *,
    signers: frozenset[str] = frozenset({INTEL_SIGNER}),
    wanted: Callable[[TdxVersion], bool] = lambda _: True,
) -> TdxImages:
    """Read the table and the images whose version is wanted.

    `ImagesError` if there is no usable table, or two files have the same version.
    """
    path = f"{folder}/{NAME}"
    try:
        mapping = parse_mapping(files.read(path, MAX_BYTES + 1))
        path = f"{folder}/{FOLDER}"
        found = [
            inspect(files, place, version, signers=signers)
            for place, version in _images(files, path)
            if wanted(version)
        ]
    except MappingError as error:
        raise ImagesError(f"{path}: {error}") from None
    except OSError as error:
        raise ImagesError(f"{path}: {errno_text(error)}") from None
    seen: dict[TdxVersion, TdxImage] = {}
    for image in found:
        if image.version in seen:
            raise ImagesError(f"{image.path} and {seen[image.version].path} are both {image.version}")
        seen[image.version] = image
    return TdxImages(folder, mapping, tuple(sorted(found, key=lambda image: image.version)))


def inspect(files: Files, path: str, version: TdxVersion, *, signers: frozenset[str]) -> TdxImage:
    """Judge one file by itself."""
    try:
        return judge(path, version, files.read(path, MAX_IMAGE + 1), signers=signers)[0]
    except BlobError as error:
        return TdxImage(path, version, (str(error),))
    except OSError as error:
        return TdxImage(path, version, (f"cannot be read: {errno_text(error)}",))


def load(files: Files, image: TdxImage, *, signers: frozenset[str]) -> bytes:
    """Bytes to load, judged again as they are read; `ImagesError` if the file is not what it was."""
    try:
        again, data = judge(image.path, image.version, files.read(image.path, MAX_IMAGE + 1), signers=signers)
    except BlobError as error:
        raise ImagesError(f"{image.path}: {error}") from None
    except OSError as error:
        raise ImagesError(f"{image.path}: {errno_text(error)}") from None
    if again != image:
        raise ImagesError(f"{image.path} was changed after it was chosen")
    return data


def judge(path: str, version: TdxVersion, data: bytes, *, signers: frozenset[str]) -> tuple[TdxImage, bytes]:
    """What is in an image, and the bytes that Linux takes; `BlobError` if it cannot even be taken apart."""
    blob = parse(data)
    structure = Sigstruct.decode(blob.sigstruct)
    faults = objections(structure, blob.module, signers=signers)
    known = KNOWN.get(version)
    seamhash = structure.seamhash.hex()
    if known is not None and known.seamhash != seamhash and signer(structure) == INTEL_SIGNER:
        other = next((str(v) for v, k in KNOWN.items() if k.seamhash == seamhash), "no published release")
        faults.append(f"the file is named {version}, but its module is {other}")
    try:
        cpus = structure.cpus
    except ValueError:
        cpus = None
    image = TdxImage(path, version, tuple(faults), structure.svn, cpus, structure.debug, blob.image != data, seamhash)
    return image, blob.image


def _images(files: Files, folder: str) -> Iterator[tuple[str, TdxVersion]]:
    """Every image file, and the version of its name. Other names are none of ours and are passed over."""
    count = 0
    for series in sorted(filter(_SERIES.fullmatch, files.names(folder))):
        for name in sorted(files.names(f"{folder}/{series}")):
            if match := _FILE.fullmatch(name):
                count += 1
                if count > MAX_FILES:
                    raise ImagesError(f"{folder}: more than {MAX_FILES} images")
                yield f"{folder}/{series}/{name}", TdxVersion.parse(match[1])
