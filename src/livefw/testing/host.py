# SPDX-License-Identifier: Apache-2.0
"""A modelled machine as livefw's own engine uses it, without a file system in between."""

from livefw.activation.actor import current
from livefw.activation.host import Host
from livefw.activation.measure.meter import ModelMeter, NoMeter
from livefw.activation.paths import Paths
from livefw.activation.policy.document import parse
from livefw.api import ConnectedHost
from livefw.machine.files import MachineClock, MachineFiles
from livefw.providers.registry import providers


def connected(
    files: MachineFiles, clock: MachineClock, directory: str, *, settings: str, measure: bool
) -> ConnectedHost:
    """A host over a machine's files and clock; its history and its lock are in ``directory``. `SettingsError`."""
    paths = Paths(directory, f"{directory}/lock", f"{directory}/settings", directory)
    host = Host(files, providers(files, clock), clock, paths, parse(settings.encode()), current("api"))
    return ConnectedHost(host._replace(meter=(lambda: ModelMeter(files)) if measure else NoMeter))
