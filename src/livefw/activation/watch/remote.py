# SPDX-License-Identifier: Apache-2.0
"""Mechanisms behind a network, asked in threads: a management controller that hangs delays no other mechanism.

The first caller waits for a reply, for a limited time. After that, and until the reply comes, every caller gets the
earlier result at once, marked as old.
"""

import logging
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager

from livefw.activation.engine import Host
from livefw.providers.base import Discovery, Provider, Reason

FIRST_PATIENCE_S = 10.0
"""How long the first caller waits while there is no earlier result."""
PATIENCE_S = 3.0
"""The same with an earlier result. A controller usually needs a second or two for its inventory."""
UNREACHABLE = "unreachable"
"""The code of the reason against components that were not read anew."""
_HINT = "livefw doctor queries it and waits for the reply"
_NOT_YET = Reason(UNREACHABLE, "no management controller has replied yet", _HINT)
_NOT_NOW = Reason(UNREACHABLE, "it does not respond; this is {age} old", _HINT)

_log = logging.getLogger(__name__)
Machine = Callable[[], AbstractContextManager[Host]]


class RemoteMechanisms:
    """Asks providers; those that ``is_remote`` selects in a thread each, with a machine of its own from ``machine``."""

    def __init__(self, machine: Machine, now: Callable[[], float], *, is_remote: Callable[[str], bool]) -> None:
        self._machine = machine
        self._now = now
        self._is_remote = is_remote
        self._asked: dict[str, _Asked] = {}

    def discover(self, provider: Provider, *, newer_than: float) -> Discovery:
        """The components of a mechanism, read at ``now`` or later.

        Raises:
            TransportError: its files cannot be read.
        """
        name = provider.name
        if not self._is_remote(name):
            return provider.discover()
        asked = self._asked.setdefault(name, _Asked(name, self._now, lambda: self._ask(name)))
        return asked.answer(newer_than)

    def _ask(self, name: str) -> Discovery:
        with self._machine() as host:
            return next(each.discover() for each in host.providers if each.name == name)


class _Asked:
    """The last result of one mechanism, and whether it is being asked."""

    def __init__(self, name: str, now: Callable[[], float], ask: Callable[[], Discovery]) -> None:
        self._name = name
        self._now = now
        self._ask = ask
        self._changed = threading.Condition()
        self._asking = False
        self._late = False
        self._last: Discovery | Exception | None = None
        self._begun = float("-inf")
        """When the request for the last result was made."""

    def answer(self, newer_than: float) -> Discovery:
        with self._changed:
            if self._begun < newer_than and not self._asking:
                self._asking = True
                threading.Thread(target=self._work, args=(self._now(),), daemon=True, name=self._name).start()
            if self._asking and not self._late:
                patience = PATIENCE_S if isinstance(self._last, Discovery) else FIRST_PATIENCE_S
                self._late = not self._changed.wait_for(lambda: not self._asking, patience)
                if self._late:
                    _log.warning("%s does not respond; its last known state is shown", self._name)
            if self._asking:
                return _old(self._last, self._now() - self._begun)
            if isinstance(self._last, Exception):
                raise self._last
            return self._last or Discovery(())

    def _work(self, begun: float) -> None:
        result: Discovery | Exception
        try:
            result = self._ask()
        except Exception as error:  # every error is passed to the callers
            result = error
        with self._changed:
            self._last, self._begun, self._asking = result, begun, False
            if self._late:
                _log.warning("%s has responded", self._name)
            self._late = False
            self._changed.notify_all()


def _old(last: Discovery | Exception | None, age_s: float) -> Discovery:
    """The earlier result while there is no reply: none of its components can be activated."""
    if not isinstance(last, Discovery):
        return Discovery((), (_NOT_YET,), _NOT_YET)
    why = _NOT_NOW.fill(age=_minutes(age_s))
    return last._replace(
        components=tuple(each._replace(reasons=(why, *each.reasons)) for each in last.components),
        notes=(why, *last.notes),
    )


def _minutes(seconds: float) -> str:
    return "less than a minute" if seconds < 60 else f"{seconds / 60:.0f} min"
