# SPDX-License-Identifier: Apache-2.0
"""Which component, and which image of an archive with several: the first one, and no older one in its place."""

from typing import Any

import cabarchive
import pytest

from livefw.activation.images.target import find_target
from livefw.activation.inventory.discovery import Candidate
from livefw.activation.inventory.guids import instance, made_guid
from livefw.errors import AmbiguousComponent, NoSuchComponent, UsageError
from livefw.providers.base import Component, Cost, ImagePackage, Version

META = """<component type="firmware"><id>org.x</id><provides><firmware type="flashed">{}</firmware></provides>
<releases>{}</releases></component>"""
RELEASE = (
    '<release version="{0}"><checksum target="content" filename="{0}.bin"/><size type="installed">3</size></release>'
)


class Taking:
    """As much of a provider as is looked at."""

    name = "mech"

    def aliases(self, ident: str) -> tuple[str, ...]:
        return ()

    def stage(self, *_: Any) -> None: ...

    def __getattr__(self, name: str) -> Any:
        if name == "linked_hosts":
            raise AttributeError(name)
        return lambda *_: None


def candidate(ident: str) -> Candidate:
    component = Component("mech", ident, ident, Version("1.0", (1, 0)), False, None, Cost(None, None))
    return Candidate(Taking(), component)


HERE = (candidate("a"), candidate("b"))


def package(files: dict[str, bytes], *, release: str = "", **metainfo: str) -> ImagePackage:
    """An archive: for each component its releases, the metainfo of ``broken`` as it is."""
    packed = cabarchive.CabArchive()
    for name, data in files.items():
        packed[name] = cabarchive.CabFile(data)
    for ident, versions in metainfo.items():
        guid = made_guid(instance("mech", ident))
        text = META.format(guid, "".join(map(RELEASE.format, versions.split()))) if ident != "broken" else versions
        packed[f"{ident}.metainfo.xml"] = cabarchive.CabFile(text.encode())
    return ImagePackage("x.cab", bytes(packed.save()), release=release)


BOTH = {"2.0.bin": b"new", "1.5.bin": b"old"}


@pytest.mark.parametrize(("release", "version", "payload"), [("", "2.0", b"new"), ("1.5", "1.5", b"old")])
def test_the_first_release_or_the_one_that_is_named(release: str, version: str, payload: bytes) -> None:
    target = find_target(None, HERE, package(BOTH, a="2.0 1.5", release=release))
    assert (target.component.id, str(target.version), target.package.data) == ("a", version, payload)


def test_an_older_release_does_not_stand_in_for_a_damaged_one() -> None:
    damaged = BOTH | {"2.0.bin": b"newer"}
    with pytest.raises(UsageError, match=r"'2.0.bin' has 5 bytes, and 3 by the metainfo"):
        find_target("a", HERE, package(damaged, a="2.0 1.5"))
    assert find_target("a", HERE, package(damaged, a="2.0 1.5", release="1.5")).package.data == b"old"


def test_what_is_damaged_for_another_component_is_no_matter() -> None:
    files = {"3.0.bin": b"good", "2.0.bin": b"new"}
    assert find_target("a", HERE, package(files, b="3.0", a="2.0", broken="<")).package.data == b"new"
    with pytest.raises(UsageError, match=r"'3\.0\.bin' has 4 bytes"):
        find_target("b", HERE, package(files, b="3.0", a="2.0"))


def test_what_selects_no_component() -> None:
    with pytest.raises(AmbiguousComponent):
        find_target(None, HERE, package(BOTH, a="2.0", b="1.5"))
    with pytest.raises(NoSuchComponent, match="no component here accepts it"):
        find_target(None, HERE, package(BOTH, c="2.0"))
    with pytest.raises(UsageError, match=r"'broken\.metainfo\.xml' is rejected"):
        find_target(None, HERE, package(BOTH, c="2.0", broken="<"))
