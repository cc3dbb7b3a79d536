# SPDX-License-Identifier: Apache-2.0
"""``livefw image extract``, ``replace``, ``remove``: the same bytes as fiptool's ``unpack``, ``update``, ``remove``."""

import json
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from livefw.abi.guid import BL31, BL33, RMM, Guid
from livefw.cli.main import main
from livefw.errors import ExitCode
from livefw.firmware.image import fip
from livefw.firmware.image.fip import Payload

Run = Callable[..., str]
A, B, C = (Guid.parse(f"{digit * 8}-7f5a-4f1f-9d3c-5d1a0c7e8b90") for digit in "abc")
"""Without a public name."""

CASES: list[tuple[str, list[str], list[str]]] = [
    # What is changed: by livefw's words, by fiptool's.
    ("replace", ["--image", "rmm-fw=new"], ["--rmm-fw", "new"]),
    ("replace", ["--image", "rmm-fw=new", "--align", "64"], ["--rmm-fw", "new", "--align", "64"]),
    ("replace", ["--image", "rmm-fw=empty"], ["--rmm-fw", "empty"]),
    ("replace", ["--image", "rmm-fw=empty", "--align", "16"], ["--rmm-fw", "empty", "--align", "16"]),
    ("replace", ["--image", "tb-fw=new", "--add"], ["--tb-fw", "new"]),
    ("replace", ["--image", "tb-fw=empty", "--add"], ["--tb-fw", "empty"]),
    ("replace", ["--image", f"{B}=new"], ["--blob", f"uuid={B},file=new"]),
    (
        "replace",
        ["--image", f"{C}=new", "--image", f"{A}=other", "--add"],
        ["--blob", f"uuid={C},file=new", "--blob", f"uuid={A},file=other"],
    ),
    ("replace", ["--image", "nt-fw=new", "--image", "soc-fw=other"], ["--soc-fw", "other", "--nt-fw", "new"]),
    ("replace", ["--plat-toc-flags", "0x8001"], ["--plat-toc-flags", "8001"]),
    ("replace", ["--plat-toc-flags", "0", "--image", "rmm-fw=new"], ["--plat-toc-flags", "0", "--rmm-fw", "new"]),
    ("remove", ["--image", "rmm-fw"], ["--rmm-fw"]),
    ("remove", ["--image", "rmm-fw", "--align", "4096"], ["--rmm-fw", "--align", "4096"]),
    ("remove", ["--image", str(A), "--image", "soc-fw"], ["--soc-fw", "--blob", f"uuid={A}"]),
    ("remove", [word for name in ("soc-fw", "rmm-fw", "nt-fw", str(A), str(B)) for word in ("--image", name)], []),
]
VERBS = {"replace": "update", "remove": "remove"}
SOURCE = [
    Payload.of(guid, str(guid).encode(), 0x100 + index) for index, guid in enumerate((BL33.guid, A, BL31.guid, B))
]


class Command:
    """Runs the command with ``--json`` in a directory with a package and images."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *words: str) -> tuple[int, dict[str, Any]]:
        code = main(["--json", "image", *words])
        document: dict[str, Any] = json.loads(self._capsys.readouterr().out)
        return code, document

    def text(self, *words: str) -> str:
        assert main(["image", *words]) == ExitCode.DONE
        return self._capsys.readouterr().out


@pytest.fixture
def command(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    monkeypatch.chdir(tmp_path)
    Path("all.fip").write_bytes(fip.dump([*SOURCE, Payload.of(RMM.guid, b"RMM" * 33, 7)], platform_flags=0x1234))
    for name, data in (("new", b"new" * 77), ("other", b"other"), ("empty", b"")):
        Path(name).write_bytes(data)
    return Command(capsys)


@pytest.mark.parametrize("size", [None, 0])
def test_the_same_bytes_as_fiptool(command: Command, fiptool: Run, size: int | None) -> None:
    """Also of a package that has an entry without bytes already, and flags that belong to nobody."""
    data = bytearray(Path("all.fip").read_bytes())
    struct.pack_into("<Q", data, 8, 0xABCD1234_0000_0005)
    if size is not None:
        at = data.index(BL31.guid.raw)
        struct.pack_into("<Q", data, at + 24, size)
    Path("all.fip").write_bytes(data)
    for verb, ours, theirs in CASES:
        command.text(verb, "all.fip", *ours, "--output", "ours.fip")
        if not theirs:  # fiptool's options for all of them
            theirs = [
                *(f"--{name}" for name in ("soc-fw", "rmm-fw", "nt-fw")),
                "--blob",
                f"uuid={A}",
                "--blob",
                f"uuid={B}",
            ]
        Path("theirs.fip").unlink(missing_ok=True)
        fiptool(VERBS[verb], *theirs, "--out", "theirs.fip", "all.fip")
        assert Path("ours.fip").read_bytes() == Path("theirs.fip").read_bytes(), (verb, ours)


def test_images_come_out_as_fiptool_unpacks_them(command: Command, fiptool: Run) -> None:
    Path("theirs").mkdir()
    code, document = command("extract", "all.fip", "--directory", "ours")
    assert code == ExitCode.DONE
    fiptool("unpack", "--out", "theirs", "all.fip")
    ours, theirs = (
        {file.name.lower(): file.read_bytes() for file in Path(name).iterdir()} for name in ("ours", "theirs")
    )
    assert ours == theirs
    found = {row["name"] or row["guid"]: (row["size"], row["flags"]) for row in document["extracted"]}
    assert found["rmm-fw"] == (99, 7)
    assert found[str(A)] == (36, 0x101)


def test_an_image_is_written_where_it_is_asked_for_and_nothing_is_overwritten(command: Command) -> None:
    assert command.text("extract", "all.fip", "--image", "rmm-fw=rmm") == "./rmm: 99 bytes\n"
    assert Path("rmm").read_bytes() == b"RMM" * 33
    code, document = command("extract", "all.fip", "--image", "soc-fw", "--image", "rmm-fw=rmm")
    assert (code, document["error"]["message"]) == (ExitCode.USAGE, "./rmm is there")
    assert not Path("soc-fw.bin").exists()
    assert command("extract", "all.fip", "--image", "soc-fw=rmm", "--force")[0] == ExitCode.DONE
    assert Path("rmm").read_bytes() == str(BL31.guid).encode()


def test_a_package_is_changed_in_place_whole_or_not_at_all(command: Command) -> None:
    os.chmod("all.fip", 0o640)
    before = Path("all.fip").read_bytes()
    assert command("replace", "all.fip", "--image", "tb-fw=new")[1]["error"]["message"] == "all.fip has no tb-fw"
    assert command("remove", "all.fip", "--image", "tb-fw")[0] == ExitCode.REFUSED
    assert Path("all.fip").read_bytes() == before
    assert "rmm-fw" not in command.text("remove", "all.fip", "--image", "rmm-fw")
    assert os.stat("all.fip").st_mode & 0o777 == 0o640
    assert fip.parse(Path("all.fip").read_bytes()).find(RMM.guid) is None
    assert sorted(os.listdir()) == ["all.fip", "empty", "new", "other"]


def test_entries_get_the_flags_that_are_named(command: Command) -> None:
    """fiptool has no option for them; it sets those of an image that it replaces to 0."""
    command("replace", "all.fip", "--image", "rmm-fw=new", "--entry-flags", "rmm-fw=0x80", "--entry-flags", "soc-fw=3")
    table = fip.parse(Path("all.fip").read_bytes())
    assert (table[RMM.guid].flags, table[BL31.guid].flags, table[BL33.guid].flags) == (0x80, 3, 0x100)
    command("replace", "all.fip", "--image", "rmm-fw=new")
    assert fip.parse(Path("all.fip").read_bytes())[RMM.guid].flags == 0


def test_names_of_the_trust_file_and_of_platforms_are_known(command: Command) -> None:
    Path("trust.toml").write_text(f'chain = "tbbr"\n[roots]\nrot-key = "{"0" * 64}"\n[names]\nboot-logo = "{A}"\n')
    assert "./boot-logo.bin" in command.text("extract", "all.fip", "--image", "boot-logo", "--trust", "trust.toml")
    text = command.text(
        "replace",
        "all.fip",
        "--add",
        "--image",
        "stm32mp-cfg-cert=new",
        "--image",
        "op-tee=other",
        "--output",
        "two.fip",
    )
    assert all(name in text for name in ("stm32mp-cfg-cert", "op-tee"))


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("replace", "all.fip"), ExitCode.USAGE),
        (("replace", "all.fip", "--image", "rmm-fw"), ExitCode.USAGE),
        (("replace", "all.fip", "--image", "rmm-fx=new"), ExitCode.USAGE),
        (("replace", "all.fip", "--image", "rmm-fw=new", "--align", "3"), ExitCode.REFUSED),
        (("replace", "all.fip", "--plat-toc-flags", "10000"), ExitCode.USAGE),
        (("replace", "all.fip", "--entry-flags", "rmm-fw=-1"), ExitCode.USAGE),
        (("replace", "all.fip", "--entry-flags", "tb-fw=1"), ExitCode.REFUSED),
        (("replace", "new", "--image", "rmm-fw=new"), ExitCode.REFUSED),
        (("extract", "all.fip", "--image", "tb-fw"), ExitCode.REFUSED),
        (("remove", "nowhere.fip", "--image", "rmm-fw"), ExitCode.USAGE),
    ],
    ids=lambda value: " ".join(value[1:]) if isinstance(value, tuple) else str(value),
)
def test_misuse(command: Command, words: tuple[str, ...], code: ExitCode) -> None:
    before = Path("all.fip").read_bytes()
    assert command(*words)[0] == code
    assert Path("all.fip").read_bytes() == before
