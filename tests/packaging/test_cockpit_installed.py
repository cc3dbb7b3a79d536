# SPDX-License-Identifier: Apache-2.0
"""The page's package, installed beside livefw's by apt into clean Debians, from nothing but their own packages."""

from pathlib import Path

import pytest

from ..debian_root import CACHE, INSTALL, RELEASES, DebianRoot
from .conftest import once

pytestmark = pytest.mark.timeout(600)
PAGE = "/usr/share/cockpit/livefw"


@pytest.fixture(scope="session", params=RELEASES)
def installed(
    request: pytest.FixtureRequest, package: Path, cockpit_package: Path, tmp_path_factory: pytest.TempPathFactory
) -> DebianRoot:
    """A Debian in which both are installed, once in a run of the tests; nobody changes it."""
    release = str(request.param)

    def install(folder: Path) -> None:
        root = DebianRoot.of(release, folder / "layer")
        root.run(*INSTALL, root.put(package), root.put(cockpit_package))

    return DebianRoot((CACHE / release,), once(tmp_path_factory, f"installed-{release}", install) / "layer")


def test_apt_installs_what_it_needs_and_cockpit_finds_it(installed: DebianRoot, tmp_path: Path) -> None:
    root = installed.above(tmp_path / "layer")
    for package in ("livefw", "cockpit-livefw", "cockpit-bridge", "cockpit-ws", "cockpit-system"):
        assert root.run("dpkg-query", "--show", "--showformat=${Status}", package) == "install ok installed"
    assert root.run("dpkg", "--audit") == ""
    (line,) = [each for each in root.run("cockpit-bridge", "--packages").splitlines() if each.startswith("livefw ")]
    assert line.split() == ["livefw", "Live", "firmware", PAGE]
    assert root.run("livefw", "--version").startswith("livefw ")
    # Where Cockpit's own pages refer to, and so does this one.
    for file in ("base1/cockpit.js", "static/fonts/RedHatText-Regular.woff2"):
        root.run("sh", "-c", f"ls /usr/share/cockpit/{file}*")


@pytest.mark.parametrize("installed", ["trixie"], indirect=True)
def test_without_livefw_cockpit_does_not_show_it(installed: DebianRoot, tmp_path: Path) -> None:
    """By the condition in the manifest, of which the bridge of Cockpit 287 knows nothing."""
    root = installed.above(tmp_path / "layer")
    root.run("rm", "/usr/bin/livefw")
    shown = root.run("cockpit-bridge", "--packages")
    assert "/usr/share/cockpit/shell" in shown
    assert PAGE not in shown


def test_it_is_removed_without_leaving_anything(installed: DebianRoot, tmp_path: Path) -> None:
    root = installed.above(tmp_path / "layer")
    assert f"{PAGE}/index.js" in root.files()
    root.run("apt-get", "purge", "--quiet", "--yes", "cockpit-livefw")
    assert "livefw" not in root.run("cockpit-bridge", "--packages")
    assert [each for each in root.files() if "cockpit" in each and "livefw" in each] == []
    root.run("livefw", "--version")  # which did not need it
    root.run("apt-get", "purge", "--quiet", "--yes", "livefw")
    assert [each for each in root.files() if "livefw" in each] == []
