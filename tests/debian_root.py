# SPDX-License-Identifier: Apache-2.0
"""A Debian of another release, or one with nothing in it, for what is installed or run there. Needs root.

scripts/setup.sh makes one of each release once. What a test changes is in a layer of its own above it, which is mounted
for each command in a namespace of its own: nothing is left mounted, however a test ends.
"""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Self

import pytest

CACHE = Path(os.environ.get("LIVEFW_TEST_CACHE") or Path.home() / ".cache/livefw") / "debian"
"""One of each release, by its name."""
INSTALL = ("apt-get", "install", "--quiet", "--yes")
"""Installs packages, and what they depend on, from those that were fetched when it was made: there is no network."""
RELEASES = ("bookworm", "trixie")

_MOUNT = 'mount -t overlay -o "lowerdir=$1,upperdir=$2/up,workdir=$2/work" debian "$2/root"'
_INSIDE = f"""{_MOUNT} && mount -t proc proc "$2/root/proc" && mount --rbind /dev "$2/root/dev" || exit
root=$2/root; shift 2; exec chroot "$root" "$@" """
_AROUND = f"""{_MOUNT} && mount --rbind "$2/root/etc" /etc && mount --rbind "$2/root/usr" /usr || exit
shift 2; exec "$@" """
_KEPT = ("/srv/", "/tmp/", "/var/cache/", "/var/lib/apt/", "/var/lib/dpkg/", "/var/log/")
_ENVIRONMENT = {
    "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LC_ALL": "C.UTF-8",
    "DEBIAN_FRONTEND": "noninteractive",
}


class DebianRoot(NamedTuple):
    """The directories that it consists of, the uppermost first, and the folder with the layer for what is written."""

    lower: tuple[Path, ...]
    layer: Path

    @classmethod
    def of(cls, release: str, layer: Path) -> Self:
        """One of a release as it was made; the test is skipped where there is none, or where nothing can be mounted."""
        made = CACHE / release
        if os.geteuid() != 0 or not (made / "usr/bin/python3").exists():
            pytest.skip(f"there is no clean Debian {release} to install into; as root: scripts/setup.sh packages")
        root = cls((made,), layer)._prepared()
        tried = root._inside("true")
        if tried.returncode != 0:
            pytest.skip(f"no layer can be mounted above a directory here: {tried.stdout}")
        return root

    def above(self, layer: Path) -> Self:
        """The same, with what was written so far, for somebody who changes that: this one stays as it is."""
        return self._replace(lower=(self.layer / "up", *self.lower), layer=layer)._prepared()

    def _prepared(self) -> Self:
        for name in ("up", "work", "root"):
            (self.layer / name).mkdir(parents=True)
        return self

    def run(self, *words: str) -> str:
        """What a command prints that sees this Debian and nothing else; if it fails, the test does."""
        done = self._inside(*words)
        assert done.returncode == 0, f"{words}\n{done.stdout}"
        return done.stdout

    def _inside(self, *words: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            ["unshare", "--net", *self._entered(_INSIDE, words)],
            env=_ENVIRONMENT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )

    @property
    def around(self) -> Sequence[str]:
        """What runs a command, appended to it, with this Debian's /usr and /etc, and all the rest as it is here."""
        return self._entered(_AROUND, ())

    def put(self, file: Path) -> str:
        """Copy a file into /srv; its path there."""
        folder = self.layer / "up/srv"
        folder.mkdir(exist_ok=True)
        (folder / file.name).write_bytes(file.read_bytes())
        return f"/srv/{file.name}"

    def _entered(self, script: str, words: Sequence[str]) -> list[str]:
        lower = ":".join(map(str, self.lower))
        return ["unshare", "--mount", "sh", "-c", script, "sh", lower, str(self.layer), *words]

    def files(self) -> set[str]:
        """Every file of it, but for what was put there, and what apt, dpkg and logs keep of what there was."""
        found = self.run("find", "/", "-xdev").splitlines()
        return {each for each in found if not each.startswith(_KEPT)}
