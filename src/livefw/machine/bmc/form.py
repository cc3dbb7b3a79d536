# SPDX-License-Identifier: Apache-2.0
"""Forms of several parts (multipart/form-data, RFC 7578), as far as an update push needs them."""

import re

_BOUNDARY = re.compile(r'boundary="?([0-9A-Za-z\'()+_,./:=? -]{1,70}?)"?\s*(?:;|$)')
_NAME = re.compile(rb'[;\s]name="?([A-Za-z0-9_-]{1,64})"?')
_BLANK = re.compile(rb"\r\n\r\n")
_MOST_PARTS = 16
_MOST_HEAD_BYTES = 4096


def parts(content_type: str, body: bytes) -> dict[str, memoryview]:
    """The parts of a form by their names, as views of it; ValueError if it is none."""
    found = _BOUNDARY.search(content_type)
    if not content_type.lower().startswith("multipart/form-data") or found is None:
        raise ValueError("this is not a multipart form")
    view = memoryview(body)
    mark = b"--" + found[1].encode()
    if bytes(view[: len(mark)]) != mark:
        raise ValueError("the form does not begin with its boundary")
    starts, ends = [len(mark)], []
    for each in re.finditer(re.escape(b"\r\n" + mark), view):
        ends.append(each.start())
        starts.append(each.end())
        if len(ends) > _MOST_PARTS:
            raise ValueError("the form has too many parts")
    if not ends or bytes(view[starts[-1] : starts[-1] + 2]) != b"--":
        raise ValueError("the form has no end")
    result = {}
    for start, end in zip(starts, ends, strict=False):
        piece = view[start:end]
        blank = _BLANK.search(piece[:_MOST_HEAD_BYTES])
        name = blank and _NAME.search(piece[: blank.start()])
        if not blank or not name:
            raise ValueError("a part of the form has no name")
        result[name[1].decode()] = piece[blank.end() :]
    return result
