# SPDX-License-Identifier: Apache-2.0
"""The page for Cockpit in a browser: a daemon on a modelled machine, a fresh cockpit-ws, and Chromium."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from playwright.sync_api import Browser

from livefw.cli.demo import site
from livefw.cli.demo.site import Cockpit
from livefw.errors import NotInstalled
from livefw.machine.config import load
from livefw.machine.machine import Machine

from ..daemon.conftest import CHECKOUT, Daemon, Serve, need, once
from ..daemon.conftest import bmc as bmc
from ..daemon.conftest import folder as folder
from ..daemon.conftest import mounted as mounted
from ..daemon.conftest import planted as planted
from ..daemon.conftest import serve as serve
from ..debian_root import CACHE, INSTALL, DebianRoot
from .browser import Visit, chromium

Hold = Callable[..., Cockpit]
Enter = Callable[..., Visit]


class Held(NamedTuple):
    """A modelled machine, the daemon on it, and Cockpit with the page."""

    machine: Machine
    root: Path
    daemon: Daemon
    cockpit: Cockpit


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page, built once in a run of the tests."""
    need("node", "nodejs")
    need("npm", "npm")

    def build(folder: Path) -> None:
        command = [CHECKOUT / "scripts/cockpit.sh", folder / "page"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    return once(tmp_path_factory, "cockpit-page", build) / "page"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One Chromium for the tests of a module. Not for longer: while there is one, asyncio has a loop in this thread.

    (The scope "package" would be the whole run: a folder without `__init__.py` is no package to pytest.)
    """
    with chromium() as made:
        yield made


NEWER = "trixie"
"""The release of Debian whose Cockpit is the newer one."""
both = pytest.mark.parametrize("release", ["", NEWER], indirect=True, ids=["here", NEWER])
"""For what is tried with the newer Cockpit too; LIVEFW_COCKPIT=trixie tries everything with it, and only that."""


@pytest.fixture
def release(request: pytest.FixtureRequest) -> str:
    """The release of Debian whose Cockpit it is; empty for this machine's."""
    return str(getattr(request, "param", "")) or os.environ.get("LIVEFW_COCKPIT", "")


@pytest.fixture
def around(release: str, folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Sequence[str]:
    """What runs a command with that Cockpit, which is installed once in a run of the tests."""
    if not release:
        return ()

    def install(layer: Path) -> None:
        packages = ("cockpit-ws", "cockpit-system")
        DebianRoot.of(release, layer / "installed").run(*INSTALL, "--no-install-recommends", *packages)

    made = once(tmp_path_factory, f"cockpit-{release}", install) / "installed"
    return DebianRoot((CACHE / release,), made).above(folder / "debian").around


@pytest.fixture
def hold(built: Path, folder: Path, around: Sequence[str]) -> Iterator[Hold]:
    """Hold up cockpit-ws with the page of a daemon."""
    with ExitStack() as stack:

        def start(daemon: Daemon, *, bridge: Sequence[str] = ("cockpit-bridge",)) -> Cockpit:
            page = shutil.copytree(built, folder / "page")  # which every user can read
            try:
                return stack.enter_context(
                    site.cockpit(str(page), daemon.path, f"{folder}/cockpit", bridge=bridge, within=around)
                )
            except NotInstalled as error:
                pytest.skip(f"{error}; on Debian: {error.hint}")

        yield start


@pytest.fixture
def enter(browser: Browser) -> Iterator[Enter]:
    """Log in with a browser that has seen nothing. Whatever a test is about, no visit may do what a page must not."""
    visits: list[Visit] = []

    def start(cockpit: Cockpit, **options: Any) -> Visit:
        visit = Visit(browser, cockpit, **options)
        visits.append(visit)
        visit.log_in()
        return visit

    yield start
    for each in visits:
        each.context.close()
    assert [wrong for each in visits for wrong in each.wrong] == []


@pytest.fixture
def held(mounted: Callable[..., tuple[Machine, Path]], serve: Serve, hold: Hold) -> Held:
    """A machine on which an RMM is pending. It is mounted, so the tests carry the mark ``fuse``."""
    machine, root = mounted(load("vera"))
    daemon = serve(root)
    return Held(machine, root, daemon, hold(daemon))
