# SPDX-License-Identifier: Apache-2.0
"""``livefw list``."""

from __future__ import annotations

from livefw.activation.inventory import discovery, old_versions
from livefw.render import list as rendered
from livefw.text import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from livefw.cli.invocation.session import Session


def configure(parser: argparse.ArgumentParser) -> None:
    """No arguments of its own."""


def run(session: Session, arguments: argparse.Namespace | None) -> int:  # noqa: ARG001 - the shape of every verb
    """List the components of every mechanism; 3 if there is none."""
    found = old_versions.marked(discovery.take_inventory(session.providers()), session.root, session.files())
    if not session.json:
        found.require()
    code = session.show(rendered.answer(found))
    if not session.json:
        for note in found.notes:
            session.say(f"livefw: {printable(note.text)}")
    return code
