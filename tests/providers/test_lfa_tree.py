# SPDX-License-Identifier: Apache-2.0
"""What the provider makes of a tree. Attribute texts per driver version: Linux, ABI/testing/sysfs-firmware-lfa and the
driver's postings from June 2025 to July 2026."""

import errno
import json
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from livefw.errors import PermissionDenied, TransportError
from livefw.providers.base import Reason, Rendezvous, Trust, Version
from livefw.providers.fake import attributes
from livefw.providers.lfa import tree
from livefw.providers.lfa.drivers import DRIVERS, DriverRow
from livefw.providers.lfa.fake import FakeLfa
from livefw.render import document
from livefw.render.json_text import to_json
from livefw.text import printable

RMM = "6c0762a6-12f2-4b56-92cb-ba8f633606d9"
OTHER = "0509b633-5734-422f-a681-6096e932d93a"


def codes(rows: Iterable[Reason]) -> list[str]:
    return [row.code for row in rows]


@pytest.mark.parametrize(
    ("driver", "count", "version", "settings_"),
    [
        ("rfc1", 7, None, []),
        ("rfc2", 8, None, ["force_cpu_rendezvous"]),
        ("v1", 10, "1.0", ["force_cpu_rendezvous"]),
        ("v3", 11, "1.0", ["force_cpu_rendezvous", "auto_activate"]),
    ],
)
def test_features_are_detected_by_file(
    bench: FakeLfa, driver: str, count: int, version: str | None, settings_: list[str]
) -> None:
    bench.add(driver=driver)
    assert len(bench.files.names(f"{tree.ROOT}/{RMM}")) == count
    (found,) = bench.provider.discover().components
    assert found.key == f"lfa:{RMM}"
    assert (found.current_version.text if found.current_version else None) == version
    assert [name for name, _ in found.settings] == settings_
    assert found.reasons == ()


@pytest.mark.parametrize(
    ("guid", "text", "shown"),
    [
        (RMM, "TF-RMM", "TF-RMM"),  # v1 and later
        (RMM, "RMM", "RMM"),  # first postings
        (RMM, "(unknown)", "TF-RMM"),  # v1, a GUID that it does not know; here one that we know
        (OTHER, "(unknown)", ""),
        (OTHER, "", ""),  # v2, v3
        (OTHER, OTHER, ""),  # NVIDIA 7.0
        (OTHER, b"\x10\xff\x83\n", ""),  # NVIDIA 6.17: whatever lies on the stack
        (OTHER, "\x1b[2Jhello", ""),
        (OTHER, "a name with spaces", "a name with spaces"),
        (RMM, b"", "TF-RMM"),
    ],
)
def test_a_name_is_printable_or_ours_or_nothing(bench: FakeLfa, guid: str, text: str | bytes, shown: str) -> None:
    bench.add(guid, name=text)
    (found,) = bench.provider.discover().components
    assert (found.id, found.name) == (guid, shown)


@pytest.mark.parametrize(
    ("driver", "pending", "text", "version", "sure", "notes"),
    [
        ("v3", "1", "1.2", "1.2", True, []),
        ("v3", "1", "N/A", None, True, []),
        ("v3", "1", "0.0", None, True, []),  # TF-A on FVP, v1 to v3 commit texts
        ("v3", "0", "1.2", None, True, []),
        ("v1", "1", "1.2", "1.2", False, ["pending-version-doubtful", "false-success"]),
        ("v1", "0", "4294967295.7", None, True, ["false-success"]),  # v1 prints uninitialised numbers then
        ("v3", "1", "4294967296.0", None, True, ["pending-version-garbage"]),
        ("v3", "1", "-1.2", None, True, ["pending-version-garbage"]),
        ("v3", "1", "9" * 4000, None, True, ["pending-version-garbage"]),
        ("v3", "1", b"\xff\x00\x1b", None, True, ["pending-version-garbage"]),
    ],
)
def test_pending_versions(
    bench: FakeLfa, driver: str, pending: str, text: str | bytes, version: str | None, sure: bool, notes: list[str]
) -> None:
    bench.add(driver=driver, activation_pending=pending, pending_version=text)
    (found,) = bench.provider.discover().components
    assert (found.pending_version.text if found.pending_version else None) == version
    assert found.pending_version is None or found.pending_version.reliable is sure
    assert codes(found.notes) == notes


@pytest.mark.parametrize("driver", DRIVERS, ids=lambda driver: driver.name)
def test_a_driver_that_hides_failures_is_known_by_its_files(bench: FakeLfa, driver: DriverRow) -> None:
    bench.files.tree |= attributes(f"{tree.ROOT}/{RMM}", **dict.fromkeys(driver.attributes, "1"))
    (found,) = bench.provider.discover().components
    doubtful = driver.trust is Trust.DOUBTFUL
    assert (found.distrusted is not None, "false-success" in codes(found.notes)) == (doubtful, doubtful)


def test_pending_is_read_before_the_pending_version(bench: FakeLfa) -> None:
    """The driver refreshes the flag that pending_version looks at only when activation_pending is read."""
    bench.add()
    bench.provider.discover()
    reads = [path.rpartition("/")[2] for path in bench.files.reads]
    assert reads.index("activation_pending") < reads.index("pending_version")


def test_a_version_of_zero_is_not_a_missing_version(bench: FakeLfa) -> None:
    bench.add(current_version="0.0")
    bench.add(OTHER, driver="rfc2")
    without, zero = bench.provider.discover().components
    assert without.current_version is None
    assert zero.current_version == Version("0.0", reliable=False)
    assert codes(zero.notes) == ["version-not-reported"]


def test_versions_are_ordered_as_numbers(bench: FakeLfa) -> None:
    bench.add(current_version="1.9", pending_version="1.10")
    (found,) = bench.provider.discover().components
    assert found.current_version
    assert found.pending_version
    assert found.current_version.order < found.pending_version.order


@pytest.mark.parametrize(
    ("rendezvous", "force", "cost"),
    [
        ("1", "1", Rendezvous.REQUIRED),
        ("1", "0", Rendezvous.REQUIRED),
        ("0", "1", Rendezvous.FORCED),
        ("0", "0", Rendezvous.OPTIONAL),
        ("0", "x", Rendezvous.FORCED),
        ("?", "1", None),
    ],
)
def test_cpu_rendezvous_1_means_required(bench: FakeLfa, rendezvous: str, force: str, cost: Rendezvous | None) -> None:
    bench.add(cpu_rendezvous=rendezvous, force_cpu_rendezvous=force)
    (found,) = bench.provider.discover().components
    assert found.cost.rendezvous == cost


def test_without_the_setting_all_cpus_stop(bench: FakeLfa) -> None:
    bench.add(driver="rfc1", cpu_rendezvous="0")
    assert bench.provider.discover().components[0].cost.rendezvous is Rendezvous.FORCED


@pytest.mark.parametrize(
    ("texts", "reasons"),
    [
        ({}, []),
        ({"activation_pending": "0"}, ["not-pending"]),
        ({"activation_capable": "0"}, ["not-capable"]),
        ({"may_reset_cpu": "1"}, ["resets-cpu"]),
        ({"activation_pending": "0", "activation_capable": "0", "may_reset_cpu": "1"},
         ["not-pending", "not-capable", "resets-cpu"]),
        ({"activation_pending": "maybe"}, ["unreadable"]),
        ({"activation_pending": b""}, ["unreadable"]),
    ],
)  # fmt: skip
def test_what_cannot_be_activated_says_why(bench: FakeLfa, texts: dict[str, str | bytes], reasons: list[str]) -> None:
    bench.add()
    for name, text in texts.items():
        bench.set(name, text)
    assert codes(bench.provider.discover().components[0].reasons) == reasons


def test_auto_activate_is_reported(bench: FakeLfa) -> None:
    bench.add(auto_activate="1")
    assert codes(bench.provider.discover().components[0].notes) == ["auto-activate"]


def test_only_guids_are_components(bench: FakeLfa) -> None:
    bench.add()
    for name in ("version", "6c0762a6", RMM.upper(), RMM[:-1] + "g", "x" * 36, "..", RMM + "0"):
        bench.files.tree[f"{tree.ROOT}/{name}/name"] = b"no\n"
    assert [found.id for found in bench.provider.discover().components] == [RMM]


def test_nothing_is_ever_written_or_read_where_a_write_acts(bench: FakeLfa) -> None:
    """`echo 0 > activate` activates: not even looking is done there."""
    bench.add()
    bench.provider.discover()
    bench.provider.inspect(RMM)
    bench.provider.diagnose()
    assert bench.files.writes == []
    assert not [path for path in bench.files.reads if path.endswith(("/activate", "/cancel"))]


@pytest.mark.parametrize("attribute", tree.READABLE)
def test_a_directory_that_vanishes_between_two_reads_is_left_out(bench: FakeLfa, attribute: str) -> None:
    bench.add(driver="lw1")
    bench.add(OTHER)
    bench.files.after(bench.path(attribute), lambda: bench.files.remove(f"{tree.ROOT}/{RMM}"))
    survivors = [found.id for found in bench.provider.discover().components]
    assert survivors in ([OTHER], [OTHER, RMM])  # it had been read in full before it went
    assert [found.id for found in bench.provider.discover().components] == [OTHER]


@pytest.mark.parametrize("error", [errno.ENOENT, errno.ENODEV])
def test_a_directory_made_anew_meanwhile_is_read_again(bench: FakeLfa, error: int) -> None:
    bench.add()
    bench.files.fail(bench.path("cpu_rendezvous"), error)
    assert [found.id for found in bench.provider.discover().components] == [RMM]


def test_a_component_that_answers_enoent_for_ever_is_not_there(bench: FakeLfa) -> None:
    """NVIDIA 7.0: reading activation_pending of a component that has left the inventory."""
    bench.add()
    bench.files.break_for_ever(bench.path("activation_pending"), errno.ENOENT)
    assert bench.provider.discover().components == ()
    assert bench.provider.inspect(RMM) is None


def test_ebusy_is_waited_out(bench: FakeLfa) -> None:
    bench.add()
    bench.files.fail(bench.path("activation_pending"), *[errno.EBUSY] * 5)
    (found,) = bench.provider.discover().components
    assert found.pending is True
    assert 0 < bench.clock.passed <= 1


def test_ebusy_for_ever_costs_a_second_and_not_one_per_component(bench: FakeLfa) -> None:
    guids = [f"{number:08x}-0000-0000-0000-000000000000" for number in range(50)]
    for guid in guids:
        bench.add(guid)
        bench.files.break_for_ever(bench.path("activation_pending", guid), errno.EBUSY)
    found = bench.provider.discover().components
    assert [component.id for component in found] == guids
    assert all(codes(component.reasons) == ["unreadable"] for component in found)
    assert bench.clock.passed == pytest.approx(1.0)


@pytest.mark.parametrize("attribute", tree.READABLE)
@pytest.mark.parametrize("error", [errno.EACCES, errno.EIO, errno.EINVAL, errno.ECANCELED])
def test_one_unreadable_file_leaves_the_rest(bench: FakeLfa, attribute: str, error: int) -> None:
    bench.add(driver="lw1")
    bench.files.break_for_ever(bench.path(attribute), error)
    (found,) = bench.provider.discover().components
    told = [*found.reasons, *found.notes]
    assert any(row.code == "unreadable" and errno.errorcode[error] in row.text for row in told)
    assert (codes(found.reasons) == ["unreadable"]) is (attribute == "activation_pending")


@pytest.mark.parametrize("error", [errno.EACCES, errno.EIO])
def test_an_unreadable_directory_is_listed_as_such(bench: FakeLfa, error: int) -> None:
    bench.add()
    bench.files.break_for_ever(f"{tree.ROOT}/{RMM}", error)
    (found,) = bench.provider.discover().components
    assert codes(found.reasons) == ["unreadable"]


@pytest.mark.parametrize(("error", "kind"), [(errno.EACCES, PermissionDenied), (errno.EIO, TransportError)])
def test_an_unreadable_tree_is_an_error_with_its_errno(bench: FakeLfa, error: int, kind: type[TransportError]) -> None:
    bench.files.break_for_ever(tree.ROOT, error)
    with pytest.raises(kind) as caught:
        bench.provider.discover()
    assert (caught.value.errno, caught.value.mechanism) == (error, "lfa")


@pytest.mark.parametrize("paths", [[], [f"{tree.ROOT}/version"]])
def test_no_component_is_not_an_error(bench: FakeLfa, paths: list[str]) -> None:
    bench.files.tree |= dict.fromkeys(paths, b"1\n")
    found = bench.provider.discover()
    assert found.components == ()
    assert found.absent is not None


@settings(max_examples=settings().max_examples * 3 // 2)
@given(texts=st.fixed_dictionaries({}, optional={name: st.binary(max_size=64) for name in tree.READABLE}))
def test_any_bytes_in_any_attribute_are_survived(texts: dict[str, bytes]) -> None:
    bench = FakeLfa()
    bench.add()
    for name, text in texts.items():
        bench.set(name, text)
    (found,) = bench.provider.discover().components
    assert found.name.isprintable()
    shown = to_json(document.component(found, details=True))
    assert shown.isascii()
    assert all(c.isprintable() or c == "\n" for c in shown)
    assert json.loads(shown)["id"] == RMM
    for shown in (found.name, *(text for _, text in found.details)):
        assert printable(shown).isprintable()
