# SPDX-License-Identifier: Apache-2.0
"""The table ``[tdx]`` of livefw.toml, read from the machine that is looked at.

The directory of images named there is the machine's own; one from the environment or the command line is of the host
that runs this program, whatever machine it looks at.
"""

import os
from collections.abc import Mapping
from typing import Any, NamedTuple

from livefw.files.host import HostFiles
from livefw.files.protocol import Files
from livefw.providers import tables
from livefw.providers.tdx.select import ReleaseChoice, TdxPolicy
from livefw.providers.tdx.sigstruct import INTEL_SIGNER

TABLE = "tdx"
VARIABLE = "LIVEFW_TDX_IMAGES"


class Settings(NamedTuple):
    """What an administrator has decided."""

    images: str | None = None
    source: Files | None = None
    """Where the directory of images is, if not on the machine itself."""
    policy: TdxPolicy = TdxPolicy()
    signers: frozenset[str] = frozenset({INTEL_SIGNER})


class TdxKey(NamedTuple):
    """One key of the table: what type its value has, and what it does."""

    kind: type
    text: str


KEYS = {
    "images": TdxKey(str, "image directory, laid out like Intel's repository; a clone of it works"),
    "step": TdxKey(str, "`newest` (default) or `smallest`: which of several possible releases to select"),
    "strict": TdxKey(bool, "accept only releases that the table calls strictly compatible with the running one"),
    "allow_debug": TdxKey(bool, "accept modules that are signed for debugging"),
    "assume_svn": TdxKey(bool, "accept later releases even if the running one's security version is unknown"),
    "mrseam": TdxKey(list, "MRSEAM values that relying parties accept, in hexadecimal; without it none is checked"),
    "signers": TdxKey(list, "additional keys to trust, as SHA-384 of the modulus in hexadecimal"),
}
"""Everything that may be in the table."""


def read_settings(files: Files, *, environment: Mapping[str, str] = os.environ) -> Settings:
    """The settings of the machine behind ``files``; `UsageError` with the place of what is wrong.

    The environment variable LIVEFW_TDX_IMAGES goes before the directory in the file.
    """
    settings = tables.read(files, TABLE, _decode)
    images = environment.get(VARIABLE)
    return on_host(settings, images) if images else settings


def on_host(settings: Settings, images: str) -> Settings:
    """The same settings with a directory of the host that runs this program."""
    return settings._replace(images=os.path.realpath(images), source=HostFiles("/"))


def _decode(table: Any) -> Settings:
    if not isinstance(table, dict):
        raise _wrong(TABLE, "must be a table")
    for name, value in table.items():
        if name not in KEYS:
            raise tables.unknown_key(TABLE, name, KEYS, mechanism=TABLE, hint=_HINT)
        if not isinstance(value, KEYS[name].kind):
            raise _wrong(f"{TABLE}.{name}", f"must be a {_NAMES[KEYS[name].kind]}, not {value!r}")
    images = table.get("images")
    if images is not None and (os.path.normpath(images) != images or not images.startswith("/")):
        raise _wrong(f"{TABLE}.images", f"must be an absolute path, not {images!r}")
    step = table.get("step", ReleaseChoice.NEWEST)
    if step not in list(ReleaseChoice):
        raise _wrong(f"{TABLE}.step", f"must be one of {', '.join(ReleaseChoice)}, not {step!r}")
    signers, mrseam = _digests(table, "signers"), _digests(table, "mrseam")
    if "mrseam" in table and not mrseam:
        raise _wrong(f"{TABLE}.mrseam", "must not be empty; without the key no value is checked")
    policy = TdxPolicy(
        step=ReleaseChoice(step),
        strict=table.get("strict", False),
        allow_debug=table.get("allow_debug", False),
        assume_svn=table.get("assume_svn", False),
        mrseam=mrseam or None,
    )
    return Settings(images, None, policy, signers | {INTEL_SIGNER})


def _digests(table: Mapping[str, Any], key: str) -> frozenset[str]:
    """A list of SHA-384 in hexadecimal."""
    digests = table.get(key, [])
    for index, digest in enumerate(digests):
        if not (isinstance(digest, str) and len(digest) == 96 and set(digest) <= set("0123456789abcdef")):
            raise _wrong(f"{TABLE}.{key}[{index}]", "must be 96 hexadecimal digits in lower case")
    return frozenset(digests)


_NAMES = {str: "string", bool: "true or false", list: "list"}


_HINT = "livefw tdx --help lists the keys"


def _wrong(path: str, text: str) -> tables.TableError:
    return tables.TableError(text, path=path, mechanism=TABLE, hint=_HINT)
