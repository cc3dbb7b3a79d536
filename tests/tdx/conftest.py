# SPDX-License-Identifier: Apache-2.0
"""Directories of modelled images."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from livefw.files.host import HostFiles
from livefw.firmware import tdx_repository
from livefw.firmware.tdx_image import SIGNER
from livefw.providers.tdx.images import TdxImages, scan

MakeImages = Callable[..., TdxImages]


@pytest.fixture(autouse=True)
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """History, lock and sockets of every livefw that a test starts are the test's own."""
    monkeypatch.setenv("LIVEFW_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("LIVEFW_RUNTIME_DIR", str(tmp_path / "run"))


@pytest.fixture
def make_images(tmp_path: Path) -> MakeImages:
    """Write a directory and scan it: the releases named (all without any), other files by version, another table."""

    def _make(
        *versions: str, files: dict[str, bytes] | None = None, mapping: dict[str, Any] | None = None
    ) -> TdxImages:
        known = [release.version for release in tdx_repository.RELEASES]
        blobs = {version: tdx_repository.image(version) for version in versions or known}
        folder = str(tmp_path / "images")
        tdx_repository.write(folder, blobs | (files or {}), mapping or tdx_repository.table())
        return scan(HostFiles("/"), os.path.realpath(folder), signers=frozenset({SIGNER}))

    return _make
