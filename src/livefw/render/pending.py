# SPDX-License-Identifier: Apache-2.0
"""Since when images were pending, from the history, in a table and in JSON."""

from livefw.activation.history.journal import Activation
from livefw.activation.history.rows import HistoryPage
from livefw.errors import ExitCode
from livefw.render import history
from livefw.render.answer import Answer
from livefw.text import printable, table

_HEADING = ("WHEN", "NAME", "PENDING", "SEEN BY")


def answer(page: HistoryPage) -> Answer:
    """What `livefw history --pending` answers for a page that has something."""
    return Answer(
        lambda: _text(page),
        lambda: {"history": [history.document(each) for each in page.activations], "before": page.before},
        ExitCode.DONE,
    )


def _text(page: HistoryPage) -> str:
    older = [] if page.before is None else [f"older ones: livefw history --pending --before {page.before}"]
    return "\n".join([table([_HEADING, *map(_row, page.activations)]), *older])


def _row(each: Activation) -> tuple[str, ...]:
    row = each.first_row
    version = row.body.get("pending_version") or "yes"
    return (
        history.moment(row),
        printable(str(row.body.get("name") or row.component)),
        printable(version) if row.body.get("pending") else "no longer",
        printable(str(row.body.get("seen_by", "-"))),
    )
