# SPDX-License-Identifier: Apache-2.0
"""A TDX module image as it is found in a file: taken apart within bounds, and brought into the layout Linux takes.

Nothing is believed before it is compared with the length of the file. The checks of the kernel (Linux
``arch/x86/virt/vmx/tdx/seamldr.c``) are repeated here in its order, and what it leaves out is added, because
everything that it leaves out comes to light only after the running module has been shut down.
"""

from typing import NamedTuple

from livefw.abi.tdx_image import (
    LAYOUT_1,
    LAYOUT_2,
    MAGIC,
    MAX_IMAGE,
    MAX_MODULE_PAGES,
    MAX_SIGSTRUCT_PAGES,
    MODULE_OFFSET,
    PAGE,
    SIGSTRUCT_SIZE,
    Header1,
    Header2,
    header2,
    layout,
    with_checksum,
    word_sum,
)


class BlobError(ValueError):
    """The image is not one; the text says what is wrong with it and where."""


class Blob(NamedTuple):
    """The parts of an image that passed every check of its own layout."""

    layout: int
    sigstruct: bytes
    module: bytes
    image: bytes
    """In layout 0x200, whatever the file had: signatures cover neither header, so nothing is lost."""


def parse(data: bytes) -> Blob:
    """Take an image apart.

    Raises:
        BlobError: it is too short, too long, of an unknown layout, contradicts its own length, has padding that is
            not zero, no module at all, or a wrong checksum.
    """
    if len(data) < PAGE:
        raise BlobError(f"{len(data)} bytes, less than the header page of {PAGE}")
    if len(data) > MAX_IMAGE:
        raise BlobError(f"{len(data)} bytes, more than the {MAX_IMAGE} that can be loaded")
    found = layout(data)
    if found == LAYOUT_2:
        _check_2(Header2.decode(data), len(data))
    elif found == LAYOUT_1:
        _check_1(Header1.decode(data), len(data))
    else:
        raise BlobError(f"layout {found:#x} at offset 0, where only {LAYOUT_1:#x} and {LAYOUT_2:#x} are known")
    if any(data[PAGE + SIGSTRUCT_SIZE : MODULE_OFFSET]):
        raise BlobError(f"bytes {PAGE + SIGSTRUCT_SIZE} to {MODULE_OFFSET - 1} after the signature structure not zero")
    if total := word_sum(data):
        raise BlobError(f"checksum wrong: the 16-bit words add up to {total:#06x} instead of 0")
    module = data[MODULE_OFFSET:]
    image = data if found == LAYOUT_2 else convert(data)
    return Blob(found, data[PAGE : PAGE + SIGSTRUCT_SIZE], module, image)


def convert(data: bytes) -> bytes:
    """A layout 0x100 image, sound by `parse`, in layout 0x200: another first page, every other byte the same."""
    return with_checksum(header2(len(data) - MODULE_OFFSET).encode() + data[PAGE:])


def _check_2(header: Header2, length: int) -> None:
    """What the kernel checks, in its order, and the counts of zero that it lets pass."""
    said = (1 + header.sigstruct_pages + header.module_pages) * PAGE
    if said != length:
        raise BlobError(f"the header states {said} bytes, the file has {length}")
    if header.sigstruct_pages > MAX_SIGSTRUCT_PAGES or header.module_pages > MAX_MODULE_PAGES:
        raise BlobError(f"{header.sigstruct_pages} and {header.module_pages} pages, more than a loader accepts")
    if header.magic != MAGIC:
        raise BlobError(f"no {MAGIC.decode()} at offset 4")
    if any(header.padding):
        raise BlobError("reserved bytes of the header are not zero")
    if not header.sigstruct_pages or not header.module_pages:
        raise BlobError("no signature structure or no module in it")


def _check_1(header: Header1, length: int) -> None:
    if header.magic != MAGIC:
        raise BlobError(f"no {MAGIC.decode()} at offset 8")
    if header.module_offset != MODULE_OFFSET:
        raise BlobError(
            f"the header states that the module begins at {header.module_offset} instead of {MODULE_OFFSET}"
        )
    if header.length != length:
        raise BlobError(f"the header states {header.length} bytes, the file has {length}")
    if length <= MODULE_OFFSET or length % PAGE:
        raise BlobError(f"{length - MODULE_OFFSET} bytes of module are not whole pages")
    if header.reserved or any(header.padding):
        raise BlobError("reserved bytes of the header are not zero")
