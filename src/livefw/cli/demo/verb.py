# SPDX-License-Identifier: Apache-2.0
"""``livefw demo``: a staged firmware activated on a modelled server, without FUSE, without root, in a second.

With the package ``cryptography`` it stages signed packages, of which the firmware refuses the bad ones.
"""

import argparse
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import groupby, pairwise
from tempfile import TemporaryDirectory
from typing import Any

from livefw import libraries
from livefw.abi.guid import Guid
from livefw.abi.lfa import Function
from livefw.activation.actor import current
from livefw.activation.engine import Host
from livefw.activation.events import Attempt, Event, StillRunning
from livefw.activation.inventory import discovery
from livefw.activation.inventory.discovery import Candidate
from livefw.activation.outcome import Result
from livefw.activation.paths import Paths
from livefw.activation.policy.document import DEFAULT
from livefw.api import ConnectedHost
from livefw.cli.demo import store
from livefw.cli.demo.store import Signed, Update
from livefw.cli.invocation.session import CommandSession
from livefw.cli.machine.stage import stage, staged_text
from livefw.cli.verbs import Manual
from livefw.errors import NothingToDo, NotInstalled, UsageError
from livefw.firmware.image.errors import RULES, ImageError
from livefw.machine.config import load, platforms
from livefw.machine.files import MachineClock, MachineFiles
from livefw.machine.machine import Machine
from livefw.machine.trace import TracedCall
from livefw.providers.registry import providers
from livefw.render import document
from livefw.render import list as listing
from livefw.render import result as rendered
from livefw.text import printable_lines

_SHOWN = (Function.PRIME, Function.ACTIVATE, Function.CANCEL)

_MORE = """\
With the Python package cryptography ({hint}) this demonstration builds signed packages,
and shows how the firmware refuses a tampered and a rolled-back one.

"""

_NEXT = """\
Continue with:
  livefw machine run --platform {platform}  the same machine as files below a directory, for any program (needs FUSE)
  livefw image build --help           signed packages from your own images, for a machine with a store
  livefw machine fault --list         what can be made to go wrong on it
  livefw list                         what can be activated on the machine you are on"""


MANUAL = Manual(
    description=(
        (
            "Show a modelled server whose firmware is replaced while it runs: two images that are refused, one that "
            "is activated, and what that cost. It needs neither root nor FUSE, and changes nothing on this machine."
        ),
        (
            "With --web, show it in a browser, by the page of livefw for Cockpit, until interrupted. This needs FUSE, "
            "Cockpit (cockpit-ws) and the page. It listens on the loopback interface only. The printed address has a "
            "key in it, without which nobody can log in."
        ),
    ),
    examples=(
        ("livefw demo", "Show the default machine."),
        ("livefw demo --web", "Show a modelled server in Cockpit."),
        ("livefw demo --platform fvp", 'Show a machine whose firmware reports no version: the outcome is "unknown".'),
    ),
    see_also=("machine", "activate"),
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Which machine."""
    parser.add_argument("--platform", choices=platforms(), default="vera", help="the machine to show (vera)")
    parser.add_argument("--web", action="store_true", help="show it in Cockpit, in a browser, until interrupted")


def run(session: CommandSession, arguments: argparse.Namespace) -> int:
    """Show it; the exit code is that of the activation, or 0 after an interrupted ``--web``."""
    config = load(arguments.platform)
    if arguments.web:
        from livefw.cli.demo import web  # what it imports is for this only

        return web.run(session, config)
    if not config.all_components:
        hint = f"livefw machine run --platform {config.name}; or without --platform"
        raise UsageError(f"the demonstration is of LFA, and {config.name} has none", hint=hint)
    with ExitStack() as stack:
        signed, more = None, ""
        if rmm := store.updatable(config):
            try:
                libraries.load("cryptography")
            except NotInstalled as error:
                more = _MORE.format(hint=error.hint)
            else:
                signed = stack.enter_context(store.prepared(config, rmm))
        machine = Machine(config, real_time=True, images=signed.platform if signed else None)
        stack.callback(machine.close)
        directory = stack.enter_context(TemporaryDirectory(prefix="livefw-demo-"))
        return _Demo(session, machine, signed, directory).run(more)


class _Demo:
    """Tells as it goes, or with ``--json`` once at the end. Looks on while the activation runs."""

    def __init__(self, session: CommandSession, machine: Machine, signed: Signed | None, directory: str) -> None:
        """``directory`` is for the lock, and gone afterwards."""
        self._session = session
        self._machine = machine
        self._signed = signed
        files, clock = MachineFiles(machine), MachineClock(machine)
        self._providers = providers(files, clock)
        places = Paths(directory, f"{directory}/lock", f"{directory}/settings", directory)
        self._host = Host(files, self._providers, clock, places, DEFAULT, current("demo"), without_journal=True)
        self._first_call = 0
        self._refused: list[dict[str, Any]] = []

    def run(self, more: str) -> int:
        """Show it all; ``more`` says what would make it show more."""
        self._machine.boot()
        config = self._machine.config
        self._print(f"{config.description}; {config.cpus} CPUs.")
        if config.invented:
            self._print("It is modelled; invented, because it is not public: durations, and some of what runs on it.")
        if self._signed:
            about = "\n".join(f"  {each.name}  {each.about}" for each in self._signed.updates)
            self._print(f"Its RMM boots from a store of two banks. Built and signed for it just now:\n{about}")
            self._stage(self._signed, self._signed.updates[0])
        before = self._list()
        chosen = next((each for each in before if not each.component.reasons), None)
        if chosen is None:
            raise NothingToDo(f"nothing is pending on the platform {config.name}")
        if self._signed:
            for bad, following in pairwise(self._signed.updates):
                self._try(self._signed, chosen, bad)
                self._stage(self._signed, following)
        result = self._activate(chosen)
        calls = [call for call in self._machine.trace.since(self._first_call) if call.registers[0] in _SHOWN]
        self._print("\nWhat the firmware was asked, and by which CPU:\n" + printable_lines(list(_summary(calls))))
        self._print("\n".join(self._cost()))
        after = self._list()
        self._print("\n" + more + _NEXT.format(platform=config.name))
        self._document(before, result, after, calls)
        return rendered.exit_code(result)

    def _stage(self, signed: Signed, update: Update) -> None:
        """As ``livefw machine stage`` does."""
        self._print(f"\n$ livefw machine stage {update.name}")
        self._print(staged_text(stage(signed.platform.store, update.path) | {"file": update.name}))

    def _try(self, signed: Signed, chosen: Candidate, update: Update) -> None:
        """Activate what the firmware will refuse, and tell which rule it found broken."""
        result = self._activate(chosen, update)
        why = signed.platform.errors.get(Guid.parse(chosen.component.id))
        rule = RULES[why.rule].text if isinstance(why, ImageError) else ""
        self._print(f"  what the firmware found: {rule}")
        replay = chosen.provider.replay(result.before.id, "activate")
        shown = rendered.fields(result, phase="activate", replay=replay)
        self._refused.append({"package": update.name, "result": shown, "found": str(why) if why else None})

    def _activate(self, chosen: Candidate, update: Update | None = None) -> Result:
        self._first_call = self._machine.trace.next_sequence
        ignored = [f" --ignore {check}" for check in (update.ignore if update else ())]
        self._print(f"\n$ livefw activate {chosen.component.name or chosen.component.id}{''.join(ignored)}")
        if ignored:
            self._print("  (livefw's own check is against an older version; told to ignore it, it asks the firmware)")
        stream = ConnectedHost(self._host).activate(chosen.component.key, ignore=update.ignore if update else ())
        events = map(self._followed, stream)
        (attempt,) = [event for event in events if isinstance(event, Attempt)]
        self._print(rendered.text(attempt.result))
        return attempt.result

    def _followed(self, event: Event) -> Event:
        """The event, after the progress of the machine was shown."""
        if isinstance(event, StillRunning) and event.seconds > 0:
            calls = sum(call.registers[0] == Function.PRIME for call in self._machine.trace.since(self._first_call))
            self._print(
                f"  {event.seconds:.1f} s: the image is being loaded and checked ({calls} calls); every CPU is running"
            )
        return event

    def _list(self) -> list[Candidate]:
        found = discovery.take_inventory(self._providers)
        self._print("\n$ livefw list")
        if not self._session.json:
            self._session.show(listing.answer(found))
        return list(found.candidates)

    def _cost(self) -> Iterator[str]:
        stalls = [stall.end_ns - stall.start_ns for stall in self._machine.os.stalls]
        cpus = self._machine.config.cpus
        if stalls:
            times = "once" if len(stalls) == 1 else f"{len(stalls)} times"
            yield f"All {cpus} CPUs were stopped {times}, for {sum(stalls) / 1e6:.1f} ms; otherwise they ran."
        rmm = self._machine.rmm
        if rmm is not None and (rmm.realms or rmm.lost):
            yield f"Confidential guests (Realms): {len(rmm.realms)} run on, {len(rmm.lost)} were lost."

    def _print(self, text: str) -> None:
        if not self._session.json:
            self._session.answer(lambda: text, dict)

    def _document(
        self, before: list[Candidate], result: Result, after: list[Candidate], calls: list[TracedCall]
    ) -> None:
        if not self._session.json:
            return
        rmm = self._machine.rmm
        provider = before[0].provider

        def whole() -> dict[str, Any]:
            return {
                "platform": self._machine.config.name,
                "signed": self._signed is not None,
                "refused": self._refused,
                "before": [document.component(each.component) for each in before],
                "result": rendered.fields(
                    result, phase="activate", replay=provider.replay(result.before.id, "activate")
                ),
                "after": [document.component(each.component) for each in after],
                "calls": [call.line for call in calls],
                "stalls_ns": [stall.end_ns - stall.start_ns for stall in self._machine.os.stalls],
                "realms": {"running": len(rmm.realms), "lost": len(rmm.lost)} if rmm else None,
            }

        self._session.answer(str, whole)


def _summary(calls: list[TracedCall]) -> Iterator[str]:
    """The first of each run of like calls, and how many followed it."""
    for _, group in groupby(calls, key=lambda call: call.text.partition(" ")[2]):
        like = list(group)
        yield like[0].line
        if len(like) > 1:
            cpus = len({call.cpu for call in like})
            yield f"{'':15} ... and {len(like) - 1} more of these, by {cpus} CPUs in all"
