# SPDX-License-Identifier: Apache-2.0
"""The verbs of the command: one module each, imported only when it is the one asked for.

A verb's module has ``configure(parser)``, which adds its own arguments, and ``run(session, arguments)``, which does
the work, prints through the session and returns an exit code. To add a verb, write the module and add its line here.
"""

import argparse
from importlib import import_module
from typing import NamedTuple, Protocol, cast

from livefw.cli.session import Session


class Module(Protocol):
    """What a verb's module offers."""

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """Add the verb's own arguments."""
        ...

    def run(self, session: Session, arguments: argparse.Namespace) -> int:
        """Do the work; the exit code."""
        ...


class Verb(NamedTuple):
    """A verb: the module that implements it, and one line for the help."""

    module: str
    summary: str

    def load(self) -> Module:
        """Import the module."""
        return cast("Module", import_module(self.module))


VERBS = {
    "list": Verb("livefw.cli.list", "what can be activated live, and what is pending"),
}
