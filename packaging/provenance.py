# SPDX-License-Identifier: Apache-2.0
"""How a release was made: an unsigned in-toto statement with SLSA provenance v1, for scripts/release.sh.

``version`` prints the version, if all files that name it agree; ``check FILE`` compares what is installed with the pins
of a requirements file; ``statement DIRECTORY COMMIT TAG`` prints the statement about the files in a directory. There is
no clock in it: the same commit, files and interpreter give the same bytes.
"""

import json
import platform
import re
import sys
import tomllib
from collections.abc import Callable
from hashlib import sha256
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
_PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;]+)", re.MULTILINE)
_NAMED_IN = {
    "src/livefw/__init__.py": r'__version__ = "([^"]+)"',
    "packaging/debian/changelog": r"\Alivefw \(([^)]+)\)",
    "packaging/rpm/livefw.spec": r"\nVersion: +(\S+)",
    "packaging/arch/PKGBUILD": r"\npkgver=(\S+)",
    "packaging/org.livefw.livefw.metainfo.xml": r'<release version="([^"]+)"',
}


def version() -> str:
    """The version, of which every file says the same."""
    wanted: str = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    for name, pattern in _NAMED_IN.items():
        found = re.search(pattern, (ROOT / name).read_text(encoding="utf-8"))
        if found is None or found[1] != wanted:
            raise SystemExit(f"release: {name} says version {found and found[1]}, and pyproject.toml {wanted}")
    return wanted


def check(requirements: str) -> str:
    """Nothing, if what is pinned is what is installed."""
    for name, pinned in _PIN.findall((ROOT / requirements).read_text(encoding="utf-8")):
        try:
            found = metadata.version(name)
        except metadata.PackageNotFoundError:
            found = "none"
        if found != pinned:
            raise SystemExit(f"release: {requirements} pins {name} {pinned}, and {found} is installed")
    return ""


def statement(directory: str, commit: str, tag: str) -> str:
    """What was made, from what, by what."""
    materials = [{"uri": f"git+livefw@refs/tags/{tag}", "digest": {"gitCommit": commit}}]
    materials += [
        {"uri": path.relative_to(ROOT).as_posix(), "digest": {"sha256": _digest(path)}}
        for path in sorted((ROOT / "requirements").glob("*.txt"))
    ]
    document = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [
            {"name": path.name, "digest": {"sha256": _digest(path)}} for path in sorted(Path(directory).iterdir())
        ],
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {
            "buildDefinition": {
                "buildType": "urn:livefw:scripts/release.sh:1",
                "externalParameters": {"tag": tag},
                "internalParameters": {
                    "python": platform.python_version(),
                    "machine": platform.machine(),
                    "builtWith": dict(_PIN.findall((ROOT / "requirements/build.txt").read_text(encoding="utf-8"))),
                },
                "resolvedDependencies": materials,
            },
            "runDetails": {"builder": {"id": "urn:livefw:scripts/release.sh"}},
        },
    }
    return json.dumps(document, indent=2, sort_keys=True)


def _digest(path: Path) -> str:
    return sha256(path.read_bytes()).hexdigest()


ACTS: dict[str, Callable[..., str]] = {"version": version, "check": check, "statement": statement}

if __name__ == "__main__":
    if said := ACTS[sys.argv[1]](*sys.argv[2:]):
        print(said)  # noqa: T201 - this is its answer
