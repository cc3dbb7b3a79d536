# SPDX-License-Identifier: Apache-2.0
"""What of a folder goes into the guest, and folders that are not fit."""

import os
import stat
from pathlib import Path

import pytest

from livefw.cli.main import main
from livefw.errors import UsageError
from livefw.machine.qemu import guest_python, initramfs

ARM64 = b"\x7fELF\x02\x01\x01".ljust(18, b"\0") + b"\xb7\x00" + bytes(44)
X86_64 = ARM64.replace(b"\xb7", b"\x3e")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An unpacked Python, with what is needed and what is not."""
    made = tmp_path / "root"
    for name, data in (
        ("usr/bin/python3.9", ARM64),
        ("usr/bin/python3.11", ARM64),
        ("usr/bin/python3.11-config", b"#!/bin/sh\n"),
        ("usr/lib/python3.11/os.py", b"name = 'posix'\n"),
        ("usr/lib/python3.11/__pycache__/os.cpython-311.pyc", b"code"),
        ("usr/share/doc/python3.11/README", b"text"),
        ("etc/passwd", b"root"),
    ):
        (made / name).parent.mkdir(parents=True, exist_ok=True)
        (made / name).write_bytes(data)
    (made / "usr/bin/python3").symlink_to("python3.11")
    return made


def test_what_goes_in(folder: Path) -> None:
    entries = list(guest_python.entries(os.fspath(folder)))
    names = [entry.name for entry in entries]
    assert {"usr/bin/python3.11", "usr/lib/python3.11/os.py", "opt/livefw/livefw/__main__.py"} < set(names)
    assert not [name for name in names if "__pycache__" in name or "share" in name.split("/") or name.startswith("etc")]
    for index, name in enumerate(names):  # the kernel makes no folder by itself
        assert os.path.dirname(name) in {"", "bin", *names[:index]}
    links = {entry.name: entry.data for entry in entries if stat.S_ISLNK(entry.mode)}
    assert links == {"usr/bin/python3": b"python3.11", "lib": b"usr/lib"}
    (command,) = (entry for entry in entries if entry.name == "bin/livefw")
    assert b" /usr/bin/python3.11 -m livefw " in command.data
    assert command.mode == stat.S_IFREG | 0o755


def test_a_lib_of_its_own_stays(folder: Path) -> None:
    (folder / "lib").mkdir()
    (folder / "lib/ld-linux-aarch64.so.1").symlink_to("aarch64-linux-gnu/ld-linux-aarch64.so.1")
    entries = {entry.name: entry for entry in guest_python.entries(os.fspath(folder))}
    assert stat.S_ISDIR(entries["lib"].mode)
    assert stat.S_ISLNK(entries["lib/ld-linux-aarch64.so.1"].mode)


def test_folders_that_are_not_fit(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file") as caught:
        list(guest_python.entries(os.fspath(tmp_path / "none")))
    assert "guest-python.sh" in caught.value.hint
    for data in (X86_64, b"", b"#!/bin/sh\n"):
        (folder / "usr/bin/python3.11").write_bytes(data)
        with pytest.raises(UsageError, match="not a program for arm64"):
            list(guest_python.entries(os.fspath(folder)))
    (folder / "usr/bin/python3.11").unlink()
    with pytest.raises(UsageError, match="there is no Python 3"):
        list(guest_python.entries(os.fspath(folder)))


def test_an_archive_that_is_too_large(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    more = list(guest_python.entries(os.fspath(folder)))
    assert initramfs.build(__file__, more=more).startswith(b"070701")
    monkeypatch.setattr(initramfs, "_MOST", 100_000)
    with pytest.raises(UsageError, match="larger than 100000 bytes"):
        initramfs.build(__file__, more=more)


def test_it_goes_into_an_archive_of_ours_only(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["machine", "run", "--platform", "fvp", "--qemu", __file__, "--guest-python"]) == 2
    assert "--busybox" in capsys.readouterr().err
