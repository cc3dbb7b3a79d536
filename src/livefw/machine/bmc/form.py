# SPDX-License-Identifier: Apache-2.0
"""Forms of several parts (multipart/form-data, RFC 7578), as far as an update push needs them."""

import re

_BOUNDARY = re.compile(r'boundary="?([0-9A-Za-z\'()+_,./:=? -]{1,70}?)"?\s*(?:;|$)')
_NAME = re.compile(rb'[;\s]name="?([A-Za-z0-9_-]{1,64})"?')
_MOST_PARTS = 16


def parts(content_type: str, body: bytes) -> dict[str, bytes]:
    """The parts of a form by their names; ValueError if it is none."""
    found = _BOUNDARY.search(content_type)
    if not content_type.lower().startswith("multipart/form-data") or found is None:
        raise ValueError("this is not a multipart form")
    mark = b"\r\n--" + found[1].encode()
    pieces = (b"\r\n" + body).split(mark)
    if len(pieces) < 3 or len(pieces) > _MOST_PARTS + 2 or not pieces[-1].startswith(b"--"):
        raise ValueError("the form has no end, or too many parts")
    result = {}
    for piece in pieces[1:-1]:
        head, blank, content = piece.partition(b"\r\n\r\n")
        name = _NAME.search(head)
        if not blank or name is None:
            raise ValueError("a part of the form has no name")
        result[name[1].decode()] = content
    return result
