# SPDX-License-Identifier: Apache-2.0
"""Words in the place of a command that are none: what was meant by them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from livefw import suggest
from livefw.cli.verbs import VERBS
from livefw.errors import LivefwError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from livefw.cli.parser import CommandParser

ELSEWHERE = {
    "abort": "livefw help cancel",
    "apply": "livefw help activate",
    "check": "livefw doctor",
    "commit": "livefw help activate",
    "config": "livefw policy",
    "describe": "livefw help show",
    "devices": "livefw list",
    "downgrade": "livefw help stage",
    "download": "livefw help stage",
    "flash": "livefw help stage",
    "fw-activate": "livefw help activate",
    "fw-commit": "livefw help activate",
    "fw-download": "livefw help stage",
    "fw-log": "livefw list",
    "get": "livefw list",
    "get-all-devices": "livefw list",
    "get-details": "livefw help image",
    "get-devices": "livefw list",
    "get-history": "livefw history",
    "get-releases": "livefw help show",
    "get-results": "livefw history",
    "get-topology": "livefw list",
    "get-updates": "livefw list",
    "get-upgrades": "livefw list",
    "id-ctrl": "livefw help show",
    "info": "livefw help show",
    "install": "livefw help stage",
    "inventory": "livefw list",
    "journal": "livefw history",
    "list-units": "livefw list",
    "load": "livefw help activate",
    "local-install": "livefw help stage",
    "log": "livefw history",
    "logs": "livefw history",
    "ls": "livefw list",
    "modify-config": "livefw policy",
    "monitor": "livefw help watch",
    "quit": "livefw help",
    "refresh": "livefw list",
    "rollback": "livefw help stage",
    "security": "livefw doctor",
    "settings": "livefw policy",
    "start": "livefw help activate",
    "status": "livefw list",
    "stop": "livefw help cancel",
    "top": "livefw help watch",
    "undo": "livefw help cancel",
    "unstage": "livefw help cancel",
    "update": "livefw activate --all",
    "upgrade": "livefw activate --all",
    "usage": "livefw help",
    "verify": "livefw history --verify",
    "version": "livefw --version",
    "why": "livefw help explain",
}
"""What fwupdmgr, nvme, devlink, systemctl, kubectl, apt and their users call what is a command here."""


def no_such_verb(name: str, parser_of: Callable[[str], CommandParser]) -> UsageError:
    """The error for a word that is no command; ``parser_of`` gives the parser of one."""
    lead = ELSEWHERE.get(name.casefold().replace("_", "-"))
    below = [] if lead else [f"livefw {verb} {name}" for verb, child in _below(parser_of) if child == name]
    if lead or below:
        hint = f"did you mean {lead or ' or '.join(below)}?"
    else:
        hint = suggest.hint(name, VERBS, form="livefw {}", rest="livefw help lists the commands")
    return UsageError(f"there is no command {name[:60]!r}", hint=hint)


def _below(parser_of: Callable[[str], CommandParser]) -> Iterator[tuple[str, str]]:
    """Commands below a verb: the verb, and the command."""
    for verb in VERBS:
        try:
            children = list(parser_of(verb).children())
        except (ImportError, LivefwError):  # of a package that is not installed
            continue
        yield from ((verb, child) for child, _, _ in children)
