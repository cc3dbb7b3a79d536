# SPDX-License-Identifier: Apache-2.0
"""``livefw image trust``: a trust file, made from keys and certificates."""

import argparse
from dataclasses import replace

from livefw import reading
from livefw.cli.image import key_files
from livefw.cli.image.naming import configure_platform, guid_of, on_platform, pair
from livefw.cli.invocation.session import CommandSession
from livefw.errors import ExitCode, UsageError
from livefw.firmware.image import trust
from livefw.firmware.image.certificate import HASH_BY_NAME
from livefw.firmware.image.chain import CHAINS
from livefw.firmware.image.verify import TrustAnchor, hash_key
from livefw.text import printable


def configure(parser: argparse.ArgumentParser) -> None:
    """Chain, roots, names."""
    parser.add_argument("output", metavar="FILE", help="the trust file to write")
    parser.add_argument("--chain", choices=CHAINS, default="cca", help="chain of trust (cca)")
    parser.add_argument(
        "--root-key",
        metavar="NAME=FILE",
        action="append",
        required=True,
        help="a root key of the chain: a key or a certificate with it, in PEM or DER, or the URI of one in a token",
    )
    parser.add_argument("--hash", choices=HASH_BY_NAME, default="SHA256", help="of the keys (SHA256)")
    configure_platform(parser)
    parser.add_argument(
        "--name", metavar="NAME=GUID", action="append", default=[], help="what an image without a public name is called"
    )


def run(session: CommandSession, arguments: argparse.Namespace) -> int:
    """Hash the keys, write the file."""
    chain, kind = on_platform(arguments), HASH_BY_NAME[arguments.hash]
    roots = {}
    for word in arguments.root_key:
        name, path = pair(word, "--root-key")
        if name not in chain.roots:
            raise UsageError(f"--root-key {name}: chain {chain.name} has {', '.join(chain.roots)}")
        roots[name] = hash_key(key_files.public_info(path), kind)
    names = dict(pair(word, "--name", "NAME=GUID") for word in arguments.name)
    named = replace(chain, names=tuple((name, guid_of(text)) for name, text in names.items()))
    text = trust.dumps(TrustAnchor(named, roots))
    anchor = trust.loads(text.encode())  # which refuses a name that cannot be
    reading.write(arguments.output, text.encode())
    missing = [name for name in chain.roots if name not in roots]
    session.report(
        lambda: "\n".join(
            printable(line)
            for line in (
                f"{arguments.output}: chain {chain.name}",
                *(f"{name}  {value.hex()}" for name, value in anchor.roots.items()),
                *(f"{name}  none: what hangs below it is refused" for name in missing),
            )
        ),
        lambda: {
            "trust": {
                "file": arguments.output,
                "chain": chain.name,
                "roots": {name: value.hex() for name, value in anchor.roots.items()},
                "missing": missing,
            }
        },
    )
    return ExitCode.DONE
