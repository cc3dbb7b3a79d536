# SPDX-License-Identifier: Apache-2.0
"""``livefw image metadata``: PSA firmware update metadata for the first boot of a machine, as a factory writes it."""

import argparse

from livefw import reading
from livefw.abi.guid import Guid
from livefw.cli.image.naming import guid_of, pair
from livefw.cli.invocation.numbers import whole
from livefw.cli.invocation.session import CommandSession
from livefw.errors import ExitCode, UsageError
from livefw.firmware.image import metadata
from livefw.firmware.image.metadata import MAX_BANKS, MAX_VENDOR, NO_IMAGE, BankImage, BankState, ImageEntry, Metadata
from livefw.text import printable

_STATES = {state.name.lower(): state for state in BankState}


def configure(parser: argparse.ArgumentParser) -> None:
    """Images, banks, versions."""
    parser.add_argument("output", metavar="FILE", help="the metadata to write")
    parser.add_argument(
        "--image",
        metavar="TYPE,LOCATION,BANK[,BANK]...",
        action="append",
        required=True,
        help="GUIDs of a type of image, of where it is kept, and of the image in each bank, empty for none",
    )
    parser.add_argument("--efi", action="store_true", help="GUIDs are spelled as UEFI does, first half little-endian")
    parser.add_argument("--active", metavar="N", type=whole(0, MAX_BANKS - 1), default=0, help="the active bank (0)")
    parser.add_argument(
        "--previous", metavar="N", type=whole(0, (1 << 32) - 1), help="the bank that was active before (the one below)"
    )
    parser.add_argument(
        "--state", metavar="BANK=STATE", action="append", default=[], help=f"{', '.join(_STATES)} (accepted)"
    )
    parser.add_argument(
        "--metadata-version", type=int, choices=(1, 2), default=metadata.VERSION, help="version of the format (2)"
    )
    parser.add_argument("--vendor", metavar="FILE", help="append this, in version 2")


def run(session: CommandSession, arguments: argparse.Namespace) -> int:
    """Make it, read it back, write it."""
    rows = [_row(word, efi=arguments.efi) for word in arguments.image]
    banks = len(rows[0]) - 2
    if any(len(row) - 2 != banks for row in rows) or not 1 <= banks <= MAX_BANKS:
        raise UsageError(f"--image: each image needs the same number of banks, 1 to {MAX_BANKS}")
    if arguments.active >= banks:
        raise UsageError(f"--active {arguments.active}: there are {banks} banks, from 0 on")
    states = [BankState.ACCEPTED] * banks
    for word in arguments.state:
        bank, state = pair(word, "--state", "BANK=STATE")
        if bank not in map(str, range(banks)) or state not in _STATES:
            raise UsageError(f"--state {word[:40]}: a bank from 0 to {banks - 1} and one of {', '.join(_STATES)}")
        states[int(bank)] = _STATES[state]
    if arguments.metadata_version == 1 and (arguments.vendor or BankState.INVALID in states):
        raise UsageError("version 1 has neither data of a vendor nor a state for a bank that is not valid")
    accepted = [state is BankState.ACCEPTED for state in states]
    made = Metadata(
        active=arguments.active,
        previous=(arguments.active - 1) % banks if arguments.previous is None else arguments.previous,
        states=tuple(states),
        images=tuple(
            ImageEntry(kind, location, tuple(map(BankImage, images, accepted))) for kind, location, *images in rows
        ),
        version=arguments.metadata_version,
        vendor=reading.read(arguments.vendor, MAX_VENDOR) if arguments.vendor else b"",
    )
    data = made.encode()
    metadata.decode(data)  # which refuses one type twice
    reading.write(arguments.output, data)
    session.report(
        lambda: printable(f"{arguments.output}: {len(data):,} bytes, version {made.version}, {banks} banks"),
        lambda: {
            "metadata": {
                "file": arguments.output,
                "size": len(data),
                "version": made.version,
                "banks": banks,
                "images": len(rows),
            }
        },
    )
    return ExitCode.DONE


def _row(word: str, *, efi: bool) -> list[Guid]:
    parts = word.split(",")
    if len(parts) < 3:
        raise UsageError(f"--image {word[:80]}: TYPE,LOCATION,BANK is needed")
    return [_guid(part, efi=efi) if part or index < 2 else NO_IMAGE for index, part in enumerate(parts)]


def _guid(text: str, *, efi: bool) -> Guid:
    if not efi:
        return guid_of(text)
    try:
        return Guid.parse_efi(text)
    except ValueError as error:
        raise UsageError(f"--image: {error}") from None
