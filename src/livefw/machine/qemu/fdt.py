# SPDX-License-Identifier: Apache-2.0
"""Additions to a flattened device tree (Devicetree Specification v0.4, chapter 5): nodes and properties, no removal.

QEMU makes the tree of its machine; a few properties and two nodes have to go in. This is done on the tokens of the
structure block, without a model of the tree: new ones are put where the old ones end.
"""

import struct
from collections.abc import Mapping

_MAGIC = 0xD00DFEED
_BEGIN, _END, _PROPERTY, _NOP, _FINISH = 1, 2, 3, 4, 9
_HEADER = struct.Struct(">10I")
_MOST = 2 * 1024 * 1024
"""Linux takes no larger tree."""

Value = str | bytes | tuple[int, ...]
"""Text, raw bytes, or 32-bit cells."""


class DeviceTreeError(ValueError):
    """Not a device tree, or a damaged one."""


def add(blob: bytes, additions: Mapping[str, Mapping[str, Value]]) -> bytes:
    """A tree with properties set on nodes; a node that is not there is made if its parent is.

    A path may end in ``*`` and then means all nodes that begin so. `DeviceTreeError` for what is no tree.
    """
    try:
        return _add(blob, additions)
    except DeviceTreeError:
        raise
    except (struct.error, IndexError, ValueError) as error:  # also a name without an end, or that is no ASCII
        raise DeviceTreeError(f"the device tree is truncated: {error}") from error


def _add(blob: bytes, additions: Mapping[str, Mapping[str, Value]]) -> bytes:
    magic, total, structure, strings, reserved, version, last, boot_cpu, text_size, size = _HEADER.unpack_from(blob)
    if magic != _MAGIC or total > min(len(blob), _MOST) or version < 17 or structure + size > total:
        raise DeviceTreeError("not a device tree of version 17")
    names = bytearray(blob[strings : strings + text_size])
    out = bytearray()
    path: list[str] = []
    open_values: list[dict[str, Value]] = []
    present: set[str] = set()
    position = structure
    while True:
        (token,) = struct.unpack_from(">I", blob, position)
        start, position = position, position + 4
        if token == _BEGIN:
            _flush(out, names, open_values)
            end = blob.index(b"\0", position)
            path.append(blob[position:end].decode("ascii"))
            position = end + 4 & ~3
            out += blob[start:position]
            here = "/".join(path) or "/"
            present.add(here)
            open_values.append(_wanted(additions, here))
        elif token == _PROPERTY:
            length, name_at = struct.unpack_from(">II", blob, position)
            position += 8 + (length + 3 & ~3)
            name = blob[strings + name_at : blob.index(b"\0", strings + name_at)].decode("ascii")
            if not open_values or name not in open_values[-1]:
                out += blob[start:position]
        elif token == _END:
            _flush(out, names, open_values)
            here = "/".join(path)
            for child, values in additions.items():
                parent, _, name = child.rpartition("/")
                if parent == here and child not in present and not child.endswith("*"):
                    out += struct.pack(">I", _BEGIN) + _padded(name.encode() + b"\0")
                    _put(out, names, values)
                    out += struct.pack(">I", _END)
            path.pop()
            open_values.pop()
            out += struct.pack(">I", _END)
        elif token == _FINISH:
            break
        elif token != _NOP:
            raise DeviceTreeError(f"token {token:#x} in the structure block")
    out += struct.pack(">I", _FINISH)
    head = blob[_HEADER.size : structure]
    at = _HEADER.size + len(head)
    header = _HEADER.pack(
        _MAGIC, at + len(out) + len(names), at, at + len(out), reserved, 17, last, boot_cpu, len(names), len(out)
    )
    return header + head + bytes(out) + bytes(names)


def _wanted(additions: Mapping[str, Mapping[str, Value]], here: str) -> dict[str, Value]:
    values: dict[str, Value] = {}
    for path, more in additions.items():
        if path == here or (path.endswith("*") and here.startswith(path[:-1])):
            values |= more
    return values


def _flush(out: bytearray, names: bytearray, open_values: list[dict[str, Value]]) -> None:
    """Write the innermost open node's new properties, which must precede its children."""
    if open_values:
        _put(out, names, open_values[-1])
        open_values[-1] = {}


def _put(out: bytearray, names: bytearray, values: Mapping[str, Value]) -> None:
    for name, value in values.items():
        raw = _bytes(value)
        out += struct.pack(">III", _PROPERTY, len(raw), len(names)) + _padded(raw)
        names += name.encode() + b"\0"


def _bytes(value: Value) -> bytes:
    if isinstance(value, str):
        return value.encode() + b"\0"
    return value if isinstance(value, bytes) else struct.pack(f">{len(value)}I", *value)


def _padded(raw: bytes) -> bytes:
    return raw + bytes(-len(raw) % 4)
