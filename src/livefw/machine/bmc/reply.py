# SPDX-License-Identifier: Apache-2.0
"""What a request must not have, and how an answer becomes bytes (DSP0266)."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from livefw.machine.bmc import documents
from livefw.machine.bmc.model import Image, Rejected

MOST_JSON_BYTES = 1 << 20
"""Largest body that is no image."""


class WebReply(NamedTuple):
    """What goes back."""

    status: int
    headers: dict[str, str]
    body: bytes


Answer = tuple[int, dict[str, Any] | str | None, dict[str, str]]


def check_request(headers: Mapping[str, str], query: str) -> None:
    """What no resource takes (DSP0266, "Request headers" and "Query parameters")."""
    if headers.get("odata-version", "4.0") != "4.0":
        raise Rejected(412, "The OData-Version is not 4.0.", "Base.1.19.HeaderInvalid")
    if any(each.startswith(("$", "%24")) for each in query.split("&")):
        raise Rejected(501, "There are no query parameters that begin with $.", "Base.1.19.QueryNotSupported")


def reply_of(answer: Answer, *, unless: str | None) -> WebReply:
    """The answer in bytes, with the header fields that follow from it; without it if its tag is ``unless``."""
    status, document, extra = answer
    fields = {"OData-Version": "4.0", "Cache-Control": "no-store", "Content-Type": "application/json"}
    text = document if isinstance(document, str) else "" if document is None else json.dumps(document, indent=1)
    if isinstance(document, dict) and (schema := documents.schema_of(document)):
        fields["Link"] = f"<{schema}>; rel=describedby"
    if isinstance(document, dict) and status in (200, 201):
        fields["ETag"] = document.get("@odata.etag") or f'"{hashlib.sha256(text.encode()).hexdigest()[:16]}"'
        if unless == fields["ETag"]:
            status, text = 304, ""
    if status == 401:
        fields["WWW-Authenticate"] = 'Basic realm="livefw"'
    return WebReply(status, fields | extra, text.encode())


def json_object(body: Image) -> dict[str, Any]:
    """A body that has to be a JSON object."""
    try:
        document = json.loads(bytes(body[: MOST_JSON_BYTES + 1]) or b"{}")
        json.dumps(document, ensure_ascii=False).encode()  # half a surrogate pair is no text
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise Rejected(400, "The body is not a JSON object.", "Base.1.19.MalformedJSON")
    return document
