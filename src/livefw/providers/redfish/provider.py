# SPDX-License-Identifier: Apache-2.0
"""The Redfish provider: components of any number of BMCs."""

from __future__ import annotations

import shlex
import sys
from contextlib import closing, suppress
from functools import partial

from livefw import errors, libraries
from livefw.providers.component import Component, Discovery, Reason, Source
from livefw.providers.redfish.settings import TABLE, read_settings, secret, table_of
from livefw.providers.tables import FILE
from livefw.reading import Untrusted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from typing import Any, NamedTuple

    from livefw.clock import Clock
    from livefw.files.protocol import Files
    from livefw.providers import base
    from livefw.providers.redfish import jobs
    from livefw.providers.redfish.attest import Attestation
    from livefw.providers.redfish.client import RedfishClient
    from livefw.providers.redfish.exchange import Pace
    from livefw.providers.redfish.fan_out import Listener
    from livefw.providers.redfish.groups import ResolvedGroups
    from livefw.providers.redfish.known import KnownBmc
    from livefw.providers.redfish.parts import Part
    from livefw.providers.redfish.resources import Seen, Unread
    from livefw.providers.redfish.settings import Bmc, Secret

    Adapter = Callable[[Bmc], Any]
else:
    from livefw.light_tuple import NamedTuple


class Listed(NamedTuple):
    """What one BMC showed: its components, and what could not be read; or why it showed nothing."""

    bmc: Bmc
    components: tuple[Component, ...] = ()
    unread: tuple[Unread, ...] = ()
    error: errors.LivefwError | None = None
    ability: str = ""

    @property
    def note(self) -> Reason | None:
        """What to say of a BMC that did not show all it has."""
        if self.error is not None:
            silent = self.error.firmware_code == "silent"
            why = _NOTES.get(type(self.error), _SILENT if silent else _UNREACHABLE)
            return why._replace(hint=self.error.hint).fill(why_it_cannot_be_asked=self.error.message)
        hidden = self.worth_reporting
        return _INCOMPLETE.fill(name=self.bmc.name, count=len(hidden), what_is_wrong=hidden[0].text) if hidden else None

    @property
    def worth_reporting(self) -> tuple[Unread, ...]:
        """What is worth a word: there are services that link a collection which they do not have."""
        return tuple(each for each in self.unread if not (each.collection and each.absent))


class RedfishProvider:
    """Everything behind the BMCs that the settings of the machine name.

    ``adapter`` makes the way to a BMC; by default TLS over the network.
    """

    name = TABLE

    def __init__(self, files: Files, clock: Clock, *, adapter: Adapter | None = None) -> None:
        self._files = files
        self._clock = clock
        self._adapter = adapter or self._https
        self.held: base.Held = _nothing_held
        """Asks for what BMCs hold by the word of the history; `livefw.providers.registry.providers` fills it in."""
        self._staged: dict[str, str] = {}
        """The same of this process, by key: the history has it only when the staging has ended."""
        self._read: ResolvedGroups | None = None
        self._seen: dict[str, Seen] = {}
        """The last whole look at each BMC: where things are, for those that follow to read only what they need."""
        self._earlier: dict[str, dict[str, tuple[str, ...]]] = {}
        self._known: dict[str, KnownBmc] = {}
        self._tls: dict[tuple[str | None, bool], Any] = {}
        """TLS by authorities and whether they count: those of the system take tens of milliseconds and a megabyte."""

    @property
    def bmcs(self) -> tuple[Bmc, ...]:
        """Those of the settings, with those of its groups; read once. `UsageError`."""
        return self._settings.bmcs

    @property
    def host_groups(self) -> Mapping[str, Sequence[str]]:
        """See `base.MultiHost`."""
        return self._settings.groups

    @property
    def _settings(self) -> ResolvedGroups:
        if self._read is None:
            from livefw.providers.redfish.groups import ResolvedGroups, resolve

            found = read_settings(self._files)
            self._read = resolve(found, self._files) if found.groups else ResolvedGroups(found.bmcs, {})
        return self._read

    @property
    def hosts(self) -> tuple[str, ...]:
        """See `base.MultiHost`."""
        return tuple(bmc.name for bmc in self.bmcs)

    def discover(self, hosts: Collection[str] | None = None) -> Discovery:
        """See `base.MultiHost`. A BMC that cannot be queried becomes a note, and hides nothing of the others."""
        asked = [bmc for bmc in self.bmcs if hosts is None or bmc.name in hosts]
        # What is named and not known may be in a group whose hosts are not known.
        unlisted = self._settings.unlisted if hosts is None or not asked else ()
        answers = self._ask_all(asked)
        notes = tuple(each.note for each in answers if each.note) + (self._settings.notes if hosts is None else ())
        found = tuple(component for each in answers for component in each.components)
        sources = [
            Source(TABLE, each.bmc.name, each.note, silent=each.error is not None, ability=each.ability)
            for each in answers
        ]
        sources += [Source(TABLE, name, why, silent=True) for name, why in unlisted]
        told = notes or tuple(why for _, why in unlisted)
        absent = None if found else _together(told) if told else NO_BMC if not self.bmcs else _EMPTY if asked else None
        return Discovery(found, notes, absent, tuple(sources))

    def inspect(self, ident: str) -> Component | None:
        """See `base.Provider`. A BMC that is away is waited for: after an update it may have restarted itself.

        What is not listed while something of the BMC cannot be read is not gone: that is a `TransportError` too.
        """
        from livefw.providers.redfish.exchange import AWAY, AWAY_PAUSE_S, AWAY_S

        bmc = self._bmc(ident)
        if bmc is None:
            return None
        until = self._clock.now() + AWAY_S
        while True:
            try:
                return self._found(bmc, ident)
            except errors.TransportError as error:
                if error.firmware_code not in AWAY or self._clock.now() >= until:
                    raise
            self._clock.sleep(AWAY_PAUSE_S)

    def _found(self, bmc: Bmc, ident: str, *, hurried: bool = False) -> Component | None:
        listed = self._listed(bmc, ident, hurried=hurried)
        if listed.error is not None:
            raise listed.error
        found = next((each for each in listed.components if ident in (each.id, *self.aliases(each.id))), None)
        unread = listed.unread
        if found is None and unread:
            why = _BUSY if any(each.passes for each in unread) else _NOT_LISTED
            raise _error(bmc, why.fill(ident=ident, what_is_wrong=unread[0].text))
        return found

    def aliases(self, ident: str) -> tuple[str, ...]:
        """The id without its BMC, which may be clear enough; and both as they were before ids came from addresses."""
        name, _, rest = ident.partition("/")
        within = sys.intern(rest)  # that of the inventory, and of other BMCs
        earlier = self._earlier.get(name, {}).get(within, ())
        return (within, *(word for each in earlier for word in (f"{name}/{each}", each)))

    def activate(self, ident: str, observer: base.Observer) -> base.Running:
        """See `base.Provider`."""
        from livefw.providers.redfish.jobs import ActivateJob
        from livefw.providers.steps import RunningSteps

        return RunningSteps(ActivateJob(self._place(ident, observer)), self._clock)

    def cancel(self, ident: str, observer: base.Observer) -> base.Running:
        """See `base.Provider`; possible until the activation begins."""
        from livefw.providers.redfish.jobs import CancelJob
        from livefw.providers.steps import RunningSteps

        return RunningSteps(CancelJob(self._place(ident, observer)), self._clock)

    def stage(self, ident: str, package: base.ImagePackage, observer: base.Observer) -> base.Running:
        """See `base.Stager`."""
        from livefw.providers.redfish.jobs import StageJob
        from livefw.providers.steps import RunningSteps

        return RunningSteps(StageJob(self._place(ident, observer), package), self._clock)

    def with_image(self, component: Component, package: base.ImagePackage) -> Component:
        """See `base.Installer`: by what the last look at its BMC has shown."""
        from livefw.providers.redfish import handover, parts

        bmc = self._bmc(component.id)
        seen = self._seen.get(bmc.name) if bmc else None
        part = parts.find(seen, component.id.partition("/")[2]) if seen else None
        if bmc is None or seen is None or part is None:
            return component
        reasons = tuple(handover.reasons(part, seen, bmc, package))
        return component._replace(reasons=reasons, pending=None, pending_version=None)

    def install(self, ident: str, package: base.ImagePackage, observer: base.Observer) -> base.Running:
        """See `base.Installer`."""
        from livefw.providers.redfish.jobs import InstallJob
        from livefw.providers.steps import RunningSteps

        return RunningSteps(InstallJob(self._place(ident, observer), package), self._clock)

    def glance(self, ident: str) -> Component | None:
        """As `inspect`; a BMC that is away or slow is waited for no longer than for a list."""
        bmc = self._bmc(ident)
        return None if bmc is None else self._found(bmc, ident, hurried=True)

    def attest(self, ident: str) -> Attestation | None:
        """A fresh measurement of a component; None where there is none. Never raises, and waits as `glance`."""
        from livefw.providers.redfish import attest, components, parts
        from livefw.providers.redfish.exchange import ExchangeError

        bmc = self._bmc(ident)
        if bmc is None:
            return None
        try:
            with closing(self._enter(bmc, hurried=True)) as client:
                seen = self._look_by(client, bmc, ident)
                part = parts.find(seen, ident.partition("/")[2])
                action = components.attesting(part, seen) if part else None
                return attest.attest(client, action) if action else None
        except ExchangeError as error:
            return attest.Attestation(trouble=error.text)

    def configure(self, ident: str, setting: str, *, on: bool) -> None:  # noqa: ARG002 - the shape of every provider
        """See `base.Provider`; there is nothing to switch."""
        raise errors.UsageError(f"redfish:{ident} has no setting {setting}", mechanism=TABLE)

    def mark(self) -> str:
        """See `base.Provider`: a BMC's tasks are not kept in any order that could be gone back to."""
        return ""

    def recall(self, ident: str, mark: str) -> base.Memory:  # noqa: ARG002 - see `mark`
        """See `base.Provider`. What waits on a BMC waits on, whatever this machine does, unless it is firmware of it.

        Where that is unknown now, a restart may have done it.
        """
        from livefw.providers.base import Memory
        from livefw.providers.redfish import parts
        from livefw.providers.redfish.exchange import ExchangeError

        bmc, part = self._bmc(ident), None
        if bmc is not None:
            with suppress(ExchangeError):
                found = parts.grouped(self._look(bmc, ident=ident))
                part = next((each for each in found if f"{bmc.name}/{each.ident}" == ident), None)
        by_restart = part is None or part.is_bios or part.needs_reset is not False
        return Memory(by_restart=by_restart)

    def diagnose(self) -> list[base.Finding]:
        """See `base.Provider`."""
        from livefw.providers.base import Finding, Severity

        notes = self._settings.notes
        found = [] if self.bmcs or notes else [Finding(Severity.INFO, *NO_BMC, lacks="a BMC in livefw.toml")]
        found += [Finding(Severity.WARNING, *each) for each in notes]
        for bmc, listed in zip(self.bmcs, self._ask_all(self.bmcs), strict=True):
            if not bmc.verify:
                found.append(Finding(Severity.WARNING, *_UNVERIFIED.fill(name=bmc.name, table=table_of(bmc))))
            if listed.error is not None and listed.note:
                found.append(Finding(Severity.ERROR, *listed.note, command=_by_hand(bmc)))
                continue
            reached = _REACHED.fill(name=bmc.name, count=len(listed.components), url=bmc.url)
            found.append(Finding(Severity.INFO, *reached))
            if listed.ability:
                able = _ABILITY.fill(name=bmc.name, what_it_can_do=listed.ability)
                found.append(Finding(Severity.INFO, *able))
            troubles = (_UNREAD.fill(name=bmc.name, what_is_wrong=each.text) for each in listed.worth_reporting)
            found += [Finding(Severity.WARNING, *why) for why in troubles]
        return found

    def replay(self, ident: str, action: str) -> str:
        """See `base.Provider`."""
        bmc = self._bmc(ident)
        url = f"{bmc.url if bmc else 'https://BMC'}{self._address(ident)}"
        name = {"activate": "Activate", "cancel": "Cancel"}.get(action, action)
        return f"curl --netrc --json '{{}}' {url}/Actions/SoftwareInventory.{name}"

    def _address(self, ident: str) -> str:
        """The member of the inventory that an id is about, as it was shown last, or as most ids are made from one."""
        from livefw.providers.redfish import parts

        name, _, within = ident.partition("/")
        seen = self._seen.get(name)
        if seen and (part := parts.find(seen, within)):
            return part.images[0].uri
        return "/redfish/v1/UpdateService/" + (within if "/" in within else f"FirmwareInventory/{within}")

    def _bmc(self, ident: str) -> Bmc | None:
        name, slash, _ = ident.partition("/")
        return next((bmc for bmc in self.bmcs if slash and bmc.name == name), None)

    def _place(self, ident: str, observer: base.Observer) -> jobs.Place:
        from livefw.providers.redfish.jobs import Place

        bmc = self._bmc(ident)
        if bmc is None:
            raise errors.TransportError(f"no BMC is configured for redfish:{ident}", mechanism=TABLE)
        self._known.pop(bmc.name, None)  # something is about to change
        return Place(
            bmc,
            ident.partition("/")[2],
            lambda: self._enter(bmc),
            partial(self._look_by, bmc=bmc, ident=ident),
            self._clock,
            observer,
            partial(self._staged.__setitem__, f"{TABLE}:{ident}"),
        )

    def _ask_all(self, bmcs: Sequence[Bmc]) -> list[Listed]:
        """Everything that some BMCs show, asked side by side. What is of this machine is read before, by one thread."""
        from livefw.providers.redfish.alike import Alike
        from livefw.providers.redfish.exchange import ExchangeError
        from livefw.providers.redfish.fan_out import ask_all

        ready: dict[str, tuple[Secret, Any] | ExchangeError] = {}
        for bmc in bmcs:
            try:
                ready[bmc.name] = self._ready(bmc)
            except ExchangeError as error:
                ready[bmc.name] = error
        alike = Alike()

        def ask(bmc: Bmc, listener: Listener) -> Listed:
            from livefw.providers.redfish.client import RedfishClient
            from livefw.providers.redfish.known import KnownBmc

            prepared = ready.pop(bmc.name)  # and with it what has been read by it
            if isinstance(prepared, ExchangeError):
                return Listed(bmc, error=_error(bmc, prepared.reason))
            pace = _pace(bmc)
            known = self._known.setdefault(bmc.name, KnownBmc())
            listed = self._described(
                bmc, lambda: RedfishClient(bmc, *prepared, self._clock, pace=pace, listener=listener, known=known)
            )
            if listed.error is None:
                self._seen[bmc.name] = alike.seen(self._seen[bmc.name])
            return listed._replace(components=tuple(map(alike.component, listed.components)))

        return ask_all(bmcs, ask, silent=_silent)

    def _ready(self, bmc: Bmc) -> tuple[Secret, Any]:
        """What it takes to log in, and the way to the BMC; `ExchangeError`."""
        from livefw.providers.redfish.exchange import NO_CREDENTIALS, NO_LIBRARY, ExchangeError

        try:
            libraries.load("redfish")
        except errors.NotInstalled as error:
            raise ExchangeError(NO_LIBRARY.fill(which_library_is_missing=error.message), sent=False) from error
        try:
            known = secret(bmc, self._files)
        except errors.TransportError as error:
            raise ExchangeError(
                NO_CREDENTIALS.fill(why_there_is_no_password=error.message, what_to_do=error.hint), sent=False
            ) from error
        return known, self._adapter(bmc)

    def _enter(self, bmc: Bmc, *, hurried: bool = False) -> RedfishClient:
        """A session; `ExchangeError`."""
        return self._made(bmc, self._ready(bmc), pace=_pace(bmc) if hurried else None)

    def _made(
        self, bmc: Bmc, ready: tuple[Secret, Any], listener: Listener | None = None, *, pace: Pace | None = None
    ) -> RedfishClient:
        from livefw.providers.redfish.client import RedfishClient  # there is a library, now

        return RedfishClient(bmc, *ready, self._clock, pace=pace, listener=listener)

    def _https(self, bmc: Bmc) -> Any:
        from livefw.providers.redfish.exchange import UNUSABLE_CA, ExchangeError
        from livefw.providers.redfish.transport import BoundedAdapter, tls

        try:
            trust = (bmc.ca, bmc.verify)
            if trust not in self._tls:
                authorities = self._files.trusted(bmc.ca, 1 << 20) if bmc.ca else None
                self._tls[trust] = tls(authorities, verify=bmc.verify)
            return BoundedAdapter(bmc.url, self._tls[trust])
        except (OSError, ValueError) as error:
            why = str(error) if isinstance(error, Untrusted) else getattr(error, "strerror", None) or str(error)
            raise ExchangeError(UNUSABLE_CA.fill(path=bmc.ca, error=why), sent=False) from error

    def _listed(self, bmc: Bmc, ident: str, *, hurried: bool) -> Listed:
        """One component of a BMC, read anew, among what is known of the others."""
        enter = partial(self._enter, bmc, hurried=True) if hurried else None
        return self._described(bmc, enter, ident)

    def _described(self, bmc: Bmc, enter: Callable[[], RedfishClient] | None, ident: str = "") -> Listed:
        from livefw.providers.redfish import ability, components, parts
        from livefw.providers.redfish.exchange import ExchangeError

        try:
            seen = self._look(bmc, enter, ident=ident)
        except ExchangeError as error:
            return Listed(bmc, error=_error(bmc, error.reason))
        blind = tuple(each for each in seen.blind if not each.absent)
        grouped = parts.grouped(seen)
        found = tuple(_able(components.component(part, seen, bmc), part, seen) for part in grouped)
        return Listed(bmc, found, (*seen.unread, *blind), ability=ability.ability(grouped, seen))

    def _look(self, bmc: Bmc, enter: Callable[[], RedfishClient] | None = None, *, ident: str = "") -> Seen:
        """A look of its own session; `ExchangeError`."""
        from livefw.providers.redfish.fan_out import ask_one

        def look(enter: Callable[[], RedfishClient]) -> Seen:
            client = enter()
            try:
                return self._look_by(client, bmc, ident)
            finally:
                client.close()

        if enter:
            return look(enter)
        ready = self._ready(bmc)
        return ask_one(lambda listener: look(lambda: self._made(bmc, ready, listener)))

    def _look_by(self, client: RedfishClient, bmc: Bmc, ident: str = "") -> Seen:
        """A look at everything; or, if it has been seen before, at one component, and at what is new."""
        from livefw.providers.redfish import parts
        from livefw.providers.redfish.resources import EarlierLook, look

        before = self._seen.get(bmc.name) if ident else None
        part = parts.find(before, ident.partition("/")[2]) if before else None
        earlier = EarlierLook(before, part.uris) if before and part else None
        seen = self._with_held(bmc, look(client, earlier))
        if earlier is None:
            self._seen[bmc.name], self._earlier[bmc.name] = seen, parts.earlier_idents(seen)
        return seen

    def _with_held(self, bmc: Bmc, seen: Seen) -> Seen:
        """With what the BMC holds and does not show. The history is asked only where there may be such an image."""
        from livefw.providers.redfish import parts

        if not (seen.service.start and seen.ended):
            return seen
        keys = {f"{TABLE}:{bmc.name}/{part.ident}": part.ident for part in parts.grouped(seen)}
        held = self.held(list(keys)) | {key: task for key, task in self._staged.items() if key in keys}
        return parts.with_held(seen, {keys[key]: task for key, task in held.items()})


def _nothing_held(_: Sequence[str]) -> dict[str, str]:
    """What is known where nobody asks a history."""
    return {}


def _able(component: Component, part: Part, seen: Seen) -> Component:
    """The component, with what its BMC can do for it."""
    from livefw.providers.redfish import ability

    return component._replace(details=(*component.details, ("what its BMC can do", ability.ability((part,), seen))))


def _together(notes: Sequence[Reason]) -> Reason:
    """The first, with the texts of all: a person has to know each BMC that shows nothing."""
    return notes[0]._replace(text="; ".join(each.text for each in notes))


def _pace(bmc: Bmc) -> Pace:
    from livefw.providers.redfish.exchange import Pace

    return Pace(bmc.first_answer, max(bmc.first_answer, _NEXT_ANSWER_S))


def _silent(bmc: Bmc) -> Listed:
    from livefw.providers.redfish.exchange import SILENT

    return Listed(bmc, error=_error(bmc, SILENT.fill(seconds=f"{bmc.first_answer:g}")))


def _error(bmc: Bmc, why: Reason) -> errors.LivefwError:
    kind = _KINDS.get(why.code, errors.TransportError)
    silent = why.code == "silent"
    return kind(
        f"BMC {bmc.name} {why.text.removeprefix('it ')}" if silent else f"BMC {bmc.name} at {bmc.url}: {why.text}",
        hint=libraries.how("redfish") if why.code == "no-library" else why.hint,
        mechanism=TABLE,
        phase="discover",
        firmware_code=why.code,
        replay=_by_hand(bmc),
    )


def _by_hand(bmc: Bmc) -> str:
    """The command that asks it, trusting whom the settings trust."""
    trust = [] if bmc.verify else ["--insecure"]
    trust += ["--cacert", bmc.ca] if bmc.verify and bmc.ca else []
    return shlex.join(["curl", *trust, f"{bmc.url}/redfish/v1/"])


_NOTES: dict[type[errors.LivefwError], Reason] = {
    kind: Reason(errors.KINDS[kind].name, "{why_it_cannot_be_asked}")
    for kind in (errors.NotInstalled, errors.PermissionDenied)
}
"""By the kind of the error; its name is the code, by which the command finds its exit code."""
_UNREACHABLE = Reason("unreachable", "{why_it_cannot_be_asked}")
_SILENT = Reason("silent", "{why_it_cannot_be_asked}")
_UNVERIFIED = Reason(
    "unverified",
    "BMC {name}: the settings accept any certificate",
    "set ca in {table} to a PEM file",
)
_REACHED = Reason("reached", "BMC {name}: {count} components at {url}")
_ABILITY = Reason("ability", "BMC {name}: {what_it_can_do}")
_UNREAD = Reason("unread", "BMC {name}: {what_is_wrong}")
_INCOMPLETE = Reason(
    "incomplete",
    "BMC {name}: {count} resource(s) cannot be read: {what_is_wrong}",
    "run livefw list again, or see the BMC's log",
)
_BUSY = Reason("busy", "{ident} is not listed, and part of the inventory cannot be read: {what_is_wrong}")
_NOT_LISTED = Reason("unread", "{ident} is not listed, and part of the inventory cannot be read: {what_is_wrong}")
_NEXT_ANSWER_S = 10.0
"""How long a BMC that has answered once may take for each further answer, while others are waited for as well."""
_KINDS: dict[str, type[errors.LivefwError]] = {
    "login": errors.PermissionDenied,
    "denied": errors.PermissionDenied,
    "no-library": errors.NotInstalled,
}
"""Errors that are more than that a BMC cannot be asked."""
NO_BMC = Reason("no-bmc", "no BMC is configured", f"[[redfish.bmc]] or [redfish.group.NAME] in {FILE}")
_EMPTY = Reason("empty-inventory", "no BMC lists any firmware")
