# SPDX-License-Identifier: Apache-2.0
"""``livefw machine run --qemu``: what it refuses to boot, what it says of a silent console, and how it ends.

QEMU is a stand-in, but for the last test.
"""

import gzip
import os
import shutil
import signal
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from livefw.cli.machine import qemu as command
from livefw.errors import UsageError
from livefw.machine.qemu import kernel_file

IMAGE = bytes(56) + b"ARM\x64" + bytes(100)
"""Linux, Documentation/arch/arm64/booting.rst: magic 0x644d5241 at 56."""
Run = Callable[..., subprocess.Popen[str]]


def zboot(inside: bytes, method: bytes = b"gzip") -> bytes:
    """As drivers/firmware/efi/libstub/zboot-header.S."""
    head = b"MZ\0\0zimg" + struct.pack("<2I", 64, len(inside)) + bytes(8) + method.ljust(32, b"\0")
    return head.ljust(64, b"\0") + inside


@pytest.mark.parametrize(
    ("data", "inside"),
    [
        (IMAGE, None),
        (b"MZ" + IMAGE[2:], None),  # with an EFI stub
        (gzip.compress(IMAGE, mtime=0), IMAGE),
        (zboot(gzip.compress(IMAGE, mtime=0)), IMAGE),
    ],
)
def test_kernels(tmp_path: Path, data: bytes, inside: bytes | None) -> None:
    path = tmp_path / "kernel"
    path.write_bytes(data)
    assert kernel_file.image(str(path)) == inside


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"", "empty"),
        (b"root:x:0:0:root:/root:/bin/bash\n" * 10, "text"),  # /etc/passwd
        (b"root\n", "too short: 5 bytes"),
        (b"\x7fELF\x02\x01\x01" + bytes(11) + struct.pack("<H", 62) + bytes(100), "an ELF file for x86-64"),
        (b"\x7fELF\x02\x01\x01" + bytes(11) + struct.pack("<H", 183) + bytes(100), "an ELF file for arm64"),
        (bytes(0x202) + b"HdrS" + bytes(100), "a kernel for x86"),  # bzImage
        (b"MZ" + bytes(200), "an EFI program"),
        (b"\xfd7zXZ\0" + bytes(100), "compressed with xz"),
        (b"#!/bin/sh\n" + b"x" * 100, "a script"),
        (b"!<arch>\ndebian-binary" + bytes(100), "an archive or a Debian package"),
        (gzip.compress(b"text\n" * 50, mtime=0), "compressed, and what is inside is text"),
        (gzip.compress(IMAGE, mtime=0)[:-12], "damaged"),
        (zboot(b"x" * 50, b"zstd"), "compressed with zstd"),
        (zboot(gzip.compress(IMAGE, mtime=0)[:20]), "cut off"),
        (bytes(range(0x80, 0x88)) + bytes(100) + b"\xff", "of an unknown kind"),
    ],
)
def test_what_is_no_kernel_is_named(tmp_path: Path, data: bytes, found: str) -> None:
    path = tmp_path / "file"
    path.write_bytes(data)
    with pytest.raises(UsageError) as caught:
        kernel_file.image(str(path))
    assert caught.value.message.startswith(f"{path} is no kernel for arm64: ")
    assert found in caught.value.message or (found == "damaged" and "cut off" in caught.value.message)
    assert "ARM\\x64" in caught.value.hint


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Start the command with a stand-in for QEMU that does what it is told."""
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin/qemu-system-aarch64"
    shutil.copy(Path(__file__).with_name("fake_qemu.py"), program)
    program.chmod(0o755)
    (tmp_path / "monitor.bin").write_bytes(b"x")
    (tmp_path / "Image").write_bytes(IMAGE)
    (tmp_path / "run").mkdir(mode=0o700)

    def start(what: str, *words: str, silent_s: float = 60.0) -> subprocess.Popen[str]:
        code = (
            f"from livefw.cli.machine import qemu; qemu._SILENT_S = {silent_s}; from livefw.cli.main import command;"
            " command()"
        )
        environment = os.environ | {
            "FAKE_QEMU": what,
            "LIVEFW_MONITOR": str(tmp_path),
            "LIVEFW_RUNTIME_DIR": str(tmp_path / "run"),
            "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}",
        }
        return subprocess.Popen(
            [sys.executable, "-c", code, "machine", "run", "--platform", "fvp", *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )

    return start


def test_a_silent_console_is_reported(run: Run, tmp_path: Path) -> None:
    with run("silent", "--qemu", str(tmp_path / "Image"), silent_s=0.1) as process:
        assert process.stderr
        said = process.stderr.readline()
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    assert "console has been silent for 0 s" in said
    assert "--append 'earlycon" in said
    assert process.returncode == 0


@pytest.mark.parametrize(
    ("what", "code", "said"),
    [
        ("off", 0, ""),
        ("dies", 1, "QEMU ended with exit code 1: qemu-system-aarch64: the host is out of memory"),
        ("killed", 1, "QEMU was ended by signal 9"),
        ("panics", 1, "Kernel panic - not syncing: VFS: Unable to mount root fs"),
    ],
)
def test_it_ends_with_the_guest_and_says_how(run: Run, tmp_path: Path, what: str, code: int, said: str) -> None:
    process = run(what, "--qemu", str(tmp_path / "Image"))
    out, err = process.communicate(timeout=60)
    assert (process.returncode, "Booting Linux" in out) == (code, True), (out, err)
    assert said in err if said else err == ""
    assert "silent" not in err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--busybox", "/bin/true"), "--busybox is for a real kernel, and --qemu is missing"),
        (("--initrd", "x"), "--initrd is for a real kernel"),
        (("--disk", "x"), "--disk is for a real kernel"),
        (("--kernel-module", "x"), "--kernel-module is for a real kernel"),
        (("--guest-command", "x"), "--guest-command is for a real kernel"),
        (("--guest-python",), "--guest-python is for a real kernel"),
        (("--append", "x"), "--append is for a real kernel"),
        (("--el1",), "--el1 is for a real kernel"),
        (("--qemu", "/etc/passwd"), "/etc/passwd is no kernel for arm64: text"),
        (("--qemu", "/nonexistent"), "/nonexistent"),
        (("--qemu", "/dev/zero"), "/dev/zero"),
    ],
)
def test_what_cannot_be_booted_is_refused_at_once(run: Run, words: tuple[str, ...], message: str) -> None:
    process = run("silent", *words)
    out, err = process.communicate(timeout=60)
    assert (process.returncode != 0, out, message in err) == (True, "", True), err
    assert "defect" not in err


def test_every_option_of_a_kernel_is_known() -> None:
    import argparse

    parser = argparse.ArgumentParser()
    command.configure(parser)
    options = {action.dest for action in parser._actions} - {"help", "qemu"}
    assert options == set(command._ONLY)


def test_the_real_qemu_boots_what_is_an_image_only(built: Path, tmp_path: Path) -> None:
    """The test guest is an Image; without the name of its format it would still run."""
    guest = (built / "guest.bin").read_bytes()
    (tmp_path / "Image").write_bytes(guest)
    (tmp_path / "raw").write_bytes(guest.replace(b"ARM\x64", bytes(4), 1))
    assert kernel_file.image(str(tmp_path / "Image")) is None
    with pytest.raises(UsageError, match="is no kernel for arm64"):
        kernel_file.image(str(tmp_path / "raw"))
    environment = os.environ | {"LIVEFW_RUNTIME_DIR": str(tmp_path / "run"), "LIVEFW_MONITOR": str(built)}
    (tmp_path / "run").mkdir(mode=0o700)
    words = ["machine", "run", "--platform", "fvp", "--cpus", "1", "--qemu", str(tmp_path / "Image")]
    with subprocess.Popen(
        [sys.executable, "-m", "livefw", *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
    ) as process:
        assert process.stdout
        assert b"fvp boots" in process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=60)
    assert (process.returncode, b"defect" in err) == (0, False), err
