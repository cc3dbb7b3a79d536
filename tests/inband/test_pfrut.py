# SPDX-License-Identifier: Apache-2.0
"""PFRUT against a modelled device; rules of the kernel from Linux ``drivers/acpi/pfr_update.c``."""

import contextlib
import errno
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livefw.abi.guid import Guid
from livefw.abi.pfrut import CAPABILITY_BYTES, Capability, Capsule, CapsuleKind
from livefw.activation.outcome import Outcome
from livefw.files.protocol import LOST
from livefw.providers.pfrut.declaration import DECLARATION

Make = Callable[..., Any]
PLATFORM = Guid(bytes(range(16)))
SETTINGS = '[pfrut]\ncapsule = "/opt/c.cap"'


def capsule(
    kind: CapsuleKind = CapsuleKind.CODE, version: int = 6, svn: int | None = 2, platform: Guid = PLATFORM
) -> Capsule:
    return Capsule(kind, 0x100, version, platform, svn)


def bench_with(make: Make, image: bytes) -> Any:
    return make("pfrut", SETTINGS, **{"/opt/c.cap": image})


@pytest.mark.parametrize(
    ("kind", "ident", "version"), [(CapsuleKind.CODE, "0/code", 6), (CapsuleKind.DRIVER, "0/driver", 8)]
)
def test_capsule_is_written_staged_and_activated(make: Make, kind: CapsuleKind, ident: str, version: int) -> None:
    bench = bench_with(make, capsule(kind, version).encode())
    other = {"0/code": "0/driver", "0/driver": "0/code"}[ident]
    assert [reason.code for reason in bench.component(other).reasons] == ["not-pending"]
    result = bench.activate(ident)
    assert (result.outcome, result.why.code) == (Outcome.ACTIVATED, "version-arrived")
    assert [step for step in bench.pfr.done if step != "QUERY_CAP"] == ["WRITE", "STAGE", "ACTIVATE"]
    assert not bench.component(ident).pending


@pytest.mark.parametrize(
    ("step", "error", "outcome", "code"),
    [
        ("WRITE", errno.EINVAL, Outcome.REFUSED, "capsule-refused"),
        ("WRITE", errno.EBUSY, Outcome.REFUSED, "capsule-refused"),
        ("WRITE", errno.EACCES, Outcome.REFUSED, "no-permission"),
        ("STAGE", errno.EBUSY, Outcome.REFUSED, "stage-refused"),
        ("STAGE", errno.EINVAL, Outcome.REFUSED, "stage-refused"),
        ("ACTIVATE", errno.EBUSY, Outcome.FAILED, "activation-failed"),
        ("ACTIVATE", errno.EINVAL, Outcome.FAILED, "activation-failed"),
        ("ACTIVATE", LOST, Outcome.UNKNOWN, "lost"),
    ],
)
def test_each_step_fails_in_its_own_way(make: Make, step: str, error: int, outcome: Outcome, code: str) -> None:
    bench = bench_with(make, capsule().encode())
    bench.pfr.fails[step] = error
    result = bench.activate("0/code")
    assert (result.outcome, result.why.code) == (outcome, code)
    assert bench.pfr.told.code_rt_version == 5


@pytest.mark.parametrize(
    ("error", "code"), [(errno.ENOENT, "vanished"), (errno.EPERM, "no-permission"), (errno.EMFILE, "not-asked")]
)
def test_device_that_could_not_be_opened_was_not_asked(make: Make, error: int, code: str) -> None:
    bench = bench_with(make, capsule().encode())
    bench.files.fail("/dev/acpi_pfr_update0", 0, 0, 0, error)  # after three looks at it
    result = bench.activate("0/code")
    assert (result.outcome, result.why.code) == (Outcome.REFUSED, code)
    assert result.why.text.startswith("no request was made")
    assert "WRITE" not in bench.pfr.done


def test_success_that_changes_nothing_is_not_believed(make: Make) -> None:
    bench = bench_with(make, capsule().encode())
    bench.pfr.lies = True
    assert bench.activate("0/code").outcome is Outcome.UNKNOWN


@pytest.mark.parametrize(
    ("image", "code"),
    [
        (capsule(version=4).encode(), "version-refused"),
        (capsule(version=5).encode(), "not-pending"),
        (capsule(platform=Guid(bytes(16))).encode(), "wrong-platform"),
        (capsule().encode()[:90], "image"),
        (b"MZ" + bytes(100), "image"),
        (b"", "image"),
    ],
)
def test_what_the_firmware_would_refuse_is_refused_beforehand(make: Make, image: bytes, code: str) -> None:
    bench = bench_with(make, image)
    assert code in [reason.code for reason in bench.component("0/code").reasons]
    assert bench.activate("0/code").outcome is Outcome.REFUSED
    assert set(bench.pfr.done) == {"QUERY_CAP"}


@pytest.mark.parametrize(
    ("svn", "version", "code"), [(1, 9, ["version-refused"]), (2, 6, []), (None, 6, ["version-refused"])]
)
def test_driver_updates_are_held_against_the_security_version(
    make: Make, svn: int | None, version: int, code: list[str]
) -> None:
    bench = bench_with(make, capsule(CapsuleKind.DRIVER, version, svn).encode())
    assert [reason.code for reason in bench.component("0/driver").reasons] == code


def test_mechanism_is_honest_about_what_it_lacks(make: Make) -> None:
    bench = bench_with(make, capsule().encode())
    result = bench.cancel("0/code")
    assert (result.outcome, result.why.code) == (Outcome.REFUSED, "no-cancel")
    assert dict(DECLARATION.concepts())["cancel"] == "none"


@pytest.mark.parametrize(
    ("error", "code"), [(errno.EACCES, "no-permission"), (errno.EBUSY, "unreadable"), (LOST, "unreadable")]
)
def test_device_that_tells_nothing_is_listed_with_the_reason(make: Make, error: int, code: str) -> None:
    bench = bench_with(make, capsule().encode())
    bench.pfr.fails["QUERY_CAP"] = error
    assert [reason.code for reason in bench.component("0/code").reasons] == [code]


@given(
    st.builds(
        Capsule,
        st.sampled_from(CapsuleKind),
        st.integers(0, 2**32 - 1),
        st.integers(0, 2**32 - 1),
        st.binary(min_size=16, max_size=16).map(Guid),
        st.none() | st.integers(0, 2**32 - 1),
    ),
    st.binary(max_size=40),
)
def test_capsules_are_read_as_they_were_made(made: Capsule, body: bytes) -> None:
    assert Capsule.parse(made.encode(body)) == made


@given(st.binary(max_size=200), st.integers(0, 120))
def test_capsules_of_any_bytes_do_no_harm(noise: bytes, place: int) -> None:
    data = bytearray(capsule().encode())
    data[place : place + len(noise)] = noise
    with contextlib.suppress(ValueError):
        found = Capsule.parse(bytes(data))
        assert Capsule.parse(found.encode()) == found
        assert found.platform_id.raw in data


def test_capability_has_the_size_of_the_kernel() -> None:
    assert CAPABILITY_BYTES == 92
    with pytest.raises(ValueError, match="92"):
        Capability.decode(bytes(91))
