# SPDX-License-Identifier: Apache-2.0
"""The engine over any one provider, without a history: for tests of providers, here and elsewhere."""

from tempfile import TemporaryDirectory

from livefw.activation.actor import Actor
from livefw.activation.checks.table import CHECKS, Weight
from livefw.activation.engine import ActivationRequest, Engine, Host
from livefw.activation.outcome import Result
from livefw.activation.paths import Paths
from livefw.activation.policy.document import DEFAULT, Policy
from livefw.activation.run import Watch
from livefw.clock import Clock
from livefw.files.protocol import Files
from livefw.providers.base import Component, Progress, Provider

IGNORABLE = tuple(check.name for check in CHECKS if check.weight is Weight.ERROR)
"""Checks that look at the machine around a component and would hide what a provider does."""


class Onlooker:
    """A `Watch` that looks on for so many seconds."""

    def __init__(self, patience: float = float("inf")) -> None:
        self.patience = patience

    def begins(self, component: Component) -> None:
        """See `Watch`."""

    def progress(self, progress: Progress) -> None:
        """See `Watch`."""

    def tick(self, seconds: float) -> bool:
        """See `Watch`."""
        return seconds < self.patience

    def ended(self, result: Result) -> None:
        """See `Watch`."""


def activate(
    provider: Provider,
    ident: str,
    *,
    files: Files,
    clock: Clock,
    watch: Watch | None = None,
    policy: Policy = DEFAULT,
    ignore: tuple[str, ...] = IGNORABLE,
) -> Result:
    """One activation by a whole engine. Errors as for `Run.activate`."""
    with TemporaryDirectory(prefix="livefw-fake-") as directory:
        paths = Paths(directory, f"{directory}/lock", f"{directory}/settings", directory)
        host = Host(files, (provider,), clock, paths, policy, Actor("root", "", "test"), without_journal=True)
        with Engine(host).open() as run:
            request = ActivationRequest((f"{provider.name}:{ident}",), ignore=ignore)
            (attempt,) = run.activate(request, watch=watch or Onlooker())
    return attempt.result
