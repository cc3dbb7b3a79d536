# SPDX-License-Identifier: Apache-2.0
"""Optional Python packages, and what livefw cannot do without them."""

from collections.abc import Iterator

from livefw import libraries
from livefw.activation.diagnosis.lines import DiagnosisLine, LineState, line
from livefw.activation.diagnosis.scene import Scene
from livefw.errors import KINDS, NotInstalled
from livefw.providers.base import Reason

_ALL = Reason("packages", "all {count} optional packages are installed")
_MISSING = Reason(KINDS[NotInstalled].name, "{which_package_is_missing}: no {purpose}")


def look(_: Scene) -> Iterator[DiagnosisLine]:
    """One line for each that is missing."""
    missing = 0
    for name, library in libraries.LIBRARIES.items():
        try:
            libraries.load(name)
        except NotInstalled as error:
            missing += 1
            why = _MISSING._replace(hint=libraries.how(name))
            why = why.fill(which_package_is_missing=error.message, purpose=library.purpose)
            yield line(LineState.ABSENT, why, libraries.command(name))
    if not missing:
        yield line(LineState.OK, _ALL.fill(count=len(libraries.LIBRARIES)))
