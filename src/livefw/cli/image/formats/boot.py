# SPDX-License-Identifier: Apache-2.0
"""What firmware writes when it boots and is updated: update metadata and measurement logs."""

from livefw.cli.image.formats.base import Document, Format, InfoView, Start, columns, everything, named
from livefw.firmware.image import measure, metadata
from livefw.firmware.image.errors import StoreError
from livefw.firmware.image.measure import MeasurementEvent
from livefw.firmware.image.metadata import BankState

_MOST_LOG = 16 << 20
_MOST_TEXT = 200
_STATES = frozenset(BankState)
_NO_BANK = 0xFFFFFFFF

EVENTS = {
    0x00: "EV_PREBOOT_CERT",
    0x01: "EV_POST_CODE",
    0x03: "EV_NO_ACTION",
    0x04: "EV_SEPARATOR",
    0x05: "EV_ACTION",
    0x06: "EV_EVENT_TAG",
    0x07: "EV_S_CRTM_CONTENTS",
    0x08: "EV_S_CRTM_VERSION",
    0x09: "EV_CPU_MICROCODE",
    0x0A: "EV_PLATFORM_CONFIG_FLAGS",
    0x0B: "EV_TABLE_OF_DEVICES",
    0x0C: "EV_COMPACT_HASH",
    0x0D: "EV_IPL",
    0x0E: "EV_IPL_PARTITION_DATA",
    0x0F: "EV_NONHOST_CODE",
    0x10: "EV_NONHOST_CONFIG",
    0x11: "EV_NONHOST_INFO",
    0x12: "EV_OMIT_BOOT_DEVICE_EVENTS",
    0x13: "EV_POST_CODE2",
    0x80000001: "EV_EFI_VARIABLE_DRIVER_CONFIG",
    0x80000002: "EV_EFI_VARIABLE_BOOT",
    0x80000003: "EV_EFI_BOOT_SERVICES_APPLICATION",
    0x80000004: "EV_EFI_BOOT_SERVICES_DRIVER",
    0x80000005: "EV_EFI_RUNTIME_SERVICES_DRIVER",
    0x80000006: "EV_EFI_GPT_EVENT",
    0x80000007: "EV_EFI_ACTION",
    0x80000008: "EV_EFI_PLATFORM_FIRMWARE_BLOB",
    0x80000009: "EV_EFI_HANDOFF_TABLES",
    0x8000000A: "EV_EFI_PLATFORM_FIRMWARE_BLOB2",
    0x8000000B: "EV_EFI_HANDOFF_TABLES2",
    0x8000000C: "EV_EFI_VARIABLE_BOOT2",
    0x80000010: "EV_EFI_HCRTM_EVENT",
    0x800000E0: "EV_EFI_VARIABLE_AUTHORITY",
    0x800000E1: "EV_EFI_SPDM_FIRMWARE_BLOB",
    0x800000E2: "EV_EFI_SPDM_FIRMWARE_CONFIG",
}
"""Types of events (TCG PC Client Platform Firmware Profile 1.06, table 27)."""


def _is_metadata(start: Start) -> bool:
    """It has no magic. Version 1 is its CRC, and version 2 fields that fit each other and the file."""
    data = start.data
    if len(data) < 32:
        return False
    version, size, offset = (
        int.from_bytes(data[at : at + width], "little") for at, width in ((4, 4), (16, 4), (20, 2))
    )
    if version == 1:
        try:
            metadata.decode(data)
        except StoreError:
            return False
        return True
    return version == 2 and 32 <= offset < size <= metadata.MAX_SIZE and set(data[24:28]) <= _STATES


def _metadata(start: Start, view: InfoView) -> Document:  # noqa: ARG001 - one form for all
    start.file.seek(0)
    found = metadata.decode(start.file.read(metadata.MAX_SIZE))  # a copy may stand in a larger partition
    return {
        "trailing": start.size - len(found.encode()),
        "metadata": {
            "version": found.version,
            "active": found.active,
            "previous": None if found.previous == _NO_BANK else found.previous,
            "states": [state.name.lower() for state in found.states],
            "vendor_bytes": len(found.vendor),
            "header_bytes": len(found.extension),
            "images": [
                {
                    "type": entry.type.efi,
                    "location": entry.location.efi,
                    "banks": [{"image": bank.image.efi, "accepted": bank.accepted} for bank in entry.banks],
                }
                for entry in found.images
            ],
        },
    }


def _metadata_lines(document: Document) -> list[str]:
    found = document["metadata"]
    rows = [
        (each["type"], number, bank["image"], "accepted" if bank["accepted"] else "not accepted")
        for each in found["images"]
        for number, bank in enumerate(each["banks"])
    ]
    states = ", ".join(f"{number} {state}" for number, state in enumerate(found["states"]))
    return [
        *named(
            (
                ("version", found["version"]),
                (
                    "active",
                    f"bank {found['active']}, before it {'none' if found['previous'] is None else found['previous']}",
                ),
                ("banks", f"{len(found['states'])}: {states}" + (" (derived)" if found["version"] == 1 else "")),
                ("header", f"{found['header_bytes']} bytes of a later version" if found["header_bytes"] else None),
                ("vendor", f"{found['vendor_bytes']:,} bytes behind the images" if found["vendor_bytes"] else None),
                ("trailing", f"{document['trailing']:,} bytes" if document["trailing"] else None),
            )
        ),
        *columns(("TYPE", "BANK", "IMAGE", "STATE"), rows),
    ]


def _log(start: Start, view: InfoView) -> Document:  # noqa: ARG001 - one form for all
    kinds, events = measure.decode(everything(start, _MOST_LOG, "a measurement log"))
    registers: dict[str, dict[str, str]] = {}
    for (pcr, kind), value in measure.replay(kinds, events).items():
        registers.setdefault(str(pcr), {})[kind.name] = value.hex()
    return {
        "event_log": {
            "algorithms": [kind.name for kind in kinds],
            "events": [_event(event) for event in events],
            "registers": registers,
        }
    }


def _event(event: MeasurementEvent) -> Document:
    return {
        "register": event.pcr,
        "type": EVENTS.get(event.kind, f"{event.kind:#x}"),
        "size": len(event.data),
        "text": event.text[:_MOST_TEXT] if event.text.isprintable() else None,
        "digests": {kind.name: value.hex() for kind, value in event.digests.items()},
    }


def _log_lines(document: Document) -> list[str]:
    log = document["event_log"]
    rows = [(each["register"], each["type"], each["size"], each["text"] or "") for each in log["events"]]
    return [
        *named((("algorithms", ", ".join(log["algorithms"])),)),
        *columns(("PCR", "TYPE", "SIZE", "TEXT"), rows),
        *columns(
            ("PCR", "ALGORITHM", "VALUE AFTER ALL EVENTS"),
            [(pcr, kind, value) for pcr, values in log["registers"].items() for kind, value in values.items()],
        ),
    ]


METADATA = Format(
    "update metadata",
    "PSA firmware update metadata (DEN0118), versions 1 and 2",
    "version, sizes and states of banks that fit each other; of version 1, its CRC",
    _is_metadata,
    _metadata,
    _metadata_lines,
)
EVENT_LOG = Format(
    "event log",
    "measurement log of the TCG",
    "`Spec ID Event` in the first event",
    lambda start: measure.is_log(start.data),
    _log,
    _log_lines,
)
