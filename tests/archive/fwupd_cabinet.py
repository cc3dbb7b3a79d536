# SPDX-License-Identifier: Apache-2.0
"""fwupd's own reader of archives, as a program: ``fwupd_cabinet.py LIBRARIES FILE...`` prints what it makes of each.

`fwupdtool get-details` asks the same functions, and takes a tenth of a second for each archive. Run it as a process of
its own: what is wrong in C ends it.
"""

import ctypes
import json
import sys
from pathlib import Path
from typing import Any

_CACHE_BLOB = 1 << 11
_KEPT_NODES = 1 << 3
"""XB_QUERY_FLAG_FORCE_NODE_CACHE: the nodes to which the parser has attached names."""
_MOST = 1 << 28


class _Error(ctypes.Structure):
    _fields_ = (("domain", ctypes.c_uint32), ("code", ctypes.c_int), ("message", ctypes.c_char_p))


class _Array(ctypes.Structure):
    _fields_ = (("data", ctypes.POINTER(ctypes.c_void_p)), ("length", ctypes.c_uint))


_P, _S, _E = ctypes.c_void_p, ctypes.c_char_p, ctypes.POINTER(ctypes.POINTER(_Error))


def _function(library: ctypes.CDLL, name: str, result: Any, *arguments: Any) -> Any:
    found = library[name]
    found.restype, found.argtypes = result, arguments
    return found


class Fwupd:
    """The functions."""

    def __init__(self, directory: Path) -> None:
        plugin = ctypes.CDLL(str(directory / "libfwupdplugin.so"))
        engine = ctypes.CDLL(str(directory / "libfwupdengine.so"))
        xmlb, glib = ctypes.CDLL("libxmlb.so.2"), ctypes.CDLL("libglib-2.0.so.0")
        self._new = _function(engine, "fu_cabinet_new", _P)
        self._silo = _function(engine, "fu_cabinet_get_silo", _P, _P, _E)
        self._limit = _function(plugin, "fu_firmware_set_size_max", None, _P, ctypes.c_uint64)
        size = ctypes.c_size_t
        self._parse = _function(plugin, "fu_firmware_parse_bytes", ctypes.c_int, _P, _P, size, ctypes.c_uint64, _E)
        self._bytes = _function(glib, "g_bytes_new", _P, _S, size)
        self._content = _function(glib, "g_bytes_get_data", _P, _P, ctypes.POINTER(size))
        self._query_new = _function(xmlb, "xb_query_new_full", _P, _P, _S, ctypes.c_uint, _E)
        self._query = _function(xmlb, "xb_silo_query_full", ctypes.POINTER(_Array), _P, _P, _E)
        self._attribute = _function(xmlb, "xb_node_get_attr", _S, _P, _S)
        self._data = _function(xmlb, "xb_node_get_data", _P, _P, _S)

    def images(self, archive: bytes) -> list[list[str]] | str:
        """Version and file of each release; a text why not."""
        error = ctypes.POINTER(_Error)()
        cabinet = self._new()
        self._limit(cabinet, _MOST)
        raw = self._bytes(archive, len(archive))
        found = None
        if self._parse(cabinet, raw, 0, _CACHE_BLOB, error) and (silo := self._silo(cabinet, error)):
            query = self._query_new(silo, b"components/component/releases/release", _KEPT_NODES, error)
            found = self._query(silo, query, error)
        if not found:
            return str(error.contents.message.decode())
        return [self._image(found.contents.data[index]) for index in range(found.contents.length)]

    def _image(self, release: Any) -> list[str]:
        size = ctypes.c_size_t()
        name = self._data(release, b"fwupd::FirmwareBasename")
        file = ctypes.string_at(self._content(name, size), size.value) if name else b""
        return [(self._attribute(release, b"version") or b"").decode(), file.rstrip(b"\0").decode()]


if __name__ == "__main__":
    fwupd = Fwupd(Path(sys.argv[1]))
    json.dump({each: fwupd.images(Path(each).read_bytes()) for each in sys.argv[2:]}, sys.stdout)
