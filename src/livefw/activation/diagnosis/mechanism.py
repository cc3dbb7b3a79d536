# SPDX-License-Identifier: Apache-2.0
"""The block of a mechanism: what its provider says of itself, or why there is none."""

from livefw.activation.diagnosis.lines import DiagnosisLine, LineState, line, of_findings
from livefw.activation.diagnosis.scene import Scene
from livefw.activation.history.held import held_in
from livefw.errors import LivefwError
from livefw.providers import registry
from livefw.providers.base import Reason

_FAILED = Reason("not-examined", "it cannot be examined: {error}")


def look(scene: Scene, name: str) -> tuple[DiagnosisLine, ...]:
    """All lines about the mechanism."""
    try:
        held = held_in(scene.paths.state, scene.paths.root)
        provider = registry.provider(name, scene.files, scene.clock, held=held)
        if provider is None:
            return of_findings([registry.why_absent(name, scene.facts)])
        return of_findings(provider.diagnose())
    except LivefwError as error:
        return (line(LineState.ERROR, _FAILED._replace(hint=error.hint).fill(error=error.message)),)
