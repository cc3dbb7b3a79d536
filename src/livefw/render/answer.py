# SPDX-License-Identifier: Apache-2.0
"""What a question about the machine is answered with, by every face."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NamedTuple
else:
    from livefw.light_tuple import NamedTuple


class Answer(NamedTuple):
    """Text for a person, a JSON document without its schema, and the exit code that a command ends with.

    Text and document are functions, because a command shows one of them only.
    """

    text: Callable[[], str]
    document: Callable[[], dict[str, Any]]
    exit_code: int
