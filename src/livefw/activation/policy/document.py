# SPDX-License-Identifier: Apache-2.0
"""The administrator's policy: ``livefw.toml`` in ``/etc/livefw``.

`KEYS` is the one table of what it may contain. The reader, ``livefw policy`` and the documents are derived from it.
"""

import errno
import os
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from livefw import reading
from livefw.activation.policy import notification, pattern
from livefw.activation.policy.pattern import any_matches
from livefw.activation.policy.pattern import matches as matches
from livefw.activation.policy.reader import (
    REQUIRED,
    ContradictionError,
    SettingsError,
    SettingsKey,
    SettingsSection,
    decode,
)
from livefw.activation.policy.window import DAYS, Window, own_zone
from livefw.errors import PermissionDenied, TransportError
from livefw.files.stamp import Stamp, stamp
from livefw.providers import links
from livefw.providers.base import Component

FILE = "livefw.toml"
_SIZE_LIMIT = 1 << 20
"""Bytes of a settings file at most."""


class Limits(NamedTuple):
    """Load average per online CPU, and seconds that an activation may take.

    The others are about a device: seconds that it may stand still, degrees Celsius, per cent of its rated life that are
    used, I/O requests in flight, and seconds to wait until it is well again before the next one.
    """

    load: float | None
    seconds: float
    pause: float
    temperature: float | None
    wear: float
    requests: float | None
    recovery: float


class Precedence(NamedTuple):
    """``then`` is not activated while ``first`` is pending; both are patterns."""

    first: str
    then: str


class Forbidden(NamedTuple):
    """A step that a site has ruled out: from these versions to those, of these components; all are patterns."""

    component: str
    old: str
    new: str
    because: str

    def __str__(self) -> str:
        return f"from {self.old} to {self.new}{f': {self.because}' if self.because else ''}"


class ComponentPolicy(NamedTuple):
    """What the policy wants for one component: the only version that may be activated, and its settings."""

    pin: str | None
    settings: dict[str, bool]


class Measuring(NamedTuple):
    """How an activation is measured: whether, on how many CPUs at most, seconds of the baseline, and by what."""

    enabled: bool
    cpus: int
    baseline: float
    by: str = "auto"


MEASURED_BY = ("auto", "sampler", "tracer")
"""What can measure; ``auto`` is the kernel's tracer if there is one, else the sampler."""


IMAGE_KEYS = "/etc/pki/fwupd"
METADATA_KEYS = "/etc/pki/fwupd-metadata"
"""Where fwupd has the keys by which archives of the LVFS are signed, and its metadata."""


class Policy(NamedTuple):
    """The whole policy; patterns are those of `livefw.activation.policy.pattern`.

    ``never_ignore`` are checks that nobody may ignore. ``strict``: while a pattern matches no component, only
    components that the user names are activated. ``images`` and ``image_keys`` are directories and ``seal`` a file with
    keys, all of the machine that the policy is for. ``link`` is for the providers, which read it themselves.
    """

    allow: tuple[str, ...]
    deny: tuple[str, ...]
    automatic: tuple[str, ...]
    ignore: tuple[str, ...]
    limits: Limits
    measure: Measuring
    window: tuple[Window, ...]
    order: tuple[Precedence, ...]
    component: dict[str, ComponentPolicy]
    images: str | None = None
    image_keys: str | None = None
    signed_images: bool = False
    accept_unconfirmed: tuple[str, ...] = ()
    seal: str | None = None
    group_may_ignore: bool | tuple[str, ...] = False
    never_ignore: tuple[str, ...] = ()
    strict: bool = False
    notify: notification.NotifyPolicy = notification.DEFAULT
    link: tuple[links.Link, ...] = ()
    forbid: tuple[Forbidden, ...] = ()

    def forbidden(self, component: Component) -> Forbidden | None:
        """The rule that forbids what is pending, as far as the versions are known; None if there is none."""
        old, new = component.current_version, component.pending_version
        if new is None:
            return None
        return next(
            (
                rule
                for rule in self.forbid
                if matches(rule.component, component)
                and pattern.matches_text(rule.new, new.text)
                and pattern.matches_text(rule.old, old.text if old else "")
            ),
            None,
        )

    def group_may(self, checks: Iterable[str]) -> bool:
        """Whether members of the daemon's group may ignore all of these checks."""
        wanted, may = frozenset(checks), self.group_may_ignore
        if not wanted.isdisjoint(self.never_ignore):
            return False
        return may if isinstance(may, bool) else wanted <= frozenset(may)

    def allows(self, component: Component) -> bool:
        """Whether the component may be activated at all."""
        return any_matches(self.allow, component) and not self.denies(component)

    def denies(self, component: Component) -> bool:
        """Whether the component is denied, whatever is allowed."""
        return any_matches(self.deny, component)

    def is_automatic(self, component: Component) -> bool:
        """Whether ``livefw watch`` activates the component by itself."""
        return any_matches(self.automatic, component)

    def accepts_unconfirmed(self, component: Component) -> bool:
        """Whether a success that nothing confirms is accepted for the component."""
        return any_matches(self.accept_unconfirmed, component)

    def pin(self, component: Component) -> str | None:
        """The only version that may be activated; None if any may."""
        return next(
            (wanted.pin for each, wanted in self.component.items() if wanted.pin and matches(each, component)), None
        )

    def settings(self, component: Component) -> dict[str, bool]:
        """The settings that the policy wants for the component; the first pattern that names a setting decides."""
        wanted: dict[str, bool] = {}
        for each, component_policy in self.component.items():
            if matches(each, component):
                wanted = component_policy.settings | wanted
        return wanted

    def ranked(self, components: list[Component]) -> list[Component]:
        """The components in an order that the policy allows, otherwise unchanged. ValueError if the order contains a
        cycle.

        Rules about components that are not in the list have no effect.
        """
        left, done = list(components), []
        while left:
            ready = next((c for c in left if not any(self.goes_before(other, c) for other in left if other != c)), None)
            if ready is None:
                raise ValueError("the order goes in a circle: " + ", ".join(c.key for c in left))
            left.remove(ready)
            done.append(ready)
        return done

    def goes_before(self, first: Component, then: Component) -> bool:
        """Whether ``then`` has to wait for ``first``."""
        return any(matches(o.first, first) and matches(o.then, then) for o in self.order)


class PolicyFollower:
    """Detects that the settings file was changed or replaced."""

    def __init__(self, directory: str) -> None:
        """Call it before the file is read, so that no change is missed."""
        self._directory = directory
        self._seen = file_stamp(directory)

    def changed(self) -> bool:
        """Whether the file has changed since the last call."""
        before, self._seen = self._seen, file_stamp(self._directory)
        return before != self._seen


def file_stamp(directory: str) -> Stamp:
    """The stamp of the settings file in a directory, or of its absence. Take it before reading, so that no change is
    missed."""
    try:
        if not directory:
            return ()
        above = os.stat(directory)  # owner and mode of the directory decide whether the file is trusted
        return above.st_uid, above.st_mode, *stamp(os.stat(f"{directory}/{FILE}"))
    except OSError as error:
        return (error.errno or 0,)


def load(directory: str, *, mechanisms: Iterable[str] = ()) -> Policy:
    """Read the policy in a directory; the default policy if there is no directory or no file.

    Tables with the name of a mechanism are read by its provider.

    Raises:
        SettingsError: the file is wrong, or other users can change it.
        PermissionDenied, TransportError: it cannot be read.
    """
    text = read_file(directory)
    return DEFAULT if text is None else parse(text, file=os.path.join(directory, FILE), mechanisms=mechanisms)


def read_file(directory: str) -> bytes | None:
    """The text of the settings file in a directory; None if there is no directory or no file. Errors are those of
    `load`."""
    if not directory:
        return None
    path = os.path.join(directory, FILE)
    try:
        text = reading.read_trusted(path, _SIZE_LIMIT)
    except FileNotFoundError:
        return None
    except reading.Untrusted as error:
        why = str(error.strerror) if error.filename == path else str(error)
        raise SettingsError(why, file=path, path="", hint=error.hint) from error
    except OSError as error:
        if error.errno == errno.EFBIG:
            raise SettingsError(str(error.strerror), file=path, path="") from error
        kind = PermissionDenied if isinstance(error, PermissionError) else TransportError
        raise kind(f"{path} cannot be read: {error.strerror}", phase="settings", errno=error.errno) from error
    return text


def parse(text: bytes, *, file: str = FILE, mechanisms: Iterable[str] = ()) -> Policy:
    """Read a policy without the tables of mechanisms. `SettingsError` if it is wrong."""
    document = parse_toml(text, file=file)
    ours = {name: value for name, value in document.items() if name not in frozenset(mechanisms)}
    try:
        policy: Policy = decode(KEYS, ours, file=file)
    except SettingsError as error:
        raise located(error, text) from error.__cause__
    return policy


def parse_toml(text: bytes, *, file: str) -> dict[str, Any]:
    """The document in a settings file. `SettingsError` if it is no TOML; the text has the line."""
    from livefw import toml  # only if there is a file

    try:
        return toml.loads(text)
    except ValueError as error:
        raise SettingsError(str(error), file=file, path="") from error


def located(error: SettingsError, text: bytes) -> SettingsError:
    """The error with the line of its key in the text of the file."""
    from livefw import toml_lines  # only for errors

    return error.at(toml_lines.line_of(error.path, toml_lines.lines(text)))


def _patterns(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise ValueError("has to be a list of patterns")
    return tuple(pattern.read(each) for each in value)


def _checks(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(each, str) and each for each in value):
        raise ValueError("has to be a list of checks")
    return tuple(value)


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value.isprintable():
        raise ValueError("has to be a printable text")
    return value


def _directory(value: Any) -> str:
    if not isinstance(value, str) or not value.startswith("/") or os.path.normpath(value) != value:
        raise ValueError("has to be an absolute path")
    return value


def _version(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError("has to be a version in quotes")
    return value


def _boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("has to be true or false")
    return value


def _boolean_or_checks(value: Any) -> bool | tuple[str, ...]:
    if isinstance(value, bool):
        return value
    try:
        return _checks(value)
    except ValueError:
        raise ValueError("must be true, false or a list of checks") from None


def _positive(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e9:
        raise ValueError("has to be a number above 0")
    return float(value)


def _count(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 4096:
        raise ValueError("must be an integer from 1 to 4096")
    return value


def _measured_by(value: Any) -> str:
    if value not in MEASURED_BY:
        raise ValueError(f"must be one of {', '.join(MEASURED_BY)}{_near([value], MEASURED_BY)}")
    return str(value)


def _days(value: Any) -> frozenset[int]:
    if not isinstance(value, list) or not value or not all(day in DAYS for day in value):
        raise ValueError(f"must be a list of {', '.join(DAYS)}{_near(value, DAYS)}")
    return frozenset(DAYS.index(day) for day in value)


def _minute(value: Any) -> int:
    hour, colon, minute = value.partition(":") if isinstance(value, str) else ("", "", "")
    if not (colon and len(hour) == len(minute) == 2 and (hour + minute).isascii() and (hour + minute).isdigit()):
        raise ValueError('must be a time of day as in "22:00"')
    if int(hour) > 23 or int(minute) > 59:
        raise ValueError('must be a time of day from "00:00" to "23:59"')
    return int(hour) * 60 + int(minute)


def _zone(value: Any) -> Any:
    from zoneinfo import ZoneInfo, available_timezones  # only if the policy names one

    try:
        return ZoneInfo(value)
    except (KeyError, ValueError, TypeError, OSError) as error:
        near = _near([value], sorted(available_timezones()))
        raise ValueError(f'must be a time zone of this machine as in "Europe/Berlin"{near}') from error


def _near(values: Any, choices: Sequence[str]) -> str:
    """What the first wrong one of several values may have been meant to be."""
    from livefw import suggest  # only for errors

    wrong = [value for value in values if value not in choices] if isinstance(values, list) else []
    near = suggest.closest(wrong[0], choices) if wrong and isinstance(wrong[0], str) else None
    return f" (did you mean {near}?)" if near else ""


def _switches(value: Any) -> dict[str, bool]:
    if not isinstance(value, dict) or not all(isinstance(each, bool) for each in value.values()):
        raise ValueError("must be a table of settings that are true or false")
    return dict(value)


def _window(**values: Any) -> Window:
    return Window(days=values["days"], begin=values["from"], end=values["to"], zone=values["zone"] or own_zone())


def _forbidden(**values: Any) -> Forbidden:
    return Forbidden(values["component"], values["from"], values["to"], values["because"])


def _policy(**values: Any) -> Policy:
    made = Policy(**values)
    if both := [name for name in made.never_ignore if name in made.ignore]:
        raise ContradictionError(f"{', '.join(both)}: also in ignore; remove it from one of them", "never-ignore")
    for number in range(1, len(made.link) + 1):
        if (clash := links.clash(made.link[:number])) is not None:
            raise ContradictionError(clash[1], f"link[{number - 1}].{clash[0]}")
    return made


_ON = True
_OFF = False
_TIME = 'time as in "22:00"'
KEYS = SettingsSection(
    {
        "allow": SettingsKey("patterns", _patterns, ("*",), "components that may be activated"),
        "deny": SettingsKey("patterns", _patterns, (), "components that must not be activated, even if allowed"),
        "automatic": SettingsKey(
            "patterns", _patterns, (), "components that `livefw watch` activates as soon as permitted"
        ),
        "ignore": SettingsKey(
            "checks", _checks, (), "checks that are ignored on this machine; recorded like `--ignore`"
        ),
        "never-ignore": SettingsKey(
            "checks", _checks, (), "checks that nobody may ignore, not even root with `--ignore`"
        ),
        "group-may-ignore": SettingsKey(
            "boolean or checks",
            _boolean_or_checks,
            _OFF,
            "whether members of the daemon's group may ignore checks, or which ones; others ask polkit",
        ),
        "images": SettingsKey(
            "path", _directory, None, "directory of archives that can be staged; `images` beside the history by default"
        ),
        "image-keys": SettingsKey(
            "path",
            _directory,
            None,
            f"directory of keys whose signatures count; `{IMAGE_KEYS}` by default, and `{METADATA_KEYS}` for mirrors",
        ),
        "signed-images": SettingsKey(
            "boolean", _boolean, _OFF, "stage only images that one of those keys has signed, in archives"
        ),
        "accept-unconfirmed": SettingsKey(
            "patterns", _patterns, (), "components whose reported success is accepted although nothing can confirm it"
        ),
        "strict": SettingsKey(
            "boolean",
            _boolean,
            _OFF,
            "activate only components named on the command line while a pattern here matches no component",
        ),
        "seal": SettingsKey(
            "path", _directory, None, "file of root's alone with keys that seal the history, one a line"
        ),
        "limits": SettingsSection(
            {
                "load": SettingsKey(
                    "number", _positive, None, "one-minute load average per online CPU above which to refuse"
                ),
                "seconds": SettingsKey(
                    "number",
                    _positive,
                    60.0,
                    "time an activation may take; a shorter watchdog, or a longer history, refuses",
                ),
                "pause": SettingsKey(
                    "number", _positive, 30.0, "seconds that a device may stand still, as it declares"
                ),
                "temperature": SettingsKey(
                    "number", _positive, None, "degrees Celsius of a device above which to refuse"
                ),
                "wear": SettingsKey(
                    "number", _positive, 100.0, "per cent of its rated life that a device may have used"
                ),
                "requests": SettingsKey(
                    "number", _positive, None, "I/O requests in flight at a device above which to refuse"
                ),
                "recovery": SettingsKey(
                    "number",
                    _positive,
                    600.0,
                    "seconds to wait until a device and its array are well again before the next one is activated",
                ),
            },
            Limits,
        ),
        "measure": SettingsSection(
            {
                "enabled": SettingsKey("boolean", _boolean, _ON, "measure what an activation costs each CPU"),
                "cpus": SettingsKey("count", _count, 64, "CPUs that are watched at most; one small process each"),
                "baseline": SettingsKey(
                    "seconds", _positive, 0.25, "how long to watch before the activation, to compare with"
                ),
                "by": SettingsKey(
                    "word", _measured_by, "auto", "the kernel's `tracer`, the `sampler`, or `auto`: what is available"
                ),
            },
            Measuring,
        ),
        "window": SettingsSection(
            {
                "days": SettingsKey(
                    "days", _days, frozenset(range(7)), f"days on which it begins, of {', '.join(DAYS)}"
                ),
                "from": SettingsKey(_TIME, _minute, REQUIRED, "when it opens"),
                "to": SettingsKey(
                    _TIME, _minute, REQUIRED, "when it closes; a time not after `from` is on the next day"
                ),
                "zone": SettingsKey("time zone", _zone, None, "whose clock; the machine's own by default"),
            },
            _window,
            "[]",
        ),
        "order": SettingsSection(
            {
                "first": SettingsKey("pattern", pattern.read, REQUIRED, "what comes first"),
                "then": SettingsKey("pattern", pattern.read, REQUIRED, "what must wait while `first` is pending"),
            },
            Precedence,
            "[]",
        ),
        "forbid": SettingsSection(
            {
                "component": SettingsKey("pattern", pattern.read, REQUIRED, "components that must not take this step"),
                "from": SettingsKey("version pattern", pattern.read, "*", "versions that run"),
                "to": SettingsKey("version pattern", pattern.read, "*", "versions that must not follow"),
                "because": SettingsKey("text", _text, "", "why, for who meets it"),
            },
            _forbidden,
            "[]",
        ),
        "component": SettingsSection(
            {
                "pin": SettingsKey("version", _version, None, "the only version that may be activated"),
                "settings": SettingsKey(
                    "switches",
                    _switches,
                    {},
                    "settings of the component; applied again when they are lost (`settings-hold`)",
                ),
            },
            ComponentPolicy,
            "PATTERN",
            pattern.read,
        ),
        "link": SettingsSection(
            {name: SettingsKey(key.kind, key.read, REQUIRED, key.text) for name, key in links.KEYS.items()},
            links.Link,
            "[]",
        ),
        "notify": notification.SECTION,
    },
    _policy,
)
"""Everything that ``livefw.toml`` may contain."""

DEFAULT: Policy = decode(KEYS, {}, file=FILE)
"""The policy without a file: everything is allowed, and nothing is automatic."""
