# SPDX-License-Identifier: Apache-2.0
"""What can go wrong, split by who is at fault.

::

    LivefwError
    |-- UsageError                the caller: a usage error
    |   |-- NoSuchComponent       no component answers to that name
    |   `-- AmbiguousComponent    several do
    |-- Interrupted               the caller stopped it before anything was started
    |-- NothingToDo               nobody: there is no work
    |   `-- NothingHere           this machine, or this root, has no component at all
    |-- Refused                   a check, a policy or the mechanism, before anything was tried
    |-- MechanismFailed           the mechanism tried, and failed
    |-- OutcomeUnknown            we lost sight of it; it may have happened
    |-- NotInstalled              this machine: an optional package or program is missing
    |-- TransportError            the files: a path could not be read or written
    |   `-- PermissionDenied      ... for want of a right
    `-- InternalError             our bug

Errors carry fields, and one table, `KINDS`, says what each kind is called outside and which code the command exits
with. Faces translate; they decide nothing.
"""

from __future__ import annotations

from enum import IntEnum

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NamedTuple
else:
    from livefw.light_tuple import NamedTuple


class ExitCode(IntEnum):
    """What the command's exit code means."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    NOTHING_TO_DO = 3
    REFUSED = 4
    NO_PERMISSION = 5
    UNKNOWN = 6
    NOT_INSTALLED = 7
    INTERRUPTED = 130
    """As a shell reports a program that SIGINT ended: nothing had been started."""


MEANINGS: dict[ExitCode, str] = {
    ExitCode.DONE: "done",
    ExitCode.FAILED: "failed",
    ExitCode.USAGE: "usage error",
    ExitCode.NOTHING_TO_DO: "nothing to do",
    ExitCode.REFUSED: "refused by a check or the policy; nothing was tried",
    ExitCode.NO_PERMISSION: "no permission",
    ExitCode.UNKNOWN: "outcome unknown; the activation may be in progress or have happened",
    ExitCode.NOT_INSTALLED: "a required package or program is missing; the hint says how to install it",
    ExitCode.INTERRUPTED: "interrupted before anything was started",
}
"""What each says to a person; docs/reference/exit-codes.md, the manual and `livefw explain` have it from here."""


class LivefwError(Exception):
    """Root of every error this product raises on purpose."""

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        mechanism: str | None = None,
        component: str | None = None,
        phase: str | None = None,
        firmware_code: str | None = None,
        errno: int | None = None,
        replay: str | None = None,
    ) -> None:
        """Keep the fields.

        Args:
            message: what happened, one sentence without a full stop.
            hint: what to do next.
            mechanism: name of the provider.
            component: stable key, ``provider:id``.
            phase: what was being done, for instance ``discover`` or ``activate``.
            firmware_code: the firmware's own name for the failure.
            errno: what the kernel answered.
            replay: a shell command that does the same thing again.
        """
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.mechanism = mechanism
        self.component = component
        self.phase = phase
        self.firmware_code = firmware_code
        self.errno = errno
        self.replay = replay


class UsageError(LivefwError):
    """The caller asked for something that is not possible."""


class NoSuchComponent(UsageError):  # noqa: N818 - says what is wrong without the suffix
    """No component answers to the given name."""


class AmbiguousComponent(UsageError):  # noqa: N818
    """Several components answer to the given name; ``candidates`` are their keys."""

    def __init__(self, message: str, *, candidates: tuple[str, ...], **fields: Any) -> None:
        super().__init__(message, **fields)
        self.candidates = candidates


class Interrupted(LivefwError):  # noqa: N818
    """The caller interrupted before anything was started."""


class NothingToDo(LivefwError):  # noqa: N818
    """There is no work: nothing is pending."""


class NothingHere(NothingToDo):
    """There is no component at all."""


class Refused(LivefwError):  # noqa: N818
    """Refused before anything was tried."""


class MechanismFailed(LivefwError):  # noqa: N818
    """The mechanism tried and failed."""


class OutcomeUnknown(LivefwError):  # noqa: N818
    """It was started, and nobody here saw how it ended."""


class NotInstalled(LivefwError):  # noqa: N818
    """A required package or program is missing; the hint says how to install it."""


class TransportError(LivefwError):
    """A path could not be read or written."""


class PermissionDenied(TransportError):  # noqa: N818
    """A path could not be read or written for want of a right."""


class InternalError(LivefwError):
    """A defect of livefw itself."""


class ErrorKind(NamedTuple):
    """How an error appears outside: a name that never changes, and the exit code of the command."""

    name: str
    exit_code: ExitCode


KINDS: dict[type[BaseException], ErrorKind] = {
    UsageError: ErrorKind("usage", ExitCode.USAGE),
    NoSuchComponent: ErrorKind("no-such-component", ExitCode.USAGE),
    AmbiguousComponent: ErrorKind("ambiguous-component", ExitCode.USAGE),
    Interrupted: ErrorKind("interrupted", ExitCode.INTERRUPTED),
    NothingToDo: ErrorKind("nothing-to-do", ExitCode.NOTHING_TO_DO),
    NothingHere: ErrorKind("nothing-here", ExitCode.NOTHING_TO_DO),
    Refused: ErrorKind("refused", ExitCode.REFUSED),
    MechanismFailed: ErrorKind("failed", ExitCode.FAILED),
    OutcomeUnknown: ErrorKind("outcome-unknown", ExitCode.UNKNOWN),
    NotInstalled: ErrorKind("not-installed", ExitCode.NOT_INSTALLED),
    TransportError: ErrorKind("transport", ExitCode.FAILED),
    PermissionDenied: ErrorKind("no-permission", ExitCode.NO_PERMISSION),
    InternalError: ErrorKind("internal", ExitCode.FAILED),
}


def kind_of(error: BaseException) -> ErrorKind:
    """The row of `KINDS` for an error; what nobody foresaw is our bug."""
    for base in type(error).__mro__:
        if base in KINDS:
            return KINDS[base]
    return KINDS[InternalError]
