# SPDX-License-Identifier: Apache-2.0
"""What a question about the machine is answered with, by every face."""

from __future__ import annotations

from livefw.render.listing import text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NamedTuple

    from livefw.render.listing import Listing
else:
    from livefw.light_tuple import NamedTuple


class Answer(NamedTuple):
    """Text for a person, a JSON document without its schema, and the exit code that a command ends with.

    Text and document are functions, because a command shows one of them only. A ``listing`` shows the document in
    other forms as well, and the text is its table at full width.
    """

    text: Callable[[], str]
    document: Callable[[], dict[str, Any]]
    exit_code: int
    listing: Listing | None = None

    @classmethod
    def of(cls, listing: Listing, document: Callable[[], dict[str, Any]], exit_code: int) -> Answer:
        """The answer whose text is a listing."""
        return cls(lambda: text(listing, document()), document, exit_code, listing)
