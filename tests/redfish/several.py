# SPDX-License-Identifier: Apache-2.0
"""Several modelled BMCs of one model behind one machine, and the command that meets them."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Self

from livefw.testing.bmc import ModelBmc

PASSWORD = "/etc/livefw/bmc.credentials"


class Racks:
    """BMCs by name; ``silent`` ones accept connections and never say a word."""

    def __init__(
        self, root: Path, *names: str, silent: tuple[str, ...] = (), settings: str = "", latency: float = 0.0
    ) -> None:
        self.root = root
        self.bmcs: dict[str, ModelBmc] = {}
        self._stack = ExitStack()
        folder = root / "etc/livefw"
        folder.mkdir(parents=True)
        tables = [settings]
        for name in names:
            bmc = self.bmcs[name] = self._stack.enter_context(ModelBmc(task_seconds=0.05, latency=latency))
            (folder / f"{name}.pem").write_bytes(bmc.certificate)
            tables.append(self._table(name, bmc.url, f"{bmc.user}\n{bmc.password}\n"))
        for name in silent:
            mute = self._stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            tables.append(self._table(name, f"https://127.0.0.1:{mute.getsockname()[1]}", "a\nb\n"))
        (folder / "livefw.toml").write_text("\n".join(tables))

    def _table(self, name: str, url: str, credentials: str) -> str:
        file = self.root / f"etc/livefw/{name}.credentials"
        file.write_text(credentials)
        file.chmod(0o600)
        ca = f'ca = "/etc/livefw/{name}.pem"\n' if name in self.bmcs else ""
        place = f"/etc/livefw/{name}.credentials"
        return f'[[redfish.bmc]]\nname = "{name}"\nurl = "{url}"\ncredentials = "{place}"\n{ca}'

    def livefw(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run the command on the machine."""
        return subprocess.run(self._command(*words), env=self._environment, capture_output=True, text=True, check=False)

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Begin to run it."""
        quiet = subprocess.DEVNULL
        return subprocess.Popen(self._command(*words), env=self._environment, stdout=quiet, stderr=quiet, text=True)

    @contextmanager
    def watching(self, *words: str) -> Iterator[Iterator[Any]]:
        """The events of `livefw watch`, each as soon as it is there."""
        command = self._command("--json", "watch", *words)
        with subprocess.Popen(command, env=self._environment, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout
            try:
                yield map(json.loads, process.stdout)
            finally:
                process.terminate()

    def _command(self, *words: str) -> list[str]:
        settings = str(self.root / "etc/livefw")
        return [sys.executable, "-m", "livefw", "--root", str(self.root), "--settings", settings, *words]

    @property
    def _environment(self) -> dict[str, str]:
        places = {"LIVEFW_STATE": str(self.root / "state"), "LIVEFW_RUNTIME_DIR": str(self.root)}
        return os.environ | places

    def answer(self, *words: str) -> Any:
        """The document of a command."""
        return json.loads(self.livefw("--json", *words).stdout)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()
