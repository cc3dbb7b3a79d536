# SPDX-License-Identifier: Apache-2.0
"""The image directory of this machine: ``.cab`` archives, each with its metainfo, or a mirror of the LVFS.

Everybody who may write there can offer an image to an administrator. So directory and files have to be root's, and
their content is trusted only as far as `livefw.archive.cab` checks it. A file that is rejected is reported, and does
not hide others.
"""

import os
import re
from collections.abc import Callable, Iterator
from hashlib import sha256
from typing import NamedTuple, Self

from livefw import reading
from livefw.archive import cab
from livefw.archive.cab import CabImage
from livefw.archive.metainfo import Metainfo
from livefw.errors import LivefwError, UsageError
from livefw.files.stamp import Stamp, stamp

MOST_FILES = 256
MOST_BYTES = 64 << 20
"""Bytes of one archive at most, packed and unpacked. Unpacking needs three times as much, and the daemon has 256
MiB."""
SUFFIX = ".cab"
METADATA = "firmware.xml."
"""What the metadata of a mirror begin with."""
_NAME = re.compile(r"[A-Za-z0-9_+][A-Za-z0-9_+.,@ ()\[\]-]{0,199}")
"""Of a file: it is part of a URI that fwupd's clients open."""


class LocalImage(NamedTuple):
    """An image in the directory: its archive, that file's size and SHA-256, and its metainfo.

    ``signed``: the SHA-256 is that of signed metadata, and the file was not yet looked at.
    """

    path: str
    size: int
    sha256: str
    about: Metainfo
    signed: bool = False


class ImageDirectory:
    """Caches the content of each archive as long as the file does not change.

    ``say`` is called once for each archive that is rejected.
    """

    def __init__(self, say: Callable[[str], None] = lambda _: None) -> None:
        self._say = say
        self._known: dict[str, tuple[Stamp, tuple[LocalImage, ...]]] = {}
        self._problem = ""

    def images(self, directory: str, keys: str = "") -> tuple[LocalImage, ...]:
        """All images in a directory, in the order of the file names; none if it does not exist or is not trusted.

        ``keys`` is the directory of the keys that have signed the metadata, where it is a mirror.
        """
        problem, found = "", {}
        try:
            with _Directory(directory) as opened:
                names = opened.metadata()
                if names:
                    path = os.path.join(directory, names)
                    found[path] = self._mirror(opened, names, directory, keys)
                for name in () if names else opened.names():
                    path = os.path.join(directory, name)
                    found[path] = self._file(opened, name, path)
        except FileNotFoundError:
            pass
        except reading.Untrusted as error:
            problem = f"images are left out: {error}"
        except OSError as error:
            problem = f"{directory}: {error.strerror}"
        except UsageError as error:
            problem = error.message
        if problem and problem != self._problem:
            self._say(problem)
        self._known, self._problem = found, problem
        return tuple(image for _, images in found.values() for image in images)

    def _mirror(
        self, opened: "_Directory", name: str, directory: str, keys: str
    ) -> tuple[Stamp, tuple[LocalImage, ...]]:
        from livefw.activation.images import mirror  # few directories are one

        path, catalog = os.path.join(directory, name), f"{name}.jcat"
        stamps = (*opened.stamp(name), *opened.stamp(catalog), *_keys_stamp(keys), len(opened.archives()))
        known = self._known.get(path)
        if known and known[0] == stamps:
            return known
        try:
            signed = _read(opened, catalog, path, mirror.MOST_SIGNATURES)
            entries = mirror.read(name, _read(opened, name, path, mirror.MOST_BYTES), signed, keys)
        except FileNotFoundError:
            self._say(f"images are left out: {path} is not signed: {catalog} is missing")
        except OSError as error:
            self._say(f"images are left out: {path}: {error.strerror}")
        except LivefwError as error:
            self._say(error.message)
        else:
            here = opened.archives()
            found = [
                LocalImage(os.path.join(directory, each.file), here[each.file], each.sha256, each.about, signed=True)
                for each in entries
                if each.file in here
            ]
            return stamps, tuple(sorted(found, key=lambda each: each.path))
        return stamps, ()

    def _file(self, opened: "_Directory", name: str, path: str) -> tuple[Stamp, tuple[LocalImage, ...]]:
        stamp = opened.stamp(name)
        known = self._known.get(path)
        if known and known[0] == stamp:
            return known
        try:
            return stamp, tuple(self._images(opened, name, path))
        except OSError as error:
            self._say(f"{path} is left out: {error.strerror}")
        except LivefwError as error:
            self._say(f"{path} is left out: {error.message}")
        return stamp, ()

    def _images(self, opened: "_Directory", name: str, path: str) -> Iterator[LocalImage]:
        data = _read(opened, name, path)
        digest = sha256(data).hexdigest()
        for entry in cab.read_each(data, most=MOST_BYTES):
            if isinstance(entry, CabImage):
                yield LocalImage(path, len(data), digest, entry.about)
            else:
                which = f"version {entry.version} in {path}" if entry.version else path
                self._say(f"{which} is left out: {entry.error.message}")


class _Directory:
    """A trusted directory that is held open, so that the files that are checked are those that are read."""

    def __init__(self, path: str) -> None:
        self.descriptor = reading.trusted(path, directory=True).descriptor
        self._path = path

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.descriptor)

    def metadata(self) -> str:
        """The name of the metadata of a mirror; empty if it is none."""
        here = frozenset(os.listdir(self.descriptor))
        if not any(name.startswith(METADATA) for name in here):
            return ""
        from livefw.activation.images.mirror import NAMES  # few directories are one

        return next((name for name in NAMES if name in here), "")

    def archives(self) -> dict[str, int]:
        """The archives of a mirror, of any number, and their sizes."""
        with os.scandir(self.descriptor) as found:
            each = [entry for entry in found if entry.name.endswith(SUFFIX) and _NAME.fullmatch(entry.name)]
            return {entry.name: entry.stat(follow_symlinks=False).st_size for entry in each if entry.is_file()}

    def names(self) -> list[str]:
        """The names of archives. `UsageError` if there are too many."""
        names = sorted(name for name in os.listdir(self.descriptor) if name.endswith(SUFFIX) and _NAME.fullmatch(name))
        if len(names) > MOST_FILES:
            raise UsageError(f"images are left out: {self._path} has more than {MOST_FILES}")
        return names

    def stamp(self, name: str) -> Stamp:
        """The stamp of a file; empty if it is gone."""
        try:
            found = os.stat(name, dir_fd=self.descriptor, follow_symlinks=False)
        except OSError:
            return ()
        return stamp(found)


def _keys_stamp(keys: str) -> Stamp:
    """The stamp of the directory of keys; empty if there is none."""
    try:
        return stamp(os.stat(keys))
    except OSError:
        return ()


def _read(opened: _Directory, name: str, path: str, most: int = MOST_BYTES) -> bytes:
    with reading.opened(name, dir_fd=opened.descriptor, follow=False) as file:
        if why := reading.objection(os.fstat(file.fileno()), name):
            raise UsageError(str(why))
        data = reading.read_all(file, most, path)
    if not data:
        raise UsageError("it is empty")
    return data
