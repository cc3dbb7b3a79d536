# SPDX-License-Identifier: Apache-2.0
"""The kernel log: formats and bound."""

import pytest

from livefw.kernel.log import CAPACITY, KernelLog, Level, LogRecord


@pytest.mark.parametrize(
    ("time_ns", "text", "dmesg"),
    [
        (0, "a", "[    0.000000] a"),
        (1_972_957_282_999, "Arm LFA: x", "[ 1972.957282] Arm LFA: x"),
        (123_456_000_001_000, "b", "[123456.000001] b"),
    ],
)
def test_dmesg(time_ns: int, text: str, dmesg: str) -> None:
    assert LogRecord(1, time_ns, Level.INFO, text).dmesg() == dmesg


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("plain ~", "plain ~"),
        ("a\nb", "a\\x0ab"),
        ("\x1b[31m", "\\x1b[31m"),
        ("back\\slash", "back\\x5cslash"),
        ("é", "\\xc3\\xa9"),
        ("\x7f", "\\x7f"),
    ],
)
def test_kmsg(text: str, escaped: str) -> None:
    """Kernel, Documentation/ABI/testing/dev-kmsg: prefix, and escapes for what could fake another record."""
    assert LogRecord(7, 5_000_000, Level.WARNING, text).kmsg() == f"4,7,5000,-;{escaped}\n"


def test_the_log_is_bounded_and_counts_on() -> None:
    log = KernelLog(lambda: 0)
    for number in range(CAPACITY + 10):
        log.write(Level.INFO, str(number))
    assert log.next_sequence == CAPACITY + 10
    assert [record.sequence for record in log][:1] == [10]
    assert [record.text for record in log.since(CAPACITY + 8)] == [str(CAPACITY + 8), str(CAPACITY + 9)]
    assert next(log.since(0)).sequence == 10
    assert list(log.since(CAPACITY + 10)) == []
