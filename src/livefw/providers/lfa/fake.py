# SPDX-License-Identifier: Apache-2.0
"""LFA trees in memory, with the attributes that each version of the driver has: for tests, here and elsewhere."""

from livefw.providers.fake import FakeClock, FakeFiles, attributes
from livefw.providers.lfa.drivers import DRIVERS
from livefw.providers.lfa.provider import LfaProvider
from livefw.providers.lfa.tree import ROOT

RMM = "6c0762a6-12f2-4b56-92cb-ba8f633606d9"
TEXTS: dict[str, str | bytes] = {
    "name": "TF-RMM",
    "activation_capable": "1",
    "activation_pending": "1",
    "may_reset_cpu": "0",
    "cpu_rendezvous": "1",
    "force_cpu_rendezvous": "1",
    "current_version": "1.0",
    "pending_version": "1.2",
    "auto_activate": "0",
    "last_error": "none",
    "activate": b"",
    "cancel": b"",
}


class FakeLfa:
    """A provider over a tree that a test may change."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.files = FakeFiles(clock=self.clock)
        self.provider = LfaProvider(self.files, self.clock)

    def add(self, guid: str = RMM, *, driver: str = "v3", **texts: str | bytes) -> None:
        """Add a component with the attributes that a version of the driver has."""
        names = next(row.attributes for row in DRIVERS if row.name == driver)
        contents = {name: texts.get(name, text) for name, text in TEXTS.items() if name in names}
        self.files.tree |= attributes(f"{ROOT}/{guid}", **contents)

    def path(self, attribute: str, guid: str = RMM) -> str:
        """The path of an attribute."""
        return f"{ROOT}/{guid}/{attribute}"

    def set(self, attribute: str, text: str | bytes, guid: str = RMM) -> None:
        """Change a text."""
        self.files.tree |= attributes(f"{ROOT}/{guid}", **{attribute: text})
