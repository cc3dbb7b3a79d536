# SPDX-License-Identifier: Apache-2.0
"""What is known of mutants: judged ones, kept between runs, and those that are no fault at all."""

import hashlib
import json
import tomllib
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import NamedTuple

from .mutants import Mutant, Source
from .place import Clean, Verdict
from .selection import CHECKOUT

_RESULTS = "results.jsonl"
EQUIVALENT = Path(__file__).with_name("equivalent.toml")


class Equivalent(NamedTuple):
    """A mutant that no test can tell from the program, by the lines it changes."""

    file: str
    was: str
    now: str
    why: str


def equivalents() -> list[Equivalent]:
    """All that have been explained."""
    return [Equivalent(**row) for row in tomllib.loads(EQUIVALENT.read_text(encoding="utf-8"))["mutant"]]


def _joined(lines: Iterable[str]) -> str:
    return " ".join(" ".join(lines).split())


def explained(source: Source, known: Iterable[Equivalent]) -> tuple[dict[Mutant, Equivalent], list[Equivalent]]:
    """The mutants of a file that are equivalent, and the entries that match none."""
    wanted = {(entry.was, entry.now): entry for entry in known if entry.file == source.path}
    found = {}
    if wanted:
        for mutant in source.mutants:
            gone, come = mutant.difference(source.text)
            if entry := wanted.get((_joined(gone), _joined(come))):
                found[mutant] = entry
    return found, [entry for entry in wanted.values() if entry not in found.values()]


def name(source: Source, mutant: Mutant) -> str:
    """A name that stays while the file stays."""
    return hashlib.sha256(source.path.encode() + b"\0" + mutant.applied(source.text)).hexdigest()[:24]


@cache
def _of_file(file: str) -> bytes:
    return hashlib.sha256((CHECKOUT / file).read_bytes()).digest()


def _digest(files: Iterable[str]) -> str:
    """Of the test files as they were when this run first looked, which is when it made its copies."""
    return hashlib.sha256(b"".join(map(_of_file, files))).hexdigest()[:16]


def forget(folder: Path) -> None:
    """Let the next ledger in ``folder`` know nothing."""
    (folder / _RESULTS).unlink(missing_ok=True)


class Ledger:
    """Verdicts and clean runs in ``folder``, one line for each, written as soon as it is known.

    A mutant that was killed stays so; one that survived is tried again as soon as one of its tests is another.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._file = folder / _RESULTS
        self._verdicts: dict[tuple[str, str], tuple[str, Verdict]] = {}
        self._clean: dict[str, tuple[str, Clean]] = {}
        lines = self._file.read_text(encoding="utf-8").splitlines() if self._file.exists() else []
        for line in lines:
            try:
                self._take(json.loads(line))
            except ValueError:  # the end of a run that was interrupted
                continue

    def _take(self, row: dict[str, object]) -> None:
        match row:
            case {"mutant": str(mutant), "stage": str(stage), "tests": str(digest), "by": str(by), "s": float(seconds)}:
                self._verdicts[mutant, stage] = digest, Verdict(by, seconds)
            case {"clean": str(file), "tests": str(digest), "s": float(seconds), "failing": list(failing)}:
                self._clean[file] = digest, Clean(seconds, failing)

    def _add(self, row: dict[str, object]) -> None:
        with self._file.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        self._take(row)

    def verdict(self, mutant: str, stage: str, files: list[str]) -> Verdict | None:
        """What was found, if that still holds."""
        digest, verdict = self._verdicts.get((mutant, stage), ("", None))
        same = digest == _digest(files)
        return verdict if verdict and (verdict.killed_by or same) else None

    def judged(self, mutant: str, stage: str, files: list[str], verdict: Verdict) -> None:
        """Keep what was found."""
        row = {"mutant": mutant, "stage": stage, "tests": _digest(files), "by": verdict.killed_by}
        self._add({**row, "s": float(verdict.seconds)})

    def measured(self, found: dict[str, Clean]) -> None:
        """Keep how test files run without a fault."""
        for file, clean in found.items():
            row = {"clean": file, "tests": _digest([file]), "s": clean.seconds, "failing": clean.failing}
            self._add(row)

    def clean(self, files: Iterable[str]) -> dict[str, Clean]:
        """How test files run without a fault, as far as it is known."""
        known = ((file, *self._clean[file]) for file in files if file in self._clean)
        return {file: clean for file, digest, clean in known if digest == _digest([file])}
