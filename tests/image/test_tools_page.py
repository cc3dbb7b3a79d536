# SPDX-License-Identifier: Apache-2.0
"""The tables of docs/reference/image-tools.md: both commands of each row write the same bytes."""

import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from livefw.abi.guid import BL31, RMM
from livefw.cli.main import main
from livefw.errors import ExitCode
from livefw.firmware.image import fip
from livefw.firmware.image.fip import Payload

Run = Callable[..., str]
_PAGE = Path(__file__).parents[2] / "docs/reference/image-tools.md"
_ROW = re.compile(r"^\| `(fiptool|mkeficapsule) ([^`]*)` \| `livefw ([^`]*)` \|$", re.MULTILINE)


def test_both_commands_of_each_row_write_the_same(
    fiptool: Run, mkeficapsule: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("all.fip").write_bytes(fip.dump([Payload.of(RMM.guid, b"RMM" * 33, 7), Payload.of(BL31.guid, b"BL31")]))
    Path("new").write_bytes(b"new" * 77)
    Path("empty").write_bytes(b"")
    tools = {"fiptool": fiptool, "mkeficapsule": mkeficapsule}
    out = Path("out")
    rows = _ROW.findall(_PAGE.read_text())
    assert len(rows) == 12
    for tool, theirs, ours in rows:
        tools[tool](*shlex.split(theirs))
        expected = out.read_bytes()
        out.unlink()
        assert main(shlex.split(ours)) == ExitCode.DONE
        assert out.read_bytes() == expected, ours
        out.unlink()
