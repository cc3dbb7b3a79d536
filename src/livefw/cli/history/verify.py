# SPDX-License-Identifier: Apache-2.0
"""``livefw history --verify``."""

import argparse

from livefw.activation import queries
from livefw.activation.history.journal import Head, Journal
from livefw.assemble import policy
from livefw.cli.invocation.paths import where
from livefw.cli.invocation.session import CommandSession
from livefw.errors import UsageError
from livefw.render import verify


def run(session: CommandSession, arguments: argparse.Namespace, journal: Journal) -> int:
    """Verify; the exit code is that of a failure if there is a flaw."""
    paths = where(session, arguments)
    heads, archives = _heads(arguments.head), [each for each in arguments.archive or () if each]
    verified = queries.verified(
        paths, journal, seal=lambda: policy(paths).seal, heads=heads, archives=archives, alone=bool(arguments.file)
    )
    return session.show(verify.answer(*verified, kept=heads))


def _heads(text: str | None) -> list[Head]:
    try:
        return [Head.parse(text)] if text else []
    except ValueError as error:
        hint = "as --verify prints it, or LIVEFW_HEAD in the system journal"
        raise UsageError(f"--head: {error}", hint=hint) from error
