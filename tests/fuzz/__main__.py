# SPDX-License-Identifier: Apache-2.0
"""Fuzzing by hand and by `make fuzz`; from the top of the checkout.

python -m tests.fuzz run [TARGET...]     look for findings, for --minutes altogether
python -m tests.fuzz replay TARGET FILE  what one input leads to
python -m tests.fuzz keep [TARGET...]    choose what of all that was found the tree keeps
python -m tests.fuzz measure             what the seeds reach, and what the kept inputs reach beyond them
"""

import argparse
import hashlib
import logging
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from . import corpus

_CACHE = Path(os.environ.get("LIVEFW_TEST_CACHE", "~/.cache/livefw")).expanduser() / "fuzz"
_MOST, _LONGEST = 40, 2048
"""Inputs of a target that the tree keeps, and bytes of each."""
_TOLD = re.compile(r"^#\d+\s+\w+\s+cov: (\d+) ft: (\d+) corp: (\d+)/", re.MULTILINE)
_DONE = re.compile(r"^stat::number_of_executed_units:\s*(\d+)", re.MULTILINE)


class Found(NamedTuple):
    """What came of one target: inputs tried, libFuzzer's edges and features, inputs that reach them, findings."""

    name: str
    executions: int
    edges: int
    features: int
    inputs: int
    seconds: float
    findings: tuple[Path, ...]


def main() -> int:
    """One of the four."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.fuzz", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--cache", type=Path, default=_CACHE, help="where inputs and findings are kept")
    verbs = parser.add_subparsers(dest="verb", required=True)
    run = verbs.add_parser("run")
    run.add_argument("targets", nargs="*", metavar="TARGET")
    run.add_argument("--minutes", type=float, default=60.0)
    run.add_argument("--jobs", default="auto")
    run.add_argument("--megabytes", type=int, default=1024)
    replay = verbs.add_parser("replay")
    replay.add_argument("target", metavar="TARGET")
    replay.add_argument("file", type=Path, metavar="FILE")
    keep = verbs.add_parser("keep")
    keep.add_argument("targets", nargs="*", metavar="TARGET")
    verbs.add_parser("measure")
    work = verbs.add_parser("work")
    work.add_argument("room")
    work.add_argument("target")
    work.add_argument("seconds", type=int)
    work.add_argument("megabytes", type=int)
    arguments = parser.parse_args()
    logging.disable(logging.CRITICAL)  # the product tells of each input that it refuses
    return int(globals()[f"_{arguments.verb}"](arguments))


def _run(arguments: argparse.Namespace) -> int:
    try:
        import atheris  # noqa: F401 - the worker's
    except ImportError:
        print("atheris is not installed: there are wheels of it for x86-64 only; see CONTRIBUTING.md", file=sys.stderr)
        return 1
    from .targets import TARGETS

    names = _known(arguments.targets)
    jobs = os.cpu_count() or 1 if arguments.jobs == "auto" else int(arguments.jobs)
    seconds = max(int(arguments.minutes * 60 * min(jobs, len(names)) / len(names)), 1)
    for name in names:
        inputs, _ = _places(arguments.cache, name)
        for data in [*TARGETS[name].seeds(), *(each.data for each in corpus.read(name))]:
            (inputs / hashlib.sha1(data, usedforsecurity=False).hexdigest()).write_bytes(data)
    print(
        f"{len(names)} targets, {seconds} s each, {jobs} at a time; inputs and findings in {arguments.cache}",
        flush=True,
    )
    with ThreadPoolExecutor(jobs) as pool:
        results = list(pool.map(lambda name: _one(arguments.cache, name, seconds, arguments.megabytes), names))
    found = [(each.name, path) for each in results for path in each.findings]
    total = sum(each.executions for each in results)
    print(
        f"{len(names)} targets, {total:,} inputs, {sum(each.seconds for each in results):.0f} s: {len(found)} findings"
    )
    for name, path in found:
        print(f"{sys.executable} -m tests.fuzz replay {name} {path}")
    return 1 if found else 0


def _known(names: list[str]) -> list[str]:
    from .targets import TARGETS

    if unknown := set(names) - set(TARGETS):
        sys.exit(f"there is no target {', '.join(sorted(unknown))}; there are {', '.join(TARGETS)}")
    return names or list(TARGETS)


def _places(cache: Path, name: str) -> tuple[Path, Path]:
    places = cache / "inputs" / name, cache / "findings" / name
    for place in places:
        place.mkdir(parents=True, exist_ok=True)
    return places


def _one(cache: Path, name: str, seconds: int, megabytes: int) -> Found:
    """Run a worker to its end; one that memory, time or a fault of C has ended is started again for what is left."""
    from .targets import ROOMS

    _, findings = _places(cache, name)
    begin, before = time.monotonic(), _written(findings)
    executions, edges, features, inputs = 0, 0, 0, 0
    while (left := seconds - int(time.monotonic() - begin)) > 0:
        words = [sys.executable, "-m", "tests.fuzz", "--cache", str(cache), "work"]
        words += [ROOMS[name], name, str(left), str(megabytes)]
        done = subprocess.run(words, capture_output=True, text=True, errors="replace", check=False)
        executed = _DONE.findall(done.stderr)
        if not executed:
            raise RuntimeError(f"the worker of {name} ended with {done.returncode}: {done.stderr[-5000:]}")
        executions += int(executed[-1])
        if told := _TOLD.findall(done.stderr):
            edges, features, inputs = map(int, told[-1])
    new = sorted(path for path, written in _written(findings).items() if before.get(path) != written)
    found = Found(name, executions, edges, features, inputs, time.monotonic() - begin, tuple(new))
    print(
        f"{name:22} {found.executions:9,} inputs {found.edges:5} edges {found.features:6} features"
        f" {found.inputs:5} kept {found.seconds:5.0f} s {len(found.findings)} findings",
        flush=True,
    )
    return found


def _written(findings: Path) -> dict[Path, int]:
    """Findings, and when each was written last: one that is found again counts again."""
    return {path: path.stat().st_mtime_ns for path in findings.iterdir() if path.suffix != ".txt"}


def _work(arguments: argparse.Namespace) -> int:
    from .worker import fuzz

    inputs, findings = _places(arguments.cache, arguments.target)
    fuzz(
        arguments.room,
        arguments.target,
        inputs=inputs,
        findings=findings,
        seconds=arguments.seconds,
        megabytes=arguments.megabytes,
    )
    return 0


def _replay(arguments: argparse.Namespace) -> int:
    from .target import play
    from .targets import TARGETS

    (name,) = _known([arguments.target])
    data = arguments.file.read_bytes()
    print(data)
    print(play(TARGETS[name], data))
    return 0


def _found(cache: Path, name: str) -> Iterator[bytes]:
    inputs, findings = _places(cache, name)
    for path in (*inputs.iterdir(), *findings.iterdir()):
        if path.suffix != ".txt":
            yield path.read_bytes()


def _keep(arguments: argparse.Namespace) -> int:
    from .reached import chosen
    from .targets import TARGETS

    for name in _known(arguments.targets):
        found = _found(arguments.cache, name)
        kept = chosen(TARGETS[name], corpus.read(name), found, most=_MOST, longest=_LONGEST)
        corpus.write(name, kept)
        print(f"{name}: {len(kept)} inputs, {sum(len(each.data) for each in kept)} bytes", flush=True)
    return 0


def _measure(_: argparse.Namespace) -> int:
    from .reached import Step, steps
    from .targets import TARGETS

    total: tuple[set[Step], set[Step]] = set(), set()
    for name, target in TARGETS.items():
        kept = corpus.read(name)
        seeds = set[Step]().union(*(steps(target, seed) for seed in target.seeds()))
        both = seeds.union(*(steps(target, each.data) for each in kept))
        total[0].update(seeds)
        total[1].update(both)
        print(
            f"{name:22} {len(kept):3} inputs {len(seeds):5} steps by seeds {len(both):5} with what is kept", flush=True
        )
    print(f"{len(TARGETS)} targets: {len(total[0])} steps by seeds, {len(total[1])} with what is kept")
    return 0


if __name__ == "__main__":
    sys.exit(main())
