# SPDX-License-Identifier: Apache-2.0
"""What is published can be made again by anybody, to the byte, and says what is in it."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

import livefw

from .conftest import source_files

NO_DEBIAN = "dpkg-buildpackage or dh_python3 is missing; on Debian: apt-get install debhelper dh-python dpkg-dev"
pytestmark = pytest.mark.timeout(900)  # builds everything twice
SBOM = "livefw.cdx.json"


class Circumstances(NamedTuple):
    """Where and how a build is made; none of it may be seen in what comes out."""

    folder: str
    umask: int
    touched: int
    environment: dict[str, str]


HERE = Circumstances("here", 0o022, 1_700_000_000, {"LC_ALL": "C", "TZ": "UTC"})
THERE = Circumstances(
    "another/place with a longer name", 0o077, 1_100_000_000, {"LC_ALL": "C.UTF-8", "TZ": "Asia/Kolkata", "LANG": "tr"}
)


def _run(*words: str | Path, cwd: Path, umask: int = 0o022, **environment: str) -> str:
    done = subprocess.run(
        words, cwd=cwd, env=os.environ | environment, umask=umask, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, (words, done.stdout[-2000:], done.stderr[-2000:])
    return done.stdout


def _copied(checkout: Path, target: Path, umask: int, touched: int) -> Path:
    """The source files, as they are now, with the modes that a checkout under this umask gives them."""
    names = source_files(checkout, target.parent)
    for name in sorted(names, key=lambda each: hashlib.sha256(f"{touched}{each}".encode()).digest()):
        source, file = checkout / name, target / name
        file.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, file)
        file.chmod((0o777 if source.stat().st_mode & 0o100 else 0o666) & ~umask)
        os.utime(file, (touched, touched))
    return target


@pytest.fixture(scope="module")
def built(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Path]]:
    """Folders with what two builds in different circumstances made."""
    made = []
    for folder, umask, touched, environment in (HERE, THERE):
        base = tmp_path_factory.mktemp("build") / folder
        tree = _copied(checkout, base / "livefw", umask, touched)
        out = base / "out"
        out.mkdir()
        common = environment | {"SOURCE_DATE_EPOCH": "1763856000", "TMPDIR": str(out.parent)}
        _run(sys.executable, "-m", "build", "--no-isolation", "--outdir", out, cwd=tree, umask=umask, **common)
        if shutil.which("dpkg-buildpackage") and shutil.which("dh_python3"):
            _run("sh", "packaging/build-deb.sh", out, cwd=tree, umask=umask, **common)
        made.append(out)
    yield made[0], made[1]
    for out in made:
        shutil.rmtree(out.parent)


@pytest.mark.parametrize("suffix", [".whl", ".tar.gz", ".deb"])
def test_two_builds_are_equal_to_the_byte(built: tuple[Path, Path], suffix: str) -> None:
    first, second = ([path for path in sorted(out.iterdir()) if path.name.endswith(suffix)] for out in built)
    if suffix == ".deb" and not first:
        pytest.skip(NO_DEBIAN)
    assert [path.name for path in first] == [path.name for path in second]
    assert len(first) == (2 if suffix == ".deb" else 1)
    assert [hashlib.sha256(path.read_bytes()).hexdigest() for path in first] == [
        hashlib.sha256(path.read_bytes()).hexdigest() for path in second
    ]


@pytest.fixture
def sbom(built: tuple[Path, Path]) -> str:
    """The SBOM in the wheel."""
    (wheel,) = built[0].glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return archive.read(f"livefw-{livefw.__version__}.dist-info/sboms/{SBOM}").decode()


def test_the_sbom_is_cyclonedx(sbom: str) -> None:
    error = JsonStrictValidator(SchemaVersion.V1_6).validate_str(sbom)
    assert error is None, str(error)[:300]


def test_the_sbom_names_what_livefw_needs_and_nothing_else(sbom: str) -> None:
    found: dict[str, Any] = json.loads(sbom)
    scopes = {each["name"]: each["scope"] for each in found["components"]}
    assert {name for name, scope in scopes.items() if scope == "required"} == {"msgspec"}
    assert {"cabarchive", "cryptography", "redfish", "requests", "cffi"} <= scopes.keys()
    assert not {"pytest", "ruff", "binary-manager"} & scopes.keys()
    needs = {each["ref"]: each["dependsOn"] for each in found["dependencies"]}
    me = found["metadata"]["component"]["bom-ref"]
    assert any("redfish@" in ref for ref in needs[me])
    reached, left = {me}, [me]
    while left:
        for ref in needs[left.pop()]:
            if ref not in reached:
                reached.add(ref)
                left.append(ref)
    assert reached == {me, *(each["bom-ref"] for each in found["components"])}
    assert "timestamp" not in sbom


def test_the_debian_package_has_the_same_sbom(built: tuple[Path, Path], sbom: str, tmp_path: Path) -> None:
    packages = list(built[0].glob("livefw_*.deb"))
    if not packages:
        pytest.skip(NO_DEBIAN)
    _run("dpkg-deb", "-x", packages[0], tmp_path, cwd=tmp_path)
    assert (tmp_path / "usr/share/doc/livefw" / SBOM).read_text(encoding="utf-8") == sbom


@pytest.fixture(scope="module")
def repository(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone with one commit, of the tree as it is now, tagged as its version asks for."""
    tree = _copied(checkout, tmp_path_factory.mktemp("release") / "livefw", 0o022, HERE.touched)
    me = ("-c", "user.name=a", "-c", "user.email=a@livefw.invalid")
    for words in (["init", "-q"], ["add", "-A"], [*me, "commit", "-q", "-m", "A release"]):
        _run("git", *words, cwd=tree)
    _run("git", "tag", f"v{livefw.__version__}", cwd=tree)
    return tree


def _release(repository: Path, *words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", "scripts/release.sh", *words],
        cwd=repository,
        env=os.environ | {"PYTHON": sys.executable},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_release_has_sums_and_says_how_it_was_made(repository: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = _release(repository, out)
    assert done.returncode == 0, done.stderr
    assert "nothing is signed" in done.stderr
    _run("sha256sum", "--check", "--strict", "SHA256SUMS", cwd=out)
    told: dict[str, Any] = json.loads((out / f"livefw-{livefw.__version__}.provenance.json").read_text("utf-8"))
    assert (told["_type"], told["predicateType"]) == (
        "https://in-toto.io/Statement/v1",
        "https://slsa.dev/provenance/v1",
    )
    subjects = {each["name"]: each["digest"]["sha256"] for each in told["subject"]}
    made = {path.name for path in out.iterdir()} - {"SHA256SUMS", f"livefw-{livefw.__version__}.provenance.json"}
    assert subjects == {name: hashlib.sha256((out / name).read_bytes()).hexdigest() for name in made}
    assert {SBOM, f"livefw-{livefw.__version__}-py3-none-any.whl", f"livefw-{livefw.__version__}.tar.gz"} <= made
    materials = told["predicate"]["buildDefinition"]["resolvedDependencies"]
    assert materials[0]["digest"]["gitCommit"] == _run("git", "rev-parse", "HEAD", cwd=repository).strip()
    build = next(each for each in materials if each["uri"] == "requirements/build.txt")
    assert build["digest"]["sha256"] == hashlib.sha256((repository / "requirements/build.txt").read_bytes()).hexdigest()
    assert _run("git", "status", "--porcelain", cwd=repository) == ""


def _stray(tree: Path) -> None:
    (tree / "stray").touch()


def _changed(tree: Path) -> None:
    (tree / "LICENSE").write_text("mine\n", encoding="ascii")


def _untagged(tree: Path) -> None:
    _run("git", "tag", "-d", f"v{livefw.__version__}", cwd=tree)


def _tagged_elsewhere(tree: Path) -> None:
    words = ["-c", "user.name=a", "-c", "user.email=a@livefw.invalid", "commit", "-q", "--allow-empty", "-m", "More"]
    _run("git", *words, cwd=tree)


def _of_two_versions(tree: Path) -> None:
    changelog = tree / "packaging/debian/changelog"
    changelog.write_text(changelog.read_text("utf-8").replace(f"({livefw.__version__})", "(9.9)"), encoding="utf-8")
    words = ["-c", "user.name=a", "-c", "user.email=a@livefw.invalid", "commit", "-q", "-a", "-m", "More"]
    _run("git", *words, cwd=tree)


def _built_with_another(tree: Path) -> None:
    pins = tree / "requirements/build.txt"
    pins.write_text(pins.read_text("utf-8").replace("hatchling==", "hatchling==0."), encoding="utf-8")
    words = ["-c", "user.name=a", "-c", "user.email=a@livefw.invalid", "commit", "-q", "-a", "-m", "More"]
    _run("git", *words, cwd=tree)
    _run("git", "tag", "-f", f"v{livefw.__version__}", cwd=tree)


REFUSED = [
    (_stray, "not clean"),
    (_changed, "not clean"),
    (_untagged, "not tagged"),
    (_tagged_elsewhere, "not tagged"),
    (_of_two_versions, "packaging/debian/changelog says version 9.9"),
    (_built_with_another, "pins hatchling 0."),
]


@pytest.mark.parametrize(("spoil", "why"), REFUSED, ids=[row[0].__name__.strip("_") for row in REFUSED])
def test_nothing_else_is_released(repository: Path, tmp_path: Path, spoil: Callable[[Path], None], why: str) -> None:
    tree = tmp_path / "livefw"
    _run("git", "clone", "-q", repository, tree, cwd=tmp_path)
    spoil(tree)
    done = _release(tree, tmp_path / "out")
    assert (done.returncode, why in done.stderr) == (1, True), done.stderr
    assert not (tmp_path / "out").exists()
