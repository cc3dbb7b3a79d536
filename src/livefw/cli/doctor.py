# SPDX-License-Identifier: Apache-2.0
"""``livefw doctor``."""

import argparse

from livefw.cli.session import Session
from livefw.errors import ExitCode
from livefw.providers.base import Finding
from livefw.text import printable


def configure(parser: argparse.ArgumentParser) -> None:
    """No arguments of its own."""


def run(session: Session, arguments: argparse.Namespace | None) -> int:  # noqa: ARG001 - the shape of every verb
    """Tell what each provider finds out about itself; to have told it is to be done, whatever it is."""
    found = [(provider.name, finding) for provider in session.providers() for finding in provider.diagnose()]
    session.answer(
        lambda: "\n".join(_text(name, finding) for name, finding in found),
        lambda: {"findings": [{"provider": name, **finding._asdict()} for name, finding in found]},
    )
    return ExitCode.DONE


def _text(provider: str, finding: Finding) -> str:
    hint = f"\n         hint: {printable(finding.hint)}" if finding.hint else ""
    return f"{finding.severity:7}  {provider}: {printable(finding.text)}{hint}"
