# SPDX-License-Identifier: Apache-2.0
"""The directory of images on this machine: ``.cab`` archives, each with what it says of itself.

Whoever may write there may have any image offered to an administrator; so directory and files have to be root's, and
nothing in them is believed further than `livefw.archive.cab` does. A file that is not taken is told and hides no other.
"""

import os
from collections.abc import Callable
from hashlib import sha256
from typing import NamedTuple, Self

from livefw import reading
from livefw.archive import cab, metainfo
from livefw.archive.metainfo import Metainfo
from livefw.errors import LivefwError, UsageError
from livefw.files.stamp import Stamp, stamp

MOST_FILES = 256
MOST_BYTES = 64 << 20
"""Of one archive, packed and unpacked. Unpacking holds it three times, in a daemon that is to have 256 MiB."""
SUFFIX = ".cab"


class LocalImage(NamedTuple):
    """An image that lies here: the archive that it is in, that file's size and SHA-256, and what is said of it."""

    path: str
    size: int
    sha256: str
    about: Metainfo


class ImageDirectory:
    """Remembers what is in each archive for as long as the file does not change.

    ``say`` is told of each archive that is not taken, once.
    """

    def __init__(self, say: Callable[[str], None] = lambda _: None) -> None:
        self._say = say
        self._known: dict[str, tuple[Stamp, tuple[LocalImage, ...]]] = {}
        self._trouble = ""

    def images(self, directory: str) -> tuple[LocalImage, ...]:
        """All images in a directory, in the order of the file names; none where there is no directory, or no trust."""
        trouble, found = "", {}
        try:
            with _Directory(directory) as opened:
                for name in opened.names():
                    path = os.path.join(directory, name)
                    found[path] = self._file(opened, name, path)
        except FileNotFoundError:
            pass
        except reading.Untrusted as error:
            trouble = f"images are left out: {error}"
        except OSError as error:
            trouble = f"{directory}: {error.strerror}"
        except UsageError as error:
            trouble = error.message
        if trouble and trouble != self._trouble:
            self._say(trouble)
        self._known, self._trouble = found, trouble
        return tuple(image for _, images in found.values() for image in images)

    def _file(self, opened: "_Directory", name: str, path: str) -> tuple[Stamp, tuple[LocalImage, ...]]:
        stamp = opened.stamp(name)
        known = self._known.get(path)
        if known and known[0] == stamp:
            return known
        try:
            return stamp, _read(opened, name, path)
        except OSError as error:
            self._say(f"{path} is left out: {error.strerror}")
        except LivefwError as error:
            self._say(f"{path} is left out: {error.message}")
        return stamp, ()


class _Directory:
    """A directory to rely on, held open: what is looked at and what is read are in the same one."""

    def __init__(self, path: str) -> None:
        self.descriptor = reading.trusted(path, directory=True).descriptor
        self._path = path

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.descriptor)

    def names(self) -> list[str]:
        """Names that may be those of archives; `UsageError` if there are too many."""
        names = sorted(name for name in os.listdir(self.descriptor) if name.endswith(SUFFIX) and metainfo.is_name(name))
        if len(names) > MOST_FILES:
            raise UsageError(f"images are left out: {self._path} has more than {MOST_FILES}")
        return names

    def stamp(self, name: str) -> Stamp:
        """What changes when the file does; empty if it is gone."""
        try:
            found = os.stat(name, dir_fd=self.descriptor, follow_symlinks=False)
        except OSError:
            return ()
        return stamp(found)


def _read(opened: _Directory, name: str, path: str) -> tuple[LocalImage, ...]:
    with reading.opened(name, dir_fd=opened.descriptor, follow=False) as file:
        if why := reading.objection(os.fstat(file.fileno()), name):
            raise UsageError(str(why))
        data = reading.read_all(file, MOST_BYTES, path)
    if not data:
        raise UsageError("it is empty")
    digest = sha256(data).hexdigest()
    return tuple(LocalImage(path, len(data), digest, image.about) for image in cab.read(data, most=MOST_BYTES))
