# SPDX-License-Identifier: Apache-2.0
"""The tables ``[[redfish.bmc]]`` and ``[redfish.group.NAME]`` of livefw.toml, and where credentials of a BMC come from.

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
    from collections.abc import Callable, Iterator, Mapping
    from typing import Any, NamedTuple

    from livefw.files.protocol import Files
else:
    from livefw.light_tuple import NamedTuple

TABLE = "redfish"
FIRST_ANSWER_S = 3.0


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
    first_answer: float = FIRST_ANSWER_S
    """Seconds, from the key ``patience`` of the table ``redfish``, which holds for all."""
    group: str = ""
    """Of which it is; empty for one that has a table of its own."""
    serve: str | None = None


class HostGroup(NamedTuple):
    """BMCs with all but names and addresses in common: ``common`` is one of them, with ``{host}`` in its url.

    Its hosts are those of the settings, of a file and of the output of a program.
    """

    name: str
    common: Bmc
    hosts: tuple[str, ...] = ()
    file: str | None = None
    command: tuple[str, ...] = ()


class RedfishSettings(NamedTuple):
    """What the settings say; see `groups.resolve` for the BMCs of the groups."""

    bmcs: tuple[Bmc, ...] = ()
    groups: tuple[HostGroup, ...] = ()


class BmcKey(NamedTuple):
    """One key of a table: whether a value is right, what it has to be, and what it does."""

    valid: Callable[[Any], bool]
    kind: str
    text: str


def _text(pattern: str) -> Callable[[Any], bool]:
    expression = re.compile(pattern, re.ASCII)
    return lambda value: isinstance(value, str) and expression.fullmatch(value) is not None


def _texts(value: Any, *, first: str = "") -> bool:
    """A list of texts, of which the first begins like this."""
    return (
        isinstance(value, list)
        and all(isinstance(each, str) and each and "\0" not in each for each in value)
        and bool(value)
        and value[0].startswith(first)
    )


def _boolean(value: Any) -> bool:
    return isinstance(value, bool)


def _seconds(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= 86400


HOST = r"(\[[0-9A-Fa-f:.]+(%25[A-Za-z0-9._-]{1,32})?\]|[A-Za-z0-9.-]+)(:\d{1,5})?"
"""Host and port in a url; an IPv6 address with its zone as RFC 6874 spells it."""
_PREFIX = r"(/[A-Za-z0-9._~-]{1,64}){0,8}"
_NAME = r"[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?"
_WHAT_A_NAME_IS = "1 to 32 lower-case letters, digits and dashes"
ANY_HOST = "{host}"

KEYS = {
    "name": BmcKey(
        _text(_NAME),
        _WHAT_A_NAME_IS,
        "name of the BMC in `redfish:NAME/...`; required",
    ),
    "url": BmcKey(
        _text(f"https://{HOST}{_PREFIX}"),
        'an address as in "https://bmc.example:443"',
        "address of the BMC, and what a gateway wants before `/redfish`; required, always over TLS",
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
    "serve": BmcKey(
        _text(r"(\[[0-9A-Fa-f:.]+\]|[0-9.]+)(:\d{1,5})?"),
        'an address of this machine as in "192.0.2.1:8080"',
        "address, and port, from which a BMC that takes no push may fetch an image by HTTP; nothing is served without",
    ),
    "patience": BmcKey(_seconds, "seconds, up to a day", "how long to follow a task (1800)"),
}
"""Everything that may be in one table."""
GROUP_KEYS = {
    "hosts": BmcKey(_texts, "a list of hosts", "hosts of the group, each as in a line of `hosts-file`"),
    "hosts-file": BmcKey(
        _text(r"/.+"), "an absolute path", "file of hosts, one a line, or the JSON of `ansible-inventory --list`"
    ),
    "hosts-command": BmcKey(
        lambda value: _texts(value, first="/"),
        "a list of a program, with an absolute path, and its arguments",
        "program that prints what could be in `hosts-file`; run without a shell, for 10 s at most",
    ),
    "url": BmcKey(
        _text(
            rf"https://(\{{host\}}|[A-Za-z0-9.-]*\{{host\}}[A-Za-z0-9.-]*|{HOST}{_PREFIX}/\{{host\}})(:\d{{1,5}})?{_PREFIX}"
        ),
        'an address with {host} in it, as in "https://{host}:8443"',
        'address of each BMC; "https://{host}" by default',
    ),
    **{name: key for name, key in KEYS.items() if name not in ("name", "url")},
}
"""Everything that may be in the table of a group."""
TABLE_KEYS = {
    "patience": BmcKey(
        _seconds,
        "seconds, up to a day",
        "how long a BMC may take for its first answer before it counts as silent (3); each further one may take that "
        "long, or 10 s if that is longer",
    ),
}
"""What holds for all BMCs: keys of the table ``redfish`` itself."""


def read_settings(files: Files) -> RedfishSettings:
    """What the settings of the machine behind ``files`` say; `UsageError` with the place of what is wrong."""
    return tables.read(files, TABLE, decode)


def decode(table: Any) -> RedfishSettings:
    """What the table ``redfish`` means; `UsageError`."""
    if not isinstance(table, dict) or set(table) - {"bmc", "group", *TABLE_KEYS}:
        known = ", ".join(TABLE_KEYS)
        raise _wrong(TABLE, f"must consist of tables [[redfish.bmc]] and [redfish.group.NAME], and of {known}")
    for name, key in TABLE_KEYS.items():
        if name in table and not key.valid(table[name]):
            raise _wrong(f"{TABLE}.{name}", f"must be {key.kind}")
    first_answer = table.get("patience", FIRST_ANSWER_S)
    return RedfishSettings(
        tuple(_bmcs(table.get("bmc", []), first_answer)), tuple(_groups(table.get("group", {}), first_answer))
    )


def _bmcs(rows: Any, first_answer: float) -> Iterator[Bmc]:
    if not isinstance(rows, list):
        raise _wrong(f"{TABLE}.bmc", "must be a list of tables")
    taken: set[str] = set()
    for index, row in enumerate(rows):
        place = f"{TABLE}.bmc[{index}]"
        values = _values(row, place, KEYS)
        for name in ("name", "url"):
            if name not in row:
                raise _wrong(f"{place}.{name}", "is missing")
        bmc = Bmc(**values, first_answer=first_answer)
        if bmc.name in taken:
            raise _wrong(f"{place}.name", f"two BMCs have the name {bmc.name}")
        taken.add(bmc.name)
        yield bmc


def _groups(rows: Any, first_answer: float) -> Iterator[HostGroup]:
    if not isinstance(rows, dict):
        raise _wrong(f"{TABLE}.group", "must consist of tables [redfish.group.NAME]")
    for name, row in rows.items():
        place = f"{TABLE}.group.{name}"
        if not KEYS["name"].valid(name):
            raise _wrong(place, f"the name of a group must be {_WHAT_A_NAME_IS}")
        values = {"url": f"https://{ANY_HOST}"} | _values(row, place, GROUP_KEYS)
        hosts, file = tuple(values.pop("hosts", ())), values.pop("hosts_file", None)
        command = tuple(values.pop("hosts_command", ()))
        if not (hosts or file or command):
            raise _wrong(place, "has neither hosts nor hosts-file nor hosts-command")
        yield HostGroup(name, Bmc("", **values, first_answer=first_answer, group=name), hosts, file, command)


def _values(row: Any, place: str, keys: Mapping[str, BmcKey]) -> dict[str, Any]:
    """What a table sets, by the names of the fields of `Bmc`."""
    if not isinstance(row, dict):
        raise _wrong(place, "must be a table")
    for name, value in row.items():
        if name not in keys:
            raise tables.unknown_key(place, name, keys, mechanism=TABLE, hint=_hint(place, keys))
        if not keys[name].valid(value):
            # The value is not shown: somebody may have written a password where it does not belong.
            raise _wrong(f"{place}.{name}", f"must be {keys[name].kind}", keys)
    return {name.replace("-", "_"): value for name, value in row.items()}


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
    file of the host that runs this program. The name is that of the BMC, or else of its group.
    """
    names = [each for each in (bmc.name, bmc.group) if each]
    for name in names:
        prefix = f"LIVEFW_REDFISH_{name.upper().replace('-', '_')}"
        user, password = environment.get(f"{prefix}_USERNAME"), environment.get(f"{prefix}_PASSWORD")
        if user and password:
            return Secret(user, password)
    directory = environment.get("CREDENTIALS_DIRECTORY")
    for name in names if directory else ():
        try:
            return _lines(reading.read(os.path.join(directory or "", f"livefw-redfish-{name}"), _SECRET_LIMIT), bmc)
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
        hint=f"set credentials in {table_of(bmc)} to a file of two lines, user and password, with mode 0600",
        mechanism=TABLE,
        phase="log in",
        errno=error.errno if error else None,
    )


def table_of(bmc: Bmc) -> str:
    """The table of the settings that it is from."""
    return f"[{TABLE}.group.{bmc.group}]" if bmc.group else f"[[{TABLE}.bmc]]"


def _hint(place: str, keys: Mapping[str, BmcKey]) -> str:
    table = f"[{place}]" if keys is GROUP_KEYS else f"[[{TABLE}.bmc]]"
    return f"keys of {table}: {', '.join(keys)}"


def _wrong(path: str, text: str, keys: Mapping[str, BmcKey] = KEYS) -> tables.TableError:
    return tables.TableError(text, path=path, mechanism=TABLE, hint=_hint(path.rpartition(".")[0], keys))
