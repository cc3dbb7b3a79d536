# SPDX-License-Identifier: Apache-2.0
"""Errors as ours, and in text."""

import errno

from livefw.errors import InternalError, Interrupted, LivefwError, PermissionDenied, TransportError, UsageError
from livefw.reading import Untrusted
from livefw.text import printable

_CANNOT_BE = frozenset(
    {errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.EINVAL, errno.ENODEV}
)
"""What a path answers that is wrong as it was given, whatever the disk does."""


def given(path: str, error: OSError, message: str = "") -> LivefwError:
    """The error of a path that the caller gave: one of usage where there cannot be such a file."""
    text = f"{path}{message}: {error.strerror or error}"
    if isinstance(error, PermissionError):
        wrapped: LivefwError = foreseen(error) if isinstance(error, Untrusted) else PermissionDenied(text)
    else:
        wrapped = UsageError(text) if error.errno in _CANNOT_BE else TransportError(text)
    wrapped.errno = error.errno
    wrapped.__cause__ = error
    return wrapped


def foreseen(error: BaseException) -> LivefwError:
    """An error as one of ours: what a file, a disk or a mount answered, where nobody below had more to say about it."""
    if isinstance(error, LivefwError):
        return error
    if isinstance(error, KeyboardInterrupt):
        wrapped: LivefwError = Interrupted("interrupted; nothing more was started")
    elif isinstance(error, Untrusted):
        wrapped = UsageError(str(error), hint=error.hint, errno=error.errno)
    elif isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        kind = PermissionDenied if isinstance(error, PermissionError) else TransportError
        wrapped = kind(f"{where}{error.strerror or error}", errno=error.errno)
    else:
        wrapped = InternalError(f"unexpected {type(error).__name__}: {error}; this is a defect of livefw, see --debug")
    wrapped.__cause__ = error
    return wrapped


def text(error: BaseException) -> str:
    """What happened, what to do, and how to try it by hand."""
    if not isinstance(error, LivefwError):
        return printable(f"livefw: unexpected {type(error).__name__}: {error}; this is a defect of livefw, see --debug")
    lines = [f"livefw: {printable(error.message)}"]
    lines += [f"  hint: {printable(error.hint)}"] if error.hint else []
    lines += [f"  by hand: {printable(error.replay)}"] if error.replay else []
    return "\n".join(lines)
