# SPDX-License-Identifier: Apache-2.0
"""A mechanism that keeps one image until it is activated, and does with it what a test says."""

from typing import TYPE_CHECKING

from livefw.clock import Clock
from livefw.errors import TransportError
from livefw.files.protocol import Files
from livefw.providers.base import Claim, Component, Cost, ImagePackage, Observer, Phase, Progress, Reply, Version
from livefw.providers.inband import SingleProvider
from livefw.providers.steps import RunningSteps, Steps

if TYPE_CHECKING:
    from collections.abc import Callable


class Stager(SingleProvider):
    """What it answers is ``claim``; ``keeps`` is whether the image is pending then, None where nobody can look.

    ``there`` is whether there is a component at all. ``before`` is called before anything is asked.
    """

    name, ident = "stager", "one"

    def __init__(self, files: Files, clock: Clock) -> None:
        super().__init__(files, clock)
        self.claim = Claim(Reply.ACCEPTED)
        self.keeps: bool | None = True
        self.stays = True
        self.kept = False
        self.asked = False
        self.before: Callable[[], object] = lambda: None

    def inspect(self, ident: str) -> Component | None:
        """As it is; a look at it fails once the image was taken and ``keeps`` is None."""
        if self.asked and self.keeps is None:
            raise TransportError("nobody can look at it")
        if self.asked and not self.stays:
            return None
        waits = Version("2", (2,)) if self.kept else None
        return Component("stager", "one", "One", Version("1", (1,)), self.kept, waits, Cost(None, None))

    def stage(self, ident: str, package: ImagePackage, observer: Observer) -> RunningSteps:
        """See `livefw.providers.base.Stager`."""
        self.before()
        return RunningSteps(_Staging(self, observer), self._clock)


class _Staging:
    def __init__(self, stager: Stager, observer: Observer) -> None:
        self.touched = False
        self._stager, self._observer = stager, observer

    def steps(self) -> Steps:
        self._observer(Progress(Phase.RUNNING, "sending"))
        self.touched = self._stager.asked = True
        self._stager.kept = bool(self._stager.keeps)
        yield 1.0
        self._observer(Progress(Phase.RUNNING, "sent", 100))
        return self._stager.claim

    def abandoned(self) -> Claim:
        return Claim(Reply.LOST if self.touched else Reply.REFUSED, at_work=self.touched)
