# SPDX-License-Identifier: Apache-2.0
"""The files with which livefw finds a modelled BMC: settings, certificate, credentials."""

import os

from livefw import reading
from livefw.errors import TransportError, UsageError

USER = "admin"
_OURS = b"# Written by livefw machine bmc.\n"
"""The first line of settings that may be overwritten. No more is read: a file may have no second line."""


def write(root: str, url: str, certificate: bytes, password: str) -> dict[str, str]:
    """Write what a client needs below ``root``, and return the paths by what they are.

    Settings that exist are overwritten only if they are those of another modelled BMC. `UsageError` if they are not;
    `TransportError` if a file cannot be written.
    """
    folder = os.path.join(root, "etc/livefw")
    paths = {name: os.path.join(folder, name) for name in ("livefw.toml", "bmc.pem", "bmc.credentials")}
    settings = (
        f"{_OURS.decode()}[[redfish.bmc]]\n"
        f'name = "model"\nurl = "{url}"\nca = "/etc/livefw/bmc.pem"\ncredentials = "/etc/livefw/bmc.credentials"\n'
    )
    contents = {
        "livefw.toml": settings.encode(),
        "bmc.pem": certificate,
        "bmc.credentials": f"{USER}\n{password}\n".encode(),
    }
    try:
        reading.make_directories(folder, 0o755)
        if not _is_ours(paths["livefw.toml"]):
            raise UsageError(f"{paths['livefw.toml']} was not written by this command", hint="name another directory")
        for name, path in paths.items():
            reading.write(path, contents[name], 0o600 if name == "bmc.credentials" else 0o644, follow=False)
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
