# SPDX-License-Identifier: Apache-2.0
"""What a verb has to work with: the machine it looks at, and the one way to answer."""

from __future__ import annotations

import os
import sys
from contextlib import suppress

from livefw.errors import LivefwError, TransportError
from livefw.files.host import unused_settings
from livefw.providers.registry import open_files, providers
from livefw.render.json_text import SCHEMA, to_json
from livefw.render.listing import PLAIN, arranged, text
from livefw.text import errno_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any

    from livefw.files.host import HostFiles
    from livefw.files.protocol import Files
    from livefw.providers.base import Provider
    from livefw.render.answer import Answer
    from livefw.render.listing import Listing, View


class CommandSession:
    """One run of the command.

    ``json``: every answer is a document, an error too. ``view`` is how listings are shown, and ``color`` whether in
    colour: ``auto``, ``always`` or ``never``. ``typed``: the words of the command line; commands that texts lead to are
    about the same machine.
    """

    def __init__(
        self,
        *,
        root: str,
        json: bool,
        debug: bool,
        settings: str | None = None,
        view: View = PLAIN,
        color: str = "auto",
        typed: Sequence[str] = (),
    ) -> None:
        self.root = root
        self.settings = settings
        self.json = json
        self.debug = debug
        self.view = view._replace(output="json") if json and view.output == "table" else view
        self._color = color
        self._typed = typed
        self._opened: list[HostFiles] = []

    def close(self) -> None:
        """Close the files of the machine."""
        while self._opened:
            self._opened.pop().close()

    def files(self) -> Files:
        """The machine's files. Errors as for `open_files`."""
        return self.opened(self.root, settings=self.settings)

    def opened(self, root: str, *, settings: str | None = None) -> Files:
        """As `open_files`; what is done to them is shown where that is wanted."""
        host_files = open_files(root, settings=settings)
        self._opened.append(host_files)
        files: Files = host_files
        if self.debug:
            from livefw.cli.invocation.trace import TracedFiles  # rarely wanted

            files = TracedFiles(files, lambda line: self.mark(line, end="\n"))
        return files

    def providers(self) -> tuple[Provider, ...]:
        """Every mechanism of the machine."""
        self.tell_unused_settings()
        return providers(self.files())

    def tell_unused_settings(self) -> None:
        """Say that a tree has settings which nobody asked for."""
        if self.root != "/" and (line := unused_settings(self.root, self.settings)):
            self.say(f"livefw: {line}")

    def answer(self, text: Callable[[], str], document: Callable[[], dict[str, Any]]) -> None:
        """Print the one answer of this run: text for a person, or one JSON document."""
        if self.view.output == "jsonl":
            from livefw.render.formats import json_line  # only where that is asked for

            put(sys.stdout, json_line(document()), end="")
        elif self.json:
            put(sys.stdout, to_json({"schema": SCHEMA} | document()))
        else:
            shown = self.led(text())
            if self._colors(sys.stdout):
                from livefw.render.style import highlighted  # only for terminals

                shown = highlighted(shown)
            show(sys.stdout, shown)

    def show(self, answer: Answer) -> int:
        """As `answer`, for what every face answers; the exit code. `UsageError` for a column that does not exist."""
        listing = answer.listing
        if listing is None:
            self.answer(answer.text, answer.document)
        else:
            self._list(listing, arranged(listing, answer.document(), self.view))
        return int(answer.exit_code)

    def _list(self, listing: Listing, document: dict[str, Any]) -> None:
        if self.view.output == "json" or (self.json and "error" in document):
            self.answer(str, lambda: document)
        elif self.view.output in ("table", "wide"):
            put(sys.stdout, self.table(listing, document, sys.stdout))
        else:
            self._put_lines(listing, iter(document[listing.field]))

    def table(self, listing: Listing, document: dict[str, Any], stream: Any) -> str:
        """A listing as a table that fits a stream, to be put there as it is."""
        ellipsis = self.view.ellipsis if _encodes(stream, self.view.ellipsis) else "..."
        fitting = self.view._replace(limit=_limit(stream), color=self._colors(stream), ellipsis=ellipsis, lead=self.led)
        shown = text(listing, document, fitting)
        if (columns := _columns(stream)) and any(len(line) > columns // 2 for line in shown.split("\n")):
            from livefw.render.fold import fold  # only for terminals

            # Line by line: rows fit, and what stands under a table is no row of it.
            shown = "\n".join(fold(line, columns) for line in shown.split("\n"))
        return shown

    def _put_lines(self, listing: Listing, items: Iterator[dict[str, Any]]) -> None:
        from livefw.render import formats  # only where one is asked for

        for line in formats.lines(listing, items, self.view):
            put(sys.stdout, line, end="")

    def _colors(self, stream: Any) -> bool:
        """Whether colours are wanted there (no-color.org, bixense.com/clicolors)."""
        if self._color != "auto":
            return self._color == "always"
        known = os.environ
        if known.get("NO_COLOR"):
            return False
        if known.get("CLICOLOR_FORCE", "0") not in ("", "0"):
            return True
        return _columns(stream) > 0 and known.get("TERM") not in (None, "", "dumb")

    @property
    def streams(self) -> bool:
        """Whether `stream` may be used, for an answer that has no bound."""
        return self.view.output not in ("table", "wide") and not self.view.sort

    def stream(self, listing: Listing, items: Iterator[dict[str, Any]], last: dict[str, Any]) -> LivefwError | None:
        """Print the one answer of this run, with a long list of which one item is held at a time.

        An error after the first item ends the list and stands behind it, and is given back: what is printed as JSON is
        a document all the same.
        """
        if self.view.output == "json":
            return self._stream_json(listing.field, items, last)
        try:
            self._put_lines(listing, items)
        except LivefwError as error:
            if not self.json:
                raise
            from livefw.render import document  # rarely

            failure = document.error(error)
            self.answer(str, lambda: {"error": failure})
            return error
        return None

    def _stream_json(self, name: str, items: Iterator[dict[str, Any]], last: dict[str, Any]) -> LivefwError | None:
        put(sys.stdout, f'{{\n  "schema": {to_json(SCHEMA)},\n  {to_json(name)}: [', end="")
        comma = ""
        failure: LivefwError | None = None
        try:
            for item in items:
                put(sys.stdout, f"{comma}\n    {to_json(item, '    ')}", end="")
                comma = ","
        except LivefwError as error:
            from livefw.render import document  # rarely

            failure, last = error, last | {"error": document.error(error)}
        rest = "".join(f",\n  {to_json(key)}: {to_json(value, '  ')}" for key, value in last.items())
        put(sys.stdout, f"\n  ]{rest}\n}}")
        return failure

    def report(self, text: Callable[[], str], document: Callable[[], dict[str, Any]]) -> None:
        """As `answer`, of something that has been done.

        It stays done where the answer cannot be written, as on a full disk: this is reported on standard error
        together with the text, and the exit code is that of what was done.
        """
        try:
            self.answer(text, document)
        except TransportError as error:
            self.say(f"{text()}\nlivefw: {error.message}; the exit code is that of what was done")

    def say(self, line: str) -> None:
        """Tell a person something beside the answer; that nobody can hear it changes nothing."""
        with suppress(TransportError):
            show(sys.stderr, self.led(line))

    def led(self, text: str) -> str:
        """A text for a person, with every command in it complete for the machine of this run."""
        if not self._typed or "livefw " not in text:
            return text
        from livefw.render import lead  # only where there is one

        return lead.completed(text, lead.MachinePlace.typed(self._typed))

    def mark(self, text: str, *, end: str) -> None:
        """As `say`, as it is, and with another end than that of a line."""
        with suppress(TransportError):
            put(sys.stderr, text, end=end)


def show(stream: Any, text: str) -> None:
    """As `put`, in lines that fit, if this is a terminal."""
    columns = _columns(stream)
    if columns and any(len(line) > columns // 2 for line in text.split("\n")):
        from livefw.render.fold import fold  # only for terminals

        text = fold(text, columns)
    put(stream, text)


def _limit(stream: Any) -> int:
    """The width of a table: what COLUMNS says, as watch(1) sets it, else that of the terminal; 0 for none."""
    return _given_columns() or _columns(stream)


def _encodes(stream: Any, text: str) -> bool:
    try:
        text.encode(getattr(stream, "encoding", None) or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def _given_columns() -> int:
    columns = os.environ.get("COLUMNS", "")
    return int(columns) if columns.isascii() and columns.isdigit() and 0 < len(columns) < 6 else 0


def _columns(stream: Any) -> int:
    """Of the terminal that this is, or what COLUMNS says of it; 0 if it is none, or does not tell."""
    try:
        of_terminal = os.get_terminal_size(stream.fileno()).columns
    except (OSError, ValueError, AttributeError):
        return 0
    return _given_columns() or of_terminal


def put(stream: Any, text: str, *, end: str = "\n") -> None:
    """Write lines at once.

    A reader that went away is not an error: what was done was done, and the exit code still tells it. `TransportError`
    if the text cannot be written for another reason, such as a full disk.
    """
    if stream is None or not text:
        return
    try:
        stream.write(text + end)
        stream.flush()
    except BrokenPipeError:
        _silence(stream)
    except UnicodeEncodeError:
        put(stream, text.encode("ascii", "backslashreplace").decode("ascii"), end=end)
    except OSError as error:
        _silence(stream)
        raise TransportError(f"the output cannot be written: {errno_text(error)}") from error


def _silence(stream: Any) -> None:
    """Lead a stream to nowhere: what is left in its buffer would make the interpreter complain when it ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
