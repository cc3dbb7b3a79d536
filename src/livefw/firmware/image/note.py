# SPDX-License-Identifier: Apache-2.0
"""The version of an image, in its last 32 bytes.

Neither the package nor TF-A's certificates have a place for the version of a component, and LFA reports one
(DEN0147, LFA_GET_INVENTORY). livefw puts it at the end of the image itself: the hash in the content certificate then
covers it, whichever chain and whichever signing tool is used, and firmware that is loaded as a flat binary does not
see it. An image without a note has version 0.0, LFA's way of not saying.

    16 bytes "livefw version 1", u32 major, u32 minor, u32 reserved (0), u32 CRC-32 of the 28 bytes before

The CRC keeps a stray text from being taken for a note; what makes the note true is the certificate. Before the image
is authenticated the note is the sender's word.
"""

import struct
import zlib

from livefw.abi.version import ComponentVersion

_NOTE = struct.Struct("<16sIIII")
_MARK = b"livefw version 1"

SIZE = _NOTE.size
UNKNOWN = ComponentVersion(0, 0)


def append(image: bytes, version: ComponentVersion) -> bytes:
    """The image with a note of this version behind it; ValueError if the version does not fit."""
    version.encode()
    head = _NOTE.pack(_MARK, version.major, version.minor, 0, 0)[:-4]
    return image + head + zlib.crc32(head).to_bytes(4, "little")


def read(tail: bytes) -> ComponentVersion:
    """The version in the last bytes of an image (`SIZE` of them are enough); 0.0 if there is no sound note."""
    if len(tail) < SIZE:
        return UNKNOWN
    mark, major, minor, reserved, crc = _NOTE.unpack(tail[-SIZE:])
    if mark != _MARK or reserved or crc != zlib.crc32(tail[-SIZE:-4]):
        return UNKNOWN
    return ComponentVersion(major, minor)
