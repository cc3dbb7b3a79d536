# SPDX-License-Identifier: Apache-2.0
"""``livefw list``."""

from __future__ import annotations

import os

from livefw.activation import status
from livefw.activation.inventory import discovery, old_versions
from livefw.activation.paths import real_root
from livefw.activation.pending.known import place_of
from livefw.activation.pending.observed import observed
from livefw.cli.verbs import Manual
from livefw.errors import ExitCode, UsageError
from livefw.files.host import settings_directory
from livefw.providers.registry import MECHANISMS, providers
from livefw.render import list as rendered
from livefw.text import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping, Sequence

    from livefw.activation.inventory.discovery import Inventory
    from livefw.activation.narrow import Narrowing
    from livefw.activation.pending.known import PendingPlace
    from livefw.activation.status import ComponentStatus
    from livefw.cli.invocation.session import CommandSession
    from livefw.files.protocol import Files
    from livefw.providers.base import Provider


MANUAL = Manual(
    description=(
        (
            "List the firmware components of this machine that can be activated live, one a line: name, running "
            "version, pending version, whether activation stops the CPUs, and state."
        ),
        (
            'The state follows from the checks of "livefw plan", except those in checks.d. "ready": an image is '
            'pending and nothing blocks it. "held": a check blocks it, such as a maintenance window. "activating": it '
            'is being activated now. "unfinished": an earlier activation has no outcome yet. "needs reset": it cannot '
            "be activated live."
        ),
        (
            "On a terminal a table fits its width: columns that matter least are left out, and long values end in an "
            "ellipsis, but never an identifier in the column ID, which every command accepts. -o wide shows "
            "everything. In CSV an apostrophe is put before a text that a spreadsheet would calculate."
        ),
        "Nothing is changed, and no history is needed.",
        (
            "BMCs are asked side by side. One that does not answer in time (patience in livefw.toml) hides nothing of "
            "the others and is named in a note; with --strict the exit code is 1 then."
        ),
    ),
    examples=(
        ("livefw list", "List the components of this machine."),
        ("livefw list --pending --sort=-age", "List what has an image, the one that has waited longest first."),
        ("livefw list 'redfish:rack1/*' -o wide", "List the components of one BMC, with every column."),
        ("livefw --json list", "The same as one JSON document, for programs."),
        ("livefw list -o csv --columns name,current", "List names and versions for a spreadsheet."),
        ("livefw --root /tmp/vera list", "List the components of the machine whose files are below a directory."),
    ),
    see_also=("show", "plan", "doctor"),
)


def configure(parser: argparse.ArgumentParser) -> None:
    """What to list and how, and where the history is."""
    from livefw.cli.invocation import listing, paths  # not where there is nothing to parse

    add = parser.add_argument
    add("components", nargs="*", metavar="COMPONENT", help="only these: as for show; without any, all")
    add("--pending", action="store_true", help="only those with a pending image")
    add("--provider", choices=MECHANISMS, metavar="MECHANISM", help=f"only those of one: {', '.join(MECHANISMS)}")
    add("--only", choices=_states(), metavar="STATE", help=f"only those in this state: {', '.join(_states())}")
    add(
        "--bmc",
        metavar="NAME",
        help="only those behind this BMC or group of BMCs, or behind any that the pattern matches",
    )
    add(
        "--strict", action="store_true", help="exit 1 and begin nothing unless every BMC that is asked shows all it has"
    )
    listing.configure(parser, rendered.LISTING)
    paths.configure_state(parser)


def run(session: CommandSession, arguments: argparse.Namespace | None) -> int:
    """List the components of every mechanism; 3 if there is none."""
    state = _state_directory(arguments) if arguments else None
    files = session.files()
    place = place_of(session.root, state=state)
    asked = providers(files, held=lambda keys: _held(place.state, session.root, keys))
    taken = discovery.take_inventory(asked, hosts=_hosts(asked, arguments) if arguments else None)
    found, statuses = _examined(session, taken, files, place, state)
    found = observed(found, session.root, place, settings=session.settings, seen_by="cli")
    if arguments:
        found = _narrowed(found, arguments, statuses)
    if not session.json:
        found.require()
    code = session.show(rendered.answer(found, statuses))
    if not session.json:
        for note in found.notes:
            session.say(f"livefw: {printable(note.text)}")
    return ExitCode.FAILED if arguments and arguments.strict and taken.incomplete else code


def _held(state: str, root: str, keys: Sequence[str]) -> dict[str, str]:
    """What the history in a directory says that mechanisms hold."""
    from livefw.activation.history.held import held_in  # only for mechanisms that hold what they do not show

    return held_in(state, real_root(root))(keys)


def _wanted(arguments: argparse.Namespace) -> Narrowing:
    from livefw.activation.narrow import Narrowing  # not where everything is listed

    return Narrowing(
        tuple(arguments.components), arguments.provider, arguments.only, arguments.bmc, pending=arguments.pending
    )


def _hosts(asked: Sequence[Provider], arguments: argparse.Namespace) -> frozenset[str] | None:
    """Whom to ask besides this machine."""
    from livefw.activation.narrow import hosts_for  # as in `_wanted`

    return hosts_for(_wanted(arguments), asked)


def _narrowed(found: Inventory, arguments: argparse.Namespace, statuses: Mapping[str, ComponentStatus]) -> Inventory:
    """The components that are asked for."""
    from livefw.activation.narrow import narrowed  # as in `_wanted`

    return narrowed(found, _wanted(arguments), statuses)


def _state_directory(arguments: argparse.Namespace) -> str | None:
    """The directory of the history. `UsageError` for the name of a state, before such a directory is made."""
    state: str | None = arguments.state
    if state in _states() and not os.path.isdir(state):
        hint = f"livefw list --only {state}"
        raise UsageError(f"--state is the directory of the history, and there is no {state!r}", hint=hint)
    return state


def _states() -> list[str]:
    from livefw.activation.status_code import StatusCode  # not for a plain command line

    return [each.value for each in StatusCode]


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
        history=place.has_activations and not _is_settled(place, taken),
        settings=settings_directory(session.root, session.settings),
    ):
        session.tell_unused_settings()
        return found, {}
    from livefw import assemble  # only where there is something to examine
    from livefw.activation import examination

    where = assemble.Where(session.root, state, session.settings)
    host = assemble.host(where, assemble.How(lenient=True), files=files, opened=session.opened, say=session.say)
    stamp = place.stamp
    examined = examination.examine(host, taken)
    if examined.history_is_silent:
        from livefw.activation import settled

        settled.remember(place, taken, stamp)
    return found._replace(notes=(*found.notes, *examined.notes)), examined.statuses


def _is_settled(place: PendingPlace, taken: Inventory) -> bool:
    from livefw.activation import settled  # only where there is a history of activations

    return settled.is_settled(place, taken)
