# SPDX-License-Identifier: Apache-2.0
"""What one exchange with a BMC ends with."""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple


class ExchangeError(Exception):
    """There is no usable answer.

    ``code`` never changes; ``sent`` is whether the request may have reached the BMC, so that it may have been obeyed.
    """

    def __init__(self, code: str, text: str, *, sent: bool) -> None:
        super().__init__(text)
        self.code = code
        self.text = text
        self.sent = sent


class Answer(NamedTuple):
    """A complete answer: status, header fields in lower case, and the JSON object of its body or an empty one."""

    status: int
    headers: Mapping[str, str]
    body: dict[str, Any]

    @property
    def good(self) -> bool:
        """2xx."""
        return 200 <= self.status < 300

    def messages(self) -> tuple["Message", ...]:
        """Messages of an error, of a Task, or beside any other body."""
        error = self.body.get("error")
        if isinstance(error, dict):
            rows = error.get("@Message.ExtendedInfo")
            found = messages(rows if isinstance(rows, list) else [rows])
            return found or messages([{"MessageId": error.get("code"), "Message": error.get("message")}])
        for name in ("Messages", "@Message.ExtendedInfo"):
            if isinstance(rows := self.body.get(name), list):
                return messages(rows)
        return ()


class Message(NamedTuple):
    """A message of a registry: the last part of its id, which is the same over all versions, and its text."""

    key: str
    text: str


_MOST_MESSAGES = 64
_MOST_TEXT = 500


def messages(rows: list[Any]) -> tuple[Message, ...]:
    """The newest of a list of Redfish messages; what is none is passed over."""
    found = []
    for row in rows[-_MOST_MESSAGES:]:
        if isinstance(row, dict) and isinstance(key := row.get("MessageId"), str):
            said = row.get("Message")
            found.append(Message(key[:200].rpartition(".")[2], said[:_MOST_TEXT] if isinstance(said, str) else ""))
    return tuple(found)


_PATH = re.compile(r"/(?!/)[\x21-\x7e]{0,2000}")


def local_path(uri: object, origin: str) -> str | None:
    """The path of a URI that a BMC gave us, if it is one of this BMC; None for anything else.

    Credentials go with every request, so that an address from outside must not decide where they go to.
    """
    if not isinstance(uri, str):
        return None
    path = uri[len(origin) :] if uri.startswith(origin + "/") else uri
    return path if _PATH.fullmatch(path) and "/../" not in path + "/" and "\\" not in path else None
