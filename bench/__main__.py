# SPDX-License-Identifier: Apache-2.0
"""Run all measurements and print one table, or with ``--json`` one document.

What was measured is printed whatever happens to the rest. It ends with 1 if a subject failed, and with 130 after
Ctrl-C. That a machine has not what a subject needs is no failure, and a missed aim none either: aims depend on the
machine.
"""

import argparse
import json
import os
import platform
import sys
from collections.abc import Callable, Iterable
from typing import NamedTuple

from bench import agent, bmcs, daemon, discovery, engine, history, image, load, qemu, reads, startup
from bench.measure import NotHere, Row

SUBJECTS: dict[str, Callable[[], Iterable[Row]]] = {
    "startup": startup.rows,
    "agent": agent.rows,
    "reads": reads.rows,
    "discovery": discovery.rows,
    "engine": engine.rows,
    "history": history.rows,
    "bmcs": bmcs.rows,
    "image": image.rows,
    "qemu": qemu.rows,
    "daemon": daemon.rows,
    "load": load.rows,
}


class Measured(NamedTuple):
    """Everything that is told: rows, and by their names the subjects without all of theirs, and why."""

    rows: list[Row]
    failed: dict[str, str]
    missing: dict[str, str]


def main() -> int:
    """Measure, print; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__.partition("\n")[0])
    parser.add_argument("subjects", nargs="*", metavar="SUBJECT", help=f"one or more of {', '.join(SUBJECTS)}")
    parser.add_argument("--json", action="store_true", help="one JSON document instead of a table")
    options = parser.parse_args()
    if unknown := set(options.subjects) - set(SUBJECTS):
        parser.error(f"no such subject: {', '.join(sorted(unknown))}")
    measured = Measured([], {}, {})
    interrupted = False
    try:
        for name in options.subjects or SUBJECTS:
            print(f"measuring {name} ...", file=sys.stderr, flush=True)
            _measure(name, measured)
    except KeyboardInterrupt:
        interrupted = True
    host = f"Python {platform.python_version()}, {platform.machine()}, {os.cpu_count()} CPUs"
    if options.json:
        document = {"schema": "livefw-bench/1", "host": host, "failed": measured.failed, "missing": measured.missing}
        print(json.dumps(document | {"rows": [row.document() for row in measured.rows]}, indent=2))
    else:
        print(f"Medians on {host}")
        _print_table(measured.rows)
    return 130 if interrupted else int(bool(measured.failed))


def _measure(name: str, measured: Measured) -> None:
    """One subject, each row as soon as it is there; what ends it early is told where a person sees it, too."""
    try:
        for row in SUBJECTS[name]():
            measured.rows.append(row)
    except NotHere as error:
        measured.missing[name] = str(error)
        print(f"{name} is not measured here: {error}", file=sys.stderr)
    except Exception as error:  # whatever it is, nothing else is lost for it
        measured.failed[name] = f"{type(error).__name__}: {error}"
        print(f"{name} failed: {measured.failed[name]}", file=sys.stderr)


def _print_table(rows: list[Row]) -> None:
    cells = [("what", "median", "unit", "compared with", "aim", ""), *map(_cells, rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for what, value, *rest in cells:
        line = [what.ljust(widths[0]), value.rjust(widths[1])]
        line += [cell.ljust(width) for cell, width in zip(rest, widths[2:], strict=True)]
        print("  ".join(line).rstrip())


def _cells(row: Row) -> tuple[str, ...]:
    value = f"{row.value:,.0f}" if row.value >= 10_000 else f"{row.value:,.4g}"
    return row.subject, value, row.unit, row.compared_with, "" if row.aim is None else str(row.aim), row.verdict


if __name__ == "__main__":
    sys.exit(main())
