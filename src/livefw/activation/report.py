# SPDX-License-Identifier: Apache-2.0
"""What `livefw report` tells of a machine: what ran on it, by the history, what proves that, and how it is now.

A history may have any length, so the activations are read one by one, and as often as somebody asks for them. Rows that
are written meanwhile are not in the report: it is about the history up to one head.
"""

import os
import shlex
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from itertools import islice
from typing import NamedTuple, Self

from livefw.activation import identity, queries
from livefw.activation.examination import Examined, examine
from livefw.activation.history.journal import Activation, Head, Journal
from livefw.activation.history.seal import UNSEALED, Seal
from livefw.activation.history.verify import HistoryReport
from livefw.activation.host import Host
from livefw.activation.inventory import discovery, old_versions
from livefw.activation.inventory.discovery import Inventory
from livefw.activation.paths import Paths
from livefw.activation.pending import known
from livefw.errors import ExitCode, LivefwError
from livefw.files.protocol import Files
from livefw.providers.base import Finding

_NOTHING = Inventory((), ())
LIMIT = 1000
"""Activations of a report if no number is asked for: a page of some megabytes."""


class HostFacts(NamedTuple):
    """Which machine it is: what its files say of it, empty where they say nothing; and which livefw looked."""

    root: str
    name: str
    machine_id: str
    kernel: str
    model: str
    livefw: str


class MachineState(NamedTuple):
    """How the machine was when the report was made; ``error`` says why it could not be read.

    ``findings`` are what each mechanism reports of itself, with its name.
    """

    inventory: Inventory = _NOTHING
    examined: Examined = Examined()
    findings: tuple[tuple[str, Finding], ...] = ()
    error: str = ""


class Proof(NamedTuple):
    """What the verification of the history found, with the keys of its seals; ``error`` says why there was none.

    ``command`` verifies it again, up to its head.
    """

    command: str
    report: HistoryReport | None = None
    keys: Seal = UNSEALED
    error: str = ""

    @property
    def is_consistent(self) -> bool:
        """Whether it was verified, and has no flaw."""
        return self.report is not None and self.report.is_consistent


class ReportedActivation(NamedTuple):
    """An activation, and the staging of its image if livefw has staged it."""

    activation: Activation
    image: Activation | None


class Selection(NamedTuple):
    """What was asked for, as it was asked."""

    words: tuple[str, ...] = ()
    since: str | None = None
    until: str | None = None
    limit: int = LIMIT


class MachineReport(NamedTuple):
    """All of it but the activations, which `activations` reads. ``machine`` is None if only a file was looked at.

    ``counts`` are of all that was selected, by outcome, or by kind of row without one; ``left_out`` of them are not
    shown, because there were more than the limit.
    """

    time: datetime
    host: HostFacts
    machine: MachineState | None
    file: str
    head: Head
    proof: Proof
    selection: Selection
    wanted: queries.Filter
    counts: Counter[str]
    left_out: int

    @property
    def exit_code(self) -> ExitCode:
        """What the command ends with that has made it: a failure if the history has a flaw."""
        return ExitCode.FAILED if self.proof.report and self.proof.report.flaws else ExitCode.DONE

    def limited(self, limit: int) -> Self:
        """The same with at most so many activations."""
        left_out = max(0, self.counts.total() - limit)
        return self._replace(selection=self.selection._replace(limit=limit), left_out=left_out)

    def activations(self, journal: Journal) -> Iterator[ReportedActivation]:
        """Those that are shown, newest first. `TransportError`, `Damaged`."""
        for each in islice(_selected(journal, self.wanted, self.head), self.selection.limit):
            yield ReportedActivation(each, queries.image_of(journal, each))


def make(
    journal: Journal,
    host: Host,
    selection: Selection,
    *,
    time: datetime,
    version: str,
    verify: Sequence[str],
    seal: Callable[[], str | None],
    alone: bool = False,
) -> MachineReport:
    """Look at everything.

    ``version`` is that of livefw, ``verify`` the command that verifies this history, and ``seal`` returns the path of
    the key file of the policy. ``alone``: the journal is a file from anywhere, and the machine is not looked at.

    Raises:
        UsageError: a word of the selection names several activations, or a time is none.
        NothingToDo: the history has no component and no activation of that name.
        TransportError, Damaged: the history cannot be read.
    """
    head = journal.head()
    wanted = queries.Filter.of(
        journal, *selection.words, since=selection.since, until=selection.until, before=head.sequence + 1
    )
    counts = Counter(_end(each) for each in _selected(journal, wanted, head))
    command = shlex.join((*verify, "--head", str(head)))
    made = MachineReport(
        time,
        host_facts(host.files, host.paths, version=version),
        None if alone else machine_state(host),
        os.path.abspath(journal.path),
        head,
        _proof(journal, host.paths, Proof(command), head, seal, alone=alone),
        selection,
        wanted,
        counts,
        left_out=0,
    )
    return made.limited(selection.limit)


def host_facts(files: Files, paths: Paths, *, version: str) -> HostFacts:
    """Which machine this is, by its files. Never raises."""
    wanted = (identity.HOSTNAME, identity.MACHINE_ID, identity.KERNEL, identity.MODEL)
    name, machine_id, kernel, model = (identity.fact(files, candidates) for candidates in wanted)
    return HostFacts(paths.root, name, machine_id, kernel, model, version)


def machine_state(host: Host) -> MachineState:
    """The components of the machine and their states. What cannot be read is reported, and not raised."""
    try:
        found = old_versions.marked(
            discovery.take_inventory(host.providers), host.paths.root, host.files, state=host.paths.state
        )
        place = known.place_of(host.paths.root, state=host.paths.state)
        found = known.marked(found, known.read(place) or {})
        findings = tuple((each.name, finding) for each in host.providers for finding in each.diagnose())
        return MachineState(found, examine(host, found), findings)
    except LivefwError as error:
        return MachineState(error=error.message)


def _proof(
    journal: Journal, paths: Paths, proof: Proof, head: Head, seal: Callable[[], str | None], *, alone: bool
) -> Proof:
    try:
        report, keys = queries.verified(paths, journal, seal=seal, heads=[head], alone=alone)
        return proof._replace(report=report, keys=keys)
    except LivefwError as error:
        return proof._replace(error=error.message)


def _end(each: Activation) -> str:
    """How it ended, for a count."""
    if each.ending is None:
        return "unfinished"
    return str(each.ending.body.get("outcome") or each.ending.kind)


def _selected(journal: Journal, wanted: queries.Filter, head: Head) -> Iterator[Activation]:
    """All that was selected, newest first, as they were when the head was the last row."""
    for each in journal.walk(**wanted._asdict()):
        late = each.intent and each.ending and each.ending.sequence > head.sequence
        yield each._replace(ending=None) if late else each
