# SPDX-License-Identifier: Apache-2.0
"""What cockpit-ws runs for each login: ``python login.py KEYFILE BRIDGE [ARGUMENT...]``.

It asks for the key in the address of `livefw demo --web`, and becomes Cockpit's bridge if the key is correct. Without
one, each user of this machine could have a session as the user who runs the demonstration.

The messages are those of Cockpit's doc/authentication.md: a length in decimal digits, a newline, then so many bytes:
the channel, which is empty, a newline, and one JSON object. Nothing of livefw is imported: this is started by itself.
"""

import hmac
import json
import os
import sys
from typing import Any

_LIMIT = 65_536
"""Bytes of a message at most; a login has some hundred."""
_DIGITS = 6


def main(arguments: list[str]) -> None:
    """Ask for the key; then become the bridge, or end with 1."""
    with open(arguments[0], "rb") as file:
        key = file.read()
    _send({"command": "authorize", "cookie": "livefw", "challenge": "*"})
    scheme, _, given = str(_receive().get("response", "")).partition(" ")
    if scheme != "Bearer" or not hmac.compare_digest(given.encode(), key):
        _send(
            {"command": "init", "version": 1, "problem": "authentication-failed", "message": "the key is another one"}
        )
        sys.exit(1)
    os.execvp(arguments[1], arguments[1:])  # noqa: S606 - as everywhere, no shell


def _send(message: dict[str, Any]) -> None:
    body = b"\n" + json.dumps(message).encode("ascii")
    os.write(1, b"%d\n%b" % (len(body), body))


def _receive() -> dict[str, Any]:
    """The next message, and not a byte more: what follows is for the bridge."""
    digits = b""
    while not digits.endswith(b"\n"):
        digits += _read(1)
        if len(digits) > _DIGITS:
            sys.exit("no message")
    size = int(digits)
    if size > _LIMIT:
        sys.exit("too long a message")
    body = b""
    while len(body) < size:
        body += _read(size - len(body))
    message: dict[str, Any] = json.loads(body)
    return message


def _read(most: int) -> bytes:
    return os.read(0, most) or sys.exit("no message")


if __name__ == "__main__":
    main(sys.argv[1:])
