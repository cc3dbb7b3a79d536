# SPDX-License-Identifier: Apache-2.0
"""What livefw needs when it runs, as a CycloneDX 1.6 document: ``sbom.py FILE``.

From pyproject.toml and requirements/extras.txt alone, and with the standard library alone: it is made where wheels and
Debian packages are built. The same tree gives the same bytes; there is no clock in it, and its serial number follows
from the rest.
"""

import argparse
import json
import re
import tomllib
import uuid
from pathlib import Path
from typing import Any, NamedTuple

FILENAME = "livefw.cdx.json"
_FOR_DEVELOPERS = ("docs", "fuzz", "peers", "test")
"""Extras with which livefw is tested, and nothing that it needs when it runs."""
_PIN = re.compile(r"^([A-Za-z0-9._-]+)==(\S+?)(?: *; *([^\\\n]*?))? *\\?$", re.MULTILINE)
_VIA = re.compile(r"^ +# via (.*)$", re.MULTILINE)
_WANTED = re.compile(r"([A-Za-z0-9._-]+)\s*(.*)")


class Pin(NamedTuple):
    """A package as the lock has it: its version, where it is needed (PEP 508), and what needs it."""

    name: str
    version: str
    marker: str
    needed_by: tuple[str, ...]

    @property
    def ref(self) -> str:
        """Its package URL."""
        return f"pkg:pypi/{self.name}@{self.version}"


def pins(text: str) -> list[Pin]:
    """The packages of an annotated requirements file."""
    found = list(_PIN.finditer(text))
    ends = [each.start() for each in found[1:]] + [len(text)]
    result = []
    for each, end in zip(found, ends, strict=True):
        via = _VIA.search(text, each.end(), end)
        names = [name.strip() for name in via[1].split(",")] if via else []
        needed_by = tuple(sorted(name for name in names if re.fullmatch(r"[A-Za-z0-9._-]+", name)))
        result.append(Pin(each[1], each[2], each[3] or "", needed_by))
    return result


def document(root: Path) -> dict[str, Any]:
    """The document of the tree at ``root``."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    locked = pins((root / "requirements/extras.txt").read_text(encoding="utf-8"))
    refs = {pin.name: pin.ref for pin in locked}
    wanted = dict(map(_split, project["dependencies"]))
    required = frozenset(wanted)
    extras: dict[str, list[str]] = {}
    for extra, lines in sorted(project["optional-dependencies"].items()):
        for name, spec in map(_split, lines):
            if extra not in _FOR_DEVELOPERS:
                wanted.setdefault(name, spec)
                extras.setdefault(name, []).append(extra)
    me = f"pkg:pypi/livefw@{project['version']}"
    found: dict[str, Any] = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": me,
                "name": "livefw",
                "version": project["version"],
                "description": project["description"],
                "licenses": [{"license": {"id": project["license"]}}],
                "purl": me,
            }
        },
        "components": [_component(pin, required, wanted, extras) for pin in locked],
        "dependencies": [
            {"ref": me, "dependsOn": sorted(refs[name] for name in wanted)},
            *(
                {"ref": pin.ref, "dependsOn": sorted(each.ref for each in locked if pin.name in each.needed_by)}
                for pin in locked
            ),
        ],
    }
    found["serialNumber"] = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(found, sort_keys=True)).urn
    return found


def text(root: Path) -> str:
    """The document as it is written."""
    return json.dumps(document(root), indent=2, sort_keys=True) + "\n"


def _component(
    pin: Pin, required: frozenset[str], wanted: dict[str, str], extras: dict[str, list[str]]
) -> dict[str, Any]:
    """One package, in the version that livefw is tested with; what it asks for may be less."""
    properties = {
        "livefw:requirement": wanted.get(pin.name, ""),
        "livefw:extras": ", ".join(extras.get(pin.name, ())),
        "livefw:marker": pin.marker,
    }
    return {
        "type": "library",
        "bom-ref": pin.ref,
        "name": pin.name,
        "version": pin.version,
        "scope": "required" if pin.name in required else "optional",
        "purl": pin.ref,
        "properties": [{"name": name, "value": value} for name, value in properties.items() if value],
    }


def _split(requirement: str) -> tuple[str, str]:
    """Name and the rest of a line of pyproject.toml."""
    match = _WANTED.fullmatch(requirement)
    assert match is not None, requirement  # noqa: S101
    return re.sub(r"[-_.]+", "-", match[1]).lower(), match[2]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="write the software bill of materials")
    parser.add_argument("file", type=Path, help="where to")
    parser.parse_args().file.write_text(text(Path(__file__).resolve().parents[1]), encoding="utf-8")
