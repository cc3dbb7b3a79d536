# SPDX-License-Identifier: Apache-2.0
"""What the mechanisms that are a device or a file have in common: what is refused, and what is said of it."""

import errno
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from livefw.errors import UsageError
from livefw.providers.base import Progress, Reply
from livefw.providers.fake import FakeResult

from . import test_microcode, test_pfrut, test_sfs

Make = Callable[..., Any]


class Mechanism(NamedTuple):
    """One that is ready to be activated, a component of it, and what has to vanish for it to be absent."""

    name: str
    ident: str
    bench: Callable[[Make], Any]
    node: str
    absent: str


MECHANISMS = (
    Mechanism(
        "pfrut",
        "0/code",
        lambda make: test_pfrut.bench_with(make, test_pfrut.capsule().encode()),
        "/dev/acpi_pfr_update0",
        "no-device",
    ),
    Mechanism("sfs", "package", test_sfs.bench_with, "/dev/sfs", "no-device"),
    Mechanism(
        "microcode",
        "cpu",
        lambda make: test_microcode.machine(make, test_microcode.patch(0x30, minimum=0x10)),
        test_microcode.RELOAD,
        "no-late-loading",
    ),
)
each_mechanism = pytest.mark.parametrize("row", MECHANISMS, ids=[row.name for row in MECHANISMS])


def onlooker(_: Progress) -> None: ...


def asked(bench: Any) -> list[object]:
    """What was asked of a mechanism, without looks at it."""
    return [*bench.files.writes, *bench.sfs.packages, *(step for step in bench.pfr.done if step != "QUERY_CAP")]


@each_mechanism
def test_what_is_not_there_is_refused_and_nothing_is_asked(make: Make, row: Mechanism) -> None:
    bench = row.bench(make)
    ready = bench.provider
    bench.files.devices.pop(row.node, None)
    bench.files.tree.pop(row.node, None)
    for ident in (row.ident, "another"):
        running = ready.activate(ident, onlooker)
        assert running.wait(None)
        assert (running.claim.reply, running.claim.reason.code) == (Reply.REFUSED, row.absent)
        assert not running.touched
    assert asked(bench) == []
    assert [(each.severity, each.code) for each in ready.diagnose()] == [("info", row.absent)]
    assert ready.discover().absent.code == row.absent


@each_mechanism
def test_what_was_ready_and_is_so_no_more_is_refused_at_the_last_moment(make: Make, row: Mechanism) -> None:
    """Between the plan and the request: the image is taken away."""
    bench = row.bench(make)
    assert bench.component(row.ident).reasons == ()
    for path in [path for path in bench.files.tree if path.startswith(("/opt/", "/usr/lib/firmware/"))]:
        del bench.files.tree[path]
    running = bench.provider.activate(row.ident, onlooker)
    assert running.wait(None)
    assert running.claim.reply is Reply.REFUSED
    assert running.claim.reason == bench.component(row.ident).reasons[0]
    assert asked(bench) == []


@each_mechanism
def test_what_is_given_up_before_it_began_has_asked_nothing(make: Make, row: Mechanism) -> None:
    bench = row.bench(make)
    running = bench.provider.activate(row.ident, onlooker)
    claim = running.abandon()
    assert (claim.reply, claim.reason.code, claim.at_work) == (Reply.REFUSED, "given-up", False)
    assert running.wait(None)
    assert (running.touched, asked(bench)) == (False, [])


def test_what_nobody_watches_any_more_goes_on(make: Make) -> None:
    bench = MECHANISMS[-1].bench(make)
    bench.files.answers[test_microcode.RELOAD] = [FakeResult(seconds=None)]
    running = bench.provider.activate("cpu", onlooker)
    assert not running.wait(5.0)
    claim = running.abandon()
    assert (claim.reply, claim.reason.code, claim.at_work) == (Reply.LOST, "not-watched", True)
    assert running.touched


@each_mechanism
def test_they_have_no_switches(make: Make, row: Mechanism) -> None:
    bench = row.bench(make)
    with pytest.raises(UsageError, match=f"{row.name}:{row.ident} has no setting auto_activate"):
        bench.provider.configure(row.ident, "auto_activate", on=True)


@pytest.mark.parametrize("text", ["{0} = 1", "[{0}]\n{1} = 1", '[{0}]\n{1} = "a"\nmore = 1', "[[{0}]]"])
@pytest.mark.parametrize(("name", "key"), [("pfrut", "capsule"), ("sfs", "package")])
def test_settings_of_another_shape_are_a_mistake_with_its_place(make: Make, name: str, key: str, text: str) -> None:
    bench = make(name, text.format(name, key))
    with pytest.raises(UsageError, match=f'livefw.toml: {name}: may have one key, {key} = "..."'):
        bench.provider.discover()


@pytest.mark.parametrize("text", ["", "[{0}]", '[{0}]\n{1} = ""'])
@pytest.mark.parametrize(("name", "key"), [("pfrut", "capsule"), ("sfs", "package")])
def test_settings_that_say_nothing_name_no_image(make: Make, name: str, key: str, text: str) -> None:
    bench = make(name, text.format(name, key))
    reasons = [reason for each in bench.provider.discover().components for reason in each.reasons]
    assert {reason.code for reason in reasons} == {"not-pending"}
    assert all(f"[{name}] {key} = " in reason.hint for reason in reasons)


@pytest.mark.parametrize(
    ("error", "code"), [(errno.EACCES, "no-permission"), (errno.EPERM, "no-permission"), (errno.EIO, "unreadable")]
)
def test_a_device_that_does_not_tell_is_listed_with_the_reason(make: Make, error: int, code: str) -> None:
    bench = test_sfs.bench_with(make)
    bench.files.break_for_ever("/dev/sfs", error)
    (reason,) = bench.component("package").reasons
    assert reason.code == code
