# SPDX-License-Identifier: Apache-2.0
"""The command's own answers, kept instead of printed: the daemon says the same as the command by being the command."""

from collections.abc import Callable
from typing import Any

from livefw.cli.invocation.session import Session
from livefw.errors import LivefwError, kind_of
from livefw.files.host import HostFiles
from livefw.files.protocol import Files
from livefw.render import document
from livefw.render.error import text


class Captured(Session):
    """A session whose answer is kept instead of printed."""

    def __init__(self, root: str, *, settings: str | None = None, say: Callable[[str], None] = lambda _: None) -> None:
        super().__init__(root=root, settings=settings, json=True, debug=False)
        self._say = say
        self._opened: list[HostFiles] = []
        self.text = ""
        self.document: dict[str, Any] = {}

    def opened(self, root: str, *, settings: str | None = None) -> Files:
        """The machine's files, which `close` closes."""
        files = super().opened(root, settings=settings)
        if isinstance(files, HostFiles):
            self._opened.append(files)
        return files

    def close(self) -> None:
        """Release the files."""
        for files in self._opened:
            files.close()
        self._opened = []

    def answer(self, text: Callable[[], str], document: Callable[[], dict[str, Any]]) -> None:
        """Keep both forms."""
        self.text, self.document = text(), document()

    @property
    def streams(self) -> bool:
        """Never: it is kept, and has to have a bound."""
        return False

    def say(self, line: str) -> None:
        """Tell whoever looks on."""
        self._say(line)

    def mark(self, text: str, *, end: str) -> None:
        """Live lines are for terminals."""

    def fail(self, error: LivefwError) -> int:
        """Keep an error as the answer; the exit code."""
        self.text, self.document = text(error), {"error": document.error(error)}
        return int(kind_of(error).exit_code)
