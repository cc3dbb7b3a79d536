# SPDX-License-Identifier: Apache-2.0
"""``livefw image cab`` of an archive with several releases."""

import json
from pathlib import Path

import cabarchive
import pytest

from livefw.cli.main import main

TEXT = b"""<component type="firmware"><id>org.x</id><name>N</name><provides>
<firmware type="flashed">6c0762a6-12f2-4b56-92cb-ba8f633606d9</firmware></provides><releases>
<release version="2.0"><checksum target="content" filename="new.bin"/></release>
<release version="1.0"><checksum target="content" filename="old.bin"/></release>
<release version="0.9"><checksum target="content" filename="gone.bin"/></release></releases></component>"""


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    packed = cabarchive.CabArchive()
    for name, data in {"d\\new.bin": b"new", "d\\old.bin": b"old", "d\\a.metainfo.xml": TEXT}.items():
        packed[name] = cabarchive.CabFile(data)
    path = tmp_path / "x.cab"
    path.write_bytes(packed.save())
    return path


def test_all_images_are_shown_and_what_is_left_out_is_named(archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    why = "the archive is rejected: 'gone.bin', which the metainfo names, is not in it or empty"
    assert main(["image", "cab", str(archive)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if not line.startswith(" ")] == [
        "N 2.0: new.bin, 3 bytes",
        "N 1.0: old.bin, 3 bytes",
        f"left out: 0.9: {why}",
    ]
    assert main(["--json", "image", "cab", str(archive)]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["left_out"] == [{"version": "0.9", "why": why}]


def test_one_of_several_is_extracted(archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "old.bin"
    words = ["image", "cab", str(archive), "--extract", str(target)]
    assert main(words) == 2
    assert "name one with --version" in capsys.readouterr().err
    assert main([*words, "--version", "1.0"]) == 0
    assert target.read_bytes() == b"old"
    assert main([*words[:3], "--version", "0.9"]) == 2
    assert "'gone.bin'" in capsys.readouterr().err
    assert main([*words[:3], "--version", "3"]) == 2
    assert "has no version 3" in capsys.readouterr().err
