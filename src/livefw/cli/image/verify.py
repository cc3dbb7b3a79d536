# SPDX-License-Identifier: Apache-2.0
"""``livefw image verify``: whether a machine would take a package, or whether the package is consistent in itself."""

import argparse
from typing import Any, BinaryIO

from livefw import reading
from livefw.cli.image.info import accepted, configure_machine, machine_of, parse_counter, require_size
from livefw.cli.image.naming import configure_platform, on_platform
from livefw.cli.invocation.session import CommandSession
from livefw.errors import ExitCode, UsageError
from livefw.firmware.image import fip, verify
from livefw.firmware.image.chain import CHAINS, TrustChain
from livefw.firmware.image.verify import TrustAnchor
from livefw.text import printable


def configure(parser: argparse.ArgumentParser) -> None:
    """Which package, and whose trust."""
    parser.add_argument("file", metavar="FILE", help="a firmware image package")
    configure_machine(parser)
    parser.add_argument(
        "--chain-only", action="store_true", help="verify with the root keys in the package, which nothing vouches for"
    )
    parser.add_argument("--chain", choices=CHAINS, help="with --chain-only, the chain of trust (by the certificates)")
    configure_platform(parser)


def run(session: CommandSession, arguments: argparse.Namespace) -> int:
    """Verify a package as LFA_PRIME would; `ImageError` with the first rule it breaks."""
    if arguments.chain_only:
        return _chain_only(session, arguments)
    if arguments.chain or arguments.platform or arguments.partition:
        raise UsageError("--chain, --platform and --partition are for --chain-only", hint="a trust file has its own")
    machine = machine_of(arguments)
    if machine is None:
        raise UsageError(
            "image verify: the root of trust is missing",
            hint="name it with --trust FILE or --store DIR, or --chain-only",
        )
    anchor, counters = machine
    with reading.opened(arguments.file) as file:
        require_size(file, arguments.file)
        verified = verify.verify(file, anchor, counters)
    document = _covered(arguments, accepted(verified, anchor.chain), anchor.chain)
    session.answer(
        lambda: f"{printable(arguments.file)}: authentic ({_names(document)})", lambda: {"verdict": document}
    )
    return ExitCode.DONE


def _chain_only(session: CommandSession, arguments: argparse.Namespace) -> int:
    if arguments.trust or arguments.store:
        raise UsageError("--chain-only goes without --trust and --store")
    with reading.opened(arguments.file) as file:
        require_size(file, arguments.file)
        anchor = _declared(file, arguments)
        verified = verify.verify(file, anchor, dict(map(parse_counter, arguments.counter)))
    document = _covered(arguments, accepted(verified, anchor.chain), anchor.chain)
    roots = {name: value.hex() for name, value in anchor.roots.items()}
    # Without a root of trust nothing is authentic: a forger's package is consistent too.
    del document["authentic"]
    session.answer(
        lambda: "\n".join(
            (
                f"{printable(arguments.file)}: consistent, chain {anchor.chain.name} ({_names(document)})",
                "Its root keys, which nothing here vouches for:",
                *(f"{name}  {value}" for name, value in roots.items()),
            )
        ),
        lambda: {"consistent": {"chain": anchor.chain.name, "roots": roots} | document},
    )
    return ExitCode.DONE


def _declared(file: BinaryIO, arguments: argparse.Namespace) -> TrustAnchor:
    table = fip.read(file)
    if arguments.chain is None:
        found = verify.matching_chains(file, table, CHAINS.values())
        if not found:
            raise UsageError(
                f"{arguments.file} has certificates of no known chain",
                hint=f"name one with --chain: {', '.join(CHAINS)}",
            )
        arguments.chain = found[0].name
    return verify.declared_anchor(file, table, on_platform(arguments))


def _covered(arguments: argparse.Namespace, document: dict[str, Any], chain: TrustChain) -> dict[str, Any]:
    if not document["images"]:
        raise UsageError(f"{arguments.file} has no image that chain {chain.name} covers")
    return document


def _names(document: dict[str, Any]) -> str:
    return ", ".join(row["name"] for row in document["images"])
