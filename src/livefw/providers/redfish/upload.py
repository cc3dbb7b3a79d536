# SPDX-License-Identifier: Apache-2.0
"""Bodies of requests that carry an image. They are made while they are sent: an image may have half a gigabyte.

`requests` sends whatever has a length and can be iterated, and iterates it anew where a BMC redirects the request.
"""

from collections.abc import Iterator
from secrets import token_hex
from typing import NamedTuple

from livefw.errors import UsageError
from livefw.providers.base import ImagePackage
from livefw.providers.component import Reason
from livefw.providers.redfish.exchange import ExchangeError

OCTETS = "application/octet-stream"
_UNUSABLE = Reason("unusable-image", "{what_is_wrong}, and only a part of it was sent")


class FormField(NamedTuple):
    """A part of a form that is no file."""

    name: str
    data: bytes
    kind: str = "application/json"


class UploadBody:
    """What is sent before an image, the image, and what is sent after it."""

    def __init__(self, package: ImagePackage, kind: str = OCTETS, *, before: bytes = b"", after: bytes = b"") -> None:
        self.kind = kind
        self._package = package
        self._before = before
        self._after = after

    def __len__(self) -> int:
        return len(self._before) + self._package.size + len(self._after)

    def __iter__(self) -> Iterator[bytes]:
        if self._before:
            yield self._before
        try:
            yield from self._package.pieces()
        except UsageError as error:  # the BMC waits for the rest, and gets the end of the connection
            raise ExchangeError(_UNUSABLE.fill(what_is_wrong=error.message), sent=False) from error
        if self._after:
            yield self._after


def raw(package: ImagePackage) -> UploadBody:
    """The image alone, as ``HttpPushUri`` takes it (DSP0266, "HTTP push")."""
    return UploadBody(package)


def form(package: ImagePackage, *fields: FormField) -> UploadBody:
    """A form (RFC 7578) of these fields and, last, the image as ``UpdateFile``: the parts of ``MultipartHttpPushUri``
    (DSP0266, "Software update types").
    """
    from urllib3.fields import RequestField  # only where a BMC is asked anyway

    boundary = token_hex(16)
    lines = []
    for field in fields:
        part = RequestField(field.name, b"")
        part.make_multipart(content_type=field.kind)
        lines += [f"--{boundary}\r\n{part.render_headers()}".encode(), field.data, b"\r\n"]
    file = RequestField("UpdateFile", b"", filename=package.name)
    file.make_multipart(content_type=OCTETS)
    lines.append(f"--{boundary}\r\n{file.render_headers()}".encode())
    end = f"\r\n--{boundary}--\r\n".encode()
    return UploadBody(package, f"multipart/form-data; boundary={boundary}", before=b"".join(lines), after=end)
