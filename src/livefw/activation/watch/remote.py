# SPDX-License-Identifier: Apache-2.0
"""Mechanisms behind a network, asked in threads: a management controller that hangs delays no other.

Each host of a mechanism that has several is asked on its own. The first caller waits for a reply, for a limited time.
After that, and until the reply comes, every caller gets the earlier result at once, marked as old.
"""

import logging
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager

from livefw.activation.engine import Host
from livefw.providers.base import Discovery, Provider, Reason, Source, is_multi_host

FIRST_PATIENCE_S = 10.0
"""How long the first caller waits while there is no earlier result."""
PATIENCE_S = 5.0
"""The same with an earlier result. A controller usually needs a second or two for its inventory, and a silent one is
given up after three."""
UNREACHABLE = "unreachable"
"""The code of the reason against components that were not read anew."""
_HINT = "livefw doctor queries it and waits for the reply"
_NOT_YET = Reason(UNREACHABLE, "no management controller has replied yet", _HINT)
_NOT_NOW = Reason(UNREACHABLE, "{who} does not respond; this is {age} old", _HINT)
_MOST_AT_A_TIME = 64
"""Hosts that are asked at a time; the others wait for their turn."""

_log = logging.getLogger(__name__)
Machine = Callable[[], AbstractContextManager[Host]]


class RemoteMechanisms:
    """Asks providers; those that ``is_remote`` selects in a thread each, with a machine of its own from ``machine``."""

    def __init__(self, machine: Machine, now: Callable[[], float], *, is_remote: Callable[[str], bool]) -> None:
        self._machine = machine
        self._now = now
        self._is_remote = is_remote
        self._asked: dict[tuple[str, str | None], _Asked] = {}
        self._turns = threading.BoundedSemaphore(_MOST_AT_A_TIME)

    def discover(self, provider: Provider, *, newer_than: float) -> Discovery:
        """The components of a mechanism, read at ``now`` or later.

        Raises:
            TransportError: its files cannot be read.
        """
        name = provider.name
        if not self._is_remote(name):
            return provider.discover()
        if not is_multi_host(provider):
            return self._of(name, None).answer(newer_than)
        hosts = [self._of(name, host) for host in provider.hosts]
        for each in hosts:
            each.begin(newer_than)
        return _together([each.answer(newer_than) for each in hosts]) if hosts else provider.discover()

    def _of(self, name: str, host: str | None) -> "_Asked":
        who = "it" if host is None else f"BMC {host}"
        made = _Asked(name, host, who, self._now, lambda: self._ask(name, host))
        return self._asked.setdefault((name, host), made)

    def _ask(self, name: str, host: str | None) -> Discovery:
        with self._turns, self._machine() as machine:
            provider = next(each for each in machine.providers if each.name == name)
            return provider.discover((host,)) if host is not None and is_multi_host(provider) else provider.discover()


class _Asked:
    """The last result of one mechanism, or one of its hosts, and whether it is being asked."""

    def __init__(
        self, name: str, host: str | None, who: str, now: Callable[[], float], ask: Callable[[], Discovery]
    ) -> None:
        self._name = name
        self._host = host
        self._who = who
        self._now = now
        self._ask = ask
        self._changed = threading.Condition()
        self._asking = False
        self._late = False
        self._last: Discovery | Exception | None = None
        self._since = self._begun = float("-inf")
        """When the request for the last result was made."""

    def begin(self, newer_than: float) -> None:
        """Ask, unless what is known is new enough, or it is being asked."""
        with self._changed:
            if self._begun < newer_than and not self._asking:
                self._asking, self._since = True, self._now()
                threading.Thread(target=self._work, args=(self._since,), daemon=True, name=self._name).start()

    def answer(self, newer_than: float) -> Discovery:
        self.begin(newer_than)
        with self._changed:
            if self._asking and not self._late:
                patience = PATIENCE_S if isinstance(self._last, Discovery) else FIRST_PATIENCE_S
                left = max(0.0, self._since + patience - self._now())  # others were waited for meanwhile
                self._late = not self._changed.wait_for(lambda: not self._asking, left)
                if self._late:
                    _log.warning("%s does not respond; its last known state is shown", self._shown)
            if self._asking:
                return self._old()
            if isinstance(self._last, Exception):
                raise self._last
            return self._last or Discovery(())

    @property
    def _shown(self) -> str:
        return self._name if self._host is None else f"{self._name}:{self._host}"

    def _old(self) -> Discovery:
        """The earlier result while there is no reply: none of its components can be activated."""
        last = self._last
        if not isinstance(last, Discovery):
            why = _NOT_YET if self._host is None else _NOT_YET._replace(text=f"{self._who} has not replied yet")
            return Discovery((), (why,), why, self._silent(why))
        why = _NOT_NOW.fill(who=self._who, age=_minutes(self._now() - self._begun))
        return last._replace(
            components=tuple(each._replace(reasons=(why, *each.reasons)) for each in last.components),
            notes=(why, *last.notes),
            sources=self._silent(why),
        )

    def _silent(self, why: Reason) -> tuple[Source, ...]:
        return () if self._host is None else (Source(self._name, self._host, why, silent=True),)

    def _work(self, begun: float) -> None:
        result: Discovery | Exception
        try:
            result = self._ask()
        except Exception as error:  # every error is passed to the callers
            result = error
        with self._changed:
            self._last, self._begun, self._asking = result, begun, False
            if self._late:
                _log.warning("%s has responded", self._shown)
            self._late = False
            self._changed.notify_all()


def _together(found: list[Discovery]) -> Discovery:
    """What several hosts have shown."""
    components = tuple(component for each in found for component in each.components)
    absent = [each.absent for each in found if each.absent]
    texts = dict.fromkeys(why.text for why in absent)
    return Discovery(
        components,
        tuple(note for each in found for note in each.notes),
        None if components or not absent else absent[0]._replace(text="; ".join(texts)),
        tuple(source for each in found for source in each.sources),
    )


def _minutes(seconds: float) -> str:
    return "less than a minute" if seconds < 60 else f"{seconds / 60:.0f} min"
