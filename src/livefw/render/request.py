# SPDX-License-Identifier: Apache-2.0
"""All that became of one request, in text, in JSON and as an exit code."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, Self

from livefw.activation.events import Attempt, Chosen, Event, SettingsApplied, SettledIntent
from livefw.activation.inventory.hosts import texts
from livefw.activation.inventory.unmatched_patterns import UnmatchedPattern
from livefw.activation.setting_changes import UnmetSetting
from livefw.errors import ExitCode, LivefwError, kind_of
from livefw.providers.base import Provider, Source
from livefw.render import attempt, document, result
from livefw.render.error import foreseen
from livefw.render.plan import unmet_fields
from livefw.text import printable

_WORST_FIRST = (
    ExitCode.UNKNOWN,
    ExitCode.FAILED,
    ExitCode.NO_PERMISSION,
    ExitCode.REFUSED,
    ExitCode.DONE,
    ExitCode.NOTHING_TO_DO,
)


class RequestResult(NamedTuple):
    """Attempts in their order, and the error that ended the run early, if one did.

    ``not_started`` are keys of components whose turn did not come. ``settled`` is what was found unfinished before, and
    ``unmatched`` are patterns of the settings without effect, ``unmet`` settings that are not as they are wanted; None
    where nobody looked. ``missed`` are hosts that may have more of what was asked for, which they did not show.
    """

    phase: str
    attempts: Sequence[Attempt]
    error: LivefwError | None = None
    not_started: Sequence[str] = ()
    settled: Sequence[SettledIntent] | None = None
    unmatched: Sequence[UnmatchedPattern] | None = None
    unmet: Sequence[UnmetSetting] | None = None
    missed: Sequence[Source] | None = None

    @classmethod
    def of(cls, events: Iterable[Event], *, phase: str) -> Self:
        """Follow a request to its end. Whatever ends it after the first attempt is kept beside what was done."""
        done: list[Attempt] = []
        settled: list[SettledIntent] = []
        chosen, unmatched, unmet, missed = Chosen(()), None, None, None
        error = None
        try:
            for event in events:
                match event:
                    case Attempt():
                        done.append(event)
                    case SettledIntent():
                        settled.append(event)
                    case Chosen():
                        chosen, unmatched, missed = event, event.unmatched, event.missed
                    case SettingsApplied():
                        unmet = event.unmet
        except (Exception, KeyboardInterrupt) as raised:
            if not done:
                raise
            error = foreseen(raised)
        ended = {each.result.before.key for each in done}
        left = [key for key in chosen.components if key not in ended]
        return cls(phase, done, error, left, settled, unmatched, unmet, missed)

    def text(self) -> str:
        """For a person."""
        lines = [line for each in self.attempts for line in (result.text(each.result), *attempt.lines(each))]
        lines += [f"{key}: not started" for key in self.not_started]
        lines += [f"then: {printable(self.error.message)}"] if self.error else []
        lines += [f"note: {each}" for each in missed_lines(self.missed or ())]
        return "\n".join(lines)

    def fields(self, providers: Iterable[Provider], *, rows: bool = False) -> dict[str, Any]:
        """In JSON; the providers say how each could be repeated by hand. ``rows`` as in `attempt.fields`."""
        by_name = {provider.name: provider for provider in providers}
        shown = []
        for each in self.attempts:
            before = each.result.before
            replay = _replay(by_name[before.provider], before.id, self.phase)
            shown.append(result.fields(each.result, phase=self.phase, replay=replay) | attempt.fields(each, rows=rows))
        values: dict[str, Any] = {"results": shown, "not_started": [*self.not_started]}
        if self.settled is not None:
            values["settled"] = [attempt.settled_fields(each) for each in self.settled]
        if self.unmatched is not None:
            values["unmatched"] = [each._asdict() for each in self.unmatched]
        if self.unmet is not None:
            values["settings"] = unmet_fields(self.unmet)
        if self.missed is not None:
            values["notes"] = self.notes()
        if self.error:
            values["error"] = document.error(self.error)
        return values

    def notes(self) -> list[dict[str, str]]:
        """The hosts that did not show all they have, in JSON."""
        return [document.reason(each.trouble) for each in self.missed or () if each.trouble]

    @property
    def exit_code(self) -> ExitCode:
        """That of the worst result; that of the error where all went well before it."""
        codes = {result.exit_code(each.result) for each in self.attempts} or {ExitCode.DONE}
        code = next(code for code in _WORST_FIRST if code in codes)  # something done is not nothing to do
        if self.error and code is ExitCode.DONE:
            return kind_of(self.error).exit_code
        return ExitCode.INTERRUPTED if self.not_started and code is ExitCode.DONE else code


def missed_lines(missed: Iterable[Source]) -> list[str]:
    """Hosts that may have more of what is asked for."""
    return [f"{printable(text)}; what it did not show is left out" for text in texts(missed)]


def _replay(provider: Provider, ident: str, phase: str) -> str:
    """How it is done by hand; an outcome is reported without it where it is unknown now."""
    try:
        return provider.replay(ident, phase)
    except Exception:
        return ""
