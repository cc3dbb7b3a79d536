# SPDX-License-Identifier: Apache-2.0
"""Wire format of a TDX module image: one header page, the signature structure, the module.

Sources: Linux ``arch/x86/virt/vmx/tdx/seamldr.c`` (layout 0x200), ``blob_structure.txt`` of Intel's TDX module
repository (layout 0x100), public P-SEAMLDR ``seam_sigstruct.h``. All numbers are little-endian.

::

    0      header, one page, layout 0x100 or 0x200
    4096   signature structure, 2048 bytes, padded with zeros to a page
    8192   module binary, whole pages
"""

import struct
from typing import NamedTuple, Self

from livefw.abi.tdx import STEPPING_MASK, Svn

PAGE = 4096
MAGIC = b"TDX-BLOB"
LAYOUT_1 = 0x100
LAYOUT_2 = 0x200
MODULE_OFFSET = 2 * PAGE
"""Where the module begins: both layouts have exactly one page of signature structure."""

MAX_SIGSTRUCT_PAGES = 1
MAX_MODULE_PAGES = 496
"""The capacity of the parameter page of SEAMLDR.INSTALL."""

MAX_IMAGE = (1 + MAX_SIGSTRUCT_PAGES + MAX_MODULE_PAGES) * PAGE

_LAYOUT = struct.Struct("<H")
_CHECKSUM_AT = slice(2, 4)
_HEADER_1 = struct.Struct("<HHI8sII4072s")
_HEADER_2 = struct.Struct("<HH8sII4076s")


class Header1(NamedTuple):
    """Layout 0x100, as Intel published images until mid 2026; decoded as it stands, nothing is checked."""

    layout: int
    checksum: int
    module_offset: int
    magic: bytes
    length: int
    reserved: int
    padding: bytes

    @classmethod
    def decode(cls, page: bytes) -> Self:
        """Split the first page; ValueError if it is shorter than a page."""
        return cls(*_HEADER_1.unpack(_first_page(page)))

    def encode(self) -> bytes:
        """The page; ValueError if a number does not fit."""
        return _packed(_HEADER_1, self)


class Header2(NamedTuple):
    """Layout 0x200, the only one that Linux takes; decoded as it stands, nothing is checked."""

    layout: int
    checksum: int
    magic: bytes
    sigstruct_pages: int
    module_pages: int
    padding: bytes

    @classmethod
    def decode(cls, page: bytes) -> Self:
        """Split the first page; ValueError if it is shorter than a page."""
        return cls(*_HEADER_2.unpack(_first_page(page)))

    def encode(self) -> bytes:
        """The page; ValueError if a number does not fit."""
        return _packed(_HEADER_2, self)


def header1(module_size: int) -> Header1:
    """Header of an image with so many bytes of module, checksum still 0."""
    return Header1(LAYOUT_1, 0, MODULE_OFFSET, MAGIC, MODULE_OFFSET + module_size, 0, b"")


def header2(module_size: int) -> Header2:
    """Header of an image with so many bytes of module, checksum still 0."""
    return Header2(LAYOUT_2, 0, MAGIC, 1, -(-module_size // PAGE), b"")


def layout(image: bytes) -> int:
    """The layout word; ValueError if there is none."""
    if len(image) < _LAYOUT.size:
        raise ValueError("the image is empty")
    return int(_LAYOUT.unpack_from(image)[0])


def word_sum(image: bytes) -> int:
    """Sum of all 16-bit words modulo 65536, an odd last byte padded with 0; it is 0 for a sound image."""
    return sum(image[0::2]) + (sum(image[1::2]) << 8) & 0xFFFF


def with_checksum(image: bytes) -> bytes:
    """The same image, its checksum made right; ValueError if it is shorter than a page."""
    _first_page(image)
    blank = image[: _CHECKSUM_AT.start] + b"\0\0" + image[_CHECKSUM_AT.stop :]
    return blank[: _CHECKSUM_AT.start] + _LAYOUT.pack(-word_sum(blank) & 0xFFFF) + blank[_CHECKSUM_AT.stop :]


_SIGSTRUCT = struct.Struct("<10I88s384sI384s48sBBQ26sHHBBHII24sI1020s")
SIGSTRUCT_SIZE = _SIGSTRUCT.size
SIGNED = (slice(0, 128), slice(900, SIGSTRUCT_SIZE))
"""What the signature covers: neither the key nor itself."""

MAX_CPUS = 255
DEBUG_MODULE = 1 << 31


class Sigstruct(NamedTuple):
    """The signature structure of a module (``seam_sigstruct.h``), decoded as it stands."""

    header_type: int
    header_length: int
    """In 32-bit words, as are the other four sizes."""
    header_version: int
    module_type: int
    vendor: int
    date: int
    """Binary coded decimal, yyyymmdd."""
    size: int
    key_size: int
    modulus_size: int
    exponent_size: int
    reserved: bytes
    modulus: bytes
    """Little-endian, like the signature."""
    exponent: int
    signature: bytes
    seamhash: bytes
    """SHA-384 of the module pages."""
    svn_minor: int
    svn_major: int
    attributes: int
    memory: bytes
    """Entry point, stack, TLS, keyhole and global page counts, TDMR and PAMT sizes: nothing that a choice needs."""
    handoff_version: int
    min_handoff_version: int
    no_downgrade: int
    reserved_989: int
    handoff_pages: int
    gdt_idt_offset: int
    fault_wrapper_offset: int
    reserved_1000: bytes
    """Not zero in the 2.0 series."""
    cpu_count: int
    cpu_table: bytes

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Read the first 2048 bytes; ValueError if there are fewer."""
        if len(data) < SIGSTRUCT_SIZE:
            raise ValueError(f"the signature structure has {len(data)} bytes of {SIGSTRUCT_SIZE}")
        return cls(*_SIGSTRUCT.unpack_from(data))

    def encode(self) -> bytes:
        """2048 bytes; ValueError if a number does not fit."""
        return _packed(_SIGSTRUCT, self)

    @property
    def svn(self) -> Svn:
        """Security version."""
        return Svn(self.svn_major, self.svn_minor)

    @property
    def debug(self) -> bool:
        """Whether this is a module signed for debugging only."""
        return bool(self.module_type & DEBUG_MODULE)

    @property
    def cpus(self) -> tuple[int, ...]:
        """CPUID.1:EAX of the CPUs that the module is for, steppings masked out; ValueError for an impossible count."""
        if self.cpu_count > MAX_CPUS:
            raise ValueError(f"the table of CPUs says {self.cpu_count} entries, more than the {MAX_CPUS} that fit")
        return tuple(eax & STEPPING_MASK for eax in struct.unpack_from(f"<{self.cpu_count}I", self.cpu_table))


def cpu_table(*eax: int) -> bytes:
    """The table of CPUs; ValueError if there are too many or one is no 32-bit number."""
    try:
        table = struct.pack(f"<{len(eax)}I", *eax)
    except struct.error as error:
        raise ValueError(f"not a table of CPUs: {error}") from None
    if len(eax) > MAX_CPUS:
        raise ValueError(f"{len(eax)} CPUs do not fit a table of {MAX_CPUS}")
    return table


def signed_part(sigstruct: bytes) -> bytes:
    """The bytes of an encoded signature structure that its signature covers."""
    return b"".join(sigstruct[part] for part in SIGNED)


_SHA384_DIGEST_INFO = bytes.fromhex("3041300d060960864801650304020205000430")
RSA_BYTES = 384


def rsa_padding(digest: bytes) -> int:
    """EMSA-PKCS1-v1_5 of a SHA-384 digest for a 3072-bit key, as the number that is signed (RFC 8017, 9.2)."""
    tail = b"\0" + _SHA384_DIGEST_INFO + digest
    return int.from_bytes(b"\0\1" + b"\xff" * (RSA_BYTES - 2 - len(tail)) + tail, "big")


def _first_page(image: bytes) -> bytes:
    if len(image) < PAGE:
        raise ValueError(f"the image has {len(image)} bytes, less than its header page")
    return image[:PAGE]


def _packed(form: struct.Struct, fields: tuple[object, ...]) -> bytes:
    try:
        return form.pack(*fields)
    except struct.error as error:
        raise ValueError(f"a field does not fit: {error}") from None
