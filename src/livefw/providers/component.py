# SPDX-License-Identifier: Apache-2.0
"""A component as any mechanism sees it, and what was found altogether."""

from __future__ import annotations

from enum import StrEnum

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NamedTuple
else:
    from livefw.light_tuple import NamedTuple


class Version(NamedTuple):
    """A version as the mechanism reports it.

    ``order`` compares versions of one component as numbers; empty where the mechanism has no order. ``reliable`` is
    false where the report itself cannot be relied on.
    """

    text: str
    order: tuple[int, ...] = ()
    reliable: bool = True

    def __str__(self) -> str:
        return self.text


def dotted(text: str) -> tuple[int, ...]:
    """The order of a version that is numbers between dots, for `Version`; empty for any other text."""
    parts = text.split(".")
    return tuple(map(int, parts)) if all(p.isascii() and p.isdigit() and len(p) < 16 for p in parts) else ()


class Rendezvous(StrEnum):
    """Whether all online CPUs have to be inside the activation together."""

    REQUIRED = "required"
    """The component demands it."""
    FORCED = "forced"
    """The component could do without; the present settings demand it."""
    OPTIONAL = "optional"
    """One CPU will do."""


class Flag(StrEnum):
    """What it means that nothing is pending any more after an activation."""

    PROVES = "proves"
    """The firmware clears the flag after a success only."""
    PROVES_NOTHING = "proves-nothing"
    """The firmware clears it after a failure as well, or may be one that does."""
    ABSENT = "absent"
    """There is no flag: what is pending follows from the images that lie there."""


class Reading(StrEnum):
    """A figure of a device that a site may limit."""

    PAUSE = "pause"
    """Seconds that it may stand still, as it declares."""
    TEMPERATURE = "temperature"
    """Degrees Celsius."""
    WEAR = "wear"
    """Per cent of its rated life that are used; may be above 100."""
    REQUESTS = "requests"
    """I/O requests in flight."""


class RestartScope(StrEnum):
    """What restarts when firmware takes effect that does not run on the CPUs of this machine."""

    NOTHING = "nothing"
    PAUSE = "pause"
    """Nothing restarts, but the device processes nothing meanwhile."""
    BMC = "bmc"
    DEVICE = "device"
    HOST = "host"
    """Nothing but a reset of the host makes it take effect."""
    SOMETHING = "something"
    """It is not reported what."""
    NOT_REPORTED = "not-reported"
    """It is not reported whether anything restarts."""


RESTART_TEXTS = {
    RestartScope.NOTHING: "nothing stops",
    RestartScope.PAUSE: "the device's I/O stands still",
    RestartScope.BMC: "the BMC restarts",
    RestartScope.DEVICE: "the device restarts",
    RestartScope.HOST: "takes a reset of the host",
    RestartScope.SOMETHING: "takes a reset, and the BMC does not report of what",
    RestartScope.NOT_REPORTED: "the BMC does not report what restarts",
}
"""The same for a person, in every face."""


class Cost(NamedTuple):
    """What an activation does to the running machine; None where the mechanism does not say.

    ``restart`` is of firmware behind a management controller or of a device, and None for what runs on the CPUs.
    """

    rendezvous: Rendezvous | None
    resets_cpu: bool | None
    restart: RestartScope | None = None

    def document(self) -> dict[str, object]:
        """Its fields in JSON; without ``restart`` for firmware that runs on the CPUs."""
        found: dict[str, object] = {"rendezvous": self.rendezvous, "resets_cpu": self.resets_cpu}
        return found | ({"restart": self.restart} if self.restart else {})


class Reason(NamedTuple):
    """A reason, for programs and for people: ``code`` never changes, ``hint`` says what to do.

    One of a table may have fields in its text (``{path}``), which `fill` gives their values. ``COMPONENT`` in a hint
    stands for the component that it is about, which `about` names.
    """

    code: str
    text: str
    hint: str = ""

    def fill(self, **values: object) -> Reason:
        """The same with these values in its text; what a value holds is never read as a field."""
        return self._replace(text=self.text.format(**values))

    def about(self, word: str) -> Reason:
        """The same with a hint that is a command for the component which this word selects."""
        if _ANY not in self.hint:
            return self
        from shlex import quote  # an identifier may hold anything; `list` needs no hints

        return self._replace(hint=self.hint.replace(_ANY, quote(word)))


_ANY = "COMPONENT"
"""The component that a hint is about, as the help of the commands calls it."""


class AttestedValue(NamedTuple):
    """What an attestation reports of firmware, which the mechanism calls ``field``.

    The value while the running and while the pending image run, in lower-case hexadecimal; None where it is not known.
    """

    field: str
    current: str | None
    pending: str | None


class LinkedWay(NamedTuple):
    """The same firmware behind a management controller, by which its images come; as that controller shows it.

    ``key`` is that of the component there. ``asked`` is whether the controller was asked at all; ``trouble`` is why it
    did not show the component then.
    """

    key: str
    current_version: Version | None = None
    pending: bool | None = None
    pending_version: Version | None = None
    asked: bool = False
    trouble: Reason | None = None

    @property
    def host(self) -> str:
        """The name of the management controller."""
        return self.key.partition(":")[2].partition("/")[0]


class Component(NamedTuple):
    """Firmware that can be activated live, as seen at one moment.

    ``id`` is the mechanism's own stable key. ``name`` and the texts come from firmware and may hold any character; the
    name may be empty. ``pending`` is None where it could not be read. Without ``reasons`` it can be activated now.
    ``settings`` are what an administrator can switch; ``details`` the mechanism's own fields, as they were read.
    ``unconfirmed`` says why a success of its activation could not be confirmed; None where something would show it.
    ``distrusted`` says why a success that the mechanism reports proves nothing by itself; None where it does.
    ``flag`` is what its pending flag is worth. ``copied``: ``current_version`` is a copy that the mechanism renews only
    after what it takes for a success. ``at_stake`` is what a failure costs besides the component itself, and
    ``listed_anew_by`` how a mechanism that keeps its list of components is made to read it anew. ``stated`` is what an
    administrator has said of the mechanism that it does not show. ``aliases`` are other spellings of the id
    (`Provider.aliases`), and ``short`` is the shortest that selects only this component; the inventory fills both in.
    ``host`` is the name of the management controller that the component is behind, empty for this machine's own.
    ``pending_since_ns`` is when a program of livefw first saw the pending image (wall clock, ns since 1970), where that
    is known; no provider fills it in. ``linked`` is the other way to it, where the settings link it: images are staged
    by that way, and it is activated by this one. ``hazards`` are what depends on it or endangers it: each has the name
    of a check that fails because of it, and that a user may ignore. ``models`` are names by which archives of the LVFS
    mean all components of its kind; fwupd derives GUIDs from them. ``attestation`` is what relying parties see of it;
    None where that does not follow from its images. ``kin`` is what the keys of all components of its kind begin with,
    empty where that says nothing. ``readings`` are figures that a site may limit.
    ``probe`` is the path of a block device that stands still while it is activated; empty for none.
    """

    provider: str
    id: str
    name: str
    current_version: Version | None
    pending: bool | None
    pending_version: Version | None
    cost: Cost
    reasons: tuple[Reason, ...] = ()
    settings: tuple[tuple[str, bool], ...] = ()
    notes: tuple[Reason, ...] = ()
    details: tuple[tuple[str, str], ...] = ()
    unconfirmed: Reason | None = None
    distrusted: Reason | None = None
    flag: Flag = Flag.PROVES
    copied: bool = False
    at_stake: str = ""
    listed_anew_by: str = ""
    stated: str = ""
    aliases: tuple[str, ...] = ()
    short: str = ""
    host: str = ""
    pending_since_ns: int | None = None
    linked: LinkedWay | None = None
    hazards: tuple[Reason, ...] = ()
    models: tuple[str, ...] = ()
    attestation: AttestedValue | None = None
    kin: str = ""
    readings: tuple[tuple[Reading, float], ...] = ()
    probe: str = ""

    @property
    def label(self) -> str:
        """What a person knows it by, among the components of several hosts too; not escaped."""
        return label(self.name, host=self.host, ident=self.short or self.id)

    @property
    def key(self) -> str:
        """Stable key over all mechanisms: ``provider:id``."""
        return f"{self.provider}:{self.id}"

    @property
    def word(self) -> str:
        """What to type for it: the shortest word that selects only this component, where that is known."""
        return self.short or self.key

    @property
    def spellings(self) -> tuple[str, ...]:
        """Every way to write its key and its id, and those that it has behind a management controller."""
        ids = (self.id, *self.aliases)
        there = (self.linked.key, self.linked.key.partition(":")[2]) if self.linked else ()
        return (*(f"{self.provider}:{each}" for each in ids), *ids, *there)


def label(name: str, *, host: str, ident: str) -> str:
    """What a person knows a component by. One without a name is known by its id, which names its host already."""
    return f"{host}: {name}" if host and name else name or ident


class Source(NamedTuple):
    """One of several hosts that a mechanism asks. ``trouble`` is why it did not show all, or ``silent``, anything.

    ``ability`` is what it can do, in a line.
    """

    provider: str
    host: str
    trouble: Reason | None = None
    silent: bool = False
    ability: str = ""


class Discovery(NamedTuple):
    """All components of a mechanism; where there is none, ``absent`` says why. ``sources`` are the hosts asked for
    them."""

    components: tuple[Component, ...]
    notes: tuple[Reason, ...] = ()
    absent: Reason | None = None
    sources: tuple[Source, ...] = ()
