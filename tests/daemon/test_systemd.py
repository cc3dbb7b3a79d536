# SPDX-License-Identifier: Apache-2.0
"""The service as Debian's package installs it, under a real systemd: a virtual machine is booted once, makes all the
checks of systemd_checks.py, and tells them on its second serial line."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from ..fwupd_plugin.conftest import module
from . import systemd_checks
from .conftest import CHECKOUT
from .systemd_guest import NO_PLUGIN
from .virtual_machine import PATIENCE_S, Told, story

pytestmark = pytest.mark.timeout(PATIENCE_S)

__all__ = ["module"]
ADDITION = CHECKOUT / "packaging/fwupd-plugin/fwupd.conf"


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory, package: Path, request: pytest.FixtureRequest) -> Told:
    """The story of one machine."""

    def files() -> Mapping[str, Path]:
        here = Path(__file__).parent
        found = {f"daemon/{name}": here / name for name in ("systemd_guest.py", "systemd_checks.py")}
        try:
            plugin: Path = request.getfixturevalue(module.__name__)
        except pytest.skip.Exception:
            return {**found, "livefw.deb": package}
        parts = plugin / "libfu_plugin_arm_lfa.so", plugin / "quirks/arm-lfa.quirk", ADDITION
        return {**found, "livefw.deb": package, **{f"plugin/{each.name}": each for each in parts}}

    return story(tmp_path_factory, "systemd", "daemon.systemd_checks", files)


@pytest.mark.parametrize("name", systemd_checks.CHECKS)
def test_under_a_real_systemd(name: str, told: Told) -> None:
    if told.require(name) == NO_PLUGIN:
        pytest.skip(NO_PLUGIN)
