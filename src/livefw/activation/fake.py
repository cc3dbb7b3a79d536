# SPDX-License-Identifier: Apache-2.0
"""An engine over any one provider, without a history, for tests of providers."""

from collections.abc import Callable
from contextlib import closing
from math import inf
from tempfile import TemporaryDirectory

from livefw.activation.actor import Actor
from livefw.activation.checks.table import CHECKS, Weight
from livefw.activation.engine import ActivationRequest, Engine, Host
from livefw.activation.events import Control, Event, Finished, Steps, StillRunning
from livefw.activation.outcome import Result
from livefw.activation.paths import Paths
from livefw.activation.policy.document import DEFAULT, Policy
from livefw.clock import Clock
from livefw.files.protocol import Files
from livefw.providers.base import Provider

IGNORABLE = tuple(check.name for check in CHECKS if check.weight is Weight.ERROR)
"""Checks about the machine around a component, which would hide what a provider does."""


Hear = Callable[[Event, Control], None]
"""Is called with each event of a request, and may end the request early."""


def unheard(event: Event, control: Control) -> None:
    """Nobody listens."""


def followed(steps: Steps[Finished], control: Control, *, patience: float = inf, hear: Hear = unheard) -> Finished:
    """Follow a request for so many seconds; how it ended. ``hear`` is called with each event."""
    finished = Finished(())
    with closing(steps):
        for event in steps:
            hear(event, control)
            match event:
                case StillRunning(seconds=seconds) if seconds >= patience:
                    control.detach()
                case Finished():
                    finished = event
    return finished


def activate(
    provider: Provider,
    ident: str,
    *,
    files: Files,
    clock: Clock,
    patience: float = inf,
    hear: Hear = unheard,
    policy: Policy = DEFAULT,
    ignore: tuple[str, ...] = IGNORABLE,
) -> Result:
    """One activation by a whole engine, followed for ``patience`` seconds. Errors as for `Engine.activate`."""
    with TemporaryDirectory(prefix="livefw-fake-") as directory:
        paths = Paths(directory, f"{directory}/lock", f"{directory}/settings", directory)
        host = Host(files, (provider,), clock, paths, policy, Actor("root", "", "test"), without_journal=True)
        request, control = ActivationRequest((f"{provider.name}:{ident}",), ignore=ignore), Control()
        steps = Engine(host).activate(request, control=control)
        (attempt,) = followed(steps, control, patience=patience, hear=hear).attempts
    return attempt.result
