# SPDX-License-Identifier: Apache-2.0
"""``livefw metrics``."""

import argparse

from livefw import __version__, reading
from livefw.activation import figures
from livefw.assemble import has_valid_settings
from livefw.cli.invocation import paths
from livefw.cli.invocation.session import CommandSession
from livefw.cli.verbs import Manual
from livefw.errors import UsageError
from livefw.render import metrics as rendered
from livefw.render.error import given
from livefw.text import printable

MANUAL = Manual(
    description=(
        (
            "Print metrics of this machine for Prometheus: components and their versions, since when an image is "
            "pending, outcomes, stalls, maintenance windows, management controllers and the history. No daemon is "
            "needed, and nothing is activated."
        ),
        (
            "With --output the metrics replace a file at once, for the textfile collector of node_exporter; "
            "livefw-metrics.timer does that every minute. If the machine cannot be read, the file says so "
            "(livefw_machine_readable 0), and the exit code is that of the error. A machine without components is no "
            "error. A user who may not read the history gets the metrics without it."
        ),
    ),
    examples=(
        ("livefw metrics", "Print the metrics."),
        (
            "livefw metrics --output /var/lib/prometheus/node-exporter/livefw.prom",
            "Write them where node_exporter of Debian reads.",
        ),
    ),
    see_also=("list", "history", "livefwd(8)"),
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Where to write them."""
    parser.add_argument(
        "-o", "--output", metavar="FILE", help="replace this file, whose name ends in .prom, instead of printing"
    )
    paths.configure_state(parser)


def run(session: CommandSession, arguments: argparse.Namespace) -> int:
    """Collect and print, or write."""
    path = arguments.output
    if path is not None and not path.endswith(".prom"):
        raise UsageError(f"{printable(path)}: node_exporter reads no other files than *.prom")
    host = paths.host(session, arguments, lenient=True, seen_by="metrics")
    collected = figures.collect(host, version=__version__, settings_valid=has_valid_settings(host.paths))
    answer = rendered.answer(collected)
    if path is None:
        code = session.show(answer)
    else:
        code = int(answer.exit_code)
        try:
            text = rendered.text(collected).encode()
            reading.replace(path, [text], 0o644, masked=False)  # node_exporter runs as another user
        except OSError as error:
            raise given(path, error, " cannot be written") from error
    if collected.error:
        session.say(f"livefw: {printable(collected.error.message)}")
    return code
