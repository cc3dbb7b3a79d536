# SPDX-License-Identifier: Apache-2.0
"""Directories of images, and every rule of the choice; the numbers are those of the table of selection rules.

The tests at the end are named after weaknesses of Intel's ``version_select_and_load.py`` (commits ``7a162249``,
``7cabf1d8``, ``0a982853``) that this choice does not share.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from livefw.abi.tdx import Svn, TdxVersion
from livefw.abi.tdx_image import LAYOUT_1, MODULE_OFFSET, with_checksum
from livefw.files.host import HostFiles
from livefw.firmware import tdx_repository
from livefw.firmware.tdx_image import SIGNER, ModuleSpec, build
from livefw.firmware.tdx_repository import GNR, SPR
from livefw.providers.tdx.images import ImagesError, TdxImages, load, scan
from livefw.providers.tdx.select import (
    CODES,
    IMAGE_RULES,
    PLATFORM_RULES,
    ReleaseChoice,
    TdxPlatform,
    TdxPolicy,
    choose,
    judge,
    objections,
    running_svn,
)

MakeImages = Callable[..., TdxImages]
SIGNERS = frozenset({SIGNER})
HOST = HostFiles("/")

SPR_0 = 0x806F0
READY = TdxPlatform(
    node=True,
    version=TdxVersion(1, 5, 6),
    status="idle",
    loading="0",
    slots=3,
    seamldr=TdxVersion(1, 5, 0),
    online=frozenset(range(4)),
    present=frozenset(range(4)),
    cpus=frozenset({SPR_0}),
    tds=0,
)


def codes(platform: TdxPlatform) -> list[str]:
    return [reason.code for reason in objections(platform)]


def against(version: str, platform: TdxPlatform, images: TdxImages, policy: TdxPolicy = TdxPolicy()) -> list[str]:  # noqa: B008
    judged = {str(j.image.version): j for j in judge(platform, images, policy)}
    return [reason.code for reason in judged[version].reasons]


def chosen(platform: TdxPlatform, images: TdxImages, policy: TdxPolicy = TdxPolicy()) -> str | None:  # noqa: B008
    image = choose(judge(platform, images, policy), policy)
    return None if image is None else str(image.version)


# The machine.


def test_nothing_speaks_against_a_machine_that_is_ready() -> None:
    assert codes(READY) == []


NOT_READY: list[tuple[dict[str, Any], str]] = [
    ({"node": False}, "unsupported"),  # rule 1
    ({"node": False, "bugs": frozenset({"seamret_invd_vmcs"})}, "unsupported"),
    ({"version": None, "lost": True}, "module-lost"),
    ({"slots": None, "denied": ("num_remaining_updates",)}, "no-permission"),  # a matter of rights, not of support
    ({"seamldr": None, "unreadable": (("seamldr_version", "EIO"),)}, "unreadable"),
    ({"status": "transferring"}, "busy"),  # rule 2
    ({"loading": "1"}, "busy"),
    ({"slots": 0}, "no-slots"),  # rule 3
    ({"online": frozenset({0, 1, 3})}, "cpu-offline"),  # rule 4
    ({"online": None}, "cpu-offline"),
    ({"present": None}, "cpu-offline"),
    ({"cpus": frozenset()}, "cpu"),  # rule 9
    ({"td_appeared": True}, "td-build"),  # rule 14
]


@pytest.mark.parametrize(("change", "code"), NOT_READY, ids=lambda value: str(value)[:60])
def test_machine_that_is_not_ready(change: dict[str, Any], code: str) -> None:
    assert codes(READY._replace(**change)) == [code]


def test_online_and_present_are_compared_as_sets() -> None:
    """Text compares ``0-3`` and ``0,1-3`` as different, and a count would take CPU 9 for CPU 3."""
    assert codes(READY._replace(online=frozenset({3, 2, 1, 0}))) == []
    assert codes(READY._replace(online=frozenset({0, 1, 2, 9}))) == ["cpu-offline"]


def test_every_rule_has_a_row_of_its_own() -> None:
    names = [rule.code for rule in PLATFORM_RULES]
    image_names = [rule.code for rule in IMAGE_RULES]
    assert len(set(names)) == len(names)
    assert len(set(image_names)) == len(image_names)
    assert {"unsupported", "module-lost", "busy", "no-slots", "cpu-offline", "series", "downgrade", "same"} < CODES
    assert {"min-version", "seamldr", "cpu", "debug", "svn", "image", "strict", "td-build"} < CODES


# Images.

RULES: list[tuple[str, dict[str, Any], TdxPolicy, list[str]]] = [
    ("1.5.08", {}, TdxPolicy(), []),
    ("2.0.08", {}, TdxPolicy(), ["series", "min-version", "seamldr", "cpu", "svn"]),  # 5
    ("1.5.05", {}, TdxPolicy(), ["downgrade", "svn"]),  # 6
    ("1.5.06", {}, TdxPolicy(), ["same"]),
    ("2.0.08", {"version": TdxVersion(2, 0, 2), "cpus": frozenset({GNR}), "seamldr": TdxVersion(2, 0, 1)}, TdxPolicy(),
     ["min-version"]),  # 7
    ("1.5.25", {"cpus": frozenset({0xA06F0})}, TdxPolicy(), ["seamldr"]),  # 8
    ("1.5.24", {"seamldr": TdxVersion(2, 0, 0)}, TdxPolicy(), ["seamldr"]),  # a newer series is no substitute
    ("1.5.24", {"seamldr": TdxVersion(1, 5, 9)}, TdxPolicy(), []),
    ("1.5.24", {"cpus": frozenset({0xA06F0})}, TdxPolicy(), ["cpu"]),  # 9
    ("1.5.24", {"cpus": frozenset({SPR_0, 0xA06F0})}, TdxPolicy(), ["cpu"]),  # every model present
    ("1.5.08", {}, TdxPolicy(strict=True), []),  # 13
    ("1.5.16", {}, TdxPolicy(strict=True), ["strict"]),
    ("1.5.06", {}, TdxPolicy(strict=True), ["same"]),
]  # fmt: skip


@pytest.mark.parametrize(("version", "change", "policy", "expected"), RULES)
def test_rule(
    make_images: MakeImages, version: str, change: dict[str, Any], policy: TdxPolicy, expected: list[str]
) -> None:
    assert against(version, READY._replace(**change), make_images(), policy) == expected


def test_strict_without_a_list_in_the_table_passes(make_images: MakeImages) -> None:
    images = make_images("1.5.16", mapping=tdx_repository.table(strict=False))
    assert against("1.5.16", READY, images, TdxPolicy(strict=True)) == []


def spec(version: str, svn: Svn = Svn(1, 9), **fields: Any) -> bytes:  # noqa: B008
    return build(ModuleSpec(TdxVersion.parse(version), svn, (SPR,), **fields))


def test_debug_module_is_taken_only_when_asked_for(make_images: MakeImages) -> None:
    images = make_images("1.5.06", files={"1.5.08": spec("1.5.08", debug=True)})
    assert against("1.5.08", READY, images) == ["debug"]
    assert against("1.5.08", READY, images, TdxPolicy(allow_debug=True)) == []


SVNS = [(Svn(1, 6), []), (Svn(1, 5), ["svn"]), (Svn(3, 9), ["svn"]), (Svn(0, 6), ["svn"])]


@pytest.mark.parametrize(("svn", "expected"), SVNS)
def test_security_version_must_not_fall_nor_change_its_kind(
    make_images: MakeImages, svn: Svn, expected: list[str]
) -> None:
    """1.5.06 has 1.6 (rule 11)."""
    assert against("1.5.08", READY, make_images("1.5.06", files={"1.5.08": spec("1.5.08", svn)})) == expected


def test_unknown_running_security_version_is_told_by_the_image_of_the_running_release(make_images: MakeImages) -> None:
    platform = READY._replace(version=TdxVersion(1, 5, 24))
    table = tdx_repository.table()
    table["tdx_module_releases"][7]["version"] = "1.5.28"
    newer = {"1.5.28": spec("1.5.28", Svn(1, 13))}
    assert against("1.5.28", platform, make_images("1.5.08", files=newer, mapping=table)) == ["svn"]
    assert against("1.5.28", platform, make_images("1.5.08", mapping=table), TdxPolicy(assume_svn=True)) == []
    with_running = make_images("1.5.24", mapping=table)
    assert running_svn(platform, with_running) == Svn(1, 12)
    assert against("1.5.28", platform, with_running) == []


def test_release_that_the_table_does_not_know_is_refused(make_images: MakeImages) -> None:
    assert against("1.5.99", READY, make_images("1.5.06", files={"1.5.99": spec("1.5.99")})) == ["mapping"]


def test_image_of_layout_1_is_converted(make_images: MakeImages) -> None:
    images = make_images("1.5.06", files={"1.5.08": tdx_repository.image("1.5.08", layout=LAYOUT_1)})
    image = images.files[-1]
    assert image.converted
    assert against("1.5.08", READY, images) == []
    assert load(HOST, image, signers=SIGNERS) == tdx_repository.image("1.5.08")


SOUND = tdx_repository.image("1.5.08")
DAMAGE = {
    "not an image": b"#!/bin/sh\n",
    "empty": b"",
    "bad checksum": SOUND[:-1] + bytes([SOUND[-1] ^ 1]),
    "other module under a right checksum": with_checksum(SOUND[:MODULE_OFFSET] + SOUND[:MODULE_OFFSET:-1] + b"\0"),
}


@pytest.mark.parametrize("data", DAMAGE.values(), ids=DAMAGE)
def test_damaged_image_is_refused_and_the_others_are_judged(make_images: MakeImages, data: bytes) -> None:
    images = make_images("1.5.06", "1.5.16", files={"1.5.08": data})
    assert against("1.5.08", READY, images) == ["image"]
    assert chosen(READY, images) == "1.5.16"


def test_intel_signer_is_wanted_unless_told_otherwise(make_images: MakeImages) -> None:
    folder = make_images("1.5.08").folder
    assert "unknown key" in scan(HOST, folder).files[0].faults[0]


def test_newest_or_smallest_step(make_images: MakeImages) -> None:
    images = make_images()
    assert chosen(READY, images) == "1.5.24"
    assert chosen(READY, images, TdxPolicy(step=ReleaseChoice.SMALLEST)) == "1.5.08"


def test_image_that_changed_after_it_was_chosen_is_not_loaded(make_images: MakeImages) -> None:
    images = make_images("1.5.08")
    Path(images.files[0].path).write_bytes(tdx_repository.image("1.5.16"))
    with pytest.raises(ImagesError, match="changed after it was chosen"):
        load(HOST, images.files[0], signers=SIGNERS)
    Path(images.files[0].path).write_bytes(b"")
    with pytest.raises(ImagesError, match="less than the header"):
        load(HOST, images.files[0], signers=SIGNERS)
    os.unlink(images.files[0].path)
    with pytest.raises(ImagesError, match="No such file"):
        load(HOST, images.files[0], signers=SIGNERS)


def test_directory_that_cannot_serve(tmp_path: Path, make_images: MakeImages) -> None:
    with pytest.raises(ImagesError, match="No such file"):
        scan(HOST, str(tmp_path / "nowhere"))
    table = Path(make_images("1.5.08").folder, "mapping_file.json")
    table.write_text("{}", encoding="utf-8")
    with pytest.raises(ImagesError, match=r"mapping_file\.json: Header: missing"):
        scan(HOST, str(table.parent))


def test_two_files_of_one_version_clash(make_images: MakeImages) -> None:
    images = make_images("1.5.08")
    folder = Path(images.folder, "joined_files/1.5")
    (folder / "tdx_module_1.5.8.blob").write_bytes(SOUND)
    with pytest.raises(ImagesError, match=r"are both 1\.5\.08"):
        scan(HOST, images.folder, signers=SIGNERS)


def test_other_files_of_a_clone_are_passed_over(make_images: MakeImages) -> None:
    folder = Path(make_images("1.5.08").folder)
    for name in ("README.md", "joined_files/notes.txt", "joined_files/1.5/tdx_module_1.5.08.blob.asc"):
        (folder / name).write_text("text", encoding="utf-8")
    (folder / "joined_files/1.5/tdx_module_1.5.x.blob").write_bytes(SOUND)
    assert [str(image.version) for image in scan(HOST, str(folder), signers=SIGNERS).files] == ["1.5.08"]


def test_a_pipe_in_place_of_an_image_is_not_waited_for(make_images: MakeImages) -> None:
    folder = Path(make_images("1.5.08").folder)
    os.mkfifo(folder / "joined_files/1.5/tdx_module_1.5.16.blob")
    assert scan(HOST, str(folder), signers=SIGNERS).files[-1].faults == ("0 bytes, less than the header page of 4096",)


# What Intel's script does and this does not.


def test_weakness_newest_is_picked_before_cpu_and_loader_are_looked_at(make_images: MakeImages) -> None:
    """1.5.24 and 1.5.25 are twins for different platforms: the script picks .25 on Sapphire Rapids and gives up."""
    assert chosen(READY, make_images("1.5.24", "1.5.25")) == "1.5.24"
    srf = READY._replace(cpus=frozenset({0xA06F0}), seamldr=TdxVersion(2, 0, 0))
    assert chosen(srf, make_images("1.5.24", "1.5.25")) == "1.5.25"


def test_weakness_running_version_is_a_candidate(make_images: MakeImages) -> None:
    """Run again when current, the script installs the same module and burns a slot."""
    assert chosen(READY._replace(version=TdxVersion(1, 5, 24)), make_images("1.5.24")) is None


def test_weakness_only_one_cpu_is_asked(make_images: MakeImages) -> None:
    mixed = READY._replace(cpus=frozenset({SPR_0, 0xA06F0}), seamldr=TdxVersion(2, 0, 0))
    assert chosen(mixed, make_images("1.5.16", "1.5.25")) == "1.5.16"


def test_weakness_minimum_is_compared_by_update_number_only(make_images: MakeImages) -> None:
    table = tdx_repository.table()
    for release in table["tdx_module_releases"]:
        if release["version"] == "1.5.08":
            release["min_module_version_for_td_preserving"] = "1.6.02"
    assert against("1.5.08", READY, make_images("1.5.08", mapping=table)) == ["min-version"]


def test_weakness_versions_are_compared_as_text(make_images: MakeImages) -> None:
    """``1.5.8`` in the table is ``1.5.08`` of the file, and odd text is an error with a place, not an exception."""
    table = tdx_repository.table()
    for release in table["tdx_module_releases"]:
        if release["version"] == "1.5.08":
            release["version"] = "1.5.8"
    assert chosen(READY, make_images("1.5.08", mapping=table)) == "1.5.08"


def test_weakness_header_checksum_hash_and_cpu_count_are_not_checked(make_images: MakeImages) -> None:
    for data in DAMAGE.values():
        assert chosen(READY, make_images("1.5.06", files={"1.5.08": data})) is None


def test_weakness_cpus_online_are_compared_as_text() -> None:
    assert codes(READY._replace(online=frozenset({0, 1, 2, 3}), present=frozenset({0, 1, 2, 3}))) == []


def test_weakness_no_slots_are_checked() -> None:
    """The first published state starts an update that the loader refuses after the module is shut down."""
    assert codes(READY._replace(slots=0)) == ["no-slots"]


def test_weakness_strict_list_is_ignored(make_images: MakeImages) -> None:
    assert chosen(READY, make_images(), TdxPolicy(strict=True)) == "1.5.13"
