# SPDX-License-Identifier: Apache-2.0
"""Python packages that not everybody needs: what each is for, and how to install it."""

from importlib import import_module
from types import ModuleType
from typing import NamedTuple

from livefw.errors import NotInstalled


class Library(NamedTuple):
    """What there is not without it, what to tell pip, and Debian's package, empty where there is none."""

    purpose: str
    pip: str
    debian: str = ""


LIBRARIES = {
    "msgspec": Library(
        "modelled machines (livefw machine, livefw demo)", "msgspec", "python3-msgspec (from Debian 13 on)"
    ),
    "cryptography": Library(
        "signatures (livefw image, signed measurements of a BMC), no modelled BMC",
        "'livefw[crypto]'",
        "python3-cryptography",
    ),
    "redfish": Library("firmware behind a BMC", "'livefw[redfish]'"),
    "cabarchive": Library("making archives of the LVFS (livefw image cab --image)", "'livefw[fwupd]'"),
    "textual": Library("screen of livefw watch", "'livefw[tui]'"),
}
"""By the name under which each is imported."""


def load(name: str) -> ModuleType:
    """The package of this name; `NotInstalled` with what to do about it if it cannot be imported."""
    try:
        return import_module(name)
    except ImportError as error:
        raise missing(name, error) from error


def missing(name: str, error: ImportError) -> NotInstalled:
    """The error for a package of `LIBRARIES` that could not be imported."""
    gone = isinstance(error, ModuleNotFoundError) and error.name == name
    why = "is not installed" if gone else f"cannot be imported: {error}"
    return NotInstalled(f"the Python package {name} {why}", hint=how(name))


def cause(error: ImportError) -> NotInstalled | None:
    """The error for an import that failed somewhere below; None if it was no package of `LIBRARIES`."""
    name = (error.name or "").partition(".")[0]
    return missing(name, error) if name in LIBRARIES else None


def how(name: str) -> str:
    """How to install it."""
    library = LIBRARIES[name]
    debian = f", or Debian's {library.debian}" if library.debian else ""
    return f"pip install {library.pip}{debian}"
