# SPDX-License-Identifier: Apache-2.0
"""``livefw list``."""

from __future__ import annotations

from livefw.activation.inventory import discovery, old_versions
from livefw.cli.verbs import Manual
from livefw.render import list as rendered
from livefw.text import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from livefw.cli.invocation.session import CommandSession


MANUAL = Manual(
    description=(
        (
            "List the firmware components of this machine that can be activated live, one a line: name, running "
            "version, pending version, whether activation stops the CPUs, and state. A component whose state is "
            '"ready" has a new image that can be activated now.'
        ),
        "Nothing is changed, and no history is needed.",
    ),
    examples=(
        ("livefw list", "List the components of this machine."),
        ("livefw --json list", "The same as one JSON document, for programs."),
        ("livefw --root /tmp/vera list", "List the components of the machine whose files are below a directory."),
    ),
    see_also=("show", "plan", "doctor"),
)


def configure(parser: argparse.ArgumentParser) -> None:
    """No arguments of its own."""


def run(session: CommandSession, arguments: argparse.Namespace | None) -> int:  # noqa: ARG001 - the shape of every verb
    """List the components of every mechanism; 3 if there is none."""
    found = old_versions.marked(discovery.take_inventory(session.providers()), session.root, session.files())
    if not session.json:
        found.require()
    code = session.show(rendered.answer(found))
    if not session.json:
        for note in found.notes:
            session.say(f"livefw: {printable(note.text)}")
    return code
