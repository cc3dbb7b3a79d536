# SPDX-License-Identifier: Apache-2.0
"""What a file is that somebody wants to boot as a kernel (Linux, Documentation/arch/arm64/booting.rst)."""

import struct
import zlib

from livefw import reading
from livefw.errors import UsageError

_MAGIC, _MAGIC_AT = b"ARM\x64", 56
_HEADER = 64
_GZIP = b"\x1f\x8b"
_ZBOOT, _ZBOOT_AT = b"zimg", 4
"""Of a kernel built with CONFIG_EFI_ZBOOT: offset and size of what is compressed, and the name of the method."""
_MOST = 256 * 1024 * 1024
"""Bytes of a kernel; a distribution's has a fifth of that."""
_MACHINES = {3: "32-bit x86", 40: "32-bit Arm", 62: "x86-64", 183: "arm64", 243: "RISC-V"}
"""Of ELF files."""
_KINDS = (
    (0, b"MZ", "an EFI program, and no kernel for arm64"),
    (0, b"#!", "a script"),
    (0, b"\xfd7zXZ", "compressed with xz"),
    (0, b"\x28\xb5\x2f\xfd", "compressed with zstd"),
    (0, b"BZh", "compressed with bzip2"),
    (0, b"070701", "an initramfs"),
    (0, b"\xd0\x0d\xfe\xed", "a device tree or a FIT image"),
    (0, b"!<arch>", "an archive or a Debian package"),
    (0, b"\x27\x05\x19\x56", "a U-Boot image"),
)
"""Where, what is there, and what the file then is."""


def image(path: str) -> bytes | None:
    """The arm64 Image inside a compressed kernel; None if the file is one as it is.

    Raises:
        UsageError: the file cannot be read, or it is no kernel for arm64; the text says what it is.
    """
    try:
        return _image(path)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}", errno=error.errno) from error


def _image(path: str) -> bytes | None:
    with reading.opened(path) as file:
        head = file.read(1024)
        if _is_image(head):
            return None
        compressed = head.startswith(_GZIP)
        at, size = 0, _MOST
        if head[_ZBOOT_AT : _ZBOOT_AT + 4] == _ZBOOT and len(head) >= _HEADER:
            at, size = struct.unpack_from("<2I", head, 8)
            method = head[24:32].split(b"\0")[0]
            if method != b"gzip":
                raise _refused(
                    path, f"an EFI program whose kernel is compressed with {method.decode('ascii', 'replace')}"
                )
            compressed = True
        if not compressed:
            raise _refused(path, _kind(head))
        file.seek(at)
        unpacked = _unpacked(file.read(min(size, _MOST)), path)
    if not _is_image(unpacked):
        raise _refused(path, f"compressed, and what is inside is {_kind(unpacked)}")
    return unpacked


def _is_image(data: bytes) -> bool:
    return len(data) >= _HEADER and data[_MAGIC_AT : _MAGIC_AT + 4] == _MAGIC


def _unpacked(data: bytes, path: str) -> bytes:
    try:
        unpacker = zlib.decompressobj(wbits=31)
        unpacked = unpacker.decompress(data, _MOST)
    except zlib.error as error:
        raise _refused(path, f"compressed with gzip, and damaged: {error}") from error
    if not unpacker.eof:
        raise _refused(path, "compressed with gzip, and too large or cut off")
    return unpacked


def _kind(head: bytes) -> str:
    """What a file that is no kernel for arm64 is."""
    if not head:
        return "empty"
    if head.startswith(b"\x7fELF") and len(head) >= 20:
        machine = struct.unpack_from("<H", head, 18)[0]
        return f"an ELF file for {_MACHINES.get(machine, f'machine {machine}')}; an Image has no ELF header"
    if head[0x202:0x206] == b"HdrS":
        return "a kernel for x86"
    for at, magic, kind in _KINDS:
        if head[at : at + len(magic)] == magic:
            return kind
    if len(head) < _HEADER:
        return f"too short: {len(head)} bytes"
    return "text" if head.isascii() and b"\0" not in head else "of an unknown kind"


def _refused(path: str, kind: str) -> UsageError:
    hint = "an arm64 Image has ARM\\x64 at byte 56: vmlinuz of Debian's linux-image-arm64, or arch/arm64/boot/Image"
    return UsageError(f"{path} is no kernel for arm64: {kind}", hint=hint)
