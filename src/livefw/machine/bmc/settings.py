# SPDX-License-Identifier: Apache-2.0
"""The files with which livefw finds a modelled BMC: settings, certificate, credentials."""

import os
from collections.abc import Mapping
from types import MappingProxyType

from livefw import reading
from livefw.errors import TransportError, UsageError

USER = "admin"
NAME = "model"
"""What the settings call it."""
_NONE: Mapping[str, str] = MappingProxyType({})
_OURS = b"# Written by livefw machine bmc.\n"
"""The first line of settings that may be overwritten. No more is read: a file may have no second line."""


def contents(url: str, certificate: bytes, password: str, *, links: Mapping[str, str] = _NONE) -> dict[str, bytes]:
    """What a client needs, by name of the file; ``links`` are members of the BMC's inventory, by what they are here."""
    settings = (
        f"{_OURS.decode()}[[redfish.bmc]]\n"
        f'name = "{NAME}"\nurl = "{url}"\nca = "/etc/livefw/bmc.pem"\ncredentials = "/etc/livefw/bmc.credentials"\n'
    )
    for component, member in links.items():
        settings += f'\n[[link]]\ncomponent = "{component}"\nbmc = "{NAME}"\nmember = "{member}"\n'
    return {
        "livefw.toml": settings.encode(),
        "bmc.pem": certificate,
        "bmc.credentials": f"{USER}\n{password}\n".encode(),
    }


def write(root: str, url: str, certificate: bytes, password: str) -> dict[str, str]:
    """Write what a client needs below ``root``, and return the paths by what they are.

    Settings that exist are overwritten only if they are those of another modelled BMC. `UsageError` if they are not;
    `TransportError` if a file cannot be written.
    """
    folder = os.path.join(root, "etc/livefw")
    found = contents(url, certificate, password)
    paths = {name: os.path.join(folder, name) for name in found}
    try:
        reading.make_directories(folder, 0o755)
        if not _is_ours(paths["livefw.toml"]):
            raise UsageError(f"{paths['livefw.toml']} was not written by this command", hint="name another directory")
        for name, path in paths.items():
            reading.write(path, found[name], 0o600 if name == "bmc.credentials" else 0o644, follow=False)
    except OSError as error:
        raise TransportError(f"{error.filename or folder}: {error.strerror}", errno=error.errno) from error
    return {
        "root": root,
        "settings": paths["livefw.toml"],
        "ca": paths["bmc.pem"],
        "credentials": paths["bmc.credentials"],
    }


def _is_ours(path: str) -> bool:
    try:
        with reading.opened(path, follow=False) as file:
            return file.read(len(_OURS)) == _OURS
    except FileNotFoundError:
        return True
