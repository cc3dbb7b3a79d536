# SPDX-License-Identifier: Apache-2.0
"""Whether output is what a page shows of it.

``...`` on a line of its own stands for any lines, within a line for any text. What is different each time counts as the
same: dates, times, ids of activations, durations, process numbers, CPUs that were chosen, digests.
"""

import re
from difflib import SequenceMatcher

_CHANGING = [
    (re.compile(pattern), name)
    for pattern, name in (
        (r"^( *)\d\d:\d\d:\d\d\b(.*?) [0-9a-f]{8}\b", r"\1<time>\2 <id>"),  # a row of the history
        (r"^\d\d:\d\d:\d\d\b", "<time>"),  # one about what is pending
        (r"\bAGE +(?=STATE)|(?<=  )- +(?=(up to date|needs reset)\b)", "<age>  "),  # as wide as the ages beside it
        (r"\b(Mon|Tue|Wed|Thu|Fri|Sat|Sun) (?=\d)", ""),  # stands before a date
        (r"\b\d\d (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)( \d{4})?\b", "<date>"),
        (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d| ?UTC)?", "<time>"),
        (r"\b\d{4}-\d\d-\d\d\b", "<date>"),
        (r"\[ *\d+\.\d{6}\]", "[<time>]"),
        (r"( -> .*?)  \(\d+\.\d{3} ms\)$", r"\1"),  # of a call of the firmware, which has none if it was short
        (r'(?<=_ns": )\d+|(?<=_ms": )[\d.]+|(?<=_s": )[\d.]+|(?<=seconds": )[\d.]+', "<duration>"),
        (r"\b\d[\d,]*(\.\d+)? ?(ns|us|ms|s|min|h|seconds?|minutes?|hours?)\b", "<duration>"),
        (r'(?<="pid": )\d+|(?<=\bpid )\d+|(?<=\bprocess )\d+', "<pid>"),
        (r"\b(cpu|CPUs? )\d+(-\d+)?\b(?! CPUs)", r"\1<cpu>"),
        (r"(?<=127\.0\.0\.1:)\d+", "<port>"),
        (r"/tmp/[\w.-]+", "<directory>"),
        (r"(?<=\bid: )[0-9a-f]{8}\b|(?<=\bid )[0-9a-f]{8}\b|(?<=\bactivation )[0-9a-f]{8}\b", "<id>"),
        (r"(<time>, by [^,]+, )[0-9a-f]{8}$", r"\1<id>"),  # of the last activation
        (r"(?<=\bhistory )[0-9a-f]{8}\b|(?<=\breport )[0-9a-f]{8}\b|\b[0-9a-f]{16}\b", "<id>"),
        (r"\b([0-9a-f]{128}|[0-9a-f]{96}|[0-9a-f]{64}|[0-9a-f]{40})\b", "<digest>"),
    )
]
_SPACES = re.compile("(?<=[^ ])  +")


def stable(line: str) -> str:
    """A line without what is different each time, and without the spaces by which that was aligned."""
    line = line.rstrip()
    changed = line
    for pattern, name in _CHANGING:
        changed = pattern.sub(name, changed)
    return _aligned(changed) if changed != line else changed


def _aligned(line: str) -> str:
    return _SPACES.sub("  ", line)


def matches(shown: list[str], actual: list[str]) -> bool:
    """Whether the lines that were written are those that a page shows."""
    actual = [stable(line) for line in actual]
    reached = {0}  # how many lines of the output the page has shown so far, in each way to read its elisions
    for line in shown:
        if line.strip() == "...":
            reached = set(range(min(reached), len(actual) + 1))
            continue
        reached = {at + 1 for at in reached if at < len(actual) and _matches(line, actual[at])}
        if not reached:
            return False
    return len(actual) in reached


def _matches(line: str, actual: str) -> bool:
    line = stable(line)
    if "..." not in line:
        return line == actual
    # What is left out may have aligned the rest.
    pattern = ".*".join(map(re.escape, _aligned(line).split("...")))
    return re.fullmatch(pattern, _aligned(actual)) is not None


def merged(shown: list[str], actual: list[str]) -> list[str]:
    """The lines that were written, with what the page leaves out left out again where that can be told."""
    lines: list[str] = []
    blocks = SequenceMatcher(None, [stable(each) for each in shown], [stable(each) for each in actual], autojunk=False)
    for kind, first, last, begin, end in blocks.get_opcodes():
        old, new = shown[first:last], actual[begin:end]
        lines += old if kind == "equal" else _elided(old, new)
    return lines if matches(lines, actual) else actual


def _elided(old: list[str], new: list[str]) -> list[str]:
    """As many of the new lines before the first elision, and after the last, as there were old ones."""
    places = [number for number, line in enumerate(old) if line.strip() == "..."]
    if not places:
        return new
    before, after = places[0], len(old) - 1 - places[-1]
    if before + after >= len(new):
        return new
    kept = new[len(new) - after :]
    return [*new[:before], old[places[0]], *kept]
