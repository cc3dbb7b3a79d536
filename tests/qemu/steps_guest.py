# SPDX-License-Identifier: Apache-2.0
"""Runs in the guest: plays the steps of /steps.json on a real kernel with the module of dkms/, and tells what it saw.

One line a step: ``@`` and JSON of its number, its answer, the driver's log lines and its uevents. A line ``#`` and a
number asks for a change of the machine, and a line of input says that it is done. Each step waits for as many lines,
uevents and directories as the model had: whatever comes besides is told with a later step.
"""

import errno
import json
import os
import re
import socket
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

LFA = "/sys/firmware/lfa"
TOLD = re.compile(r"Arm LFA:|lfa_scan_row|BUG|WARNING|Oops|Call trace|stall|hung task")
LIMITED = re.compile(r"cannot be read|no room for|listed more than once|callbacks suppressed")
PATIENCE = 60.0
KSET_EVENTS = 15


def answer(action: Callable[..., Any], *words: Any) -> Any:
    """What an action returns, or the name of its errno."""
    try:
        return action(*words)
    except OSError as error:
        return errno.errorcode[error.errno or 0]


def read(path: str) -> str:
    descriptor = os.open(f"{LFA}/{path}", os.O_RDONLY)
    try:
        return os.read(descriptor, 4096).decode()
    finally:
        os.close(descriptor)


def write(path: str, text: str) -> int:
    descriptor = os.open(path, os.O_WRONLY)
    try:
        return os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)


def names() -> list[str]:
    return sorted(os.listdir(LFA)) if os.path.isdir(LFA) else []


def until(action: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not action() and time.monotonic() < end:
        time.sleep(0.005)


def module(program: str, *words: str) -> bool:
    return os.spawnv(os.P_WAIT, "/bin/busybox", [program, *words]) == 0


class Player:
    def __init__(self) -> None:
        self.log = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK)
        os.lseek(self.log, 0, os.SEEK_END)  # what the kernel said before is not of a step
        self.uevents = socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, KSET_EVENTS)
        self.uevents.bind((0, 1))
        self.uevents.setblocking(False)
        self.lines: list[str] = []
        self.events: list[list[str]] = []
        self.opened: int | None = None
        self.writer = threading.Thread()
        self.written: Any = None

    def collect(self) -> None:
        while True:
            try:
                text = os.read(self.log, 8192).decode(errors="replace").partition(";")[2].splitlines()[0]
            except BlockingIOError:
                break
            except BrokenPipeError:
                text = "BUG: the log has run over"
            if TOLD.search(text):
                self.lines.append(text)
        while True:
            try:
                head, *pairs = self.uevents.recv(8192).decode().rstrip("\0").split("\0")
            except BlockingIOError:
                break
            if "SUBSYSTEM=lfa" in pairs:
                more = sorted(each for each in pairs if not each.startswith(("ACTION=", "DEVPATH=", "SEQNUM=")))
                self.events.append([head, *more])

    def play_list(self) -> list[str]:
        return names()

    def play_show(self) -> dict[str, Any]:
        paths = [f"{name}/{file}" for name in names() if "-" in name for file in sorted(os.listdir(f"{LFA}/{name}"))]
        return {path: [os.stat(f"{LFA}/{path}").st_mode & 0o777, answer(read, path)] for path in paths}

    def play_read(self, path: str) -> str:
        return read(path)

    def play_write(self, path: str, text: str) -> int:
        return write(f"{LFA}/{path}", text)

    def play_open(self, path: str) -> str:
        if self.opened is not None:
            os.close(self.opened)
            self.opened = None
        self.opened = os.open(f"{LFA}/{path}", os.O_RDONLY)
        return "opened"

    def play_again(self) -> str:
        return os.pread(self.opened, 4096, 0).decode() if self.opened is not None else "none"

    def play_cpu(self, cpu: int, digit: str) -> int:
        return write(f"/sys/devices/system/cpu/cpu{cpu}/online", digit)

    def play_load(self, *limits: str) -> bool:
        return module("insmod", "/livefw_lfa.ko", *limits)

    def play_unload(self) -> bool:
        return module("rmmod", "livefw_lfa")

    def play_begin(self, path: str, text: str) -> str:
        self.writer = threading.Thread(target=self.in_background, args=(path, text))
        self.writer.start()
        return "begun"

    def play_until(self, path: str, text: str) -> str:
        until(lambda: answer(read, path) == text)
        return read(path)

    def play_end(self) -> Any:
        self.writer.join()
        return self.written

    def play(self, step: list[Any], *, busy: bool) -> Any:
        """The answer; EBUSY counts at once only where the model has it too, as clean-up may still be under way."""
        op, *words = step
        end = time.monotonic() + PATIENCE
        while (said := answer(getattr(self, f"play_{op}"), *words)) == "EBUSY":
            if busy or time.monotonic() > end:
                break
            time.sleep(0.01)
        return said

    def settled(self, lines: int, events: int, listed: list[str]) -> bool:
        self.collect()
        firm = [line for line in self.lines if not LIMITED.search(line)]
        return len(firm) >= lines and len(self.events) >= events and names() == listed

    def in_background(self, path: str, text: str) -> None:
        self.written = answer(write, f"{LFA}/{path}", text)


def main() -> None:
    player = Player()
    with open("/steps.json") as file:
        steps = json.load(file)
    print("BEGIN", flush=True)
    for number, (step, lines, events, listed, busy) in enumerate(steps):
        if step[0] == "host":
            print(f"#{number}", flush=True)
            sys.stdin.readline()
            said = None
        else:
            said = player.play(step, busy=busy)

        until(partial(player.settled, lines, events, listed))
        print("@" + json.dumps([number, said, player.lines, player.events]), flush=True)
        player.lines, player.events = [], []
    print("END", flush=True)


main()
