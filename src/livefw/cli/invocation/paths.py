# SPDX-License-Identifier: Apache-2.0
"""Where things are and how to work, as the command line says, and the host that comes of it."""

from __future__ import annotations

from livefw.activation.paths import STATE_VARIABLE, Paths, paths_for
from livefw.cli.invocation.groups import places

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from livefw.activation.engine import Host
    from livefw.cli.invocation.session import CommandSession
    from livefw.files.protocol import Files

UNMEASURED = "off"
"""Of --measure."""


def configure_state(parser: argparse.ArgumentParser) -> None:
    """Where the history is."""
    default = f"${STATE_VARIABLE}, then /var/lib/livefw"
    places(parser).add_argument("--state", metavar="DIR", help=f"directory of the history ({default})")


def configure_images(parser: argparse.ArgumentParser) -> None:
    """Where images are that can be staged."""
    places(parser).add_argument(
        "--images", metavar="DIR", help="directory of archives that can be staged (STATE/images)"
    )


def configure_measuring(parser: argparse.ArgumentParser) -> None:
    """Whether and by what an activation is measured."""
    from livefw.activation.policy.document import MEASURED_BY  # not for what only looks

    choices = (*MEASURED_BY, UNMEASURED)
    parser.add_argument("--measure", choices=choices, help="by what its cost is measured (what livefw.toml says)")


def where(session: CommandSession, arguments: argparse.Namespace) -> Paths:
    """Where they are."""
    return paths_for(session.root, state=arguments.state, settings=session.settings)


def host(
    session: CommandSession,
    arguments: argparse.Namespace,
    *,
    lenient: bool = False,
    files: Files | None = None,
    seen_by: str = "",
) -> Host:
    """The machine that the session looks at; measured where there are options for it. ``lenient`` and ``seen_by`` are
    those of `assemble.How`. Errors as for `assemble.host`."""
    from livefw import assemble  # not for what needs no engine

    found = assemble.Where(session.root, arguments.state, session.settings, getattr(arguments, "images", None))
    measure = getattr(arguments, "measure", UNMEASURED)
    how = assemble.How(
        measured=None if measure == UNMEASURED else measure or "",
        without_journal=getattr(arguments, "no_journal", False),
        lenient=lenient,
        seen_by=seen_by,
    )
    return assemble.host(found, how, files=files, opened=session.opened, say=session.say)
