# SPDX-License-Identifier: Apache-2.0
"""Files longer than a page, which the kernel gives and takes a page a time."""

import errno
import os
from pathlib import Path

import pytest

from livefw.files.host import HostFiles, write_all


def test_short_limit_is_one_read_and_a_long_one_reads_to_the_end(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x" * 10_000)
    files = HostFiles(str(tmp_path))
    assert len(files.read("/file")) == 4096
    assert len(files.read("/file", 9_000)) == 9_000
    assert len(files.read("/file", 100_000)) == 10_000
    assert len(files.read("/file", 0)) == 0


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Let writes take a page at most, as a binary attribute does; the sizes that were offered."""
    offered: list[int] = []
    write = os.write

    def short(descriptor: int, data: bytes) -> int:
        offered.append(len(data))
        return write(descriptor, bytes(data[: 4096 if len(data) != 3 else 1]))

    monkeypatch.setattr(os, "write", short)
    return offered


def test_long_write_goes_on_where_the_kernel_stopped_on_the_same_descriptor(tmp_path: Path, taken: list[int]) -> None:
    with open(tmp_path / "data", "wb") as file:
        write_all(file.fileno(), bytes(range(256)) * 33)
    assert (tmp_path / "data").read_bytes() == bytes(range(256)) * 33
    assert taken == [8448, 4352, 256]


def test_short_write_is_never_repeated(tmp_path: Path, taken: list[int]) -> None:
    with open(tmp_path / "activate", "wb") as file:
        write_all(file.fileno(), b"yes")
    assert taken == [3]


def test_write_that_takes_nothing_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "write", lambda descriptor, data: 0)
    with open(tmp_path / "data", "wb") as file, pytest.raises(OSError) as raised:  # noqa: PT011 - the errno counts
        write_all(file.fileno(), bytes(5000))
    assert raised.value.errno == errno.EIO
