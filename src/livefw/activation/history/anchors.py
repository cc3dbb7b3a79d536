# SPDX-License-Identifier: Apache-2.0
"""Heads of the history that are in the system journal: every announced outcome carries one.

Any user may write to the system journal, with any field, but not fields that begin with ``_``: journald takes them from
the kernel. A head counts only if root sent it to this machine's own journal through its native socket. Root could add
heads, which shows as a flaw. To remove heads, the journal's own files must be rewritten, which journald's seals detect
(``journalctl --verify``).
"""

import json
import os
import selectors
import subprocess
import time
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from livefw import systemd
from livefw.activation.history.rows import Head
from livefw.text import errno_text

PROGRAMS = ("/usr/bin/journalctl", "/bin/journalctl")
"""Not searched in PATH, because this runs as root."""
SECONDS = 20.0
"""The time that journalctl may take. 100,000 entries take a few seconds."""
_BYTES = 256 << 20
_LINE = 64 * 1024
"""Bounds of the output, and of one entry: the requested fields have a few hundred bytes."""
_LATEST_NS = 1 << 63
"""A time after the year 2262 cannot be in a history, and one after 9999 cannot be formatted."""
_MESSAGES = (systemd.OUTCOME_MESSAGE_ID, systemd.STAGING_MESSAGE_ID, systemd.SET_ASIDE_MESSAGE_ID)
_TRUSTED = {"_UID": "0", "_TRANSPORT": "journal"}
_FIELDS = ("LIVEFW_HEAD", "LIVEFW_STATE", *_TRUSTED)


class AnchoredHead(NamedTuple):
    """A head, and when the system journal received it, in ns of the wall clock."""

    head: Head
    time_ns: int


class AnchoredHeads:
    """An iterable of the heads of one state directory. After iteration, ``error`` says why some could not be read."""

    def __init__(self, state: str, *, command: tuple[str, ...] | None = None) -> None:
        self._state = os.path.realpath(state)
        self._command = command or next(((path,) for path in PROGRAMS if os.access(path, os.X_OK)), None)
        self.error = ""

    def __iter__(self) -> Iterator[AnchoredHead]:
        """Oldest first. Never raises."""
        if self._command is None:
            self.error = "there is no journalctl here"
            return
        for line in self._lines(self._command):
            try:
                found = json.loads(line)
            except (ValueError, RecursionError):
                self.error = "journalctl does not answer in JSON"
                return
            if isinstance(found, dict) and (anchor := self._anchor(found)):
                yield anchor

    def _anchor(self, found: Mapping[str, object]) -> AnchoredHead | None:
        """The head of an entry; None if it is not ours, or of another history."""
        # A field that was sent twice is a list, and does not count.
        if any(found.get(name) != value for name, value in _TRUSTED.items()):
            return None
        if found.get("LIVEFW_STATE") != self._state:
            return None
        try:
            anchor = AnchoredHead(
                Head.parse(str(found.get("LIVEFW_HEAD"))), int(str(found.get("__REALTIME_TIMESTAMP"))) * 1000
            )
        except ValueError:
            return None
        return anchor if 0 <= anchor.time_ns < _LATEST_NS else None

    def _lines(self, command: tuple[str, ...]) -> Iterator[bytes]:
        """The output of journalctl, as far as it comes in time."""
        matches = [f"MESSAGE_ID={each}" for each in _MESSAGES]
        words = ["--quiet", "--no-pager", "--output=json", f"--output-fields={','.join(_FIELDS)}", *matches, "_UID=0"]
        environment = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "SYSTEMD_LOG_LEVEL": "err"}
        try:
            process = subprocess.Popen(  # the program is one of PROGRAMS
                [*command, *words],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=environment,
                cwd="/",
            )
        except OSError as error:
            self.error = f"journalctl cannot be run: {errno_text(error)}"
            return
        try:
            yield from self._bounded(process)
        finally:
            process.kill()
            if process.stdout:
                process.stdout.close()
            process.wait()

    def _bounded(self, process: subprocess.Popen[bytes]) -> Iterator[bytes]:
        end, total, rest = time.monotonic() + SECONDS, 0, b""
        if process.stdout is None:
            return
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            while True:
                if not selector.select(max(end - time.monotonic(), 0)):
                    self.error = f"the system journal was not read to its end in {SECONDS:g} s"
                    return
                data = os.read(process.stdout.fileno(), 1 << 16)
                if not data:
                    break
                total += len(data)
                *lines, rest = (rest + data).split(b"\n")
                if total > _BYTES or len(rest) > _LINE:
                    self.error = "the reply of the system journal is too long"
                    return
                yield from filter(None, lines)
        code = process.wait()
        # journalctl exits with 1 if nothing matches.
        if code not in (0, 1):
            self.error = f"journalctl ended with {code}"
