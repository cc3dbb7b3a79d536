# SPDX-License-Identifier: Apache-2.0
"""What one exchange with a BMC ends with."""

import re
import sys
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple

from livefw.providers.component import Reason
from livefw.text import whole


class ExchangeError(Exception):
    """There is no usable answer.

    ``reason`` says why; ``sent`` is whether the request may have reached the BMC, so that it may have been obeyed.
    """

    def __init__(self, reason: Reason, *, sent: bool) -> None:
        super().__init__(reason.text)
        self.reason = reason
        self.code = reason.code
        self.text = reason.text
        self.sent = sent


NO_SERVICE = Reason("no-service", "it has no UpdateService")
DENIED = Reason("denied", "{path} returned {status}")
BUSY = Reason("busy", "{path} returned {status}")
BAD_STATUS = Reason("bad-status", "{path} returned {status}")
TIMEOUT = Reason("timeout", "reading it took too long")
NO_JSON = Reason("malformed", "the reply is not a JSON object")
LOCKED_OUT = Reason("locked-out", "it ends every session or creates none")
BROKEN = Reason("broken", "the connection broke ({error})")
REDIRECTED = Reason("redirected", "it redirects to another host; nothing was sent there")
OVERSIZED = Reason("oversized", "the reply is larger than {most} bytes")
NO_LIBRARY = Reason("no-library", "{which_library_is_missing}")
NO_CREDENTIALS = Reason("no-credentials", "{why_there_is_no_password} ({what_to_do})")
UNUSABLE_CA = Reason("ca", "{path} cannot be used: {error}")
BUSY_INVENTORY = Reason("busy", "its inventory cannot be read: {what_is_wrong}")
UNREAD_INVENTORY = Reason("unread", "its inventory cannot be read: {what_is_wrong}")

SILENT = Reason("silent", "it does not answer (timed out after {seconds} s)")
NOT_ASKED = Reason("timeout", "it was not asked for, because the BMC had stopped answering")

AWAY = frozenset({"unreachable", "silent", "broken", "timeout", "down", "busy", "no-session"})
"""Codes of errors that pass: what a BMC looks like that is starting, or has too much to do."""
AWAY_S = 180.0
"""Seconds to wait for one that is away: a BMC that restarts itself takes about two minutes."""
AWAY_PAUSE_S = 5.0
NOT_NOW = frozenset({408, 429, 502, 503, 504})
"""Statuses that say nothing of what was asked for, and say that the same may be asked again."""


class Pace(NamedTuple):
    """Seconds that a BMC is given for its very first answer, and for each further one."""

    first: float = 60.0
    each: float = 60.0


UNHURRIED = Pace()
"""For requests about one component; a push of a large image has longer, see `transport.transfer_seconds`."""


class Response(NamedTuple):
    """A complete answer: status, header fields in lower case, and the JSON object of its body or an empty one.

    ``plain`` is the text of a body that is something else, such as the HTML of a web server in front of the service.
    """

    status: int
    headers: Mapping[str, str]
    body: dict[str, Any]
    plain: str | None = None

    @property
    def good(self) -> bool:
        """2xx."""
        return 200 <= self.status < 300

    def messages(self) -> tuple["RegistryMessage", ...]:
        """Messages of an error, of a Task, or beside any other body: the service's own words, however it gives them."""
        error = self.body.get("error", self.body.get("Accepted"))  # Supermicro's form of a 202
        if isinstance(error, dict):
            found = messages(_listed(error.get("@Message.ExtendedInfo")))
            return found or messages([{"MessageId": error.get("code"), "Message": error.get("message")}])
        if isinstance(error, str):
            return messages([error])
        for name in ("Messages", "@Message.ExtendedInfo"):
            if found := messages(_listed(self.body.get(name))):
                return found
        # Error bodies of before Redfish (bmcweb's OpenBMC REST, for one), or no JSON at all.
        data = self.body.get("data")
        words = [data.get("description") if isinstance(data, dict) else None, self.body.get("message"), self.plain]
        return () if self.good else messages([next((each for each in words if isinstance(each, str) and each), None)])

    def arguments(self) -> tuple[str, ...]:
        """The arguments of its messages."""
        holder = self.body.get("Accepted", self.body)
        rows = _listed(holder.get("@Message.ExtendedInfo")) if isinstance(holder, dict) else []
        found = (row.get("MessageArgs") for row in rows[-_MOST_MESSAGES:] if isinstance(row, dict))
        return tuple(each for rows in found if isinstance(rows, list) for each in rows if isinstance(each, str))

    @property
    def words(self) -> str:
        """The first message in parentheses, to go behind a status; empty without."""
        said = next((message.line for message in self.messages()), "")
        return f" ({said[:_MOST_WORDS]})" if said else ""


class RegistryMessage(NamedTuple):
    """A message of a registry: the last part of its id, which is the same over all versions, its text and severity.

    Either of key and text may be empty: services leave out the id, or give nothing but a text.
    """

    key: str
    text: str
    severity: str = ""

    @property
    def line(self) -> str:
        """All of it."""
        return ": ".join(filter(None, (self.key, self.text)))


_MOST_MESSAGES = 64
_MOST_TEXT = 500
_MOST_WORDS = 300
_MOST_PLAIN = 4_000
"""Bytes of a page in which a sentence is looked for: its tags are taken out by an expression."""


def messages(rows: list[Any]) -> tuple[RegistryMessage, ...]:
    """The newest of a list of Redfish messages, or of plain texts; what is neither is passed over."""
    found = []
    for row in rows[-_MOST_MESSAGES:]:
        fields = row if isinstance(row, dict) else {"Message": row}
        key, said = _text(fields.get("MessageId"), 200), _text(fields.get("Message"), _MOST_TEXT)
        if key or said:
            severity = _text(fields.get("MessageSeverity") or fields.get("Severity"), 20)
            found.append(RegistryMessage(key.rpartition(".")[2], said, severity))
    return tuple(found)


def require_resource(path: str, answer: Response) -> dict[str, Any]:
    """The body of an answer to a read of what has to be there; `ExchangeError`."""
    if answer.status != 200:
        denied, busy = answer.status in (401, 403), answer.status in NOT_NOW
        why = DENIED if denied else BUSY if busy else BAD_STATUS
        raise ExchangeError(why.fill(path=path, status=f"{answer.status}{answer.words}"), sent=True)
    if not answer.body:
        raise ExchangeError(NO_JSON, sent=True)
    return answer.body


def _text(value: object, most: int) -> str:
    return whole(value[:most]) if isinstance(value, str) else ""


def _listed(rows: object) -> list[Any]:
    return rows if isinstance(rows, list) else [rows]


_UNSEEN = re.compile(r"<(head|script|style)\b.*?</\1>", re.DOTALL | re.IGNORECASE)
_TAGS = re.compile(r"<[^>]*>")


def plain_text(data: bytes) -> str:
    """What a person would read in a body that is no JSON object; the title of a page that shows nothing."""
    page = data[:_MOST_PLAIN].decode("utf-8", "replace")
    shown = (" ".join(_TAGS.sub(" ", each).split()) for each in (_UNSEEN.sub(" ", page), page))
    return next(filter(None, shown), "")[:_MOST_TEXT]


def text(body: dict[str, Any], name: str, *, most: int = 300) -> str | None:
    """A text of a service, cut to a sane length; None if there is none. Of BMCs that say the same it is kept once."""
    value = body.get(name)
    return sys.intern(whole(value[:most])) if isinstance(value, str) and value else None


def record(body: dict[str, Any], name: str) -> dict[str, Any]:
    """An object within another; empty if there is none."""
    value = body.get(name)
    return value if isinstance(value, dict) else {}


def normal_url(url: str) -> str:
    """A URL with scheme and host in lower case and without the port that its scheme has anyway."""
    scheme, slashes, rest = url.partition("://")
    authority, slash, path = rest.partition("/")
    return scheme.lower() + slashes + authority.lower().removesuffix(":443") + slash + path


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that a service asks to wait, by its own clock where it names a moment; None if it does not say."""
    wish = headers.get("retry-after", "")
    if wish.isascii() and wish.isdecimal() and len(wish) < 6:
        return float(wish)
    try:
        sent, until = (parsedate_to_datetime(text) for text in (headers.get("date", ""), wish))
        return (until - sent).total_seconds()
    except (ValueError, TypeError, OverflowError):  # a year or a zone of any number of digits
        return None


_AUTHORITY = re.compile(r"(?:https?:)?//[^/?#\\]+(?=/)", re.IGNORECASE)
_PATH = re.compile(r"/(?!/)[\x21-\x7e]{0,2000}")


def local_path(uri: object) -> str | None:
    """The path of a URI that a BMC gave us; None for what is none.

    Whatever host the URI names, the path is asked of the BMC that the settings name. BMCs know themselves by other
    names than we do, and credentials go with every request, so that an address from outside must not decide where they
    go to.
    """
    if not isinstance(uri, str):
        return None
    found = _AUTHORITY.match(uri)
    path = uri[found.end() :] if found else uri
    return path if _PATH.fullmatch(path) and "/../" not in path + "/" and "\\" not in path else None
