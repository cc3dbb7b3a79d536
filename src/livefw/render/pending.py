# SPDX-License-Identifier: Apache-2.0
"""Since when images were pending, from the history, in a table and in JSON."""

from collections.abc import Mapping
from typing import Any

from livefw.activation.history.rows import HistoryPage
from livefw.errors import ExitCode
from livefw.render import history
from livefw.render.answer import Answer
from livefw.render.layout import Column
from livefw.render.listing import Listing
from livefw.text import printable

Item = Mapping[str, Any]


def answer(page: HistoryPage, *, again: str) -> Answer:
    """What `livefw history --pending` answers for a page that has something; ``again`` as for `history.answer`."""
    return Answer.of(
        LISTING._replace(notes=lambda found: history.older(found, again)),
        lambda: {"history": [history.document(each) for each in page.activations], "before": page.before},
        ExitCode.DONE,
    )


def _pending(item: Item) -> str:
    row = history.first_row(item)
    return printable(str(row.get("pending_version") or "yes")) if row.get("pending") else "no longer"


def _seen_by(item: Item) -> str:
    return printable(str(history.first_row(item).get("seen_by", "-")))


LISTING = Listing(
    field="history",
    item="event",
    columns=(
        history.WHEN,
        history.NAME,
        Column("PENDING", _pending, least=12),
        Column("SEEN BY", _seen_by, rank=3),
        history.ROW,
        history.COMPONENT,
    ),
    name=history.name_of,
)
