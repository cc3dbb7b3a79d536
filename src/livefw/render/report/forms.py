# SPDX-License-Identifier: Apache-2.0
"""The forms of a report: one page in HTML, Markdown, or JSON."""

from collections.abc import Iterator
from enum import StrEnum

from livefw.activation.history.journal import Journal
from livefw.activation.report import MachineReport
from livefw.render.report import document, html, markdown
from livefw.render.report.blocks import TITLE, blocks


class ReportFormat(StrEnum):
    """The forms of a report, each by the usual end of a file's name."""

    HTML = "html"
    MARKDOWN = "md"
    JSON = "json"


def pieces(made: MachineReport, journal: Journal, form: ReportFormat) -> Iterator[str]:
    """The report about a machine in one form, piece by piece. `TransportError`, `Damaged`."""
    if form is ReportFormat.JSON:
        return document.pieces(made, journal)
    if form is ReportFormat.MARKDOWN:
        return markdown.pieces(blocks(made, journal))
    title = f"{TITLE}: {made.host.name}" if made.host.name else TITLE
    return html.pieces(blocks(made, journal), title=title, version=made.host.livefw)
