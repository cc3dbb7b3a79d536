# SPDX-License-Identifier: Apache-2.0
"""fwupd beside livefw: its client can be run against livefwd, and a plug-in of its own may activate without livefw."""

from collections.abc import Iterator

from livefw.activation.diagnosis.lines import DiagnosisLine, LineState, line
from livefw.activation.diagnosis.scene import Scene
from livefw.providers.base import Reason

_INSTALLED = Reason("fwupd", "fwupd is installed; livefw fwupdmgr runs its client against livefwd")
_PLUGIN = Reason(
    "fwupd-plugin",
    "{path}: fwupd may activate LFA components itself, without livefw's checks and history",
    "disable one of them: DisabledPlugins=arm_lfa in /etc/fwupd/fwupd.conf",
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
    for path in _plugins(scene):
        yield line(LineState.WARNING, _PLUGIN.fill(path=path), "grep DisabledPlugins /etc/fwupd/fwupd.conf")


def _plugins(scene: Scene) -> Iterator[str]:
    """Where fwupd keeps them: ``LIBDIR/fwupd-VERSION``, with a directory for the architecture above it on Debian."""
    for folder in (_LIBRARIES, *(f"{_LIBRARIES}/{name}" for name in _names(scene, _LIBRARIES) if "-linux-" in name)):
        for name in _names(scene, folder):
            path = f"{folder}/{name}/{_PLUGIN_FILE}"
            if name.startswith("fwupd-") and scene.facts.exists(path):
                yield path


def _names(scene: Scene, path: str) -> list[str]:
    try:
        return sorted(scene.files.names(path))[:_MOST_FOLDERS]
    except OSError:
        return []
