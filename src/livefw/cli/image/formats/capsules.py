# SPDX-License-Identifier: Apache-2.0
"""EFI capsules, and those of PFRUT among them."""

from livefw.abi import capsule as efi
from livefw.abi.pfrut import TYPES
from livefw.abi.pfrut import Capsule as PfrutCapsule
from livefw.cli.image.formats.base import Document, Format, InfoView, Start, columns, digest_of, everything, named
from livefw.firmware.format import capsule
from livefw.firmware.format.capsule import CapsuleItem

_MOST_PFRUT = 64 << 20


def _capsule(start: Start, view: InfoView) -> Document:
    found = capsule.read(start.file)
    hashes = found.size <= view.most_hashed
    return {
        "trailing": found.trailing,
        "capsule": {
            "guid": found.guid.efi,
            "purpose": efi.KNOWN.get(found.guid),
            "flags": capsule.flag_names(found.flags),
            "header_size": found.header_size,
            "body": found.size - found.header_size,
            "drivers": [each.size for each in found.drivers],
            "images": [_image(start, each, hashes=hashes) for each in found.images],
        },
    }


def _image(start: Start, item: CapsuleItem, *, hashes: bool) -> Document:
    signed = item.authentication
    return {
        "type": item.type.efi,
        "index": item.index,
        "hardware_instance": item.hardware_instance,
        "offset": item.offset,
        "size": item.size,
        "vendor_bytes": item.vendor_bytes,
        "version": item.header and item.header.version,
        "lowest_supported_version": item.header and item.header.lowest_supported,
        "signature": signed
        and {
            "type": "PKCS #7" if signed.kind == efi.PKCS7 else signed.kind.efi,
            "size": signed.size,
            "monotonic_count": signed.monotonic_count,
        },
        "sha256": digest_of(start.file, item.offset, item.size) if hashes else None,
    }


def _lines(document: Document) -> list[str]:
    found = document["capsule"]
    images = found["images"]
    rows = [
        (
            each["index"],
            each["type"],
            f"{each['offset']:#x}",
            each["size"],
            "-" if each["version"] is None else f"{each['version']:#x}",
            "-" if each["lowest_supported_version"] is None else f"{each['lowest_supported_version']:#x}",
            each["signature"]["type"] if each["signature"] else "none",
        )
        for each in images
    ]
    return [
        *named(
            (
                ("for", f"{found['guid']} ({found['purpose'] or 'a firmware of that class'})"),
                ("flags", ", ".join(found["flags"]) or "none"),
                ("drivers", len(found["drivers"]) or None),
                ("body", f"{found['body']:,} bytes, {document['trailing']:,} behind it"),
            )
        ),
        *columns(("INDEX", "TYPE", "OFFSET", "SIZE", "VERSION", "LOWEST", "SIGNATURE"), rows),
        *named(("sha256", f"{each['sha256']} (image {each['index']})") for each in images if each["sha256"]),
        *(["Signatures are not verified: the keys are in the firmware."] if images else []),
    ]


def _is_pfrut(start: Start) -> bool:
    """Linux does not look at the GUID of the capsule, only at the type of its image."""
    try:
        PfrutCapsule.parse(start.data)
    except ValueError:
        return False
    return True


def _pfrut(start: Start, view: InfoView) -> Document:  # noqa: ARG001 - one form for all
    found = PfrutCapsule.parse(everything(start, _MOST_PFRUT, "a capsule of PFRUT"))
    return {
        "pfrut": {
            "updates": str(found.kind),
            "type": next(guid.efi for guid, kind in TYPES.items() if kind is found.kind),
            "platform": found.platform_id.efi,
            "hardware_version": found.hw_version,
            "version": found.rt_version,
            "svn": found.svn,
        }
    }


def _pfrut_lines(document: Document) -> list[str]:
    found = document["pfrut"]
    return named(
        (
            ("updates", found["updates"]),
            ("type", found["type"]),
            ("platform", found["platform"]),
            ("version", f"{found['version']:#x}, for hardware {found['hardware_version']:#x}"),
            ("svn", found["svn"]),
        )
    )


PFRUT = Format(
    "PFRUT capsule",
    "capsule of Platform Firmware Runtime Update",
    "the GUID of its image: code injection or driver update",
    _is_pfrut,
    _pfrut,
    _pfrut_lines,
)
CAPSULE = Format(
    "capsule",
    "EFI capsule, plain or of the Firmware Management Protocol",
    "a known GUID, else sizes that are those of the file and flags that exist",
    lambda start: capsule.is_capsule(start.data, start.size),
    _capsule,
    _lines,
)
