# SPDX-License-Identifier: Apache-2.0
"""The daemon livefwd: whether its units are installed, whether it listens and replies, and which version it is."""

import os
import stat
from collections.abc import Iterator

from livefw.activation.diagnosis.lines import DiagnosisLine, LineState, line
from livefw.activation.diagnosis.scene import Scene
from livefw.dbus.client import CallFailed, Client, MethodCall
from livefw.providers.base import Reason

_REPLIES = Reason("daemon", "livefwd {version} replies at {socket}")
_WAITS = Reason("daemon", "systemd listens at {socket} and starts livefwd for its first client")
_NOT_INSTALLED = Reason("no-daemon", "livefwd is not installed as a service; the command does not need it")
_NOT_ENABLED = Reason("daemon-disabled", "livefwd is installed and does not listen; the command does not need it")
_DOWN = Reason("daemon-down", "livefwd does not listen at {socket}")
_NO_REPLY = Reason("daemon-no-reply", "livefwd does not reply at {socket}: {error}")
_OTHER = Reason("daemon-version", "livefwd is version {theirs}, this command is version {ours}")

_UNITS = ("/etc/systemd/system", "/usr/lib/systemd/system")
_ENABLED = "/etc/systemd/system/sockets.target.wants/livefwd.socket"
_RUNNING = "/sys/fs/cgroup/system.slice/livefwd.service"
"""There is such a control group while the service runs (systemd.resource-control(5), with cgroups v2)."""
_SECONDS = 5.0
"""How long to wait for each message."""
_VERSION = MethodCall("/org/livefw", "org.freedesktop.DBus.Properties", "Get", "ss", ("org.livefw.Livefw1", "Version"))
_START, _RESTART = "systemctl enable --now livefwd.socket", "systemctl restart livefwd.socket livefwd.service"


def look(scene: Scene) -> Iterator[DiagnosisLine]:
    """All lines about it; none for a machine that has none and is not ours."""
    installed = any(scene.facts.exists(f"{place}/livefwd.socket") for place in _UNITS)
    enabled = scene.facts.exists(_ENABLED)
    if not scene.socket:
        if installed and not enabled:
            yield line(LineState.ABSENT, _NOT_ENABLED)
    elif not _is_socket(scene.socket):
        if enabled or scene.named:
            yield line(LineState.ERROR, _DOWN.fill(socket=scene.socket), "systemctl restart livefwd.socket")
        elif installed:
            yield line(LineState.ABSENT, _NOT_ENABLED, _START)
        else:
            yield line(LineState.ABSENT, _NOT_INSTALLED)
    elif enabled and scene.facts.exists("/sys/fs/cgroup/system.slice") and not scene.facts.exists(_RUNNING):
        yield line(LineState.OK, _WAITS.fill(socket=scene.socket))  # to connect would start it
    else:
        yield _asked(scene.socket, scene.version)


def _asked(socket: str, ours: str) -> DiagnosisLine:
    try:
        with Client(socket, timeout=_SECONDS) as client:
            variant = client.call(_VERSION)[0]
        version = str(getattr(variant, "value", variant))
    except (OSError, CallFailed, IndexError) as error:
        return line(LineState.ERROR, _NO_REPLY.fill(socket=socket, error=error), _RESTART)
    if version != ours:
        return line(LineState.WARNING, _OTHER.fill(theirs=version, ours=ours), _RESTART)
    return line(LineState.OK, _REPLIES.fill(version=version, socket=socket))


def _is_socket(path: str) -> bool:
    if path.startswith("@"):  # an abstract one has no file
        return True
    try:
        return stat.S_ISSOCK(os.stat(path).st_mode)
    except OSError:
        return False
