# SPDX-License-Identifier: Apache-2.0
"""A BMC that answers as somebody's did, on a socket, and the command that meets it."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from livefw.machine.bmc.firmware import Pattern
from livefw.machine.bmc.server import BmcServer

from .. import starting
from .conftest import CREDENTIALS, SETTINGS, URL
from .field import Field, Rule


class Step(NamedTuple):
    """A command, its exit code, and what it says: text that is there, and text that is not."""

    words: str
    code: int
    says: tuple[str, ...] = ()
    never: tuple[str, ...] = ()


class ServedField(NamedTuple):
    """The BMC, and the folder of the machine that it belongs to."""

    bench: Field
    root: Path

    def command(self, words: str) -> list[str]:
        """The command as a list; IMAGE stands for the file of an image of version 2.0.0."""
        named = [str(self.root / "image.bin") if word == "IMAGE" else word for word in words.split()]
        settings = str(self.root / "etc/livefw")
        return [sys.executable, "-m", "livefw", "--root", str(self.root), "--settings", settings, *named]

    @property
    def environment(self) -> dict[str, str]:
        """Where the command keeps its history."""
        return os.environ | {"LIVEFW_STATE": str(self.root / "state"), "LIVEFW_RUNTIME_DIR": str(self.root)}

    def run(self, step: Step) -> None:
        """Run it, and compare what it says; every session that it had is closed."""
        done = starting.run(self.command(step.words)[3:], environment=self.environment)
        said = done.stdout + done.stderr
        assert done.returncode == step.code, (step.words, said)
        assert [text for text in step.says if text not in said] == [], (step.words, said)
        assert [text for text in step.never if text in said] == [], (step.words, said)
        assert self.bench.web.sessions == 0, step.words


@contextmanager
def served(root: Path, *rules: Rule, settings: str = "", pattern: Pattern = Pattern.STAGE) -> Iterator[ServedField]:
    """Serve a BMC with these rules, and write a folder for the machine."""
    bench = Field(*rules, seconds=0.05, pattern=pattern)
    bench.model.now = time.monotonic
    server = BmcServer(bench.web)
    try:
        folder = root / "etc/livefw"
        folder.mkdir(parents=True)
        text = SETTINGS.replace(URL, server.url) + 'ca = "/etc/livefw/rack.pem"\n' + settings
        (folder / "livefw.toml").write_text(text, encoding="ascii")
        (folder / "rack.pem").write_bytes(server.pem.certificate)
        secret = root / CREDENTIALS.lstrip("/")
        secret.write_text("admin\na word of passage\n", encoding="ascii")
        secret.chmod(0o600)
        boot = root / "proc/sys/kernel/random/boot_id"
        boot.parent.mkdir(parents=True)
        boot.write_text("5f3b2c1e-0000-4000-8000-000000000001\n", encoding="ascii")
        (root / "image.bin").write_bytes(b"version=2.0.0")
        yield ServedField(bench, root)
    finally:
        server.close()
