# SPDX-License-Identifier: Apache-2.0
"""What a BMC can do, in one line: how images get in, whether they can wait, what activates them, what it takes."""

from collections.abc import Iterable, Sequence

from livefw.providers.component import RESTART_TEXTS
from livefw.providers.redfish import components, delivery
from livefw.providers.redfish.delivery import EffectTime
from livefw.providers.redfish.parts import Part
from livefw.providers.redfish.resources import Seen


def ability(found: Sequence[Part], seen: Seen) -> str:
    """The line for a BMC with these components, or for one of them."""
    ways = ", ".join(delivery.ways(seen.service))
    if not ways:
        return "it takes no images"
    options = {each: _options(found, seen, each) for each in EffectTime}
    waits = [
        f"until they are activated ({options[EffectTime.ACTIVATION]})" if options[EffectTime.ACTIVATION] else "",
        f"until a reset of the host ({options[EffectTime.RESET]})" if options[EffectTime.RESET] else "",
    ]
    kept = " or ".join(filter(None, waits))
    activating = _activating(found, seen) if options[EffectTime.ACTIVATION] else ""
    parts = [
        f"images by {ways}",
        f"they can wait {kept}" if kept else "they cannot wait",
        f"activated by {activating}" if activating else "",
        ""
        if options[EffectTime.ACTIVATION] or not options[EffectTime.AT_ONCE]
        else "installed at once by activate --image",
        ", ".join(dict.fromkeys(RESTART_TEXTS[part.restart] for part in found)),
    ]
    return "; ".join(filter(None, parts))


def _options(found: Iterable[Part], seen: Seen, effect: EffectTime) -> str:
    """The names of the options by which images of some component have this effect."""
    best = (delivery.best(part, seen, effect) for part in found)
    return ", ".join(sorted({each.name for each in best if each}))


def _activating(found: Iterable[Part], seen: Seen) -> str:
    names = {name for part in found for name in components.actions(part, seen)}
    return ", ".join(sorted(names)) or ("the same image again" if seen.service.installs else "")
