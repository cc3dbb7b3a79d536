# SPDX-License-Identifier: Apache-2.0
"""Read-only queries about a machine and its history, which every face uses."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from typing import NamedTuple, Self

from livefw.activation import aftermath, examination, row_bodies
from livefw.activation.checks.facts import Facts
from livefw.activation.engine import Host
from livefw.activation.history import seal as seals
from livefw.activation.history import verify
from livefw.activation.history.anchors import AnchoredHeads
from livefw.activation.history.journal import Activation, HistoryRow, Journal, RowKind
from livefw.activation.history.rows import Head, HistoryPage, short_id
from livefw.activation.history.seal import UNSEALED, Seal
from livefw.activation.history.verify import HistoryReport
from livefw.activation.images import releases
from livefw.activation.images.directory import LocalImage
from livefw.activation.images.releases import Releases
from livefw.activation.inventory import hosts, old_versions
from livefw.activation.inventory.discovery import Candidate
from livefw.activation.inventory.select import is_pattern, select_all
from livefw.activation.outcome import Outcome
from livefw.activation.paths import Paths
from livefw.activation.plan import PastAttempts
from livefw.activation.status import ComponentStatus
from livefw.errors import LivefwError, NothingToDo, UsageError
from livefw.providers.base import Component

SHORTEST_ID = 4
"""Digits that are taken for the beginning of one."""
ID_LENGTH = 16
_DIGITS = frozenset("0123456789abcdef")
_CANDIDATES = 20
_LAST_S = 2**63 // 1_000_000_000
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


class ComponentDetails(NamedTuple):
    """A component, the images there are for it, its state, and what the history has of it.

    ``past`` is None if the history cannot be read; ``last`` is the last that was done with the component, None for
    nothing.
    """

    component: Component
    releases: Releases
    status: ComponentStatus
    past: PastAttempts | None = None
    last: Activation | None = None


def details(host: Host, words: Sequence[str], images: Sequence[LocalImage]) -> list[ComponentDetails]:
    """The components that words select, in their order.

    A component includes the lasting damage of a failure since the boot, as far as the history can be read. ``images``
    are those of the image directory.

    Raises:
        TransportError: the files of a mechanism cannot be read.
        NoSuchComponent, AmbiguousComponent, UsageError: a word does not select one component, or there is no word.
    """
    if not words:
        raise UsageError("name the components to show", hint="livefw list shows what is available")
    paths = host.paths
    taken = hosts.take_named(host.providers, words, host.policy)
    with hosts.naming_silent_hosts(taken):
        select_all(words, taken.require().candidates)  # an invalid request records nothing
    taken = host.observe(taken)
    found = old_versions.marked(taken, paths.root, host.files, state=paths.state)
    candidates = found.require().candidates
    with hosts.naming_silent_hosts(taken):
        named = select_all(words, candidates)
    chosen = _with_history(host, named)
    mine, facts = [each for each, _, _ in chosen], Facts(host.files)
    by_key = releases.table(mine, images, host.policy, facts, others=candidates)
    examined = examination.examine(host, taken)
    return [
        ComponentDetails(component, by_key.get(component.key, ()), examined.status(component), past, last)
        for (_, component), past, last in chosen
    ]


def _with_history(
    host: Host, chosen: list[Candidate]
) -> list[tuple[Candidate, PastAttempts | None, Activation | None]]:
    """The candidates with the lasting damage of a failure, earlier attempts, and the last of them."""
    with suppress(LivefwError):
        journal = Journal.open_to_read(host.paths.state, host.paths.root)
        if journal is None:
            return [(each, PastAttempts(), None) for each in chosen]
        boot_id = Facts(host.files).boot_id()
        with closing(journal):
            return [
                (
                    aftermath.noted(journal, each, boot_id),
                    row_bodies.past_attempts(journal, each.component.key),
                    next((past for past in journal.walk(components=[each.component.key]) if past.own), None),
                )
                for each in chosen
            ]
    return [(each, None, None) for each in chosen]


def history(paths: Paths, *, file: str | None = None) -> Journal:
    """Open the history of a machine, or an archive, for reading. `NothingToDo` if there is none.

    `UsageError` for a file that does not exist.
    """
    journal = Journal.open_file(file, paths.root) if file else Journal.open_to_read(paths.state, paths.root)
    if journal is None and file:
        raise UsageError(
            f"{file}: there is no such file", hint="an archive is a file that livefw history --archive wrote"
        )
    if journal is None:
        raise NothingToDo("there is no history here", hint="livefw help history; --state DIR names another directory")
    return journal


class Filter(NamedTuple):
    """Which activations of a history: before a row, of components by key or with an id, between two times in ns since
    1970; or the rows about what is pending."""

    before: int | None = None
    components: frozenset[str] | None = None
    activations: frozenset[str] | None = None
    since_ns: int | None = None
    until_ns: int | None = None
    pending: bool = False

    @classmethod
    def of(
        cls,
        journal: Journal,
        *words: str | None,
        since: str | None,
        until: str | None = None,
        before: int | None = None,
        pending: bool = False,
    ) -> Self:
        """A filter from user input: components and activations as in `selected`, times as in `when`; a word that is
        None is none."""
        since_ns = None if since is None else when(since, option="--since")
        until_ns = None if until is None else when(until, option="--until")
        found = [selected(journal, word, pending=pending) for word in words if word is not None]
        components = frozenset(key for keys, _ in found for key in keys) if found else None
        activations = frozenset(ident for _, idents in found for ident in idents) if found else None
        return cls(before, components, activations, since_ns, until_ns, pending)


def nothing_found() -> NothingToDo:
    """The error if no activation passes the filter."""
    return NothingToDo("nothing of that kind is in the history")


def page(journal: Journal, wanted: Filter, *, limit: int) -> HistoryPage:
    """The newest activations that pass the filter, at most ``limit``. `NothingToDo` if there is none."""
    found = journal.page(limit, **wanted._asdict())
    if not found.activations:
        raise nothing_found()
    return found


def image_of(journal: Journal, activation: Activation) -> Activation | None:
    """The staging of the image that an activation was about; None if livefw did not stage it.

    It is the last one before the intent, unless another activation succeeded since, or another version was pending.
    """
    intent = activation.intent
    if intent is None or intent.kind is not RowKind.INTENT:
        return None
    staged = journal.recent(intent.component, RowKind.STAGED, limit=1, before=intent.sequence)
    if not staged or staged[0].body.get("outcome") != Outcome.STAGED:
        return None
    done = journal.recent(intent.component, RowKind.OUTCOME, limit=1, before=intent.sequence)
    if done and done[0].sequence > staged[0].sequence and done[0].body.get("outcome") == Outcome.ACTIVATED:
        return None
    versions = {row.body.get("pending_version") for row in (staged[0], intent)}
    found = journal.page(1, activations=[staged[0].activation]).activations
    return found[0] if found and len(versions - {None}) < 2 else None


def selected(journal: Journal, word: str, *, pending: bool = False) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The keys of components, or the id of the activation, that a word selects; ``pending`` as in `Filter`.

    A component has precedence, as its id is hexadecimal too: with more digits a word that was one of both is one.

    Raises:
        UsageError: several activations have ids that begin like that.
        NothingToDo: the history has neither.
    """
    if components := tuple(named(journal, word, pending=pending)):
        return components, ()
    digits = word.strip().casefold()
    is_id = ID_LENGTH >= len(digits) >= SHORTEST_ID and set(digits) <= _DIGITS
    found = journal.beginning(digits, limit=_CANDIDATES + 1) if is_id else []
    if len(found) > 1:
        more = ", ..." if len(found) > _CANDIDATES else ""
        hint = f"use more digits: {', '.join(found[:_CANDIDATES])}{more}"
        raise UsageError(f"several activations begin with {digits}", hint=hint, phase="history")
    if not found:
        raise _unknown(journal, word, is_id=is_id)
    return (), tuple(found)


def _unknown(journal: Journal, word: str, *, is_id: bool) -> NothingToDo:
    from livefw import suggest  # only for errors

    newest = journal.page(_CANDIDATES).activations
    names = dict.fromkeys(str(each.first_row.body.get("name") or each.first_row.component) for each in newest)
    choices = [short_id(each.first_row.activation) for each in newest] if is_id else [*filter(None, names)]
    hint = suggest.hint(word, choices, rest="livefw history lists what is there")
    what = "activation begins with" if is_id else "component is named"
    return NothingToDo(f"in the history no {what} {word!r}", hint=hint, phase="history")


def named(journal: Journal, word: str, *, pending: bool = False) -> Iterator[str]:
    """The keys of components that a word selects: by the beginning of a key or id, or by the name in the newest row;
    a pattern by all of them."""
    wanted = word.casefold()
    for key in journal.components():
        newest = journal.page(1, components=[key], pending=pending).activations
        if key and any(_is_named(each.first_row, wanted) for each in newest):
            yield key


def _is_named(entry: HistoryRow, wanted: str) -> bool:
    key = entry.component.casefold()
    name = str(entry.body.get("name", "")).casefold()
    if is_pattern(wanted):
        return any(fnmatchcase(text, wanted) for text in (key, key.partition(":")[2], name) if text)
    return bool(wanted) and (wanted == name or key.startswith(wanted) or key.partition(":")[2].startswith(wanted))


def verified(
    paths: Paths,
    journal: Journal,
    *,
    seal: Callable[[], str | None],
    heads: Sequence[Head] = (),
    archives: Sequence[str] = (),
    alone: bool = False,
) -> tuple[HistoryReport, Seal]:
    """The verification of a history, and the keys that its seals were checked with.

    ``seal`` returns the path of the key file of the policy; it is called only for this machine's own history.
    ``archives`` are files to verify besides those of the history itself; ``alone`` leaves out both, and the system
    journal.

    Raises:
        SealError: the keys cannot be read.
        TransportError, Damaged: the history cannot be read.
    """
    own = paths.root == "/"
    keys = seals.load(seal()) if own else UNSEALED
    # The system journal is this machine's, and has nothing of other machines.
    anchors = AnchoredHeads(paths.state) if own and not alone else AnchoredHeads(paths.state, command=())
    files = [] if alone else sorted({*journal.archives(), *map(os.path.abspath, archives)})
    return verify.verify_history(journal, files, list(heads), anchors, keys), keys


def when(text: str, *, option: str) -> int:
    """A time in ns of the wall clock, from user input."""
    number, unit = text[:-1], text[-1:]
    try:
        if unit in _UNITS and number.isascii() and number.isdigit() and len(number) < 8:
            moment = datetime.now().astimezone() - timedelta(seconds=int(number) * _UNITS[unit])
        else:
            moment = datetime.fromisoformat(text)
            if moment.tzinfo:
                moment = moment.astimezone(UTC)  # an error if it is not in the years 1 to 9999 there
        since_1970 = int(moment.timestamp())
    except (ValueError, OverflowError) as error:
        hint = "2026-11-23, 2026-11-23T04:00, 12h, 7d"
        raise UsageError(f"{option}: {text!r} is no moment", hint=hint) from error
    # The 64 bits of a row's time cover the years 1678 to 2261.
    return max(-_LAST_S, min(since_1970, _LAST_S)) * 1_000_000_000
