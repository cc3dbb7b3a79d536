# SPDX-License-Identifier: Apache-2.0
"""Intel's ``mapping_file.json``: which module release may follow which, under which loader.

Published with the images (``tdx-module.binaries`` repository; revisions up to ``7a162249`` without and from
``14c28ce0`` with ``strict_compat_versions``). It may come from anywhere, so each step has a bound, and an error names
the place: ``tdx_module_releases[3].version``.
"""

import re
from typing import Any, NamedTuple, TypeVar

from livefw.abi.tdx import TdxVersion

NAME = "mapping_file.json"
MAX_BYTES = 1 << 20
"""Two hundred times the size of the newest: no list of releases is longer, and a parser is not fed more."""
MAX_RELEASES = 4096
MAX_LIST = 4096
_RELEASES = "tdx_module_releases"
_KNOWN_REVISION = 1
_MAX_TEXT = 64
_WORD = re.compile(r"0x0*[0-9A-Fa-f]{1,16}")

T = TypeVar("T")


class MappingError(ValueError):
    """The file is not what it should be; ``where`` is the place in it, empty for the file as a whole."""

    def __init__(self, where: str, text: str) -> None:
        super().__init__(f"{where}: {text}" if where else text)
        self.where = where
        self.text = text


class ModuleRelease(NamedTuple):
    """One module release. ``strict_from`` is None in revisions without that list."""

    version: TdxVersion
    min_running: TdxVersion
    min_seamldr: tuple[TdxVersion, ...]
    features: int
    strict_from: frozenset[TdxVersion] | None


class Mapping(NamedTuple):
    """The whole table. ``unknown`` are keys that this program does not know, and which may hold further rules."""

    releases: dict[TdxVersion, ModuleRelease]
    unknown: tuple[str, ...] = ()


def parse(data: bytes) -> Mapping:
    """Read the file; `MappingError` for anything that is not exactly right, unknown keys excepted."""
    top = _object(_json(data), "")
    header = _object(_member(top, "Header", ""), "Header")
    revision = _text(_member(header, "Version", "Header"), "Header.Version")
    if revision.partition(".")[0] != str(_KNOWN_REVISION):
        raise MappingError("Header.Version", f"{revision!r}, where only {_KNOWN_REVISION}.x is known")
    releases: dict[TdxVersion, ModuleRelease] = {}
    unknown = {key: None for key in top if key not in ("Header", _RELEASES)}
    for index, entry in enumerate(_list(_member(top, _RELEASES, ""), _RELEASES, MAX_RELEASES)):
        where = f"{_RELEASES}[{index}]"
        release, others = _release(_object(entry, where), where)
        if release.version in releases:
            raise MappingError(f"{where}.version", f"{release.version} is there twice")
        releases[release.version] = release
        unknown |= dict.fromkeys(others)
    return Mapping(releases, tuple(unknown))


def _release(entry: dict[str, Any], where: str) -> tuple[ModuleRelease, list[str]]:
    rest = dict(entry)

    def take(key: str) -> tuple[Any, str]:
        value = _member(entry, key, where)
        del rest[key]
        return value, f"{where}.{key}"

    release = ModuleRelease(
        version=_version(*take("version")),
        min_running=_version(*take("min_module_version_for_td_preserving")),
        min_seamldr=_versions(*take("min_seamldr_versions")),
        features=_hex(*take("tdx_feature0")),
        strict_from=frozenset(_versions(*take("strict_compat_versions")))
        if "strict_compat_versions" in entry
        else None,
    )
    return release, list(rest)


def _json(data: bytes) -> Any:
    from json import loads  # only where there is a table

    if len(data) > MAX_BYTES:
        raise MappingError("", f"larger than {MAX_BYTES} bytes")
    try:
        return loads(data, object_pairs_hook=_unique)
    except MappingError:
        raise
    except RecursionError:
        raise MappingError("", "nested too deeply") from None
    except ValueError as error:  # no JSON, no UTF-8, or a number without end
        raise MappingError("", f"not JSON: {error}") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object; a key that comes twice would let one reader see what another does not."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise MappingError("", "an object has the same key twice")
    return found


def _member(owner: dict[str, Any], key: str, where: str) -> Any:
    if key not in owner:
        raise MappingError(f"{where}.{key}" if where else key, "missing")
    return owner[key]


def _of(kind: type[T], value: Any, where: str, name: str) -> T:
    if not isinstance(value, kind):
        raise MappingError(where, f"not {name}")
    return value


def _object(value: Any, where: str) -> dict[str, Any]:
    return _of(dict, value, where, "an object")


def _list(value: Any, where: str, most: int) -> list[Any]:
    found: list[Any] = _of(list, value, where, "a list")
    if len(found) > most:
        raise MappingError(where, f"{len(found)} entries, more than {most}")
    return found


def _text(value: Any, where: str) -> str:
    text = _of(str, value, where, "a string")
    if len(text) > _MAX_TEXT:
        raise MappingError(where, f"longer than {_MAX_TEXT} characters")
    return text


def _version(value: Any, where: str) -> TdxVersion:
    try:
        return TdxVersion.parse(_text(value, where))
    except MappingError:
        raise
    except ValueError as error:
        raise MappingError(where, str(error)) from None


def _versions(value: Any, where: str) -> tuple[TdxVersion, ...]:
    return tuple(_version(item, f"{where}[{n}]") for n, item in enumerate(_list(value, where, MAX_LIST)))


def _hex(value: Any, where: str) -> int:
    text = _text(value, where)
    # int() would take `0x1_f`, too, and digits of other scripts.
    if not _WORD.fullmatch(text):
        raise MappingError(where, f"not a hexadecimal number of 64 bits: {text!r}")
    return int(text, 16)
