# SPDX-License-Identifier: Apache-2.0
"""One target in a process of its own, under libFuzzer (atheris): only livefw's modules are instrumented."""

import hashlib
import importlib
import sys
import traceback
from pathlib import Path

import atheris

from .target import Target, play

_OURS = ("/livefw/", "/tests/fuzz/")


def fuzz(room: str, name: str, *, inputs: Path, findings: Path, seconds: int, megabytes: int) -> None:
    """Look for inputs until the time is over; ends the process. A finding is written down, and the search goes on."""
    with atheris.instrument_imports(include=["livefw"]):
        targets: tuple[Target, ...] = importlib.import_module(room).TARGETS
    target = next(each for each in targets if each.name == name)
    known: dict[str, int] = {}

    def one(data: bytes) -> None:
        try:
            play(target, data)
        except Exception as error:
            place = _place(error)
            if len(data) < known.get(place, sys.maxsize):
                known[place] = len(data)
                (findings / place).write_bytes(data)
                (findings / f"{place}.txt").write_text(
                    "".join(traceback.format_exception(error))[-20_000:], "utf-8", "replace"
                )

    words = inputs.with_suffix(".dict")
    words.write_text("".join(f'"{_escaped(word)}"\n' for word in target.words) or "# none\n", "ascii")
    options = [f"-max_total_time={seconds}", f"-rss_limit_mb={megabytes}", "-timeout=20", f"-max_len={target.longest}"]
    options += [f"-dict={words}", f"-artifact_prefix={findings}/", "-print_final_stats=1", "-verbosity=1", "-reload=0"]
    atheris.Setup([sys.argv[0], *options, str(inputs)], one)
    atheris.Fuzz()


def _escaped(word: bytes) -> str:
    """As libFuzzer reads a word of a dictionary."""
    return "".join(f"\\x{byte:02x}" for byte in word)


def _place(error: BaseException) -> str:
    """What a finding is called: the same for each input that ends at the same line with the same error."""
    frames = [
        each for each in traceback.extract_tb(error.__traceback__) if any(part in each.filename for part in _OURS)
    ]
    last = frames[-1]
    text = f"{type(error).__name__} {Path(last.filename).name} {last.name} {last.line}"
    return f"{type(error).__name__}-{Path(last.filename).stem}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"
