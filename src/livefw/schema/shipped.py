# SPDX-License-Identifier: Apache-2.0
"""The schemas that the package has as files, for editors and for programs in any language."""

import json
from collections.abc import Callable, Mapping
from importlib import resources
from types import MappingProxyType
from typing import Any

from livefw.schema import machine, output

SCHEMAS: Mapping[str, Callable[[], dict[str, Any]]] = MappingProxyType(
    {machine.FILE: machine.machine_schema, output.FILE: output.output_schema}
)
"""File names, and what makes their content."""


def text(name: str) -> str:
    """What the file of a name of `SCHEMAS` has to contain."""
    return json.dumps(SCHEMAS[name](), indent=2) + "\n"


def load(name: str) -> dict[str, Any]:
    """The schema as it is shipped."""
    found: dict[str, Any] = json.loads(resources.files("livefw.schema").joinpath(name).read_bytes())
    return found
