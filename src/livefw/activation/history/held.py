# SPDX-License-Identifier: Apache-2.0
"""What mechanisms hold and do not show as pending, as far as livefw staged it: `livefw.providers.base.Claim.holds`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from livefw.activation.history.cache import RowSource
    from livefw.providers.base import Held


def held_in(directory: str, root: str) -> Held:
    """Asks the history of a state directory, for the machine at a root without symbolic links; what cannot be read is
    not known."""

    def ask(keys: Sequence[str]) -> dict[str, str]:
        from livefw.activation.history.journal import Journal  # only for mechanisms that hold what they do not show
        from livefw.errors import LivefwError

        try:
            journal = Journal.open_to_read(directory, root)
            if journal is None:
                return {}
            try:
                return {key: name for key in keys if (name := held(journal, key))}
            finally:
                journal.close()
        except LivefwError:
            return {}

    return ask


def held(rows: RowSource, key: str) -> str:
    """What the mechanism calls the image that livefw last staged for a component; empty if it is not known to wait.

    It counts until an activation was tried: whatever came of that, the image may be gone. One that was refused, or that
    ended before the mechanism was asked, has tried nothing.
    """
    from livefw.activation.history.rows import RowKind
    from livefw.activation.outcome import Outcome

    staged = rows.recent(key, RowKind.STAGED, limit=_LOOKED_AT)
    last = next((each for each in staged if each.body.get("outcome") == Outcome.STAGED), None)
    if last is None or not (name := str(last.body.get("holds") or "")):
        return ""
    for kind, untried in (
        (RowKind.OUTCOME, (Outcome.REFUSED, Outcome.CANCELLED)),
        (RowKind.CANCELLATION, (Outcome.REFUSED,)),
    ):
        later = (each for each in rows.recent(key, kind, limit=_LOOKED_AT) if each.sequence > last.sequence)
        if any(each.body.get("outcome") not in untried for each in later):
            return ""
    return name


_LOOKED_AT = 20
"""Rows of each kind that are read."""
