# SPDX-License-Identifier: Apache-2.0
"""Hosts on one machine, each in namespaces of its own, with a modelled machine as its ``/sys``.

Reached by ``sshd -i`` as a ProxyCommand, so that there is neither a port nor an address, and no ``--root``: what runs
there finds ``/sys/firmware/lfa``, ``/etc/livefw`` and ``/var/lib/livefw`` as on any machine. Takes root.
"""

import os
import shlex
import shutil
import signal
import subprocess
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from livefw.machine.config import load
from livefw.machine.fuse.server import MountedTree
from livefw.machine.machine import Machine

# /etc and /var/lib are made of links to the real ones, so that a host can have files of its own in them.
_HOST = r"""
set -e
mount -t tmpfs tmpfs /run
own() {
    mkdir -p "/run/real$1"
    mount --rbind "$1" "/run/real$1"
    mount -t tmpfs tmpfs "$1"
    for each in "/run/real$1"/* "/run/real$1"/.[!.]*; do [ ! -e "$each" ] || ln -s "$each" "$1/"; done
}
own /etc
own /var/lib
rm -f /etc/passwd /etc/shadow /etc/machine-id /etc/livefw /var/lib/livefw
mkdir -p /run/sshd /etc/livefw /var/lib/livefw
printf '%s\n' root:x:0:0:root:/root:/bin/sh 'sshd:x:100:65534::/run/sshd:/usr/sbin/nologin' >/etc/passwd
echo 'root:*:19000:0:99999:7:::' >/etc/shadow
echo "$2" >/etc/machine-id
mount --bind "$3/sys" /sys
mount --bind "$3/dev/kmsg" /dev/kmsg
hostname "$1"
echo ready
exec sleep infinity
"""


class Sshd:
    """An SSH server that serves one connection on its standard input, with keys of its own."""

    def __init__(self, folder: Path, program: str, libraries: str = "") -> None:
        self._config = folder / "sshd_config"
        self._known = folder / "known_hosts"
        self._program, self._libraries = program, libraries
        self._key = folder / "key"
        for name in ("key", "host"):
            command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(folder / name)]
            subprocess.run(command, check=True)
        self._known.write_text(f"fleet {(folder / 'host.pub').read_text()}")
        self._config.write_text(
            f"HostKey {folder / 'host'}\nAuthorizedKeysFile {folder / 'key.pub'}\nStrictModes no\nUsePAM no\n"
            "PermitRootLogin prohibit-password\nPasswordAuthentication no\nPidFile none\nPrintMotd no\nLogLevel ERROR\n"
        )

    @classmethod
    def find(cls, folder: Path, unpacked: Path) -> "Sshd | None":
        """That of this machine, or of a package that was unpacked; None if there is none, or no client."""
        own = shutil.which("sshd", path="/usr/sbin:/usr/local/sbin")
        program = Path(own) if own else unpacked / "usr/sbin/sshd"
        if shutil.which("ssh") is None or not program.exists():
            return None
        libraries = "" if own else ":".join(map(str, unpacked.glob("usr/lib/*-linux-gnu")))
        return cls(folder, str(program), libraries)

    def variables(self, pid: int) -> dict[str, Any]:
        """What Ansible has to know to reach the host of which this is a process."""
        library = f"env LD_LIBRARY_PATH={self._libraries} " if self._libraries else ""
        proxy = f"{library}nsenter -t {pid} -m -u -n -p {self._program} -i -f {self._config}"
        options = {
            "ProxyCommand": proxy,
            "HostKeyAlias": "fleet",
            "UserKnownHostsFile": str(self._known),
            "StrictHostKeyChecking": "yes",
            "IdentitiesOnly": "yes",
            "LogLevel": "ERROR",
        }
        words = ["-F", "none", "-i", str(self._key), *(f"-o{name}={value}" for name, value in options.items())]
        return {"ansible_connection": "ssh", "ansible_user": "root", "ansible_ssh_common_args": shlex.join(words)}


class NamespaceHost:
    """A host, with its modelled machine in this process."""

    def __init__(self, name: str, folder: Path, sshd: Sshd) -> None:
        self.name = name
        self._sshd = sshd
        self._root = folder / name
        self._root.mkdir()
        self.machine = Machine(replace(load("vera"), cpus=4), real_time=True)
        self.machine.boot()
        self._tree = MountedTree(self.machine.tree, self.machine.runner, directory=str(self._root))
        words = ["unshare", "--mount", "--uts", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"]
        identity = sha256(name.encode()).hexdigest()[:32]
        self._process = subprocess.Popen(
            [*words, "sh", "-c", _HOST, "sh", name, identity, str(self._root)], stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        self._ready = self._process.stdout

    def wait(self) -> None:
        """Until it can be reached."""
        assert self._ready.readline() == "ready\n", f"{self.name} did not start"
        task = Path(f"/proc/{self._process.pid}/task/{self._process.pid}")
        (self.pid,) = map(int, (task / "children").read_text().split())

    def variables(self) -> dict[str, Any]:
        return self._sshd.variables(self.pid)

    def run(self, *words: str, text: str = "", check: bool = True) -> "subprocess.CompletedProcess[str]":
        """Run a command there, with a text on its standard input."""
        command = ["nsenter", "-t", str(self.pid), "-m", "-u", "-n", "-p", *words]
        return subprocess.run(command, input=text, capture_output=True, text=True, check=check)

    def processes(self, program: str) -> Iterable[int]:
        """Its processes of one program."""
        own = os.readlink(f"/proc/{self.pid}/ns/pid")
        for path in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if os.readlink(path / "ns/pid") == own and Path(os.readlink(path / "exe")).name == program:
                    yield int(path.name)

    def disconnect(self) -> None:
        """End each connection, and nothing else."""
        for pid in self.processes("sshd"):
            os.kill(pid, signal.SIGKILL)

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        self._ready.close()
        self._tree.close()
        self.machine.close()
