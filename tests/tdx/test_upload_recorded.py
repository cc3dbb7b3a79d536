# SPDX-License-Identifier: Apache-2.0
"""The model of the firmware upload class against a real kernel: each step is answered to the letter alike.

What Debian's kernels answered, with their own driver ``test_firmware`` on the node, is in upload_steps*.out.
tests/nvme/test_kernel_newest.py asks the newest one again.
"""

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from tests.tdx import upload_steps
from tests.tdx.upload_host import Host

from livefw.kernel.clock import MS
from livefw.kernel.fw_upload import UploadError
from livefw.kernel.os import Os
from livefw.kernel.release import Kernel

RECORDED = {"6.12.117": "upload_steps_6.12.out", "7.3.4": "upload_steps.out"}
"""By release."""
NEWEST = "7.3.4"
LARGEST, BLOCK = 2048, 37
"""Bytes that the driver takes altogether, and in one call (Linux lib/test_firmware.c)."""


class FirmwareTester:
    """What the kernel's driver does with an image (Linux lib/test_firmware.c)."""

    def __init__(self, os: Os) -> None:
        self._os = os
        self._cancelled = False
        self._fails: tuple[str, str] = ("", "")

    async def prepare(self, data: bytes) -> UploadError | None:
        self._cancelled = False
        if not 0 < len(data) <= LARGEST:
            return UploadError.INVALID_SIZE
        found = re.match(rb"inject:([a-z]+):([a-z-]+)", data)
        self._fails = (found[1].decode(), found[2].decode()) if found else ("", "")
        return await self._at("preparing")

    async def write(self, data: bytes, offset: int) -> tuple[UploadError | None, int]:
        return await self._at("transferring"), min(BLOCK, len(data) - offset)

    async def poll_complete(self) -> UploadError | None:
        return await self._at("programming")

    def cancel(self) -> None:
        self._cancelled = True

    async def _at(self, phase: str) -> UploadError | None:
        if self._fails[0] != phase:
            return None
        error = UploadError(self._fails[1])
        while error is UploadError.CANCELED and not self._cancelled:
            await self._os.sleep(100 * MS)
        return error


class ModelNode:
    """The modelled node, in virtual time."""

    def __init__(self, release: str) -> None:
        self._host = Host(FirmwareTester, Kernel(release=release))
        self._told = 0

    def mode(self, name: str) -> int:
        return self._host.mode(name)

    def read(self, name: str) -> bytes:
        return self._host.read(name)

    def write(self, name: str, data: bytes) -> int:
        return self._host.write_all(name, data)

    def settle(self) -> None:
        self._host.settle()

    def until(self, name: str, data: bytes) -> None:
        while self.read(name) != data:
            self._host.after(MS)

    def log(self) -> list[str]:
        lines = [record.text for record in self._host.os.log]
        new, self._told = lines[self._told :], len(lines)
        return new


Answers = list[tuple[upload_steps.Step, Any]]


def with_steps(answers: Iterable[Any]) -> Answers:
    """Each answer with its step, so that one that differs is found."""
    return list(zip(upload_steps.steps(), answers, strict=True))


def recorded(release: str) -> Answers:
    """Of the kernel."""
    lines = Path(__file__).with_name(RECORDED[release]).read_text(encoding="ascii").splitlines()
    return with_steps(map(json.loads, lines))


def modelled(release: str) -> Answers:
    """Of the model, as they would be printed."""
    return with_steps(json.loads(json.dumps(list(upload_steps.play(ModelNode(release))))))


@pytest.mark.parametrize("release", RECORDED)
def test_the_model_answers_as_the_kernel_did(release: str) -> None:
    kernel = recorded(release)
    assert len(kernel) > 700
    assert modelled(release) == kernel
