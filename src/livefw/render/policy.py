# SPDX-License-Identifier: Apache-2.0
"""The policy that holds, and the reference of its keys, in text and in JSON."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import zip_longest
from typing import Any

from livefw.activation.checks.table import CHECKS, HOOK_PREFIX
from livefw.activation.effective_policy import EffectivePolicy
from livefw.activation.hooks.directory import Hook
from livefw.activation.policy import window
from livefw.activation.policy.document import FILE, KEYS
from livefw.activation.policy.reader import KEYS_HINT, SettingsRow, rows
from livefw.activation.policy.survey import SettingsMistake, SettingsValue
from livefw.activation.policy.window import WindowState
from livefw.errors import ExitCode
from livefw.providers.base import Component
from livefw.providers.redfish import settings as redfish
from livefw.render import document
from livefw.render.answer import Answer
from livefw.render.check import EFFECTS
from livefw.text import printable

_MOST_NAMES = 8
"""Components that are named for one pattern."""


def answer(found: EffectivePolicy, *, every_key: bool = False) -> Answer:
    """What `livefw policy` answers; with ``every_key`` also the keys that are not set."""
    return Answer(lambda: "\n".join(_text(found, every_key=every_key)), lambda: _fields(found), ExitCode.DONE)


def check(found: EffectivePolicy) -> Answer:
    """What `livefw policy --check` answers."""
    code = ExitCode.USAGE if found.mistakes else ExitCode.REFUSED if found.unmatched else ExitCode.DONE
    return Answer(lambda: "\n".join(_verdict(found)), lambda: _fields(found), code)


def reference() -> Answer:
    """What `livefw policy --keys` answers: every key, and every check."""
    return Answer(lambda: "\n".join(_reference()), _reference_fields, ExitCode.DONE)


def _verdict(found: EffectivePolicy) -> Iterator[str]:
    """The file in a line, and everything that is wrong with it."""
    path = printable(found.survey.path or FILE)
    if found.mistakes:
        count = len(found.mistakes)
        yield f"{path}: {'a mistake' if count == 1 else f'{count} mistakes'}; nothing is activated with this file"
    elif not found.survey.exists:
        yield f"{path}: not there, so the defaults hold"
    else:
        yield f"{path}: {'not in order' if found.unmatched else 'in order'}"
    for mistake in found.mistakes:
        yield f"  {_mistake(mistake)}"
        if mistake.hint != KEYS_HINT:
            yield f"    hint: {printable(mistake.hint)}"
    if any(mistake.hint == KEYS_HINT for mistake in found.mistakes):
        yield f"  hint: {KEYS_HINT}"
    for each in found.unmatched:
        yield f"settings: {printable(str(each))}"
    if found.uncompared:
        yield f"patterns were compared with nothing: {printable(found.uncompared)}"


def _mistake(mistake: SettingsMistake) -> str:
    where = f"line {mistake.line}: " if mistake.line else ""
    return where + printable(f"{mistake.path}: {mistake.text}" if mistake.path else mistake.text)


def _text(found: EffectivePolicy, *, every_key: bool) -> Iterator[str]:
    yield from _verdict(found)
    yield ""
    values = found.survey.values
    for value, after in zip_longest(values, values[1:]):
        yield from _value_lines(value, found)
        table = _table(value)
        if table in found.windows and not (after and _table(after) == table):
            yield f"    {_window(found.windows[table])}"
    for name, line in found.survey.tables:
        yield f"[{name}]: read by the mechanism{_line(line)}"
        for group, hosts in found.groups.get(name, {}).items():
            yield f"    group {group}: {_hosts(hosts)}"
    for note in found.notes:
        yield f"note: {printable(note.text)}"
    if every_key:
        for value in found.survey.defaults:
            yield f"{printable(value.path)}{f' = {value.value}' if value.value else ': not set'}  # default"
    elif not (found.survey.values or found.survey.tables):
        yield "no key is set"
    yield ""
    if not found.mistakes:
        yield f"maintenance window: {_overall(found)}"
    yield from _hook_lines(found.hooks)


def _value_lines(value: SettingsValue, found: EffectivePolicy) -> Iterator[str]:
    yield f"{printable(value.path)} = {printable(value.value)}{_line(value.line)}"
    for pattern in value.patterns:
        if found.matches is not None:
            yield f"    {printable(pattern)}: {_matched(found.matches.get(pattern, ()))}"
    if value.path == "automatic" and value.patterns:
        yield "    only livefw watch (livefw-watch.service) activates them by itself"


def _table(value: SettingsValue) -> str:
    return value.path.rpartition(".")[0]


def _matched(components: tuple[Component, ...]) -> str:
    names = [printable(each.name) or each.key for each in components[:_MOST_NAMES]]
    more = [f"and {len(components) - _MOST_NAMES} more"] if len(components) > _MOST_NAMES else []
    return "matches " + (", ".join([*names, *more]) or "no component here")


def _hosts(names: Sequence[str]) -> str:
    more = f", and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return f"{len(names)} hosts: {', '.join(names[:_MOST_NAMES])}{more}" if names else "no hosts"


def _overall(found: EffectivePolicy) -> str:
    return _window(found.window) if found.survey.policy.window else "none is set; always open"


def _window(state: WindowState) -> str:
    if state.open:
        return f"open, closes {local(state.closes)}" if state.closes else "always open"
    if state.opens is None:
        return f"closed, and does not open in the next {window.YEARS} years"
    closes = f", closes {local(state.closes)}" if state.closes else ""
    return f"closed, opens {local(state.opens)}{closes}"


def local(when: datetime) -> str:
    """A time by the clock of this machine."""
    return f"{when.astimezone(window.own_zone()):%a %d %b %Y %H:%M %Z}"


def _hook_lines(hooks: Iterable[Hook]) -> Iterator[str]:
    for hook in hooks:
        against = hook.skipped or hook.objection
        what = f"{'not run' if hook.skipped else 'blocks'}: {printable(against)}" if against else printable(hook.path)
        yield f"{HOOK_PREFIX}{printable(hook.name)}: {what}"


def _line(number: int) -> str:
    return f"  # line {number}" if number else ""


def _reference() -> Iterator[str]:
    yield f"Keys of {FILE}:"
    for row in _rows():
        default = f", default {row.default}" if row.default not in ("", "required") else ""
        yield ""
        yield f"{row.path}: {row.kind}{', required' if row.default == 'required' else default}"
        yield f"    {row.help}"
    yield ""
    yield "Checks before an activation:"
    for each in CHECKS:
        yield ""
        yield f"{each.name}: {EFFECTS[each.weight].text}"
        yield f"    looks whether {each.about}"


def _rows() -> Iterator[SettingsRow]:
    """Every key, with those of the tables that mechanisms read and that people write by hand."""
    yield from rows(KEYS)
    tables = {"": redfish.TABLE_KEYS, ".bmc[]": redfish.KEYS, ".group.NAME": redfish.GROUP_KEYS}
    for table, keys in tables.items():
        for name, key in keys.items():
            yield SettingsRow(f"{redfish.TABLE}{table}.{name}", key.kind, "", key.text.replace("`", ""))


def _reference_fields() -> dict[str, Any]:
    return {
        "keys": [row._asdict() for row in _rows()],
        "checks": [{"name": each.name, "weight": each.weight, "about": each.about} for each in CHECKS],
    }


def _fields(found: EffectivePolicy) -> dict[str, Any]:
    survey = found.survey
    return {
        "file": survey.path or None,
        "exists": survey.exists,
        "unmatched": [each._asdict() for each in found.unmatched],
        "mistakes": [
            {
                "file": mistake.file or None,
                "path": mistake.path or None,
                "line": mistake.line or None,
                "text": mistake.text,
                "hint": mistake.hint,
            }
            for mistake in found.mistakes
        ],
        "values": [_value_fields(each, found, is_set=True) for each in survey.values]
        + [_value_fields(each, found, is_set=False) for each in survey.defaults],
        "window": None if found.mistakes else _window_fields(found.window),
        "windows": [{"path": path} | _window_fields(state) for path, state in found.windows.items()],
        "hooks": [
            {"name": f"{HOOK_PREFIX}{hook.name}", "path": hook.path, "against": hook.skipped or hook.objection or None}
            for hook in found.hooks
        ],
        "groups": [
            {"mechanism": mechanism, "name": name, "hosts": [*hosts]}
            for mechanism, groups in found.groups.items()
            for name, hosts in groups.items()
        ],
        "notes": [document.reason(each) for each in found.notes],
    } | _reference_fields()


def _value_fields(value: SettingsValue, found: EffectivePolicy, *, is_set: bool) -> dict[str, Any]:
    matches = found.matches
    return {
        "path": value.path,
        "key": value.key,
        "value": value.value or None,
        "set": is_set,
        "line": value.line or None,
        "patterns": [
            {
                "pattern": each,
                "components": None if matches is None else [component.key for component in matches.get(each, ())],
            }
            for each in value.patterns
        ],
    }


def _window_fields(state: WindowState) -> dict[str, Any]:
    return {
        "open": state.open,
        "opens": state.opens.isoformat() if state.opens else None,
        "closes": state.closes.isoformat() if state.closes else None,
    }
