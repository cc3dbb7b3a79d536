# SPDX-License-Identifier: Apache-2.0
"""Put small faults into the sources, one at a time, and tell which of them no test notices.

Works in copies of the checkout and never in the checkout. What was found is kept: a run that was interrupted goes on.
"""

import argparse
import ast
import fnmatch
import hashlib
import os
import sys
from collections import Counter
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from . import ledger as known
from . import selection
from .mutants import Mutant, Source, enumerations
from .place import Verdict
from .workers import Task, Workers

STAGES = ("near", "wide")
COLUMNS = ("equivalent", *STAGES, "survived", "open")
"""What becomes of a mutant: it is none, tests of a stage notice it, none does, or it was not tried."""


class Drawn(NamedTuple):
    """A mutant to be judged; it is equivalent if there is a reason ``why``."""

    package: str
    source: Source
    mutant: Mutant
    name: str
    why: str

    def __str__(self) -> str:
        return f"{self.mutant.path}:{self.mutant.line}: {self.mutant.what}"

    def batches(self, stage: str) -> list[list[str]]:
        """The tests of a stage."""
        return selection.batches(self.source.path)[STAGES.index(stage)]

    def files(self, stage: str) -> list[str]:
        """The same in one list."""
        return list(chain(*self.batches(stage)))

    def told(self) -> str:
        """With the lines that it changes."""
        gone, come = self.mutant.difference(self.source.text)
        signs = [("-", line) for line in gone] + [("+", line) for line in come]
        return "\n".join([str(self), *(f"    {sign} {line.strip()}" for sign, line in signs)])


def _draw(package: str, sources: list[Source], count: int, seed: str) -> Iterator[Drawn]:
    """``count`` mutants; the same ones for the same seed, as far as the files have stayed the same."""
    equivalents = known.equivalents()
    explained = {source.path: known.explained(source, equivalents)[0] for source in sources}
    every = [(known.name(source, mutant), source, mutant) for source in sources for mutant in source.mutants]
    for name, source, mutant in sorted(every, key=lambda one: hashlib.sha256(f"{seed}\0{one[0]}".encode()).digest()):
        if count and source.is_python(mutant):
            count -= 1
            entry = explained[source.path].get(mutant)
            yield Drawn(package, source, mutant, name, entry.why if entry else "")


class Run:
    """Judges mutants by the tests of some stages, in ``count`` copies below ``folder``."""

    def __init__(self, folder: Path, count: int, chosen: list[Drawn], stages: tuple[str, ...]) -> None:
        self._ledger, self.chosen, self._stages = known.Ledger(folder), chosen, stages
        for drawn in chosen:  # looks at the tests as they are in the copies, which are made next
            for stage in STAGES:
                self._verdict(drawn, stage)
        left = any(self.outcome(drawn) == "open" for drawn in chosen)
        self._workers = Workers(folder, count if left else 0)

    def _verdict(self, drawn: Drawn, stage: str) -> Verdict | None:
        return self._ledger.verdict(drawn.name, stage, drawn.files(stage))

    def outcome(self, drawn: Drawn) -> str:
        """One of `COLUMNS`."""
        if drawn.why:
            return "equivalent"
        for stage in self._stages:
            verdict = self._verdict(drawn, stage)
            if verdict is None or verdict.killed_by:
                return stage if verdict else "open"
        return "survived"

    def judge(self) -> None:
        """Judge what is not known yet, by the near tests first."""
        for stage in self._stages:
            left = [drawn for drawn in self.chosen if self.outcome(drawn) == "open" and not self._verdict(drawn, stage)]
            tasks = ((drawn, self._task(drawn, stage)) for drawn in left)
            for drawn, (verdict, clean) in self._workers.answers(tasks):
                self._ledger.measured(clean)
                self._ledger.judged(drawn.name, stage, drawn.files(stage), verdict)
                _say(f"{verdict.seconds:6.1f} s  {drawn}: {verdict.killed_by or 'survived'}")
                for test in chain(*(one.failing for one in clean.values())):
                    _say(f"          left out, since it fails without a fault: {test}")

    def _task(self, drawn: Drawn, stage: str) -> Task:
        clean = self._ledger.clean(drawn.files(stage))
        return Task(drawn.mutant.path, drawn.mutant.applied(drawn.source.text), drawn.batches(stage), clean)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _table(run: Run, candidates: dict[str, int]) -> Iterator[str]:
    counts = {package: Counter[str]() for package in candidates}
    for drawn in run.chosen:
        counts[drawn.package][run.outcome(drawn)] += 1
    counts["all"] = sum(counts.values(), Counter())
    yield "".join(f"{title:>12}" for title in ("package", "candidates", "drawn", *COLUMNS, "killed"))
    for package, count in counts.items():
        killed = sum(count[stage] for stage in STAGES)
        judged = killed + count["survived"]
        share = f"{100 * killed / judged:.1f} %" if judged else "-"
        every = candidates.get(package, sum(candidates.values()))
        cells = (package, every, count.total(), *(count[column] for column in COLUMNS), share)
        yield "".join(f"{cell:>12}" for cell in cells)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make mutate", description=__doc__)
    parser.add_argument("packages", nargs="*", metavar="PACKAGE", help=", ".join(selection.PACKAGES))
    parser.add_argument("--mutants", default="20", metavar="N", help="of each package, or 'all'; 20 unless said")
    parser.add_argument("--seed", default="1", help="another seed draws other mutants")
    parser.add_argument("--only", default="*", metavar="PATTERN", help="only files with such a path")
    parser.add_argument(
        "--workers", default="1", metavar="N", help="copies in which tests run; 'auto': one for each CPU"
    )
    parser.add_argument("--stage", choices=STAGES, default="wide", help="near: leave out the tests further off")
    parser.add_argument("--again", action="store_true", help="forget what was found before")
    parser.add_argument("--list", action="store_true", help="show the mutants and run nothing")
    cache = Path(os.environ.get("LIVEFW_TEST_CACHE") or Path.home() / ".cache/livefw")
    place = cache / "mutate" / hashlib.sha256(os.fsencode(selection.CHECKOUT)).hexdigest()[:8]
    parser.add_argument("--place", type=Path, default=place, metavar="DIR", help=f"of copies and results; {place}")
    options = parser.parse_args()
    if unknown := set(options.packages) - set(selection.PACKAGES):
        parser.error(f"no such package: {', '.join(sorted(unknown))}")
    options.workers = os.cpu_count() if options.workers == "auto" else options.workers
    for name, word in (("mutants", "all"), ("workers", "auto")):
        value = getattr(options, name)
        if value != word and not f"{value}".isdecimal():
            parser.error(f"--{name} takes a number or '{word}'")
    return options


def _sources(packages: list[str], pattern: str) -> dict[str, list[Source]]:
    files = sorted((selection.CHECKOUT / selection.SOURCES).rglob("*.py"))
    enums = enumerations(ast.parse(file.read_bytes()) for file in files)
    found: dict[str, list[Source]] = {}
    for package, path in selection.sources(packages):
        if fnmatch.fnmatch(path, pattern):
            found.setdefault(package, []).append(Source(path, (selection.CHECKOUT / path).read_bytes(), enums))
    return found


def main() -> int:
    """Draw, judge, tell; 1 if a mutant survived."""
    options = _options()
    by_package = _sources(options.packages or list(selection.PACKAGES), options.only)
    candidates = {package: sum(len(source.mutants) for source in sources) for package, sources in by_package.items()}
    counts = {
        package: every if options.mutants == "all" else int(options.mutants) for package, every in candidates.items()
    }
    chosen = [
        drawn
        for package, sources in by_package.items()
        for drawn in _draw(package, sources, counts[package], options.seed)
    ]
    for source in (source for sources in by_package.values() for source in sources):
        for entry in known.explained(source, known.equivalents())[1]:
            _say(f"explained, and there no more: {entry.file}: {entry.was}")
    if options.list:
        print("\n".join(drawn.told() for drawn in chosen))
        return 0
    if options.again:
        known.forget(options.place)
    try:
        run = Run(options.place, int(options.workers), chosen, STAGES[: STAGES.index(options.stage) + 1])
    except BlockingIOError:
        _say(f"another run is at work in {options.place}; --place gives this one a place of its own")
        return 2
    try:
        run.judge()
    except KeyboardInterrupt:
        _say("interrupted; the same command goes on")
    survived = [drawn for drawn in chosen if run.outcome(drawn) == "survived"]
    print("\n".join([*_table(run, candidates), *(drawn.told() for drawn in survived)]))
    return 1 if survived else 0


if __name__ == "__main__":
    sys.exit(main())
