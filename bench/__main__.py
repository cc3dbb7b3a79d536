# SPDX-License-Identifier: Apache-2.0
"""Run all measurements and print one table, or with ``--json`` one document."""

import argparse
import json
import os
import platform
import sys
from collections.abc import Callable, Iterable

from bench import agent, daemon, discovery, engine, history, image, load, qemu, reads, startup
from bench.measure import Row

SUBJECTS: dict[str, Callable[[], Iterable[Row]]] = {
    "startup": startup.rows,
    "agent": agent.rows,
    "reads": reads.rows,
    "discovery": discovery.rows,
    "engine": engine.rows,
    "history": history.rows,
    "image": image.rows,
    "qemu": qemu.rows,
    "daemon": daemon.rows,
    "load": load.rows,
}


def main() -> None:
    """Measure, print; the exit code tells nothing about aims, because they depend on the machine."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("subjects", nargs="*", metavar="SUBJECT", help=f"one or more of {', '.join(SUBJECTS)}")
    parser.add_argument("--json", action="store_true", help="one JSON document instead of a table")
    options = parser.parse_args()
    if unknown := set(options.subjects) - set(SUBJECTS):
        parser.error(f"no such subject: {', '.join(sorted(unknown))}")
    rows: list[Row] = []
    for name in options.subjects or SUBJECTS:
        print(f"measuring {name} ...", file=sys.stderr, flush=True)
        try:
            rows.extend(SUBJECTS[name]())
        except Exception as error:  # whatever it is, what was measured before it is not lost for it
            print(f"{name} was not measured: {type(error).__name__}: {error}", file=sys.stderr)
    host = f"Python {platform.python_version()}, {platform.machine()}, {os.cpu_count()} CPUs"
    if options.json:
        print(
            json.dumps({"schema": "livefw-bench/1", "host": host, "rows": [row.document() for row in rows]}, indent=2)
        )
    else:
        print(f"Medians on {host}")
        _print_table(rows)


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
    main()
