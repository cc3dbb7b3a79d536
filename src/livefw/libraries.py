# SPDX-License-Identifier: Apache-2.0
"""Python packages that not everybody needs: what each is for, and how to install it."""

import os
import sys
from importlib import import_module
from types import ModuleType
from typing import NamedTuple

from livefw.errors import NotInstalled


class Library(NamedTuple):
    """What there is not without it, what to tell pip, Debian's package, empty where there is none, and since when."""

    purpose: str
    pip: str
    debian: str = ""
    since: str = ""


LIBRARIES = {
    "msgspec": Library(
        "modelled machines (livefw machine, livefw demo)", "msgspec", "python3-msgspec", " (from Debian 13 on)"
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
    """How to install it for this interpreter."""
    library = LIBRARIES[name]
    if not is_externally_managed():
        debian = f", or Debian's {library.debian}{library.since}" if library.debian else ""
        return f"pip install {library.pip}{debian}"
    debian = f"apt install {library.debian}{library.since}, or " if library.debian else ""
    return f"{debian}pip install {library.pip} in a virtual environment (python3 -m venv)"


def command(name: str) -> str:
    """The same as one command; empty where there is none that is sure to do it."""
    library = LIBRARIES[name]
    if not is_externally_managed():
        return f"pip install {library.pip}"
    return f"apt install {library.debian}" if library.debian and not library.since else ""


def is_externally_managed() -> bool:
    """Whether pip refuses to install for this interpreter, which a distribution manages.

    Source: PyPA, Externally Managed Environments (PEP 668): the file in the folder of the standard library says so, and
    counts outside virtual environments only.
    """
    if sys.prefix != sys.base_prefix:
        return False
    import sysconfig  # only for errors

    return os.path.exists(os.path.join(sysconfig.get_path("stdlib"), "EXTERNALLY-MANAGED"))
