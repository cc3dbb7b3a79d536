# SPDX-License-Identifier: Apache-2.0
"""The settings and the administrator's checks: mistakes in them, and what in them means nothing here."""

import shlex
from collections.abc import Iterator

from livefw.activation import effective_policy
from livefw.activation.diagnosis.lines import DiagnosisLine, LineState, line
from livefw.activation.diagnosis.scene import Scene
from livefw.activation.hooks.directory import Hook
from livefw.activation.inventory import unmatched_patterns
from livefw.activation.notify.executables import executables
from livefw.activation.policy import window
from livefw.activation.policy.document import FILE
from livefw.activation.policy.survey import SettingsMistake, SettingsSurvey
from livefw.errors import LivefwError, UsageError
from livefw.providers.base import Reason

_IN_ORDER = Reason("settings", "{file} can be used")
_DEFAULTS = Reason("settings", "there is no {file}; the defaults hold")
_NOT_USED = Reason("settings-not-used", "settings that nobody asked for: {what}")
_WRONG = Reason("settings-wrong", "{where}: {what}")
_UNREADABLE = Reason("settings-unreadable", "the settings cannot be read: {what}")
_UNMATCHED = Reason("pattern-unmatched", "{where}: '{pattern}' matches no component here{near}")
_NEVER_OPENS = Reason("window-never-opens", f"{{window}} does not open in the next {window.YEARS} years")
_CHECKS = Reason("checks", "checks in checks.d that can be run: {count}")
_SKIPPED = Reason("check-skipped", "{name} in checks.d is no check: {why}")
_BROKEN = Reason("check-broken", "the check {name} stops every activation: {why}", "mend it, or ignore it: hook:NAME")

_NOT_NOTIFIED = Reason("notify-broken", "{name} in notify.d is not run: {why}")


def look(scene: Scene) -> Iterator[DiagnosisLine]:
    """All lines about them."""
    if scene.unused:
        yield line(LineState.ABSENT, _NOT_USED.fill(what=scene.unused))
    try:
        survey = scene.survey()
    except LivefwError as error:
        yield line(LineState.ERROR, _UNREADABLE._replace(hint=error.hint).fill(what=error.message))
        return
    found = _effective(scene, survey)
    for mistake in found.mistakes:
        yield line(LineState.ERROR, _wrong(mistake), "livefw policy --check")
    if not found.mistakes:
        yield line(
            LineState.OK, (_IN_ORDER if survey.path and survey.exists else _DEFAULTS).fill(file=survey.path or FILE)
        )
    for path, each in found.windows.items():
        if not each.open and each.opens is None:
            yield line(LineState.WARNING, _NEVER_OPENS.fill(window=path), "livefw policy")
    for pattern in found.unmatched:
        why = _UNMATCHED.fill(where=pattern.where, pattern=pattern.pattern, near=pattern.closest)
        yield line(LineState.WARNING, why, "livefw list")
    yield from _checks(found.hooks)
    for hook in executables(scene.paths.settings):
        if hook.skipped or hook.objection:
            yield _of_hook(LineState.WARNING, _NOT_NOTIFIED, hook)


def _effective(scene: Scene, survey: SettingsSurvey) -> effective_policy.EffectivePolicy:
    """With the components, if any pattern is to be compared with them."""
    here, wrong = None, []
    if unmatched_patterns.names_something(survey.policy):
        try:
            here = scene.inventory()
        except UsageError as error:
            wrong = [error] if not survey.mistakes else []
        except LivefwError:
            pass  # the block of the mechanism reports it
    return effective_policy.effective(survey, here, settings=scene.paths.settings, now=scene.now, wrong=wrong)


def _wrong(mistake: SettingsMistake) -> Reason:
    place = f"{mistake.file or FILE}{f', line {mistake.line}' if mistake.line else ''}"
    text = f"{mistake.path}: {mistake.text}" if mistake.path else mistake.text
    return _WRONG._replace(hint=mistake.hint).fill(where=place, what=text)


def _checks(found: tuple[Hook, ...]) -> Iterator[DiagnosisLine]:
    for hook in found:
        if hook.skipped:
            yield _of_hook(LineState.WARNING, _SKIPPED, hook)
        elif hook.objection:
            yield _of_hook(LineState.ERROR, _BROKEN._replace(hint=f"mend it, or ignore it: hook:{hook.name}"), hook)
    if good := sum(not (hook.skipped or hook.objection) for hook in found):
        yield line(LineState.OK, _CHECKS.fill(count=good))


def _of_hook(state: LineState, why: Reason, hook: Hook) -> DiagnosisLine:
    return line(state, why.fill(name=hook.name, why=hook.skipped or hook.objection), f"ls -ld {shlex.quote(hook.path)}")
