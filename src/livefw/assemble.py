# SPDX-License-Identifier: Apache-2.0
"""A host put together from where things are: the machine, its settings, its history, and what measures."""

import os
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from types import MappingProxyType
from typing import NamedTuple, TypeGuard

from livefw.activation.actor import Actor, current
from livefw.activation.checks.facts import Facts
from livefw.activation.checks.table import require_sound, unsound
from livefw.activation.diagnosis.scene import Scene
from livefw.activation.effective_policy import EffectivePolicy, effective
from livefw.activation.engine import Host
from livefw.activation.history.announce import SystemJournal
from livefw.activation.history.held import held_in
from livefw.activation.host import no_probe
from livefw.activation.identity import origin_of
from livefw.activation.inventory.discovery import Inventory, take_inventory
from livefw.activation.inventory.unmatched_patterns import names_something
from livefw.activation.measure.device import DeviceProbe, reading_probe
from livefw.activation.measure.meter import Meter, NoMeter, meter
from livefw.activation.notify.notifier import Notifier
from livefw.activation.paths import Paths, paths_for
from livefw.activation.pending.known import place_of
from livefw.activation.pending.recorder import recorder
from livefw.activation.policy.document import DEFAULT, FILE, IMAGE_KEYS, METADATA_KEYS, Policy, load, located, read_file
from livefw.activation.policy.reader import SettingsError
from livefw.activation.policy.survey import SettingsSurvey
from livefw.activation.policy.survey import survey as read_survey
from livefw.clock import SystemClock
from livefw.errors import LivefwError, UsageError
from livefw.files.host import unused_settings
from livefw.files.host_facts import SystemFacts
from livefw.files.protocol import Files
from livefw.providers.base import Component, Provider, is_multi_host
from livefw.providers.registry import MECHANISMS, open_files, providers
from livefw.reading import absolute
from livefw.text import printable


class Where(NamedTuple):
    """Which machine, and where its things are; None is what the documents say.

    ``state`` is the directory of the history, ``settings`` that of livefw.toml, ``images`` that of the archives that
    can be staged.
    """

    root: str = "/"
    state: str | None = None
    settings: str | None = None
    images: str | None = None

    @property
    def paths(self) -> Paths:
        """Where they are; OSError where that is unknown."""
        return paths_for(self.root, state=self.state, settings=self.settings)


class How(NamedTuple):
    """How the engine is to work. ``measured`` is None for no measurement, and else by what, empty for what the
    settings say. ``lenient``: without the settings where something is wrong with them. ``seen_by`` is the kind of
    program that the history names where it sees something first; empty for the face of the actor.
    """

    measured: str | None = None
    without_journal: bool = False
    lenient: bool = False
    seen_by: str = ""


LOOKING = How()

_SOCKET_VARIABLE, _SOCKET = "LIVEFW_SOCKET", "/run/livefw/fwupd.sock"


def _unheard(_: str) -> None:
    """Nobody listens."""


def policy(found: Paths) -> Policy:
    """The policy that holds. `SettingsError`, `TransportError`."""
    made = load(found.settings, mechanisms=MECHANISMS)
    try:
        require_sound(made, file=os.path.join(found.settings, FILE))
    except SettingsError as error:
        raise located(error, read_file(found.settings) or b"") from error.__cause__
    return made


def survey(found: Paths) -> SettingsSurvey:
    """What the settings say, and what is wrong with them. `PermissionDenied`, `TransportError`."""
    return read_survey(found.settings, mechanisms=MECHANISMS, unsound=lambda made, file: unsound(made, file=file))


def effective_policy(
    places: Paths, opened_providers: Callable[[], Sequence[Provider]], *, check: bool = False
) -> EffectivePolicy:
    """The settings with what the machine makes of them, and all mistakes in them; a mistake is no error.

    With ``check`` it is an error of `take_inventory` that there is nothing to compare the patterns of faultless
    settings with.
    """
    surveyed = survey(places)
    look = _look(surveyed.policy, opened_providers, check=check and not surveyed.mistakes)
    why = look.why
    wrong = [why] if _is_about_settings(why) and not surveyed.mistakes else []
    return effective(
        surveyed,
        look.found,
        settings=places.settings,
        now=datetime.now(UTC),
        uncompared="" if wrong or surveyed.mistakes or why is None else why.message,
        wrong=wrong,
        groups=look.groups,
    )


class _Look(NamedTuple):
    """The components to compare patterns with, or why there are none, and the groups of hosts by mechanism."""

    found: Inventory | None
    why: LivefwError | None = None
    groups: Mapping[str, Mapping[str, Sequence[str]]] = MappingProxyType({})


def _look(settings: Policy, opened_providers: Callable[[], Sequence[Provider]], *, check: bool) -> _Look:
    """What there is; an error if there is nothing and that was to be checked."""
    groups: dict[str, Mapping[str, Sequence[str]]] = {}
    try:
        found_providers = opened_providers()
        groups |= {each.name: each.host_groups for each in found_providers if is_multi_host(each)}
        found = take_inventory(found_providers)
        if names_something(settings):
            found.require()
    except LivefwError as error:
        if check and not _is_about_settings(error):
            raise
        return _Look(None, error, groups)
    return _Look(found, None, groups)


def _is_about_settings(error: LivefwError | None) -> TypeGuard[UsageError]:
    return isinstance(error, UsageError) and error.phase == "settings"


def has_valid_settings(found: Paths) -> bool:
    """Whether the policy can be used; it can where there is none."""
    try:
        policy(found)
    except LivefwError:
        return False
    return True


def host(
    where: Where,
    how: How = LOOKING,
    *,
    files: Files | None = None,
    opened: Callable[..., Files] = open_files,
    actor: Actor | None = None,
    say: Callable[[str], None] = _unheard,
) -> Host:
    """The machine, through ``files`` that are open already, or by ``opened``. ``say`` hears what is odd.

    Errors as for `open_files` and `policy`.
    """
    clock, found = SystemClock(), where.paths
    own = found.root == "/"
    tell_unused_settings(where, say)
    settings_directory = where.settings
    try:
        settings = policy(found)
    except LivefwError as error:
        if not how.lenient:
            raise
        say(f"livefw: the settings are ignored: {printable(error.message)}")
        settings, settings_directory = DEFAULT, ""
    if settings.seal and not own:
        file = os.path.join(found.settings, FILE)
        say(f"livefw: seal in {printable(file)} is not used: with --root nothing is sealed")
    machine = files or opened(where.root, settings=settings_directory)
    measuring = settings.measure._replace(by=how.measured) if how.measured else settings.measure

    def new_meter() -> Meter:
        if how.measured is None:
            return NoMeter()
        return meter(machine, Facts(machine).cpus("online"), measuring, own_machine=own)

    def new_probe(component: Component) -> DeviceProbe | None:
        wanted = measuring.enabled and how.measured is not None
        return reading_probe(component, baseline_s=measuring.baseline) if wanted else None

    actor = actor or current("cli")
    made = Host(
        machine,
        providers(machine, clock, held=held_in(found.state, found.root)),
        clock,
        found,
        settings,
        actor,
        meter=new_meter,
        probe=new_probe if own else no_probe,
    )
    made = made._replace(
        privileged=not own or os.geteuid() == 0,
        without_journal=how.without_journal,
        images=_images(where, found, settings),
        image_keys=found.root.rstrip("/") + (settings.image_keys or IMAGE_KEYS),
        metadata_keys=found.root.rstrip("/") + (settings.image_keys or METADATA_KEYS),
        notifier=Notifier(found, settings.notify, say=say),
    )
    seen = recorder(
        found,
        place_of(where.root, state=where.state),
        actor=actor,
        seen_by=how.seen_by or actor.face,
        seal=lambda: settings.seal,
        machine=lambda: origin_of(machine, found.root),
        may_record=not how.without_journal,
    )
    made = made._replace(observe=seen.observe)
    return made._replace(announce=SystemJournal(actor)) if own else made


def scene(where: Where, files: Files, *, version: str) -> Scene:
    """What a diagnosis by a livefw of this version looks at; OSError if it is unknown where things are."""
    found = where.paths
    own = found.root == "/"
    return Scene(
        files=files,
        facts=SystemFacts(files),
        clock=SystemClock(),
        paths=found,
        survey=lambda: survey(found),
        inventory=cache(lambda: take_inventory(providers(files, held=held_in(found.state, found.root)))),
        pending=place_of(where.root, state=where.state),
        unused=unused_settings(where.root, where.settings),
        socket=os.environ.get(_SOCKET_VARIABLE) or (_SOCKET if own else ""),
        named=_SOCKET_VARIABLE in os.environ,
        version=version,
        euid=os.geteuid(),
        now=datetime.now(UTC),
    )


def tell_unused_settings(where: Where, say: Callable[[str], None]) -> None:
    """Say that a tree has settings which nobody asked for."""
    if where.root != "/" and (line := unused_settings(where.root, where.settings)):
        say(f"livefw: {line}")


def _images(where: Where, found: Paths, settings: Policy) -> str:
    """The directory of images: one that the settings name is on the machine that is looked at."""
    if where.images:
        return absolute(where.images)
    if settings.images:
        return found.root.rstrip("/") + settings.images
    return os.path.join(found.state, "images")
