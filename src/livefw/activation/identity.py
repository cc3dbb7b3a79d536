# SPDX-License-Identifier: Apache-2.0
"""Which machine this is, by its files. Nothing here raises: what cannot be read is not known."""

from livefw.activation.history.origin import Origin, has_transient_id, resolved
from livefw.files.protocol import Files
from livefw.text import decode

HOSTNAME = "/proc/sys/kernel/hostname", "/etc/hostname"
MACHINE_ID = ("/etc/machine-id",)
KERNEL = ("/proc/sys/kernel/osrelease",)
MODEL = "/sys/class/dmi/id/product_name", "/proc/device-tree/model"
"""Files of which the first that says something counts (proc(5), machine-id(5))."""
_LIMIT = 256


def fact(files: Files, candidates: tuple[str, ...]) -> str:
    """What the first of these files says; empty if none says anything."""
    return next(filter(None, (_text(files, path) for path in candidates)), "")


def origin_of(files: Files, root: str) -> Origin:
    """The machine whose files are below a root without symbolic links, as rows of the history name it."""
    machine_id = "" if has_transient_id(root) else fact(files, MACHINE_ID)
    return Origin(resolved(root), fact(files, HOSTNAME), machine_id, fact(files, KERNEL))


def _text(files: Files, path: str) -> str:
    try:
        return decode(files.read(path))[:_LIMIT].strip("\0 \n")
    except OSError:
        return ""
