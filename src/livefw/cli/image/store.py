# SPDX-License-Identifier: Apache-2.0
"""``livefw image store``: a store of two banks in a folder, as a factory, an updater and an operator use it."""

import argparse
import os
from collections.abc import Callable
from typing import Any, NamedTuple

from livefw import reading
from livefw.cli.invocation.session import CommandSession
from livefw.cli.parser import Below, add_below
from livefw.cli.verbs import Manual
from livefw.errors import ExitCode, UsageError
from livefw.firmware.image import store, trust, verify
from livefw.firmware.image.disk import Folder
from livefw.firmware.image.metadata import BankState, Metadata
from livefw.firmware.image.names import label
from livefw.firmware.image.store import Store
from livefw.text import printable, table

TRUST = "chain of trust and hashes of root keys"
EXAMPLES = (
    (
        "livefw image store init flash new.fip --trust keys/trust.toml",
        "Fill a store as a factory does, with a package and the root of trust that it is verified with.",
    ),
    ("livefw image store stage flash next.fip", "Put a package into the update bank."),
    ("livefw image store show flash", "Show what is in both banks."),
)


class _StoreVerb(NamedTuple):
    """A verb below ``store``: what it does, whether it takes a package, a line for the help, and an example."""

    act: Callable[[argparse.Namespace], object]
    summary: str
    example: tuple[str, str]
    package: bool = False


def configure(parser: argparse.ArgumentParser) -> None:
    """One parser for each verb."""
    add_below(parser, "store_verb", {name: _below(name, verb) for name, verb in _VERBS.items()})


def _below(name: str, verb: _StoreVerb) -> Below:
    def configure_verb(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("directory", metavar="DIR", help="the store")
        if verb.package:
            parser.add_argument("file", metavar="FILE", help="a firmware image package")
        if name == "init":
            parser.add_argument("--trust", metavar="FILE", required=True, help=TRUST)

    manual = Manual((f"{verb.summary[:1].upper()}{verb.summary[1:]}.",), (verb.example,), ("image",))
    return Below(configure_verb, run, verb.summary, manual)


def run(session: CommandSession, arguments: argparse.Namespace) -> int:
    """Do it, and show what the store holds then."""
    _VERBS[arguments.store_verb].act(arguments)
    subject = _open(arguments)
    state = subject.metadata()
    document = {
        "directory": arguments.directory,
        "active": state.active,
        "previous": state.previous if state.previous < len(state.states) else None,
        "on_trial": state.trial,
        "counters": {str(counter): value for counter, value in subject.non_volatile().counters.items()},
        "banks": [
            {
                "bank": bank,
                "state": state.states[bank].name.lower(),
                "images": images(subject, state, bank),
            }
            for bank in range(len(store.BANKS))
        ],
    }
    tell = session.answer if arguments.store_verb == "show" else session.report
    tell(lambda: _text(document), lambda: {"store": document})
    return ExitCode.DONE


def images(subject: Store, state: Metadata, bank: int) -> list[dict[str, Any]]:
    """The images of a bank, each with whether it is another than the one of the bank that boots."""
    if state.states[bank] is BankState.INVALID:
        return []
    return [
        {
            "name": label(guid),
            "guid": str(guid),
            "version": str(content.version) if content.version.known else None,
            "size": content.size,
            "differs": state.image(guid, bank) != state.image(guid, state.active),
        }
        for guid, content in subject.contents(bank).items()
    ]


def _open(arguments: argparse.Namespace) -> Store:
    if not os.path.isdir(arguments.directory):
        raise UsageError(f"{arguments.directory} is no directory")
    return Store(Folder(arguments.directory))


def _init(arguments: argparse.Namespace) -> None:
    anchor = trust.read(arguments.trust)
    os.makedirs(arguments.directory, exist_ok=True)
    folder = Folder(arguments.directory)
    with reading.opened(arguments.file) as file:
        verify.verify(file, anchor, {})
        Store.create(folder, file, beside=((trust.NAME, trust.dumps(anchor).encode("ascii")),))


def _stage(arguments: argparse.Namespace) -> None:
    with reading.opened(arguments.file) as file:
        _open(arguments).stage(file)


def _accept(arguments: argparse.Namespace) -> None:
    subject = _open(arguments)
    anchor = trust.read(os.path.join(arguments.directory, trust.NAME))
    with subject.open_bank(subject.metadata().active) as package:
        verified = verify.verify(package, anchor, subject.non_volatile().counters)
    subject.accept(verified.counters)


_VERBS = {
    "init": _StoreVerb(
        _init, "fill an empty directory as a factory does, with an authentic package", EXAMPLES[0], package=True
    ),
    "show": _StoreVerb(_open, "show what is in both banks", EXAMPLES[2]),
    "stage": _StoreVerb(_stage, "put a package into the update bank; PRIME verifies it", EXAMPLES[1], package=True),
    "discard": _StoreVerb(
        lambda arguments: _open(arguments).discard(),
        "remove a staged package",
        ("livefw image store discard flash", "Remove it."),
    ),
    "accept": _StoreVerb(
        _accept,
        "accept the bank that boots on trial, and raise the counters",
        ("livefw image store accept flash", "Accept it."),
    ),
    "rollback": _StoreVerb(
        lambda arguments: _open(arguments).roll_back(),
        "give up the bank that boots on trial",
        ("livefw image store rollback flash", "Boot the other bank again."),
    ),
}


def _text(document: dict[str, Any]) -> str:
    rows: list[tuple[str, ...]] = [("BANK", "STATE", "IMAGE", "VERSION", "SIZE", "")]
    for bank in document["banks"]:
        boots = ("boots on trial" if document["on_trial"] else "boots") if bank["bank"] == document["active"] else ""
        for image in bank["images"] or [{"name": "-", "version": None, "size": "-", "differs": False}]:
            notes = ", ".join(filter(None, (boots, "differs" if image["differs"] else "")))
            version = image["version"] or "-"
            rows.append((str(bank["bank"]), bank["state"], image["name"], version, str(image["size"]), notes))
    counters = ", ".join(f"{name} {value}" for name, value in document["counters"].items())
    return f"{table(rows)}\ncounters of {printable(document['directory'])}: {counters}"
