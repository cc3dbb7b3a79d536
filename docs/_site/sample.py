# SPDX-License-Identifier: Apache-2.0
"""A sample of what `livefw report` writes, from activations on a modelled machine: one fails, the next one succeeds."""

from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import livefw
from livefw.activation import report
from livefw.activation.history.journal import Journal
from livefw.activation.report import Selection
from livefw.render.report.forms import ReportFormat, pieces
from livefw.testing import ModelMachine

FILE = "sample-report.html"
"""Beside the pages of the reference."""


def write(directory: Path) -> None:
    """Write the page."""
    with ModelMachine("vera", cpus=8) as machine, machine.connect(measure=True) as host:
        for authentic in (False, True):
            machine.stage("rmm", authentic=authentic)
            for _ in host.activate("tf-rmm", reason="CVE-2026-0001"):
                pass
        assembled = host._host
        with closing(Journal.open(assembled.paths.state)) as journal:
            made = report.make(
                journal,
                assembled,
                Selection(),
                time=datetime.now(UTC),
                version=livefw.__version__,
                verify=["livefw", "history", "--verify"],
                seal=lambda: None,
            )
            page = "".join(pieces(made, journal, ReportFormat.HTML))
            (directory / FILE).write_text(page, encoding="utf-8")
