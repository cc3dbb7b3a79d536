# SPDX-License-Identifier: Apache-2.0
"""Failures beside a request that was made. They do not change its outcome, and are reported with it.

Once a mechanism was asked, no other failure may hide what became of the request: a disk that dies, a log that cannot be
read, a watcher that goes away. So the errors of every later step are collected here, for every face to report.
"""

from collections.abc import Callable
from typing import TypeVar

from livefw.errors import Interrupted, LivefwError
from livefw.providers.base import Component, Reason

T = TypeVar("T")

NOT_MEASURED = Reason("not-measured", "its cost could not be measured: {error}")
UNSEEN = Reason("unseen", "the component can no longer be read: {error}", "livefw list")
DRIVER_NOT_READ = Reason("driver-not-read", "the version of the driver could not be read: {error}")
NOT_JUDGED = Reason(
    "not-judged", "the outcome could not be determined: {error}", "livefw show COMPONENT; report the defect"
)
NOT_KEPT = Reason(
    "not-kept",
    "its effect until the next boot could not be recorded: {error}",
    "livefw list may show an outdated version without a note",
)
NOT_WITNESSED = Reason("not-witnessed", "what the linked BMC shows of it could not be read: {error}")
NOT_LET_GO = Reason(
    "not-let-go",
    "the mechanism could not be made to release it: {error}",
    "if another component is refused now, run livefw cancel COMPONENT",
)
REQUEST_FAILED = Reason(
    "request-failed", "the request could not be watched to its end: {error}", "livefw show COMPONENT"
)
NOT_ANNOUNCED = Reason("not-announced", "it could not be written to the system journal: {error}")


class Mishaps:
    """The failures of one request, in order, each once. ``interrupted``: the user wants no further request.

    ``about`` is the word that selects its component.
    """

    def __init__(self, about: str = "COMPONENT") -> None:
        self._about = about
        self.interrupted = False
        self._found: dict[Reason, None] = {}

    @property
    def found(self) -> tuple[Reason, ...]:
        """All failures so far."""
        return tuple(self._found)

    def note(self, why: Reason, error: BaseException) -> None:
        """Add a failure; ``why`` is a reason with the field ``error``."""
        self.heed(error)
        self._found[why.fill(error=error_text(error)).about(self._about)] = None

    def add(self, why: Reason | None) -> bool:
        """Add a failure that is no error of a program, if there is one; whether there is."""
        if why:
            self._found[why] = None
        return why is not None

    def heed(self, error: BaseException) -> None:
        """Set ``interrupted`` if the error is an interruption; add nothing."""
        self.interrupted = self.interrupted or isinstance(error, KeyboardInterrupt | Interrupted)

    def spared(self, why: Reason, work: Callable[[], T], otherwise: T) -> T:
        """The result of ``work``; if it raises, note the error and return ``otherwise``."""
        try:
            return work()
        except (Exception, KeyboardInterrupt) as error:
            self.note(why, error)
            return otherwise


def inspect_noting(look: Callable[[], Component | None], mishaps: Mishaps) -> tuple[Component | None, bool]:
    """The result of ``look``, and whether it succeeded; a failure is noted."""
    nothing: tuple[Component | None, bool] = (None, False)
    return mishaps.spared(UNSEEN, lambda: (look(), True), nothing)


def error_text(error: BaseException) -> str:
    """The message of an error; an unexpected one is named with its type, because it is a defect."""
    if isinstance(error, LivefwError):
        return error.message
    if isinstance(error, OSError):
        why = error.strerror or str(error) or type(error).__name__
        return f"{error.filename}: {why}" if error.filename else why
    return "interrupted" if isinstance(error, KeyboardInterrupt) else f"unexpected {type(error).__name__}: {error}"
