# SPDX-License-Identifier: Apache-2.0
"""What fails beside a request that has been made: it changes nothing about the outcome, and is told with it.

From the moment on at which a mechanism was asked, whatever else goes wrong must not lose what became of that: a disk
that dies, a log that cannot be read, somebody who looks on and goes away. So each further step is spared what it
raises, and what it raised is kept here, for every face to tell.
"""

from collections.abc import Callable
from typing import TypeVar

from livefw.errors import Interrupted, LivefwError
from livefw.providers.base import Component, Reason

T = TypeVar("T")

NOT_MEASURED = Reason("not-measured", "what it cost could not be measured: {error}")
UNSEEN = Reason("unseen", "the component cannot be looked at any more: {error}", "livefw show")
NOT_JUDGED = Reason("not-judged", "what is seen could not be judged: {error}", "livefw show; report the defect")
NOT_KEPT = Reason(
    "not-kept",
    "what it leaves behind for the rest of this boot could not be noted: {error}",
    "livefw list may show a version from before without saying so",
)
NOT_LET_GO = Reason(
    "not-let-go",
    "the mechanism could not be told to let go of it: {error}",
    "if another component is refused now: livefw cancel",
)
REQUEST_FAILED = Reason("request-failed", "the request could not be watched to its end: {error}", "livefw show")
NOT_ANNOUNCED = Reason("not-announced", "the system journal could not be told of it: {error}")


class Mishaps:
    """Those of one request, in their order, each once. ``interrupted``: somebody wants nothing further to be begun."""

    def __init__(self) -> None:
        self.interrupted = False
        self._found: dict[Reason, None] = {}

    @property
    def found(self) -> tuple[Reason, ...]:
        """All so far."""
        return tuple(self._found)

    def note(self, why: Reason, error: BaseException) -> None:
        """Keep one; ``why`` has a field for the error."""
        self.heed(error)
        self._found[why.fill(error=error_text(error))] = None

    def heed(self, error: BaseException) -> None:
        """Notice an interruption, which is told elsewhere."""
        self.interrupted = self.interrupted or isinstance(error, KeyboardInterrupt | Interrupted)

    def spared(self, why: Reason, work: Callable[[], T], otherwise: T) -> T:
        """What ``work`` gives; if it raises, that is noted, and it is ``otherwise``."""
        try:
            return work()
        except (Exception, KeyboardInterrupt) as error:
            self.note(why, error)
            return otherwise


def inspect_noting(look: Callable[[], Component | None], mishaps: Mishaps) -> tuple[Component | None, bool]:
    """A component as it is now, and whether it could be looked at."""
    nothing: tuple[Component | None, bool] = (None, False)
    return mishaps.spared(UNSEEN, lambda: (look(), True), nothing)


def error_text(error: BaseException) -> str:
    """What an error says; what nobody foresaw is named by its type, for it is a defect."""
    if isinstance(error, LivefwError):
        return error.message
    if isinstance(error, OSError):
        why = error.strerror or str(error) or type(error).__name__
        return f"{error.filename}: {why}" if error.filename else why
    return "interrupted" if isinstance(error, KeyboardInterrupt) else f"unexpected {type(error).__name__}: {error}"
