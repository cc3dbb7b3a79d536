# SPDX-License-Identifier: Apache-2.0
"""What a node of the firmware upload class is put through, by the model and by a kernel, and what is compared.

Runs as a program in the guest too, on the node that the kernel's own ``test_firmware`` registers (lib/test_firmware.c):
an image that begins with ``inject:PHASE:WORD`` fails there. One line of JSON a step is printed, of its answer.
"""

import errno
import json
import os
import stat
import time
from collections.abc import Iterator
from typing import Any, Protocol

NODE = "/sys/class/firmware/tdx_module"
REGISTER = "/sys/devices/virtual/misc/test_firmware/upload_register"
FILES = ("cancel", "data", "error", "loading", "remaining_size", "status")
PHASES = ("preparing", "transferring", "programming")
WORDS = ("hw-error", "timeout", "device-busy", "invalid-file-size", "read-write-error", "flash-wearout",
         "firmware-invalid")  # fmt: skip
PATIENCE = 120.0
"""Seconds in which a guest's worker has ended, on the slowest machine."""

Step = tuple[str, ...]


class Node(Protocol):
    """The files, and what the kernel says of them; OSError as the system calls raise it."""

    def mode(self, name: str) -> int: ...
    def read(self, name: str) -> bytes: ...
    def write(self, name: str, data: bytes) -> int: ...
    def settle(self) -> None: ...
    def until(self, name: str, data: bytes) -> None: ...
    def log(self) -> list[str]: ...


def _state() -> Iterator[Step]:
    for name in ("loading", "status", "error", "remaining_size", "data"):
        yield "read", name


def _upload(image: str) -> Iterator[Step]:
    yield "write", "loading", "1\n"
    yield "write", "data", image
    yield "write", "loading", "0\n"
    yield ("settle",)
    yield from _state()


NUMBERS = ("-1\n", "0\n", "1\n", "2\n", "7", "-5", "+1", "1 x", "1x", "7seven", "abc", " 1", "\n", "-", "1\n\n", "0x1",
           "01", "2147483648", "4294967297", "-4294967295", "18446744073709551617", "99999999999999999999999 ",
           "1\0x")  # fmt: skip
"""What is written to ``loading``, with a load open, and without."""


def _loading(number: str) -> Iterator[Step]:
    yield "write", "loading", "1\n"
    yield "write", "data", "image"
    yield "write", "loading", number
    yield ("settle",)
    yield ("log",)
    yield from _state()
    yield "write", "loading", "-1\n"
    yield "write", "loading", number
    yield ("log",)
    yield from _state()
    yield "write", "loading", "-1\n"


def _busy() -> Iterator[Step]:
    """The driver waits until it is cancelled."""
    yield "write", "loading", "1\n"
    yield "write", "data", "inject:programming:user-abort"
    yield "write", "loading", "0\n"
    yield "until", "status", "programming\n"
    yield from _state()
    yield "write", "data", "x"
    for number in ("1\n", "0\n", "-1\n", "abc", "7"):
        yield "write", "loading", number
        yield from _state()
    for word in ("0\n", "x\n", "off", "2", "o", "no", "d"):
        yield "write", "cancel", word
    yield "write", "cancel", "1\n"
    yield ("settle",)
    yield from _state()
    yield "write", "cancel", "1\n"
    yield "write", "cancel", "x"
    yield ("log",)


def steps() -> Iterator[Step]:
    """All of them, in order."""
    for name in FILES:
        yield "mode", name
        yield "read", name
        if name in ("error", "remaining_size", "status"):
            yield "write", name, "1"
    yield from _upload("x" * 5000)
    for phase in PHASES:
        for word in WORDS:
            yield from _upload(f"inject:{phase}:{word}")
    yield from _upload("")
    yield "write", "data", "before it is open"
    yield from _state()
    yield from _upload("image")
    for number in NUMBERS:
        yield from _loading(number)
    yield "write", "data", "not open"
    yield "write", "loading", "0\n"
    yield from _state()
    yield ("log",)
    yield from _upload("y" * 4096)
    yield from _busy()
    yield from _upload("z" * 10)


def play(node: Node) -> Iterator[Any]:
    """The answer to each step: what was returned, or the name of an errno."""
    for step in steps():
        try:
            yield _answer(node, *step)
        except OSError as error:
            yield errno.errorcode[error.errno or 0]


def _answer(node: Node, action: str, name: str = "", text: str = "") -> Any:
    match action:
        case "mode":
            return oct(node.mode(name))
        case "read":
            return node.read(name).decode("latin-1")
        case "write":
            return node.write(name, text.encode("latin-1"))
        case "until":
            return node.until(name, text.encode())
        case "log":
            return node.log()
    return node.settle()


class KernelNode:
    """The node of a kernel."""

    def __init__(self) -> None:
        self._kmsg = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK)
        os.lseek(self._kmsg, 0, os.SEEK_END)

    def mode(self, name: str) -> int:
        return stat.S_IMODE(os.stat(f"{NODE}/{name}").st_mode)

    def read(self, name: str) -> bytes:
        descriptor = os.open(f"{NODE}/{name}", os.O_RDONLY)
        try:
            return os.read(descriptor, 4096)
        finally:
            os.close(descriptor)

    def write(self, name: str, data: bytes) -> int:
        descriptor = os.open(f"{NODE}/{name}", os.O_WRONLY)
        try:
            done = os.write(descriptor, data)
            while done < len(data):
                done += os.write(descriptor, data[done:])
            return done
        finally:
            os.close(descriptor)

    def settle(self) -> None:
        self.until("status", b"idle\n")

    def until(self, name: str, data: bytes) -> None:
        end = time.monotonic() + PATIENCE
        while self.read(name) != data:
            if time.monotonic() > end:
                raise OSError(errno.ETIMEDOUT, name)
            time.sleep(0.002)

    def log(self) -> list[str]:
        lines = []
        while True:
            try:
                lines.append(os.read(self._kmsg, 8192).decode(errors="replace").partition(";")[2].splitlines()[0])
            except BlockingIOError:
                return [line for line in lines if "tdx_module" in line]


if __name__ == "__main__":
    with open(REGISTER, "wb", buffering=0) as register:
        register.write(b"tdx_module")
    for answered in play(KernelNode()):
        print(json.dumps(answered), flush=True)
