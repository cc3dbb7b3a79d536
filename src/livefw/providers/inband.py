# SPDX-License-Identifier: Apache-2.0
"""What the small mechanisms share that are a device or a file: settings of their own, and all that they do not have."""

from typing import Any

from livefw.errors import UsageError
from livefw.providers.base import Claim, Clock, Memory, Observer, Phase, Progress, Reason, Running, Said
from livefw.providers.files import Files
from livefw.providers.steps import Pending, Request, Steps

FILE = "/etc/livefw/livefw.toml"
_LIMIT = 1 << 20


def read_path(files: Files, table: str, key: str) -> str | None:
    """The one setting of a mechanism, a text; None if it is not set. `UsageError` with the place of what is wrong."""
    try:
        data = files.read(FILE, _LIMIT)
    except OSError:
        return None
    if table.encode() not in data:
        return None
    import tomllib

    try:
        found: Any = tomllib.loads(data.decode()).get(table, {})
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"{FILE}: {error}", mechanism=table, phase="settings") from error
    if not isinstance(found, dict) or set(found) - {key} or not isinstance(found.get(key, ""), str):
        raise UsageError(f'{FILE}: {table}: may have one key, {key} = "..."', mechanism=table, phase="settings")
    return found.get(key) or None


class Plain:
    """A provider without settings of a component, without a record, and without a way back."""

    name: str
    why_no_cancel = "this mechanism has no way to take back what it was told"

    def __init__(self, files: Files, clock: Clock) -> None:
        self._files = files
        self._clock = clock

    def aliases(self, ident: str) -> tuple[str, ...]:  # noqa: ARG002 - the shape of every provider
        """See `livefw.providers.base.Provider`."""
        return ()

    def cancel(self, ident: str, observer: Observer) -> Running:  # noqa: ARG002
        """See `livefw.providers.base.Provider`; always refused."""
        return self._refusal(Reason("no-cancel", self.why_no_cancel))

    def configure(self, ident: str, setting: str, *, on: bool) -> None:  # noqa: ARG002
        """See `livefw.providers.base.Provider`."""
        raise UsageError(f"{self.name}:{ident} has no setting {setting}", mechanism=self.name)

    def mark(self) -> str:
        """See `livefw.providers.base.Provider`; no record is kept."""
        return ""

    def recall(self, ident: str, mark: str) -> Memory:  # noqa: ARG002
        """See `livefw.providers.base.Provider`."""
        return Memory()

    def _refusal(self, reason: Reason) -> Running:
        return Request(Refusal(reason), self._clock)


class Refusal:
    """A request of which nothing is done; a `livefw.providers.steps.Work`."""

    touched = False

    def __init__(self, reason: Reason) -> None:
        self._claim = Claim(Said.REFUSED, reason=reason)

    def steps(self) -> Steps:
        """The claim."""
        yield from ()
        return self._claim

    def abandoned(self) -> Claim:
        """The same."""
        return self._claim


class OneCall:
    """A request that is one operation, which nobody can stop; a `livefw.providers.steps.Work`."""

    def __init__(self, observer: Observer, text: str) -> None:
        self.touched = False
        self._observer = observer
        self._text = text

    def steps(self) -> Steps:
        """Start it, wait for it, read the answer."""
        self._observer(Progress(Phase.RUNNING, self._text))
        self.touched = True
        operation = self.start()
        yield operation
        return self.judge()

    def abandoned(self) -> Claim:
        """It goes on."""
        if not self.touched:
            return Claim(Said.REFUSED, reason=Reason("given-up", "given up before anything was asked"))
        return Claim(
            Said.LOST, reason=Reason("not-watched", "nobody watches any more; the kernel goes on", "livefw show")
        )

    def start(self) -> Pending:
        """Begin."""
        raise NotImplementedError

    def judge(self) -> Claim:
        """What it ended with."""
        raise NotImplementedError
