# SPDX-License-Identifier: Apache-2.0
"""``livefw list``."""

from __future__ import annotations

from livefw.activation import status
from livefw.activation.inventory import discovery, old_versions
from livefw.activation.pending.known import place_of
from livefw.activation.pending.observed import observed
from livefw.cli.verbs import Manual
from livefw.files.host import settings_directory
from livefw.providers.registry import providers
from livefw.render import list as rendered
from livefw.text import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    from livefw.activation.inventory.discovery import Inventory
    from livefw.activation.pending.known import PendingPlace
    from livefw.activation.status import ComponentStatus
    from livefw.cli.invocation.session import CommandSession
    from livefw.files.protocol import Files


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
    """How to list, and where the history is."""
    from livefw.cli.invocation import listing, paths  # not where there is nothing to parse

    listing.configure(parser, rendered.LISTING)
    paths.configure_state(parser)


def run(session: CommandSession, arguments: argparse.Namespace | None) -> int:
    """List the components of every mechanism; 3 if there is none."""
    state = arguments.state if arguments else None
    files = session.files()
    taken = discovery.take_inventory(providers(files))
    place = place_of(session.root, state=state)
    found, statuses = _examined(session, taken, files, place, state)
    found = observed(found, session.root, place, settings=session.settings, seen_by="cli")
    if not session.json:
        found.require()
    code = session.show(rendered.answer(found, statuses))
    if not session.json:
        for note in found.notes:
            session.say(f"livefw: {printable(note.text)}")
    return code


def _examined(
    session: CommandSession, taken: Inventory, files: Files, place: PendingPlace, state: str | None
) -> tuple[Inventory, Mapping[str, ComponentStatus]]:
    """The inventory as it is shown, and states where they may differ from what the mechanisms report."""
    found = old_versions.marked_beside(taken, place.lock, files)
    if not status.may_differ(
        taken,
        files,
        lock=place.lock,
        root=session.root,
        history=place.has_activations,
        settings=settings_directory(session.root, session.settings),
    ):
        session.tell_unused_settings()
        return found, {}
    from livefw import assemble  # only where there is something to examine
    from livefw.activation import examination

    where = assemble.Where(session.root, state, session.settings)
    host = assemble.host(where, assemble.How(lenient=True), files=files, opened=session.opened, say=session.say)
    examined = examination.examine(host, taken)
    return found._replace(notes=(*found.notes, *examined.notes)), examined.statuses
