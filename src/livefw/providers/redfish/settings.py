# SPDX-License-Identifier: Apache-2.0
"""The tables ``[[redfish.bmc]]`` of livefw.toml, and where the credentials of a BMC come from.

A password is in the environment, among systemd's credentials, or in a file that only its owner can read. It is never
on a command line, and `Secret` does not show it when it is printed.
"""

from __future__ import annotations

import os
import re

from livefw import reading
from livefw.errors import PermissionDenied, TransportError
from livefw.providers import tables

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, NamedTuple

    from livefw.files.protocol import Files
else:
    from livefw.light_tuple import NamedTuple

TABLE = "redfish"


class Bmc(NamedTuple):
    """One BMC as an administrator wrote it down."""

    name: str
    url: str
    credentials: str | None = None
    ca: str | None = None
    verify: bool = True
    auth: str = "session"
    start_all: bool = False
    assume_live: bool = False
    patience: float = 1800.0
    first_answer: float = 3.0
    """Seconds, from the key ``patience`` of the table ``redfish``, which holds for all."""


class BmcKey(NamedTuple):
    """One key of a table: whether a value is right, what it has to be, and what it does."""

    valid: Callable[[Any], bool]
    kind: str
    text: str


def _text(pattern: str) -> Callable[[Any], bool]:
    expression = re.compile(pattern, re.ASCII)
    return lambda value: isinstance(value, str) and expression.fullmatch(value) is not None


def _boolean(value: Any) -> bool:
    return isinstance(value, bool)


def _seconds(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= 86400


KEYS = {
    "name": BmcKey(
        _text(r"[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?"),
        "1 to 32 lower-case letters, digits and dashes",
        "name of the BMC in `redfish:NAME/...`; required",
    ),
    "url": BmcKey(
        _text(r"https://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+)(:\d{1,5})?"),
        'an address as in "https://bmc.example:443"',
        "address of the BMC; required, always over TLS",
    ),
    "credentials": BmcKey(
        _text(r"/.+"), "an absolute path", "file of two lines, user and password, that only its owner can read"
    ),
    "ca": BmcKey(
        _text(r"/.+"), "an absolute path", "PEM file of the authorities for its certificate, instead of the system's"
    ),
    "verify": BmcKey(_boolean, "true or false", "false: accept any certificate from this BMC"),
    "auth": BmcKey(_text("session|basic"), '"session" or "basic"', "how to log in; a session by default"),
    "start-all": BmcKey(
        _boolean, "true or false", "use StartUpdate even if it also starts updates that others have queued"
    ),
    "assume-live": BmcKey(
        _boolean, "true or false", "activate even if the BMC does not report whether a reset is required"
    ),
    "patience": BmcKey(_seconds, "seconds, up to a day", "how long to follow a task (1800)"),
}
"""Everything that may be in one table."""
TABLE_KEYS = {
    "patience": BmcKey(
        _seconds,
        "seconds, up to a day",
        "how long a BMC may take for its first answer before it counts as silent (3); each further one may take that "
        "long, or 10 s if that is longer",
    ),
}
"""What holds for all BMCs: keys of the table ``redfish`` itself."""


def read_settings(files: Files) -> tuple[Bmc, ...]:
    """The BMCs of the machine behind ``files``; `UsageError` with the place of what is wrong."""
    return tables.read(files, TABLE, decode)


def decode(table: Any) -> tuple[Bmc, ...]:
    """What the table ``redfish`` means; `UsageError`."""
    if not isinstance(table, dict) or set(table) - {"bmc", *TABLE_KEYS}:
        raise _wrong(TABLE, f"must consist of tables [[redfish.bmc]] and of {', '.join(TABLE_KEYS)}")
    for name, key in TABLE_KEYS.items():
        if name in table and not key.valid(table[name]):
            raise _wrong(f"{TABLE}.{name}", f"must be {key.kind}")
    rows = table.get("bmc", [])
    if not isinstance(rows, list):
        raise _wrong(f"{TABLE}.bmc", "must be a list of tables")
    found: dict[str, Bmc] = {}
    for index, row in enumerate(rows):
        place = f"{TABLE}.bmc[{index}]"
        bmc = _decode_one(row, place)
        if bmc.name in found:
            raise _wrong(f"{place}.name", f"two BMCs have the name {bmc.name}")
        found[bmc.name] = bmc._replace(first_answer=table.get("patience", bmc.first_answer))
    return tuple(found.values())


def _decode_one(row: Any, place: str) -> Bmc:
    if not isinstance(row, dict):
        raise _wrong(place, "must be a table")
    for name, value in row.items():
        if name not in KEYS:
            raise tables.unknown_key(place, name, KEYS, mechanism=TABLE, hint=_HINT)
        if not KEYS[name].valid(value):
            # The value is not shown: somebody may have written a password where it does not belong.
            raise _wrong(f"{place}.{name}", f"must be {KEYS[name].kind}")
    for name in ("name", "url"):
        if name not in row:
            raise _wrong(f"{place}.{name}", "is missing")
    return Bmc(**{name.replace("-", "_"): value for name, value in row.items()})


class Secret:
    """User and password. Printing it shows neither."""

    __slots__ = ("password", "user")

    def __init__(self, user: str, password: str) -> None:
        self.user = user
        self.password = password

    def __repr__(self) -> str:
        return "Secret(...)"


def secret(bmc: Bmc, files: Files, environment: Mapping[str, str] = os.environ) -> Secret:
    """The credentials of a BMC: environment, then systemd, then its file. `TransportError` if there are none.

    ``LIVEFW_REDFISH_<NAME>_USERNAME`` and ``..._PASSWORD``, with the name in capitals and ``_`` for ``-``; or the
    credential ``livefw-redfish-<name>`` in ``$CREDENTIALS_DIRECTORY`` (systemd.exec(5), LoadCredential=), which is a
    file of the host that runs this program.
    """
    prefix = f"LIVEFW_REDFISH_{bmc.name.upper().replace('-', '_')}"
    user, password = environment.get(f"{prefix}_USERNAME"), environment.get(f"{prefix}_PASSWORD")
    if user and password:
        return Secret(user, password)
    if directory := environment.get("CREDENTIALS_DIRECTORY"):
        try:
            return _lines(reading.read(os.path.join(directory, f"livefw-redfish-{bmc.name}"), _SECRET_LIMIT), bmc)
        except FileNotFoundError:
            pass
        except OSError as error:
            raise _no_secret(bmc, f"the systemd credential cannot be read: {error.strerror}", error) from error
    if bmc.credentials is None:
        raise _no_secret(bmc, "no credentials are set")
    try:
        return _lines(files.trusted(bmc.credentials, _SECRET_LIMIT, private=True), bmc)
    except reading.Untrusted as error:
        raise _no_secret(bmc, f"{bmc.credentials} cannot be used: {error}", error) from error
    except OSError as error:
        raise _no_secret(bmc, f"{bmc.credentials} cannot be used: {error.strerror}", error) from error


_SECRET_LIMIT = 4096


def _lines(data: bytes, bmc: Bmc) -> Secret:
    try:
        lines = data.decode().splitlines()
    except UnicodeDecodeError:
        lines = []
    if len(lines) != 2 or not all(lines) or not lines[0].isprintable() or ":" in lines[0]:
        raise _no_secret(bmc, "the credentials must be two lines, user and password")
    return Secret(*lines)


def _no_secret(bmc: Bmc, text: str, error: OSError | None = None) -> TransportError:
    kind = PermissionDenied if isinstance(error, PermissionError) else TransportError
    return kind(
        f"BMC {bmc.name}: {text}",
        hint="set credentials in [[redfish.bmc]] to a file of two lines, user and password, with mode 0600",
        mechanism=TABLE,
        phase="log in",
        errno=error.errno if error else None,
    )


_HINT = f"keys of [[redfish.bmc]]: {', '.join(KEYS)}"


def _wrong(path: str, text: str) -> tables.TableError:
    return tables.TableError(text, path=path, mechanism=TABLE, hint=_HINT)
