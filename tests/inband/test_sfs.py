# SPDX-License-Identifier: Apache-2.0
"""AMD SFS against a modelled device; meanings of errno from Linux ``include/uapi/linux/psp-sfs.h``."""

import errno
from collections.abc import Callable
from typing import Any

import pytest

from livefw.abi import sfs
from livefw.activation.outcome import Outcome
from livefw.files.protocol import LOST

Make = Callable[..., Any]
SETTINGS = '[sfs]\npackage = "tmpm.bin"'
PATH = "/usr/lib/firmware/amd/tmpm.bin"


def bench_with(make: Make, size: int = 1000, settings: str = SETTINGS, path: str = PATH) -> Any:
    return make("sfs", settings, **{path: bytes(size)})


def test_package_is_executed_and_the_blob_proves_it(make: Make) -> None:
    bench = bench_with(make)
    assert bench.component("package").pending is None  # nothing could tell
    result = bench.activate("package")
    assert (result.outcome, result.why.code) == (Outcome.ACTIVATED, "version-changed")
    assert bench.sfs.packages == ["tmpm.bin"]


@pytest.mark.parametrize(
    ("error", "outcome", "code"),
    [
        (errno.EINVAL, Outcome.REFUSED, "bad-request"),
        (errno.E2BIG, Outcome.REFUSED, "too-large"),
        (errno.EBUSY, Outcome.REFUSED, "busy"),
        (errno.EAGAIN, Outcome.REFUSED, "busy"),
        (errno.ENODEV, Outcome.REFUSED, "no-device"),
        (errno.EACCES, Outcome.REFUSED, "no-permission"),
        (errno.ENOENT, Outcome.REFUSED, "not-found"),
        (errno.ENFILE, Outcome.REFUSED, "overflow"),
        (errno.EPERM, Outcome.REFUSED, "auth-failed"),
        (errno.EIO, Outcome.FAILED, "activation-failed"),
        (errno.ETIMEDOUT, Outcome.UNKNOWN, "timeout"),
        (LOST, Outcome.UNKNOWN, "lost"),
        (errno.ENOTTY, Outcome.FAILED, "unexpected-errno"),
    ],
)
def test_every_errno_is_told(make: Make, error: int, outcome: Outcome, code: str) -> None:
    bench = bench_with(make)
    bench.sfs.error = error
    result = bench.activate("package")
    assert (result.outcome, result.why.code) == (outcome, code)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errno.ENOENT, "vanished"),  # from the call: the package is not found
        (errno.EPERM, "no-permission"),  # from the call: the signature is invalid
        (errno.ENFILE, "not-asked"),  # from the call: no room in the processor
        (errno.EMFILE, "not-asked"),
        (errno.EIO, "not-asked"),
    ],
)
def test_device_that_could_not_be_opened_was_not_asked(make: Make, error: int, code: str) -> None:
    bench = bench_with(make)
    bench.files.fail("/dev/sfs", 0, 0, 0, error)  # after three looks at it
    result = bench.activate("package")
    assert (result.outcome, result.why.code, bench.sfs.packages) == (Outcome.REFUSED, code, [])
    assert result.why.text.startswith("no request was made")


def test_status_words_are_told_where_the_driver_gives_them(make: Make) -> None:
    bench = bench_with(make)
    bench.sfs.status = (0x12, 0x345)
    for error, told in ((errno.EIO, "0x12 0x345"), (errno.EPERM, None)):
        bench.sfs.error = error
        assert bench.activate("package").claim.firmware_code == told


@pytest.mark.parametrize(
    ("size", "settings", "path", "code"),
    [
        (1000, "", PATH, "not-pending"),
        (1000, SETTINGS, "/elsewhere", "image"),
        (sfs.MOST_BYTES, SETTINGS, PATH, "too-large"),
        (1000, '[sfs]\npackage = "../../etc/shadow"', PATH, "image"),
        (1000, f'[sfs]\npackage = "{"x" * 64}"', PATH, "image"),
    ],
)
def test_what_cannot_go_well_is_refused_beforehand(make: Make, size: int, settings: str, path: str, code: str) -> None:
    bench = bench_with(make, size, settings, path)
    result = bench.activate("package")
    assert (result.outcome, result.why.code, bench.sfs.packages) == (Outcome.REFUSED, code, [])


def test_kernel_parameter_names_another_firmware_path(make: Make) -> None:
    bench = bench_with(make, path="/srv/firmware/amd/tmpm.bin")
    bench.files.tree["/sys/module/firmware_class/parameters/path"] = b"/srv/firmware\n"
    assert bench.component("package").reasons == ()


def test_mechanism_is_honest_about_what_it_lacks(make: Make) -> None:
    bench = bench_with(make)
    assert {note.code for note in bench.component("package").notes} == {"volatile", "pending-untold"}
    assert bench.cancel("package").why.code == "no-cancel"


@pytest.mark.parametrize(("size", "fits"), [(0, True), ((2 << 20) - 4096, True), ((2 << 20) - 4095, False)])
def test_buffer_takes_package_and_header(size: int, fits: bool) -> None:
    assert sfs.fits(size) is fits


def test_layouts_have_the_sizes_of_the_kernel() -> None:
    assert (sfs.VERSIONS_BYTES, sfs.UPDATE_BYTES) == (4104, 72)
    assert sfs.decode_update(sfs.UpdatePackage("a", 1, 2).encode()) == sfs.UpdatePackage("a", 1, 2)


@pytest.mark.parametrize(
    ("settings", "severities"), [("", ["info"]), (SETTINGS, []), ('[sfs]\npackage = "none"', ["error"])]
)
def test_doctor_tells_what_is_wrong(make: Make, settings: str, severities: list[str]) -> None:
    found = bench_with(make, settings=settings).provider.diagnose()
    assert [finding.severity for finding in found] == severities
