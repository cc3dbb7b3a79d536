# SPDX-License-Identifier: Apache-2.0
"""The measurement log: its layout, its replay, and that the TCG tools of others read the same."""

import hashlib
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livefw.firmware.image.certificate import HASH_BY_NAME, HASHES
from livefw.firmware.image.errors import EventLogError
from livefw.firmware.image.measure import EV_POST_CODE, PCR, EventLog, decode, replay

KINDS = (HASH_BY_NAME["SHA256"], HASH_BY_NAME["SHA384"])
IMAGES = {"soc-fw 1.0": b"BL31", "rmm-fw 2.1": b"RMM"}


def digests(image: bytes) -> dict[object, bytes]:
    return {kind: hashlib.new(kind.name.lower(), image).digest() for kind in HASHES}


def log_of(images: dict[str, bytes]) -> bytes:
    log = EventLog(KINDS)
    for name, image in images.items():
        log.measure(name, digests(image))  # type: ignore[arg-type]  # a mapping's key is not covariant
    return log.encode()


def test_header_is_a_spec_id_event() -> None:
    """TCG PC Client Platform Firmware Profile, 10.4.5.1; as TF-A's event_log driver writes it."""
    assert log_of({})[:48] == bytes(4) + b"\3\0\0\0" + bytes(20) + b"\x25\0\0\0" + b"Spec ID Event03\0"
    assert log_of({})[48:] == bytes(4) + b"\0\2\2\2" + b"\2\0\0\0" + bytes.fromhex("0b0020000c003000") + b"\0"


def test_registers_follow_from_the_log() -> None:
    kinds, events = decode(log_of(IMAGES))
    assert kinds == KINDS
    assert [(event.pcr, event.kind, event.text) for event in events] == [(PCR, EV_POST_CODE, name) for name in IMAGES]
    for kind in KINDS:
        register = bytes(kind.size)
        for image in IMAGES.values():
            name = kind.name.lower()
            register = hashlib.new(name, register + hashlib.new(name, image).digest()).digest()
        assert replay(kinds, events)[PCR, kind] == register


def test_tpm2_eventlog_replays_to_the_same_registers(tmp_path: Path) -> None:
    if shutil.which("tpm2_eventlog") is None:
        pytest.skip("tpm2_eventlog is not installed (Debian package tpm2-tools)")
    file = tmp_path / "log"
    file.write_bytes(log_of(IMAGES))
    done = subprocess.run(["tpm2_eventlog", file], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    theirs = dict(re.findall(r"^  (sha\d+):\n    0  : 0x([0-9a-f]+)$", done.stdout, re.MULTILINE))
    ours = {kind.name.lower(): value.hex() for (_, kind), value in replay(*decode(file.read_bytes())).items()}
    assert theirs == ours
    assert done.stdout.count("EV_POST_CODE") == len(IMAGES)


GOOD = log_of(IMAGES)


@given(st.integers(0, len(GOOD) - 1))
def test_cut_log_is_an_error_or_ends_at_an_event(length: int) -> None:
    try:
        _, events = decode(GOOD[:length])
    except EventLogError as error:
        offset = error.offset
    else:
        offset = len(log_of(dict(list(IMAGES.items())[: len(events)])))
        assert offset == length
    assert offset is not None
    assert offset <= length


@given(st.binary(max_size=300) | st.binary(max_size=300).map(lambda tail: GOOD[:65] + tail))
def test_any_bytes_are_a_log_or_an_error(data: bytes) -> None:
    try:
        kinds, events = decode(data)
    except EventLogError:
        return
    assert all(set(event.digests) == set(kinds) for event in events)


@pytest.mark.parametrize(
    "images",
    [
        {"soc-fw 1.0": b"BL31", "rmm-fw 2.1": b"RMN"},
        {"rmm-fw 2.1": b"RMM", "soc-fw 1.0": b"BL31"},
        {"soc-fw 1.0": b"BL31"},
        {"soc-fw 1.0": b"BL31", "rmm-fw 2.1": b"RMM", "again": b"RMM"},
    ],
    ids=["another image", "another order", "one less", "one more"],
)
def test_registers_tell_other_images_apart(images: dict[str, bytes]) -> None:
    ours, others = (replay(*decode(log)) for log in (GOOD, log_of(images)))
    assert all(ours[place] != others[place] for place in ours)
