# SPDX-License-Identifier: Apache-2.0
"""Firmware of x86 CPUs: TDX modules and microcode."""

import struct

from livefw.abi import microcode, tdx_image
from livefw.abi.tdx_image import Sigstruct
from livefw.cli.image.formats.base import Document, Format, InfoView, Start, columns, everything, named
from livefw.firmware.format import amd_microcode
from livefw.providers.tdx import blob
from livefw.providers.tdx.releases import KNOWN
from livefw.providers.tdx.sigstruct import INTEL_SIGNER, objections, signer

_MOST_MICROCODE = 16 << 20


def _tdx(start: Start, view: InfoView) -> Document:  # noqa: ARG001 - the checksum takes all of it in any case
    found = blob.parse(everything(start, tdx_image.MAX_IMAGE, "a TDX module"))
    structure = Sigstruct.decode(found.sigstruct)
    seamhash = structure.seamhash.hex()
    key = signer(structure)
    return {
        "module": {
            "layout": found.layout,
            "version": next((str(each) for each, release in KNOWN.items() if release.seamhash == seamhash), None),
            "svn": str(structure.svn),
            "date": f"{structure.date:08x}",
            "debug": structure.debug,
            "cpus": [f"{eax:#x}" for eax in structure.cpus],
            "size": len(found.module),
            "seamhash": seamhash,
            "signer": key,
            "intel": key == INTEL_SIGNER,
            "faults": objections(structure, found.module, signers=frozenset({key})),
        }
    }


def _tdx_lines(document: Document) -> list[str]:
    found = document["module"]
    return named(
        (
            ("layout", f"{found['layout']:#x}"),
            ("version", f"{found['version'] or 'not known'} (by the hash of the module; an image does not have it)"),
            ("svn", found["svn"]),
            ("date", found["date"] + (", for debugging only" if found["debug"] else "")),
            ("CPUs", ", ".join(found["cpus"])),
            ("module", f"{found['size']:,} bytes, SHA-384 {found['seamhash']}"),
            ("signed by", "Intel" if found["intel"] else f"a key that is not Intel's, SHA-384 {found['signer']}"),
            *(("fault", fault) for fault in found["faults"]),
            ("signature", None if found["faults"] else "verified with the key beside it"),
        )
    )


def _is_intel(start: Start) -> bool:
    return microcode.is_update(start.data)


def _intel(start: Start, view: InfoView) -> Document:  # noqa: ARG001 - the checksums take all of it in any case
    rows = []
    offset = 0
    for patch in microcode.patches(everything(start, _MOST_MICROCODE, "a file of microcode")):
        cpus = [{"signature": f"{cpu:#x}", "platforms": f"{mask:#x}"} for cpu, mask in patch.cpus]
        rows.append(
            {
                "revision": f"{patch.revision:#x}",
                "date": _date(patch.date),
                "offset": offset,
                "size": patch.size,
                "minimum": f"{patch.minimum:#x}" if patch.minimum else None,
                "cpus": cpus,
            }
        )
        offset += patch.size
    return {"microcode": rows}


def _amd(start: Start, view: InfoView) -> Document:  # noqa: ARG001 - one form for all
    return {
        "microcode": [
            {
                "revision": f"{patch.revision:#x}",
                "date": _date(patch.date),
                "offset": patch.offset,
                "size": patch.size,
                "minimum": None,
                "cpus": [{"signature": f"{cpu:#x}", "platforms": None} for cpu in patch.cpus],
            }
            for patch in amd_microcode.read(start.file)
        ]
    }


def _date(number: int) -> str:
    """Both vendors write mmddyyyy, one digit in four bits."""
    digits = f"{number:08x}"
    return f"{digits[4:]}-{digits[:2]}-{digits[2:4]}"


def _microcode_lines(document: Document) -> list[str]:
    rows = [
        (
            f"{each['offset']:#x}",
            each["revision"],
            each["date"],
            each["size"],
            ", ".join(
                cpu["signature"] + (f" ({cpu['platforms']})" if cpu["platforms"] else "") for cpu in each["cpus"]
            ),
        )
        for each in document["microcode"]
    ]
    return columns(("OFFSET", "REVISION", "DATE", "SIZE", "CPUS"), rows)


def _is_tdx(start: Start) -> bool:
    return tdx_image.MAGIC in (start.data[4:12], start.data[8:16]) and struct.unpack_from("<H", start.data)[0] < 1 << 12


TDX = Format(
    "TDX module",
    "image of an Intel TDX module, layout 0x100 or 0x200",
    "`TDX-BLOB` at offset 4 or 8",
    _is_tdx,
    _tdx,
    _tdx_lines,
)
INTEL = Format(
    "Intel microcode",
    "one or more updates of Intel's microcode",
    "header version 1, loader version 1, a date and sizes that exist",
    _is_intel,
    _intel,
    _microcode_lines,
)
AMD = Format(
    "AMD microcode",
    "one or more containers of AMD's microcode",
    "`DMA\\0`",
    lambda start: start.data[:4] == amd_microcode.MAGIC,
    _amd,
    _microcode_lines,
)
