# SPDX-License-Identifier: Apache-2.0
"""The ``.dist-info`` of an installed livefw, from pyproject.toml: what importlib.metadata and pytest's plug-ins read.

With the standard library alone, for distributions install without hatchling. There is no RECORD: without one pip
leaves alone what it has not installed.
"""

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]


def project() -> dict[str, Any]:
    """The table ``project`` of pyproject.toml."""
    found: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return found


def headers() -> Iterator[tuple[str, str]]:
    """The fields of METADATA ("Core metadata specifications", version 2.4), in the order of hatchling."""
    found = project()
    yield "Metadata-Version", "2.4"
    yield "Name", found["name"]
    yield "Version", found["version"]
    yield "Summary", found["description"]
    yield from (("Project-URL", f"{name}, {url}") for name, url in found.get("urls", {}).items())
    yield "License-Expression", found["license"]
    yield from (("License-File", name) for name in found["license-files"])
    yield "Keywords", ",".join(sorted(found["keywords"]))
    yield from (("Classifier", each) for each in found["classifiers"])
    yield "Requires-Python", found["requires-python"]
    yield from (("Requires-Dist", each) for each in found["dependencies"])
    for extra, wanted in found["optional-dependencies"].items():
        yield "Provides-Extra", extra
        for each in wanted:
            requirement, _, marker = map(str.strip, each.partition(";"))
            condition = f"({marker}) and extra == '{extra}'" if marker else f"extra == '{extra}'"
            yield "Requires-Dist", f"{requirement}; {condition}"
    yield "Description-Content-Type", "text/markdown"


def entry_points() -> str:
    """Programs and plug-ins."""
    found = project()
    groups = {"console_scripts": found["scripts"], **found.get("entry-points", {})}
    return "\n".join(
        "".join([f"[{group}]\n", *(f"{name} = {value}\n" for name, value in sorted(names.items()))])
        for group, names in sorted(groups.items())
    )


def write(folder: Path) -> None:
    """Write the files of ``.dist-info``."""
    text = "".join(f"{name}: {value}\n" for name, value in headers())
    readme = (ROOT / project()["readme"]).read_text(encoding="utf-8")
    (folder / "METADATA").write_text(f"{text}\n{readme}", encoding="utf-8")
    (folder / "entry_points.txt").write_text(entry_points(), encoding="utf-8")
    (folder / "INSTALLER").write_text("make install\n", encoding="ascii")
