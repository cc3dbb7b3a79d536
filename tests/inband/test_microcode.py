# SPDX-License-Identifier: Apache-2.0
"""Late loading of microcode against modelled files."""

import contextlib
import errno
import struct
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livefw.abi.microcode import patches
from livefw.activation.outcome import Outcome
from livefw.providers.fake import FakeResult

Make = Callable[..., Any]
CPUS = "/sys/devices/system/cpu"
RELOAD = f"{CPUS}/microcode/reload"
SIGNATURE = 0x806F8  # Sapphire Rapids: family 6, model 143, stepping 8
FLAGS = 0x10


def patch(
    revision: int, *, minimum: int = 0, signature: int = SIGNATURE, flags: int = FLAGS, extended: int = 0
) -> bytes:
    data = bytes(48)
    table = b""
    if extended:
        table = bytes(32)
    total = 48 + len(data) + len(table)
    head = [1, revision, 0x07012026, signature, 0, 1, flags, len(data), total, 0, minimum, 0]
    head[4] = -sum(head) & 0xFFFFFFFF
    if extended:
        row = (extended, flags, (head[3] + head[4] - extended) & 0xFFFFFFFF)
        table = struct.pack("<II12x3I", 1, -(1 + sum(row)) & 0xFFFFFFFF, *row)
    return struct.pack("<12I", *head) + data + table


def machine(
    make: Make, image: bytes | None, vendor: str = "GenuineIntel", revisions: tuple[int, ...] = (0x20, 0x20)
) -> Any:
    tree = {
        RELOAD: b"",
        "/proc/cpuinfo": f"vendor_id\t: {vendor}\ncpu family\t: 6\nmodel\t\t: 143\nstepping\t: 8\n\n".encode(),
    }
    for number, revision in enumerate(revisions):
        tree[f"{CPUS}/cpu{number}/microcode/version"] = f"{revision:#x}\n".encode()
        tree[f"{CPUS}/cpu{number}/microcode/processor_flags"] = f"{FLAGS:#x}\n".encode()
    if image is not None:
        tree["/usr/lib/firmware/intel-ucode/06-8f-08"] = image
    bench = make("microcode", **tree)

    def load() -> None:
        for path in list(bench.files.tree):
            if path.endswith("/microcode/version"):
                bench.files.tree[path] = b"0x30\n"

    bench.files.answers[RELOAD] = [FakeResult(effect=load)]
    return bench


def test_the_table_of_further_cpus_has_to_be_whole() -> None:
    """As iucode-tool and the kernel check it: the table's sum, and each row's in the place of the header's."""
    good = patch(0x30, extended=0x806F6)
    (found,) = patches(good)
    assert found.cpus == ((SIGNATURE, FLAGS), (0x806F6, FLAGS))
    for at, name in ((-12, "table of signatures"), (-1, "table of signatures"), (-28, "table of signatures")):
        damaged = bytearray(good)
        damaged[at] ^= 1
        with pytest.raises(ValueError, match=f"checksum of the {name} is wrong"):
            list(patches(bytes(damaged)))
    other = bytearray(good)
    other[-12] ^= 1  # 0x806f7, and the sum of the table mended
    struct.pack_into("<I", other, len(other) - 28, struct.unpack_from("<I", good, len(good) - 28)[0] - 1 & 0xFFFFFFFF)
    with pytest.raises(ValueError, match="checksum of signature 0x806f7 is wrong"):
        list(patches(bytes(other)))


def test_later_revision_is_loaded(make: Make) -> None:
    bench = machine(make, patch(0x30, minimum=0x10))
    seen = bench.component("cpu")
    assert (seen.current_version.text, seen.pending_version.text, seen.reasons) == ("0x20", "0x30", ())
    assert [note.code for note in seen.notes] == ["volatile"]
    result = bench.activate("cpu")
    assert (result.outcome, result.why.code) == (Outcome.ACTIVATED, "version-arrived")
    assert bench.files.writes == [(RELOAD, b"1\n")]
    assert not bench.component("cpu").pending


@pytest.mark.parametrize(
    ("image", "code"),
    [
        (None, "not-pending"),
        (patch(0x20), "not-pending"),
        (patch(0x30, signature=SIGNATURE + 1), "not-pending"),
        (patch(0x30, flags=1), "not-pending"),
        (patch(0x30, minimum=0x21), "version-refused"),
        (patch(0x30)[:-1], "image"),
        (patch(0x30)[:60] + b"\1" + patch(0x30)[61:], "image"),
        (b"\0" * 60, "image"),
    ],
)
def test_what_would_not_be_loaded_is_refused_beforehand(make: Make, image: bytes | None, code: str) -> None:
    bench = machine(make, image)
    result = bench.activate("cpu")
    assert (result.outcome, result.why.code, bench.files.writes) == (Outcome.REFUSED, code, [])


def test_latest_patch_that_fits_is_announced(make: Make) -> None:
    image = patch(0x28) + patch(0x40, flags=1) + patch(0x30, signature=1, extended=SIGNATURE)
    assert machine(make, image).component("cpu").pending_version.text == "0x30"


def test_kernel_will_be_tainted_without_a_lowest_revision(make: Make) -> None:
    assert "taints" in [note.code for note in machine(make, patch(0x30)).component("cpu").notes]


def test_uneven_cpus_are_told(make: Make) -> None:
    seen = machine(make, None, revisions=(0x20, 0x21)).component("cpu")
    assert (seen.current_version.text, seen.current_version.reliable) == ("0x21", False)
    assert "uneven" in [note.code for note in seen.notes]


def test_what_amd_would_load_is_for_the_kernel_to_find_out(make: Make) -> None:
    bench = machine(make, None, vendor="AuthenticAMD")
    assert (bench.component("cpu").pending, bench.component("cpu").reasons) == (None, ())
    assert bench.activate("cpu").why.code == "version-changed"


@pytest.mark.parametrize(
    ("error", "outcome"), [(errno.ENOENT, Outcome.FAILED), (errno.EBUSY, Outcome.FAILED), (-1, Outcome.UNKNOWN)]
)
def test_errno_is_told(make: Make, error: int, outcome: Outcome) -> None:
    bench = machine(make, patch(0x30))
    bench.files.answers[RELOAD] = [FakeResult(error)]
    assert bench.activate("cpu").outcome is outcome


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errno.ENOENT, "vanished"),
        (errno.EACCES, "no-permission"),
        (errno.EMFILE, "not-asked"),
        (errno.EIO, "not-asked"),
    ],
)
def test_file_that_could_not_be_opened_was_not_asked(make: Make, error: int, code: str) -> None:
    bench = machine(make, patch(0x30))
    bench.files.answers[RELOAD] = [FakeResult(error, opened=False)]
    result = bench.activate("cpu")
    assert (result.outcome, result.why.code) == (Outcome.REFUSED, code)


def test_nothing_can_be_taken_back(make: Make) -> None:
    assert machine(make, patch(0x30)).cancel("cpu").why.code == "no-cancel"


@given(st.binary(max_size=200), st.integers(0, 100))
def test_files_of_any_bytes_do_no_harm(noise: bytes, place: int) -> None:
    data = bytearray(patch(0x30))
    data[place : place + len(noise)] = noise
    with contextlib.suppress(ValueError):
        found = list(patches(bytes(data)))
        # What is read stands in the file, and its checksum holds: of one that was made, only the same is left.
        assert all(each.revision.to_bytes(4, "little") in data for each in found)
        assert all(signature.to_bytes(4, "little") in data for each in found for signature, _ in each.cpus)
        assert len(found) <= len(data) // 48
