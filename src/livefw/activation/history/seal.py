# SPDX-License-Identifier: Apache-2.0
"""A seal for each row, by a key that is not stored with the history.

A user who can write the file can write a new chain. A row that is written with the key carries an HMAC-SHA256 of its
chained hash: without the key nobody can make another history that passes `livefw history --verify` on a machine with
the key. The key is a systemd credential (``LoadCredential=livefw.seal:...``), or in a file that livefw.toml names.

A key file has one key a line. The first one seals; the others are earlier keys, which verify older seals.
"""

import hmac
import os
from collections.abc import Mapping
from hashlib import sha256
from typing import NamedTuple, Self

from livefw import reading
from livefw.activation.history.rows import is_hash
from livefw.errors import PermissionDenied, TransportError

CREDENTIAL = "livefw.seal"
_SHORTEST = 32
"""Characters of a key at least: 128 bits in hexadecimal digits."""
_LONGEST = 1024
_MOST_KEYS = 64
_FILE_LIMIT = _MOST_KEYS * (_LONGEST + 1)


class SealError(TransportError):
    """A key that cannot be used. The message never contains the key."""


class Seal(NamedTuple):
    """Keys by id; the first one seals. The representation shows only ids."""

    keys: tuple[tuple[str, bytes], ...]

    @classmethod
    def parse(cls, text: bytes, *, file: str) -> Self:
        """Read the keys of a file. `SealError`."""
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        if not 0 < len(lines) <= _MOST_KEYS or len(text) > _FILE_LIMIT:
            raise SealError(f"{file}: there must be 1 to {_MOST_KEYS} keys, one a line", phase="seal")
        for number, line in enumerate(lines, 1):
            if not _SHORTEST <= len(line) <= _LONGEST:
                raise SealError(
                    f"{file}: key {number} has {len(line)} characters; {_SHORTEST} to {_LONGEST} are allowed",
                    hint="openssl rand -hex 32 makes one",
                    phase="seal",
                )
        return cls(tuple((_identity(line), line) for line in lines))

    def of(self, chained: str) -> str:
        """The seal of a row with this hash; empty without a key."""
        return f"{self.keys[0][0]}:{_mac(self.keys[0][1], chained)}" if self.keys else ""

    def proves(self, seal: str, chained: str) -> bool | None:
        """Whether the seal matches the hash; None if its key is not here."""
        ident, _, found = seal.partition(":")
        key = dict(self.keys).get(ident)
        if key is None:
            return None
        return is_hash(found) and hmac.compare_digest(found, _mac(key, chained))

    def __repr__(self) -> str:
        return f"Seal({', '.join(ident for ident, _ in self.keys)})"


UNSEALED = Seal(())


def load(path: str | None, *, environment: Mapping[str, str] = os.environ) -> Seal:
    """The keys of systemd's credential, else those of the file; none if there is neither.

    A file that is configured and missing is an error: unsealed rows among sealed ones look like a forgery.

    Raises:
        SealError: the keys cannot be read, or other users can read or change them.
    """
    directory = environment.get("CREDENTIALS_DIRECTORY", "")
    if directory.startswith("/"):
        credential = os.path.join(directory, CREDENTIAL)
        if os.path.lexists(credential):
            return _read(credential)
    return _read(path) if path else UNSEALED


def _read(path: str) -> Seal:
    """Read the keys in a file that no other user can read, change or replace."""
    try:
        text = reading.read_trusted(path, _FILE_LIMIT + 1, private=True)
    except reading.Untrusted as error:
        raise SealError(f"the key {path} is not taken: {error}", hint=error.hint, phase="seal") from error
    except OSError as error:
        kind = PermissionDenied if isinstance(error, PermissionError) else SealError
        raise kind(f"the key {path} cannot be read: {error.strerror}", phase="seal", errno=error.errno) from error
    return Seal.parse(text, file=path)


def _identity(key: bytes) -> str:
    """The id of a key, which is stored in each row and does not reveal the key."""
    return hmac.new(key, b"livefw seal", sha256).hexdigest()[:16]


def _mac(key: bytes, chained: str) -> str:
    return hmac.new(key, f"livefw row {chained}".encode("ascii", "surrogateescape"), sha256).hexdigest()
