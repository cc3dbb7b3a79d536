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

from .. import starting

PASSWORD = "/etc/livefw/bmc.credentials"


class Racks:
    """BMCs by name; ``silent`` ones accept connections and never say a word. Those that are ``grouped`` have no tables
    of their own: they are in a list of the group ``row``."""

    def __init__(
        self,
        root: Path,
        *names: str,
        silent: tuple[str, ...] = (),
        settings: str = "",
        latency: float = 0.0,
        grouped: tuple[str, ...] = (),
        vendor: str = "livefw",
    ) -> None:
        self.root = root
        self.bmcs: dict[str, ModelBmc] = {}
        self._secrets: dict[str, str] = {}
        self._stack = ExitStack()
        folder = root / "etc/livefw"
        folder.mkdir(parents=True)
        tables = [settings]
        for name in names:
            bmc = self.bmcs[name] = self._stack.enter_context(
                ModelBmc(vendor=vendor, task_seconds=0.05, latency=latency)
            )
            (folder / f"{name}.pem").write_bytes(bmc.certificate)
            table = self._table(name, bmc.url, f"{bmc.user}\n{bmc.password}\n")
            tables += [] if name in grouped else [table]
        if grouped:
            self._write_list(folder, grouped)
            tables.append('[redfish.group.row]\nhosts-file = "/etc/livefw/row.hosts"\nverify = false\n')
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

    def _write_list(self, folder: Path, names: tuple[str, ...]) -> None:
        """Hosts of a group; users and passwords are in the environment."""
        places = {name: self.bmcs[name].url.removeprefix("https://") for name in names}
        (folder / "row.hosts").write_text("".join(f"{name} {place}\n" for name, place in places.items()))
        for name in names:
            prefix = f"LIVEFW_REDFISH_{name.upper()}"
            self._secrets |= {
                f"{prefix}_USERNAME": self.bmcs[name].user,
                f"{prefix}_PASSWORD": self.bmcs[name].password,
            }

    def livefw(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run the command on the machine."""
        return starting.run(self._command(*words)[3:], environment=self._environment)

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
        return os.environ | places | self._secrets

    def answer(self, *words: str) -> Any:
        """The document of a command."""
        return json.loads(self.livefw("--json", *words).stdout)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()
