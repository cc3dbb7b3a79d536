# SPDX-License-Identifier: Apache-2.0
"""The verbs of the command: one module each, imported only when it is the one asked for.

A verb's module has ``configure(parser)``, which adds its own arguments, ``run(session, arguments)``, which does the
work, prints through the session and returns an exit code, and ``MANUAL``. To add a verb, write the module and add its
line here.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from typing import Any, NamedTuple, Protocol

    from livefw.cli.invocation.session import CommandSession

    class Module(Protocol):
        """What a verb's module offers."""

        MANUAL: Manual

        def configure(self, parser: argparse.ArgumentParser) -> None:
            """Add the verb's own arguments."""

        def run(self, session: CommandSession, arguments: Any) -> int:
            """Do the work; the exit code."""
else:
    from livefw.light_tuple import NamedTuple


class Verb(NamedTuple):
    """A verb: its module, one line for the help, and whether it has no arguments of its own.

    Without arguments of its own, a verb is run with None instead of a namespace where there was nothing to parse.
    """

    module: str
    summary: str
    bare: bool = False

    def load(self) -> Module:
        """Import the module."""
        module: Any = __import__(self.module, fromlist=["run"])  # importlib takes longer to import than this module
        return module  # type: ignore[no-any-return]  # tests compare every module with the protocol


class Manual(NamedTuple):
    """What the manual page of a verb says beside its options.

    ``description`` are paragraphs; ``examples`` are command lines, each with what it does; ``see_also`` are other
    verbs, or pages with their section.
    """

    description: tuple[str, ...]
    examples: tuple[tuple[str, str], ...]
    see_also: tuple[str, ...]


VERBS = {
    "list": Verb("livefw.cli.list", "what can be activated live, and what is pending", bare=True),
    "show": Verb("livefw.cli.show", "everything known about components"),
    "plan": Verb("livefw.cli.plan", "what an activation would do, what it costs, and what blocks it"),
    "activate": Verb("livefw.cli.activate", "activate pending firmware while the machine runs"),
    "cancel": Verb("livefw.cli.cancel", "abandon an activation that was begun, or un-stage an image"),
    "history": Verb("livefw.cli.history.verb", "what was done here, by whom and why; verify and archive it"),
    "report": Verb("livefw.cli.report", "a page about what ran here and what proves it, to be kept"),
    "watch": Verb("livefw.cli.watch.verb", "show changes as they happen, and activate what the policy selects"),
    "notify": Verb("livefw.cli.notify", "the executables in notify.d that are sent events; test them"),
    "policy": Verb("livefw.cli.policy", "what livefw.toml sets here, what it matches, and when windows open"),
    "stage": Verb("livefw.cli.stage", "stage an image with a mechanism that keeps it until it is activated"),
    "metrics": Verb("livefw.cli.metrics", "metrics for Prometheus, without a daemon"),
    "doctor": Verb("livefw.cli.doctor", "diagnose this machine: what it has, what is missing, what is broken"),
    "explain": Verb("livefw.cli.explain.verb", "what an outcome or a code means, and what to do about it"),
    "image": Verb("livefw.cli.image.verbs", "firmware packages: show, verify and build them"),
    "machine": Verb("livefw.cli.machine.verbs", "modelled machines: run, change and watch them"),
    "tdx": Verb("livefw.cli.tdx", "images of Intel's TDX module, and what blocks each"),
    "fwupdmgr": Verb("livefw.cli.daemon.fwupdmgr", "run fwupdmgr against livefwd"),
    "conformance": Verb("livefw.cli.conformance", "check an LFA agent for conformance"),
    "demo": Verb("livefw.cli.demo.verb", "activate a staged firmware on a modelled server, in three seconds"),
}
