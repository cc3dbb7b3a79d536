# SPDX-License-Identifier: Apache-2.0
"""An activation with an image, for mechanisms that take one and activate it in one step.

The engine carries it out as any other: what is different is which request is made of the mechanism, and that until then
the component is the one with this image.
"""

from collections.abc import Sequence

from livefw.activation import plan
from livefw.activation.host import ActivationRequest
from livefw.activation.images.target import StagingTarget, find_target
from livefw.activation.inventory.discovery import Candidate, Inventory
from livefw.errors import Refused
from livefw.providers.base import (
    Component,
    Discovery,
    Finding,
    ImagePackage,
    Installer,
    Memory,
    Observer,
    Running,
    is_installer,
)


class OneStepProvider:
    """The provider of a component, for one request with one image; a `Stager`."""

    def __init__(self, provider: Installer, target: StagingTarget) -> None:
        self._provider = provider
        self._target = target
        self._asked = False
        self.name = provider.name

    @property
    def target(self) -> StagingTarget:
        """The component and the image."""
        return self._target

    def with_image(self, component: Component) -> Component:
        """The component as it is to be activated with the image."""
        shown = self._provider.with_image(component, self._target.package)
        return shown._replace(pending_version=self._target.version)

    def discover(self) -> Discovery:
        """See `livefw.providers.base`."""
        return self._provider.discover()

    def inspect(self, ident: str) -> Component | None:
        """Until the mechanism is asked, the component with the image; then as it is."""
        found = self._provider.inspect(ident)
        return found if found is None or self._asked else self.with_image(found)

    def aliases(self, ident: str) -> Sequence[str]:
        """See `livefw.providers.base`."""
        return self._provider.aliases(ident)

    def activate(self, ident: str, observer: Observer) -> Running:
        """Hand the image over."""
        self._asked = True
        return self._provider.install(ident, self._target.package, observer)

    def cancel(self, ident: str, observer: Observer) -> Running:
        """See `livefw.providers.base`."""
        return self._provider.cancel(ident, observer)

    def stage(self, ident: str, package: ImagePackage, observer: Observer) -> Running:
        """See `livefw.providers.base`."""
        return self._provider.stage(ident, package, observer)

    def configure(self, ident: str, setting: str, *, on: bool) -> None:
        """See `livefw.providers.base`."""
        self._provider.configure(ident, setting, on=on)

    def mark(self) -> str:
        """See `livefw.providers.base`."""
        return self._provider.mark()

    def recall(self, ident: str, mark: str) -> Memory:
        """See `livefw.providers.base`."""
        return self._provider.recall(ident, mark)

    def diagnose(self) -> list[Finding]:
        """See `livefw.providers.base`."""
        return self._provider.diagnose()

    def replay(self, ident: str, action: str) -> str:
        """See `livefw.providers.base`."""
        return self._provider.replay(ident, action)


def chosen(words: tuple[str, ...] | None, found: Inventory, package: ImagePackage) -> Candidate:
    """The component that the image is for, as it is to be activated with it. Errors as of `find_target`.

    Raises:
        Refused: its mechanism cannot activate an image in one step.
    """
    word = words[0] if words else None
    target = find_target(word, found.candidates, package)
    provider = target.provider
    if not is_installer(provider):
        text = f"{provider.name} cannot activate an image in one step"
        raise Refused(
            text, hint="livefw stage COMPONENT IMAGE", component=target.component.key, mechanism=provider.name
        )
    one_step = OneStepProvider(provider, target)
    return Candidate(one_step, one_step.with_image(target.component))


def image_of(candidate: Candidate) -> StagingTarget | None:
    """The image that a candidate is to be activated with; None if it has none of its own."""
    provider = candidate.provider
    return provider.target if isinstance(provider, OneStepProvider) else None


def chosen_candidates(request: ActivationRequest, found: Inventory) -> list[Candidate] | None:
    """What a request names: the component of its image, or as `livefw.activation.plan.choose`; None if it names none.

    Errors are those of both.
    """
    if request.package:
        return [chosen(request.words, found, request.package)]
    return None if request.words is None else plan.choose(found, request.words)
