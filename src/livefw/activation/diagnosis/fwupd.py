# SPDX-License-Identifier: Apache-2.0
"""fwupd beside livefw: its client can be run against livefwd, and a plug-in of its own may activate without livefw."""

from collections.abc import Callable, Iterator

from livefw.activation.diagnosis.lines import DiagnosisLine, LineState, line
from livefw.activation.diagnosis.scene import Scene
from livefw.providers.base import Reason

_INSTALLED = Reason("fwupd", "fwupd is installed; livefw fwupdmgr runs its client against livefwd")
_PLUGIN = Reason(
    "fwupd-plugin",
    "{path}: where livefwd does not listen, fwupd may activate LFA components without livefw's checks and history",
    "Engine=livefwd in [arm_lfa] of /etc/fwupd/fwupd.conf demands livefwd; DisabledPlugins=arm_lfa disables the plugin",
)
_DAEMONS = ("/usr/libexec/fwupd/fwupd", "/usr/lib/fwupd/fwupd")
_LIBRARIES = "/usr/lib"
_PLUGIN_FILE = "libfu_plugin_arm_lfa.so"
_MOST_FOLDERS = 4096


def look(scene: Scene) -> Iterator[DiagnosisLine]:
    """All lines about it; none without it."""
    if not any(scene.facts.exists(path) for path in _DAEMONS):
        return
    yield line(LineState.OK, _INSTALLED)
    for path in plugins(scene.files.names, scene.facts.exists):
        yield line(LineState.WARNING, _PLUGIN.fill(path=path), "grep -E 'Engine|DisabledPlugins' /etc/fwupd/fwupd.conf")


def plugins(names: Callable[[str], list[str]], exists: Callable[[str], bool]) -> Iterator[str]:
    """Where fwupd keeps them: ``LIBDIR/fwupd-VERSION``, with a directory for the architecture above it on Debian.

    ``names`` lists a directory, and may raise OSError.
    """
    libraries = (f"{_LIBRARIES}/{name}" for name in _names(names, _LIBRARIES) if "-linux-" in name)
    for folder in (_LIBRARIES, *libraries):
        for name in _names(names, folder):
            path = f"{folder}/{name}/{_PLUGIN_FILE}"
            if name.startswith("fwupd-") and exists(path):
                yield path


def _names(names: Callable[[str], list[str]], path: str) -> list[str]:
    try:
        return sorted(names(path))[:_MOST_FOLDERS]
    except OSError:
        return []
